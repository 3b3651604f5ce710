"""What the outside does wrong: nothing is lost, nothing is read as deleted, the session says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backups.jobs.models import Job
from backups.organizations.models import Mailbox, Organization
from backups.sessions.models import State
from backups.sources import ChangePage, GraphSource
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

PASSING = {
    "asked to wait by the listing": Fault(Kind.STATUS, path="items", status=429, retry_after=7),
    "asked to wait by the export": Fault(Kind.STATUS, path="exportI", status=429, retry_after=7),
    "busy": Fault(Kind.STATUS, path="exportItems", status=503),
    "too slow for a whole pack": Fault(Kind.STATUS, path="exportItems", status=504, times=2),
    "broken connection": Fault(Kind.RESET, path="exportItems"),
    "answer lost": Fault(Kind.LOST, path="exportItems"),
    "JSON that ends early": Fault(Kind.TRUNCATED, path="exportItems"),
    "listing that ends early": Fault(Kind.TRUNCATED, path="items/delta"),
    "base64 that ends early": Fault(Kind.TRUNCATED_ITEM, times=2),
    "item left out": Fault(Kind.MISSING_ITEM, times=2),
    "token expired": Fault(Kind.STATUS, path="folders/delta", status=401),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_leaves_no_trace_in_the_result(world: World, name: str) -> None:
    world.sandbox.faults.add(PASSING[name])
    session = world.run_job()
    assert world.sandbox.faults.struck
    assert (session.state, session.items_new) == (State.SUCCESS, 6), world.log(session)
    world.verify()


def test_waiting_that_the_server_asked_for_is_counted_on_the_session(world: World) -> None:
    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=429, retry_after=7))
    assert world.run_job().throttled_seconds == 7


def test_a_long_wait_gives_the_mailbox_back_to_the_queue(world: World) -> None:
    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=429, retry_after=600))
    session = world.run_job()
    assert any("asked to wait" in line and "in 600 s" in line for line in world.log(session))
    assert session.state == State.SUCCESS
    world.verify()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.DAMAGED_ITEM, "damaged stream"),
        (Kind.TRUNCATED_ITEM, "ends early"),
        (Kind.MISSING_ITEM, "leaves the item out"),
        (Kind.FAILED_ITEM, "ErrorCorruptData"),
    ],
)
def test_an_item_that_cannot_be_had_is_named_and_comes_in_with_the_next_run(
    world: World, kind: Kind, reason: str
) -> None:
    bad = world.add("Inbox", "bad")[0]
    world.sandbox.faults.add(Fault(kind, item=bad.id, times=2))
    session = world.run_job()
    assert (session.state, session.items_failed, session.items_new) == (State.WARNING, 1, 6)
    told = [line for line in world.log(session) if bad.id in line]
    assert len(told) == 1
    assert told[0].startswith(f"{MARA}: {bad.id}: Not saved")
    assert reason in told[0]
    assert reason in world.faults()[bad.id]
    assert "bad" not in world.current()
    assert bad.id not in world.stored().items

    world.sandbox.faults.clear()
    session = world.run_job()
    assert (session.state, session.items_failed, session.items_new) == (State.SUCCESS, 0, 1)
    assert world.faults() == {}
    world.verify()


def test_an_item_that_stays_damaged_is_tried_once_in_each_run(world: World) -> None:
    bad = world.add("Inbox", "bad")[0]
    world.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, item=bad.id, times=1000))
    world.run_job()
    head = world.head()
    exports = len(world.sandbox.faults.struck)
    session = world.run_job()
    assert (session.state, session.items_failed) == (State.WARNING, 1)
    assert len(world.sandbox.faults.struck) == exports + 1
    assert world.head() == head, "another failed attempt changes nothing in the mailbox"


def test_a_damaged_item_that_is_deleted_is_forgotten(world: World) -> None:
    bad = world.add("Inbox", "bad")[0]
    world.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, item=bad.id, times=1000))
    world.run_job()
    world.sandbox.store.delete_item(world.source_mailbox(), bad.id, hard=True)
    assert world.run_job().state == State.SUCCESS
    assert world.faults() == {}
    world.verify()


def test_an_item_that_vanishes_between_list_and_export_is_skipped(
    world: World,
) -> None:
    gone = world.add("Inbox", "gone")[0]
    fault = Fault(Kind.FAILED_ITEM, item=gone.id, code="ErrorItemNotFound", times=1)
    world.sandbox.faults.add(fault)
    session = world.run_job()
    assert (session.state, session.items_skipped, session.items_new) == (State.SUCCESS, 1, 6)
    world.sandbox.store.delete_item(world.source_mailbox(), gone.id, hard=True)
    session = world.run_job()
    assert (session.state, session.items_failed) == (State.SUCCESS, 0)
    assert world.faults() == {}
    world.verify()


def test_an_item_that_the_server_lists_and_never_finds_is_given_up_with_a_warning(
    world: World,
) -> None:
    lost = world.add("Inbox", "lost")[0]
    fault = Fault(Kind.FAILED_ITEM, item=lost.id, code="ErrorItemNotFound", times=1000)
    world.sandbox.faults.add(fault)
    world.run_job()
    session = world.run_job()
    assert session.state == State.WARNING
    assert any(lost.id in line and "Given up" in line for line in world.log(session))
    assert world.run_job().state == State.SUCCESS


def test_a_mailbox_that_vanishes_in_mid_run_is_a_warning_and_no_restore_point(
    world: World,
) -> None:
    world.add("Archive", "archived")
    world.sandbox.faults.add(
        Fault(Kind.STATUS, path=f"{world.source_mailbox()}/", status=404, after=3, times=1000)
    )
    session = world.run_job()
    assert session.state == State.WARNING
    assert any(
        line.startswith(MARA) and "not in the organization" in line for line in world.log(session)
    )
    assert world.stored(JUN).items
    with tenant_scope(world.id):
        assert not world.mailbox().backups.get().points.exists()

    world.sandbox.faults.clear()
    assert world.run_job().state == State.SUCCESS
    world.verify()


def test_wrong_credentials_disconnect_the_job_and_delete_nothing(world: World) -> None:
    world.run_job()
    other = world.sandbox.register("acme.example")
    with tenant_scope(world.id):
        Organization.objects.update(certificate=other.certificate_pem)
    session = world.run_job()
    assert session.state == State.FAILED
    assert "sign-in" in session.reason
    assert world.job_state() == Job.State.DISCONNECTED
    with tenant_scope(world.id):
        assert not Mailbox.objects.exclude(retired_at=None).exists()
    assert len(world.current()) == 3


def test_a_missing_permission_is_named_and_the_job_is_not_configured(world: World) -> None:
    world.reconnect(without=["MailboxItem.Export.All", "MailboxItem.ImportExport.All"])
    session = world.run_job()
    assert session.state == State.FAILED
    assert "MailboxItem.Export.All" in session.reason
    assert world.job_state() == Job.State.NOT_CONFIGURED

    world.reconnect(without=["User.Read.All"])
    session = world.run_job()
    assert "User.Read.All" in session.reason
    assert world.job_state() == Job.State.NOT_CONFIGURED
    with tenant_scope(world.id):
        assert not Mailbox.objects.exclude(retired_at=None).exists()

    world.reconnect()
    assert world.run_job().state == State.SUCCESS
    world.verify()


def test_a_server_that_does_not_answer_disconnects_the_job(world: World) -> None:
    world.sandbox.faults.add(Fault(Kind.STATUS, path="users/delta", status=503, times=1000))
    session = world.run_job()
    assert (session.state, world.job_state()) == (State.FAILED, Job.State.DISCONNECTED)
    assert "busy" in session.reason


def test_one_mailbox_that_fails_to_the_end_does_not_fail_the_other(world: World) -> None:
    fault = Fault(Kind.STATUS, path=f"{world.source_mailbox()}/exportItems", status=500, times=1000)
    world.sandbox.faults.add(fault)
    session = world.run_job()
    assert session.state == State.WARNING
    assert len(world.stored(JUN).items) == 3
    assert world.stored().items == {}


def test_expired_delta_tokens_list_everything_and_export_and_delete_nothing(world: World) -> None:
    world.run_job()
    directory = world.sandbox.add_organization("acme.example").id
    world.sandbox.store.expire_delta_tokens(directory)
    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=403, times=1000))
    session = world.run_job()
    assert (session.state, session.items_new, session.items_removed) == (State.SUCCESS, 0, 0)
    assert any("forgot" in line for line in world.log(session))
    world.verify()
    # The new tokens were kept.
    session = world.run_job()
    assert not any("forgot" in line for line in world.log(session))


def test_a_listing_that_breaks_off_in_the_middle_removes_nothing(world: World) -> None:
    world.run_job()
    directory = world.sandbox.add_organization("acme.example").id
    world.sandbox.store.expire_delta_tokens(directory)
    for path in ("folders/delta", "items/delta", "users/delta"):
        fault = Fault(Kind.TRUNCATED, path=path, after=1, times=1000)
        world.sandbox.faults.add(fault)
        world.run_job()
        world.sandbox.faults.clear()
        assert len(world.current()) == 3
        with tenant_scope(world.id):
            assert not Mailbox.objects.exclude(retired_at=None).exists()
    assert world.run_job().state == State.SUCCESS
    world.verify()


def test_mailboxes_that_come_and_go_are_followed_and_what_is_stored_stays(world: World) -> None:
    world.run_job()
    world.sandbox.add_mailbox("new@acme.example")
    world.add("Inbox", "first", address="new@acme.example")
    world.sandbox.store.remove_user(JUN)
    session = world.run_job()
    assert (session.state, session.mailboxes_total, session.items_new) == (State.SUCCESS, 2, 1)
    assert world.mailbox(JUN).retired_at is not None
    assert len(world.stored(JUN).items) == 3
    world.verify()


def test_what_is_deleted_and_moved_while_the_server_forgets_its_token_is_followed(
    world: World,
) -> None:
    moved, gone = world.add("Inbox", "moved", "gone")
    world.run_job()
    store, mailbox = world.sandbox.store, world.source_mailbox()
    store.move_item(mailbox, moved.id, "drafts")
    store.delete_item(mailbox, gone.id, hard=True)
    store.expire_delta_tokens(world.sandbox.add_organization("acme.example").id)

    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=403, after=1))
    assert world.run_job().state != State.SUCCESS
    session = world.run_job()

    assert session.state == State.SUCCESS, world.log(session)
    world.verify()
    assert "gone" not in world.current()


def test_what_a_listing_leaves_out_stays_while_the_server_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run_job()
    before = world.current().keys()
    hidden = next(iter(world.sandbox_payloads()))
    whole = GraphSource.changes

    def without_it(
        source: GraphSource, mailbox: str, folder: str, cursor: str | None
    ) -> Iterator[ChangePage]:
        for page in whole(source, mailbox, folder, cursor):
            kept = tuple(change for change in page.changes if change.id != hidden)
            yield replace(page, changes=kept)

    monkeypatch.setattr(GraphSource, "changes", without_it)
    world.sandbox.store.expire_delta_tokens(world.sandbox.add_organization("acme.example").id)
    session = world.run_job()
    assert session.items_removed == 0
    assert world.current().keys() == before
    world.verify()


def test_what_is_deleted_after_a_first_listing_broke_off_is_followed(world: World) -> None:
    world.add("Inbox", *(f"more-{number}" for number in range(30)))
    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=403, after=1))
    assert world.run_job().state != State.SUCCESS
    assert world.stored().items or world.stored(JUN).items
    for address in (MARA, JUN):
        for item in world.stored(address).items:
            world.sandbox.store.delete_item(world.source_mailbox(address), item, hard=True)
    session = world.run_job()
    assert session.state == State.SUCCESS, world.log(session)
    world.verify()
