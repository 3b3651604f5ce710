"""Sends what waits in the outbox, one message after another.

A message is locked while it is delivered, so two senders never have the same one; the lock of a
dead sender goes with its connection. A sender that dies between the server's yes and its own
commit sends the message a second time, under the same Message-ID. None is ever lost.
"""

from __future__ import annotations

import enum
import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from tenants.isolation.scope import OPERATOR
from tenants.models import OutboxMessage
from tenants.notifications.delivery import DeliveryFailed, Refused, Unavailable, deliver
from tenants.notifications.settings import email_settings

log = logging.getLogger(__name__)

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 360, 720))
"""What is waited after each failed try; a message that failed once more is given up."""
RUN_SECONDS = 60
"""A run ends then, so that a slow mail server leaves the control worker to others."""


class Outcome(enum.Enum):
    NOTHING_WAITS = enum.auto()
    DEALT_WITH = enum.auto()
    SERVER_DOWN = enum.auto()


def send_waiting(*, now: datetime | None = None) -> bool:
    """Send the messages whose time has come. True when some may be left for another run.

    ``now`` is the clock of every decision, the wall's by default. A server that cannot be used
    ends the run: the other messages would only meet the same fault.
    """
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        outcome = _send_next(now or timezone.now())
        if outcome is not Outcome.DEALT_WITH:
            return False
    return True


def _send_next(now: datetime) -> Outcome:
    with transaction.atomic(using=OPERATOR):
        waiting = OutboxMessage.objects.using(OPERATOR).filter(
            state=OutboxMessage.State.WAITING, next_attempt_at__lte=now
        )
        message = (
            waiting.order_by("next_attempt_at", "id").select_for_update(skip_locked=True).first()
        )
        if message is None:
            return Outcome.NOTHING_WAITS
        message.attempts += 1
        try:
            deliver(message, email_settings())
        except DeliveryFailed as failure:
            _put_back(message, failure, now)
            return Outcome.SERVER_DOWN if isinstance(failure, Unavailable) else Outcome.DEALT_WITH
        except Exception as error:
            # One message that cannot be sent must not hold up those behind it.
            log.exception("message %s", message.pk)
            kind = type(error).__name__
            _put_back(message, DeliveryFailed(f"Unexpected error ({kind}); see the log."), now)
            return Outcome.DEALT_WITH
        message.state, message.sent_at, message.last_error = OutboxMessage.State.SENT, now, ""
        message.save(using=OPERATOR)
    return Outcome.DEALT_WITH


def _put_back(message: OutboxMessage, failure: DeliveryFailed, now: datetime) -> None:
    """Count the try: the message waits for its next one, or is given up."""
    message.last_error = str(failure)
    if isinstance(failure, Refused) or message.attempts > len(PAUSES):
        message.state = OutboxMessage.State.FAILED
    else:
        message.next_attempt_at = now + PAUSES[message.attempts - 1]
    message.save(using=OPERATOR)
    log.warning("message %s, try %s: %s", message.pk, message.attempts, failure)
