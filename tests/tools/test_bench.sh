#!/bin/sh
# The benchmark's arithmetic: windows between markers, verdicts, profiles.
set -eu
exec "${PYTHON:-python3}" "$(dirname "$0")/../bench/check.py"
