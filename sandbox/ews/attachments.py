"""GetAttachment: what is attached to an item, one by one."""

from __future__ import annotations

import base64
from xml.etree.ElementTree import Element

from backups.streams import AttachmentView, attachment_content
from sandbox.ews.call import Call, each
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.facts import Facts, attachment_id
from sandbox.ews.ids import read_attachment_id
from sandbox.ews.xml import messages, types


def get_attachment(call: Call) -> Element:
    """A file with its content; an attached item as a message with its MIME content."""

    def answer(named: Element) -> Element:
        item, number = read_attachment_id(named.get("Id", ""))
        facts = Facts(call.store, call.item(types("ItemId", Id=item)))
        view = next((one for one in facts.view.attachments if one.number == number), None)
        if view is None:
            raise EwsError("ErrorItemNotFound")
        return success_message(call.name, messages("Attachments", _element(facts, view)))

    return each(call, call.required("AttachmentIds"), answer)


def _element(facts: Facts, view: AttachmentView) -> Element:
    content = base64.b64encode(attachment_content(facts.payload, view.number)).decode("ascii")
    kind = "ItemAttachment" if view.embedded else "FileAttachment"
    inside = (
        types("Message", types("MimeContent", content, CharacterSet="UTF-8"))
        if view.embedded
        else types("Content", content)
    )
    return types(
        kind,
        attachment_id(facts.item, view.number),
        types("Name", view.name or "attachment"),
        types("ContentType", view.mime_type) if view.mime_type else None,
        inside,
    )
