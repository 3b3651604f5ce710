"""One payload, read once: everything that is asked of it shares the same scan."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from backups.parts import CutItem
from backups.streams.errors import StreamError
from backups.streams.native import tags
from backups.streams.native.container import Container, ServerBuild, read_container
from backups.streams.native.content import Content, Payload
from backups.streams.native.cut import cut_container, cut_whole
from backups.streams.native.digest import digest_of
from backups.streams.native.index import IndexRecord, index_of
from backups.streams.native.item import Envelope, Item, item_from
from backups.streams.native.properties import decode_text, is_text
from backups.streams.native.tokens import Scan, scan
from backups.streams.native.walk import Step, walk_from


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What a valid payload is. Sizes in bytes; counts include embedded messages' contents."""

    build: ServerBuild | None
    item_class: str
    properties: int
    recipients: int
    attachments: int
    embedded: int
    buffers: int
    content_size: int
    size: int


class ItemStream:
    """A payload whose container is sound. Make it with ``open_stream``.

    The scan happens at the first question that needs it and is kept.
    """

    def __init__(self, payload: Payload, container: Container) -> None:
        self.payload = payload
        self.container = container

    @property
    def content(self) -> Content:
        return self.container.content

    @functools.cached_property
    def scan(self) -> Scan:
        """The tree as far as it could be read. Its fault counts bytes from the payload's start."""
        found = scan(self.container.content)
        if self.container.fault is not None:
            found.fault = self.container.fault
        elif found.fault is not None:
            found.fault.offset = self.container.payload_offset(found.fault.offset)
        return found

    def summary(self) -> StreamSummary:
        """Facts about a stream that is whole; raises the StreamError of one that is not."""
        self.check()
        root = self.scan.root
        return StreamSummary(
            build=self.container.build,
            item_class=self._item_class(),
            properties=self.scan.properties,
            recipients=self.scan.recipients,
            attachments=self.scan.attachments,
            embedded=self.scan.embedded,
            buffers=len(self.container.frames),
            content_size=root.stop,
            size=len(self.payload),
        )

    def item(self) -> Item:
        """The decoded tree. Raises StreamError for a stream that is not whole or out of order."""
        self.check()
        try:
            item = item_from(self.scan.root, self.content)
        except StreamError as error:
            error.offset = self.container.payload_offset(error.offset)
            raise
        item.envelope = Envelope(self.container.prefix, self.container.frames)
        return item

    def walk(self) -> Iterator[Step]:
        """The item in the order of its stream, with values that are read when they are wanted.

        Ends where a stream that is not whole can't be read any more; never raises.
        """
        return walk_from(self.scan.root, self.content)

    def index(self) -> IndexRecord:
        """The record for the catalog; never raises, its notes say what could not be read."""
        return index_of(self.scan, self.content, len(self.payload))

    def digest(self, without: Collection[int] = ()) -> bytes:
        """32 bytes that stay the same when a server rewrites ids, dates and build numbers.

        ``without`` are ids of properties that don't count. Raises the StreamError of a stream
        that is not whole.
        """
        self.check()
        return digest_of(self.scan.root, self.content, without)

    def cut(self) -> CutItem:
        """The parts and their recipe; a stream that is not whole becomes skeleton only."""
        if not self.container.regular or self.scan.fault is not None:
            return cut_whole(self.payload)
        return cut_container(self.container, self.scan.root)

    def check(self) -> None:
        """Raises the StreamError of a stream that is not whole."""
        if self.container.unknown is not None:
            raise self.container.unknown
        if self.scan.fault is not None:
            raise self.scan.fault

    def _item_class(self) -> str:
        for tag, start, stop, _ in self.scan.root.properties:
            if tag >> 16 == tags.MESSAGE_CLASS and is_text(tag & 0xFFFF):
                try:
                    return decode_text(tag & 0xFFFF, self.content[start:stop])
                except ValueError:
                    return ""
        return ""


def open_stream(payload: Payload) -> ItemStream:
    """Read the operations of ``payload``; raises StreamError when their lengths don't add up."""
    return ItemStream(payload, read_container(payload))


def open_cut_off(payload: Payload) -> ItemStream:
    """The same of a payload that may end early, to look at what is there. Raises StreamError."""
    return ItemStream(payload, read_container(payload, cut_off=True))


def validate(payload: Payload) -> StreamSummary:
    """Accept a payload only if it is whole: operations, value lengths and markers add up.

    Raises StreamTruncated when it ends early, StreamUnknown when it uses something unknown to
    this reader, StreamError for any other damage; each names the offset in the payload.
    """
    return open_stream(payload).summary()


def read_item(payload: Payload) -> Item:
    """The decoded tree of ``payload``; raises StreamError as ``validate`` does."""
    return open_stream(payload).item()


def index_record(payload: Payload) -> IndexRecord:
    """The catalog's record; of a broken container as far as it goes, with a note that says so."""
    try:
        return open_cut_off(payload).index()
    except StreamError as error:
        return IndexRecord(size=len(payload), notes=(str(error),))


def normalised_digest(payload: Payload) -> bytes:
    """See ``ItemStream.digest``."""
    return open_stream(payload).digest()


def cut(payload: Payload) -> CutItem:
    """See ``ItemStream.cut``; raises StreamError only for a broken container."""
    return open_stream(payload).cut()
