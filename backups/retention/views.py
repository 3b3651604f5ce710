"""Legal holds of a mailbox, and what a retention would remove."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from backups.jobs.forms import JobForm
from backups.jobs.models import Job
from backups.organizations.models import Mailbox
from backups.retention import services
from backups.retention.forms import ReasonForm
from backups.retention.models import LegalHold
from backups.retention.preview import preview
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.MANAGE_HOLDS, methods=("POST",))
def place(request: TenantRequest, mailbox_id: UUID) -> HttpResponse:
    mailbox = get_object_or_404(Mailbox.objects, pk=mailbox_id)
    form = ReasonForm(request.POST)
    if form.is_valid():
        services.place_hold(
            mailbox=mailbox, reason=form.cleaned_data["reason"], person_id=request.user.pk
        )
        messages.success(request, f"{mailbox} is under legal hold: nothing of it expires.")
    else:
        messages.error(request, _why(form))
    return redirect("backups:mailbox", slug=request.tenant.slug, mailbox_id=mailbox.pk)


@tenant_page(Permission.MANAGE_HOLDS, methods=("POST",))
def release(request: TenantRequest, mailbox_id: UUID, hold_id: UUID) -> HttpResponse:
    holds = LegalHold.objects.filter(mailbox=mailbox_id).select_related("mailbox")
    hold = get_object_or_404(holds, pk=hold_id)
    form = ReasonForm(request.POST)
    try:
        if not form.is_valid():
            raise services.HoldRefused(_why(form))
        services.release_hold(
            hold=hold, reason=form.cleaned_data["reason"], person_id=request.user.pk
        )
        messages.success(request, "The hold is released.")
    except services.HoldRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("backups:mailbox", slug=request.tenant.slug, mailbox_id=mailbox_id)


@tenant_page(Permission.MANAGE_JOBS)
def retention_preview(request: TenantRequest) -> HttpResponse:
    """What the job's form, as it is filled in, would remove; nothing while it makes no sense."""
    context: dict[str, object] = {}
    job = _job(request.GET.get("job", ""))
    if job is not None:
        form = JobForm(request.GET, organization=job.organization, job=job)
        form.is_valid()
        if (retention := form.retention()) is not None:
            context = {"preview": preview(job, retention, timezone.now())}
    return render(request, "backups/retention_preview.html", context)


def _job(text: str) -> Job | None:
    try:
        known = UUID(text)
    except ValueError:
        return None
    return Job.objects.select_related("organization").filter(pk=known).first()


def _why(form: ReasonForm) -> str:
    return f"Give a reason of at most {services.LONGEST_REASON} characters."
