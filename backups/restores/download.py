"""Items as files: one of them, or several as one file that is written while it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from functools import partial
from uuid import UUID

from django.db.models import Sum

from backups import streams
from backups.catalog.models import Folder, ItemVersion
from backups.restores.basket import basket_of
from backups.restores.reading import Unreadable, VersionReader, read_version
from backups.restores.services import RestoreRefused
from backups.streams import Entry, ExportedFile, Format, Unavailable
from tenants.audit.services import record
from tenants.isolation.scope import require_tenant, tenant_scope

MAX_BYTES = 4 * 1024**3
"""Of all items together, as stored."""
USUAL = ""
"""Each item in the format that its kind is usually opened in."""
MBOX = "mbox"
BATCH = 20
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Line:
    """An item of a download, and the folder that it is in, from the mailbox down."""

    version_id: int
    folder: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Download:
    """Everything that has to be known before the response begins."""

    tenant_id: UUID
    lines: Sequence[Line]
    format: str = USUAL

    @property
    def suffix(self) -> str:
        return ".mbox" if self.format == MBOX else ".zip"

    @property
    def media_type(self) -> str:
        return "application/mbox" if self.format == MBOX else "application/zip"

    def chunks(self) -> Iterator[bytes]:
        """The file. An item that can't be read is named in it: in ``problems.txt`` of a ZIP
        file, in a mail at the end of an MBOX."""
        if self.format == MBOX:
            return streams.write_mbox(self._payloads())
        return streams.write_zip(self._entries())

    def _entries(self) -> Iterator[Entry]:
        reader = VersionReader(self.tenant_id)
        wanted = Format(self.format) if self.format else None
        for line, version in self._versions():
            yield Entry(
                folder=line.folder,
                name=line.subject,
                open=partial(_opened, reader, version, wanted),
                modified=_date(version),
                size=version.size if version else 0,
            )

    def _payloads(self) -> Iterator[bytes]:
        reader, problems = VersionReader(self.tenant_id), list[str]()
        for line, version in self._versions():
            try:
                payload = streams.native_form(_payload(reader, version))
                streams.open_stream(payload)
                yield payload
            except (Unavailable, streams.StreamError) as error:
                problems.append(f"{'/'.join(line.folder)}/{line.subject}: {error}")
        if problems:
            message = EmailMessage()
            message["Subject"] = "Items that could not be downloaded"
            message.set_content("\n".join(problems))
            yield streams.from_mime(message.as_bytes())

    def _versions(self) -> Iterator[tuple[Line, ItemVersion | None]]:
        """Each line with its item; None for one that is not in the backups any more."""
        for start in range(0, len(self.lines), BATCH):
            batch = self.lines[start : start + BATCH]
            with tenant_scope(self.tenant_id):
                rows = ItemVersion.objects.select_related("backup__allocation")
                found = rows.in_bulk([line.version_id for line in batch])
            for line in batch:
                yield line, found.get(line.version_id)


def download_item(
    version: ItemVersion, *, format: Format | None = None, person_id: UUID
) -> ExportedFile:
    """One item as a file; one audit event.

    Raises Unreadable when it can't be read, or can't be written in ``format``.
    """
    payload = read_version(version)
    try:
        file = streams.export_file(payload, format)
    except streams.StreamError as error:
        raise Unreadable(f"This item can't be written in this format: {error}") from error
    record(
        action="items.downloaded",
        subject=version.backup.mailbox.address,
        person_id=person_id,
        items=1,
        item=version.pk,
        format=format or file.suffix.removeprefix("."),
    )
    return file


def download_basket(*, format: str = USUAL, person_id: UUID) -> Download:
    """Prepare the basket as one file; one audit event for each mailbox in it.

    ``format`` is ``USUAL``, ``MBOX`` or a ``Format``. Raises RestoreRefused when the basket is
    empty or holds more than ``MAX_BYTES``.
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
        lines.append(Line(version.pk, (version.backup.mailbox.address, *path), version.subject))
    for address, items in Counter(row.version.backup.mailbox.address for row in rows).items():
        record(
            action="items.downloaded",
            subject=address,
            person_id=person_id,
            items=items,
            format=format or "usual",
        )
    return Download(require_tenant(), lines, format)


def _opened(
    reader: VersionReader, version: ItemVersion | None, format: Format | None
) -> ExportedFile:
    return streams.export_file(_payload(reader, version), format)


def _payload(reader: VersionReader, version: ItemVersion | None) -> bytes:
    if version is None:
        raise Unavailable("it is not in the backups any more.")
    try:
        return reader.read(version)
    except Unreadable as error:
        raise Unavailable(str(error)) from error


def _date(version: ItemVersion | None) -> datetime | None:
    return None if version is None else version.received_at or version.sent_at


def _paths(backup_ids: set[UUID]) -> dict[tuple[UUID, str], tuple[str, ...]]:
    """The path of every folder of some backups, each folder as it was last."""
    rows = Folder.objects.filter(backup__in=backup_ids).order_by("first")
    folders = {(row.backup_id, row.folder_id): row for row in rows}
    paths = {}
    for key, folder in folders.items():
        path: list[str] = []
        step: Folder | None = folder
        while step is not None and len(path) < _DEEPEST:
            path.append(step.name)
            step = folders.get((step.backup_id, step.parent_id))
        paths[key] = tuple(reversed(path))
    return paths
