"""One call of a Graph path: who asks, for what, and what the handlers may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.faults import Faults
from sandbox.graph.odata import (
    DeltaState,
    DeltaTokens,
    check_select,
    link,
    page_size,
    selected,
)
from sandbox.http import HttpError, Request, Response, json_response
from sandbox.records import NotFound
from sandbox.store import Store
from sandbox.tokens import Caller

Entity = dict[str, object]


@dataclass(frozen=True, slots=True)
class Call:
    """``names`` are the values of the path's variables, ``caller`` whose token it is."""

    request: Request
    names: Mapping[str, str]
    caller: Caller
    store: Store
    tokens: DeltaTokens
    faults: Faults

    @property
    def version(self) -> str:
        """``v1.0`` or ``beta``."""
        return self.request.segments[0]

    def mailbox(self) -> str:
        """The mailbox of the path, when it is of the caller's directory; else HttpError 404."""
        mailbox = self.names["mailbox"]
        try:
            directory = self.store.mailbox_directory(mailbox)
        except NotFound:
            directory = ""
        if directory != self.caller.directory:
            raise HttpError(404, "ErrorMailboxNotFound", "The mailbox was not found.")
        if self.store.is_on_server(mailbox):
            raise not_in_the_cloud()
        return mailbox


@dataclass(frozen=True, slots=True)
class Collection:
    """What a delta answer is made of.

    ``rows`` gives (number, entity) after a number, at most so many; ``present`` the entities that
    are there now, of these ids. ``known`` are the entity's properties.
    """

    scope: str
    known: Sequence[str]
    rows: Callable[[int, int], list[tuple[int, Entity]]]
    present: Callable[[Sequence[str]], Mapping[str, Entity]]


def not_in_the_cloud() -> HttpError:
    """What Graph answers about a mailbox that an Exchange Server holds, and about none."""
    message = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
    return HttpError(404, "MailboxNotEnabledForRESTAPI", message)


def delta(call: Call, collection: Collection) -> Response:
    """One page of a delta round over a collection, with the link to what comes next."""
    state = _state(call, collection)
    if state.enumerated is not None:
        entities, state, more = _first_round(collection, state, state.enumerated)
    else:
        entities, state, more = _later_round(call, collection, state)
    token = call.tokens.write(state)
    body: Entity = {"@odata.context": f"{call.request.base_url}/{call.version}/$metadata"}
    body["value"] = [
        entity if "@removed" in entity else selected(entity, state.select) for entity in entities
    ]
    if more:
        body["@odata.nextLink"] = link(call.request, **{"$skiptoken": token})
    else:
        body["@odata.deltaLink"] = link(call.request, **{"$deltatoken": token})
    return json_response(body)


def paged(call: Call, known: Sequence[str], rows: list[tuple[int, Entity]], size: int) -> Response:
    """One page of a plain listing: ``rows`` holds one more than ``size`` when there is more."""
    select = check_select(call.request, known)
    body: Entity = {"value": [selected(entity, select) for _, entity in rows[:size]]}
    if len(rows) > size:
        options = {**call.request.query, "$skiptoken": str(rows[size - 1][0])}
        body["@odata.nextLink"] = link(call.request, **options)
    return json_response(body)


def skipped(request: Request) -> int:
    """The number after which a plain listing goes on."""
    token = request.query.get("$skiptoken", "0")
    if not token.isdigit():
        raise HttpError(400, "BadRequest", "Badly formed $skiptoken.")
    return int(token)


def _state(call: Call, collection: Collection) -> DeltaState:
    query = call.request.query
    generation = call.store.directory(call.caller.directory).generation
    token = query.get("$deltatoken") or query.get("$skiptoken")
    if token:
        return call.tokens.read(token, collection.scope, generation)
    select = check_select(call.request, collection.known)
    # The change to go on from is read before the first row: what changes in between comes twice,
    # which delta allows, rather than not at all.
    last = call.store.last_change()
    return DeltaState(collection.scope, generation, last, 0, select, page_size(call.request))


def _first_round(
    collection: Collection, state: DeltaState, after: int
) -> tuple[list[Entity], DeltaState, bool]:
    rows = collection.rows(after, state.page + 1)
    more = len(rows) > state.page
    rows = rows[: state.page]
    reached = rows[-1][0] if more else None
    return [entity for _, entity in rows], _moved(state, state.sequence, reached), more


def _later_round(
    call: Call, collection: Collection, state: DeltaState
) -> tuple[list[Entity], DeltaState, bool]:
    changes = call.store.changes(collection.scope, state.sequence, state.page + 1)
    more = len(changes) > state.page
    changes = changes[: state.page]
    ids = list(dict.fromkeys(change.id for change in changes))
    present = collection.present(ids) if ids else {}
    entities: list[Entity] = [
        present.get(identity, {"id": identity, "@removed": {"reason": "deleted"}})
        for identity in ids
    ]
    reached = changes[-1].sequence if changes else state.sequence
    return entities, _moved(state, reached, None), more


def _moved(state: DeltaState, sequence: int, enumerated: int | None) -> DeltaState:
    return DeltaState(state.scope, state.generation, sequence, enumerated, state.select, state.page)
