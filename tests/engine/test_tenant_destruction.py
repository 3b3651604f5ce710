"""A tenant leaves: his keys, rows and stored bytes go, and a certificate stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from backups.catalog.models import ItemVersion, Pack
from backups.destruction import work
from backups.destruction.due import due_places
from backups.destruction.models import DestructionCertificate
from backups.infrastructure.keys import open_vault, root_key
from backups.infrastructure.models import Allocation, MailboxKey
from backups.infrastructure.services import open_stored
from backups.organizations.models import Mailbox, Organization
from backups.repository import KeyDestroyed
from backups.retention.models import LegalHold
from backups.sessions.models import Session
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import AuditEvent, Tenant, TenantKey
from tenants.services import suspend
from tests.engine.world import MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def destroy(confirm: str = "acme") -> None:
    call_command("destroy_backups", "acme", reason="Contract ended", confirm=confirm)


def tick() -> None:
    for place_id, tenant_id, _queue in due_places():
        work.work_on(place_id, tenant_id)


@pytest.fixture
def leaving(world: World) -> World:
    world.run_job()
    suspend(tenant=world.tenant)
    return world


def test_nothing_but_the_note_of_it_lies_in_the_repository(leaving: World) -> None:
    place = Path(leaving.repository.location) / "tenants" / str(leaving.id)
    before = [path for path in place.rglob("*") if path.is_file()]
    destroy()
    assert [path for path in place.rglob("*") if path.is_file()] == before
    tick()
    left = [path.relative_to(place) for path in place.rglob("*") if path.is_file()]
    assert left == [Path("keys/tenant.destroyed")]
    with pytest.raises(KeyDestroyed):
        open_stored(leaving.repository.pk).escrowed_vault(leaving.id, root_key())


def test_rows_and_keys_go_and_the_share_is_empty(leaving: World) -> None:
    destroy()
    tick()
    gone = (ItemVersion, Pack, MailboxKey, TenantKey, Mailbox, Organization, Session)
    with tenant_scope(leaving.id):
        assert {model.__name__: model.objects.count() for model in gone} == dict.fromkeys(
            (model.__name__ for model in gone), 0
        )
        assert Allocation.objects.get().used_bytes == 0
        assert AuditEvent.objects.filter(action="destruction.finished").exists()


def test_nothing_is_written_there_under_new_keys(leaving: World) -> None:
    destroy()
    tick()
    with tenant_scope(leaving.id), pytest.raises(KeyDestroyed):
        open_vault(leaving.repository.pk)


def test_the_certificate_names_every_key_and_outlives_the_tenant(leaving: World) -> None:
    destroy()
    tick()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT content, tenant_name FROM backups_destructioncertificate")
        content, name = cursor.fetchone()
    told = json.loads(content)
    assert (told["mailbox"], told["tenant"]["name"], name) == (None, "Acme", "Acme")
    kinds = sorted(key["key"].split()[0] for key in told["database"]["keys"])
    assert kinds == ["mailbox", "mailbox", "tenant"]
    (place,) = told["places"]
    names = [thing["name"].rpartition("/")[2] for thing in place["objects"]]
    assert "tenant.1" in names
    assert sum(name.startswith("mailbox-") for name in names) == 2
    assert place["unreadable"]["commits"]["objects"] == 2
    assert place["unreadable"]["packs"]["bytes"] > 0
    with connections["owner"].cursor() as cursor:
        # Nothing binds it to the tenant's row, which off-boarding removes.
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
            " AND conrelid = 'backups_destructioncertificate'::regclass"
        )
        assert cursor.fetchone() == (0,)


class TestRefusals:
    def test_of_a_tenant_who_is_not_suspended(self, leaving: World) -> None:
        Tenant.objects.using(OPERATOR).update(state=Tenant.State.ACTIVE)
        with pytest.raises(CommandError, match="not suspended"):
            destroy()
        assert len(leaving.current()) == 3

    def test_without_the_right_name(self, leaving: World) -> None:
        with pytest.raises(CommandError, match="Write acme to confirm"):
            destroy("acne")
        assert len(leaving.current()) == 3

    def test_under_legal_hold(self, leaving: World) -> None:
        with tenant_scope(leaving.id):
            LegalHold.objects.create(mailbox=leaving.mailbox(MARA), reason="Case 12")
        with pytest.raises(CommandError, match="legal hold"):
            destroy()
        with tenant_scope(leaving.id):
            assert not DestructionCertificate.objects.exists()


def test_the_command_destroys_one_mailbox(leaving: World) -> None:
    call_command("destroy_backups", "acme", mailbox=MARA, reason="Left", confirm=MARA)
    tick()
    with tenant_scope(leaving.id):
        assert DestructionCertificate.objects.get().subject == MARA
        assert TenantKey.objects.exists()
