#!/bin/sh
# What docs/ tells who builds to type does what the page says.
set -eu
exec "${PYTHON:-python3}" "$(dirname "$0")/page_commands.py"
