"""What is known to be damaged: named until it is healed, and kept out of the blob index.

A damaged blob goes into quarantine: its row leaves the blob index, so the next backup of the same
content stores it anew, and every item that has it can be read again. Nothing is ever deleted from
a repository here. Everything runs inside the tenant's scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q
from django.db.models.functions import Now

from backups.catalog.models import BlobLocation, ItemVersion, MailboxBackup, Pack
from backups.engine.restore import Sealed, read_stored
from backups.repository import Backend, Locate, RepositoryError, Unavailable, Vault, layout
from backups.repository.findings import MISSING, Finding
from backups.repository.packs import Entry
from backups.repository.soundness import damaged_blobs
from backups.verifications.models import DamagedItem, DamagedObject
from tenants.isolation.scope import tenant_scope


def survey(backend: Backend, vault: Vault, repository_id: UUID, pack: str) -> list[bytes]:
    """Put those blobs of a pack into quarantine that can't be read. Raises Unavailable.

    Opens its own transactions: the pack is read between them.
    """
    with tenant_scope(vault.tenant):
        rows = BlobLocation.objects.filter(repository_id=repository_id, pack=pack)
        entries: list[Entry] = [
            (bytes(blob), offset, length)
            for blob, offset, length in rows.values_list("blob", "offset", "length")
        ]
    damaged = damaged_blobs(backend, vault, pack, entries)
    with tenant_scope(vault.tenant):
        if not Pack.objects.filter(repository_id=repository_id, name=pack).exists():
            return []  # collected meanwhile
        for entry, reason in damaged:
            _quarantine(repository_id, vault.tenant, pack, entry, reason)
    return [blob for (blob, _offset, _length), _reason in damaged]


def _quarantine(repository_id: UUID, tenant: UUID, pack: str, entry: Entry, reason: str) -> None:
    blob, offset, length = entry
    DamagedObject.objects.update_or_create(
        repository_id=repository_id,
        name=f"{layout.pack_key(tenant, pack)} at {offset}",
        defaults={
            "reason": reason,
            "blob": blob,
            "pack": pack,
            "offset": offset,
            "length": length,
            "quarantined": True,
            "seen_at": Now(),
            "healed_at": None,
        },
    )
    there = BlobLocation.objects.filter(repository_id=repository_id, blob=blob, pack=pack)
    there.filter(offset=offset).delete()


def suspects(repository_id: UUID) -> set[bytes]:
    """Blobs of which no sound copy is known."""
    rows = DamagedObject.objects.filter(repository_id=repository_id, blob__isnull=False)
    held = rows.filter(healed_at=None).values_list("blob", flat=True)
    return {bytes(blob) for blob in held if blob is not None}


def look_again(backend: Backend, vault: Vault, repository_id: UUID) -> None:
    """Let out of quarantine what can be read after all: the storage was mended, or had erred."""
    with tenant_scope(vault.tenant):
        rows = DamagedObject.objects.filter(repository_id=repository_id, healed_at=None)
        packs: dict[str, list[DamagedObject]] = {}
        for row in rows.filter(blob__isnull=False):
            packs.setdefault(row.pack, []).append(row)
    for pack, held in packs.items():
        entries = [_entry(row) for row in held]
        damaged = {entry for entry, _reason in damaged_blobs(backend, vault, pack, entries)}
        for row, entry in zip(held, entries, strict=True):
            if entry not in damaged:
                with tenant_scope(vault.tenant):
                    _release(row, entry)


def _entry(row: DamagedObject) -> Entry:
    if row.blob is None or row.offset is None or row.length is None:
        raise ValueError(f"{row.name} is no blob")
    return bytes(row.blob), row.offset, row.length


def _release(row: DamagedObject, entry: Entry) -> None:
    blob, offset, length = entry
    # It may have been collected since it was read.
    packs = Pack.objects.filter(repository_id=row.repository_id, name=row.pack, going_at=None)
    if not packs.select_for_update(no_key=True).exists():
        return
    place = BlobLocation(
        tenant_id=row.tenant_id,
        repository_id=row.repository_id,
        blob=blob,
        pack=row.pack,
        offset=offset,
        length=length,
    )
    BlobLocation.objects.bulk_create([place], ignore_conflicts=True)
    DamagedObject.objects.filter(pk=row.pk).update(quarantined=False, healed_at=Now())


def is_explained(repository_id: UUID, pack: str, finding: Finding) -> bool:
    """Whether blobs are named for what is wrong with a pack, or it was collected meanwhile."""
    if not Pack.objects.filter(repository_id=repository_id, name=pack).exists():
        return True
    if " at " not in finding.object and finding.reason != MISSING:
        return False
    return DamagedObject.objects.filter(
        repository_id=repository_id, pack=pack, blob__isnull=False, quarantined=True
    ).exists()


def put_object(repository_id: UUID, name: str, reason: str) -> bool:
    """Name an object; True when it was not known to be damaged."""
    rows = DamagedObject.objects.filter(repository_id=repository_id, name=name[:300])
    known = rows.filter(healed_at=None).exists()
    DamagedObject.objects.update_or_create(
        repository_id=repository_id,
        name=name[:300],
        defaults={"reason": reason, "seen_at": Now(), "healed_at": None},
    )
    return not known


def put_item(
    backup: MailboxBackup, item_id: str, first: int, point: int | None, reason: str
) -> bool:
    """Name an item version; True when it was not known to be damaged."""
    rows = DamagedItem.objects.filter(backup=backup, item_id=item_id, first=first)
    known = rows.filter(healed_at=None).exists()
    DamagedItem.objects.update_or_create(
        backup=backup,
        item_id=item_id,
        first=first,
        defaults={"point": point, "reason": reason, "seen_at": Now(), "healed_at": None},
    )
    return not known


def why_unreadable(
    backup: MailboxBackup, item_id: str, first: int, vault: Vault, locate: Locate
) -> str:
    """Read a version once more, by the catalog: empty when it is whole, or not needed any more.

    What a first look met may have been a pack that was collected at that moment. Opens its own
    transaction. Raises Unavailable.
    """
    with tenant_scope(backup.tenant_id):
        version = ItemVersion.objects.filter(backup=backup, item_id=item_id, first=first).first()
    if version is None:
        return ""
    sealed = Sealed(
        version.item_id, version.change_key, bytes(version.sha256), bytes(version.references)
    )
    try:
        read_stored(vault, locate, backup.mailbox_id, sealed)
    except Unavailable:
        raise
    except (RepositoryError, ValueError) as error:
        return str(error)
    return ""


def close_healed(
    repository_id: UUID, backups: Sequence[UUID], *, since: datetime, saw_objects: bool
) -> int:
    """After a walk over all of them: what it did not meet again is healed. Returns how many.

    A blob is when another copy of it was stored. ``saw_objects``: packs, segments and
    dictionaries were looked at, too.
    """
    gone = Now()
    items = DamagedItem.objects.filter(backup__in=backups, healed_at=None, seen_at__lt=since)
    healed = items.update(healed_at=gone)
    still = DamagedItem.objects.filter(backup__in=backups, healed_at=None).exists()
    objects = DamagedObject.objects.filter(repository_id=repository_id, healed_at=None)
    copies = BlobLocation.objects.filter(repository_id=repository_id, blob=OuterRef("blob"))
    packs = Pack.objects.filter(repository_id=repository_id, name=OuterRef("pack"))
    blobs = objects.filter(blob__isnull=False).annotate(
        is_stored=ExpressionWrapper(Exists(copies), output_field=BooleanField()),
        is_there=ExpressionWrapper(Exists(packs), output_field=BooleanField()),
    )
    done = Q(is_stored=True) if still else Q(is_stored=True) | Q(is_there=False)
    unseen = objects.filter(blob=None, seen_at__lt=since)
    closed = [row.pk for row in unseen if saw_objects or not is_read_whole(row.name)]
    closed += [row.pk for row in blobs.filter(done)]
    healed += DamagedObject.objects.filter(pk__in=closed).update(healed_at=gone)
    return healed


def is_read_whole(name: str) -> bool:
    """Whether an object is only looked at when packs are read."""
    return bool(layout.pack_of(name) or layout.segment_of(name) or layout.dictionary_of(name))
