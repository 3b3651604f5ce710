"""Exports through exportItems."""

from __future__ import annotations

from backups.sources.graph.answers import read_export
from backups.sources.graph.transport import Call, Transport, path
from backups.sources.interface import ExportedItem
from backups.sources.packs import Exporter, Pack

_ATTEMPTS = 3


def exporter(transport: Transport, mailbox: str) -> Exporter:
    """What exports items of one mailbox."""

    def ask(pack: Pack) -> dict[str, ExportedItem]:
        call = Call(
            "POST",
            path("admin", "exchange", "mailboxes", mailbox, "exportItems"),
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
