"""Exports: native streams by ExportItems; MIME and properties where a server has none."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from backups.sources.errors import Retry
from backups.sources.ews.answers import Answer, problem_of
from backups.sources.ews.mime import MimeExport
from backups.sources.ews.problems import TOO_MUCH, error_of
from backups.sources.ews.soap import item_id, m
from backups.sources.ews.transport import BadPart, Call, Transport, Unsupported
from backups.sources.interface import ExportedItem, ItemChange
from backups.sources.packs import Exporter, Pack, TooMuch

MAX_BYTES = 20 * 1024 * 1024
_WHAT = "exporting items"
_NO_ITEM = "AAMkAA=="


class Export:
    """Exports items of one organization. Whether its server has ExportItems is found out once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._mime = MimeExport(transport)
        self._native: bool | None = None
        self._lock = threading.Lock()

    def run(self, address: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        """Every id exactly once; see MailboxSource.export."""

        def ask(pack: Pack) -> dict[str, ExportedItem]:
            try:
                return self._ask(address, pack)
            except BadPart as bad:
                if len(pack) > 1:
                    raise TooMuch from bad
                (item,) = pack
                return {item.id: ExportedItem(item.id, item.change_key, error=bad.error)}

        return Exporter(ask, MAX_BYTES).run(wanted)

    def is_native(self, address: str) -> bool:
        """Whether the server has ExportItems: it is asked for an item that can't be."""
        with self._lock:
            if self._native is None:
                call = Call(_export_items([_NO_ITEM]), _WHAT, address, optional=True)
                try:
                    self._transport.messages(call)
                except Unsupported:
                    self._native = False
                else:
                    self._native = True
            return self._native

    def _ask(self, address: str, pack: Pack) -> dict[str, ExportedItem]:
        if self._native is False:
            return self._mime.ask(address, pack)
        ids = [item.id for item in pack]
        call = Call(_export_items(ids), _WHAT, address, divisible=True, optional=True)
        try:
            answer, messages = self._transport.messages(call)
        except Unsupported as unsupported:
            if self.is_native(address):
                # It is not the operation that the server does not like, but an id among these.
                raise Retry(f"{_WHAT}: the server refuses the request ({unsupported})") from None
            return self._mime.ask(address, pack)
        self._native = True
        return _by_id(pack, answer, messages)


def _export_items(ids: Sequence[str]) -> str:
    named = "".join(item_id(identity) for identity in ids)
    return f"<m:ExportItems><m:ItemIds>{named}</m:ItemIds></m:ExportItems>"


def _by_id(pack: Pack, answer: Answer, messages: list[Element]) -> dict[str, ExportedItem]:
    """The items that the answer holds. An error names no id: then its place does."""
    wanted = {item.id: item for item in pack}
    whole = len(messages) == len(pack)
    found: dict[str, ExportedItem] = {}
    for place, message in enumerate(messages):
        named = message.find(m("ItemId"))
        identity = named.get("Id", "") if named is not None else pack[place].id if whole else ""
        item = wanted.get(identity)
        if item is None:
            continue
        problem = problem_of(message)
        if problem and problem.code in TOO_MUCH and len(pack) > 1:
            raise TooMuch
        if problem:
            found[identity] = ExportedItem(
                identity, item.change_key, error=error_of(problem, _WHAT)
            )
            continue
        payload, error = answer.stream(message.find(m("Data")))
        key = named.get("ChangeKey", "") if named is not None else ""
        found[identity] = ExportedItem(identity, key or item.change_key, payload, error)
    return found
