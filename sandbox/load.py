"""Loads a folder of real mail into mailboxes, and accounts for every file that is there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backups.streams import StreamError
from sandbox.items import from_mail
from sandbox.records import NewItem
from sandbox.store import Store

FOLDERS = (
    "Inbox",
    "Inbox/Projects",
    "Inbox/Projects/Falcon",
    "Sent Items",
    "Archive/2024",
    "Archive/2025",
)
_BATCH_BYTES = 16 * 1024 * 1024
_SEPARATOR = re.compile(rb"From \S.*\d\d:\d\d")
_UNDATED_SEPARATOR = re.compile(rb"From \S+\s*$")
_HEADER = re.compile(rb"[!-9;-~]+:")
_QUOTED = re.compile(rb">+From ")


@dataclass(frozen=True, slots=True)
class Refusal:
    """``name`` is the path below the folder, with ``#number`` for a message of an mbox."""

    name: str
    reason: str


@dataclass(slots=True)
class LoadReport:
    """``found`` counts messages of an mbox one by one and any other file as one; it is always
    ``loaded`` plus the refusals. ``bytes`` are those of the loaded messages as they came."""

    found: int = 0
    loaded: int = 0
    bytes: int = 0
    refused: list[Refusal] = field(default_factory=list)


def load_folder(
    store: Store,
    mailboxes: Sequence[str],
    folder: Path,
    progress: Callable[[LoadReport], None] | None = None,
) -> LoadReport:
    """Put every ``.eml`` and ``.mbox`` below ``folder`` into the mailboxes (ids).

    Which mailbox and folder a message goes to depends on its name alone. Loading twice puts
    everything in twice. Raises NotADirectoryError for a folder that is none.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    if not mailboxes:
        raise ValueError("there is no mailbox to load into")
    targets = [
        (mailbox, store.folder_at(mailbox, path).id) for mailbox in mailboxes for path in FOLDERS
    ]
    report = LoadReport()
    batch = _Batch(store)
    for name, raw in _messages(folder, report):
        report.found += 1
        try:
            item = from_mail(raw)
        except (StreamError, ValueError, LookupError) as error:
            report.refused.append(Refusal(name, f"not a message: {error}"))
            continue
        batch.add(*targets[_choice(name, len(targets))], item)
        report.loaded += 1
        report.bytes += len(raw)
        if progress:
            progress(report)
    batch.flush()
    return report


def split_mbox(data: bytes) -> Iterator[bytes]:
    """The messages of an mbox file (mboxrd: a quoted ``From`` line loses one bracket).

    A new message begins at a ``From`` line that stands first or after an empty line, and has a
    time in it or one word and a header after it; any other is text.
    """
    message: list[bytes] | None = None
    after_empty = True
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if after_empty and _separates(line, lines[number] if number < len(lines) else b""):
            if message is not None:
                yield _joined(message)
            message = []
        elif message is not None:
            message.append(line[1:] if _QUOTED.match(line) else line)
        after_empty = not line.strip()
    if message is not None:
        yield _joined(message)


def _separates(line: bytes, following: bytes) -> bool:
    if _SEPARATOR.match(line):
        return True
    return bool(_UNDATED_SEPARATOR.match(line) and _HEADER.match(following))


class _Batch:
    """Items on their way into the store, in transactions of some size."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[str, str], list[NewItem]] = {}
        self._bytes = 0

    def add(self, mailbox: str, folder: str, item: NewItem) -> None:
        self._waiting.setdefault((mailbox, folder), []).append(item)
        self._bytes += len(item.payload)
        if self._bytes > _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        for (mailbox, folder), items in self._waiting.items():
            self._store.add_items(mailbox, folder, items)
        self._waiting.clear()
        self._bytes = 0


def _messages(folder: Path, report: LoadReport) -> Iterator[tuple[str, bytes]]:
    """(name, raw message) of each message; what is none goes to the report as refused."""
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        kind = path.suffix.lower()
        try:
            raw = path.read_bytes() if kind in (".eml", ".mbox") else b""
        except OSError as error:
            kind, reason = "", error.strerror or type(error).__name__
        else:
            reason = "neither .eml nor .mbox" if kind else "no extension"
        if kind == ".eml":
            yield name, raw
            continue
        messages = list(split_mbox(raw)) if kind == ".mbox" else []
        for number, message in enumerate(messages, start=1):
            yield f"{name}#{number}", message
        if not messages:
            report.found += 1
            report.refused.append(Refusal(name, reason if kind != ".mbox" else "no message in it"))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(parent, name)


def _choice(name: str, count: int) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % count


def _joined(lines: list[bytes]) -> bytes:
    # The empty line before the next From line belongs to the format, not to the message.
    if lines and not lines[-1].strip():
        lines = lines[:-1]
    return b"".join(lines)
