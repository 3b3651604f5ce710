"""OData as far as the mailbox paths use it: select, page size, expand, filter, delta tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from sandbox.http import HttpError, Request
from sandbox.sealing import Sealed

MAX_PAGE = 1000
_DEFAULT_PAGE = 100
_PREFERRED = re.compile(r"odata\.maxpagesize\s*=\s*(\d+)", re.IGNORECASE)
_EXPANDED = re.compile(r"singleValueExtendedProperties\(\$filter=(.*)\)", re.IGNORECASE)
_PROPERTY_ID = re.compile(r"id eq '((?:[^']|'')*)'", re.IGNORECASE)
_PROPERTY_EQUALS = re.compile(
    r"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*\1/id eq '((?:[^']|'')*)'"
    r" and \1/value eq '((?:[^']|'')*)'\s*\)",
    re.IGNORECASE,
)
_MODIFIED_AFTER = re.compile(
    r"lastModifiedDateTime gt (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z)"
)


@dataclass(frozen=True, slots=True)
class DeltaState:
    """What a delta token stands for. Query options are frozen in it.

    ``enumerated`` is the number of the last row of the first enumeration, None once that is over;
    ``sequence`` the change up to which the holder knows everything.
    """

    scope: str
    generation: int
    sequence: int
    enumerated: int | None
    select: str
    page: int


def page_size(request: Request) -> int:
    """``$top``, else the preferred page size, within the server's limit."""
    query = request.query
    if "$top" in query:
        if not query["$top"].isdigit() or not int(query["$top"]):
            raise HttpError(400, "BadRequest", "Invalid value for $top.")
        return min(int(query["$top"]), MAX_PAGE)
    preferred = _PREFERRED.search(request.headers.get("prefer", ""))
    return min(int(preferred[1]) or 1, MAX_PAGE) if preferred else _DEFAULT_PAGE


def selected(entity: dict[str, object], select: str) -> dict[str, object]:
    """The entity reduced to the selected properties, and its id."""
    if not select:
        return entity
    names = {name.strip().lower() for name in select.split(",")} | {"id"}
    return {
        name: value
        for name, value in entity.items()
        if name.lower() in names or name.startswith("@")
    }


def check_select(request: Request, known: Collection[str]) -> str:
    """``$select``, refused when it names a property that does not exist, as Graph does."""
    select = request.query.get("$select", "")
    lower = {name.lower() for name in known}
    for name in filter(None, (name.strip() for name in select.split(","))):
        if name.lower() not in lower:
            message = f"Could not find a property named '{name}'."
            raise HttpError(400, "RequestBroker--ParseUri", message)
    return select


def expanded_properties(request: Request) -> list[str]:
    """The property ids of ``$expand=singleValueExtendedProperties($filter=id eq '…' or …)``."""
    expand = request.query.get("$expand", "")
    if not expand:
        return []
    found = _EXPANDED.fullmatch(expand)
    if not found or not (ids := _PROPERTY_ID.findall(found[1])):
        raise HttpError(400, "BadRequest", "Only singleValueExtendedProperties can be expanded.")
    return [value.replace("''", "'") for value in ids]


def filtered_property(request: Request) -> tuple[str, str] | None:
    """(id, value) of a ``$filter`` that compares one extended property."""
    condition = request.query.get("$filter", "")
    if not condition:
        return None
    found = _PROPERTY_EQUALS.fullmatch(condition.strip())
    if not found:
        raise HttpError(400, "ErrorInvalidUrlQueryFilter", "The filter is not supported.")
    return found[2].replace("''", "'"), found[3].replace("''", "'")


def filtered_moment(request: Request) -> str | None:
    """The moment of ``$filter=lastModifiedDateTime gt …``; None for another condition."""
    found = _MODIFIED_AFTER.fullmatch(request.query.get("$filter", "").strip())
    return found[1] if found else None


def link(request: Request, **options: str) -> str:
    """The request's own URL with other query options."""
    return f"{request.base_url}{request.path}?{urlencode(options)}"


class DeltaTokens:
    """Writes and reads delta tokens."""

    def __init__(self, secret: str) -> None:
        self._sealed = Sealed(secret)

    def write(self, state: DeltaState) -> str:
        return self._sealed.write(json.dumps(asdict(state), separators=(",", ":")).encode())

    def read(self, token: str, scope: str, generation: int) -> DeltaState:
        """Raises HttpError 400 for a made-up or misplaced token, 410 for an expired one."""
        try:
            state = DeltaState(**json.loads(self._sealed.read(token)))
        except ValueError as error:
            raise HttpError(400, "ErrorInvalidSyncStateData", "Badly formed token.") from error
        if state.scope != scope:
            raise HttpError(400, "ErrorInvalidSyncStateData", "The token is of another collection.")
        if state.generation != generation:
            message = "The sync state generation is not found. Full synchronization is required."
            raise HttpError(410, "syncStateNotFound", message)
        return state
