#!/bin/sh
# Makes a virtual environment with the newest Python >= 3.11 on the PATH: make-venv.sh FOLDER. PYTHON=… chooses another.
# Debian keeps venv in a package of its own, which is installed when it is missing.
set -eu
. "$(dirname "$0")/as-root.sh"

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "s3gw needs Python 3.11 or newer on the PATH" >&2
    return 1
}

python=$(find_python)
if [ -x "$1/bin/python" ] && is_new_enough "$1/bin/python" && "$1/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    command -v apt-get >/dev/null || { echo "$python has no venv module: install it first" >&2; exit 1; }
    apt_install "python$version-venv"
fi
"$python" -m venv --clear "$1"
