"""Restrictions and sort orders of FindItem and FindFolder.

A restriction compares properties with constants, put together by logic.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from sandbox.ews.errors import EwsError
from sandbox.ews.extended import find, read_name, write_value
from sandbox.ews.facts import ITEM, OWN, Facts
from sandbox.ews.xml import child, local_name

_MESSAGE_ID = 0x1035
_LOGIC = frozenset({"Restriction", "And", "Or"})
_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "IsEqualTo": lambda one, other: one == other,
    "IsNotEqualTo": lambda one, other: one != other,
    "IsGreaterThan": lambda one, other: one > other,
    "IsGreaterThanOrEqualTo": lambda one, other: one >= other,
    "IsLessThan": lambda one, other: one < other,
    "IsLessThanOrEqualTo": lambda one, other: one <= other,
}


ValueOf = Callable[[Element], str | None]
"""The text of the property that a path names, None without it."""


def holds(condition: Element, value_of: ValueOf) -> bool:
    """Whether what has these values meets a condition.

    Raises EwsError for a condition that is not understood.
    """
    name = local_name(condition)
    if name == "Restriction":
        return all(holds(one, value_of) for one in condition)
    if name == "And":
        return all(holds(one, value_of) for one in condition)
    if name == "Or":
        return any(holds(one, value_of) for one in condition)
    if name == "Not":
        return not any(holds(one, value_of) for one in condition)
    value = value_of(condition[0])
    if name == "Exists":
        return value is not None
    if name == "Contains":
        wanted = condition[1].get("Value", "")
        return value is not None and wanted.lower() in value.lower()
    if name not in _COMPARED:
        raise EwsError("ErrorUnsupportedPathForQuery", f"{name} is not supported.")
    constant = child(condition[1], "Constant")
    if constant is None:
        raise EwsError("ErrorUnsupportedPathForQuery", "A property is compared with a constant.")
    return value is not None and _COMPARED[name](value, constant.get("Value", ""))


def wanted_message_ids(condition: Element) -> set[str] | None:
    """The internet message ids that a condition allows at most, None when it does not say.

    They stand in an index: an item is looked for in a folder of any size.
    """
    name = local_name(condition)
    inner = [wanted_message_ids(one) for one in condition] if name in _LOGIC else []
    if name == "Or":
        sets = [one for one in inner if one is not None]
        return set().union(*sets) if len(sets) == len(inner) else None
    if name in _LOGIC:
        return next((one for one in inner if one is not None), None)
    if name == "IsEqualTo" and _is_message_id(condition[0]):
        constant = child(condition[1], "Constant")
        return None if constant is None else {constant.get("Value", "")}
    return None


def _is_message_id(path: Element) -> bool:
    if local_name(path) == "ExtendedFieldURI":
        return read_name(path) == _MESSAGE_ID
    return path.get("FieldURI") == "message:InternetMessageId"


def ordered(found: list[Facts], order: Element | None) -> list[Facts]:
    """The items in a SortOrder; what lacks the property comes first."""
    for field in reversed(order if order is not None else []):
        path = field[0]
        found = sorted(
            found,
            key=lambda facts, path=path: _key(item_value(facts, path)),  # type: ignore[misc]
            reverse=field.get("Order") == "Descending",
        )
    return found


def _key(value: str | None) -> tuple[int, int, str]:
    """Numbers by their size, texts without regard to case."""
    if value is None:
        return 0, 0, ""
    return (1, int(value), "") if value.isdecimal() else (2, 0, value.casefold())


def item_value(facts: Facts, path: Element) -> str | None:
    """The text of an item's property: times compare as text, being ISO 8601 in UTC.

    Raises EwsError for a property that is not known.
    """
    if local_name(path) == "ExtendedFieldURI":
        # The message id stands in a column: thousands of items are compared without their streams.
        if _is_message_id(path):
            return facts.item.message_id or None
        found = find(facts.tree, path)
        return None if found is None else write_value(found.value)
    wanted = path.get("FieldURI", "").rpartition(":")[2]
    for name, made in (*ITEM, *OWN[facts.kind]):
        if name == wanted:
            element = made(facts)
            return None if element is None else element.text
    raise EwsError("ErrorUnsupportedPathForQuery", f"{wanted} can't be searched for.")
