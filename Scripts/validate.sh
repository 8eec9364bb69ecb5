#!/bin/sh
# validate.sh [RESULT.json]...: holds results of ringbench against their JSON Schema.
#
# Needs python3 and PyPI's jsonschema and hdrhistogram, which are put into an environment of its own below .build where
# python3 has none.
# Exit code 77, with the reason, where they cannot be had.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../.build/validate
python=python3

skip() {
  echo "validate: skipped: $1" >&2
  exit 77
}

command -v python3 >/dev/null 2>&1 || skip "there is no python3"
if ! python3 -c 'import hdrh.histogram, jsonschema; jsonschema.Draft202012Validator' >/dev/null 2>&1; then
  python=$environment/bin/python
  if ! "$python" -c 'import hdrh.histogram, jsonschema' >/dev/null 2>&1; then
    mkdir -p "$here/../.build"
    python3 -m venv "$environment" >/dev/null 2>&1 || skip "python3 cannot make a virtual environment (python3-venv)"
    "$environment/bin/pip" install --quiet jsonschema hdrhistogram >/dev/null 2>&1 ||
      skip "pip cannot install jsonschema and hdrhistogram"
  fi
fi
exec "$python" "$here/validate.py" "$@"
