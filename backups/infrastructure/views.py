"""The Backup Infrastructure view: a tenant's allocations, and the provider's proxies."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from backups.infrastructure.custody import PASSPHRASE_SET, set_recovery_passphrase
from backups.infrastructure.forms import RecoveryForm
from backups.infrastructure.models import Allocation, Proxy
from backups.infrastructure.querysets import condition, proxies_of
from backups.repository import PassphraseTooShort, RepositoryError
from backups.retention.clock import held_up
from backups.retention.models import CollectionRun
from backups.sessions.models import State, Task
from backups.verifications.querysets import health_of
from tenants.isolation.scope import OPERATOR
from tenants.models import AuditEvent
from tenants.people.permissions import Permission, allowed
from tenants.views.pages import PersonRequest, TenantRequest, operator_page, tenant_page


@tenant_page(Permission.SEE_BACKUPS)
def infrastructure(request: TenantRequest) -> HttpResponse:
    allocations = list(Allocation.objects.prefetch_related("jobs__organization"))
    proxies = proxies_of([allocation.repository_id for allocation in allocations])
    now = timezone.now()
    health = health_of(
        allocations,
        with_content=allowed(request.membership.role, Permission.SEE_CONTENT),
    )
    latest = {run.repository_id: run for run in CollectionRun.objects.newest()}
    rows = [
        {
            "allocation": allocation,
            "health": health[allocation.pk],
            "proxy": proxies[allocation.repository_id].name,
            "proxy_state": condition(proxies[allocation.repository_id], now),
            "collection": latest.get(allocation.repository_id),
        }
        for allocation in allocations
    ]
    context = {"rows": rows, "recovery": _last_recovery(), "nav": "infrastructure"}
    return render(request, "backups/infrastructure.html", context)


@tenant_page(Permission.MANAGE_ORGANIZATIONS, methods=("GET", "HEAD", "POST"))
def recovery(request: TenantRequest) -> HttpResponse:
    """Set the passphrase with which the tenant reads its backups without us."""
    form = RecoveryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_recovery_passphrase(
                passphrase=form.cleaned_data["passphrase"], person_id=request.user.pk
            )
        except PassphraseTooShort as error:
            form.add_error("passphrase", f"Too short: {error}.")
        except RepositoryError as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request, "The recovery passphrase is set. Keep it where this portal is not."
            )
            return redirect("backups:infrastructure", slug=request.tenant.slug)
    context = {"form": form, "recovery": _last_recovery(), "nav": "infrastructure"}
    return render(request, "backups/recovery.html", context)


def _last_recovery() -> AuditEvent | None:
    """When the passphrase was last set; the repositories keep it, not the database."""
    return AuditEvent.objects.filter(action=PASSPHRASE_SET).order_by("-at").first()


@operator_page
def operator_infrastructure(request: PersonRequest) -> HttpResponse:
    shares: dict[UUID, list[Allocation]] = defaultdict(list)
    for allocation in Allocation.objects.select_related("tenant").order_by("tenant__name"):
        shares[allocation.repository_id].append(allocation)
    tasks = Task.objects.filter(state__in=[State.QUEUED, State.RUNNING]).order_by()
    counted = tasks.values_list("queue", "state").annotate(Count("pk"))
    depth = {(queue, state): number for queue, state, number in counted}
    now = timezone.now()
    proxies = [
        {
            "proxy": proxy,
            "state": condition(proxy, now),
            "waiting": depth.get((proxy.queue, State.QUEUED), 0),
            "running": depth.get((proxy.queue, State.RUNNING), 0),
            "repositories": [(row, shares[row.pk]) for row in proxy.repositories.all()],
        }
        for proxy in Proxy.objects.using(OPERATOR).prefetch_related("repositories")
    ]
    collections = CollectionRun.objects.newest().select_related("tenant", "repository")
    context = {
        "proxies": proxies,
        "collections": collections,
        "clock": held_up(),
        "nav": "infrastructure",
    }
    return render(request, "backups/operator_infrastructure.html", context)
