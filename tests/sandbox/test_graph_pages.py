"""Graph paths over HTTP, as an independent client sees them."""

import base64
import json
from urllib.parse import quote

import pytest

from backups.streams import normalised_digest, read_item, validate
from sandbox.graph.routes import ROUTES
from tests.sandbox.conftest import Exchange, client_for


def test_users_are_told_with_their_mailbox_and_its_purpose(exchange: Exchange):
    exchange.sandbox.add_mailbox("room@acme.example", "Room", "room")
    listed = exchange.client.get("/v1.0/users/delta?$select=id,mail").json()
    assert [user["mail"] for user in listed["value"]] == ["anna@acme.example", "room@acme.example"]
    assert all(user.keys() == {"id", "mail"} for user in listed["value"])
    assert "@odata.deltaLink" in listed
    room = listed["value"][1]["id"]
    settings = exchange.client.get(f"/v1.0/users/{room}/settings/exchange").json()
    assert settings["primaryMailboxId"].startswith("MBX:")
    purpose = exchange.client.get(f"/v1.0/users/{room}/mailboxSettings?$select=userPurpose")
    assert purpose.json()["userPurpose"] == "room"


def test_a_user_without_a_mailbox_has_no_exchange_settings(exchange: Exchange):
    directory = exchange.registration.directory
    user = exchange.sandbox.store.add_user(directory, "x@acme.example", "X", None)
    answer = exchange.client.get(f"/v1.0/users/{user.id}/settings/exchange")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "MailboxNotEnabledForRESTAPI"


def test_the_users_delta_tells_who_came_and_who_went(exchange: Exchange):
    link = exchange.client.get("/v1.0/users/delta").json()["@odata.deltaLink"]
    came = exchange.sandbox.add_mailbox("new@acme.example")
    gone = exchange.sandbox.store.user("anna@acme.example")
    exchange.sandbox.store.remove_user("anna@acme.example")
    changes = {user["id"]: user for user in exchange.client.get(link).json()["value"]}
    assert changes[came.id]["mail"] == "new@acme.example"
    assert changes[gone.id]["@removed"] == {"reason": "deleted"}


def test_the_organization_says_its_name(exchange: Exchange):
    (organization,) = exchange.client.get("/v1.0/organization").json()["value"]
    assert organization["displayName"] == "Acme"


def test_another_directorys_mailbox_and_people_do_not_exist(exchange: Exchange):
    exchange.sandbox.add_mailbox("gus@globex.example")
    with exchange.signed_in(domain="globex.example") as stranger:
        assert stranger.get(exchange.path("/folders")).status_code == 404
        assert stranger.get("/v1.0/users/anna@acme.example").status_code == 404
        listed = stranger.get("/v1.0/users/delta").json()["value"]
    assert [user["mail"] for user in listed] == ["gus@globex.example"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_path_asks_for_a_permission(exchange: Exchange, route):
    path = route.path.format(
        mailbox=exchange.mailbox, user="u", group="g", folder="inbox", item="i"
    )
    with exchange.signed_in("Nothing.Useful") as client:
        answer = client.request(route.method, f"/v1.0/{path}", json={})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "Authorization_RequestDenied"
    assert route.permissions[0] in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/v1.0/nothing", "/v1.0", "/beta/planner", "/", "/v1.0/users/u/photo"]
)
def test_a_path_that_is_not_served_is_404(exchange: Exchange, path: str):
    assert exchange.client.get(path).status_code == 404


def test_folders_are_paged_and_the_roots_are_not_listed(exchange: Exchange):
    exchange.sandbox.store.folder_at(exchange.mailbox, "Inbox/Projects")
    listed, link = [], exchange.path("/folders?$top=3")
    while link:
        page = exchange.client.get(link).json()
        assert len(page["value"]) <= 3
        listed += page["value"]
        link = page.get("@odata.nextLink")
    names = [folder["displayName"] for folder in listed]
    assert names[0] == "Inbox"
    assert {"Projects", "Deletions"} < set(names)
    assert "Top of Information Store" not in names
    inbox = exchange.client.get(exchange.path("/folders/inbox")).json()
    assert inbox["childFolderCount"] == 1
    assert inbox["id"] == listed[0]["id"]


def test_items_show_properties_and_no_content(exchange: Exchange):
    item = exchange.add_mail(1)
    (listed,) = exchange.client.get(exchange.path("/folders/inbox/items")).json()["value"]
    assert listed["id"] == item
    assert listed["type"] == "IPM.Note"
    assert listed["createdDateTime"] == "2026-03-02T10:00:00Z"
    assert set(listed) == {
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "categories",
        "size",
        "type",
    }


