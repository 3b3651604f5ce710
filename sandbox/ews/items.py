"""Items: found in a folder, and shown one by one."""

from __future__ import annotations

from functools import partial
from xml.etree.ElementTree import Element

from backups.streams import MailError, StreamError
from sandbox.ews.call import Call, each
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.facts import Facts
from sandbox.ews.restriction import holds, item_value, ordered, wanted_message_ids
from sandbox.ews.shapes import read_shape
from sandbox.ews.xml import child, messages, types
from sandbox.faults import MIME_KINDS, Kind

MAX_FOUND = 1000
"""EWSFindCountLimit of the default throttling policy."""


def get_item(call: Call) -> Element:
    shape = read_shape(call.required("ItemShape"), listing=False)

    def answer(named: Element) -> Element:
        item = call.item(named)
        kinds = MIME_KINDS if shape.mime else ()
        fault = call.faults.strike_item(item.id, item.message_id, kinds)
        if fault and fault.kind is Kind.FAILED_ITEM:
            raise EwsError(fault.code or "ErrorMimeContentConversionFailed")
        facts = Facts(call.store, item, bare=fault is not None)
        try:
            element = shape.element(facts)
        except (MailError, StreamError) as error:
            raise EwsError("ErrorMimeContentConversionFailed", str(error)) from error
        return success_message(call.name, messages("Items", element))

    return each(call, call.required("ItemIds"), answer)


def find_item(call: Call) -> Element:
    """A page of the items of a folder, oldest in the store first unless an order is asked for."""
    shape = read_shape(call.required("ItemShape"), listing=True)
    restriction = child(call.operation, "Restriction")
    view = child(call.operation, "IndexedPageItemView")
    start = int(view.get("Offset", "0")) if view is not None else 0
    size = min(int(view.get("MaxEntriesReturned", MAX_FOUND)) if view is not None else MAX_FOUND,
               MAX_FOUND)  # fmt: skip

    def answer(named: Element) -> Element:
        found = _found(call, call.folder(named).id, restriction)
        found = ordered(found, child(call.operation, "SortOrder"))
        shown = found[start : start + size]
        reached = start + len(shown)
        paging = {} if view is None else {"IndexedPagingOffset": str(reached)}
        root = messages(
            "RootFolder",
            types("Items", *(shape.element(facts) for facts in shown)),
            TotalItemsInView=str(len(found)),
            IncludesLastItemInRange=str(reached >= len(found)).lower(),
            **paging,
        )
        return success_message(call.name, root)

    return each(call, call.required("ParentFolderIds"), answer)


def _found(call: Call, folder: str, restriction: Element | None) -> list[Facts]:
    """The items of a folder (id), or those the folder keeps beside them, that meet a condition."""
    associated = call.operation.get("Traversal") == "Associated"
    wanted = None if restriction is None or associated else wanted_message_ids(restriction)
    if wanted is None:
        items = call.store.items(folder, associated=associated)
    else:
        items = [item for one in wanted for item in call.store.items(folder, message_id=one)]
    found = [Facts(call.store, item) for item in items]
    if restriction is None:
        return found
    return [facts for facts in found if holds(restriction, partial(item_value, facts))]
