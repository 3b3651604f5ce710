"""Acme without the cloud: its mailboxes on an Exchange Server of its own."""

from __future__ import annotations

import pytest

from backups.organizations import connections
from backups.organizations.exchange_server import ServerAccess, set_server
from backups.organizations.models import Organization
from backups.sources.ews import BackOff, EwsSettings, EwsSource
from tenants.isolation.scope import tenant_scope
from tests.engine.world import JUN, MARA, World


def moved_to_server(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Move both mailboxes to the server, and connect the organization to it."""
    for address in (MARA, JUN):
        world.sandbox.move_mailbox(address, to_server=True)
    account = world.sandbox.register_server_account("acme.example")
    access = ServerAccess(
        account.ews_url,
        account.user_name,
        account.password,
        trust=account.trust_pem,
        addresses=(MARA, JUN),
    )
    with tenant_scope(world.id):
        organization = Organization.objects.get()
        set_server(organization=organization, access=access)
        organization.kind = Organization.Kind.ON_PREMISES
        organization.save()

    def patient(settings: EwsSettings) -> EwsSource:
        # Time that a server asks for has always passed.
        return EwsSource(settings, BackOff(clock=iter(range(0, 10**9, 1000)).__next__))

    monkeypatch.setattr(connections, "EwsSource", patient)
    return world
