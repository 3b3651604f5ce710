"""The broker of a single host that runs no broker: kombu's `filesystem://`, mended.

kombu's own shows a message before it is written (a reader that meets it loses the message and
exits), deletes it before it is worked on, and lets two processes that bind at once read half a
table. Only what touches files is replaced here; portal/messages.py keeps them.
"""

import contextlib
import fcntl
import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote

from kombu import Connection
from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads

from portal.messages import AGAIN, Folder

logger = logging.getLogger(__name__)

STEP = 0.2
closing = threading.Event()

Message = dict[str, Any]
Row = filesystem.exchange_queue_t


@functools.cache
def folder_at(path: str) -> Folder:
    """This process' view of the folder, shared by all its channels."""
    return Folder(Path(path))


class QoS(virtual.QoS):
    """Lets a message's file go when the message is acknowledged."""

    channel: "Channel"

    def ack(self, delivery_tag: str) -> None:
        self.channel.done(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().reject(delivery_tag, requeue=requeue)
        self.channel.done(delivery_tag)


class Channel(filesystem.Channel):
    """kombu's channel with its handling of files replaced."""

    QoS = QoS

    def __init__(self, connection: virtual.Transport, **options: object) -> None:
        super().__init__(connection, **options)
        self.folder = folder_at(self.transport_options["folder"])
        self._held: dict[str, Path] = {}
        self._unacknowledged: set[str] = set()

    @property
    def control_folder(self) -> Path:
        return self.folder.control

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[..., object] | None,
        consumer_tag: str | None,
        **options: object,
    ) -> str:
        if no_ack:
            self._unacknowledged.add(queue)
        return super().basic_consume(queue, no_ack, callback, consumer_tag, **options)

    def basic_get(
        self, queue: str, no_ack: bool = False, **options: object
    ) -> virtual.Message | None:
        message = super().basic_get(queue, no_ack, **options)
        if message is not None and message.delivery_tag is not None and no_ack:
            self.done(message.delivery_tag)
        return message

    def done(self, delivery_tag: str) -> None:
        """Delete the file of a message that is acknowledged or refused for good."""
        held = self._held.pop(delivery_tag, None)
        if held is not None:
            held.unlink(missing_ok=True)

    def _put(self, queue: str, message: Message, **options: object) -> None:  # type: ignore[override]
        self.folder.put(queue, dumps(message).encode())

    def _get(self, queue: str, timeout: float | None = None) -> Message:
        while held := self.folder.take(queue):
            try:
                payload: Message = loads(held.read_bytes().decode())
                delivery_tag = payload["properties"]["delivery_tag"]
            except (ValueError, KeyError, TypeError) as error:
                aside = self.folder.set_aside(held)
                logger.error("%s: a message could not be read (%s): %s", queue, error, aside)
                continue
            if held.name.endswith(AGAIN):
                payload["properties"]["delivery_info"]["redelivered"] = True
            if queue in self._unacknowledged:
                held.unlink()
            else:
                self._held[delivery_tag] = held
            return payload
        raise Empty

    def _restore(self, message: virtual.Message) -> None:
        held = self._held.pop(message.delivery_tag or "", None)
        if held is not None:
            self.folder.give_back(held)

    def _size(self, queue: str) -> int:
        return self.folder.size(queue)

    def _purge(self, queue: str) -> int:
        return self.folder.purge(queue)

    def _exchange_file(self, exchange: str) -> Path:
        return self.folder.control / f"{quote(exchange, safe='')}.exchange"

    def get_table(self, exchange: str) -> list[Row]:  # type: ignore[override]
        try:
            content = self._exchange_file(exchange).read_bytes().decode()
        except FileNotFoundError:
            return []
        return [Row(*row) for row in loads(content)]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        row = Row(routing_key or "", pattern or "", queue or "")
        with self._table(exchange) as table:
            if row not in table:
                table.insert(0, row)

    def _delete(
        self, queue: str, exchange: str, routing_key: str, pattern: str, *arguments: object
    ) -> None:
        self.folder.drop(queue)
        row = Row(routing_key or "", pattern or "", queue or "")
        with self._table(exchange) as table:
            if row in table:
                table.remove(row)

    @contextlib.contextmanager
    def _table(self, exchange: str) -> Iterator[list[Row]]:
        """The bindings of an exchange, to change; readers see the old or the new list, whole."""
        file = self._exchange_file(exchange)
        with (self.folder.control / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            table = self.get_table(exchange)
            before = list(table)
            yield table
            if table != before:
                new = file.with_suffix(".new")
                new.write_text(dumps(table))
                new.replace(file)


class Transport(filesystem.Transport):
    """`filesystem://` with the transport option `folder`, where everything is kept."""

    Channel = Channel

    def drain_events(self, connection: Connection, timeout: float | None = None) -> None:  # type: ignore[override]
        """Deliver one message; TimeoutError after `timeout` seconds without any.

        A worker asks for two seconds at a time and looks whether it should stop only in between;
        once `closing` is set it is not kept waiting.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            step = min(STEP, max(end - time.monotonic(), 0.01))
            try:
                return super().drain_events(connection, timeout=step)
            except TimeoutError:
                if closing.is_set() or time.monotonic() >= end:
                    raise
