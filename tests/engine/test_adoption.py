"""The whole database is lost: a repository and a key give everything back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections

from backups.catalog.models import Folder, ItemVersion, RestorePoint
from backups.infrastructure import keys
from backups.infrastructure.keys import open_vault
from backups.infrastructure.models import Allocation, Repository
from backups.jobs.services import create_job
from backups.organizations.discovery import discover_mailboxes
from backups.organizations.models import Mailbox, Organization
from backups.organizations.recovered import NAME
from backups.organizations.services import connect_organization
from backups.repository import FolderBackend, RootKey, destroy_mailbox_key, write_recovery
from backups.repository.recovery import Cost
from backups.restores.reading import read_version
from backups.restores.services import restore_items
from backups.sessions.models import State
from backups.streams import normalised_digest
from sandbox.testing import Sandbox
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Tenant
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

PASSPHRASE = "four words are not enough"


def lose_the_database() -> None:
    tables = [
        model._meta.db_table
        for label in ("tenants", "backups")
        for model in apps.get_app_config(label).get_models()
    ]
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


def adopt(world: World, **options: object) -> str:
    out = io.StringIO()
    call_command("adopt_repository", world.repository.location, stdout=out, stderr=out, **options)
    return out.getvalue()


def stored(world: World) -> FolderBackend:
    return FolderBackend(Path(world.repository.location))


def lived(world: World) -> dict[str, bytes]:
    """Item id → bytes of everything that was ever backed up of Mara."""
    world.add("Inbox/Projects", "plan")
    world.run_job()
    payloads = world.sandbox_payloads()
    gone = world.current()["mara-0"].item_id
    world.sandbox.store.delete_item(world.source_mailbox(), gone, hard=True)
    world.run_job()
    return payloads


def readable(world: World) -> dict[str, bytes]:
    with tenant_scope(world.id):
        versions = list(
            ItemVersion.objects.filter(backup__mailbox__address=MARA).select_related(
                "backup__allocation"
            )
        )
    return {version.item_id: read_version(version) for version in versions}


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "new server") as running:
        running.add_mailbox(MARA)
        yield running


def connect(world: World, sandbox: Sandbox) -> Organization:
    registration = sandbox.register("acme.example")
    with tenant_scope(world.id):
        organization = connect_organization(
            name="New server",
            directory=registration.directory,
            client_id=registration.client_id,
            certificate=registration.certificate_pem,
            private_key=registration.private_key_pem,
            authority=registration.authority,
            graph_url=registration.graph_url,
            trust=registration.trust_pem or "",
        )
    discover_mailboxes(organization.pk, world.id)
    return organization


def test_without_any_row_all_comes_back_and_goes_into_another_mailbox(
    world: World, new_server: Sandbox
) -> None:
    payloads = lived(world)
    lose_the_database()
    said = adopt(world)
    assert "2 mailboxes" in said
    tenant = Tenant.objects.using(OPERATOR).get()
    assert (tenant.pk, tenant.name[:9]) == (world.id, "Recovered")
    with tenant_scope(world.id):
        assert set(Mailbox.objects.values_list("address", flat=True)) == {MARA, JUN}
        assert Organization.objects.get().name == NAME
        mine = RestorePoint.objects.filter(backup__mailbox__address=MARA)
        first = mine.earliest("sequence").sequence
        at_first = ItemVersion.objects.at(first).filter(backup__mailbox__address=MARA)
        subjects = {"mara-0", "mara-1", "mara-2", "plan"}
        assert set(at_first.values_list("subject", flat=True)) == subjects
        assert Folder.objects.at(first).filter(name="Projects").exists()
        assert Allocation.objects.get().used_bytes > 0
    assert readable(world) == payloads

    connect(world, new_server)
    with tenant_scope(world.id):
        mailbox = Mailbox.objects.get(address=MARA)
        ids = list(ItemVersion.objects.filter(backup__mailbox=mailbox).values_list("pk", flat=True))
        session = restore_items(mailbox=mailbox, version_ids=ids)
    session = world.work(session)
    assert (session.state, session.items_new) == (State.SUCCESS, 4), world.log(session)
    store, there = new_server.store, new_server.store.user(MARA).mailbox
    assert there
    back = {
        normalised_digest(store.payload(there, item.id))
        for folder in store.folders(there)
        for item in store.items(folder.id)
    }
    assert back == {normalised_digest(payload) for payload in payloads.values()}


def test_backups_go_on_where_they_were(world: World) -> None:
    lived(world)
    lose_the_database()
    adopt(world)
    organization = connect(world, world.sandbox)
    with tenant_scope(world.id):
        share = Allocation.objects.get()
        world.job = create_job(name="Everyone", organization=organization, allocation=share)
        world.queue = Repository.objects.using(OPERATOR).get().proxy.queue
    world.add("Inbox", "after")
    session = world.run_job()
    assert (session.state, session.items_new) == (State.SUCCESS, 1), world.log(session)
    world.verify()


def test_done_twice_it_changes_nothing(world: World) -> None:
    payloads = lived(world)
    lose_the_database()
    adopt(world)
    before = Repository.objects.using(OPERATOR).get()
    adopt(world)
    assert Repository.objects.using(OPERATOR).get() == before
    assert readable(world) == payloads


def test_beside_rows_that_are_there_nothing_is_made_twice(world: World) -> None:
    payloads = lived(world)
    adopt(world)
    with tenant_scope(world.id):
        assert Organization.objects.get().name == "Acme Online"
        assert Mailbox.objects.count() == 2
    assert readable(world) == payloads


def test_with_the_recovery_passphrase_and_a_new_root_key(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    payloads = lived(world)
    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
    write_recovery(
        stored(world),
        world.id,
        vault.keys,
        PASSPHRASE,
        Cost(memory=64, passes=1, lanes=1),
    )
    lose_the_database()
    new_root = RootKey.generate_file(tmp_path / "new.key")
    monkeypatch.setattr(keys, "root_key", lambda: new_root)
    monkeypatch.setattr("backups.infrastructure.escrow.root_key", lambda: new_root)
    with pytest.raises(CommandError, match="stay closed"):
        adopt(world)
    assert not Tenant.objects.using(OPERATOR).exists()
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    adopt(world, recovery_passphrase_file=file)
    assert readable(world) == payloads
    # The repository opens with the new root key by itself now.
    lose_the_database()
    adopt(world)
    assert readable(world) == payloads


def test_a_mailbox_whose_key_was_destroyed_is_named_and_left_out(world: World) -> None:
    world.run_job()
    jun = world.mailbox(JUN)
    destroy_mailbox_key(
        stored(world),
        world.id,
        jun.pk,
        request="a request",
        now=datetime.now(UTC),
    )
    lose_the_database()
    said = adopt(world)
    assert f"mailbox {jun.pk}: the key was destroyed on request" in said
    with tenant_scope(world.id):
        assert Mailbox.objects.get().address == MARA


def test_a_folder_without_a_repository_is_refused(transactional_db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not a repository"):
        call_command("adopt_repository", str(tmp_path))
