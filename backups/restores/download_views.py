"""Where files leave the portal: one item, or the whole basket."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import content_disposition_header

from backups import streams
from backups.restores.download import download_basket, download_item
from backups.restores.forms import DownloadForm
from backups.restores.item_views import back_to_item, version_of
from backups.restores.reading import Unreadable
from backups.restores.services import RestoreRefused
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page


@tenant_page(Permission.RESTORE)
def item(request: TenantRequest, mailbox_id: UUID, version_id: int) -> HttpResponse:
    version = version_of(mailbox_id, version_id)
    wanted = request.GET.get("format", "")
    try:
        format = streams.Format(wanted) if wanted else None
    except ValueError as error:
        raise Http404 from error
    try:
        file = download_item(version, format=format, person_id=request.user.pk)
    except Unreadable as error:
        return back_to_item(request, version, str(error))
    name = streams.safe_name(version.subject) + file.suffix
    return _file(name, file.media_type, file.pieces)


@tenant_page(Permission.RESTORE, methods=("POST",))
def basket(request: TenantRequest) -> HttpResponse:
    form = DownloadForm(request.POST)
    if not form.is_valid():
        for reason in chain(*form.errors.values()):
            messages.error(request, str(reason))
        return redirect("backups:basket", slug=request.tenant.slug)
    try:
        prepared = download_basket(format=form.cleaned_data["format"], person_id=request.user.pk)
    except RestoreRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("backups:basket", slug=request.tenant.slug)
    name = f"{request.tenant.slug}-{timezone.localtime():%Y-%m-%d-%H%M}{prepared.suffix}"
    return _file(name, prepared.media_type, prepared.chunks())


def _file(name: str, media_type: str, pieces: Iterator[bytes]) -> HttpResponse:
    response = StreamingHttpResponse(pieces, content_type=media_type)
    disposition = content_disposition_header(True, name)
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    # Django's two kinds of response share a base that has no content.
    return cast("HttpResponse", response)
