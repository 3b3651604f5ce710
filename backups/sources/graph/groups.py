"""Groups of the directory, and who is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backups.sources.errors import Gone
from backups.sources.graph.answers import identity, text
from backups.sources.graph.transport import Call, JsonObject, Transport, path
from backups.sources.interface import SourceGroup

_GROUPS, _MEMBERS = "listing groups", "listing members of a group"
_PERMISSION = "Group.Read.All"
_PAGE = "999"


@dataclass(frozen=True, slots=True)
class GroupListing:
    transport: Transport

    def groups(self) -> Iterator[SourceGroup]:
        query = {"$select": "id,displayName,mail", "$top": _PAGE}
        for group in self._entities(path("groups", query=query), _GROUPS):
            name = text(group, "displayName")
            yield SourceGroup(identity(group, _GROUPS), name, text(group, "mail"))

    def members(self, group: str) -> Iterator[str]:
        """Addresses of everybody in the group and in groups of it, each once.

        Asked group by group: all at once takes Directory.Read.All. Raises Gone when the group
        itself is not there; one in it that vanishes meanwhile has no members.
        """
        seen, told = {group}, set[str]()
        waiting = [group]
        while waiting:
            current = waiting.pop()
            try:
                for member in self._direct(current):
                    identifier = identity(member, _MEMBERS)
                    if text(member, "@odata.type").endswith(".group"):
                        if identifier not in seen:
                            waiting.append(identifier)
                            seen.add(identifier)
                        continue
                    address = (text(member, "mail") or text(member, "userPrincipalName")).lower()
                    if address and address not in told:
                        told.add(address)
                        yield address
            except Gone:
                if current == group:
                    raise

    def _direct(self, group: str) -> Iterator[JsonObject]:
        query = {"$select": "id,mail,userPrincipalName", "$top": _PAGE}
        return self._entities(path("groups", group, "members", query=query), _MEMBERS)

    def _entities(self, target: str, what: str) -> Iterator[JsonObject]:
        for page in self.transport.pages(Call("GET", target, what, _PERMISSION), delta=False):
            yield from page.entities
