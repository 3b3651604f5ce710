"""Which mailbox a run is about."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from backups.sources import reference_of


@dataclass(frozen=True)
class Mailbox:
    """What identifies the mailbox here and at its source."""

    backup_id: UUID
    mailbox_id: UUID
    tenant_id: UUID
    source_id: str
    address: str
    archive_id: str = ""

    @property
    def reference(self) -> str:
        """What the source calls the mailbox together with its archive."""
        return reference_of(self.source_id, self.archive_id)
