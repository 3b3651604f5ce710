"""Connecting an Exchange Server: alone, or beside Exchange Online in a hybrid organization."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from backups.organizations import exchange_server
from backups.organizations.models import Organization
from backups.organizations.refusal import OrganizationRefused
from backups.organizations.server_forms import ServerForm, values_of
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("GET", "HEAD", "POST"))
def connect(request: TenantRequest) -> HttpResponse:
    form = ServerForm(request.POST or None, request.FILES or None, initial={"impersonation": True})
    if request.method == "POST" and form.is_valid():
        try:
            organization = exchange_server.connect_server(
                name=form.cleaned_data["name"],
                access=exchange_server.with_address(form.access),
                person_id=request.user.pk,
            )
        except OrganizationRefused as refusal:
            form.refuse(refusal)
        else:
            return _to_check(request, organization.pk)
    return render(request, "backups/organization_server.html", _context(form, None))


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("GET", "HEAD", "POST"))
def edit(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    """Also adds a server to an organization of Exchange Online, which is hybrid from then on."""
    organization = get_object_or_404(Organization.objects, pk=organization_id)
    server = organization.servers.select_related("organization").first()
    initial = values_of(server) if server else {"name": organization.name, "impersonation": True}
    form = ServerForm(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            exchange_server.set_server(
                organization=organization,
                name=form.cleaned_data["name"],
                access=exchange_server.with_address(form.access),
                person_id=request.user.pk,
            )
        except OrganizationRefused as refusal:
            form.refuse(refusal)
            organization.refresh_from_db()
        else:
            return _to_check(request, organization_id)
    return render(request, "backups/organization_server.html", _context(form, organization))


def _context(form: ServerForm, organization: Organization | None) -> dict[str, object]:
    return {"form": form, "organization": organization, "nav": "organizations"}


def _to_check(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    return redirect(
        "backups:organization-check", slug=request.tenant.slug, organization_id=organization_id
    )
