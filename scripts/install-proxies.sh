#!/bin/sh
# Installs PgBouncer, nginx and libfaketime for `make soak`: what stands between s3gw and PostgreSQL, or before s3gw, and
# what sets a node's clock wrong. The tests start servers of their own.
set -eu
. "$(dirname "$0")/as-root.sh"

[ -x /usr/sbin/pgbouncer ] || apt_install pgbouncer
[ -x /usr/sbin/nginx ] || apt_install nginx-light
[ -x /usr/bin/faketime ] || apt_install faketime
