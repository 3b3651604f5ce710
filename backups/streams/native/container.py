"""The outer layer of an item stream: base64 text, then operations, then the transfer content.

An exported item is a row of operations, each ``u32 opcode, u32 length, bytes`` (little endian).
Exchange 2010 SP1 to Exchange Online write the same row: Config, IsInterfaceOk,
TellPartnerVersion, then TransferBuffer as often as needed. The joined TransferBuffers are one
FastTransfer stream (MS-OXCFXICS 2.2.4) whose root is ``messageContent``. See docs/streams.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import pybase64

from backups.parts import TRANSFER_BUFFER
from backups.streams.errors import StreamError, StreamTruncated, StreamUnknown
from backups.streams.native.content import Content, Payload, content_of

CONFIG: Final = 1
IS_INTERFACE_OK: Final = 3
TELL_PARTNER_VERSION: Final = 4

BUFFER_SIZE: Final = 31_680
"""Bytes of content in each TransferBuffer that we write; the last one holds the rest.

Servers sometimes end a buffer earlier, at a property; a reader must take any sizes.
"""

MAX_BUFFERS: Final = 1_000_000
"""TransferBuffers that are read; at the size that servers fill they would hold 31 GB."""

TRUNCATION_MARKER: Final = b"=== Truncated Data ==="
"""What a server puts at the end of an answer that it could not finish."""

IID_IMESSAGE: Final = bytes.fromhex("0703020000000000c000000000000046")

_OPERATION = struct.Struct("<II")
_VERSION = struct.Struct("<HHH")
_BUILD_FLAG = 0x8000
_LENGTHS = {CONFIG: 8, IS_INTERFACE_OK: 24, TELL_PARTNER_VERSION: 6}
_CONFIG_COPY_TO = struct.pack("<II", 0, 1)
_INTERFACE_FLAGS = bytes.fromhex("00240080")


class ServerBuild(NamedTuple):
    """Version of the server that wrote a stream, as in 15.20.4566.6022."""

    major: int
    minor: int
    build: int
    revision: int = 0

    def __str__(self) -> str:
        return ".".join(map(str, self))


@dataclass(frozen=True, slots=True)
class Container:
    """The operations of a payload: ``prefix`` bytes, then buffers of ``frames`` sizes.

    ``regular`` says that nothing but TransferBuffers follows the first of them, so that prefix,
    frames and content together are the whole payload. ``unknown`` names the first operation that
    this reader does not know; its bytes are passed over. ``fault`` says that the last operation is
    cut off, where that was asked for.
    """

    prefix: bytes
    frames: tuple[int, ...]
    content: Content
    build: ServerBuild | None
    regular: bool
    starts: tuple[int, ...]
    unknown: StreamUnknown | None = None
    fault: StreamTruncated | None = None

    def payload_offset(self, offset: int) -> int:
        """Where byte ``offset`` of the content is in the payload (the end, when beyond it)."""
        for start, size in zip(self.starts, self.frames, strict=True):
            if offset < size:
                return start + offset
            offset -= size
        return self.starts[-1] + self.frames[-1] if self.frames else len(self.prefix)


def decode_export(text: str | bytes) -> bytes:
    """The payload of an exported item from its base64 ``text``.

    White space around the text is allowed, inside it is not. Raises StreamTruncated for the
    server's truncation marker and for a cut-off text, StreamError for anything else that is not
    base64.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError as error:
        raise StreamError("not base64", offset=error.start) from error
    raw = raw.strip(b" \t\r\n")
    try:
        payload = pybase64.b64decode(raw, validate=True)
        # The last digit may hold bits that no byte has; an encoder leaves them zero.
        if raw.endswith(b"=") and pybase64.b64encode(payload[-(len(payload) % 3) :]) != raw[-4:]:
            raise StreamError("not base64: bits beyond the last byte", offset=len(raw) - 4)
        return payload
    except ValueError as error:
        marker = raw.find(TRUNCATION_MARKER)
        if marker >= 0:
            raise StreamTruncated("the server cut the export short", offset=marker) from error
        if len(raw) % 4:
            raise StreamTruncated("the base64 text is cut off", offset=len(raw)) from error
        raise StreamError(f"not base64: {error}") from error


