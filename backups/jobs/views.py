"""One job: what it protects, its sessions, and what can be done with it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from backups.jobs import services
from backups.jobs.models import Job
from backups.organizations.querysets import PROTECTION
from backups.sessions.tables import JobSessionTable
from portal.web.live import live
from portal.web.tables import paged
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.SEE_BACKUPS)
def job_detail(request: TenantRequest, job_id: UUID) -> HttpResponse:
    jobs = Job.objects.with_last_session().with_protection(timezone.now() - PROTECTION)
    job = get_object_or_404(jobs.select_related("organization", "allocation"), pk=job_id)
    context = {
        "job": job,
        "table": paged(request, JobSessionTable(job.sessions.newest_first())),
        "nav": "organizations",
    }
    running = job.state in (Job.State.QUEUED, Job.State.RUNNING)
    return live(request, "backups/job.html", "live", context, running=running)


def _to(job: Job, request: TenantRequest) -> HttpResponse:
    """Back to where the button was: the Organizations view or the job's own page."""
    if request.POST.get("back") == "organizations":
        return redirect("backups:organizations", slug=request.tenant.slug)
    return redirect("backups:job", slug=request.tenant.slug, job_id=job.pk)


@tenant_page(Permission.RUN_JOBS, methods=("POST",))
def start(request: TenantRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(Job.objects, pk=job_id)
    try:
        session = services.start_job(job=job, person_id=request.user.pk)
    except services.JobRefused as refusal:
        messages.error(request, str(refusal))
        return _to(job, request)
    if request.POST.get("back"):
        messages.success(request, f"{job.name} has started.")
        return _to(job, request)
    return redirect("backups:session", slug=request.tenant.slug, session_id=session.pk)


@tenant_page(Permission.RUN_JOBS, methods=("POST",))
def stop(request: TenantRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(Job.objects, pk=job_id)
    services.stop_job(job=job, person_id=request.user.pk)
    messages.success(request, f"{job.name} is stopping; what it has stored stays.")
    return _to(job, request)


@tenant_page(Permission.MANAGE_JOBS, methods=("POST",))
def enable(request: TenantRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(Job.objects, pk=job_id)
    services.set_enabled(job=job, enabled=True, person_id=request.user.pk)
    messages.success(request, f"{job.name} runs on its schedule again.")
    return _to(job, request)


@tenant_page(Permission.MANAGE_JOBS, methods=("POST",))
def disable(request: TenantRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(Job.objects, pk=job_id)
    services.set_enabled(job=job, enabled=False, person_id=request.user.pk)
    messages.success(request, f"{job.name} is switched off; its backups stay.")
    return _to(job, request)
