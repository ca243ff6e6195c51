#!/usr/bin/env bash
# Builds and tests gslfit in each environment of tests/matrix/run.py, or in those named: other Pythons, compilers, GSLs, processors.
#     tests/matrix.sh [ROW ...] [--table]          prints a row for each, with the day on which it was run last
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
exec "${PYTHON:-$root/.venv/bin/python}" "$root/tests/matrix/run.py" "$@"
