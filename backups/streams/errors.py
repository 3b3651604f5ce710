"""What goes wrong with an item stream, always with the place where it did."""

from __future__ import annotations


class StreamError(Exception):
    """The bytes are not a whole item stream.

    ``offset`` counts bytes from the start of what was read (the payload; for base64 the text),
    ``prop`` is the tag (id << 16 | type) of the property being read, when there is one.
    """

    def __init__(self, reason: str, *, offset: int = 0, prop: int | None = None) -> None:
        self.reason = reason
        self.offset = offset
        self.prop = prop
        super().__init__(reason)

    def __str__(self) -> str:
        where = f" at byte {self.offset}"
        if self.prop is not None:
            where += f", property 0x{self.prop:08X}"
        return self.reason + where


class StreamTruncated(StreamError):
    """The stream ends too early: worth another export, never worth keeping."""


class StreamUnknown(StreamError):
    """Nothing is missing, but the stream uses something that this reader does not know.

    Such an item can still be stored byte for byte (``cut`` keeps it whole); it can't be indexed
    beyond the place that is named.
    """


class MailError(StreamError):
    """A mail that can't be made into an item; the reason names no place in it."""

    def __str__(self) -> str:
        return self.reason
