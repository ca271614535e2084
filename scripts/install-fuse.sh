#!/bin/sh
# Installs libfuse, with which `make soak` makes disks that fail, when it is missing. Debian and its kin only: elsewhere
# those tests are skipped with a reason.
set -eu
. "$(dirname "$0")/as-root.sh"

if [ "$(uname)" = Linux ] && ! ldconfig -p | grep -q 'libfuse[23]*\.so' && command -v apt-get >/dev/null; then
    apt_install libfuse3-3 || apt_install libfuse3-4
fi
