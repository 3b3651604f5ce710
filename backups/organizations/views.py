"""The Organizations view, of a tenant and of the provider."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from backups.jobs.models import Job
from backups.organizations import services
from backups.organizations.checking import check_organization
from backups.organizations.credentials import expires_at
from backups.organizations.filters import MailboxFilter
from backups.organizations.forms import ConnectForm, CredentialForm
from backups.organizations.models import Mailbox, Organization
from backups.organizations.querysets import PROTECTION, Protection
from backups.organizations.refusal import OrganizationRefused
from backups.organizations.tables import MailboxTable
from portal.web.live import live
from portal.web.tables import paged
from tenants.people.permissions import Permission
from tenants.views.pages import PersonRequest, TenantRequest, operator_page, tenant_page

ACTIVE = (Job.State.QUEUED, Job.State.RUNNING)


def _overview() -> dict[str, object]:
    """Organizations with their jobs and protection, of whoever is asking."""
    since = timezone.now() - PROTECTION
    jobs = Job.objects.with_last_session().with_protection(since).select_related("allocation")
    organizations = list(
        Organization.objects.select_related("tenant").prefetch_related(Prefetch("jobs", jobs))
    )
    protection = Mailbox.objects.protection_of([row.pk for row in organizations], since)
    rows = [(row, protection.get(row.pk, Protection())) for row in organizations]
    active = sum(job.state in ACTIVE for row in organizations for job in row.jobs.all())
    return {"rows": rows, "active": active, "nav": "organizations"}


@tenant_page(Permission.SEE_BACKUPS)
def organization_list(request: TenantRequest) -> HttpResponse:
    context = _overview()
    return live(
        request,
        "backups/organizations.html",
        "organizations",
        context,
        running=bool(context["active"]),
    )


@tenant_page(Permission.SEE_BACKUPS)
def organization_detail(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    organization = get_object_or_404(Organization.objects, pk=organization_id)
    since = timezone.now() - PROTECTION
    mailboxes = organization.mailboxes.present().with_protection(since).with_last_point()
    mailbox_filter = MailboxFilter(request.GET, mailboxes)
    protection = Mailbox.objects.protection_of([organization.pk], since)
    context = {
        "organization": organization,
        "jobs": organization.jobs.with_last_session().with_protection(since),
        "protection": protection.get(organization.pk, Protection()),
        "filter": mailbox_filter,
        "table": paged(request, MailboxTable(mailbox_filter.qs)),
        "nav": "organizations",
    }
    return render(request, "backups/organization.html", context)


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("GET", "HEAD", "POST"))
def connect(request: TenantRequest) -> HttpResponse:
    form = ConnectForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        made = form.cleaned_data["makes_certificate"]
        wanted = form.connection()
        try:
            organization = services.connect_organization(**wanted, person_id=request.user.pk)
        except OrganizationRefused as refusal:
            form.refuse(refusal)
        else:
            return redirect(
                "backups:organization-edit" if made else "backups:organization-check",
                slug=request.tenant.slug,
                organization_id=organization.pk,
            )
    context = {"form": form, "nav": "organizations"}
    return render(request, "backups/organization_new.html", context)


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("GET", "HEAD", "POST"))
def edit(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    organization = get_object_or_404(Organization.objects, pk=organization_id)
    if organization.kind == Organization.Kind.ON_PREMISES:
        return redirect(
            "backups:organization-server",
            slug=request.tenant.slug,
            organization_id=organization_id,
        )
    initial = {"name": organization.name, "client_id": organization.client_id}
    form = CredentialForm(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            services.edit_organization(
                organization=organization,
                name=values["name"],
                client_id=values["client_id"],
                certificate=values["certificate"],
                private_key=values["private_key"],
                person_id=request.user.pk,
            )
        except OrganizationRefused as refusal:
            form.refuse(refusal)
            organization.refresh_from_db()
        else:
            return redirect(
                "backups:organization-check",
                slug=request.tenant.slug,
                organization_id=organization_id,
            )
    context = {
        "form": form,
        "organization": organization,
        "expires_at": expires_at(organization.certificate),
        "nav": "organizations",
    }
    return render(request, "backups/organization_edit.html", context)


@tenant_page(Permission.MANAGE_ORGANIZATIONS)
def certificate(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    """The public half of the credential, to be uploaded to the app registration."""
    organization = get_object_or_404(Organization.objects, pk=organization_id)
    if not organization.certificate:
        raise Http404
    return HttpResponse(
        organization.certificate,
        content_type="application/x-pem-file",
        headers={"Content-Disposition": 'attachment; filename="stowage.pem"'},
    )


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("GET", "HEAD", "POST"))
def check(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    """GET shows the page, which then asks for the check by POST: a check changes the state."""
    organization = get_object_or_404(Organization.objects, pk=organization_id)
    context: dict[str, object] = {"organization": organization, "nav": "organizations"}
    if request.method == "POST":
        context["check"] = check_organization(organization=organization, person_id=request.user.pk)
    template = "backups/organization_check.html"
    return render(request, f"{template}#result" if request.htmx else template, context)


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("POST",))
def remove(request: TenantRequest, organization_id: UUID) -> HttpResponse:
    organization = get_object_or_404(Organization.objects, pk=organization_id)
    name = organization.name
    try:
        services.remove_organization(organization=organization, person_id=request.user.pk)
    except OrganizationRefused as refusal:
        messages.error(request, str(refusal))
        return redirect(
            "backups:organization-edit", slug=request.tenant.slug, organization_id=organization_id
        )
    messages.success(request, f"{name} is removed.")
    return redirect("backups:organizations", slug=request.tenant.slug)


@operator_page
def operator_organizations(request: PersonRequest) -> HttpResponse:
    return render(request, "backups/operator_organizations.html", _overview())
