#!/bin/sh
# Installs HAProxy, in front of three nodes, for the tests of several nodes in `make soak`. No service of it is started.
set -eu
. "$(dirname "$0")/as-root.sh"

PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v haproxy >/dev/null && exit 0
if command -v apt-get >/dev/null; then
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod 755 /usr/sbin/policy-rc.d
        apt_install haproxy
        as_root rm /usr/sbin/policy-rc.d
    else
        apt_install haproxy
    fi
elif command -v brew >/dev/null; then
    HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet haproxy >&2
fi
