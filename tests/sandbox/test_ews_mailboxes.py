"""What an Exchange Server has beside the primary mailbox, and how mailboxes move to the cloud."""

import base64

import pytest

from backups.streams import normalised_digest
from sandbox.items import from_mail
from tests.sandbox.conftest import client_for, sign_in
from tests.sandbox.ews import (
    M,
    Server,
    T,
    codes,
    distinguished,
    export,
    find,
    find_folder,
    get_folder,
    get_item,
    ids,
    mail,
    state_of,
    sync,
    upload,
)


def sync_folders(parent: str, state: str = "") -> str:
    given = f"<SyncState>{state}</SyncState>" if state else ""
    return (
        "<SyncFolderHierarchy><FolderShape><t:BaseShape>Default</t:BaseShape></FolderShape>"
        f"<SyncFolderId>{parent}</SyncFolderId>{given}</SyncFolderHierarchy>"
    )


def names(answer) -> list[str]:
    return [one.text for one in answer.iter(f"{T}DisplayName")]


def folder_named(server: Server, parent: str, name: str) -> str:
    answer = server.call(find_folder(distinguished(parent), "Deep"))
    for element in answer.iter(f"{T}Folder"):
        if element.find(f"{T}DisplayName").text == name:
            return f'<t:FolderId Id="{element.find(f"{T}FolderId").get("Id")}"/>'
    raise AssertionError(f"no folder {name}")


def test_an_archive_has_folders_of_its_own_under_names_of_its_own(server: Server):
    server.sandbox.add_archive(server.address)
    server.sandbox.add_mail(server.address, "2019/Old", mail(1), archive=True)
    listed = server.call(find_folder(distinguished("archivemsgfolderroot"), "Deep"))
    assert names(listed) == ["Deleted Items", "2019", "Old"]
    wellknown = [one.text for one in listed.iter(f"{T}DistinguishedFolderId")]
    assert wellknown == ["archivedeleteditems"]
    old = folder_named(server, "archivemsgfolderroot", "Old")
    assert len(ids(server.call(sync(old)))) == 1
    assert "2019" not in names(server.call(find_folder(distinguished("msgfolderroot"), "Deep")))
    synced = server.call(sync_folders(distinguished("archivemsgfolderroot")))
    assert names(synced) == ["Deleted Items", "2019", "Old"]


def test_what_is_deleted_softly_is_under_the_root_of_recoverable_items(server: Server):
    server.add_mail(1)
    (name,) = ids(server.call(find()))
    server.call(
        f'<DeleteItem DeleteType="SoftDelete"><ItemIds><t:ItemId Id="{name}"/></ItemIds>'
        "</DeleteItem>"
    )
    listed = server.call(find_folder(distinguished("recoverableitemsroot")))
    assert names(listed) == ["Deletions"]
    assert len(ids(server.call(find(distinguished("recoverableitemsdeletions"))))) == 1
    assert ids(server.call(find())) == []


def test_public_folders_are_read_level_by_level_and_never_synchronized(server: Server):
    assert codes(server.call(get_folder("publicfoldersroot"))) == [
        "ErrorNoPublicFolderServerAvailable"
    ]
    server.sandbox.add_public_mail("acme.example", "Sales/Offers", mail(1))
    root = distinguished("publicfoldersroot")
    top = server.call(find_folder(root))
    assert names(top) == ["Sales"]
    assert codes(server.call(find_folder(root, "Deep"))) == ["ErrorInvalidOperation"]
    sales = f'<t:FolderId Id="{next(top.iter(f"{T}FolderId")).get("Id")}"/>'
    below = server.call(find_folder(sales))
    assert names(below) == ["Offers"]
    offers = f'<t:FolderId Id="{next(below.iter(f"{T}FolderId")).get("Id")}"/>'
    assert len(ids(server.call(find(offers)))) == 1
    assert codes(server.call(sync(offers))) == ["ErrorSyncFolderNotFound"]
    assert codes(server.call(sync_folders(root))) == ["ErrorSyncFolderNotFound"]


