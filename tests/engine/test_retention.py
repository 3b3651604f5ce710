"""What becomes too old goes, what is held stays, and the repository agrees with the catalog."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from backups.catalog.models import ItemVersion, MailboxBackup, RestorePoint
from backups.catalog.rebuild import rebuild
from backups.infrastructure.keys import open_vault
from backups.jobs.models import Job
from backups.jobs.retention import KEPT_FOREVER, Mode, Retention
from backups.repository import NotFound, Vault
from backups.retention import applying
from backups.retention.due import due_shares
from backups.retention.models import LegalHold
from backups.retention.services import HoldRefused, place_hold, release_hold
from backups.sessions import services
from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

MONTH = Retention(Mode.POINTS, 30)


def keep(world: World, retention: Retention) -> None:
    with tenant_scope(world.id):
        job = Job.objects.get(pk=world.job.pk)
        job.retention = retention
        job.save()


def age(world: World, *days: int, address: str = MARA) -> None:
    """Say how old the restore points are, oldest first."""
    with tenant_scope(world.id):
        points = RestorePoint.objects.filter(backup__mailbox__address=address)
        for point, old in zip(points.order_by("sequence"), days, strict=True):
            point.taken_at = timezone.now() - timedelta(days=old)
            point.save()


def days_of_mail(world: World, *ages: int) -> None:
    """A restore point for each age in days; the one mail of each is deleted before the next."""
    store, gone = world.sandbox.store, ""
    for number, _ in enumerate(ages):
        if gone:
            store.delete_item(world.source_mailbox(), gone, hard=True)
        (item,) = world.add("Inbox", f"mail of day {number}")
        assert world.run_job().state == "success"
        gone = item.id
    age(world, *ages)


def apply(world: World) -> None:
    with tenant_scope(world.id):
        MailboxBackup.objects.update(retention_due_at=Now())
    applying.apply_due(world.repository.pk, world.id)


def points(world: World, address: str = MARA) -> list[int]:
    with tenant_scope(world.id):
        rows = RestorePoint.objects.filter(backup__mailbox__address=address)
        return list(rows.order_by("sequence").values_list("sequence", flat=True))


def subjects(world: World, address: str = MARA) -> set[str]:
    with tenant_scope(world.id):
        rows = ItemVersion.objects.filter(backup__mailbox__address=address)
        return {row.subject for row in rows if row.subject.startswith("mail of day")}


def vault(world: World) -> Vault:
    with tenant_scope(world.id):
        return open_vault(world.repository.pk)


def agrees(world: World, gone: Collection[int] = ()) -> None:
    """Every restore point of the catalog reads the same from the repository alone; others don't."""
    world.verify()
    opened, mailbox = vault(world), world.mailbox()
    assert list(opened.state(mailbox.pk).points) == points(world)
    for sequence in points(world):
        with tenant_scope(world.id):
            rows = ItemVersion.objects.at(sequence).filter(backup__mailbox=mailbox)
            held = {row.item_id: bytes(row.sha256) for row in rows}
        stored = opened.state(mailbox.pk, sequence)
        assert {i: item.sha256 for i, item in stored.items.items()} == held
    assert not set(gone) & set(points(world))


def test_points_that_are_too_old_go_with_what_only_they_held(world: World) -> None:
    days_of_mail(world, 90, 60, 20, 10)
    keep(world, MONTH)
    apply(world)
    assert points(world) == [3, 4]
    assert subjects(world) == {"mail of day 2", "mail of day 3"}
    agrees(world, gone=[1, 2])
    before = world.head()
    apply(world)
    assert world.head() == before, "there is nothing more to say"
    assert points(world, JUN) == [1], "Jun's only point is as old as the first, and stays"


def test_items_that_were_deleted_stay_until_so_long_after_it_was_found(world: World) -> None:
    days_of_mail(world, 90, 60, 20, 10)
    keep(world, Retention(Mode.ITEMS, 30))
    apply(world)
    assert points(world) == [2, 3, 4], "the second holds what the third found gone 20 days ago"
    assert subjects(world) == {"mail of day 1", "mail of day 2", "mail of day 3"}
    agrees(world, gone=[1])


@pytest.mark.parametrize("mode", [Mode.POINTS, Mode.ITEMS])
def test_the_last_good_point_stays_while_backups_fail(world: World, mode: Mode) -> None:
    days_of_mail(world, 900, 800, 700)
    keep(world, Retention(mode, 30))
    apply(world)
    assert points(world) == [3]
    assert subjects(world) == {"mail of day 2"}
    agrees_at = vault(world).state(world.mailbox().pk, 3)
    assert len(agrees_at.items) == 4


def test_what_a_session_only_began_changes_nothing_of_what_is_kept(world: World) -> None:
    """Partial commits are no points: the last good one stays though they are younger."""
    days_of_mail(world, 90, 60)
    keep(world, MONTH)
    with tenant_scope(world.id):
        newest = RestorePoint.objects.filter(backup__mailbox__address=MARA).latest("sequence")
        RestorePoint.objects.filter(pk=newest.pk).delete()  # as if its commit were partial
    apply(world)
    assert points(world) == [1]
    assert "mail of day 0" in subjects(world)


