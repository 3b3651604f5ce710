"""The outbox: what is to be told by e-mail is written down with what caused it."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Now
from django.template.loader import render_to_string
from kombu.exceptions import OperationalError

from portal.ids import uuid7
from tenants.isolation.scope import APP, OPERATOR, operating
from tenants.models import OutboxMessage

log = logging.getLogger(__name__)

SEND_OUTBOX = "tenants.send_outbox"
CONTROL = "control"
_STALE = 300
"""Seconds after which an unheard ring is thrown away; the scheduler has rung again by then."""


class MessageBusy(Exception):
    """The message is being sent at this moment."""


def enqueue(
    *, cause: str, to: str, subject: str, text: str, html: str = "", tenant_id: UUID | None
) -> OutboxMessage:
    """Write a message in the caller's transaction; it is sent once that is committed.

    ``cause`` names what happened, at most 200 characters: a second message of the same cause is
    the first one, whatever else it says. ``tenant_id`` is the tenant whose scope is active, or
    None for the provider's own, which is written as the operator. The subject becomes one line.
    Raises ValidationError when ``to`` is no address.
    """
    validate_email(to)
    alias = OPERATOR if tenant_id is None or operating() else APP
    message = OutboxMessage(
        tenant_id=tenant_id, cause=cause, to=to, subject=one_line(subject), text=text, html=html
    )
    messages = OutboxMessage.objects.using(alias)
    messages.bulk_create([message], ignore_conflicts=True)
    transaction.on_commit(ring, using=alias)
    return messages.get(cause=cause)


def ring() -> None:
    """Tell the control worker that messages wait. Never raises: the scheduler rings too."""
    try:
        current_app.send_task(SEND_OUTBOX, queue=CONTROL, expires=_STALE)
    except (OperationalError, OSError) as error:
        log.warning("the broker does not answer, the mail waits: %s", error)


def one_line(text: str, length: int = 300) -> str:
    """The text on one line without control characters, cut to ``length`` characters."""
    line = " ".join(text.split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= length else line[: length - 1] + "…"


def send_test(*, to: str) -> OutboxMessage:
    """Put a test message into the outbox, as the operator. Raises ValidationError."""
    return enqueue(
        cause=f"test/{uuid7()}",
        to=to,
        subject="Test message from Stowage",
        text=render_to_string("mail/test.txt"),
        html=render_to_string("mail/test.html"),
        tenant_id=None,
    )


def send_again(*, message_id: UUID) -> None:
    """As the operator: let a message wait again from its first try, also one that was sent.

    Raises MessageBusy while it is being sent.
    """
    with transaction.atomic(using=OPERATOR):
        messages = OutboxMessage.objects.using(OPERATOR).filter(pk=message_id)
        if not messages.select_for_update(skip_locked=True).exists():
            raise MessageBusy
        messages.update(
            state=OutboxMessage.State.WAITING, attempts=0, next_attempt_at=Now(), sent_at=None
        )
        transaction.on_commit(ring, using=OPERATOR)
