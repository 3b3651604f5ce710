"""A mailbox on an organization's own Exchange Server, and sources that reach it."""

import itertools
from dataclasses import dataclass, field, replace

from backups.sources import ExportedItem, ItemChange, MailboxSource, SourceFolder
from backups.sources.ews import Auth, BackOff, EwsSettings, EwsSource
from sandbox.testing import Sandbox
from tests.sources.letters import mail

DOMAIN = "acme.example"
_numbers = itertools.count(1)


@dataclass
class Server:
    sandbox: Sandbox
    settings: EwsSettings
    address: str
    mailbox: str
    now: float = 1_000.0
    sources: list[EwsSource] = field(default_factory=list)

    def connect(self, **changes: object) -> EwsSource:
        """A source whose clock stands still until ``now`` is moved."""
        settings = replace(self.settings, **changes)
        source = EwsSource(settings, BackOff(clock=lambda: self.now))
        self.sources.append(source)
        return source

    def add_mail(self, count: int = 1, folder: str = "Inbox", body: str = "Hello") -> list[str]:
        """Store ids of new messages."""
        return [
            self.sandbox.add_mail(self.address, folder, mail(next(_numbers), body)).id
            for _ in range(count)
        ]

    def payloads(self, *ids: str) -> set[bytes]:
        return {self.sandbox.store.payload(self.mailbox, item) for item in ids}

    def message_id(self, item: str) -> str:
        return self.sandbox.store.item(self.mailbox, item).message_id

    def another(self) -> str:
        """The address of one more mailbox on the server."""
        return self.sandbox.add_mailbox(f"copy.{self.address}", on_server=True).address


def serve(sandbox: Sandbox) -> Server:
    address = f"server{next(_numbers)}@{DOMAIN}"
    user = sandbox.add_mailbox(address, on_server=True)
    account = sandbox.register_server_account(DOMAIN)
    settings = EwsSettings(
        account.ews_url,
        account.user_name,
        account.password,
        Auth.BASIC,
        addresses=(address,),
        trust_pem=account.trust_pem,
    )
    return Server(sandbox, settings, address, user.mailbox)


def folders(source: MailboxSource, mailbox: str) -> dict[str, SourceFolder]:
    """Folders by their well-known name, or by name."""
    found = [f for page in source.hierarchy(mailbox, None) for f in page.folders]
    return {folder.well_known or folder.name: folder for folder in found}


def listed(source: MailboxSource, mailbox: str, folder: str = "inbox") -> list[ItemChange]:
    place = folders(source, mailbox)[folder].id
    return [one for page in source.changes(mailbox, place, None) for one in page.changes]


def payloads_of(items: list[ExportedItem]) -> set[bytes]:
    assert [item.error for item in items if item.error] == []
    return {bytes(item.payload) for item in items}
