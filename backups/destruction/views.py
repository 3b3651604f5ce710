"""Destroying a mailbox's backups, and the certificates of what was destroyed."""

from __future__ import annotations

import json
from uuid import UUID

from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from backups.catalog.models import MailboxBackup, RestorePoint
from backups.destruction import services
from backups.destruction.forms import DestroyForm
from backups.destruction.models import Destruction, DestructionCertificate
from backups.organizations.models import Mailbox
from backups.retention.models import LegalHold
from portal.web.forms import sent
from portal.web.live import live
from tenants.people.permissions import Permission
from tenants.views.pages import PersonRequest, TenantRequest, operator_page, tenant_page

MOST = 200
"""The newest that a list shows."""


@tenant_page(Permission.DESTROY_BACKUPS, methods=("GET", "HEAD", "POST"))
def destroy(request: TenantRequest, mailbox_id: UUID) -> HttpResponse:
    mailbox = get_object_or_404(Mailbox.objects.select_related("organization"), pk=mailbox_id)
    form = DestroyForm(sent(request))
    if form.is_valid():
        try:
            destruction = services.destroy_mailbox_backups(
                mailbox=mailbox, **form.cleaned_data, person_id=request.user.pk
            )
        except services.DestructionRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            slug = request.tenant.slug
            return redirect("backups:destruction", slug=slug, destruction_id=destruction.pk)
    points = RestorePoint.objects.filter(backup__mailbox=mailbox).order_by()
    context = {
        "mailbox": mailbox,
        "form": form,
        "backups": MailboxBackup.objects.filter(mailbox=mailbox).select_related("allocation"),
        "points": points.aggregate(count=Count("pk"), bytes=Sum("bytes")),
        "held": LegalHold.objects.in_force().filter(mailbox=mailbox).exists(),
        "nav": "organizations",
    }
    return render(request, "backups/destroy.html", context)


@tenant_page(Permission.SEE_BACKUPS)
def destruction_list(request: TenantRequest) -> HttpResponse:
    rows = Destruction.objects.select_related("requested_by")[:MOST]
    context = {"destructions": rows, "nav": "infrastructure"}
    return render(request, "backups/destructions.html", context)


@tenant_page(Permission.SEE_BACKUPS)
def destruction_detail(request: TenantRequest, destruction_id: UUID) -> HttpResponse:
    """How far it is; once it has ended, the certificate to print."""
    destruction = get_object_or_404(Destruction.objects, pk=destruction_id)
    certificate = DestructionCertificate.objects.filter(pk=destruction_id).first()
    context = {
        "destruction": destruction,
        "places": destruction.places.all(),
        "certificate": certificate,
        "told": json.loads(certificate.content) if certificate else None,
        "nav": "infrastructure",
    }
    running = destruction.finished_at is None
    return live(request, "backups/destruction.html", "live", context, running=running)


@tenant_page(Permission.SEE_BACKUPS)
def certificate(request: TenantRequest, destruction_id: UUID) -> HttpResponse:
    return _download(get_object_or_404(DestructionCertificate.objects, pk=destruction_id))


@operator_page
def operator_certificates(request: PersonRequest) -> HttpResponse:
    """Of all tenants, those that are gone too."""
    context = {"certificates": DestructionCertificate.objects.all()[:MOST], "nav": "infrastructure"}
    return render(request, "backups/operator_certificates.html", context)


@operator_page
def operator_certificate(request: PersonRequest, destruction_id: UUID) -> HttpResponse:
    found = get_object_or_404(DestructionCertificate.objects, pk=destruction_id)
    context = {"certificate": found, "told": json.loads(found.content), "nav": "infrastructure"}
    return render(request, "backups/operator_certificate.html", context)


@operator_page
def operator_certificate_file(request: PersonRequest, destruction_id: UUID) -> HttpResponse:
    return _download(get_object_or_404(DestructionCertificate.objects, pk=destruction_id))


def _download(found: DestructionCertificate) -> HttpResponse:
    """The exact bytes that the hash is of."""
    name = f"certificate-of-destruction-{found.pk}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(found.content.encode(), content_type="application/json", headers=headers)
