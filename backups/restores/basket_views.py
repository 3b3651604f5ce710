"""The basket's page, and what is done with what is in it."""

from __future__ import annotations

from itertools import chain
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from backups.organizations.models import Mailbox
from backups.restores import basket as services
from backups.restores.forms import BasketRestoreForm, ChosenForm, DownloadForm
from backups.restores.services import RestoreRefused
from backups.restores.views import to_mailbox
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page

PAGE = 50


@tenant_page(Permission.RESTORE)
def basket(request: TenantRequest) -> HttpResponse:
    return _page(request, BasketRestoreForm())


@tenant_page(Permission.RESTORE, methods=("POST",))
def add(request: TenantRequest, mailbox_id: UUID) -> HttpResponse:
    mailbox = get_object_or_404(Mailbox.objects, pk=mailbox_id)
    form = ChosenForm(request.POST)
    if not form.is_valid():
        for reason in chain(*form.errors.values()):
            messages.error(request, str(reason))
        return to_mailbox(request, mailbox, form)
    try:
        added = services.add_to_basket(
            mailbox=mailbox, version_ids=form.cleaned_data["items"], person_id=request.user.pk
        )
    except RestoreRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _added(added))
    return to_mailbox(request, mailbox, form)


@tenant_page(Permission.RESTORE, methods=("POST",))
def add_found(request: TenantRequest) -> HttpResponse:
    """Put what a search found into the basket, of whatever mailboxes."""
    form = ChosenForm(request.POST)
    back = redirect("backups:search", slug=request.tenant.slug)
    back["Location"] += f"?{urlencode({'q': request.POST.get('q', '')[:500]})}"
    if not form.is_valid():
        for reason in chain(*form.errors.values()):
            messages.error(request, str(reason))
        return back
    try:
        added = services.add_found(
            version_ids=form.cleaned_data["items"], person_id=request.user.pk
        )
    except RestoreRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _added(added))
    return back


@tenant_page(Permission.RESTORE, methods=("POST",))
def remove(request: TenantRequest) -> HttpResponse:
    form = ChosenForm(request.POST)
    if form.is_valid():
        services.remove_from_basket(item_ids=form.cleaned_data["items"], person_id=request.user.pk)
    else:
        for reason in chain(*form.errors.values()):
            messages.error(request, str(reason))
    return redirect("backups:basket", slug=request.tenant.slug)


@tenant_page(Permission.RESTORE, methods=("POST",))
def empty(request: TenantRequest) -> HttpResponse:
    services.remove_from_basket(item_ids=None, person_id=request.user.pk)
    messages.success(request, "The basket is empty.")
    return redirect("backups:basket", slug=request.tenant.slug)


@tenant_page(Permission.RESTORE, methods=("POST",))
def restore(request: TenantRequest) -> HttpResponse:
    form = BasketRestoreForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    try:
        sessions = services.restore_basket(
            target_folder=form.target_folder,
            reason=form.cleaned_data["reason"],
            person_id=request.user.pk,
        )
    except RestoreRefused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, form)
    if len(sessions) == 1:
        return redirect("backups:session", slug=request.tenant.slug, session_id=sessions[0].pk)
    messages.success(request, f"{len(sessions)} restores have started, one for each mailbox.")
    return redirect("backups:sessions", slug=request.tenant.slug)


def _page(request: TenantRequest, form: BasketRestoreForm) -> HttpResponse:
    rows = services.basket_of(request.user.pk)
    context = {
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "bytes": rows.aggregate(total=Sum("version__size"))["total"],
        "form": form,
        "download": DownloadForm(),
        "nav": "basket",
    }
    return render(request, "backups/basket.html", context)


def _added(count: int) -> str:
    plural = "" if count == 1 else "s"
    return f"{count} item{plural} put into the basket." if count else "Already there."
