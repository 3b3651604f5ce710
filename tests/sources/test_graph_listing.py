import pytest

from backups.sources import (
    CursorExpired,
    Gone,
    GraphSettings,
    GraphSource,
    NotPermitted,
    Retry,
    Unavailable,
)
from sandbox.faults import Fault, Kind
from sandbox.registration import BACKUP_ROLES
from tests.sources.conftest import World, everything, folders


def test_discovery_names_each_mailbox_with_its_kind(world: World, source: GraphSource):
    world.sandbox.add_mailbox("desk@acme.example", "Front desk", "shared")
    world.sandbox.store.add_user(
        world.sandbox.store.directory("acme.example").id, "scanner@acme.example", "Scanner", None
    )
    found = {mailbox.address: mailbox for mailbox in source.discover()}
    assert found[world.address].id == world.mailbox
    assert found["desk@acme.example"].kind == "shared"
    assert found["desk@acme.example"].name == "Front desk"
    assert "scanner@acme.example" not in found


def test_a_mailbox_whose_purpose_may_not_be_read_is_found_all_the_same(world: World):
    source = world.connect("User.Read.All")
    found = {mailbox.address: mailbox for mailbox in source.discover()}
    assert found[world.address].kind == "unknown"


def test_folders_are_listed_with_their_place_and_well_known_name(world: World, source: GraphSource):
    world.add_mail(2, "Inbox/Projects")
    found = folders(source, world.mailbox)
    assert found["Inbox"].well_known == "inbox"
    assert found["Projects"].parent_id == found["Inbox"].id
    assert found["Projects"].well_known is None
    assert found["Projects"].items == 2
    assert found["Calendar"].kind == "IPF.Appointment"
    assert found["Inbox"].parent_id not in {folder.id for folder in found.values()}


def test_a_later_round_lists_only_folders_that_changed(world: World, source: GraphSource):
    (page,) = source.hierarchy(world.mailbox, None)
    gone = world.sandbox.store.folder_at(world.mailbox, "Old")
    (page,) = source.hierarchy(world.mailbox, page.cursor)
    assert [folder.name for folder in page.folders] == ["Old"]
    world.sandbox.store.folder_at(world.mailbox, "New")
    world.sandbox.store.remove_folder(world.mailbox, gone.id)
    (page,) = source.hierarchy(world.mailbox, page.cursor)
    assert [folder.name for folder in page.folders] == ["New"]
    assert page.removed == (gone.id,)


