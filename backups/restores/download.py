"""Several items as one ZIP file, written while it is sent: no copy of it exists here."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Sum

from backups import streams
from backups.catalog.models import Folder, ItemVersion
from backups.restores.basket import basket_of
from backups.restores.reading import Unreadable, VersionReader
from backups.restores.services import RestoreRefused
from tenants.audit.services import record
from tenants.isolation.scope import require_tenant, tenant_scope

MAX_BYTES = 4 * 1024**3
"""Of all items together, as stored."""
PROBLEMS = "problems.txt"
BATCH = 20
_DEEPEST = 32
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """An item of a download, and the folder that its file goes to, each part a safe name."""

    version_id: int
    folder: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Download:
    """Everything that has to be known before the response begins."""

    tenant_id: UUID
    lines: Sequence[Line]

    def chunks(self) -> Iterator[bytes]:
        """The ZIP file. An item that can't be read becomes a line of ``problems.txt``."""
        sink, names, problems = _Sink(), _Names(self.lines), list[str]()
        reader = VersionReader(self.tenant_id)
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for start in range(0, len(self.lines), BATCH):
                batch = self.lines[start : start + BATCH]
                versions = self._versions(batch)
                for line in batch:
                    try:
                        version = versions[line.version_id]
                        suffix, content = streams.export_file(reader.read(version))
                    except KeyError:
                        problems.append(f"{_shown(line)}: it is not in the backups any more.")
                    except Unreadable as error:
                        problems.append(f"{_shown(line)}: {error}")
                    else:
                        info = _info(names.free(line, suffix), version)
                        archive.writestr(info, content)
                        yield sink.take()
            if problems:
                info = zipfile.ZipInfo(names.taken(PROBLEMS), datetime.now(UTC).timetuple()[:6])
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, "\r\n".join([*problems, ""]).encode())
        yield sink.take()

    def _versions(self, batch: Sequence[Line]) -> dict[int, ItemVersion]:
        with tenant_scope(self.tenant_id):
            rows = ItemVersion.objects.select_related("backup__allocation")
            return {row.pk: row for row in rows.filter(pk__in=[line.version_id for line in batch])}


def download_basket(*, person_id: UUID) -> Download:
    """Prepare the basket as a ZIP file; one audit event for each mailbox in it.

    Raises RestoreRefused when the basket is empty or holds more than ``MAX_BYTES``.
    """
    rows = list(basket_of(person_id))
    if not rows:
        raise RestoreRefused("The basket is empty.")
    total = basket_of(person_id).aggregate(total=Sum("version__size"))["total"]
    if total > MAX_BYTES:
        raise RestoreRefused(
            f"These items have {total / 1024**3:.1f} GB together; a download has at most"
            f" {MAX_BYTES // 1024**3} GB. Remove some, or restore them instead."
        )
    paths = _paths({row.version.backup_id for row in rows})
    lines = []
    for row in rows:
        version = row.version
        path = paths.get((version.backup_id, version.folder_id), ())
        top = streams.safe_name(version.backup.mailbox.address, "mailbox")
        lines.append(Line(version.pk, (top, *path), version.subject))
    for address, items in Counter(row.version.backup.mailbox.address for row in rows).items():
        record(action="items.downloaded", subject=address, person_id=person_id, items=items)
    return Download(require_tenant(), lines)


def _paths(backup_ids: set[UUID]) -> dict[tuple[UUID, str], tuple[str, ...]]:
    """The path of every folder of some backups, each folder as it was last."""
    rows = Folder.objects.filter(backup__in=backup_ids).order_by("first")
    folders = {(row.backup_id, row.folder_id): row for row in rows}
    paths = {}
    for key, folder in folders.items():
        path: list[str] = []
        step: Folder | None = folder
        while step is not None and len(path) < _DEEPEST:
            path.append(streams.safe_name(step.name, "folder"))
            step = folders.get((step.backup_id, step.parent_id))
        paths[key] = tuple(reversed(path))
    return paths


def _shown(line: Line) -> str:
    subject = " ".join(line.subject.split()) or "(no subject)"
    return "/".join((*line.folder, subject))


def _info(name: str, version: ItemVersion) -> zipfile.ZipInfo:
    when = max(version.received_at or version.sent_at or _EARLIEST, _EARLIEST)
    info = zipfile.ZipInfo(name, when.astimezone(UTC).timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


class _Names:
    """Gives each file a name that is taken on no system: those that ignore case see it too."""

    def __init__(self, lines: Sequence[Line]) -> None:
        # A file may not have the name of a folder beside it.
        self._taken = {
            "/".join(line.folder[:depth]).casefold()
            for line in lines
            for depth in range(1, len(line.folder) + 1)
        }

    def free(self, line: Line, suffix: str) -> str:
        return self.taken("/".join((*line.folder, streams.safe_name(line.subject) + suffix)))

    def taken(self, wanted: str) -> str:
        """``wanted``, or with a number before its suffix the first name that is free."""
        stem, dot, suffix = wanted.rpartition(".")
        name, number = wanted, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem} ({number}){dot}{suffix}"
        self._taken.add(name.casefold())
        return name


class _Sink:
    """A file that can only be written to: what is written is taken from it, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
