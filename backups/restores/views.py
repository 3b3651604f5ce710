"""Bringing items back."""

from __future__ import annotations

from itertools import chain
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from backups.organizations.models import Mailbox
from backups.restores import services
from backups.restores.forms import ChosenForm, RestoreForm
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.RESTORE, methods=("POST",))
def restore(request: TenantRequest, mailbox_id: UUID) -> HttpResponse:
    mailbox = get_object_or_404(Mailbox.objects, pk=mailbox_id)
    form = RestoreForm(request.POST)
    if not form.is_valid():
        return _refused(request, mailbox, form, *map(str, chain(*form.errors.values())))
    try:
        session = services.restore_items(
            mailbox=mailbox,
            version_ids=form.cleaned_data["items"],
            target_folder=form.target_folder,
            reason=form.cleaned_data["reason"],
            person_id=request.user.pk,
        )
    except services.RestoreRefused as refusal:
        return _refused(request, mailbox, form, str(refusal))
    return redirect("backups:session", slug=request.tenant.slug, session_id=session.pk)


def _refused(
    request: TenantRequest, mailbox: Mailbox, form: RestoreForm, *reasons: str
) -> HttpResponse:
    for reason in reasons:
        messages.error(request, reason)
    return to_mailbox(request, mailbox, form)


def to_mailbox(request: TenantRequest, mailbox: Mailbox, form: ChosenForm) -> HttpResponse:
    """Back to the mailbox at the same restore point, with the messages above it."""
    address = reverse("backups:mailbox", args=[request.tenant.slug, mailbox.pk])
    point = form.cleaned_data.get("point")
    return redirect(f"{address}?point={point}" if point else address)
