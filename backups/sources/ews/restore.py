"""Writing to a mailbox: folders, items, look-up and delete."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backups.mime_items import is_mime_item
from backups.sources.errors import Unavailable
from backups.sources.ews import mime
from backups.sources.ews.listing import TOP
from backups.sources.ews.soap import (
    Encoded,
    attribute,
    distinguished,
    extended,
    folder_id,
    item_id,
    m,
    shape,
    t,
    text,
)
from backups.sources.ews.transport import Call, Transport
from backups.sources.interface import ItemReference, Payload, SourceFolder

_MESSAGE_ID = extended(0x1035, "String")
_MOST = 100
_FOLDER_ELEMENTS = {
    "IPF.APPOINTMENT": "CalendarFolder",
    "IPF.CONTACT": "ContactsFolder",
    "IPF.TASK": "TasksFolder",
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes to the mailboxes of one organization."""

    transport: Transport

    def create_folder(
        self, address: str, parent: str | None, name: str, kind: str, top: str = TOP
    ) -> SourceFolder:
        what = "creating a folder"
        element = _FOLDER_ELEMENTS.get(kind.upper(), "Folder")
        above = folder_id(parent) if parent else distinguished(top)
        # A calendar has its class by being one, and refuses to be told.
        said = (
            f"<t:FolderClass>{text(kind)}</t:FolderClass>" if element == "Folder" and kind else ""
        )
        content = (
            f"<m:CreateFolder><m:ParentFolderId>{above}</m:ParentFolderId><m:Folders>"
            f"<t:{element}>{said}<t:DisplayName>{text(name)}</t:DisplayName></t:{element}>"
            "</m:Folders></m:CreateFolder>"
        )
        message = self.transport.one(Call(content, what, address, repeatable=False))
        made = message.find(f"{m('Folders')}/*/{t('FolderId')}")
        return SourceFolder(_id(made, what), parent, name, kind, None, 0)

    def create(self, address: str, folder: str, payload: Payload) -> ItemReference:
        if is_mime_item(payload):
            what, content = "creating an item", mime.create_item(folder, payload)
        else:
            what, content = "importing an item", _upload(folder, payload)
        message = self.transport.one(Call(content, what, address, repeatable=False))
        made = message.find(m("ItemId"))
        if made is None:
            made = message.find(f"{m('Items')}/*/{t('ItemId')}")
        return ItemReference(_id(made, what), made.get("ChangeKey", "") if made is not None else "")

    def matching(self, address: str, folder: str, message_id: str) -> list[ItemReference]:
        what = "looking for an item"
        content = (
            f'<m:FindItem Traversal="Shallow">{shape("ItemShape")}'
            f'<m:IndexedPageItemView MaxEntriesReturned="{_MOST}" Offset="0"'
            ' BasePoint="Beginning"/>'
            f"<m:Restriction><t:IsEqualTo>{_MESSAGE_ID}<t:FieldURIOrConstant>"
            f"<t:Constant Value={attribute(message_id)}/></t:FieldURIOrConstant></t:IsEqualTo>"
            f"</m:Restriction><m:ParentFolderIds>{folder_id(folder)}</m:ParentFolderIds>"
            "</m:FindItem>"
        )
        message = self.transport.one(Call(content, what, address))
        found = message.iterfind(f"{m('RootFolder')}/{t('Items')}/*/{t('ItemId')}")
        return [ItemReference(_id(one, what), one.get("ChangeKey", "")) for one in found]

    def delete(self, address: str, item: str) -> None:
        content = (
            '<m:DeleteItem DeleteType="SoftDelete" SendMeetingCancellations="SendToNone"'
            ' AffectedTaskOccurrences="AllOccurrences" SuppressReadReceipts="true">'
            f"<m:ItemIds>{item_id(item)}</m:ItemIds></m:DeleteItem>"
        )
        self.transport.one(Call(content, "deleting an item", address))


def _upload(folder: str, payload: Payload) -> tuple[str | Encoded, ...]:
    head = (
        '<m:UploadItems><m:Items><t:Item CreateAction="CreateNew">'
        f"<t:ParentFolderId Id={attribute(folder)}/><t:Data>"
    )
    return head, Encoded(payload), "</t:Data></t:Item></m:Items></m:UploadItems>"


def _id(element: Element | None, what: str) -> str:
    identity = element.get("Id", "") if element is not None else ""
    if not identity:
        raise Unavailable(f"{what}: the server does not say under which id")
    return identity
