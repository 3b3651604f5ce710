"""The people of a tenant: members with their roles, and invitations that are open."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from tenants.models import Invitation, Membership
from tenants.people import services
from tenants.people.forms import InviteForm, RoleForm
from tenants.people.permissions import Permission, Role
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.MANAGE_PEOPLE, methods=("GET", "HEAD", "POST"))
def people(request: TenantRequest) -> HttpResponse:
    """The list; its form invites."""
    if request.method != "POST":
        return _page(request, InviteForm(initial={"role": Role.OPERATOR}))
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    try:
        invitation = services.invite(**form.cleaned_data, person_id=request.user.pk)
    except services.PeopleRefused as refusal:
        form.add_error("email", str(refusal))
        return _page(request, form)
    messages.success(request, f"{invitation.email} gets an e-mail with a link that lasts 7 days.")
    return _back(request)


@tenant_page(Permission.MANAGE_PEOPLE, methods=("POST",))
def change_role(request: TenantRequest, member_id: UUID) -> HttpResponse:
    member = _member(request, member_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such role.")
        return _back(request)
    try:
        services.change_role(
            member=member, role=Role(form.cleaned_data["role"]), person_id=request.user.pk
        )
        messages.success(request, f"{member.person} has another role now.")
    except services.PeopleRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("tenants:start") if member.person == request.user else _back(request)


@tenant_page(Permission.MANAGE_PEOPLE, methods=("POST",))
def remove_member(request: TenantRequest, member_id: UUID) -> HttpResponse:
    member = _member(request, member_id)
    try:
        services.remove_member(member=member, person_id=request.user.pk)
    except services.PeopleRefused as refusal:
        messages.error(request, str(refusal))
        return _back(request)
    messages.success(request, f"{member.person} is no longer a member.")
    return redirect("tenants:start") if member.person == request.user else _back(request)


@tenant_page(Permission.MANAGE_PEOPLE, methods=("POST",))
def invite_again(request: TenantRequest, invitation_id: UUID) -> HttpResponse:
    invitation = _invitation(request, invitation_id)
    try:
        services.invite_again(invitation=invitation, person_id=request.user.pk)
        messages.success(request, f"{invitation.email} gets a new link; the old one is void.")
    except services.PeopleRefused as refusal:
        messages.error(request, str(refusal))
    return _back(request)


@tenant_page(Permission.MANAGE_PEOPLE, methods=("POST",))
def withdraw(request: TenantRequest, invitation_id: UUID) -> HttpResponse:
    invitation = _invitation(request, invitation_id)
    services.withdraw(invitation=invitation, person_id=request.user.pk)
    messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
    return _back(request)


def _member(request: TenantRequest, member_id: UUID) -> Membership:
    # The policy also shows a person his memberships elsewhere: the tenant is named here too.
    members = Membership.objects.filter(tenant=request.tenant).select_related("person")
    return get_object_or_404(members, pk=member_id)


def _invitation(request: TenantRequest, invitation_id: UUID) -> Invitation:
    opened = Invitation.objects.filter(tenant=request.tenant, accepted_at=None)
    return get_object_or_404(opened, pk=invitation_id)


def _back(request: TenantRequest) -> HttpResponse:
    return redirect("tenants:people", slug=request.tenant.slug)


def _page(request: TenantRequest, form: InviteForm) -> HttpResponse:
    members = Membership.objects.filter(tenant=request.tenant).select_related("person")
    rows = [
        (member, RoleForm(initial={"role": member.role}, auto_id=f"{member.pk}_%s"))
        for member in members.order_by("person__name", "person__email")
    ]
    context = {
        "members": rows,
        "invitations": Invitation.objects.filter(tenant=request.tenant, accepted_at=None),
        "form": form,
        "nav": "people",
    }
    return render(request, "tenants/people.html", context)
