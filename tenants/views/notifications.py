"""Who hears of a tenant's sessions by e-mail."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from tenants.models import Recipient
from tenants.notifications.forms import EventsForm, RecipientForm
from tenants.notifications.recipients import (
    RecipientKnown,
    add_recipient,
    change_recipient,
    remove_recipient,
)
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.MANAGE_JOBS, methods=("GET", "HEAD", "POST"))
def notifications(request: TenantRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    form = RecipientForm(request.POST)
    if not form.is_valid():
        return _page(request, added=form)
    email = form.cleaned_data["email"]
    try:
        add_recipient(email=email, events=form.events, person_id=request.user.pk)
    except RecipientKnown:
        form.add_error("email", "This address is in the list already.")
        return _page(request, added=form)
    messages.success(request, f"{email} hears of sessions now.")
    return redirect("tenants:notifications", slug=request.tenant.slug)


@tenant_page(Permission.MANAGE_JOBS, methods=("POST",))
def change(request: TenantRequest, recipient_id: UUID) -> HttpResponse:
    recipient = get_object_or_404(Recipient.objects, pk=recipient_id)
    form = EventsForm(request.POST, auto_id=f"{recipient.pk}_%s")
    if not form.is_valid():
        return _page(request, changed=(recipient.pk, form))
    change_recipient(recipient=recipient, events=form.events, person_id=request.user.pk)
    messages.success(request, f"{recipient.email} hears of: {form.events}.")
    return redirect("tenants:notifications", slug=request.tenant.slug)


@tenant_page(Permission.MANAGE_JOBS, methods=("POST",))
def remove(request: TenantRequest, recipient_id: UUID) -> HttpResponse:
    recipient = get_object_or_404(Recipient.objects, pk=recipient_id)
    remove_recipient(recipient=recipient, person_id=request.user.pk)
    messages.success(request, f"{recipient.email} hears of sessions no more.")
    return redirect("tenants:notifications", slug=request.tenant.slug)


def _page(
    request: TenantRequest,
    *,
    added: RecipientForm | None = None,
    changed: tuple[UUID, EventsForm] | None = None,
) -> HttpResponse:
    """The list, with the form that was refused in its place."""
    refused = dict([changed]) if changed else {}
    rows = [
        (recipient, refused.get(recipient.pk) or _events_form(recipient))
        for recipient in Recipient.objects.all()
    ]
    context = {
        "rows": rows,
        "form": added or RecipientForm(initial=dict.fromkeys(EventsForm.base_fields, True)),
        "nav": "notifications",
    }
    return render(request, "tenants/notifications.html", context)


def _events_form(recipient: Recipient) -> EventsForm:
    chosen = {name: getattr(recipient, name) for name in EventsForm.base_fields}
    return EventsForm(initial=chosen, auto_id=f"{recipient.pk}_%s")