def test_extended_properties_come_from_the_stream(exchange: Exchange):
    item = exchange.add_mail(7)
    wanted = quote(
        "singleValueExtendedProperties($filter=id eq 'String 0x0037' or id eq 'String 0x1035')"
    )
    path = exchange.path(f"/folders/inbox/items/{item}?$select=id&$expand={wanted}")
    found = exchange.client.get(path).json()
    assert found["id"] == item
    assert "size" not in found
    listed = exchange.client.get(exchange.path(f"/folders/inbox/items?$expand={wanted}")).json()
    values = {
        one["id"]: one["value"] for one in listed["value"][0]["singleValueExtendedProperties"]
    }
    assert values == {"String 0x0037": "Mail 7", "String 0x1035": "<7@acme.example>"}


def test_a_property_that_does_not_exist_can_not_be_selected(exchange: Exchange):
    answer = exchange.client.get(exchange.path("/folders/inbox/items?$select=id,subject"))
    assert answer.status_code == 400
    assert "subject" in answer.json()["error"]["message"]


def test_the_size_of_delta_pages_is_what_was_preferred_and_frozen_in_the_link(exchange: Exchange):
    ids = [exchange.add_mail(number) for number in range(5)]
    prefer = {"Prefer": "odata.maxpagesize=2"}
    first = exchange.client.get(
        exchange.path("/folders/inbox/items/delta?$select=size"), headers=prefer
    ).json()
    second = exchange.client.get(first["@odata.nextLink"]).json()
    third = exchange.client.get(second["@odata.nextLink"]).json()
    pages = [first["value"], second["value"], third["value"]]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [item["id"] for page in pages for item in page] == ids
    assert all(item.keys() == {"id", "size"} for page in pages for item in page)
    assert "@odata.deltaLink" in third
    assert "@odata.nextLink" not in third


def test_a_delta_token_is_of_one_folder_only(exchange: Exchange):
    link = exchange.client.get(exchange.path("/folders/inbox/items/delta")).json()
    misplaced = link["@odata.deltaLink"].replace("/inbox/", "/drafts/")
    answer = exchange.client.get(misplaced)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "ErrorInvalidSyncStateData"


def test_expired_delta_tokens_are_410(exchange: Exchange):
    link = exchange.client.get(exchange.path("/folders/delta")).json()["@odata.deltaLink"]
    exchange.sandbox.store.expire_delta_tokens(exchange.registration.directory)
    answer = exchange.client.get(link)
    assert answer.status_code == 410
    assert answer.json()["error"]["code"] == "syncStateNotFound"


def test_a_changed_item_comes_again_with_a_new_change_key(exchange: Exchange):
    item = exchange.add_mail(1)
    first = exchange.client.get(exchange.path("/folders/inbox/items/delta")).json()
    old = exchange.sandbox.store.item(exchange.mailbox, item)
    payload = exchange.sandbox.store.payload(exchange.mailbox, item)
    answer = import_item(exchange, payload, Mode="update", ItemId=item, ChangeKey=old.change_key)
    assert answer.status_code == 200
    (changed,) = exchange.client.get(first["@odata.deltaLink"]).json()["value"]
    assert changed["id"] == item == answer.json()["itemId"]
    assert changed["changeKey"] == answer.json()["changeKey"] != old.change_key
    stale = import_item(exchange, payload, Mode="update", ItemId=item, ChangeKey=old.change_key)
    assert stale.status_code == 409


def test_exported_items_carry_their_stream_or_an_error_each(exchange: Exchange):
    item = exchange.add_mail(1)
    answer = exchange.client.post(
        exchange.path("/exportItems"), json={"itemIds": [item, "nonsense"]}
    ).json()["value"]
    payload = base64.b64decode(answer[0]["data"], validate=True)
    assert payload == exchange.sandbox.store.payload(exchange.mailbox, item)
    assert validate(payload).item_class == "IPM.Note"
    assert answer[1]["error"]["code"] == "ErrorItemNotFound"


@pytest.mark.parametrize("ids", [[], ["x"] * 21, "x", [1], None])
def test_an_export_of_nothing_or_of_too_much_is_refused(exchange: Exchange, ids: object):
    answer = exchange.client.post(exchange.path("/exportItems"), json={"itemIds": ids})
    assert answer.status_code == 400


