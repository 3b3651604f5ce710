"""exchangelib as it is installed, against the sandbox's Exchange Server."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from random import Random

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
    EWSDateTime,
    ExtendedProperty,
    FailFast,
    Folder,
    Message,
    Version,
)
from exchangelib.autodiscover.protocol import AutodiscoverProtocol
from exchangelib.errors import (
    ErrorImpersonateUserDenied,
    ErrorNonExistentMailbox,
    ErrorServerBusy,
    ErrorSyncFolderNotFound,
    UnauthorizedError,
)
from exchangelib.folders import Inbox
from exchangelib.protocol import close_connections
from exchangelib.services import SyncFolderItems

from sandbox.faults import Fault, Kind
from sandbox.items import folder_for, from_mail, home_of
from sandbox.sample_calendar import calendar_of, contacts_of
from sandbox.sample_files import screenshot_png
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


def test_it_finds_out_the_version_and_the_kind_of_sign_in(server: Server):
    configuration = Configuration(
        service_endpoint=server.account.ews_url,
        credentials=Credentials(server.account.user_name, server.account.password),
        retry_policy=FailFast(),
    )
    account = Account(
        server.address, config=configuration, autodiscover=False, access_type=IMPERSONATION
    )
    assert account.version.build.major_version == 15
    assert account.protocol.auth_type == NTLM
    assert account.inbox.total_count == 0


def test_it_asks_autodiscover_where_a_mailbox_is(server: Server):
    configuration = Configuration(
        service_endpoint=server.sandbox.autodiscover_url,
        credentials=Credentials(server.account.user_name, server.account.password),
        auth_type=NTLM,
        retry_policy=FailFast(),
    )
    with closing_protocol(AutodiscoverProtocol(config=configuration)) as protocol:
        found = protocol.get_user_settings(server.address)
        assert (found.ews_url, found.autodiscover_smtp_address) == (
            server.account.ews_url,
            server.address,
        )
        assert found.version.api_version == "Exchange2013_SP1"
        unknown = protocol.get_user_settings("nobody@acme.example")
        with pytest.raises(ErrorNonExistentMailbox):
            unknown.raise_errors()


def test_it_hears_for_how_long_a_server_is_busy(server: Server):
    account = account_of(server)
    server.sandbox.faults.add(Fault(Kind.FAULT, "GetFolder", retry_after=7))
    with pytest.raises(ErrorServerBusy) as busy:
        account.inbox.refresh()
    assert busy.value.back_off == 7


def test_it_resolves_names(server: Server):
    account = account_of(server)
    (found,) = account.protocol.resolve_names(["anna", "nobody"])
    assert found.email_address == server.address


def test_it_reads_archive_recoverable_items_and_public_folders(server: Server):
    server.sandbox.add_archive(server.address)
    server.sandbox.add_mail(server.address, "2019", mail(1), archive=True)
    server.sandbox.add_public_mail("acme.example", "Sales/Offers", mail(2))
    account = account_of(server)
    assert [one.subject for one in (account.archive_msg_folder_root / "2019").all()] == ["Mail 1"]
    offers = account.public_folders_root / "Sales" / "Offers"
    assert [one.subject for one in offers.all()] == ["Mail 2"]
    with pytest.raises(ErrorSyncFolderNotFound):
        list(offers.sync_items())
    assert account.recoverable_items_root.child_folder_count == 1


def test_it_reads_items_of_every_kind_with_all_their_properties(server: Server):
    store = server.sandbox.store
    user = store.user(server.address)
    notes = from_mail(mail(1))
    store.add_item(server.mailbox, store.folder(server.mailbox, "inbox").id, notes)
    for item in [
        *calendar_of(user, [user], 1),
        *contacts_of(screenshot_png("a.png", Random(1), 8, 8)),
    ]:
        home = home_of(item.item_class)
        store.add_item(server.mailbox, folder_for(store, server.mailbox, home), item)
    account = account_of(server)
    kinds = []
    for folder in account.msg_folder_root.walk():
        items = folder.all().values_list("id", "changekey")
        kinds += [type(item).__name__ for item in account.fetch(items)]
    assert set(kinds) == {"Message", "CalendarItem", "Contact", "Task"}


def test_it_loads_attachments(server: Server):
    message = EmailMessage()
    message["Subject"] = "With files"
    message.set_content("Look")
    message.add_attachment(b"PDF" * 1000, maintype="application", subtype="pdf", filename="a.pdf")
    server.sandbox.add_mail(server.address, "Inbox", message.as_bytes())
    (item,) = account_of(server).inbox.all().only("attachments")
    (attached,) = item.attachments
    assert (attached.name, attached.content) == ("a.pdf", b"PDF" * 1000)


def test_it_moves_copies_and_files_items(server: Server):
    account = account_of(server)
    folder = Folder(parent=account.inbox, name="Filed").save()
    server.add_mail(1)
    (item,) = account.inbox.all()
    item.copy(folder)
    item.move(account.drafts)
    counts = [one.all().count() for one in (account.inbox, account.drafts, folder)]
    assert counts == [0, 1, 1]
    folder.name = "Elsewhere"
    folder.save(update_fields=["name"])
    assert (account_of(server).inbox / "Elsewhere").all().count() == 1
    folder.delete()
    assert "Elsewhere" not in [one.name for one in account_of(server).inbox.children]


def test_flags_and_dates_come_back_when_they_are_set_at_creation(server: Server):
    class MessageFlags(ExtendedProperty):
        property_tag = 0x0E07
        property_type = "Integer"

    class DeliveryTime(ExtendedProperty):
        property_tag = 0x0E06
        property_type = "SystemTime"

    Message.register("message_flags", MessageFlags)
    Message.register("delivery_time", DeliveryTime)
    try:
        account = account_of(server)
        received = EWSDateTime(2019, 5, 4, 3, 2, 1, tzinfo=UTC)
        made = Message(
            folder=account.inbox,
            mime_content=mail(7),
            message_flags=0,
            delivery_time=received,
            categories=["Blue", "Ümlaut"],
        )
        made.save()
        (found,) = account.inbox.all()
    finally:
        Message.deregister("message_flags")
        Message.deregister("delivery_time")
    assert (found.is_draft, found.is_read) == (False, False)
    assert found.datetime_received == received
    assert found.categories == ["Blue", "Ümlaut"]


def test_what_is_created_without_flags_is_a_draft(server: Server):
    account = account_of(server)
    Message(folder=account.inbox, mime_content=mail(7)).save()
    assert [item.is_draft for item in account.inbox.all()] == [True]


@contextmanager
def closing_protocol(protocol: AutodiscoverProtocol) -> Iterator[AutodiscoverProtocol]:
    yield protocol
    protocol.close()
