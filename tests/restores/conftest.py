from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client

from backups.catalog.models import ItemVersion
from backups.restores.basket import add_to_basket
from sandbox.testing import Sandbox
from tenants.isolation.scope import tenant_scope
from tenants.models import Person
from tenants.people.permissions import Role
from tenants.services import add_member, create_person
from tests.engine.world import World, make_world


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox") as running:
        yield running


@pytest.fixture
def world(transactional_db: None, sandbox: Sandbox, tmp_path: Path) -> World:
    return make_world(sandbox, tmp_path / "repository")


@dataclass
class Visit:
    """Acme's restore operator, signed in."""

    world: World
    person: Person
    client: Client

    def item(self, subject: str, address: str = "mara@acme.example") -> ItemVersion:
        return self.world.current(address)[subject]

    def path(self, version: ItemVersion, address: str = "mara@acme.example") -> str:
        return f"/t/acme/mailboxes/{self.world.mailbox(address).pk}/items/{version.pk}/"

    def put_aside(self, address: str = "mara@acme.example") -> list[ItemVersion]:
        """Everything that the mailbox holds into the basket."""
        versions = list(self.world.current(address).values())
        with tenant_scope(self.world.id):
            add_to_basket(
                mailbox=self.world.mailbox(address),
                version_ids=[version.pk for version in versions],
                person_id=self.person.pk,
            )
        return versions


@pytest.fixture
def visit(world: World) -> Visit:
    person = create_person(email="rosa@acme.example", name="Rosa", password="correct horse")
    add_member(tenant=world.tenant, person=person, role=Role.RESTORE_OPERATOR)
    client = Client()
    client.force_login(person)
    return Visit(world, person, client)
