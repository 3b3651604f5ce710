"""Exported items as files that people open, in a tree of folders as they had it."""

from __future__ import annotations

from collections.abc import Iterator

from backups.standalone.views import Listed
from backups.streams import ExportedFile, Format, StreamError, export_file, formats_for
from backups.streams.export.names import Paths

USUAL = "usual"


class Readable:
    """``<mailbox>/<folder>/…/<subject>.eml`` or what else the item is opened in.

    What makes no sense in the format that was asked for, or can't be written in it, becomes what
    its kind usually is, in the end its stored bytes: nothing is left out for its format.
    """

    def __init__(self, chosen: str) -> None:
        """``chosen`` is "usual" or one of ``Format``."""
        self._format = None if chosen == USUAL else Format(chosen)
        self._paths = Paths()

    def keep(self, label: str, folders: list[str], file: str) -> None:
        self._paths.keep((label, *folders), file)

    def file(
        self, label: str, folders: list[str], item: Listed, content: bytes
    ) -> tuple[str, Iterator[bytes]]:
        made = self._made(item.item_class, content)
        return self._paths.file((label, *folders), item.subject, made.suffix), made.pieces

    def _made(self, item_class: str, content: bytes) -> ExportedFile:
        if self._format in formats_for(item_class):
            try:
                return export_file(content, self._format)
            except StreamError:
                return export_file(content, Format.FTS)
        return export_file(content)
