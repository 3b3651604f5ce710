"""Tenants, as the provider's operator sees and serves them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from backups.infrastructure.forms import TenantForm
from backups.infrastructure.models import Allocation
from backups.infrastructure.onboarding import Share, onboard
from backups.infrastructure.querysets import tenants_at_a_glance
from backups.infrastructure.tables import TenantFilter, TenantTable
from portal.web.forms import sent
from portal.web.tables import paged
from tenants import services
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Invitation, Membership, Tenant
from tenants.people.forms import InviteForm
from tenants.people.permissions import Role
from tenants.people.services import PeopleRefused, invite, invite_again, withdraw
from tenants.time_zones import time_zones
from tenants.views.pages import PersonRequest, operator_action, operator_form, operator_page


@operator_page
def tenant_list(request: PersonRequest) -> HttpResponse:
    chosen = TenantFilter(request.GET, tenants_at_a_glance(timezone.now()))
    context = {
        "table": paged(request, TenantTable(chosen.qs)),
        "filter": chosen,
        "any": Tenant.objects.using(OPERATOR).exists(),
        "nav": "tenants",
    }
    return render(request, "backups/tenants.html", context)


@operator_form
def tenant_new(request: PersonRequest) -> HttpResponse:
    form = TenantForm(sent(request))
    if form.is_valid():
        try:
            tenant = _onboard(form, request.user.pk)
        except IntegrityError:
            form.add_error("slug", "Another tenant has just taken it.")
        else:
            messages.success(
                request, f"{tenant} is there; {form.cleaned_data['email']} gets an invitation."
            )
            return redirect("backups:tenant", tenant_id=tenant.pk)
    context = {"form": form, "time_zones": time_zones(), "nav": "tenants"}
    return render(request, "backups/tenant_new.html", context)


@operator_form
def tenant(request: PersonRequest, tenant_id: UUID) -> HttpResponse:
    """One tenant; its form invites."""
    row = _tenant(tenant_id)
    form = InviteForm(sent(request), initial={"role": Role.ADMINISTRATOR})
    if form.is_valid():
        try:
            with tenant_scope(row.pk):
                invite(**form.cleaned_data, person_id=request.user.pk)
        except PeopleRefused as refusal:
            form.add_error("email", str(refusal))
        else:
            messages.success(request, f"{form.cleaned_data['email']} gets an invitation.")
            return redirect("backups:tenant", tenant_id=row.pk)
    members = Membership.objects.using(OPERATOR).filter(tenant=row).select_related("person")
    context = {
        "tenant": row,
        "allocations": Allocation.objects.filter(tenant=row).select_related("repository__proxy"),
        "members": members.order_by("person__name", "person__email"),
        "invitations": _open_invitations(row),
        "form": form,
        "nav": "tenants",
    }
    return render(request, "backups/tenant.html", context)


@operator_action
def tenant_suspend(request: PersonRequest, tenant_id: UUID) -> HttpResponse:
    row = _tenant(tenant_id)
    services.suspend(tenant=row, person_id=request.user.pk)
    messages.success(request, f"{row} is suspended: nobody gets in, no job starts, all data stays.")
    return redirect("backups:tenant", tenant_id=row.pk)


@operator_action
def tenant_resume(request: PersonRequest, tenant_id: UUID) -> HttpResponse:
    row = _tenant(tenant_id)
    services.resume(tenant=row, person_id=request.user.pk)
    messages.success(request, f"{row} is open again.")
    return redirect("backups:tenant", tenant_id=row.pk)


@operator_action
def tenant_invite_again(
    request: PersonRequest, tenant_id: UUID, invitation_id: UUID
) -> HttpResponse:
    row = _tenant(tenant_id)
    invitation = get_object_or_404(_open_invitations(row), pk=invitation_id)
    try:
        with tenant_scope(row.pk):
            invite_again(invitation=invitation, person_id=request.user.pk)
        messages.success(request, f"{invitation.email} gets a new link; the old one is void.")
    except PeopleRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("backups:tenant", tenant_id=row.pk)


@operator_action
def tenant_withdraw(request: PersonRequest, tenant_id: UUID, invitation_id: UUID) -> HttpResponse:
    row = _tenant(tenant_id)
    invitation = get_object_or_404(_open_invitations(row), pk=invitation_id)
    with tenant_scope(row.pk):
        withdraw(invitation=invitation, person_id=request.user.pk)
    messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
    return redirect("backups:tenant", tenant_id=row.pk)


def _tenant(tenant_id: UUID) -> Tenant:
    return get_object_or_404(tenants_at_a_glance(timezone.now()), pk=tenant_id)


def _open_invitations(tenant: Tenant) -> QuerySet[Invitation]:
    return Invitation.objects.using(OPERATOR).filter(tenant=tenant, accepted_at=None)


def _onboard(form: TenantForm, person_id: UUID) -> Tenant:
    given = form.cleaned_data
    share = None
    if given["repository"] is not None:
        share = Share(
            repository=given["repository"],
            name=given["share_name"] or f"{given['name'][:80]}'s mail",
            quota_bytes=given["quota"],
        )
    return onboard(
        name=given["name"],
        slug=given["slug"],
        time_zone=given["time_zone"],
        email=given["email"],
        person_name=given["person_name"],
        share=share,
        person_id=person_id,
    )
