from __future__ import annotations

from tenants.isolation.scope import OWNER


class OwnerMigrates:
    """Only the owner's alias changes the schema; rows may relate across the three aliases."""

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
        return db == OWNER

    def allow_relation(self, first: object, second: object, **hints: object) -> bool:
        # All aliases are roles of the same database.
        return True
