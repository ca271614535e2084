# Sourced: `as_root COMMAND…` runs it as root, by sudo where needed, or says that it can't. Never asks without a terminal.

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
    else
        echo "this needs root, and there is no sudo: $*" >&2
        return 1
    fi
}

# Without a question, without what is merely recommended; the package list is fetched only when a package isn't known.
apt_install() {
    set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@"
    as_root "$@" </dev/null >&2 || { as_root apt-get update -qq </dev/null >&2 && as_root "$@" </dev/null >&2; }
}
