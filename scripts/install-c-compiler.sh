#!/bin/sh
# Installs a C compiler, for the load program of `make bench`, when there is none.
set -eu
. "$(dirname "$0")/as-root.sh"

command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null && exit 0
if command -v apt-get >/dev/null; then
    apt_install gcc libc6-dev
else
    echo "make bench needs a C compiler on the PATH" >&2
    exit 1
fi
