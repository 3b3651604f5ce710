"""A sandbox with an Exchange Server in it, and plain SOAP over httpx that Microsoft's schema
checks in both directions."""

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import httpx
import xmlschema

from sandbox.registration import ServerRegistration
from sandbox.testing import Sandbox

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("STOWAGE_SHARED", REPOSITORY.parent / "shared"))
SCHEMAS = SHARED / "contracts" / "ews"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
ENVELOPE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"
 xmlns="http://schemas.microsoft.com/exchange/services/2006/messages">
<s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/>{header}</s:Header>
<s:Body>{body}</s:Body></s:Envelope>"""
IMPERSONATION = (
    "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{}</t:PrimarySmtpAddress>"
    "</t:ConnectingSID></t:ExchangeImpersonation>"
)
INBOX = '<t:DistinguishedFolderId Id="inbox"/>'
IDS = "<ItemShape><t:BaseShape>IdOnly</t:BaseShape></ItemShape>"


class Schema:
    """Messages.xsd; without it nothing is checked, which the test that needs it says."""

    def __init__(self, *, read: bool = True) -> None:
        self.messages = None
        if read and (SCHEMAS / "Messages.xsd").exists():
            # Messages.xsd imports types.xsd, which only a file system without case finds.
            self.messages = xmlschema.XMLSchema(
                str(SCHEMAS / "Messages.xsd"), locations={T[1:-1]: str(SCHEMAS / "Types.xsd")}
            )

    def check(self, element: Element) -> None:
        if self.messages is not None:
            self.messages.validate(element)


@dataclass
class Server:
    """An Exchange Server with Anna's mailbox, and a client that is signed in and may be anyone."""

    sandbox: Sandbox
    client: httpx.Client
    account: ServerRegistration
    schema: Schema
    address: str = "anna@acme.example"

    def post(self, body: str, address: str | None = None) -> httpx.Response:
        """Send an operation, as Anna unless another address (or "", the account) is given."""
        who = self.address if address is None else address
        header = IMPERSONATION.format(who) if who else ""
        text = ENVELOPE.format(header=header, body=body)
        self.schema.check(ElementTree.fromstring(text).find(BODY)[0])
        return self.client.post(
            self.account.ews_url, content=text, headers={"Content-Type": "text/xml; charset=utf-8"}
        )

    @property
    def mailbox(self) -> str:
        return self.sandbox.store.user(self.address).mailbox

    def call(self, body: str, address: str | None = None, *, checked: bool = True) -> Element:
        """The answer's only element, checked against the schema."""
        answer = self.post(body, address)
        assert answer.status_code == 200, answer.text
        found = ElementTree.fromstring(answer.content).find(BODY)[0]
        if checked:
            self.schema.check(found)
        return found

    def fault(self, body: str, address: str | None = None) -> str:
        """The response code of a SOAP fault."""
        answer = self.post(body, address)
        assert answer.status_code == 500, answer.text
        return re.search(r"ResponseCode>(\w+)<", answer.text)[1]

    def add_mail(self, number: int, folder: str = "Inbox", body: str = "Hello") -> str:
        """The store's id of a new message."""
        return self.sandbox.add_mail(self.address, folder, mail(number, body)).id


def get_folder(name: str) -> str:
    return (
        "<GetFolder><FolderShape><t:BaseShape>Default</t:BaseShape></FolderShape>"
        f'<FolderIds><t:DistinguishedFolderId Id="{name}"/></FolderIds></GetFolder>'
    )


def sync(folder: str = INBOX, state: str = "", limit: int = 512) -> str:
    given = f"<SyncState>{state}</SyncState>" if state else ""
    return (
        f"<SyncFolderItems>{IDS}<SyncFolderId>{folder}</SyncFolderId>{given}"
        f"<MaxChangesReturned>{limit}</MaxChangesReturned></SyncFolderItems>"
    )


def find(folder: str = INBOX) -> str:
    return (
        f'<FindItem Traversal="Shallow">{IDS}<ParentFolderIds>{folder}</ParentFolderIds></FindItem>'
    )


def export(*identities: str) -> str:
    listed = "".join(f'<t:ItemId Id="{identity}"/>' for identity in identities)
    return f"<ExportItems><ItemIds>{listed}</ItemIds></ExportItems>"


def get_item(identity: str, more: str = "") -> str:
    return (
        f"<GetItem><ItemShape><t:BaseShape>Default</t:BaseShape>{more}</ItemShape>"
        f'<ItemIds><t:ItemId Id="{identity}"/></ItemIds></GetItem>'
    )


def distinguished(name: str) -> str:
    return f'<t:DistinguishedFolderId Id="{name}"/>'


def find_folder(parent: str, traversal: str = "Shallow") -> str:
    return (
        f'<FindFolder Traversal="{traversal}"><FolderShape><t:BaseShape>Default</t:BaseShape>'
        "<t:AdditionalProperties>"
        '<t:FieldURI FieldURI="folder:DistinguishedFolderId"/>'
        '<t:FieldURI FieldURI="folder:ParentFolderId"/>'
        f"</t:AdditionalProperties></FolderShape><ParentFolderIds>{parent}</ParentFolderIds>"
        "</FindFolder>"
    )


def upload(
    folder_id: str, payload: bytes, more: str = 'CreateAction="CreateNew"', item: str = ""
) -> str:
    data = base64.b64encode(payload).decode()
    return (
        f"<UploadItems><Items><t:Item {more}>"
        f"{folder_id.replace('t:FolderId', 't:ParentFolderId')}{item}<t:Data>{data}</t:Data>"
        "</t:Item></Items></UploadItems>"
    )


def state_of(answer: Element) -> str:
    return next(answer.iter(f"{M}SyncState")).text


def mail(number: int, body: str = "Hello") -> bytes:
    return (
        f"From: Ravi <ravi@acme.example>\r\nTo: anna@acme.example\r\nSubject: Mail {number}\r\n"
        f"Message-ID: <{number}@acme.example>\r\n"
        f"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n\r\n{body}\r\n"
    ).encode()


def codes(answer: Element) -> list[str]:
    return [one.text for one in answer.iter(f"{M}ResponseCode")]


def ids(answer: Element) -> list[str]:
    return [one.get("Id") for one in answer.iter(f"{T}ItemId")]
