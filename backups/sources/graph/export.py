"""Exports through exportItems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from backups.sources.errors import Gone
from backups.sources.graph.answers import read_export
from backups.sources.graph.problems import MovedItem
from backups.sources.graph.references import ARCHIVE, bare, in_archive, split
from backups.sources.graph.transport import Call, Transport, path
from backups.sources.interface import ExportedItem, ItemChange
from backups.sources.packs import Exporter, Pack

_ATTEMPTS = 3


def export(
    transport: Transport, mailbox: str, wanted: Sequence[ItemChange]
) -> Iterator[ExportedItem]:
    """As MailboxSource.export; items of the archive after those of the mailbox itself."""
    primary, archive = split(mailbox)
    own = [item for item in wanted if not in_archive(item.id)]
    if own:
        yield from exporter(transport, primary).run(own)
    archived = [replace(item, id=bare(item.id)) for item in wanted if in_archive(item.id)]
    if not archive:
        reason = "the mailbox has no archive any more"
        for missing in archived:
            yield ExportedItem(ARCHIVE + missing.id, missing.change_key, error=Gone(reason))
    elif archived:
        for item in exporter(transport, archive).run(archived):
            yield replace(item, id=ARCHIVE + item.id)


def exporter(transport: Transport, mailbox: str) -> Exporter:
    """What exports items of one mailbox."""

    def ask(pack: Pack) -> dict[str, ExportedItem]:
        answered = ask_at(path("admin", "exchange", "mailboxes", mailbox, "exportItems"), pack)
        moved: dict[str, Pack] = {}
        for item in pack:
            error = answered[item.id].error if item.id in answered else None
            if isinstance(error, MovedItem):
                target = transport.target_of(error.url, "exporting items")
                moved.setdefault(target, []).append(item)
        for target, there in moved.items():
            answered |= ask_at(target, there)
        return answered

    def ask_at(target: str, pack: Pack) -> dict[str, ExportedItem]:
        call = Call(
            "POST",
            target,
            "exporting items",
            "MailboxItem.Export.All",
            mailbox,
            body={"itemIds": [item.id for item in pack]},
            divisible=True,
            attempts=_ATTEMPTS,
        )
        wanted = {item.id for item in pack}
        items = transport.send(call, read_export)
        return {item.id: item for item in items if item.id in wanted}

    return Exporter(ask)
