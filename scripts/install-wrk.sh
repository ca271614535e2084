#!/bin/sh
# Installs wrk, the load generator of `make bench`, when it is missing.
set -eu
. "$(dirname "$0")/as-root.sh"

command -v wrk >/dev/null && exit 0
if command -v apt-get >/dev/null; then
    apt_install wrk
elif command -v brew >/dev/null; then
    brew install --quiet wrk >&2
else
    echo "make bench needs wrk on the PATH" >&2
    exit 1
fi
