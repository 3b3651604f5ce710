"""The e-mail that carries an invitation's link: the only place that holds its secret."""

from __future__ import annotations

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from tenants.models import Invitation, Tenant
from tenants.notifications.services import enqueue


def send_invitation(*, invitation: Invitation, tenant: Tenant, secret: str) -> None:
    """Put the e-mail into the outbox, in the transaction that made the invitation."""
    path = reverse("tenants:invitation-link", args=[secret])
    subject = f"Invitation to {tenant.name}"
    context = {
        "invitation": invitation,
        "tenant": tenant,
        "subject": subject,
        "link": f"{settings.PUBLIC_URL}{path}",
    }
    with timezone.override(tenant.time_zone):
        text = render_to_string("mail/invitation.txt", context)
        html = render_to_string("mail/invitation.html", context)
    enqueue(
        cause=f"invitation/{invitation.pk}",
        to=invitation.email,
        subject=subject,
        text=text,
        html=html,
        tenant_id=tenant.pk,
    )
