"""What the operator sets up: proxies, repositories, shares, global exclusions."""

from __future__ import annotations

import shlex
from pathlib import Path
from uuid import UUID

from django.contrib import messages
from django.db import IntegrityError
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from backups.infrastructure import exclusions, services
from backups.infrastructure.forms import (
    GIGABYTE,
    AllocationForm,
    ExclusionForm,
    ProxyEditForm,
    ProxyForm,
    RepositoryForm,
    ShareSettingsForm,
)
from backups.infrastructure.models import Allocation, Proxy
from backups.infrastructure.querysets import condition
from backups.jobs.models import GlobalExclusion
from backups.repository import RepositoryError
from backups.retention.models import CollectionRun, CollectionState
from backups.verifications.models import DamagedObject, Verification
from backups.verifications.querysets import MOST
from portal.templatetags.web import size
from portal.web.forms import sent
from portal.web.live import live
from tenants.isolation.scope import OPERATOR
from tenants.models import Tenant
from tenants.views.pages import PersonRequest, operator_action, operator_form

RUNS = 5
"""Runs of collection that a share's page shows."""


@operator_form
def proxy_new(request: PersonRequest) -> HttpResponse:
    form = ProxyForm(sent(request))
    if not form.is_valid():
        return _form(request, form, "New proxy", "Create the proxy")
    try:
        proxy = services.create_proxy(**form.cleaned_data)
    except IntegrityError:
        form.add_error("name", "There is a proxy of this name already.")
        return _form(request, form, "New proxy", "Create the proxy")
    messages.success(request, f"{proxy.name} is there. Start its worker now.")
    return redirect("backups:proxy", proxy_id=proxy.pk)


@operator_form
def proxy(request: PersonRequest, proxy_id: UUID) -> HttpResponse:
    row = get_object_or_404(Proxy.objects.using(OPERATOR), pk=proxy_id)
    now = {
        "name": row.name,
        "tasks_at_once": row.tasks_at_once,
        "maintenance": row.state == Proxy.State.MAINTENANCE,
    }
    form = ProxyEditForm(sent(request), proxy=row, initial=now)
    if form.is_valid():
        services.change_proxy(proxy=row, **form.cleaned_data)
        messages.success(request, f"{form.cleaned_data['name']} is changed.")
        return redirect("backups:proxy", proxy_id=row.pk)
    context = {
        "proxy": row,
        "state": condition(row, timezone.now()),
        "command": f"python manage.py proxy run {shlex.quote(row.name)}",
        "form": form,
        "nav": "infrastructure",
    }
    return render(request, "backups/proxy.html", context)


@operator_form
def repository_new(request: PersonRequest) -> HttpResponse:
    form = RepositoryForm(sent(request), initial={"proxy": request.GET.get("proxy")})
    title, button = "New repository", "Create and try it"
    if not form.is_valid():
        return _form(request, form, title, button)
    try:
        row = services.create_repository(
            proxy=form.cleaned_data["proxy"],
            name=form.cleaned_data["name"],
            location=Path(form.cleaned_data["folder"]),
        )
    except RepositoryError as error:
        form.add_error("folder", str(error))
        return _form(request, form, title, button)
    row.refresh_from_db(using=OPERATOR)
    messages.success(request, f"{row.name} is ready: {size(row.free_bytes)} free.")
    return redirect("backups:operator-infrastructure")


@operator_form
def allocation_new(request: PersonRequest) -> HttpResponse:
    given = {name: request.GET.get(name) for name in ("tenant", "repository")}
    form = AllocationForm(sent(request), initial=given)
    if not form.is_valid():
        return _form(request, form, "Allocate a share", "Allocate")
    chosen = form.cleaned_data
    tenant: Tenant = chosen["tenant"]
    try:
        services.allocate(
            tenant=tenant,
            repository=chosen["repository"],
            name=chosen["name"],
            quota_bytes=chosen["quota"],
            person_id=request.user.pk,
        )
    except IntegrityError:
        form.add_error("repository", f"{tenant} has a share of it already.")
        return _form(request, form, "Allocate a share", "Allocate")
    messages.success(request, f"{tenant} may use {chosen['repository']} now.")
    return redirect("backups:tenant", tenant_id=tenant.pk)


@operator_form
def allocation(request: PersonRequest, allocation_id: UUID) -> HttpResponse:
    row = get_object_or_404(Allocation.objects.select_related("tenant"), pk=allocation_id)
    form = ShareSettingsForm(sent(request), initial=_settings(row))
    if not form.is_valid():
        return _share(request, row, form)
    services.change_allocation(
        allocation=row,
        name=form.cleaned_data["name"],
        quota_bytes=form.cleaned_data["quota"],
        plan=services.VerificationPlan(
            form.cleaned_data["percent"],
            form.cleaned_data["sample_days"],
            form.cleaned_data["structure_days"],
        ),
        person_id=request.user.pk,
    )
    messages.success(request, f"{form.cleaned_data['name']} is changed.")
    return redirect("backups:tenant", tenant_id=row.tenant_id)


def _share(request: PersonRequest, row: Allocation, form: ShareSettingsForm) -> HttpResponse:
    collections = list(CollectionRun.objects.of_share(row)[:RUNS])
    newest = Verification.objects.filter(allocation=row).first()
    context = {
        "allocation": row,
        "form": form,
        "title": f"Share of {row.tenant}",
        "button": "Save",
        "nav": "infrastructure",
        "verification": newest,
        **_damage(row),
        "collections": collections,
    }
    open_now = [run.state for run in (newest, *collections[:1]) if run and run.is_open]
    running = any(state != CollectionState.PAUSED for state in open_now)
    return live(request, "backups/allocation.html", "live", context, running=running)


def _settings(row: Allocation) -> dict[str, str | int | None]:
    return {
        "name": row.name,
        "quota": None if row.quota_bytes is None else row.quota_bytes // GIGABYTE,
        "percent": row.verify_percent,
        "sample_days": row.verify_sample_days,
        "structure_days": row.verify_structure_days,
    }


def _damage(row: Allocation) -> dict[str, object]:
    """What the operator sees of it: objects, never items."""
    damaged = DamagedObject.objects.filter(tenant=row.tenant_id, repository=row.repository_id)
    still = damaged.filter(healed_at=None)
    return {
        "objects": still[:MOST],
        "damaged": still.count(),
        "healed": damaged.exclude(healed_at=None).count(),
    }


@operator_form
def exclusion_list(request: PersonRequest) -> HttpResponse:
    form = ExclusionForm(sent(request))
    if form.is_valid():
        name = form.cleaned_data["name"]
        if exclusions.exclude_folder(name):
            messages.success(request, f"{name} is left out from the next session on.")
            return redirect("backups:exclusions")
        form.add_error("name", f"{name} is in the list already.")
    context = {
        "exclusions": GlobalExclusion.objects.using(OPERATOR),
        "form": form,
        "nav": "exclusions",
    }
    return render(request, "backups/exclusions.html", context)


@operator_action
def exclusion_remove(request: PersonRequest, exclusion_id: UUID) -> HttpResponse:
    row = get_object_or_404(GlobalExclusion.objects.using(OPERATOR), pk=exclusion_id)
    exclusions.include_folder(row.pk)
    messages.success(request, f"{row.name} is backed up again from the next session on.")
    return redirect("backups:exclusions")


def _form(request: PersonRequest, form: Form, title: str, button: str) -> HttpResponse:
    context = {"form": form, "title": title, "button": button, "nav": "infrastructure"}
    return render(request, "backups/setup_form.html", context)
