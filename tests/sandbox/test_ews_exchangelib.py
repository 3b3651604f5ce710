"""exchangelib as it is installed, against the sandbox's Exchange Server."""

import base64
from collections.abc import Iterator

import pytest
from exchangelib import (
    BASIC,
    DELEGATE,
    IMPERSONATION,
    NTLM,
    UTC,
    Account,
    Build,
    Configuration,
    Credentials,
    FailFast,
    Message,
    Version,
)
from exchangelib.errors import ErrorImpersonateUserDenied, UnauthorizedError
from exchangelib.folders import Inbox
from exchangelib.protocol import close_connections
from exchangelib.services import SyncFolderItems

from tests.sandbox.ews import Server, mail


@pytest.fixture(autouse=True)
def trust(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.sandbox.folder / "ca.pem"))
    yield
    close_connections()


def account_of(
    server: Server,
    address: str = "anna@acme.example",
    *,
    auth_type: str = BASIC,
    access_type: str = IMPERSONATION,
    user_name: str = "",
    password: str = "",
) -> Account:
    configuration = Configuration(
        service_endpoint=server.account.ews_url,
        credentials=Credentials(
            user_name or server.account.user_name, password or server.account.password
        ),
        auth_type=auth_type,
        version=Version(Build(15, 2), "Exchange2016"),
        retry_policy=FailFast(),
    )
    return Account(
        address,
        config=configuration,
        autodiscover=False,
        access_type=access_type,
        default_timezone=UTC,
    )


@pytest.mark.parametrize("auth_type", [BASIC, NTLM])
def test_it_signs_in_and_impersonates(server: Server, auth_type: str):
    server.add_mail(1)
    assert [item.subject for item in account_of(server, auth_type=auth_type).inbox.all()] == [
        "Mail 1"
    ]


def test_ntlm_takes_a_domain_and_a_name(server: Server):
    account = account_of(server, auth_type=NTLM, user_name="ACME\\stowage")
    assert account.inbox.total_count == 0


@pytest.mark.parametrize("auth_type", [BASIC, NTLM])
def test_a_wrong_password_is_refused(server: Server, auth_type: str):
    with pytest.raises(UnauthorizedError):
        account_of(server, auth_type=auth_type, password="wrong").inbox.refresh()


def test_nobody_impersonates_without_the_right(server: Server):
    plain = server.sandbox.register_server_account("acme.example", "plain", impersonates=False)
    account = account_of(server, user_name=plain.user_name, password=plain.password)
    with pytest.raises(ErrorImpersonateUserDenied):
        account.inbox.refresh()


def test_an_account_reaches_its_own_mailbox_without_impersonation(server: Server):
    own = server.sandbox.register_server_account("acme.example", "anna", impersonates=False)
    server.add_mail(1)
    account = account_of(
        server, access_type=DELEGATE, user_name=own.user_name, password=own.password
    )
    assert account.inbox.all().count() == 1


def test_it_walks_the_folders_of_a_mailbox(server: Server):
    server.add_mail(1, "Inbox/Projects/2026")
    account = account_of(server)
    paths = {folder.absolute for folder in account.root.walk()}
    assert "/root/Top of Information Store/Inbox/Projects/2026" in paths
    assert "/root/Recoverable Items/Deletions" in paths
    assert isinstance(account.inbox, Inbox)
    assert account.inbox.parent == account.msg_folder_root
    projects = account.inbox / "Projects" / "2026"
    assert [item.subject for item in projects.all()] == ["Mail 1"]


def test_it_follows_changes_of_folders(server: Server):
    account = account_of(server)
    folder = account.msg_folder_root
    assert {"Inbox", "Calendar"} <= {one.name for _, one in folder.sync_hierarchy()}
    server.sandbox.store.folder_at(server.mailbox, "Inbox/New")
    changes = list(folder.sync_hierarchy(folder.folder_sync_state))
    assert [(kind, one.name) for kind, one in changes] == [("create", "New")]


def test_it_follows_changes_of_items_page_by_page(server: Server):
    stored = [server.add_mail(number) for number in range(5)]
    account = account_of(server)
    state, kinds, pages = None, [], 0
    service = SyncFolderItems(account=account)
    while True:
        found = list(
            service.call(
                folder=account.inbox,
                shape="IdOnly",
                additional_fields=None,
                sync_state=state,
                ignore=None,
                max_changes_returned=2,
                sync_scope=None,
            )
        )
        kinds += [kind for kind, _ in found]
        state, pages = service.sync_state, pages + 1
        if service.includes_last_item_in_range:
            break
    assert (kinds, pages) == (["create"] * 5, 3)

    inbox = account.inbox
    inbox.item_sync_state = state
    first, second, *_ = inbox.all().order_by("subject")
    first.is_read = True
    first.save(update_fields=["is_read"])
    second.subject = "Another"
    second.save(update_fields=["subject"])
    server.sandbox.store.delete_item(server.mailbox, stored[-1], hard=True)
    server.add_mail(9)
    changes = [kind for kind, _ in inbox.sync_items(state, only_fields=["subject"])]
    assert changes == ["read_flag_change", "update", "delete", "create"]


def test_what_it_exports_is_what_the_store_holds_and_what_it_uploads_is_kept(server: Server):
    identity = server.add_mail(1)
    account = account_of(server)
    (data,) = account.export(account.inbox.all().only("id", "changekey"))
    payload = server.sandbox.store.payload(server.mailbox, identity)
    assert base64.b64decode(data, validate=True) == payload
    account.upload([(account.drafts, data)])
    (copy,) = account.drafts.all()
    assert copy.subject == "Mail 1"
    assert copy.message_id == "<1@acme.example>"


def test_it_reads_the_mime_content_and_the_parts_of_a_message(server: Server):
    server.add_mail(1)
    account = account_of(server)
    (item,) = account.fetch(account.inbox.all().values_list("id", "changekey"))
    assert b"Subject: Mail 1" in item.mime_content
    assert item.sender.email_address == "ravi@acme.example"
    assert [one.email_address for one in item.to_recipients] == ["anna@acme.example"]
    assert "Hello" in item.body


def test_it_creates_a_message_from_mime_and_deletes_it(server: Server):
    account = account_of(server)
    made = Message(folder=account.inbox, mime_content=mail(7), is_read=False).save()
    (found,) = account.inbox.filter(message_id="<7@acme.example>")
    assert (found.id, found.subject, found.is_read) == (made.id, "Mail 7", False)
    found.soft_delete()
    assert account.inbox.all().count() == 0
    assert account.recoverable_items_deletions.all().count() == 1
