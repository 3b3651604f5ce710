"""Groups of an organization, and who is in them: people and other groups."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox import identifiers
from sandbox.database import Database, log
from sandbox.records import Group, User

_GROUPS = "SELECT number, directory, id, name, address FROM groups"
_MEMBERS = "SELECT member FROM group_members WHERE group_id = ? ORDER BY rowid"


class Groups:
    """The part of a store that is about groups. Lookups raise NotFound."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add_group(self, directory: str, name: str, address: str | None = None) -> Group:
        """An empty group; without an address it is one for rights alone."""
        identity = identifiers.group_id(directory, name)
        with self.database.write() as db:
            db.execute(
                "INSERT INTO groups (directory, id, name, address) VALUES (?, ?, ?, ?)",
                (directory, identity, name, address),
            )
            log(db, f"groups:{directory}", identity)
        return self.group(identity)

    def remove_group(self, group: Group) -> None:
        with self.database.write() as db:
            db.execute("DELETE FROM groups WHERE id = ?", (group.id,))
            db.execute("DELETE FROM group_members WHERE member = ?", (group.id,))
            log(db, f"groups:{group.directory}", group.id)

    def put_members(self, group: Group, members: Sequence[User | Group]) -> None:
        """These are the group's direct members from now on."""
        with self.database.write() as db:
            db.execute("DELETE FROM group_members WHERE group_id = ?", (group.id,))
            rows = [(group.id, member.id) for member in members]
            db.executemany("INSERT INTO group_members VALUES (?, ?)", rows)
            log(db, f"groups:{group.directory}", group.id)

    def group(self, identity: str) -> Group:
        return Group(**self.database.row(f"{_GROUPS} WHERE id = ?", identity))

    def groups(self, directory: str, after: int = 0, limit: int = 1_000_000) -> list[Group]:
        query = f"{_GROUPS} WHERE directory = ? AND number > ? ORDER BY number LIMIT ?"
        return [Group(**row) for row in self.database.rows(query, directory, after, limit)]

    def member_ids(self, group: str) -> list[str]:
        """Ids of the direct members, people and groups."""
        return [str(row["member"]) for row in self.database.rows(_MEMBERS, group)]