def test_a_folder_larger_than_a_page_comes_whole_and_each_page_has_a_cursor(
    world: World, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backups.sources.graph.listing._PAGE", {"Prefer": "odata.maxpagesize=10"})
    ids = world.add_mail(35)
    pages = list(source.changes(world.mailbox, world.inbox(), None))
    assert [len(page.changes) for page in pages] == [10, 10, 10, 5]
    assert [change.id for page in pages for change in page.changes] == ids
    assert [page.complete for page in pages] == [False, False, False, True]
    resumed = list(source.changes(world.mailbox, world.inbox(), pages[1].cursor))
    assert [change.id for page in resumed for change in page.changes] == ids[20:]


def test_a_round_without_changes_is_one_request_and_empty(world: World, source: GraphSource):
    world.add_mail(3)
    _, cursor = everything(source, world.mailbox, world.inbox())
    before = source.requests
    changes, again = everything(source, world.mailbox, world.inbox(), cursor)
    assert changes == {}
    assert source.requests == before + 1
    assert everything(source, world.mailbox, world.inbox(), again)[0] == {}


def test_what_arrives_and_what_goes_between_two_rounds_is_told(world: World, source: GraphSource):
    first, second = world.add_mail(2)
    _, cursor = everything(source, world.mailbox, world.inbox())
    (third,) = world.add_mail()
    source.delete(world.mailbox, first)
    changes, _ = everything(source, world.mailbox, world.inbox(), cursor)
    assert changes.keys() == {first, third}
    assert changes[first].removed
    assert changes[third].item_class == "IPM.Note"
    assert changes[third].size > 0
    assert second not in changes


def test_a_deleted_item_is_in_recoverable_items_under_a_new_id(world: World, source: GraphSource):
    (item,) = world.add_mail()
    payload = world.payload(item)
    source.delete(world.mailbox, item)
    deletions = folders(source, world.mailbox)["Deletions"]
    assert deletions.well_known == "recoverableitemsdeletions"
    changes, _ = everything(source, world.mailbox, deletions.id)
    assert list(changes) != [item]
    assert [world.payload(identity) for identity in changes] == [payload]


def test_an_item_that_changes_during_the_enumeration_is_not_lost(
    world: World, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backups.sources.graph.listing._PAGE", {"Prefer": "odata.maxpagesize=2"})
    ids = set(world.add_mail(4))
    pages = source.changes(world.mailbox, world.inbox(), None)
    seen = [next(pages)]
    (late,) = world.add_mail()
    world.sandbox.store.delete_item(world.mailbox, seen[0].changes[0].id)
    seen += pages
    changes, _ = everything(source, world.mailbox, world.inbox(), seen[-1].cursor)
    known = {change.id for page in seen for change in page.changes} | changes.keys()
    assert known == ids | {late}
    assert changes[seen[0].changes[0].id].removed


def test_an_expired_cursor_is_told_apart_from_a_folder_that_is_gone(
    world: World, source: GraphSource
):
    _, cursor = everything(source, world.mailbox, world.inbox())
    projects = world.sandbox.store.folder_at(world.mailbox, "Projects")
    world.sandbox.store.remove_folder(world.mailbox, projects.id)
    with pytest.raises(Gone):
        everything(source, world.mailbox, projects.id)
    world.sandbox.store.expire_delta_tokens(world.sandbox.store.directory("acme.example").id)
    with pytest.raises(CursorExpired):
        everything(source, world.mailbox, world.inbox(), cursor)
    assert everything(source, world.mailbox, world.inbox())[1]


@pytest.mark.parametrize("cursor", ["", "@evil.example/v1.0/x", "//evil.example/", "https://x"])
def test_a_cursor_that_is_no_path_of_graph_is_never_followed(
    world: World, source: GraphSource, cursor: str
):
    with pytest.raises(CursorExpired):
        everything(source, world.mailbox, world.inbox(), cursor)
    assert source.requests == 0


def test_a_made_up_delta_token_counts_as_expired(world: World, source: GraphSource):
    _, cursor = everything(source, world.mailbox, world.inbox())
    with pytest.raises(CursorExpired):
        everything(source, world.mailbox, world.inbox(), cursor[:-4] + "AAAA")


def test_a_mailbox_that_vanished_is_gone(world: World, source: GraphSource):
    with pytest.raises(Gone):
        folders(source, "MBX:nobody@nowhere")


def test_the_check_names_what_is_missing_and_what_is_too_much(world: World):
    states = {state.permission: state for state in world.connect(*BACKUP_ROLES).check()}
    assert states["MailboxItem.Export.All"].granted
    assert not states["MailboxItem.ImportExport.All"].granted
    assert states["MailboxItem.ImportExport.All"].needed
    states = {state.permission: state for state in world.connect("Mail.ReadWrite").check()}
    assert states["Mail.ReadWrite"].granted
    assert not states["Mail.ReadWrite"].needed


def test_a_permission_that_includes_another_counts_for_it(world: World):
    source = world.connect("User.Read.All", "MailboxItem.ImportExport.All")
    states = {state.permission: state for state in source.check()}
    assert states["MailboxItem.Export.All"].granted


@pytest.mark.parametrize(
    ("roles", "missing"),
    [
        (("User.Read.All",), "MailboxFolder.Read.All"),
        (("MailboxFolder.Read.All",), "User.Read.All"),
    ],
)
def test_a_missing_permission_is_named(world: World, roles: tuple[str, ...], missing: str):
    source = world.connect(*roles)
    with pytest.raises(NotPermitted) as caught:
        list(source.discover())
        list(source.hierarchy(world.mailbox, None))
    assert caught.value.permission == missing
    assert missing in str(caught.value)


def test_an_unknown_application_is_refused_with_the_reason(world: World):
    settings = world.settings
    stranger = GraphSettings(
        settings.authority,
        settings.graph_url,
        settings.directory,
        "11111111-2222-3333-4444-555555555555",
        settings.certificate_pem,
        settings.private_key_pem,
        settings.trust_pem,
    )
    with pytest.raises(NotPermitted, match="AADSTS700016"):
        list(world.connect_as(stranger).discover())


def test_an_unknown_directory_is_not_permitted_rather_than_empty(world: World):
    settings = world.settings
    elsewhere = GraphSettings(
        settings.authority,
        settings.graph_url,
        "11111111-2222-3333-4444-555555555555",
        settings.client_id,
        settings.certificate_pem,
        settings.private_key_pem,
        settings.trust_pem,
    )
    with pytest.raises(NotPermitted):
        list(world.connect_as(elsewhere).discover())


def test_a_server_with_a_certificate_that_is_not_trusted_is_unavailable(world: World):
    settings = world.settings
    strict = GraphSettings(
        settings.authority,
        settings.graph_url,
        settings.directory,
        settings.client_id,
        settings.certificate_pem,
        settings.private_key_pem,
    )
    with pytest.raises(Unavailable):
        list(world.connect_as(strict).discover())


@pytest.mark.parametrize(
    "url", ["http://graph.example", "graph.example", "https://graph.example/v1.0", "https://"]
)
def test_only_an_https_root_is_accepted_as_address(world: World, url: str):
    with pytest.raises(ValueError, match="https address"):
        GraphSettings("https://login.example", url, "d", "c", "", "")


def test_settings_never_show_the_private_key(settings: GraphSettings):
    assert "PRIVATE KEY" not in repr(settings)


def test_an_answer_without_a_link_is_not_taken_for_a_whole_round(
    world: World, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    world.add_mail(2)
    monkeypatch.setattr("sandbox.graph.call.link", lambda request, **options: "")
    with pytest.raises(Retry):
        everything(source, world.mailbox, world.inbox())


def test_a_link_to_another_host_is_refused(
    world: World, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "sandbox.graph.call.link", lambda request, **options: "https://evil.example/v1.0/users"
    )
    with pytest.raises(Unavailable, match=r"evil\.example"):
        list(source.hierarchy(world.mailbox, None))


def test_truncated_json_is_read_again_and_never_taken_as_an_empty_list(
    world: World, source: GraphSource
):
    ids = world.add_mail(5)
    world.sandbox.faults.add(Fault(Kind.TRUNCATED, "items/delta", times=2))
    changes, _ = everything(source, world.mailbox, world.inbox())
    assert list(changes) == ids
    world.sandbox.faults.add(Fault(Kind.TRUNCATED, "items/delta", times=99))
    with pytest.raises(Retry, match="broke off"):
        everything(source, world.mailbox, world.inbox())
