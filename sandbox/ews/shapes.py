"""The shape of an answer: which properties of an item a request asks for."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sandbox.ews.extended import extended_element
from sandbox.ews.facts import ITEM, OWN, Facts, item_id, mime_content
from sandbox.ews.ids import write_id
from sandbox.ews.xml import child, is_true, local_name, text_of, types

_DEFAULT = frozenset(
    {
        "Subject", "Sensitivity", "DateTimeReceived", "Size", "Importance", "IsDraft",
        "DateTimeSent", "DateTimeCreated", "HasAttachments", "From", "IsRead", "ToRecipients",
        "Start", "End", "DueDate", "StartDate", "DisplayName", "Body", "Attachments",
    }
)  # fmt: skip
_NOT_FOUND = frozenset({"Body", "Attachments", "MimeContent"})
"""What FindItem and SyncFolderItems leave out."""


@dataclass(frozen=True, slots=True)
class Shape:
    """``names`` are those of the elements; None: all that there are."""

    names: frozenset[str] | None
    extended: tuple[Element, ...]
    mime: bool

    def element(self, facts: Facts) -> Element:
        """The item's element, with what is asked for and there."""
        item = facts.item
        element = types(facts.kind)
        if self.mime:
            element.append(mime_content(facts))
        element.append(item_id(item))
        if self._asks_for("ParentFolderId"):
            element.append(types("ParentFolderId", Id=write_id(item.mailbox, item.folder)))
        for name, made in (*ITEM, *OWN[facts.kind]):
            if name == "ExtendedProperty":
                self._extend(element, facts)
            elif self._asks_for(name) and (found := made(facts)) is not None:
                element.append(found)
        return element

    def _asks_for(self, name: str) -> bool:
        return self.names is None or name in self.names

    def _extend(self, element: Element, facts: Facts) -> None:
        for uri in self.extended:
            found = extended_element(facts.tree, uri)
            if found is not None:
                element.append(found)


def read_shape(element: Element, *, listing: bool) -> Shape:
    """An ItemShape. ``listing``: of an operation that gives neither bodies nor attachments."""
    base = text_of(element, "BaseShape", "IdOnly")
    more = child(element, "AdditionalProperties")
    fields = [] if more is None else list(more)
    paths = [one.get("FieldURI", "") for one in fields if local_name(one) == "FieldURI"]
    names = frozenset(path.rpartition(":")[2] for path in paths)
    mime = not listing and (
        is_true(text_of(element, "IncludeMimeContent")) or "MimeContent" in names
    )
    if base == "Default":
        names |= _DEFAULT
    extended = tuple(one for one in fields if local_name(one) == "ExtendedFieldURI")
    if listing:
        every = frozenset(name for rows in (ITEM, *OWN.values()) for name, _ in rows)
        return Shape((every if base == "AllProperties" else names) - _NOT_FOUND, extended, mime)
    return Shape(None if base == "AllProperties" else names, extended, mime)
