#!/bin/sh
# Installs what the tests need beside Python, when it is missing: PostgreSQL, Redis, curl, ClamAV's daemon, and strace on
# Linux. Prints PostgreSQL's folder, for PATH; everything else goes to standard error. Debian and its kin by apt-get, macOS
# by Homebrew.
set -eu
. "$(dirname "$0")/as-root.sh"

find_postgresql() {
    # What initdb's folder really is: the programs look for their files beside themselves.
    for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb \
        /opt/homebrew/opt/postgresql@*/bin/initdb /usr/local/opt/postgresql@*/bin/initdb /usr/pgsql-*/bin/initdb; do
        if [ -x "$initdb" ] && [ -x "$(dirname "$initdb")/postgres" ]; then
            dirname "$initdb"
            return
        fi
    done
    return 1
}

install_postgresql() {
    if command -v apt-get >/dev/null; then
        # The tests start servers of their own: none shall be started now, or at each boot.
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            as_root mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
        fi
        apt_install postgresql
    elif command -v brew >/dev/null; then
        HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet postgresql@17 >&2
    else
        echo "the tests need PostgreSQL 13 or newer; install it so that initdb is on the PATH" >&2
        return 1
    fi
}

# Without the public database of signatures, which the tests don't need; no service is to be started for it.
install_clamd() {
    if command -v apt-get >/dev/null; then
        if [ ! -e /usr/sbin/policy-rc.d ]; then
            printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
            as_root chmod 755 /usr/sbin/policy-rc.d
            apt_install clamav-daemon
            as_root rm /usr/sbin/policy-rc.d
        else
            apt_install clamav-daemon
        fi
    elif command -v brew >/dev/null; then
        HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet clamav >&2
    fi
}

if [ "$(uname)" = Linux ] && ! command -v strace >/dev/null && command -v apt-get >/dev/null; then
    apt_install strace
fi
if ! command -v curl >/dev/null && command -v apt-get >/dev/null; then
    apt_install curl
fi
if ! command -v redis-server >/dev/null; then
    if command -v apt-get >/dev/null; then apt_install redis-server; else HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet redis >&2; fi
fi
if [ ! -x /usr/sbin/clamd ] && ! command -v clamd >/dev/null; then
    install_clamd || echo "the tests of virus scanning need clamd; install ClamAV's daemon" >&2
fi
find_postgresql || { install_postgresql && find_postgresql; }
