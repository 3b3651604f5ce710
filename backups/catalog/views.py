"""A mailbox as it was: choose a restore point, walk the folders, see what was in them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from backups.catalog.browsing import browse, everywhere
from backups.catalog.forms import BrowseForm
from backups.catalog.models import RestorePoint
from backups.organizations.models import Mailbox
from backups.restores.forms import RestoreForm
from backups.retention.models import LegalHold
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page

POINTS = 60
"""Restore points that the timeline shows, the newest first."""


@tenant_page(Permission.SEE_CONTENT)
def find(request: TenantRequest) -> HttpResponse:
    """Search all mailboxes of the tenant."""
    form = BrowseForm(request.GET)
    form.is_valid()
    context: dict[str, object] = {"words": form.words("q"), "nav": "search"}
    context["ever"] = form.yes("deleted")
    if context["words"]:
        context |= everywhere(form)
    return render(request, "backups/search.html", context)


@tenant_page(Permission.SEE_CONTENT)
def mailbox(request: TenantRequest, mailbox_id: UUID) -> HttpResponse:
    shown = get_object_or_404(Mailbox.objects.select_related("organization"), pk=mailbox_id)
    form = BrowseForm(request.GET)
    form.is_valid()
    points = RestorePoint.objects.of_mailbox(shown.pk).select_related("backup__allocation")
    chosen = form.number("point")
    point = get_object_or_404(points, pk=chosen) if chosen else points.first()
    context: dict[str, object] = {
        "mailbox": shown,
        "points": points[:POINTS],
        "point": point,
        "nav": "organizations",
        "holds": LegalHold.objects.in_force().filter(mailbox=shown).select_related("placed_by"),
    }
    if point is not None:
        context |= {"contents": browse(point, form)}
        context |= {"restore": RestoreForm()}
    return render(request, "backups/mailbox.html", context)
