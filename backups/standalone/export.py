"""A folder that restore points are written to as plain files; broken off, it is gone on with."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TextIO
from uuid import UUID

from backups.repository.browse import folder_path
from backups.standalone.output import str_of
from backups.standalone.status import Unwritten, UsageError
from backups.standalone.views import Listed, View

MANIFEST = "manifest.jsonl"
STATE = "export.json"
VERSION = 1
_PART = ".part"


class Layout(Protocol):
    """Which file an item becomes."""

    def keep(self, label: str, folders: list[str], file: str) -> None:
        """An earlier call gave this path to an item; no other gets it."""

    def file(
        self, label: str, folders: list[str], item: Listed, content: bytes
    ) -> tuple[str, Iterator[bytes]]:
        """Its path with "/" between the parts, and what goes into it."""


class Numbered:
    """``<mailbox>/<n>.fts``: the exact bytes, under names that say nothing."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def keep(self, label: str, folders: list[str], file: str) -> None:
        number = int(file.rpartition("/")[2].removesuffix(".fts"))
        self._last[label] = max(number, self._last.get(label, 0))

    def file(
        self, label: str, folders: list[str], item: Listed, content: bytes
    ) -> tuple[str, Iterator[bytes]]:
        number = self._last[label] = self._last.get(label, 0) + 1
        return f"{label}/{number}.fts", iter([content])


class Export:
    """Raises Unwritten for what the disk refuses; the same call again goes on.

    A file is whole before the manifest names it, and the manifest is read again before an export
    goes on: what is not there in its full size is written once more.
    """

    def __init__(self, to: Path, asked: Mapping[str, str], layout: Layout) -> None:
        """``asked`` says what is exported. Raises UsageError when ``to`` holds anything else."""
        self.items = 0
        self.bytes = 0
        self.points: dict[UUID, int] = {}
        """The restore point that each mailbox is exported at, of those that have begun."""
        self._to = to
        self._asked = dict(asked)
        self._layout = layout
        self._labels: dict[UUID, str] = {}
        self._done: set[tuple[str, str]] = set()
        with _unwritten(to):
            to.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._resume()
            self._manifest: TextIO = (to / MANIFEST).open("a", encoding="utf-8", buffering=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._manifest.close()

    def begin(self, view: View, label: str) -> None:
        """``label`` is the mailbox's folder, unless another mailbox has it."""
        if view.mailbox not in self.points:
            taken = {name.casefold() for name in self._labels.values()}
            free = label if label.casefold() not in taken else f"{label} {view.mailbox}"
            self.points[view.mailbox], self._labels[view.mailbox] = view.point, free
            self._save(finished=False)

    def has(self, view: View, item: Listed) -> bool:
        return (str(view.mailbox), item.item_id) in self._done

    def write(self, view: View, item: Listed, content: bytes) -> None:
        folders = view.folder_names(item.folder_id)
        name, pieces = self._layout.file(self._labels[view.mailbox], folders, item, content)
        target = self._to / name
        part = target.with_name(target.name + _PART)
        with _unwritten(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    size = sum(map(file.write, pieces))
                self._manifest.write(_line(view, item, folders, name, size) + "\n")
                part.replace(target)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        self._count(str(view.mailbox), item.item_id, item.size)

    def finish(self) -> None:
        """All is there: it won't be gone on with."""
        with _unwritten(self._to):
            os.sync()
        self._save(finished=True)

    def _count(self, mailbox: str, item_id: str, size: int) -> None:
        self._done.add((mailbox, item_id))
        self.items += 1
        self.bytes += size

    def _resume(self) -> None:
        path = self._to / STATE
        if not path.exists():
            if any(self._to.iterdir()):
                raise UsageError(f"{self._to}: not empty, and no export to go on with")
            self._save(finished=False)
            return
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            asked, finished = state["asked"], state["finished"]
            begun = {UUID(key): (of["point"], of["name"]) for key, of in state["begun"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path}: can't be read; choose another folder") from error
        if asked != self._asked:
            raise UsageError(f"{self._to}: holds another export ({_said(asked)})")
        if finished:
            raise UsageError(f"{self._to}: holds this export, finished; choose another folder")
        self.points = {mailbox: point for mailbox, (point, _) in begun.items()}
        self._labels = {mailbox: name for mailbox, (_, name) in begun.items()}
        self._read_manifest()

    def _read_manifest(self) -> None:
        """Keep the lines whose files are there."""
        path, kept = self._to / MANIFEST, self._to / (MANIFEST + _PART)
        if not path.exists():
            return
        with path.open(encoding="utf-8") as lines, kept.open("w", encoding="utf-8") as target:
            for line in lines:
                with contextlib.suppress(ValueError, KeyError, OSError):
                    entry = json.loads(line)
                    if (self._to / entry["file"]).stat().st_size != entry["file_bytes"]:
                        continue
                    label = self._labels[UUID(entry["mailbox"])]
                    self._layout.keep(label, entry["folders"], entry["file"])
                    self._count(entry["mailbox"], entry["item_id"], entry["size"])
                    target.write(line)
        kept.replace(path)

    def _save(self, *, finished: bool) -> None:
        begun = {
            str(mailbox): {"point": point, "name": self._labels[mailbox]}
            for mailbox, point in self.points.items()
        }
        state = {"version": VERSION, "asked": self._asked, "begun": begun, "finished": finished}
        path = self._to / STATE
        part = path.with_name(STATE + _PART)
        with _unwritten(path):
            part.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
            part.replace(path)


def _line(view: View, item: Listed, folders: list[str], file: str, size: int) -> str:
    return json.dumps(
        {
            "mailbox": str(view.mailbox),
            "address": view.address,
            "point": view.point,
            "folder": folder_path(view.folders, item.folder_id),
            "folders": folders,
            "folder_id": item.folder_id,
            "item_id": item.item_id,
            "change_key": item.change_key,
            "item_class": item.item_class,
            "subject": item.subject,
            "received_at": item.received_at,
            "size": item.size,
            "sha256": item.sha256.hex(),
            "file": file,
            "file_bytes": size,
        },
        default=str_of,
    )


def _said(asked: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in asked.items() if value)


@contextlib.contextmanager
def _unwritten(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritten(f"{error.filename or path}: {error.strerror or error}") from error
