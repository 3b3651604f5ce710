"""Verifying in the portal: found, named, kept out of the index, healed by the next backup."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.catalog.blobs import locator
from backups.catalog.models import BlobLocation, ItemVersion
from backups.engine.restore import Sealed, read_stored
from backups.infrastructure.keys import open_vault
from backups.infrastructure.models import Allocation
from backups.repository import layout
from backups.sessions.models import State as SessionState
from backups.verifications import services, work
from backups.verifications.models import (
    DamagedItem,
    DamagedObject,
    Level,
    State,
    Verification,
)
from tenants.isolation.scope import operator_scope, tenant_scope
from tenants.models import AuditEvent, OutboxMessage, Recipient
from tests.engine.world import JUN, MARA, World, mail

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

ALL_LEVELS = [Level.STRUCTURE, Level.FULL]


def allocation_of(world: World) -> Allocation:
    with operator_scope():
        return Allocation.objects.select_related("tenant").get(tenant_id=world.id)


def work_off(world: World) -> None:
    for _ in range(200):
        if not work.run_queue(world.queue):
            return
    raise AssertionError("the verification does not end")


def verify(world: World, level: str = Level.FULL) -> Verification:
    """Ask for one and work until it, and what it asked for itself, has ended."""
    asked = services.request(allocation=allocation_of(world), level=level)
    work_off(world)
    return row_of(world, asked)


def row_of(world: World, verification: Verification) -> Verification:
    with tenant_scope(world.id):
        return Verification.objects.get(pk=verification.pk)


def folder(world: World) -> Path:
    return Path(world.repository.location)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


def places(world: World, address: str = MARA) -> dict[bytes, BlobLocation]:
    with tenant_scope(world.id):
        return {bytes(row.blob): row for row in BlobLocation.objects.all()}


def damage_item(world: World, subject: str, address: str = MARA, part: int = 0) -> str:
    """Flips a bit in a part that only this mail has; the key of its pack."""
    state = world.stored(address)
    version = world.current(address)[subject]
    index = places(world)
    at = index[state.items[version.item_id].blobs[part].id]
    key = layout.pack_key(world.id, at.pack)
    flip(folder(world) / key, at.offset + 90)
    return key


def damaged(world: World) -> list[tuple[str, str, int | None]]:
    """Address, subject, first restore point of what is named."""
    with tenant_scope(world.id):
        rows = DamagedItem.objects.filter(healed_at=None).select_related("backup__mailbox")
        return [
            (
                row.backup.mailbox.address,
                ItemVersion.objects.get(
                    backup=row.backup, item_id=row.item_id, first=row.first
                ).subject,
                row.point,
            )
            for row in rows
        ]


def objects(world: World) -> list[str]:
    with tenant_scope(world.id):
        rows = DamagedObject.objects.filter(healed_at=None)
        return list(rows.values_list("name", flat=True))


@pytest.fixture
def backed_up(world: World) -> World:
    assert world.run_job().state == SessionState.SUCCESS
    return world


@pytest.mark.parametrize("level", list(Level))
def test_a_sound_allocation_has_nothing_to_name(backed_up: World, level: str) -> None:
    ended = verify(backed_up, level)
    assert (ended.state, ended.found, ended.healed, ended.reason) == (State.SUCCESS, 0, 0, "")
    assert (ended.mailboxes_done, ended.mailboxes_total) == (2, 2)
    if level == Level.FULL:
        assert ended.items_read == 6
        assert ended.packs_done == ended.packs_total > 0
    with tenant_scope(backed_up.id):
        event = AuditEvent.objects.get(action="verification.ended")
    assert (event.detail["level"], event.detail["found"]) == (level, 0)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_a_flipped_byte_is_named_with_mailbox_item_and_first_point(
    backed_up: World, level: str
) -> None:
    with tenant_scope(backed_up.id):
        Recipient.objects.create(email="alarm@acme.example", on_failure=True)
    key = damage_item(backed_up, "mara-1")
    ended = verify(backed_up, level)
    assert ended.state == State.WARNING
    assert damaged(backed_up) == [(MARA, "mara-1", 1)]
    (name,) = objects(backed_up)
    assert name.startswith(f"{key} at ")
    with tenant_scope(backed_up.id):
        message = OutboxMessage.objects.get(to="alarm@acme.example", cause__startswith="verif")
    assert "Damage was found" in message.subject
    assert MARA in message.text
    assert "mara-1" not in message.text + message.html


def test_the_same_content_elsewhere_heals_it_and_it_is_restored_byte_for_byte(
    world: World,
) -> None:
    body = " ".join(str(number) for number in range(3_000))
    world.sandbox.add_mail(MARA, "Inbox", mail("minutes", body))
    world.run_job()
    before = world.payloads()
    damage_item(world, "minutes", part=-1)
    verify(world)
    assert damaged(world) == [(MARA, "minutes", 1)]
    world.sandbox.add_mail(JUN, "Inbox", mail("forwarded", body))
    assert world.run_job().state == SessionState.SUCCESS
    assert damaged(world) == [(MARA, "minutes", 1)]
    ended = verify(world, Level.REPAIR)
    assert (ended.state, ended.found, ended.healed) == (State.SUCCESS, 0, 2)
    assert damaged(world) == objects(world) == []
    assert read_by_index(world) == before == world.payloads()
    # A later look at the pack finds the flipped bit again, and knows that it costs nothing.
    assert verify(world).state == State.SUCCESS


def read_by_index(world: World, address: str = MARA) -> dict[str, bytes]:
    """As a restore does it: by the portal's rows."""
    mailbox = world.mailbox(address)
    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
        rows = list(ItemVersion.objects.current().filter(backup__mailbox=mailbox))
    locate = locator(world.id, world.repository.pk)
    return {
        row.item_id: read_stored(
            vault,
            locate,
            mailbox.pk,
            Sealed(row.item_id, row.change_key, bytes(row.sha256), bytes(row.references)),
        )
        for row in rows
    }


