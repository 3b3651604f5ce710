"""A tenant's recipients: who hears of its sessions."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from tenants.audit.services import record
from tenants.isolation.scope import APP
from tenants.models import Recipient


class RecipientKnown(Exception):
    """The tenant has this address already."""


@dataclass(frozen=True, slots=True)
class Events:
    """Which results an address hears of; a stopped session counts as one with warnings."""

    on_success: bool
    on_warning: bool
    on_failure: bool

    def __str__(self) -> str:
        chosen = (
            (self.on_success, "success"),
            (self.on_warning, "warning"),
            (self.on_failure, "failure"),
        )
        return ", ".join(name for wanted, name in chosen if wanted) or "nothing"


def add_recipient(*, email: str, events: Events, person_id: UUID | None = None) -> Recipient:
    """Inside the tenant's scope. Raises RecipientKnown; case makes no difference."""
    address = email.strip().lower()
    try:
        with transaction.atomic(using=APP):
            recipient = Recipient.objects.create(
                email=address,
                on_success=events.on_success,
                on_warning=events.on_warning,
                on_failure=events.on_failure,
            )
            record(
                action="recipient.added",
                subject=address,
                person_id=person_id,
                events=str(events),
            )
    except IntegrityError as error:
        if "one_recipient_per_address" in str(error):
            raise RecipientKnown(address) from error
        raise
    return recipient


def change_recipient(*, recipient: Recipient, events: Events, person_id: UUID) -> None:
    """Inside the tenant's scope: set which results the address hears of."""
    with transaction.atomic(using=APP):
        Recipient.objects.filter(pk=recipient.pk).update(
            on_success=events.on_success,
            on_warning=events.on_warning,
            on_failure=events.on_failure,
        )
        record(
            action="recipient.changed",
            subject=recipient.email,
            person_id=person_id,
            events=str(events),
        )


def remove_recipient(*, recipient: Recipient, person_id: UUID) -> None:
    """Inside the tenant's scope. What waits for the address in the outbox is still sent."""
    with transaction.atomic(using=APP):
        Recipient.objects.filter(pk=recipient.pk).delete()
        record(action="recipient.removed", subject=recipient.email, person_id=person_id)