def test_folders_that_come_change_and_go_are_told(server: Server):
    top = distinguished("msgfolderroot")
    state = state_of(server.call(sync_folders(top)))
    store = server.sandbox.store
    old = store.folder_at(server.mailbox, "Old")
    assert names(server.call(sync_folders(top, state))) == ["Old"]
    state = state_of(server.call(sync_folders(top, state)))
    old_id = folder_named(server, "msgfolderroot", "Old")
    server.call(
        f"<UpdateFolder><FolderChanges><t:FolderChange>{old_id}<t:Updates><t:SetFolderField>"
        '<t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>New</t:DisplayName>'
        "</t:Folder></t:SetFolderField></t:Updates></t:FolderChange></FolderChanges>"
        "</UpdateFolder>"
    )
    changed = server.call(sync_folders(top, state))
    assert [one.tag for one in next(changed.iter(f"{M}Changes"))] == [f"{T}Update"]
    assert names(changed) == ["New"]
    store.remove_folder(server.mailbox, old.id)
    gone = server.call(sync_folders(top, state_of(changed)))
    assert [one.tag for one in next(gone.iter(f"{M}Changes"))] == [f"{T}Delete"]


def test_what_is_uploaded_is_the_same_item_with_the_servers_own_dates(server: Server):
    new = from_mail(mail(1))
    drafts = folder_named(server, "msgfolderroot", "Drafts")
    answer = server.call(upload(drafts, new.payload))
    (name,) = [one.get("Id") for one in answer.iter(f"{M}ItemId")]
    data = next(server.call(export(name)).iter(f"{M}Data")).text
    stored = base64.b64decode(data)
    assert stored != new.payload
    assert normalised_digest(stored) == normalised_digest(new.payload)


def test_an_upload_may_update_or_create(server: Server):
    server.add_mail(1)
    (name,) = ids(server.call(find()))
    inbox = folder_named(server, "msgfolderroot", "Inbox")
    other = from_mail(mail(2)).payload
    named = f'<t:ItemId Id="{name}"/>'
    updated = server.call(upload(inbox, other, 'CreateAction="Update"', named))
    assert [one.get("Id") for one in updated.iter(f"{M}ItemId")] == [name]
    assert "Mail 2" in [one.text for one in server.call(get_item(name)).iter(f"{T}Subject")]

    stale = f'<t:ItemId Id="{name}" ChangeKey="{key_of(server, name)}"/>'
    server.call(upload(inbox, other, 'CreateAction="Update"', named))
    assert codes(server.call(upload(inbox, other, 'CreateAction="Update"', stale))) == [
        "ErrorIrresolvableConflict"
    ]
    server.sandbox.store.delete_item(
        server.mailbox, server.sandbox.store.items(inbox_id(server))[0].id, hard=True
    )
    assert codes(server.call(upload(inbox, other, 'CreateAction="Update"', named))) == [
        "ErrorItemNotFound"
    ]
    made = server.call(upload(inbox, other, 'CreateAction="UpdateOrCreate"', named))
    assert codes(made) == ["NoError"]
    assert [one.get("Id") for one in made.iter(f"{M}ItemId")] != [name]


def test_a_stream_that_is_none_is_refused(server: Server):
    inbox = folder_named(server, "msgfolderroot", "Inbox")
    assert codes(server.call(upload(inbox, b"nonsense"))) == ["ErrorCorruptData"]


def test_associated_items_are_not_among_the_others(server: Server):
    server.add_mail(1)
    inbox = folder_named(server, "msgfolderroot", "Inbox")
    rule = from_mail(mail(2)).payload
    server.call(upload(inbox, rule, 'CreateAction="CreateNew" IsAssociated="true"'))
    assert len(ids(server.call(find()))) == 1
    assert len(ids(server.call(sync()))) == 1
    associated = find().replace("Shallow", "Associated")
    assert len(ids(server.call(associated))) == 1
    assert next(server.call(get_folder("inbox")).iter(f"{T}TotalCount")).text == "1"


def test_graph_and_the_server_never_have_the_same_mailbox(server: Server):
    registration = server.sandbox.register("acme.example")
    with client_for(server.sandbox) as graph:
        graph.headers["Authorization"] = f"Bearer {sign_in(graph, registration)}"
        settings = f"/v1.0/users/{server.address}/settings/exchange"
        folders = f"/v1.0/admin/exchange/mailboxes/{server.mailbox}/folders"
        for path in (settings, folders):
            refused = graph.get(path)
            assert refused.status_code == 404
            assert refused.json()["error"]["code"] == "MailboxNotEnabledForRESTAPI"
        server.sandbox.move_mailbox(server.address, to_server=False)
        assert graph.get(settings).json()["primaryMailboxId"] == server.mailbox
        assert graph.get(folders).status_code == 200
        assert server.fault(get_folder("inbox")) == "ErrorNonExistentMailbox"


