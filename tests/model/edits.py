"""What people do to a mailbox, as values that hypothesis can draw and shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import strategies as some

from tests.model.mailboxes import BODIES, INBOX, MailboxHere, stream

T = TypeVar("T")
KINDS = ("add", "add", "add", "change", "delete", "delete", "move", "put folder", "delete folder")


@dataclass(frozen=True)
class Edit:
    """Which mailbox, item and folder are numbers: as many times round as it takes."""

    kind: str
    mailbox: int
    item: int
    folder: int
    body: int


edits = some.builds(
    Edit,
    kind=some.sampled_from(KINDS),
    mailbox=some.integers(0, 1),
    item=some.integers(0, 9),
    folder=some.integers(0, 3),
    body=some.integers(0, BODIES - 1),
)


def apply(edit: Edit, mailboxes: Sequence[MailboxHere]) -> None:
    """Do it, where there is what it is about."""
    here = one_of(mailboxes, edit.mailbox)
    folders = sorted(here.folders)
    made = [folder for folder in folders if folder != INBOX]
    payload = stream(f"{here.address} {edit.item}", edit.body)
    if edit.kind == "add":
        here.add(one_of(folders, edit.folder), payload)
    elif edit.kind == "put folder":
        folder = one_of(made, edit.folder) if len(made) > 2 else f"f{here.moment}"
        here.put_folder(folder, f"Folder {edit.item}")
    elif edit.kind == "delete folder":
        if made:
            here.delete_folder(one_of(made, edit.folder))
    elif here.items:
        _apply_to_item(edit, here, one_of(sorted(here.items), edit.item), payload)


def _apply_to_item(edit: Edit, here: MailboxHere, item: str, payload: bytes) -> None:
    if edit.kind == "change":
        here.change(item, payload)
    elif edit.kind == "move":
        here.move(item, one_of(sorted(here.folders), edit.folder))
    else:
        here.delete(item)


def one_of(values: Sequence[T], number: int) -> T:
    return values[number % len(values)]
