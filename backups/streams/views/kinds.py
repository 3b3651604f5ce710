"""What kind of item it is: by its class and, of a mail, by what is attached to it."""

from __future__ import annotations

from typing import Final

from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.model import Kind

RIGHTS_PROTECTED_TYPE: Final = "application/x-microsoft-rpmsg-message"
"""Media type of the attachment that holds a rights-protected message (MS-OXORMMS 2.1.3)."""

_CLASSES: Final = (
    ("IPM.NOTE.SMIME", Kind.SMIME),
    ("IPM.NOTE.SECURE", Kind.SMIME),
    ("IPM.NOTE.RPMSG", Kind.RIGHTS_PROTECTED),
    ("IPM.NOTE", Kind.MESSAGE),
    ("IPM.POST", Kind.MESSAGE),
    ("IPM.SCHEDULE.MEETING", Kind.MEETING),
    ("IPM.APPOINTMENT", Kind.EVENT),
    ("IPM.OLE.CLASS.{00061055", Kind.EVENT),
    ("IPM.CONTACT", Kind.CONTACT),
    ("IPM.DISTLIST", Kind.DISTRIBUTION_LIST),
    ("IPM.TASKREQUEST", Kind.TASK),
    ("IPM.TASK", Kind.TASK),
    ("IPM.STICKYNOTE", Kind.NOTE),
    ("IPM.ACTIVITY", Kind.JOURNAL),
    ("REPORT", Kind.REPORT),
)


def kind_of(node: Node, content: Content) -> Kind:
    """The kind of the message at ``node``; an item without a class is a message, as in MAPI."""
    item_class = Fields(node, content, []).text(tags.MESSAGE_CLASS).upper()
    kind = Kind.OTHER if item_class else Kind.MESSAGE
    for prefix, known in _CLASSES:
        if item_class == prefix or item_class.startswith((f"{prefix}.", f"{prefix}-")):
            kind = known
            break
        if prefix.endswith("{00061055") and item_class.startswith(prefix):
            kind = known
            break
    files = node.nodes(Owner.ATTACHMENT)
    if kind is Kind.MESSAGE and any(is_rights_protected(file, content) for file in files):
        return Kind.RIGHTS_PROTECTED
    return kind


def is_rights_protected(attachment: Node, content: Content) -> bool:
    """Whether an attachment holds a rights-protected message."""
    fields = Fields(attachment, content, [])
    name = fields.text(tags.ATTACH_LONG_FILENAME, tags.ATTACH_FILENAME).lower()
    kind = fields.text(tags.ATTACH_MIME_TAG).lower()
    return kind == RIGHTS_PROTECTED_TYPE or name == "message.rpmsg"
