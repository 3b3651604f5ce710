"""Restrictions of FindItem: comparisons of properties with constants, put together by logic."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from sandbox.ews.errors import EwsError
from sandbox.ews.extended import find, read_name, write_value
from sandbox.ews.facts import ITEM, OWN, Facts
from sandbox.ews.xml import child, local_name

_MESSAGE_ID = 0x1035
_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "IsEqualTo": lambda one, other: one == other,
    "IsNotEqualTo": lambda one, other: one != other,
    "IsGreaterThan": lambda one, other: one > other,
    "IsGreaterThanOrEqualTo": lambda one, other: one >= other,
    "IsLessThan": lambda one, other: one < other,
    "IsLessThanOrEqualTo": lambda one, other: one <= other,
}


def holds(condition: Element, facts: Facts) -> bool:
    """Whether an item meets a condition. Raises EwsError for one that is not understood."""
    name = local_name(condition)
    if name == "Restriction":
        return all(holds(one, facts) for one in condition)
    if name == "And":
        return all(holds(one, facts) for one in condition)
    if name == "Or":
        return any(holds(one, facts) for one in condition)
    if name == "Not":
        return not any(holds(one, facts) for one in condition)
    value = _value(condition[0], facts)
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


def _value(path: Element, facts: Facts) -> str | None:
    """The text of a property: times compare as text, being ISO 8601 in UTC."""
    if local_name(path) == "ExtendedFieldURI":
        # The message id stands in a column: thousands of items are compared without their streams.
        if read_name(path) == _MESSAGE_ID:
            return facts.item.message_id or None
        found = find(facts.tree, path)
        return None if found is None else write_value(found.value)
    wanted = path.get("FieldURI", "").rpartition(":")[2]
    for name, made in (*ITEM, *OWN[facts.kind]):
        if name == wanted:
            element = made(facts)
            return None if element is None else element.text
    raise EwsError("ErrorUnsupportedPathForQuery", f"{wanted} can't be searched for.")