@pytest.mark.parametrize(
    "part", ["/packs/", "/commits/", "/keys/tenant.1", "/keys/mailbox-", "stowage.json"]
)
def test_a_changed_byte_in_any_kind_of_object_is_named(backed_up: World, part: str) -> None:
    path = next(p for p in sorted(folder(backed_up).rglob("*")) if p.is_file() and part in str(p))
    whole = path.read_bytes()
    for position in (0, len(whole) // 2, len(whole) - 1):
        flip(path, position)
        verify(backed_up)
        key = str(path.relative_to(folder(backed_up)))
        assert [name for name in objects(backed_up) if name.startswith(key)], position
        path.write_bytes(whole)
        ended = verify(backed_up)
        assert objects(backed_up) == [], position
        assert ended.state == State.SUCCESS
    backed_up.verify()


def test_a_pack_that_is_gone_is_named_and_what_it_costs(backed_up: World) -> None:
    key = damage_item(backed_up, "mara-1")
    (folder(backed_up) / key).unlink()
    verify(backed_up, Level.STRUCTURE)
    assert (MARA, "mara-1", 1) in damaged(backed_up)
    assert all(name.startswith(f"{key} at ") for name in objects(backed_up))
    assert objects(backed_up)


def test_a_sample_names_all_that_a_damaged_part_costs(backed_up: World) -> None:
    """The same content in two mailboxes, of which the sample reads one."""
    damage_item(backed_up, "jun-2", JUN)
    with operator_scope():
        Allocation.objects.filter(tenant_id=backed_up.id).update(verify_percent=50)
    first = verify(backed_up, Level.SAMPLE)
    second = verify(backed_up, Level.SAMPLE)
    assert (first.start, second.start) == (0, 50)
    assert damaged(backed_up) == [(JUN, "jun-2", 1)]
    levels = [row.level for row in all_rows(backed_up)]
    assert levels.count(Level.REPAIR) == 1


def all_rows(world: World) -> list[Verification]:
    with tenant_scope(world.id):
        return list(Verification.objects.all())


def test_storage_that_was_mended_lets_everything_out_of_quarantine(backed_up: World) -> None:
    index = places(backed_up)
    key = damage_item(backed_up, "mara-1")
    verify(backed_up)
    assert len(places(backed_up)) == len(index) - 1
    name = objects(backed_up)[0]
    flip(folder(backed_up) / key, int(name.rpartition(" ")[2]) + 90)
    assert verify(backed_up, Level.REPAIR).state == State.SUCCESS
    assert set(places(backed_up)) == set(index)
    assert damaged(backed_up) == objects(backed_up) == []


@pytest.fixture
def one_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every slice is over at once."""
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(work, "LOOK_EVERY", 0.0)
    yield


def test_slices_of_one_step_each_come_to_the_same(backed_up: World, one_step: None) -> None:
    damage_item(backed_up, "mara-1")
    damage_item(backed_up, "jun-0", JUN)
    ended = verify(backed_up)
    assert ended.state == State.WARNING
    assert ended.attempt > 5
    assert sorted(damaged(backed_up)) == [(JUN, "jun-0", 1), (MARA, "mara-1", 1)]
    assert (ended.items_read, ended.mailboxes_done) == (4, 2)


def test_it_can_be_paused_gone_on_with_and_stopped(backed_up: World, one_step: None) -> None:
    allocation = allocation_of(backed_up)
    asked = services.request(allocation=allocation, level=Level.FULL)
    with pytest.raises(services.VerificationOpen):
        services.request(allocation=allocation, level=Level.SAMPLE)
    assert work.run_queue(backed_up.queue)
    assert services.ask(allocation=allocation, asked="pause")
    assert row_of(backed_up, asked).state == State.PAUSED
    assert not work.run_queue(backed_up.queue)
    assert services.ask(allocation=allocation, asked="resume")
    assert work.run_queue(backed_up.queue)
    assert services.ask(allocation=allocation, asked="stop")
    assert row_of(backed_up, asked).state == State.STOPPED
    assert not services.ask(allocation=allocation, asked="stop")
    assert verify(backed_up).state == State.SUCCESS


def test_a_worker_that_lost_its_lease_writes_nothing_more(backed_up: World) -> None:
    services.request(allocation=allocation_of(backed_up), level=Level.FULL)
    first = services.claim(queue=backed_up.queue, owner="a")
    assert first is not None
    assert services.claim(queue=backed_up.queue, owner="b") is None
    with tenant_scope(backed_up.id):
        Verification.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert backed_up.queue in services.queues_with_work()
    second = services.claim(queue=backed_up.queue, owner="b")
    assert second is not None
    with pytest.raises(services.LeaseLost):
        services.finish(first, State.SUCCESS)
    services.finish(second, State.SUCCESS)


def test_a_claim_of_a_clock_that_was_ahead_does_not_last(backed_up: World) -> None:
    services.request(allocation=allocation_of(backed_up), level=Level.FULL)
    first = services.claim(queue=backed_up.queue, owner="dead")
    assert first is not None
    with tenant_scope(backed_up.id):
        Verification.objects.update(lease_until=timezone.now() + timedelta(days=365))
    assert backed_up.queue in services.queues_with_work()
    second = services.claim(queue=backed_up.queue, owner="other")
    assert second is not None
    assert second.attempt == first.attempt + 1


def test_a_storage_that_does_not_answer_is_waited_for_and_is_no_damage(
    backed_up: World,
) -> None:
    place = folder(backed_up)
    place.rename(place.with_name("away"))
    waiting = verify(backed_up)
    assert waiting.state in (State.QUEUED, State.FAILED)
    assert damaged(backed_up) == objects(backed_up) == []
    place.with_name("away").rename(place)


def test_what_is_due_is_started_once(backed_up: World) -> None:
    now = timezone.now()
    assert services.start_due(now) == 0
    assert services.start_due(now + timedelta(days=8)) == 1
    assert services.start_due(now + timedelta(days=8)) == 0
    work_off(backed_up)
    assert [row.level for row in all_rows(backed_up)] == [Level.SAMPLE]
    assert services.start_due(now + timedelta(days=31)) == 1
    work_off(backed_up)
    assert {row.level for row in all_rows(backed_up)} == {Level.SAMPLE, Level.STRUCTURE}
    with operator_scope():
        Allocation.objects.update(verify_sample_days=None, verify_structure_days=None)
    assert services.start_due(now + timedelta(days=400)) == 0


def test_known_damage_is_looked_at_every_day(backed_up: World) -> None:
    damage_item(backed_up, "mara-1")
    verify(backed_up)
    now = timezone.now()
    assert services.start_due(now) == 0
    assert services.start_due(now + timedelta(days=1, minutes=1)) == 1
    assert all_rows(backed_up)[0].level == Level.REPAIR
