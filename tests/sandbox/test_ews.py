"""The sandbox's Exchange Server through plain SOAP; each request and answer fits the schema."""

import pytest
import xmlschema

from sandbox.ews.ids import write_id
from sandbox.registration import ALL_ROLES
from tests.sandbox.conftest import client_for, sign_in
from tests.sandbox.ews import (
    M,
    Schema,
    Server,
    T,
    codes,
    export,
    find,
    get_folder,
    ids,
    state_of,
    sync,
)

ROLE = "full_access_as_app"


def test_everything_here_is_checked_against_microsofts_schema(server: Server, schema: Schema):
    if schema.messages is None:
        pytest.skip("needs Messages.xsd and Types.xsd in STOWAGE_SHARED/contracts/ews")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        server.call("<FindItem/>")


def test_a_request_without_sign_in_is_told_how(server: Server):
    with client_for(server.sandbox) as client:
        answer = client.post(server.account.ews_url, content=b"<x/>")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'NTLM, Basic realm="127.0.0.1"'


def test_a_token_with_the_applications_role_may_be_anyone(server: Server):
    for roles, status in (((ROLE,), 200), (ALL_ROLES, 403)):
        registration = server.sandbox.register("acme.example", roles)
        token = sign_in(server.client, registration)
        server.client.auth = None
        server.client.headers["Authorization"] = f"Bearer {token}"
        assert server.post(get_folder("inbox")).status_code == status
        del server.client.headers["Authorization"]


def test_what_is_no_plain_soap_is_refused(server: Server):
    entity = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'
    for text in (entity, "<a>", "<a/>", "<a>" * 200 + "</a>" * 200):
        answer = server.client.post(server.account.ews_url, content=text)
        assert answer.status_code == 500
        assert "ErrorSchemaValidation" in answer.text
        assert "root:" not in answer.text


def test_folders_are_shown_under_their_names(server: Server):
    answer = server.call(get_folder("inbox"))
    assert codes(answer) == ["NoError"]
    assert next(answer.iter(f"{T}DisplayName")).text == "Inbox"
    assert codes(server.call(get_folder("archiveroot"))) == ["ErrorFolderNotFound"]


def test_items_are_listed_and_exported(server: Server):
    for number in range(3):
        server.add_mail(number)
    found = ids(server.call(find()))
    assert len(found) == 3
    answer = server.call(export(found[0], found[2]))
    assert codes(answer) == ["NoError", "NoError"]
    assert [one.get("Id") for one in answer.iter(f"{M}ItemId")] == [found[0], found[2]]


def test_a_state_goes_on_where_it_stopped(server: Server):
    for number in range(3):
        server.add_mail(number)
    first = server.call(sync(limit=2))
    state = state_of(first)
    assert len(ids(first)) == 2
    assert next(first.iter(f"{M}IncludesLastItemInRange")).text == "false"
    second = server.call(sync(state=state, limit=2))
    assert len(ids(second)) == 1
    assert not set(ids(first)) & set(ids(second))
    state = state_of(second)
    assert ids(server.call(sync(state=state))) == []
    assert codes(server.call(sync(state="made up"))) == ["ErrorInvalidSyncStateData"]


def test_a_state_is_good_for_its_folder_until_states_expire(server: Server):
    state = state_of(server.call(sync()))
    drafts = '<t:DistinguishedFolderId Id="drafts"/>'
    assert codes(server.call(sync(drafts, state))) == ["ErrorInvalidSyncStateData"]
    directory = server.sandbox.store.user(server.address).directory
    server.sandbox.store.expire_delta_tokens(directory)
    assert codes(server.call(sync(state=state))) == ["ErrorInvalidSyncStateData"]
    assert codes(server.call(sync())) == ["NoError"]


def test_a_mailbox_in_the_cloud_is_not_on_the_server(server: Server):
    server.sandbox.add_mailbox("ravi@acme.example")
    assert server.fault(get_folder("inbox"), "ravi@acme.example") == "ErrorNonExistentMailbox"
    server.sandbox.move_mailbox("ravi@acme.example", to_server=True)
    assert codes(server.call(get_folder("inbox"), "ravi@acme.example")) == ["NoError"]


def test_an_id_of_another_mailbox_opens_nothing(server: Server):
    server.sandbox.add_mailbox("ravi@acme.example", on_server=True)
    server.add_mail(1)
    (foreign,) = ids(server.call(find()))
    assert codes(server.call(export(foreign), "ravi@acme.example")) == ["ErrorAccessDenied"]


def test_an_old_server_has_no_bulk_transfer(server: Server):
    server.add_mail(1)
    found = ids(server.call(find()))
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    assert server.fault(export(*found)) == "ErrorInvalidOperation"
    assert codes(server.call(find())) == ["NoError"]


@pytest.mark.parametrize(
    "body",
    [
        "<FindItem/>",
        find().replace("</ItemShape>", '</ItemShape><IndexedPageItemView MaxEntriesReturned="x"/>'),
        sync().replace(">512<", ">many<"),
        "<MoveItem><ToFolderId/><ItemIds/></MoveItem>",
        "<UpdateItem><ItemChanges><t:ItemChange/></ItemChanges></UpdateItem>",
    ],
)
def test_a_request_against_the_schema_is_named_so(server: Server, body: str):
    server.schema = Schema(read=False)
    assert server.fault(body) == "ErrorSchemaValidation"


def test_too_many_changes_at_once_are_refused(server: Server):
    server.schema = Schema(read=False)
    assert codes(server.call(sync(limit=513))) == ["ErrorInvalidPagingMaxRows"]


def test_a_folder_to_save_into_that_is_gone_is_one_error(server: Server):
    folder = server.sandbox.store.folder_at(server.mailbox, "Gone")
    gone = write_id(server.mailbox, folder.id)
    server.sandbox.store.remove_folder(server.mailbox, folder.id)
    body = (
        f'<CreateItem MessageDisposition="SaveOnly"><SavedItemFolderId><t:FolderId Id="{gone}"/>'
        "</SavedItemFolderId><Items><t:Message><t:Subject>x</t:Subject></t:Message></Items>"
        "</CreateItem>"
    )
    assert codes(server.call(body)) == ["ErrorFolderNotFound"]
