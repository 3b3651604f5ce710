"""A head in the database that is not the chain's: nothing is written until it is mended."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.catalog.blobs import locator
from backups.catalog.models import MailboxBackup
from backups.infrastructure.keys import open_vault
from backups.repository.layout import commit_key
from backups.sessions.models import Session, State
from tenants.isolation.scope import tenant_scope
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def set_head(world: World, **values: object) -> None:
    with tenant_scope(world.id):
        MailboxBackup.objects.filter(mailbox__address=MARA).update(**values)


def commits(world: World) -> list[Path]:
    first = Path(world.repository.location) / commit_key(world.id, world.mailbox().pk, 1)
    return sorted(first.parent.iterdir())


def ahead(world: World) -> str:
    set_head(world, head=7)
    return "ends at 2, the catalog knows 7"


def other_hash(world: World) -> str:
    set_head(world, head_hash=bytes(range(32)))
    return "commit 2 of the repository is not the one"


def hash_of_nothing(world: World) -> str:
    set_head(world, head=0, head_hash=bytes(range(32)))
    return "commit 0 of the repository is not the one"


def shortened(world: World) -> str:
    commits(world)[-1].unlink()
    return "the chain was shortened: it ends at 1, the catalog knows 2"


def messages(world: World, session: Session) -> str:
    return "\n".join(world.log(session))


@pytest.mark.parametrize("spoil", [ahead, other_hash, hash_of_nothing, shortened])
def test_a_head_that_does_not_fit_stops_the_run_and_a_rebuild_mends_it(
    world: World, spoil: Callable[[World], str]
) -> None:
    world.run_job()
    world.add("Inbox", "second")
    world.run_job()
    said = spoil(world)
    before = [file.name for file in commits(world)]
    world.add("Inbox", "third")
    session = world.run_job()
    # Jun's mailbox fits and is backed up.
    assert session.state in (State.WARNING, State.FAILED)
    assert said in messages(world, session)
    assert "Nothing was saved" in messages(world, session)
    assert [file.name for file in commits(world)] == before
    rebuild(world)
    assert world.run_job().state == State.SUCCESS
    assert {"second", "third"} <= world.current().keys()
    world.verify()


def rebuild(world: World) -> None:
    """A rebuild that finds fewer commits than were known says so, and mends all the same."""
    with tenant_scope(world.id):
        known = MailboxBackup.objects.get(mailbox__address=MARA).head
    there = len(commits(world))
    errors = io.StringIO()
    try:
        call_command("rebuild_catalog", tenant="acme", stdout=io.StringIO(), stderr=errors)
    except CommandError:
        assert f"commits {there + 1} to {known} were known" in errors.getvalue()
    else:
        assert known <= there
    assert world.head() == there


def test_a_stale_head_is_rolled_forward(world: World) -> None:
    world.run_job()
    call_command("rebuild_catalog", stdout=io.StringIO())
    with tenant_scope(world.id):
        old = MailboxBackup.objects.get(mailbox__address=MARA)
    world.add("Inbox", "second")
    world.run_job()
    # As a database that was brought back from an older copy: rows and head of the first commit.
    newest = commits(world)[-1]
    kept = newest.read_bytes()
    newest.unlink()
    with pytest.raises(CommandError):
        call_command("rebuild_catalog", stdout=io.StringIO(), stderr=io.StringIO())
    assert world.head() == old.head
    newest.write_bytes(kept)
    session = world.run_job()
    assert session.state == State.SUCCESS
    assert "Took over commit 2" in messages(world, session)
    world.verify()


def test_nothing_new_refers_to_a_pack_that_only_an_old_copy_of_the_database_knows(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    raw = (
        b"From: mara@acme.example\r\nMessage-ID: <same@acme.example>\r\nSubject: The plan\r\n\r\n"
        + b"".join(b"Step %d of the plan is as long as the others.\r\n" % n for n in range(200))
    )
    world.sandbox.add_mail(MARA, "Inbox", raw)
    world.run_job()
    (pack,) = list(Path(world.repository.location).rglob("packs/*/*"))
    # As after a collection that this database, put back from before it, knows nothing of.
    pack.unlink()
    again = world.sandbox.add_mail(JUN, "Inbox", raw)
    session = world.run_job()
    assert session.state == State.SUCCESS
    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
    item = vault.state(world.mailbox(JUN).pk).items[again.id]
    where = locator(world.id, world.repository.pk)
    stored = vault.read_item(item.recipe, item.blobs, item.sha256, where)
    assert stored == world.sandbox_payloads(JUN)[again.id]
    assert "is noted in the catalog, and not in the repository" in caplog.text
