"""A share with something to collect, and whether what is kept is whole afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from backups.catalog.blobs import locator
from backups.catalog.models import ItemVersion, MailboxBackup, Pack, RestorePoint
from backups.catalog.projection import references_context
from backups.infrastructure.keys import open_vault
from backups.jobs.models import Job
from backups.jobs.retention import Mode, Retention
from backups.repository import decode_references
from backups.retention import applying
from backups.retention.collection import collect
from backups.retention.outcome import Collected
from tenants.isolation.scope import tenant_scope
from tests.engine.world import MARA, World


def gather(world: World) -> Collected:
    done = collect(world.repository.pk, world.id, grace=timedelta(0))
    assert done is not None
    return done


def expire(world: World, *ages: int) -> None:
    """Say how old Mara's points are, and let those of more than 30 days go."""
    say_how_old(world, *ages)
    with tenant_scope(world.id):
        job = Job.objects.get(pk=world.job.pk)
        job.retention = Retention(Mode.POINTS, 30)
        job.save()
        backup = MailboxBackup.objects.get(mailbox__address=MARA)
        vault = open_vault(world.repository.pk)
    applying.settle(backup.pk, world.id, vault)


def say_how_old(world: World, *ages: int) -> None:
    """In days, each of Mara's points, the oldest first."""
    with tenant_scope(world.id):
        points = RestorePoint.objects.filter(backup__mailbox__address=MARA).order_by("sequence")
        for point, age in zip(points, ages, strict=True):
            point.taken_at = timezone.now() - timedelta(days=age)
            point.save()


def mail_of_a_day(world: World, *, remove: str = "") -> str:
    """One more mail and a run, after another one was deleted at the source."""
    if remove:
        world.sandbox.store.delete_item(world.source_mailbox(), remove, hard=True)
    (item,) = world.add("Inbox", f"mail {timezone.now().timestamp()}")
    assert world.run_job().state == "success"
    return item.id


def make_expired(world: World) -> World:
    """Packs of one run each: the second one's only item is in no restore point any more."""
    world.run_job()
    second = mail_of_a_day(world)
    mail_of_a_day(world, remove=second)
    expire(world, 90, 60, 10)
    return world


def packs(world: World) -> set[str]:
    return {path.name for path in Path(world.repository.location).glob("tenants/*/packs/*/*")}


def doomed(world: World) -> set[str]:
    with tenant_scope(world.id):
        return set(Pack.objects.exclude(doomed_at=None).values_list("name", flat=True))


def everything_reads(world: World) -> dict[tuple[str, int], bytes]:
    """The bytes of every item version of the catalog, through its index, as a restore reads."""
    locate = locator(world.id, world.repository.pk)
    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
        rows = list(ItemVersion.objects.select_related("backup"))
    found = {}
    for row in rows:
        context = references_context(row.item_id, row.change_key)
        opened = vault.unseal(row.backup.mailbox_id, context, bytes(row.references))
        recipe, refs = decode_references(opened)
        found[row.item_id, row.first] = vault.read_item(recipe, refs, bytes(row.sha256), locate)
    return found


def sound(world: World, before: dict[tuple[str, int], bytes]) -> None:
    """All that is kept reads as before, by the catalog and by the repository alone."""
    assert everything_reads(world) == before
    world.verify()
    with tenant_scope(world.id):
        known = set(Pack.objects.filter(doomed_at=None).values_list("name", flat=True))
    assert known <= packs(world)
