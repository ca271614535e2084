#!/bin/sh
# Installs RabbitMQ for `make soak`, which tells it events. The tests start servers of their own.
set -eu
. "$(dirname "$0")/as-root.sh"

[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || apt_install rabbitmq-server
