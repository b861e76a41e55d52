#!/bin/sh
# hospes-trace-json: spans of CPUs, vCPUs and exits from records as xentrace writes them.
set -eu
exec "${PYTHON:-python3}" "$(dirname "$0")/trace_json.py"
