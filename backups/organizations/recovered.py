"""Mailboxes of which only the backups are known: their organization is not connected yet.

They wait in a placeholder. When an organization is connected that lists a mailbox under the same
address, that mailbox takes the backups over.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from backups.infrastructure.keys import seal_secret
from backups.organizations.models import Mailbox, Organization
from backups.sources import SourceMailbox
from portal.ids import uuid7

NAME = "Recovered"
REASON = "Known from backups alone. Connect the organization again: its mailboxes are rejoined."
_PREFIX = "recovered:"


def placeholder() -> Organization:
    """The current tenant's organization of recovered mailboxes, made at the first call."""
    found = Organization.objects.filter(name=NAME, client_id="").first()
    if found is not None:
        return found
    organization = Organization(
        id=uuid7(), name=NAME, state=Organization.State.FAILED, state_reason=REASON
    )
    row = f"organization/{organization.pk}/private_key"
    organization.sealed_private_key = seal_secret(row, "")
    organization.save(force_insert=True)
    return organization


def recovered_mailbox(mailbox_id: UUID, address: str) -> Mailbox:
    """The row of a mailbox, made as a recovered one when it is absent."""
    found = Mailbox.objects.filter(pk=mailbox_id).first()
    if found is not None:
        return found
    return Mailbox.objects.create(
        id=mailbox_id,
        organization=placeholder(),
        source_id=f"{_PREFIX}{mailbox_id}",
        address=address[:320] or f"unknown-{mailbox_id.hex[-12:]}",
        name=address[:300] or f"Unknown mailbox {mailbox_id.hex[-12:]}",
        kind="user",
    )


def rejoin(organization_id: UUID, listed: Iterable[SourceMailbox]) -> None:
    """Give recovered mailboxes to the organization that lists their addresses.

    Inside the tenant's scope, before the listed ones are noted. One that the organization has
    known before keeps its own row.
    """
    waiting = {
        mailbox.address.casefold(): mailbox
        for mailbox in Mailbox.objects.filter(source_id__startswith=_PREFIX)
    }
    if not waiting:
        return
    own = Mailbox.objects.filter(organization_id=organization_id)
    known = set(own.values_list("source_id", flat=True))
    for mailbox in listed:
        recovered = waiting.get(mailbox.address.casefold())
        if recovered is not None and mailbox.id not in known:
            Mailbox.objects.filter(pk=recovered.pk).update(
                organization_id=organization_id, source_id=mailbox.id
            )
