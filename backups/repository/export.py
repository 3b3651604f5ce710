"""Writing a restore point out as plain files, for whoever leaves or has lost the portal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from .browse import folder_path
from .errors import RepositoryError, Unreadable
from .records import ItemRecord
from .state import MailboxState
from .vault import Vault
from .writer import Locate

MANIFEST = "manifest.jsonl"


class Export:
    """A folder with one file per item, ``<mailbox>/<n>.fts``, and a manifest of JSON lines."""

    def __init__(self, to: Path) -> None:
        """Raises RepositoryError when there is a manifest already, or nothing can be written."""
        self.items = 0
        self.bytes = 0
        self._to = to
        try:
            to.mkdir(parents=True, exist_ok=True)
            self._manifest = (to / MANIFEST).open("x", encoding="utf-8")
        except OSError as error:
            raise RepositoryError(f"{to / MANIFEST}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._manifest.close()

    def mailbox(
        self,
        vault: Vault,
        mailbox: UUID,
        state: MailboxState,
        locate: Locate,
        progress: Callable[[int, int], None],
    ) -> Iterator[tuple[ItemRecord, Unreadable]]:
        """Write all items; those that can't be read are given back with the reason.

        ``progress`` is told the number of the item that comes, and how many there are.
        """
        folder = self._to / str(mailbox)
        try:
            folder.mkdir()
            for number, item in enumerate(state.items.values(), start=1):
                progress(number, len(state.items))
                try:
                    content = vault.read_item(item.recipe, item.blobs, item.sha256, locate)
                except Unreadable as error:
                    yield item, error
                    continue
                file = folder / f"{number}.fts"
                with file.open("xb") as target:
                    target.write(content)
                self._manifest.write(self._line(mailbox, state, item, file) + "\n")
                self.items += 1
                self.bytes += len(content)
        except OSError as error:
            raise RepositoryError(f"{error.filename or folder}: {error.strerror}") from error

    def _line(self, mailbox: UUID, state: MailboxState, item: ItemRecord, file: Path) -> str:
        return json.dumps(
            {
                "mailbox": str(mailbox),
                "folder": folder_path(state, item.folder_id),
                "folder_id": item.folder_id,
                "item_id": item.item_id,
                "change_key": item.change_key,
                "item_class": item.item_class,
                "size": item.size,
                "sha256": item.sha256.hex(),
                "file": str(file.relative_to(self._to)),
            }
        )
