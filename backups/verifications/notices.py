"""The e-mail about what a verification found, or found healed."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.template.loader import render_to_string
from django.urls import reverse

from backups.verifications.models import DamagedItem, Verification
from tenants.isolation.scope import APP
from tenants.models import Recipient
from tenants.notifications.services import enqueue, one_line

log = logging.getLogger(__name__)

MOST_MAILBOXES = 20


def verification_ended(verification: Verification) -> None:
    """Inside the tenant's scope: write to whoever hears of failures, in the same transaction.

    Nothing is written about a verification that changes nothing. A message that cannot be written
    is logged: it must not keep the verification from ending.
    """
    if not verification.found and not verification.healed:
        return
    try:
        with transaction.atomic(using=APP):
            _announce(verification)
    except Exception:
        log.exception("verification %s: its e-mail could not be written", verification.pk)


def _announce(verification: Verification) -> None:
    tenant, allocation = verification.tenant, verification.allocation
    open_items = DamagedItem.objects.filter(healed_at=None, backup__allocation=allocation)
    mailboxes = open_items.values("backup__mailbox__address").annotate(items=Count("pk"))
    rows = list(mailboxes.order_by("backup__mailbox__address")[:MOST_MAILBOXES])
    title = "Damage was found" if verification.found else "Damage was healed"
    subject = one_line(f"[{tenant.name}] {title} in {allocation.name}")
    path = reverse("backups:infrastructure", args=[tenant.slug])
    context = {
        "subject": subject,
        "title": title,
        "tenant": tenant,
        "allocation": allocation,
        "verification": verification,
        "mailboxes": [(row["backup__mailbox__address"], row["items"]) for row in rows],
        "link": f"{settings.PUBLIC_URL}{path}",
    }
    text = render_to_string("mail/verification.txt", context)
    html = render_to_string("mail/verification.html", context)
    for recipient in Recipient.objects.filter(on_failure=True):
        enqueue(
            cause=f"verification/{verification.pk}/{recipient.pk}",
            to=recipient.email,
            subject=subject,
            text=text,
            html=html,
            tenant_id=verification.tenant_id,
        )
