"""Loads a folder of mail, calendars, contacts and Outlook's files into mailboxes.

Every file in it is accounted for.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backups.streams import (
    Made,
    MailError,
    StreamError,
    from_mime,
    read_ics,
    read_msg,
    read_store,
    read_tnef,
    read_vcard,
)
from sandbox.items import folder_for, from_stream, home_of
from sandbox.records import Conflict, NewItem
from sandbox.store import Store

FOLDERS = (
    "Inbox",
    "Inbox/Projects",
    "Inbox/Projects/Falcon",
    "Sent Items",
    "Archive/2024",
    "Archive/2025",
)
_TOP = "msgfolderroot"
_BATCH_BYTES = 16 * 1024 * 1024
_SEPARATOR = re.compile(rb"From \S.*\d\d:\d\d")
_UNDATED_SEPARATOR = re.compile(rb"From \S+\s*$")
_HEADER = re.compile(rb"[!-9;-~]+:")
_QUOTED = re.compile(rb">+From ")


@dataclass(frozen=True, slots=True)
class Refusal:
    """``name`` is the path below the folder, with ``#`` and a number or label for one object of
    several in a file."""

    name: str
    reason: str


@dataclass(slots=True)
class LoadReport:
    """``found`` counts messages of an mbox, objects of a calendar or vCard file and items of an
    Outlook store one by one and any other file as one; it is always ``loaded`` plus the refusals.
    A series with its changed occurrences is one object. ``notes`` name what an item holds as text
    only. ``bytes`` are those of the streams that were made."""

    found: int = 0
    loaded: int = 0
    bytes: int = 0
    refused: list[Refusal] = field(default_factory=list)
    notes: list[Refusal] = field(default_factory=list)


def load_folder(
    store: Store,
    mailboxes: Sequence[str],
    folder: Path,
    progress: Callable[[LoadReport], None] | None = None,
) -> LoadReport:
    """Put what is in the files below ``folder`` into the mailboxes (ids).

    Read are ``.eml``, ``.mbox``, ``.ics``, ``.vcf``, ``.msg``, ``.oft``, ``.pst``, ``.ost``,
    ``.tnef`` and ``winmail.dat``. Which mailbox an item goes to depends on its name alone; its
    class says whether it goes to the calendar, the contacts, the tasks or among the mail. A store
    goes into one mailbox, with its folders. Loading twice puts everything in twice.
    Raises NotADirectoryError for a folder that is none.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    if not mailboxes:
        raise ValueError("there is no mailbox to load into")
    targets = _Targets(store, mailboxes)
    report = LoadReport()
    batch = _Batch(store)
    for name, place, made in _objects(folder):
        report.found += 1
        report.notes += [Refusal(name, note) for note in made.notes]
        if made.payload is None:
            report.refused.append(Refusal(name, made.reason))
            continue
        item = from_stream(made.payload)
        batch.add(*targets.of(name, place, item), item)
        report.loaded += 1
        report.bytes += len(made.payload)
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


class _Targets:
    """Where an item goes: a mailbox by its name, and a folder by its class or its name."""

    def __init__(self, store: Store, mailboxes: Sequence[str]) -> None:
        self._store = store
        self._mailboxes = mailboxes
        self._mail = [
            (mailbox, store.folder_at(mailbox, path).id)
            for mailbox in mailboxes
            for path in FOLDERS
        ]
        self._homes: dict[tuple[str, tuple[str, str]], str] = {}
        self._places: dict[tuple[str, tuple[str, ...]], str] = {}

    def of(self, name: str, place: tuple[str, ...], item: NewItem) -> tuple[str, str]:
        """(mailbox, folder) of an item; ``place`` are the folders that its store had it in."""
        home = home_of(item.item_class)
        # All of a file stays together: a calendar taken apart is none.
        mailbox = self._mailboxes[_choice(name.partition("#")[0], len(self._mailboxes))]
        if place:
            return mailbox, self._folder_at(mailbox, place, home)
        if home is None:
            return self._mail[_choice(name, len(self._mail))]
        if (mailbox, home) not in self._homes:
            self._homes[mailbox, home] = folder_for(self._store, mailbox, home)
        return mailbox, self._homes[mailbox, home]

    def _folder_at(self, mailbox: str, place: tuple[str, ...], home: tuple[str, str] | None) -> str:
        """The folder of a store, created where it is missing, of the kind of its first item."""
        if (mailbox, place) not in self._places:
            *above, name = (part.replace("/", "-") or "-" for part in place)
            parent = self._store.folder_at(mailbox, "/".join(above)).id if above else _TOP
            try:
                kind = home[1] if home else "IPF.Note"
                folder = self._store.add_folder(mailbox, parent, name, kind)
            except Conflict:
                folder = self._store.folder_at(mailbox, "/".join((*above, name)))
            self._places[mailbox, place] = folder.id
        return self._places[mailbox, place]


def _objects(folder: Path) -> Iterator[tuple[str, tuple[str, ...], Made]]:
    """(name, folders of its store, what became of it) of each object of each file.

    A file without any is one object.
    """
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            for place, made in _read(path):
                yield f"{name}#{made.label}" if made.label else name, place, made
        except MailError as error:
            yield name, (), Made(name, reason=str(error))
        except OSError as error:
            yield name, (), Made(name, reason=error.strerror or type(error).__name__)


def _read(path: Path) -> Iterator[tuple[tuple[str, ...], Made]]:
    kind = path.suffix.lower()
    if kind in _STORES:
        for found in read_store(path):
            yield found.folder, found.made
        return
    read = _read_tnef if path.name.lower() == "winmail.dat" else _READERS.get(kind)
    if read is None:
        raise MailError(f"{kind} files are not read" if kind else "no extension")
    for made in read(path.read_bytes()):
        yield (), made


def _read_mail(raw: bytes, label: str = "") -> Iterator[Made]:
    try:
        yield Made(label, from_mime(raw))
    except (StreamError, ValueError, LookupError) as error:
        yield Made(label, reason=f"not a message: {error}")


def _read_mbox(raw: bytes) -> Iterator[Made]:
    number = 0
    for number, message in enumerate(split_mbox(raw), start=1):
        yield from _read_mail(message, str(number))
    if not number:
        raise MailError("no message in it")


def _read_message_file(raw: bytes) -> Iterator[Made]:
    yield replace(read_msg(raw), label="")


def _read_tnef(raw: bytes) -> Iterator[Made]:
    yield replace(read_tnef(raw), label="")


_READERS: dict[str, Callable[[bytes], Iterator[Made]]] = {
    ".eml": _read_mail,
    ".mbox": _read_mbox,
    ".ics": read_ics,
    ".vcf": read_vcard,
    ".msg": _read_message_file,
    ".oft": _read_message_file,
    ".tnef": _read_tnef,
}
_STORES = (".pst", ".ost")


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
