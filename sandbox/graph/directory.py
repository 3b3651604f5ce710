"""Directory paths: the organization, its users with delta, what mailbox a user has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox.graph.call import (
    Call,
    Collection,
    Entity,
    delta,
    not_in_the_cloud,
    paged,
    skipped,
)
from sandbox.graph.odata import check_select, page_size, selected
from sandbox.http import HttpError, Response, json_response
from sandbox.records import NotFound, User

USER = ("id", "displayName", "userPrincipalName", "mail", "accountEnabled", "userType")


def organization(call: Call) -> Response:
    directory = call.store.directory(call.caller.directory)
    domains = [{"name": directory.domain, "isDefault": True, "isInitial": True}]
    entity: Entity = {
        "id": directory.id,
        "displayName": directory.name,
        "verifiedDomains": domains,
    }
    return json_response({"value": [entity]})


def users(call: Call) -> Response:
    size = page_size(call.request)
    found = call.store.users(call.caller.directory, skipped(call.request), size + 1)
    return paged(call, USER, [(user.number, user_entity(user)) for user in found], size)


def users_delta(call: Call) -> Response:
    directory = call.caller.directory

    def rows(after: int, limit: int) -> list[tuple[int, Entity]]:
        return [
            (user.number, user_entity(user)) for user in call.store.users(directory, after, limit)
        ]

    def present(ids: Sequence[str]) -> Mapping[str, Entity]:
        wanted = set(ids)
        return {
            user.id: user_entity(user) for user in call.store.users(directory) if user.id in wanted
        }

    return delta(call, Collection(f"users:{directory}", USER, rows, present))


def user(call: Call) -> Response:
    return json_response(selected(user_entity(_user(call)), check_select(call.request, USER)))


def exchange_settings(call: Call) -> Response:
    """The id of the user's mailbox, in beta that of the archive too; 404 without a mailbox."""
    mailbox = _mailbox_user(call).mailbox or ""
    settings: Entity = {"primaryMailboxId": mailbox}
    if call.version == "beta":
        settings["inPlaceArchiveMailboxId"] = call.store.archive_of(mailbox)
    return json_response(settings)


def mailbox_settings(call: Call) -> Response:
    settings: Entity = {"userPurpose": _mailbox_user(call).kind, "timeZone": "UTC"}
    select = check_select(call.request, tuple(settings))
    return json_response(selected(settings, select))


def _user(call: Call) -> User:
    try:
        found = call.store.user(call.names["user"])
    except NotFound:
        found = None
    if found is None or found.directory != call.caller.directory:
        message = f"Resource '{call.names['user']}' does not exist."
        raise HttpError(404, "Request_ResourceNotFound", message)
    return found


def _mailbox_user(call: Call) -> User:
    found = _user(call)
    if found.mailbox is None or call.store.is_on_server(found.mailbox):
        raise not_in_the_cloud()
    return found


def user_entity(user: User) -> Entity:
    return {
        "id": user.id,
        "displayName": user.name,
        "userPrincipalName": user.address,
        "mail": user.address if user.mailbox else None,
        "accountEnabled": True,
        "userType": "Member",
    }
