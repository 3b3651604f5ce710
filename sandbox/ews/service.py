"""Exchange.asmx: envelopes in and out, who acts for whom, and which operation does what.

Autodiscover beside it takes the same sign-in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from xml.etree.ElementTree import Element

from sandbox.ews import attachments, folders, items, names, transfer, writing
from sandbox.ews.autodiscover import AUTODISCOVER_PATH, user_settings
from sandbox.ews.call import MARK, Call, single_error
from sandbox.ews.errors import EwsError, SoapFault
from sandbox.ews.sign_in import Refused, ServerCaller, SignIn
from sandbox.ews.sync import States, sync_folder_hierarchy, sync_folder_items
from sandbox.ews.xml import XmlError, child, local_name, parse, soap, text_of, to_bytes, types
from sandbox.faults import Fault, Faults, Kind
from sandbox.http import Request, Response
from sandbox.records import NotFound, User
from sandbox.store import Store
from sandbox.tokens import Authority

PATHS = (("ews", "exchange.asmx"), AUTODISCOVER_PATH)
"""What is answered, in lower case."""

_OPERATIONS: dict[str, Callable[[Call], Element]] = {
    "GetFolder": folders.get_folder,
    "FindFolder": folders.find_folder,
    "CreateFolder": folders.create_folder,
    "UpdateFolder": folders.update_folder,
    "DeleteFolder": folders.delete_folder,
    "FindItem": items.find_item,
    "GetItem": items.get_item,
    "CreateItem": writing.create_item,
    "UpdateItem": writing.update_item,
    "DeleteItem": writing.delete_item,
    "MoveItem": writing.move_item,
    "CopyItem": writing.copy_item,
    "GetAttachment": attachments.get_attachment,
    "ResolveNames": names.resolve_names,
    "ConvertId": names.convert_id,
}
_WITHOUT_MAILBOX = frozenset({"ResolveNames", "ConvertId"})
_BULK: dict[str, Callable[[Call], Element]] = {
    "ExportItems": transfer.export_items,
    "UploadItems": transfer.upload_items,
}
"""What servers before 2010 SP1, and servers that are not Exchange, do not have."""


_SECOND = re.compile(rb"(\dT\d\d:\d\d:\d\d)Z")
_ENCLOSED = re.compile(rf"{MARK}\d+-[0-9a-f]+;".encode("ascii"))


@dataclass(frozen=True, slots=True)
class _Version:
    major: int
    minor: int
    build: int
    name: str


_NEW = _Version(*transfer.SERVER_BUILD, "V2017_07_11")
_OLD = _Version(14, 0, 639, "Exchange2010")


class Ews:
    """Answers calls of Exchange.asmx. What goes wrong is a SOAP fault or an error in an answer."""

    def __init__(self, store: Store, authority: Authority, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._sign_in = SignIn(store, authority)
        states = States(store.secret("sync state key"))
        self._handlers: dict[str, Callable[[Call], Element]] = {
            **_OPERATIONS,
            **_BULK,
            "SyncFolderHierarchy": partial(sync_folder_hierarchy, states=states),
            "SyncFolderItems": partial(sync_folder_items, states=states),
        }

    def caller(self, request: Request) -> ServerCaller | Response:
        """Who calls, or the answer that says how to sign in."""
        try:
            return self._sign_in.caller(request)
        except Refused as refused:
            return refused.response

    def answer(self, request: Request, caller: ServerCaller, fault: Fault | None) -> Response:
        if tuple(request.path.lower().strip("/").split("/")) == AUTODISCOVER_PATH:
            return user_settings(self._store, request, caller)
        version = _NEW if self._store.has_bulk_transfer(caller.directory) else _OLD
        try:
            if fault and fault.kind is Kind.FAULT:
                raise _scripted(fault)
            header, operation = _read(request.body)
            user = self._acting(header, caller, local_name(operation))
            call = Call(operation, self._store, self._faults, fault, caller.directory, user)
            content = _envelope(self._called(call), version)
        except SoapFault as error:
            return _response([_envelope(error.to_element(), version)], 500)
        if call.strikes(Kind.NINE_DIGITS):
            content = _SECOND.sub(rb"\1.123456789Z", content)
        return _response(list(_with_enclosed(content, call)))

    def _called(self, call: Call) -> Element:
        handler = self._handlers.get(call.name)
        if call.name in _BULK and not self._store.has_bulk_transfer(call.directory):
            handler = None
        if handler is None:
            raise SoapFault("ErrorInvalidOperation", f"The operation {call.name} is not known.")
        try:
            return handler(call)
        except SoapFault:
            raise
        except NotFound:
            return single_error(call, EwsError("ErrorItemNotFound"))
        except (IndexError, ValueError) as error:
            # Requests are not checked against the schema: what it forbids comes apart in here.
            message = f"The request failed schema validation: {error}"
            raise SoapFault("ErrorSchemaValidation", message) from error
        except EwsError as error:
            # The request as a whole names what is not there, such as the folder to save into.
            return single_error(call, error)

    def _acting(self, header: Element | None, caller: ServerCaller, operation: str) -> User:
        """As whom the request is made. Raises SoapFault."""
        address = _impersonated(header)
        if address and not caller.impersonates and address.lower() != caller.address.lower():
            raise SoapFault("ErrorImpersonateUserDenied")
        if not address and operation in _WITHOUT_MAILBOX:
            return User(0, caller.directory, "", caller.address, caller.address, None, None)
        try:
            user = self._store.user(address or caller.address)
        except NotFound:
            raise SoapFault("ErrorNonExistentMailbox") from None
        if user.directory != caller.directory:
            raise SoapFault("ErrorImpersonateUserDenied")
        if user.mailbox is None or not self._store.is_on_server(user.mailbox):
            raise SoapFault("ErrorNonExistentMailbox")
        return user


def _impersonated(header: Element | None) -> str:
    found = child(header, "ExchangeImpersonation") if header is not None else None
    who = child(found, "ConnectingSID") if found is not None else None
    if who is None:
        return ""
    address = text_of(who, "PrimarySmtpAddress") or text_of(who, "SmtpAddress")
    return address or text_of(who, "PrincipalName")


def _read(body: bytes) -> tuple[Element | None, Element]:
    """(header, operation) of an envelope. Raises SoapFault."""
    try:
        envelope = parse(body)
    except XmlError as error:
        raise SoapFault("ErrorSchemaValidation", str(error)) from error
    content = child(envelope, "Body")
    if local_name(envelope) != "Envelope" or content is None or not len(content):
        raise SoapFault("ErrorSchemaValidation", "The request is no SOAP envelope with a body.")
    return child(envelope, "Header"), content[0]


def _scripted(fault: Fault) -> SoapFault:
    values = {}
    if fault.retry_after is not None:
        values["BackOffMilliseconds"] = str(fault.retry_after * 1000)
    return SoapFault(fault.code or "ErrorServerBusy", values=values)


def _envelope(body: Element, version: _Version) -> bytes:
    info = types(
        "ServerVersionInfo",
        MajorVersion=str(version.major),
        MinorVersion=str(version.minor),
        MajorBuildNumber=str(version.build),
        MinorBuildNumber="4",
        Version=version.name,
    )
    return to_bytes(soap("Envelope", soap("Header", info), soap("Body", body)))


def _with_enclosed(content: bytes, call: Call) -> Iterator[bytes]:
    """The answer in pieces, each mark replaced by what it stands for."""
    position = 0
    for found in _ENCLOSED.finditer(content):
        enclosed = call.enclosed.get(found[0].decode("ascii"))
        if enclosed is not None:
            yield content[position : found.start()]
            yield enclosed
            position = found.end()
    yield content[position:]


def _response(pieces: list[bytes], status: int = 200) -> Response:
    return Response(status, pieces, {"Content-Type": "text/xml; charset=utf-8"})
