"""Microsoft's own client, as it is, against the sandbox. Its import takes seconds."""

import asyncio
import base64
import importlib.util
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import pytest

from sandbox.archives import ArchiveProfile
from sandbox.faults import Fault, Kind
from sandbox.registration import ALL_ROLES
from tests.sandbox.conftest import Exchange, client_for, sign_in

if importlib.util.find_spec("msgraph") is None:
    pytest.skip("needs msgraph-sdk", allow_module_level=True)

from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.admin.exchange.mailboxes.item.export_items.export_items_post_request_body import (  # noqa: E501
    ExportItemsPostRequestBody,
)
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core import GraphClientFactory

Answer = TypeVar("Answer")

# Of every request builder of the SDK, by its own doing.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")


class Tokens(AccessTokenProvider):
    def __init__(self, token: str, host: str) -> None:
        self._token = token
        self._hosts = AllowedHostsValidator([host])

    async def get_authorization_token(self, uri: str, *_: object, **__: object) -> str:
        return self._token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return self._hosts


def run(exchange: Exchange, act: Callable[[GraphServiceClient], Awaitable[Answer]]) -> Answer:
    """Do something with a client of the SDK that is signed in."""
    sandbox = exchange.sandbox
    registration = sandbox.register("acme.example", ("Group.Read.All", *ALL_ROLES))
    with client_for(sandbox) as plain:
        tokens = Tokens(sign_in(plain, registration), "127.0.0.1")

    async def connected() -> Answer:
        trust = ssl.create_default_context(cadata=sandbox.trust_pem)
        async with httpx.AsyncClient(verify=trust, trust_env=False) as http:
            client = GraphClientFactory.create_with_default_middleware(client=http)
            adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(tokens), client)
            adapter.base_url = f"{sandbox.url}/v1.0"
            return await act(GraphServiceClient(request_adapter=adapter))

    return asyncio.run(connected())


def test_people_and_their_mailboxes_are_listed(exchange: Exchange):
    async def act(graph: GraphServiceClient):
        users = await graph.users.get()
        delta = await graph.users.delta.get()
        settings = await graph.users.by_user_id(users.value[0].id).settings.exchange.get()
        return users.value, delta.value, settings

    users, delta, settings = run(exchange, act)
    assert [user.mail for user in users] == ["anna@acme.example"]
    assert [user.display_name for user in delta] == ["Anna Berg"]
    assert settings.primary_mailbox_id == exchange.mailbox


def test_groups_and_members_are_listed(exchange: Exchange):
    anna = exchange.sandbox.store.user("anna@acme.example")
    staff = exchange.sandbox.add_group("acme.example", "Staff", anna)

    async def act(graph: GraphServiceClient):
        groups = await graph.groups.get()
        members = await graph.groups.by_group_id(staff.id).members.get()
        return groups.value, members.value

    groups, members = run(exchange, act)
    assert [group.display_name for group in groups] == ["Staff"]
    assert [(type(one).__name__, one.id) for one in members] == [("User", anna.id)]


def test_folders_and_items_are_listed_and_read_by_delta(exchange: Exchange):
    first, second = exchange.add_mail(1), exchange.add_mail(2)

    async def act(graph: GraphServiceClient):
        mailbox = graph.admin.exchange.mailboxes.by_mailbox_id(exchange.mailbox)
        folders = await mailbox.folders.get()
        inbox = next(one for one in folders.value if one.display_name == "Inbox")
        items = mailbox.folders.by_mailbox_folder_id(inbox.id).items
        listed = await items.get()
        delta = await items.delta.get()
        changed = await items.delta.with_url(delta.odata_delta_link).get()
        return inbox, listed.value, delta.value, changed.value

    inbox, listed, delta, changed = run(exchange, act)
    assert inbox.total_item_count == 2
    assert [item.id for item in listed] == [first, second]
    assert {item.type for item in listed} == {"IPM.Note"}
    assert [item.id for item in delta] == [first, second]
    assert changed == []


def test_an_item_is_exported_and_imported_as_it_was(exchange: Exchange):
    item = exchange.add_mail(1)
    store = exchange.sandbox.store

    async def act(graph: GraphServiceClient):
        mailbox = graph.admin.exchange.mailboxes.by_mailbox_id(exchange.mailbox)
        body = ExportItemsPostRequestBody(item_ids=[item, "nonsense"])
        exports = await mailbox.export_items.post(body)
        session = await mailbox.create_import_session.post()
        return exports.value, session

    (export, failed), session = run(exchange, act)
    folder = store.folder_at(exchange.mailbox, "Restored")
    assert export.data == store.payload(exchange.mailbox, item)
    assert failed.error.code == "ErrorItemNotFound"
    # The SDK has no call for the import address.
    data = base64.b64encode(export.data).decode()
    body = {"FolderId": folder.id, "Mode": "create", "Data": data}
    with client_for(exchange.sandbox) as client:
        answer = client.post(session.import_url, json=body)
    assert answer.status_code == 200
    (restored,) = store.items(folder.id)
    assert restored.message_id == store.item(exchange.mailbox, item).message_id


def test_errors_are_the_sdks_own(exchange: Exchange):
    async def act(graph: GraphServiceClient):
        with pytest.raises(ODataError) as caught:
            await graph.users.by_user_id("nobody").get()
        return caught.value

    error = run(exchange, act)
    assert error.response_status_code == 404
    assert error.error.code == "Request_ResourceNotFound"


def test_a_throttled_request_is_made_again_after_the_time_it_was_told(exchange: Exchange):
    exchange.sandbox.faults.add(Fault(Kind.STATUS, "/users$", status=429, retry_after=1))

    async def act(graph: GraphServiceClient):
        return await graph.users.get()

    assert len(run(exchange, act).value) == 1
    assert len(exchange.sandbox.faults.struck) == 1


def test_the_redirect_of_an_expanded_archive_folder_is_followed(exchange: Exchange):
    sandbox = exchange.sandbox
    archive = sandbox.add_archive("anna@acme.example", ArchiveProfile.DOCUMENTED)
    raw = b"Subject: Old\r\nMessage-ID: <old@acme.example>\r\n\r\nOld\r\n"
    item = sandbox.add_mail("anna@acme.example", "Old", raw, archive=True)
    sandbox.expand_archive("anna@acme.example", "Old")

    async def act(graph: GraphServiceClient):
        mailbox = graph.admin.exchange.mailboxes.by_mailbox_id(archive)
        items = mailbox.folders.by_mailbox_folder_id(item.folder).items
        return await items.get(RequestConfiguration())

    assert [one.id for one in run(exchange, act).value] == [item.id]
