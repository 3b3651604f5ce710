"""One call of an operation: as whom, in which mailboxes, and how folders and items are named."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from sandbox import identifiers
from sandbox.ews.errors import EwsError, SoapFault, error_message, success_message
from sandbox.ews.ids import Reference, mailbox_guid, read_id
from sandbox.ews.xml import child, local_name, messages, text_of, types
from sandbox.faults import Fault, Faults, Kind
from sandbox.records import ROOTS, Folder, Item, NotFound, User
from sandbox.store import Store

MARK = "enclosed-"
PUBLIC_ROOT = "publicfoldersroot"


@dataclass(frozen=True, slots=True)
class Call:
    """``user`` is who the request acts as: the impersonated person or the account itself.

    ``fault`` is what the whole request runs into, if it is one that its handler carries out.
    """

    operation: Element
    store: Store
    faults: Faults
    fault: Fault | None
    directory: str
    user: User
    enclosed: dict[str, bytes] = field(default_factory=dict)
    """Large texts of the answer, by the mark that stands in their place."""

    def enclose(self, text: bytes) -> str:
        """A mark for a large text: an item of hundreds of megabytes is not copied into the tree."""
        mark = f"{MARK}{len(self.enclosed)}-{secrets.token_hex(8)};"
        self.enclosed[mark] = text
        return mark

    @property
    def name(self) -> str:
        return local_name(self.operation)

    def strikes(self, kind: Kind) -> bool:
        """Whether the request runs into a fault of that kind."""
        return self.fault is not None and self.fault.kind is kind

    @property
    def mailbox(self) -> str:
        return self.user.mailbox or ""

    def required(self, name: str) -> Element:
        """A child of the operation. Raises SoapFault ErrorSchemaValidation without it."""
        found = child(self.operation, name)
        if found is None:
            message = f"The request failed schema validation: {self.name} needs {name}."
            raise SoapFault("ErrorSchemaValidation", message)
        return found

    def is_public(self, mailbox: str) -> bool:
        return mailbox == self.store.public_folders_of(self.directory)

    def archive(self) -> str | None:
        return self.store.archive_of(self.mailbox)

    def folder(self, named: Element) -> Folder:
        """The folder of a FolderId or DistinguishedFolderId. Raises EwsError."""
        try:
            if local_name(named) == "DistinguishedFolderId":
                self._check_owner(named)
                return self._distinguished(named.get("Id", ""))
            mailbox, identity = self._own(read_id(named.get("Id", "")))
            if identity == root_id(mailbox):
                return root_of(mailbox)
            return self.store.folder(mailbox, identity)
        except NotFound:
            raise EwsError("ErrorFolderNotFound") from None

    def item(self, named: Element) -> Item:
        """The item of an ItemId. Raises EwsError."""
        mailbox, identity = self._own(read_id(named.get("Id", "")))
        try:
            return self.store.item(mailbox, identity)
        except NotFound:
            raise EwsError("ErrorItemNotFound") from None

    def below(self, folder: Folder) -> list[Folder]:
        """Everything under a folder, parents before children."""
        listed = self.store.folders(folder.mailbox)
        if folder.number == 0:
            return listed
        inside = {folder.id}
        found = []
        for one in listed:
            if one.parent in inside:
                inside.add(one.id)
                found.append(one)
        return found

    def _distinguished(self, name: str) -> Folder:
        if name == PUBLIC_ROOT:
            public = self.store.public_folders_of(self.directory)
            if public is None:
                raise EwsError("ErrorNoPublicFolderServerAvailable", "There is no public folder.")
            return self.store.folder(public, name)
        mailbox, key = self.mailbox, name
        if name.startswith("archive") and name != "archive":
            mailbox, key = self.archive() or "", name.removeprefix("archive")
        if mailbox and key == "root":
            return root_of(mailbox)
        return self.store.folder(mailbox, key)

    def _check_owner(self, named: Element) -> None:
        owner = child(named, "Mailbox")
        address = text_of(owner, "EmailAddress") if owner is not None else ""
        if address and address.lower() != self.user.address.lower():
            raise EwsError("ErrorAccessDenied")

    def _own(self, reference: Reference) -> tuple[str, str]:
        """(mailbox, the store's id). Nobody else's mailbox can be reached with an id."""
        public = self.store.public_folders_of(self.directory)
        for mailbox in filter(None, (self.mailbox, self.archive(), public)):
            if mailbox_guid(mailbox) == reference.guid:
                return mailbox, reference.id
        raise EwsError("ErrorAccessDenied")


def root_id(mailbox: str) -> str:
    """The id of the folder above all; the store does not hold it."""
    return identifiers.folder_id(mailbox, 0)


def root_of(mailbox: str) -> Folder:
    """The folder above Top of Information Store and Recoverable Items."""
    return Folder(0, mailbox, root_id(mailbox), None, "root", "", "root", 0, len(ROOTS))


def parent_of(folder: Folder) -> str:
    """The id of a folder's parent as EWS shows it: of the roots, the folder above all."""
    return folder.parent or root_id(folder.mailbox)


def each(
    call: Call, elements: Iterable[Element], answer: Callable[[Element], Element | None]
) -> Element:
    """The whole answer to a request of several parts: one message each, errors among them.

    A part whose answer is None has no message at all.
    """
    found = messages("ResponseMessages")
    for element in elements:
        try:
            part = answer(element)
        except SoapFault:
            raise
        except EwsError as error:
            part = _failed(call, error)
        except NotFound:
            # It went between two looks at the store, as it may with a person at work in it.
            part = _failed(call, EwsError("ErrorItemNotFound"))
        if part is not None:
            found.append(part)
    return messages(f"{call.name}Response", found)


def _failed(call: Call, error: EwsError) -> Element:
    if call.strikes(Kind.FAILED_BATCH):
        raise SoapFault(error.code, error.message) from error
    if call.strikes(Kind.EMPTY_SUCCESS) and error.code in _NO_FOLDER:
        state = text_of(call.operation, "SyncState")
        return success_message(call.name, *_nothing(call.name, state))
    return error_message(call.name, error, *_empty(call.name))


def single_error(call: Call, error: EwsError) -> Element:
    """The whole answer when what goes wrong is not of one part."""
    message = error_message(call.name, error, *_empty(call.name))
    return messages(f"{call.name}Response", messages("ResponseMessages", message))


_NO_FOLDER = frozenset({"ErrorFolderNotFound", "ErrorSyncFolderNotFound"})
_EMPTY = {
    **dict.fromkeys(("GetItem", "CreateItem", "UpdateItem", "MoveItem", "CopyItem"), "Items"),
    "GetAttachment": "Attachments",
}
_LAST = {
    "SyncFolderItems": "IncludesLastItemInRange",
    "SyncFolderHierarchy": "IncludesLastFolderInRange",
}


def _empty(operation: str) -> list[Element]:
    """What stands in an answer even when it is an error: the schema wants it, or Exchange has it
    there and clients read it before they look at the code."""
    if operation in _LAST:
        return [messages("SyncState"), messages(_LAST[operation], "true")]
    return [messages(_EMPTY[operation])] if operation in _EMPTY else []


def _nothing(operation: str, state: str) -> list[Element]:
    """The content of a success that says nothing, as some servers answer about what is gone."""
    nothing = {"TotalItemsInView": "0", "IncludesLastItemInRange": "true"}
    match operation:
        case "FindItem":
            return [messages("RootFolder", types("Items"), **nothing)]
        case "FindFolder":
            return [messages("RootFolder", types("Folders"), **nothing)]
        case "SyncFolderItems":
            last = messages("IncludesLastItemInRange", "true")
            return [messages("SyncState", state), last, messages("Changes")]
        case "GetFolder":
            return [messages("Folders")]
    return _empty(operation)
