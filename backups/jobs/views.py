"""One job: what it protects, its sessions, and what can be done with it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from backups.infrastructure.models import Allocation
from backups.jobs import editing, services
from backups.jobs.forms import JobForm
from backups.jobs.models import Job
from backups.jobs.selection import select
from backups.organizations.models import Organization
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


@tenant_page(Permission.MANAGE_JOBS, methods=("GET", "HEAD", "POST"))
def new(request: TenantRequest) -> HttpResponse:
    """A job of the organization in the query; without one, of the only one, or a choice."""
    organizations = Organization.objects.all()
    chosen = _uuid(request.GET.get("organization", ""))
    if chosen is None and len(organizations) != 1:
        context = {"organizations": organizations, "nav": "organizations"}
        return render(request, "backups/job_organization.html", context)
    organization = get_object_or_404(organizations, pk=chosen or organizations[0].pk)
    form = JobForm(
        request.POST if request.method == "POST" else None,
        organization=organization,
        time_zone=request.tenant.time_zone,
    )
    if request.method == "POST" and form.is_valid():
        try:
            job = editing.define_job(
                organization=organization, policy=form.policy(), person_id=request.user.pk
            )
        except editing.PolicyRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, f"{job.name} is ready.")
            return redirect("backups:job", slug=request.tenant.slug, job_id=job.pk)
    return _form_page(request, form, organization, None)


@tenant_page(Permission.MANAGE_JOBS, methods=("GET", "HEAD", "POST"))
def edit(request: TenantRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(Job.objects.select_related("organization"), pk=job_id)
    form = JobForm(
        request.POST if request.method == "POST" else None,
        organization=job.organization,
        job=job,
        time_zone=request.tenant.time_zone,
    )
    if request.method == "POST" and form.is_valid():
        try:
            editing.edit_job(job=job, policy=form.policy(), person_id=request.user.pk)
        except editing.PolicyRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, f"{form.cleaned_data['name']} is saved.")
            return redirect("backups:job", slug=request.tenant.slug, job_id=job.pk)
    return _form_page(request, form, job.organization, job)


@tenant_page(Permission.MANAGE_JOBS, methods=("POST",))
def remove(request: TenantRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(Job.objects, pk=job_id)
    try:
        editing.remove_job(job=job, person_id=request.user.pk)
    except services.JobRefused as refusal:
        messages.error(request, str(refusal))
        return _to(job, request)
    messages.success(request, f"{job.name} is deleted; its backups stay.")
    return redirect("backups:organizations", slug=request.tenant.slug)


@tenant_page(Permission.MANAGE_JOBS)
def preview(request: TenantRequest) -> HttpResponse:
    """What the form that is being filled in would select; nothing while it makes no sense."""
    wanted, known = (_uuid(request.GET.get(name, "")) for name in ("organization", "job"))
    organization = Organization.objects.filter(pk__in=[wanted] if wanted else []).first()
    job = Job.objects.filter(pk__in=[known] if known else []).first()
    context: dict[str, object] = {}
    if organization is not None:
        form = JobForm(request.GET, organization=organization, job=job)
        form.is_valid()
        allocation, scope = (form.cleaned_data.get(name) for name in ("allocation", "scope"))
        if isinstance(allocation, Allocation) and scope:
            context["selection"] = select(
                organization=organization,
                allocation=allocation,
                scope=scope,
                chosen=list(form.cleaned_data.get("mailboxes") or ()),
                excluded=list(form.cleaned_data.get("excluded") or ()),
                but=job,
            )
    return render(request, "backups/job_preview.html", context)


def _form_page(
    request: TenantRequest, form: JobForm, organization: Organization, job: Job | None
) -> HttpResponse:
    context = {
        "form": form,
        "organization": organization,
        "job": job,
        "allocations": Allocation.objects.exists(),
        "choices": form.choices(),
        "nav": "organizations",
    }
    return render(request, "backups/job_form.html", context)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
