"""One item as it was: headers, body, attachments, and the file it is downloaded as."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header

from backups import streams
from backups.catalog.models import Folder, ItemVersion
from backups.restores import looking
from backups.restores.basket import in_basket
from backups.restores.reading import Unreadable
from tenants.audit.services import record
from tenants.people.permissions import Permission
from tenants.views.pages import TenantRequest, tenant_page

OCTETS = "application/octet-stream"


def version_of(mailbox_id: UUID, version_id: int) -> ItemVersion:
    rows = ItemVersion.objects.select_related("backup__allocation", "backup__mailbox")
    return get_object_or_404(rows.filter(backup__mailbox=mailbox_id), pk=version_id)


@tenant_page(Permission.SEE_CONTENT)
def item(request: TenantRequest, mailbox_id: UUID, version_id: int) -> HttpResponse:
    version = version_of(mailbox_id, version_id)
    looking.note_look(version, request.user.pk)
    folders = Folder.objects.filter(backup=version.backup_id, folder_id=version.folder_id)
    context: dict[str, object] = {
        "version": version,
        "mailbox": version.backup.mailbox,
        "folder": folders.order_by("-first").first(),
        "in_basket": in_basket(version, request.user.pk),
        "nav": "organizations",
    }
    try:
        context["message"] = streams.item_view(looking.payload_of(version))
    except Unreadable as error:
        context["problem"] = str(error)
    return render(request, "backups/item.html", context)


@tenant_page(Permission.SEE_CONTENT)
def body(request: TenantRequest, mailbox_id: UUID, version_id: int) -> HttpResponse:
    """The body by itself, for the frame in the item's page."""
    version = version_of(mailbox_id, version_id)
    looking.note_look(version, request.user.pk, again=False)
    try:
        payload = looking.payload_of(version)
    except Unreadable as error:
        text, kind = str(error), "text/plain"
    else:
        view = streams.item_view(payload)
        html = looking.body_html(payload, view) if view.html else ""
        text, kind = (html, "text/html") if html else (view.text, "text/plain")
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response["Content-Security-Policy"] = looking.BODY_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["X-DNS-Prefetch-Control"] = "off"
    response["Referrer-Policy"] = "no-referrer"
    return response


@tenant_page(Permission.RESTORE)
def attachment(
    request: TenantRequest, mailbox_id: UUID, version_id: int, number: int
) -> HttpResponse:
    version = version_of(mailbox_id, version_id)
    try:
        payload = looking.payload_of(version)
    except Unreadable as error:
        return back_to_item(request, version, str(error))
    files = {file.number: file for file in streams.item_view(payload).attachments}
    if number not in files:
        raise Http404
    try:
        content = streams.attachment_content(payload, number)
    except (streams.StreamError, LookupError) as error:
        return back_to_item(request, version, f"This attachment can't be read: {error}")
    _note_download(request, version, attachment=number)
    return _file(looking.attachment_name(files[number]), OCTETS, content)


def _note_download(request: TenantRequest, version: ItemVersion, attachment: int) -> None:
    record(
        action="items.downloaded",
        subject=version.backup.mailbox.address,
        person_id=request.user.pk,
        items=1,
        item=version.pk,
        attachment=attachment,
    )


def _file(name: str, kind: str, content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    disposition = content_disposition_header(True, name)
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def back_to_item(request: TenantRequest, version: ItemVersion, reason: str) -> HttpResponse:
    messages.error(request, reason)
    return redirect(
        "backups:item",
        slug=request.tenant.slug,
        mailbox_id=version.backup.mailbox_id,
        version_id=version.pk,
    )
