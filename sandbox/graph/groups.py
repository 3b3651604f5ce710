"""Group paths: groups, listed and by delta, and who is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sandbox.graph.call import Call, Collection, Entity, delta, paged, skipped
from sandbox.graph.directory import USER, user_entity
from sandbox.graph.odata import page_size
from sandbox.http import HttpError, Response
from sandbox.records import Group, NotFound

_GROUP = ("id", "displayName", "mail", "mailEnabled", "securityEnabled", "groupTypes")
_MEMBER = tuple(dict.fromkeys(("@odata.type", *USER, *_GROUP)))


def groups(call: Call) -> Response:
    size = page_size(call.request)
    found = call.store.groups(call.caller.directory, skipped(call.request), size + 1)
    return paged(call, _GROUP, [(group.number, _entity(group)) for group in found], size)


def groups_delta(call: Call) -> Response:
    """Which groups changed, a change of members included; who they are is not in the answer."""
    directory = call.caller.directory

    def rows(after: int, limit: int) -> list[tuple[int, Entity]]:
        found = call.store.groups(directory, after, limit)
        return [(group.number, _entity(group)) for group in found]

    def present(ids: Sequence[str]) -> Mapping[str, Entity]:
        wanted = set(ids)
        return {one.id: _entity(one) for one in call.store.groups(directory) if one.id in wanted}

    return delta(call, Collection(f"groups:{directory}", _GROUP, rows, present))


def members(call: Call) -> Response:
    return _listed(call, [_member(call, one) for one in call.store.member_ids(_group(call).id)])


def transitive_members(call: Call) -> Response:
    """Everybody in the group and in groups of it, and those groups, each once."""
    return _listed(call, list(_all_members(call, _group(call).id, set())))


def _listed(call: Call, entities: list[Entity]) -> Response:
    size, start = page_size(call.request), skipped(call.request)
    rows = list(enumerate(entities, start=1))[start : start + size + 1]
    return paged(call, _MEMBER, rows, size)


def _all_members(call: Call, group: str, seen: set[str]) -> Iterator[Entity]:
    for member in call.store.member_ids(group):
        if member not in seen:
            seen.add(member)
            yield _member(call, member)
            yield from _all_members(call, member, seen)


def _group(call: Call) -> Group:
    identity = call.names["group"]
    try:
        found = call.store.group(identity)
    except NotFound:
        found = None
    if found is None or found.directory != call.caller.directory:
        message = f"Resource '{identity}' does not exist."
        raise HttpError(404, "Request_ResourceNotFound", message)
    return found


def _member(call: Call, identity: str) -> Entity:
    try:
        user = call.store.user(identity)
    except NotFound:
        group = call.store.group(identity)
        return {"@odata.type": "#microsoft.graph.group", **_entity(group)}
    return {"@odata.type": "#microsoft.graph.user", **user_entity(user)}


def _entity(group: Group) -> Entity:
    return {
        "id": group.id,
        "displayName": group.name,
        "mail": group.address,
        "mailEnabled": group.address is not None,
        "securityEnabled": group.address is None,
        "groupTypes": [],
    }
