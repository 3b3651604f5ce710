"""The detail of an item, by its kind."""

from __future__ import annotations

from backups.streams.native.content import Content
from backups.streams.native.fields import Fields
from backups.streams.native.tokens import Node
from backups.streams.views.contacts import contact_of
from backups.streams.views.details import Detail
from backups.streams.views.events import event_of, meeting_of
from backups.streams.views.members import list_of
from backups.streams.views.model import Body, Kind
from backups.streams.views.properties import properties_of
from backups.streams.views.reports import report_of
from backups.streams.views.secured import rights_protected_of, signed_of
from backups.streams.views.tasks import journal_of, note_of, task_of


def detail_of(
    kind: Kind, node: Node, content: Content, notes: list[str]
) -> tuple[Detail | None, Body]:
    """The detail of the message at ``node``, and the body inside its signature, if it has one."""
    fields = Fields(node, content, notes)
    match kind:
        case Kind.EVENT:
            return event_of(node, content, fields, notes), Body()
        case Kind.MEETING:
            return meeting_of(node, content, fields, notes), Body()
        case Kind.CONTACT:
            return contact_of(node, content, fields), Body()
        case Kind.DISTRIBUTION_LIST:
            return list_of(fields, notes), Body()
        case Kind.TASK:
            return task_of(fields, notes), Body()
        case Kind.NOTE:
            return note_of(fields), Body()
        case Kind.JOURNAL:
            return journal_of(fields), Body()
        case Kind.REPORT:
            return report_of(node, content, fields), Body()
        case Kind.SMIME:
            return signed_of(node, content, notes)
        case Kind.RIGHTS_PROTECTED:
            return rights_protected_of(node, content), Body()
        case Kind.OTHER:
            return properties_of(node, content, notes), Body()
    return None, Body()
