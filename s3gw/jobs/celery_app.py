"""Celery as what carries jobs: the application that both ends share, its queues, and sending. A message has nothing but
the number of a row of the table `jobs`, which alone says what is to be done, and by whom.

Whoever can write to the broker can have a job that is due be begun, and nothing else: bodies are JSON, the only task is
ours, nobody listens for remote control, and no result is kept. Loaded only where S3GW_CELERY_BROKER says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import KombuError

from s3gw.disks.faults import in_words

if TYPE_CHECKING:
    from s3gw.config import Settings

TASK = "s3gw.job"
_CONNECT, _ANSWER = 3.0, 10.0  # seconds that the broker has
_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}  # carry.py tries again


class BrokerDown(OSError):
    """Nothing can be sent now."""


def queue_of(store: str, kind: str) -> str:
    """`store` is the identity of the database and its blobs, of which several may have one broker."""
    return f"s3gw.{store[:12]}.{kind}"


def _queue(name: str) -> Any:
    """Without acknowledging: what a dead worker had got is sent again anyhow, and Celery acknowledges in its threads,
    which in the moment in which a connection breaks leaves a worker that waits for ever.
    """
    return Queue(name, routing_key=name, no_ack=True)  # type: ignore[no-untyped-call]


def open_app(settings: Settings, store: str, kinds: Iterable[str]) -> Celery:
    app = Celery("s3gw", broker=settings.celery_broker, set_as_current=False, fixups=[], include=[])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_queues=[_queue(queue_of(store, kind)) for kind in kinds],
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        broker_transport_options={
            "socket_connect_timeout": _CONNECT,
            "socket_timeout": _ANSWER,
            "priority_steps": [0],
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


class Messages:
    """Used in one thread at a time; each call connects anew, so none goes on with a connection that has broken."""

    def __init__(self, app: Celery, store: str) -> None:
        self._app, self._store = app, store

    def waiting(self, kind: str) -> int:
        """How many messages no worker has taken yet. Raises BrokerDown."""
        queue = queue_of(self._store, kind)
        return int(self._connected(lambda found: found.default_channel.queue_declare(queue=queue).message_count))

    def send(self, kind: str, numbers: Iterable[int]) -> None:
        """Raises BrokerDown, and then some may have been sent."""

        def publish(connection: Any) -> None:
            with self._app.amqp.Producer(connection) as producer:
                for number in numbers:
                    queue = queue_of(self._store, kind)
                    self._app.send_task(TASK, (number,), queue=queue, producer=producer, retry=False)

        self._connected(publish)

    def _connected(self, work: Any) -> Any:
        with self._app.connection_for_write(connect_timeout=_CONNECT, transport_options=_ONCE) as connection:
            try:
                return work(connection)
            except (*connection.connection_errors, *connection.channel_errors, KombuError, OSError) as error:
                raise BrokerDown(in_words(error)) from None
