"""Archive mailboxes as Graph shows them."""

import pybase64
import pytest

from sandbox.archives import ArchiveProfile
from tests.sandbox.conftest import Exchange

ANNA = "anna@acme.example"


class Archive:
    def __init__(self, exchange: Exchange, profile: ArchiveProfile) -> None:
        self.exchange = exchange
        self.store = exchange.sandbox.store
        self.id = exchange.sandbox.add_archive(ANNA, profile)
        self.folder = self.store.folder_at(self.id, "Old").id
        self.item = self.add(1)

    def add(self, number: int) -> str:
        raw = f"Subject: Mail {number}\r\nMessage-ID: <{number}@old.example>\r\n\r\nHello\r\n"
        return self.exchange.sandbox.add_mail(ANNA, "Old", raw.encode(), archive=True).id

    def get(self, rest: str, version: str = "beta", mailbox: str = ""):
        return self.exchange.client.get(self.path(rest, version, mailbox))

    def path(self, rest: str, version: str = "beta", mailbox: str = "") -> str:
        return f"/{version}/admin/exchange/mailboxes/{mailbox or self.id}{rest}"

    def export(self, mailbox: str = "", version: str = "v1.0") -> dict:
        target = self.path("/exportItems", version, mailbox)
        (answer,) = self.exchange.client.post(target, json={"itemIds": [self.item]}).json()["value"]
        return answer

    def imported(self, mailbox: str = ""):
        session = self.exchange.client.post(self.path("/createImportSession", "v1.0", mailbox))
        body = {
            "FolderId": self.folder,
            "Mode": "create",
            "Data": pybase64.b64encode(self.store.payload(self.id, self.item)).decode(),
        }
        client = self.exchange.client
        request = client.build_request("POST", session.json()["importUrl"], json=body)
        del request.headers["Authorization"]
        return client.send(request)


@pytest.fixture
def archive(exchange: Exchange) -> Archive:
    return Archive(exchange, ArchiveProfile.OBSERVED)


@pytest.fixture
def documented(exchange: Exchange) -> Archive:
    return Archive(exchange, ArchiveProfile.DOCUMENTED)


def test_only_beta_tells_which_mailbox_is_somebodys_archive(exchange: Exchange, archive: Archive):
    settings = f"users/{ANNA}/settings/exchange"
    assert set(exchange.client.get(f"/v1.0/{settings}").json()) == {"primaryMailboxId"}
    answer = exchange.client.get(f"/beta/{settings}").json()
    assert answer["inPlaceArchiveMailboxId"] == archive.id


@pytest.mark.parametrize("rest", ["/folders", "/folders/delta", "/folders/{f}/items"])
def test_an_archive_is_listed_by_beta_alone_unless_it_is_a_documented_one(
    archive: Archive, rest: str
):
    rest = rest.format(f=archive.folder)
    assert archive.get(rest, "v1.0").status_code == 400
    assert archive.get(rest).status_code == 200
    archive.store.set_archive_profile(archive.id, ArchiveProfile.DOCUMENTED)
    assert archive.get(rest, "v1.0").status_code == 200


def test_an_archive_knows_no_well_known_names(archive: Archive):
    assert archive.get("/folders/deleteditems").status_code == 400
    names = {folder["wellKnownName"] for folder in archive.get("/folders").json()["value"]}
    assert names == {None}


def test_delta_of_an_observed_archive_is_half_a_json_text(archive: Archive):
    answer = archive.get(f"/folders/{archive.folder}/items/delta")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    archive.store.set_archive_profile(archive.id, ArchiveProfile.BETA)
    (item,) = archive.get(f"/folders/{archive.folder}/items/delta").json()["value"]
    assert item["id"] == archive.item


def test_a_filter_on_times_sees_more_of_them_than_it_shows(archive: Archive):
    items = f"/folders/{archive.folder}/items"
    (item,) = archive.get(items).json()["value"]
    shown = item["lastModifiedDateTime"]

    def after(moment: str) -> int:
        return len(archive.get(f"{items}?$filter=lastModifiedDateTime gt {moment}").json()["value"])

    assert after(shown) == 1
    assert after(shown.replace("Z", ".4Z")) == 1
    assert after(shown.replace("Z", ".6Z")) == 0


def test_an_expanded_folder_sends_to_its_auxiliary_mailbox(archive: Archive):
    auxiliary = archive.exchange.sandbox.expand_archive(ANNA, "Old")
    listed = {folder["id"] for folder in archive.get("/folders").json()["value"]}
    assert archive.folder in listed
    rest = f"/folders/{archive.folder}/items?$top=5"
    answer = archive.get(rest)
    assert (answer.status_code, answer.content) == (308, b"")
    assert answer.headers["Location"].endswith(archive.path(rest, mailbox=auxiliary))
    (item,) = archive.get(rest, mailbox=auxiliary).json()["value"]
    assert item["id"] == archive.item
    other = archive.store.folder_at(archive.id, "Other").id
    assert archive.get(f"/folders/{other}", mailbox=auxiliary).status_code == 404


def test_an_item_of_an_expanded_folder_is_exported_where_the_error_says(archive: Archive):
    data = archive.export()["data"]
    auxiliary = archive.exchange.sandbox.expand_archive(ANNA, "Old")
    error = archive.export()["error"]
    assert error["code"] == "ErrorArchiveFolderMovedPermanently"
    assert error["message"].endswith(archive.path("/exportItems", "v1.0", auxiliary))
    assert archive.export(auxiliary)["data"] == data


def test_a_documented_archive_takes_items_where_it_keeps_the_folder(documented: Archive):
    assert documented.imported().status_code == 200
    auxiliary = documented.exchange.sandbox.expand_archive(ANNA, "Old")
    refused = documented.imported()
    assert refused.status_code == 409
    assert auxiliary in refused.json()["error"]["message"]
    assert documented.imported(auxiliary).status_code == 200


def test_any_other_archive_takes_nothing(archive: Archive):
    refused = archive.imported()
    assert refused.status_code == 400
    assert "not allowed" in refused.json()["error"]["message"]
    created = archive.exchange.client.post(archive.path("/folders"), json={"displayName": "New"})
    assert created.status_code == 400