def import_item(exchange: Exchange, payload: bytes, headers: dict | None = None, **body: str):
    session = exchange.client.post(exchange.path("/createImportSession"))
    assert session.status_code == 200
    data = base64.b64encode(payload).decode()
    content = {"FolderId": "inbox", "Mode": "create", "Data": data, **body}
    with client_for(exchange.sandbox) as client:
        return client.post(session.json()["importUrl"], json=content, headers=headers)


def test_an_import_makes_another_item_of_the_same_content(exchange: Exchange):
    item = exchange.add_mail(1)
    payload = exchange.sandbox.store.payload(exchange.mailbox, item)
    answer = import_item(exchange, payload).json()
    stored = exchange.sandbox.store.payload(exchange.mailbox, answer["itemId"])
    assert stored != payload
    assert normalised_digest(stored) == normalised_digest(payload)
    assert read_item(stored).find(0x3007).value != read_item(payload).find(0x3007).value
    made = exchange.sandbox.store.item(exchange.mailbox, answer["itemId"])
    assert made.message_id == "<1@acme.example>"
    assert made.created_at > "2026-03-02T10:00:00Z"


def test_an_import_url_takes_no_other_token_than_its_own(exchange: Exchange):
    item = exchange.add_mail(1)
    payload = exchange.sandbox.store.payload(exchange.mailbox, item)
    token = {"Authorization": exchange.client.headers["Authorization"]}
    assert import_item(exchange, payload, headers=token).status_code == 400
    url = f"/api/gv1.0/Mailboxes('{exchange.mailbox}')/importItem?authtoken=guessed"
    with client_for(exchange.sandbox) as client:
        assert client.post(url, json={}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"Data": "not base64!"}, 400),
        ({"Data": base64.b64encode(b"nonsense").decode()}, 400),
        ({"FolderId": "no-such-folder"}, 404),
        ({"Mode": "replace"}, 400),
        ({"Mode": ""}, 400),
    ],
)
def test_an_import_that_can_not_be_done_changes_nothing(
    exchange: Exchange, body: dict[str, str], status: int
):
    item = exchange.add_mail(1)
    payload = exchange.sandbox.store.payload(exchange.mailbox, item)
    assert import_item(exchange, payload, **body).status_code == status
    assert exchange.sandbox.store.folder(exchange.mailbox, "inbox").items == 1


def test_a_soft_delete_moves_and_a_hard_delete_removes(exchange: Exchange):
    first, second = exchange.add_mail(1), exchange.add_mail(2)
    for item, disposal in ((first, "softDelete"), (second, "hardDelete")):
        path = exchange.path(f"/folders/inbox/items/{item}?disposalType={disposal}")
        assert exchange.client.delete(path).status_code == 204
        assert exchange.client.delete(path).status_code == 404
    kept = exchange.client.get(exchange.path("/folders/recoverableitemsdeletions/items")).json()
    assert len(kept["value"]) == 1
    assert kept["value"][0]["id"] not in (first, second)


def test_a_delete_must_say_how(exchange: Exchange):
    item = exchange.add_mail(1)
    answer = exchange.client.delete(exchange.path(f"/folders/inbox/items/{item}"))
    assert answer.status_code == 400


def test_a_filter_finds_by_message_id(exchange: Exchange):
    wanted = [exchange.add_mail(5), exchange.add_mail(5)]
    exchange.add_mail(6)
    condition = (
        "singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1035'"
        " and ep/value eq '<5@acme.example>')"
    )
    path = exchange.path(f"/folders/inbox/items?$top=1&$filter={quote(condition)}")
    first = exchange.client.get(path).json()
    second = exchange.client.get(first["@odata.nextLink"]).json()
    assert [item["id"] for page in (first, second) for item in page["value"]] == wanted
    assert "@odata.nextLink" not in second
    other = exchange.client.get(exchange.path("/folders/inbox/items?$filter=size gt 5"))
    assert other.status_code == 400


def test_folders_are_created_once_per_name_and_place(exchange: Exchange):
    body = {"displayName": "Restored", "type": "IPF.Note"}
    made = exchange.client.post(exchange.path("/folders"), json=body)
    assert made.status_code == 201
    assert exchange.client.post(exchange.path("/folders"), json=body).status_code == 409
    below = exchange.client.post(
        exchange.path(f"/folders/{made.json()['id']}/childFolders"), json=body
    )
    assert below.json()["parentFolderId"] == made.json()["id"]
    empty = exchange.client.post(exchange.path("/folders"), json={"displayName": " "})
    assert empty.status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_400(exchange: Exchange, body: bytes):
    answer = exchange.client.post(exchange.path("/exportItems"), content=body)
    assert answer.status_code == 400
    assert json.loads(answer.text)["error"]["code"] == "BadRequest"
