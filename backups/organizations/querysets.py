from __future__ import annotations

from typing import TYPE_CHECKING

from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.organizations.models import Mailbox


class MailboxQuerySet(TenantQuerySet["Mailbox"]):
    def present(self) -> MailboxQuerySet:
        """Mailboxes that the directory still lists."""
        return self.filter(retired_at=None)