@pytest.mark.parametrize("retention", [KEPT_FOREVER, Retention(Mode.POINTS, 100)])
def test_without_a_limit_or_within_it_nothing_is_written(
    world: World, retention: Retention
) -> None:
    days_of_mail(world, 90, 60)
    keep(world, retention)
    head = world.head()
    apply(world)
    assert (points(world), world.head()) == ([1, 2], head)


def test_a_clock_that_jumps_ahead_makes_nothing_too_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_of_mail(world, 20, 10, 1)
    keep(world, MONTH)
    ahead = timezone.now() + timedelta(days=4_000)
    monkeypatch.setattr(applying.timezone, "now", lambda: ahead)
    with tenant_scope(world.id):
        backup = MailboxBackup.objects.get(mailbox__address=MARA)
        assert applying.due_to_expire(backup, MONTH) == []


def test_backups_without_a_job_are_kept(world: World) -> None:
    days_of_mail(world, 90, 60)
    keep(world, MONTH)
    with tenant_scope(world.id):
        Job.objects.get(pk=world.job.pk).coverage.all().delete()
    apply(world)
    assert points(world) == [1, 2]


def test_a_run_after_an_expiry_goes_on_where_it_was(world: World) -> None:
    days_of_mail(world, 90, 10)
    keep(world, MONTH)
    apply(world)
    assert points(world) == [2]
    world.add("Inbox", "afterwards")
    session = world.run_job()
    assert (session.state, session.items_new) == ("success", 1)
    agrees(world, gone=[1])


def test_an_expiry_that_was_written_and_not_noted_is_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_of_mail(world, 90, 10)
    keep(world, MONTH)
    original = applying.projection.apply

    def dies(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(applying.projection, "apply", dies)
        with pytest.raises(KeyboardInterrupt):
            apply(world)
    assert applying.projection.apply is original
    assert points(world) == [1, 2]
    assert world.run_job().state == "success"
    assert 1 not in points(world)
    agrees(world, gone=[1])


def test_nothing_expires_while_a_worker_has_the_mailbox(world: World) -> None:
    days_of_mail(world, 90, 10)
    keep(world, MONTH)
    world.start()
    claims = services.claim(queue=world.queue, owner="somebody")
    assert claims
    apply(world)
    assert points(world) == [1, 2]
    assert due_shares() == [], "it is looked at again, but not at once"


class TestLegalHold:
    def place(self, world: World, reason: str = "Case 12") -> LegalHold:
        with tenant_scope(world.id):
            return place_hold(mailbox=world.mailbox(), reason=reason)

    def test_nothing_of_a_held_mailbox_expires_until_the_last_hold_is_released(
        self, world: World
    ) -> None:
        days_of_mail(world, 90, 10)
        keep(world, MONTH)
        first, second = self.place(world), self.place(world, "Case 13")
        apply(world)
        assert points(world) == [1, 2]
        assert self.told(world) == {first.pk: "Case 12", second.pk: "Case 13"}
        with tenant_scope(world.id):
            release_hold(hold=first, reason="closed")
        apply(world)
        assert points(world) == [1, 2]
        assert self.told(world) == {second.pk: "Case 13"}
        with tenant_scope(world.id):
            release_hold(hold=second, reason="closed too")
        apply(world)
        assert points(world) == [2]
        assert self.told(world) == {}
        agrees(world, gone=[1])

    def test_a_lost_database_finds_the_holds_in_the_chain_again(self, world: World) -> None:
        days_of_mail(world, 90, 10)
        keep(world, MONTH)
        hold = self.place(world)
        apply(world)
        with tenant_scope(world.id):
            LegalHold.objects.all().delete()
            backup = MailboxBackup.objects.get(mailbox__address=MARA)
        rebuild(backup.pk, world.id, vault(world), lambda done, of: None)
        age(world, 90, 10)
        apply(world)
        assert points(world) == [1, 2]
        with tenant_scope(world.id):
            assert LegalHold.objects.in_force().get().pk == hold.pk

    def told(self, world: World) -> dict[UUID, str]:
        return vault(world).state(world.mailbox().pk).holds

    def test_who_placed_and_released_it_and_why_is_in_the_audit_log(self, world: World) -> None:
        world.run_job()
        hold = self.place(world)
        with tenant_scope(world.id):
            release_hold(hold=hold, reason="closed")
            events = AuditEvent.objects.filter(action__startswith="hold.").order_by("pk")
            said = [(event.action, event.detail["reason"]) for event in events]
        assert said == [("hold.placed", "Case 12"), ("hold.released", "closed")]

    def test_a_hold_is_released_once_and_never_without_a_reason(self, world: World) -> None:
        world.run_job()
        hold = self.place(world)
        with tenant_scope(world.id):
            with pytest.raises(HoldRefused):
                release_hold(hold=hold, reason="   ")
            with pytest.raises(HoldRefused):
                place_hold(mailbox=world.mailbox(), reason="")
            release_hold(hold=hold, reason="closed")
            with pytest.raises(HoldRefused):
                release_hold(hold=hold, reason="again")


def test_an_expired_point_cannot_be_read_from_the_repository(world: World) -> None:
    days_of_mail(world, 90, 10)
    keep(world, MONTH)
    apply(world)
    state = vault(world).state(world.mailbox().pk)
    assert 1 not in state.points
    with pytest.raises(NotFound):
        vault(world).state(world.mailbox().pk, 99)
