"""The provider's e-mail: how it is sent, and what was sent."""

from __future__ import annotations

import re
from uuid import UUID

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from portal.web.live import live
from portal.web.tables import paged
from tenants.isolation.scope import OPERATOR
from tenants.models import EmailSettings, OutboxMessage
from tenants.notifications.forms import EmailSettingsForm, TestMessageForm
from tenants.notifications.services import MessageBusy, send_again, send_test
from tenants.notifications.settings import email_settings, save_email_settings
from tenants.notifications.tables import OutboxFilter, OutboxTable
from tenants.views.pages import PersonRequest, operator_action, operator_form, operator_page

# A token in a link signs somebody in; an object's identifier in one does not.
_TOKEN = re.compile(
    r"(?<=[/=])(?![0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)[\w-]{24,}"
)
_FRAME_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


@operator_form
def email(request: PersonRequest) -> HttpResponse:
    stored = email_settings()
    if request.method != "POST":
        return _settings_page(request, EmailSettingsForm(stored=stored), stored)
    form = EmailSettingsForm(request.POST, stored=stored)
    if not form.is_valid():
        return _settings_page(request, form, stored)
    save_email_settings(
        delivery=form.cleaned_data["delivery"],
        sender=form.cleaned_data["sender"],
        sender_name=form.cleaned_data["sender_name"],
        server=form.server,
        password=form.cleaned_data["password"],
        person_id=request.user.pk,
    )
    messages.success(request, "Saved. Send a test message to see whether it works.")
    return redirect("tenants:email")


@operator_action
def test_message(request: PersonRequest) -> HttpResponse:
    form = TestMessageForm(request.POST)
    if not form.is_valid():
        stored = email_settings()
        return _settings_page(request, EmailSettingsForm(stored=stored), stored, test=form)
    message = send_test(to=form.cleaned_data["to"])
    return redirect("tenants:outbox-message", message_id=message.pk)


@operator_page
def outbox(request: PersonRequest) -> HttpResponse:
    rows = OutboxMessage.objects.using(OPERATOR).select_related("tenant").defer("text", "html")
    chosen = OutboxFilter(request.GET, rows)
    context = {
        "table": paged(request, OutboxTable(chosen.qs)),
        "filter": chosen,
        "folder": _folder(email_settings()),
        "nav": "outbox",
    }
    return render(request, "tenants/outbox.html", context)


@csp_update({"frame-src": ["'self'"]})
@operator_page
def outbox_message(request: PersonRequest, message_id: UUID) -> HttpResponse:
    message = _message(message_id)
    context = {
        "message": message,
        "text": _TOKEN.sub("•••", message.text),
        "hides_token": bool(_TOKEN.search(message.text)),
        "folder": _folder(email_settings()),
        "nav": "outbox",
    }
    waits = message.state == OutboxMessage.State.WAITING
    return live(request, "tenants/outbox_message.html", "live", context, running=waits)


@operator_page
def outbox_html(request: PersonRequest, message_id: UUID) -> HttpResponse:
    """The HTML part for the frame of the message's page: no script, no form, nothing loaded."""
    response = HttpResponse(_TOKEN.sub("•••", _message(message_id).html))
    response.headers["Content-Security-Policy"] = _FRAME_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@operator_action
def outbox_again(request: PersonRequest, message_id: UUID) -> HttpResponse:
    message = _message(message_id)
    try:
        send_again(message_id=message.pk)
    except MessageBusy:
        messages.warning(request, "The message is being sent at this moment.")
    return redirect("tenants:outbox-message", message_id=message.pk)


def _message(message_id: UUID) -> OutboxMessage:
    rows = OutboxMessage.objects.using(OPERATOR).select_related("tenant")
    return get_object_or_404(rows, pk=message_id)


def _folder(stored: EmailSettings) -> str:
    """Where messages land as files, or nothing when they go to a server."""
    into_folder = stored.delivery == EmailSettings.Delivery.FOLDER
    return str(settings.MAIL_FOLDER) if into_folder else ""


def _settings_page(
    request: PersonRequest,
    form: EmailSettingsForm,
    stored: EmailSettings,
    *,
    test: TestMessageForm | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "test": test or TestMessageForm(),
        "has_password": bool(stored.sealed_password),
        "folder": settings.MAIL_FOLDER,
        "nav": "email",
    }
    return render(request, "tenants/email.html", context)
