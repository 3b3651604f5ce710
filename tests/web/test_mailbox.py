"""A mailbox at a restore point, and bringing items back from it."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from backups.catalog import rows
from backups.catalog.models import Folder, ItemVersion, RestorePoint
from backups.restores.models import RestoreItem
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def mailbox(cast: Cast) -> str:
    return f"/t/acme/mailboxes/{cast.acme.mailbox.pk}/"


def make_item(cast: Cast, **values: object) -> ItemVersion:
    given = {
        "backup": cast.acme.backup,
        "item_id": f"item-{values['subject']}",
        "change_key": "CQ",
        "folder_id": "inbox",
        "first": 1,
        "item_class": "IPM.Note",
        "received_at": datetime(2026, 11, 1, tzinfo=UTC),
        "size": 100,
        "digest": b"",
        "sha256": b"",
        "references": b"",
        **values,
    }
    with tenant_scope(cast.acme.id):
        rows.insert([ItemVersion(**given)])
        return ItemVersion.objects.latest("pk")


def second_point(cast: Cast) -> RestorePoint:
    with tenant_scope(cast.acme.id):
        return RestorePoint.objects.create(
            backup=cast.acme.backup,
            sequence=2,
            taken_at=cast.acme.point.taken_at + timedelta(minutes=30),
            items=1,
            bytes=1,
        )


def test_the_newest_point_opens_in_its_first_full_folder(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.restorer).get(mailbox(cast)).content.decode()
    assert "Inbox" in page
    assert cast.acme.item.subject in page
    assert 'title="noor@example.net">Noor</span>' in page


def test_an_item_is_shown_only_at_the_points_that_hold_it(cast: Cast, sign_in: SignIn) -> None:
    later = second_point(cast)
    make_item(cast, subject="Gone tomorrow", last=2)
    make_item(cast, subject="Came today", first=2)
    client = sign_in(cast.restorer)
    first = client.get(mailbox(cast), {"point": cast.acme.point.pk}).content.decode()
    assert "Gone tomorrow" in first
    assert "Came today" not in first
    second = client.get(mailbox(cast), {"point": later.pk}).content.decode()
    assert "Gone tomorrow" not in second
    assert "Came today" in second


def test_deleted_items_are_shown_on_request_and_changed_ones_are_not_deleted(
    cast: Cast, sign_in: SignIn
) -> None:
    later = second_point(cast)
    make_item(cast, subject="Thrown away", last=2)
    make_item(cast, subject="Old words", item_id="changed", last=2)
    make_item(cast, subject="New words", item_id="changed", first=2)
    query = {"point": later.pk, "deleted": "on"}
    page = sign_in(cast.restorer).get(mailbox(cast), query).content.decode()
    assert "Thrown away" in page
    assert "New words" not in page
    assert "Old words" not in page


def test_a_search_looks_through_the_whole_mailbox(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.id):
        Folder.objects.create(backup=cast.acme.backup, folder_id="other", name="Other", first=1)
    make_item(cast, subject="Needle in the haystack", folder_id="other")
    client = sign_in(cast.restorer)
    page = client.get(mailbox(cast), {"q": "NEEDLE"}).content.decode()
    assert "Needle in the haystack" in page
    assert cast.acme.item.subject not in page
    assert b"Nothing found" in client.get(mailbox(cast), {"q": "nowhere"}).content
    assert b"needs a word" in client.get(mailbox(cast), {"q": "from:("}).content


def test_all_mailboxes_are_searched_and_what_is_found_goes_into_the_basket(
    cast: Cast, sign_in: SignIn
) -> None:
    needle = make_item(cast, subject="Needle in the haystack")
    gone = make_item(cast, subject="Needle thrown away", last=1)
    client = sign_in(cast.restorer)
    address = "/t/acme/search/"
    assert b"What are you looking for" in client.get(address).content
    page = client.get(address, {"q": "subject:needle"}).content.decode()
    assert "Needle in the haystack" in page
    assert cast.acme.mailbox.address in page
    assert "thrown away" not in page
    assert "thrown away" in client.get(address, {"q": "needle", "deleted": "on"}).content.decode()
    assert b"is not known" in client.get(address, {"q": "colour:red"}).content
    form = {"items": [needle.pk, gone.pk], "q": "needle"}
    added = client.post("/t/acme/basket/add/", form, follow=True)
    assert "2 items put into the basket" in added.content.decode()
    assert added.redirect_chain[-1][0].endswith("/search/?q=needle")
    foreign = {"items": [cast.globex.item.pk]}
    refused = client.post("/t/acme/basket/add/", foreign, follow=True).content.decode()
    assert "not in the backups any more" in refused


def test_a_page_holds_at_most_fifty_items(cast: Cast, sign_in: SignIn) -> None:
    for number in range(60):
        make_item(cast, subject=f"Mail {number}")
    client = sign_in(cast.restorer)
    assert client.get(mailbox(cast)).content.count(b'name="items"') == 50
    older = re.search(r'rel="next" href="([^"]+)"', client.get(mailbox(cast)).content.decode())
    assert older is not None
    second = client.get(mailbox(cast) + html.unescape(older[1])).content
    assert second.count(b'name="items"') == 11
    assert b'rel="next"' not in second
    assert b"Newest" in second
    for nonsense in ("nonsense", "1.x", "9" * 50 + ".1", "1." + "9" * 50):
        assert client.get(mailbox(cast), {"after": nonsense}).status_code == 200


@pytest.mark.parametrize(
    "query", [{"point": "999999"}, {"point": "1e9"}, {"folder": "\0"}, {"q": "x" * 5000}]
)
def test_nonsense_in_the_address_breaks_nothing(
    cast: Cast, sign_in: SignIn, query: dict[str, str]
) -> None:
    assert sign_in(cast.restorer).get(mailbox(cast), query).status_code in (200, 404)


def test_folders_whose_parents_form_a_loop_are_still_listed(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.id):
        for name, parent in (("one", "two"), ("two", "one")):
            Folder.objects.create(
                backup=cast.acme.backup,
                folder_id=name,
                parent_id=parent,
                name=f"Loop {name}",
                first=1,
            )
    page = sign_in(cast.restorer).get(mailbox(cast)).content.decode()
    assert "Loop one" in page
    assert "Loop two" in page


def test_a_subject_is_shown_as_text_whatever_it_holds(cast: Cast, sign_in: SignIn) -> None:
    make_item(cast, subject="<script>alert(1)</script>")
    page = sign_in(cast.restorer).get(mailbox(cast)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_chosen_items_are_restored_into_a_folder_of_their_own(cast: Cast, sign_in: SignIn) -> None:
    form = {"items": [cast.acme.item.pk], "target": "folder", "reason": "ticket 7"}
    response = sign_in(cast.restorer).post(f"{mailbox(cast)}restore/", form, follow=True)
    assert "/sessions/" in response.redirect_chain[-1][0]
    assert b"ticket 7" in response.content
    with tenant_scope(cast.acme.id):
        wanted = RestoreItem.objects.get(state=RestoreItem.State.PENDING)
    assert wanted.version_id == cast.acme.item.pk
    assert wanted.target_folder.startswith("Restored 20")


@pytest.mark.parametrize(
    ("items", "words"),
    [([], "Choose at least one item"), (["x"], "damaged"), (["0"], "not in the backups")],
)
def test_a_restore_of_nothing_or_nonsense_is_refused_with_the_reason(
    cast: Cast, sign_in: SignIn, items: list[str], words: str
) -> None:
    form = {"items": items, "target": "original"}
    response = sign_in(cast.restorer).post(f"{mailbox(cast)}restore/", form, follow=True)
    assert words in response.content.decode()
    assert response.redirect_chain[-1][0] == mailbox(cast)


def test_another_tenants_item_cannot_be_restored(cast: Cast, sign_in: SignIn) -> None:
    form = {"items": [cast.globex.item.pk], "target": "original"}
    response = sign_in(cast.admin).post(f"{mailbox(cast)}restore/", form, follow=True)
    assert "not in the backups" in response.content.decode()
    with tenant_scope(cast.acme.id):
        assert not RestoreItem.objects.filter(state=RestoreItem.State.PENDING).exists()