@pytest.mark.parametrize(
    "element",
    [
        "<t:IsEqualTo>{}{}</t:IsEqualTo>",
        "<t:Or><t:IsEqualTo>{}{}</t:IsEqualTo>"
        '<t:IsEqualTo>{}<t:FieldURIOrConstant><t:Constant Value="no"/></t:FieldURIOrConstant>'
        "</t:IsEqualTo></t:Or>",
        "<t:Not><t:IsNotEqualTo>{}{}</t:IsNotEqualTo></t:Not>",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        '<t:ExtendedFieldURI PropertyTag="0x1035" PropertyType="String"/>',
        '<t:FieldURI FieldURI="message:InternetMessageId"/>',
    ],
)
def test_an_item_is_found_by_its_message_id(server: Server, element: str, path: str):
    for number in range(3):
        server.add_mail(number)
    constant = '<t:FieldURIOrConstant><t:Constant Value="&lt;1@acme.example>"/>'
    condition = element.format(path, f"{constant}</t:FieldURIOrConstant>", path)
    body = find().replace(
        "<ParentFolderIds>", f"<Restriction>{condition}</Restriction><ParentFolderIds>"
    )
    (found,) = ids(server.call(body))
    assert next(server.call(get_item(found)).iter(f"{T}Subject")).text == "Mail 1"


def key_of(server: Server, name: str) -> str:
    answer = server.call(get_item(name))
    return next(answer.iter(f"{T}ItemId")).get("ChangeKey")


def inbox_id(server: Server) -> str:
    return server.sandbox.store.folder(server.mailbox, "inbox").id


def test_items_come_in_the_order_that_is_asked_for(server: Server):
    for number in (2, 3, 1):
        server.add_mail(number)
    order = (
        '<SortOrder><t:FieldOrder Order="{}"><t:FieldURI FieldURI="item:Subject"/></t:FieldOrder>'
        "</SortOrder><ParentFolderIds>"
    )
    shape = '</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="item:Subject"/>'
    for direction, wanted in (("Ascending", "123"), ("Descending", "321")):
        body = find().replace("<ParentFolderIds>", order.format(direction))
        body = body.replace("</t:BaseShape>", f"{shape}</t:AdditionalProperties>")
        subjects = [one.text for one in server.call(body).iter(f"{T}Subject")]
        assert subjects == [f"Mail {number}" for number in wanted]


def test_a_folder_is_found_by_its_name(server: Server):
    condition = (
        '<Restriction><t:IsEqualTo><t:FieldURI FieldURI="folder:DisplayName"/>'
        '<t:FieldURIOrConstant><t:Constant Value="Drafts"/></t:FieldURIOrConstant></t:IsEqualTo>'
        "</Restriction><ParentFolderIds>"
    )
    body = find_folder(distinguished("msgfolderroot")).replace("<ParentFolderIds>", condition)
    assert names(server.call(body)) == ["Drafts"]


def test_changes_of_items_to_ignore_are_left_out(server: Server):
    for number in range(3):
        server.add_mail(number)
    first, *others = ids(server.call(sync()))
    ignore = f'<Ignore><t:ItemId Id="{first}"/></Ignore><MaxChangesReturned>'
    assert ids(server.call(sync().replace("<MaxChangesReturned>", ignore))) == others


def test_what_is_deleted_in_a_public_folder_is_gone(server: Server):
    server.sandbox.add_public_mail("acme.example", "Sales", mail(1))
    top = server.call(find_folder(distinguished("publicfoldersroot")))
    sales = f'<t:FolderId Id="{next(top.iter(f"{T}FolderId")).get("Id")}"/>'
    (name,) = ids(server.call(find(sales)))
    body = (
        f'<DeleteItem DeleteType="MoveToDeletedItems"><ItemIds><t:ItemId Id="{name}"/></ItemIds>'
        "</DeleteItem>"
    )
    assert codes(server.call(body)) == ["NoError"]
    assert ids(server.call(find(sales))) == []
