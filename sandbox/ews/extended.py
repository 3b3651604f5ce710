"""Extended properties: those of MAPI, named by tag or by set and name, in and out of streams."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID
from xml.etree.ElementTree import Element

from backups.streams import Item, Property, PropertyName
from backups.streams.native import properties as kinds
from sandbox.ews.errors import EwsError
from sandbox.ews.xml import child, local_name, text_of, types

_KINDS = {
    "Short": kinds.INTEGER16,
    "Integer": kinds.INTEGER32,
    "Long": kinds.INTEGER64,
    "Float": kinds.FLOATING32,
    "Double": kinds.FLOATING64,
    "Currency": kinds.CURRENCY,
    "Boolean": kinds.BOOLEAN,
    "String": kinds.UNICODE,
    "SystemTime": kinds.TIME,
    "CLSID": kinds.GUID,
    "Binary": kinds.BINARY,
    "StringArray": kinds.STRING | kinds.MULTIPLE,
    "BinaryArray": kinds.BINARY | kinds.MULTIPLE,
}
_SETS = {
    "Meeting": UUID("6ed8da90-450b-101b-98da-00aa003f1305"),
    "Appointment": UUID("00062002-0000-0000-c000-000000000046"),
    "Common": UUID("00062008-0000-0000-c000-000000000046"),
    "PublicStrings": UUID("00020329-0000-0000-c000-000000000046"),
    "Address": UUID("00062004-0000-0000-c000-000000000046"),
    "InternetHeaders": UUID("00020386-0000-0000-c000-000000000046"),
    "CalendarAssistant": UUID("11000e07-b51b-40d6-af21-caa85edab1d0"),
    "UnifiedMessaging": UUID("4442858e-a9e3-4e80-b900-317a210cc15b"),
    "Task": UUID("00062003-0000-0000-c000-000000000046"),
    "Sharing": UUID("00062040-0000-0000-c000-000000000046"),
}
_FIRST_NAMED = 0x8000


def read_name(uri: Element) -> int | PropertyName:
    """The id or the name of an ExtendedFieldURI. Raises EwsError ErrorInvalidExtendedProperty."""
    try:
        if tag := uri.get("PropertyTag"):
            return int(tag, 0)
        known = uri.get("DistinguishedPropertySetId")
        guid = _SETS[known] if known else UUID(uri.get("PropertySetId", ""))
        if name := uri.get("PropertyName"):
            return PropertyName(guid, name=name)
        return PropertyName(guid, lid=int(uri.get("PropertyId", "")))
    except (KeyError, ValueError) as error:
        raise EwsError("ErrorInvalidExtendedProperty", "The property's name is invalid.") from error


def find(tree: Item, uri: Element) -> Property | None:
    """The property that an ExtendedFieldURI names, where the item has it in that type."""
    name = read_name(uri)
    found = tree.find(name) if isinstance(name, int) else tree.named(name)
    wanted = _KINDS.get(uri.get("PropertyType", ""))
    if found is None or wanted is None or _plain(found.kind) != _plain(wanted):
        return None
    return found


def extended_element(tree: Item, uri: Element) -> Element | None:
    """The ExtendedProperty of an item, None where it has none of that name and type."""
    found = find(tree, uri)
    if found is None:
        return None
    value = found.value
    same = types("ExtendedFieldURI", **dict(uri.attrib))
    if isinstance(value, list):
        values = [types("Value", write_value(one)) for one in value]
        return types("ExtendedProperty", same, types("Values", *values))
    return types("ExtendedProperty", same, types("Value", write_value(value)))


def write_value(value: object) -> str:
    """A value as EWS writes it: base64, ISO 8601 in UTC, true and false."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def read_property(element: Element, number: int) -> Property:
    """The property of an ExtendedProperty; ``number`` is the id for one that goes by a name.

    Raises EwsError for a name, a type or a value that is none.
    """
    uri = child(element, "ExtendedFieldURI")
    if uri is None:
        raise EwsError("ErrorInvalidExtendedProperty", "ExtendedFieldURI is missing.")
    name = read_name(uri)
    kind = _KINDS.get(uri.get("PropertyType", ""))
    if kind is None:
        raise EwsError("ErrorUnsupportedMapiPropertyType", "The type is not supported.")
    values = child(element, "Values")
    try:
        value: object
        if values is not None:
            value = [_read_value(kind & ~kinds.MULTIPLE, one.text or "") for one in values]
        else:
            value = _read_value(kind, text_of(element, "Value"))
        if isinstance(name, int):
            return Property.of(name, kind, value)
        return Property.of(number, kind, value, name)
    except (ValueError, TypeError, binascii.Error) as error:
        message = f"The value of the extended property is invalid: {error}"
        raise EwsError("ErrorInvalidExtendedPropertyValue", message) from error


def set_properties(tree: Item, added: Iterable[Property]) -> None:
    """Put properties into an item, each in place of the one that has its name."""
    for new in added:
        tree.properties = [prop for prop in tree.properties if not _same(prop, new)]
        tree.properties.append(new)


def extended_of(parent: Element, tree: Item) -> list[Property]:
    """The ExtendedProperty children of an item's element, with fresh ids for named ones."""
    taken = max((prop.id for prop in tree.properties), default=0)
    first = max(taken + 1, _FIRST_NAMED)
    elements = [one for one in parent if local_name(one) == "ExtendedProperty"]
    return [read_property(one, first + number) for number, one in enumerate(elements)]


def _same(one: Property, other: Property) -> bool:
    if one.name or other.name:
        return one.name == other.name
    return one.id == other.id


def _plain(kind: int) -> int:
    """The type with every encoding of a string taken as one."""
    return kinds.STRING if kinds.is_text(kind) else kind


def _read_value(kind: int, text: str) -> object:
    if kinds.is_text(kind):
        return text
    if kind == kinds.BOOLEAN:
        return text.strip() in ("true", "1")
    if kind == kinds.TIME:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if kind == kinds.BINARY:
        return base64.b64decode(text, validate=True)
    if kind == kinds.GUID:
        return UUID(text.strip())
    if kind in (kinds.FLOATING32, kinds.FLOATING64):
        return float(text)
    return int(text)
