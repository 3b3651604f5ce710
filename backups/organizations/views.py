"""The Organizations view, of a tenant and of the provider."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from backups.jobs.models import Job
from backups.organizations.filters import MailboxFilter
from backups.organizations.models import Mailbox, Organization
from backups.organizations.querysets import PROTECTION, Protection
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


@operator_page
def operator_organizations(request: PersonRequest) -> HttpResponse:
    return render(request, "backups/operator_organizations.html", _overview())
