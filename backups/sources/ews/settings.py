"""How to reach an organization's Exchange Server."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from backups.sources.addresses import Resolve, addresses_of
from backups.sources.tokens import SignIn


class Auth(enum.StrEnum):
    NTLM = "ntlm"
    BASIC = "basic"
    OAUTH = "oauth"


@dataclass(frozen=True, slots=True)
class EwsSettings:
    """``url`` is the https address of Exchange.asmx. ``account`` is the service account, as
    ``DOMAIN\\name`` or an address; with ``Auth.OAUTH`` it is not used and ``sign_in`` is.

    ``addresses`` are the mailboxes of the organization: Exchange Server has no list of them that
    a service account may read. ``public_folders_through`` is the address of a mailbox that sees
    the public folders to be backed up, "" for none. Without ``impersonation`` the account opens
    only its own mailbox. ``trust_pem`` replaces the public roots, ``proxy_url`` the proxies of the
    environment. ``resolve`` gives the addresses of a host that is to be connected to, and raises
    SourceError for one that may not be; proxies of the environment are not asked about.

    Raises ValueError for another address than https, and for settings that contradict each other.
    """

    url: str
    account: str = ""
    password: str = field(default="", repr=False)
    auth: Auth = Auth.NTLM
    sign_in: SignIn | None = None
    addresses: tuple[str, ...] = ()
    public_folders_through: str = ""
    impersonation: bool = True
    trust_pem: str | None = None
    resolve: Resolve = addresses_of
    proxy_url: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise ValueError("url must be an https address without a user")
        if (self.auth is Auth.OAUTH) != (self.sign_in is not None):
            raise ValueError("OAuth, and nothing else, takes a sign_in")
        if self.auth is not Auth.OAUTH and not (self.account and self.password):
            raise ValueError(f"{self.auth} takes an account and its password")
