"""An item as people look at it: for the preview, and as the base of an EML file."""

from __future__ import annotations

import struct
from dataclasses import replace

from backups.streams.errors import StreamError
from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, address_of, is_exception, note, sender_of
from backups.streams.native.index import attachment_name
from backups.streams.native.stream import open_cut_off
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.body import body_of
from backups.streams.views.detail import detail_of
from backups.streams.views.facts import facts_of
from backups.streams.views.inline import inline_numbers
from backups.streams.views.kinds import kind_of
from backups.streams.views.model import AttachmentView, Body, ItemView, Person


def item_view(payload: bytes) -> ItemView:
    """What can be shown of an item; ``notes`` say what can't. Never raises.

    A stream that ends early is shown as far as it goes.
    """
    notes: list[str] = []
    try:
        stream = open_cut_off(payload)
    except StreamError as error:
        return view_of(Node(Owner.MESSAGE, 0), b"", [str(error)])
    if stream.scan.fault is not None:
        note(notes, str(stream.scan.fault))
    return full_view_of(stream.scan.root, stream.content, notes)


def full_view_of(node: Node, content: Content, notes: list[str]) -> ItemView:
    """``view_of`` with the detail of the item's kind; the occurrences of a series that differ are
    in there, not among the attachments."""
    view = view_of(node, content, notes)
    detail, inside = None, Body()
    try:
        detail, inside = detail_of(view.kind, node, content, notes)
    except (ValueError, OverflowError, LookupError, TypeError, struct.error) as error:
        note(notes, f"what the {view.kind} says can't be read: {error}")
    nodes = list(node.nodes(Owner.ATTACHMENT))
    shown = (a for a in view.attachments if not is_exception(nodes[a.number], content))
    return replace(
        view,
        body=view.body if view.text or view.html else inside,
        attachments=tuple(shown),
        detail=detail,
        facts=facts_of(detail),
        notes=tuple(notes),
    )


def view_of(node: Node, content: Content, notes: list[str]) -> ItemView:
    """The view of the message at ``node`` without detail and facts; ``notes`` are added to."""
    fields = Fields(node, content, notes)
    body = body_of(fields, notes)
    files = tuple(
        _attachment(number, child, content, notes)
        for number, child in enumerate(node.nodes(Owner.ATTACHMENT))
    )
    return ItemView(
        item_class=fields.text(tags.MESSAGE_CLASS),
        kind=kind_of(node, content),
        subject=fields.text(tags.SUBJECT, tags.DISPLAY_NAME),
        sender=Person(*sender_of(fields)),
        to=_people(node, content, tags.RECIPIENT_TO),
        cc=_people(node, content, tags.RECIPIENT_CC),
        bcc=_people(node, content, tags.RECIPIENT_BCC),
        sent_at=fields.time(tags.CLIENT_SUBMIT_TIME),
        received_at=fields.time(tags.MESSAGE_DELIVERY_TIME),
        body=body,
        attachments=_inline_marked(body.html, files),
        notes=tuple(notes),
    )


def _people(node: Node, content: Content, kind: int) -> tuple[Person, ...]:
    people = []
    for child in node.nodes(Owner.RECIPIENT):
        fields = Fields(child, content, [])
        if (fields.integer(tags.RECIPIENT_TYPE) or 0) & 0xF == kind:
            name = fields.text(tags.DISPLAY_NAME, tags.RECIPIENT_DISPLAY_NAME)
            address = address_of(fields, tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS)
            people.append(Person(name, address))
    return tuple(people)


def _inline_marked(html: str, files: tuple[AttachmentView, ...]) -> tuple[AttachmentView, ...]:
    """A picture that the body refers to is inline, also where no flag says so."""
    shown = set(inline_numbers(html, files).values())
    return tuple(replace(f, inline=True) if f.number in shown else f for f in files)


def _attachment(number: int, node: Node, content: Content, notes: list[str]) -> AttachmentView:
    fields = Fields(node, content, notes)
    embedded = next(node.nodes(Owner.MESSAGE), None)
    size = fields.length(tags.ATTACH_DATA)
    if embedded is not None:
        size = max(embedded.stop - embedded.start, 0)
    flags = fields.integer(tags.ATTACH_FLAGS) or 0
    content_id = fields.text(tags.ATTACH_CONTENT_ID)
    location = fields.text(tags.ATTACH_CONTENT_LOCATION)
    return AttachmentView(
        number=number,
        name=attachment_name(fields),
        mime_type=fields.text(tags.ATTACH_MIME_TAG),
        size=size,
        content_id=content_id,
        inline=bool(flags & tags.ATTACH_RENDERED_IN_BODY and (content_id or location)),
        embedded=embedded is not None,
        content_location=location,
    )