def read_container(payload: Payload, *, cut_off: bool = False) -> Container:
    """Split ``payload`` into its operations. Raises StreamError when the lengths don't add up.

    With ``cut_off`` a payload that ends early is read as far as it goes; ``fault`` says so.
    """
    view = memoryview(payload)
    prefix_end = 0
    starts: list[int] = []
    frames: list[int] = []
    build: ServerBuild | None = None
    regular = True
    unknown: StreamUnknown | None = None
    fault: StreamTruncated | None = None
    try:
        for opcode, start, length in _operations(view):
            if opcode == TRANSFER_BUFFER:
                if len(starts) >= MAX_BUFFERS:
                    reason = f"more than {MAX_BUFFERS:,} buffers"
                    raise StreamError(reason, offset=start - _OPERATION.size)
                starts.append(start)
                frames.append(length)
                continue
            if opcode not in _LENGTHS and unknown is None:
                at = start - _OPERATION.size
                unknown = StreamUnknown(f"unknown operation {opcode}", offset=at)
            if opcode == TELL_PARTNER_VERSION:
                build = _read_build(view, start)
            if frames:
                regular = False
            else:
                prefix_end = start + length
        if not any(frames):
            raise StreamTruncated("there is no content", offset=len(view))
    except StreamTruncated as error:
        if not cut_off or not any(frames):
            raise
        fault = error
    content = content_of(view, starts, frames)
    return Container(
        bytes(view[:prefix_end]),
        tuple(frames),
        content,
        build,
        regular and all(frames) and fault is None,
        tuple(starts),
        unknown,
        fault,
    )


def _operations(view: memoryview) -> Iterator[tuple[int, int, int]]:
    """Opcode, where the bytes start and how many they are; of a cut-off buffer what is there."""
    position, end = 0, len(view)
    while position < end:
        if end - position < _OPERATION.size:
            raise StreamTruncated("an operation's head is cut off", offset=position)
        opcode, length = _OPERATION.unpack_from(view, position)
        if position == 0 and opcode != CONFIG:
            raise StreamError(f"operation {opcode} where Config must be", offset=0)
        expected = _LENGTHS.get(opcode)
        if expected is not None and length != expected:
            reason = f"operation {opcode} has {length} bytes instead of {expected}"
            raise StreamError(reason, offset=position)
        start = position + _OPERATION.size
        if length > end - start:
            if opcode == TRANSFER_BUFFER:
                yield opcode, start, end - start
            reason = f"operation {opcode} wants {length} bytes, {end - start} are there"
            raise StreamTruncated(reason, offset=position)
        yield opcode, start, length
        position = start + length


def write_container(prefix: bytes, content: bytes, frames: tuple[int, ...] | None = None) -> bytes:
    """``content`` after ``prefix`` in TransferBuffers of ``frames`` sizes.

    Without ``frames``, or when they don't hold exactly the content, each buffer but the last has
    ``BUFFER_SIZE`` bytes; a value may lie across two buffers.
    """
    if frames is None or sum(frames) != len(content):
        whole, rest = divmod(len(content), BUFFER_SIZE)
        frames = (BUFFER_SIZE,) * whole + ((rest,) if rest else ())
    view = memoryview(content)
    pieces: list[bytes | memoryview] = [prefix]
    position = 0
    for size in frames:
        pieces += (_OPERATION.pack(TRANSFER_BUFFER, size), view[position : position + size])
        position += size
    return b"".join(pieces)


def write_prefix(build: tuple[int, int, int] | tuple[int, int, int, int]) -> bytes:
    """Config, IsInterfaceOk and TellPartnerVersion as a server of ``build`` writes them.

    ``build`` is (major, minor, build) or (major, minor, build, revision); ValueError when a
    number does not fit its field.
    """
    version = ServerBuild(*build)
    if max(version.major, version.minor) > 0xFF or version.build >= _BUILD_FLAG:
        raise ValueError(f"not a server build: {version}")
    words = (version.major << 8 | version.minor, version.build | _BUILD_FLAG, version.revision)
    try:
        packed = _VERSION.pack(*words)
    except struct.error as error:
        raise ValueError(f"not a server build: {version}") from error
    operations = (
        (CONFIG, _CONFIG_COPY_TO),
        (IS_INTERFACE_OK, struct.pack("<I", 1) + IID_IMESSAGE + _INTERFACE_FLAGS),
        (TELL_PARTNER_VERSION, packed),
    )
    return b"".join(_OPERATION.pack(code, len(body)) + body for code, body in operations)


def _read_build(payload: memoryview, start: int) -> ServerBuild:
    first, build, revision = _VERSION.unpack_from(payload, start)
    return ServerBuild(first >> 8, first & 0xFF, build & ~_BUILD_FLAG, revision)
