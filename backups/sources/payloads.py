"""Item streams as they arrive: strict base64, decoded piece by piece, large ones into a file."""

from __future__ import annotations

import binascii
import io
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import IO, cast

import pybase64

from backups.sources.errors import Damaged, Retry, SourceError
from backups.sources.interface import Payload

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a stream that is kept in memory; a larger one goes to the folder for temporary files."""

_BEYOND_END = "the stream goes on after the end of its base64"
_CUT_SHORT = b"Truncated Data"
_KEPT_OF_WRONG = 64


class StreamDecoder:
    """Decodes base64 strictly as it arrives; a large stream goes to a file without a name."""

    def __init__(self) -> None:
        self._decoded: io.BytesIO | IO[bytes] = io.BytesIO()
        self._rest = b""
        self._padded = False
        self._error: SourceError | None = None
        self._wrong = b""

    def feed(self, piece: bytes) -> None:
        if self._error:
            self._wrong += piece[: _KEPT_OF_WRONG - len(self._wrong)]
            return
        piece = self._rest + piece
        whole = len(piece) // 4 * 4
        block, self._rest = piece[:whole], piece[whole:]
        if not block:
            return
        if self._padded:
            self._refuse(piece, _BEYOND_END)
            return
        self._padded = block.endswith(b"=")
        try:
            decoded = pybase64.b64decode(block, validate=True)
        except binascii.Error as error:
            self._refuse(piece, f"the stream is not base64: {error}")
            return
        if self._padded and pybase64.b64encode(decoded[-(len(decoded) % 3) :]) != block[-4:]:
            self._refuse(piece, "the stream is not base64: bits beyond the last byte")
            return
        self._keep(decoded)

    def finish(self) -> tuple[Payload | None, SourceError | None]:
        """(payload, None), or (None, what is wrong)."""
        if self._error is None and self._rest:
            self._error = (
                Damaged(_BEYOND_END) if self._padded else Retry("the stream's base64 ends early")
            )
        if self._error and _CUT_SHORT in self._wrong:
            self._error = Retry("the server could not finish the stream: it says truncated data")
        if self._error is None and not self._decoded.tell():
            self._error = Retry("the stream is empty")
        if self._error:
            return None, self._error
        if isinstance(self._decoded, io.BytesIO):
            # Shares the buffer: the stream is in memory once.
            return self._decoded.getvalue(), None
        with self._decoded as file:
            file.flush()
            return mmap(file.fileno(), 0, access=ACCESS_READ), None

    def _refuse(self, piece: bytes, reason: str) -> None:
        self._error = Damaged(reason)
        self._rest = b""
        self._wrong = piece[max(piece.find(b"="), 0) :][:_KEPT_OF_WRONG]

    def _keep(self, decoded: bytes) -> None:
        in_memory = isinstance(self._decoded, io.BytesIO)
        try:
            if in_memory and self._decoded.tell() + len(decoded) > IN_MEMORY:
                file = TemporaryFile()  # noqa: SIM115  (closed when it has been mapped)
                file.write(cast("io.BytesIO", self._decoded).getbuffer())
                self._decoded = file
            self._decoded.write(decoded)
        except OSError as error:
            self._error = Retry(f"no room for a large stream in {gettempdir()}: {error.strerror}")
