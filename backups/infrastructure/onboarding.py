"""A new tenant with all it needs to begin: its share of a repository and its administrator."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from backups.infrastructure.models import Repository
from backups.infrastructure.services import allocate
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Tenant
from tenants.notifications.recipients import Events, add_recipient
from tenants.people.permissions import Role
from tenants.people.services import invite
from tenants.services import create_tenant

EVERYTHING = Events(on_success=True, on_warning=True, on_failure=True)


@dataclass(frozen=True)
class Share:
    """What a new tenant gets of a repository. ``quota_bytes`` None is no limit."""

    repository: Repository
    name: str
    quota_bytes: int | None = None


def onboard(
    *,
    name: str,
    slug: str,
    time_zone: str,
    email: str,
    person_name: str = "",
    share: Share | None = None,
    person_id: UUID | None = None,
) -> Tenant:
    """Create a tenant with its share, and invite its first administrator by e-mail, who also
    becomes the first recipient of its sessions' results.

    Tenant and share are one transaction of the operator, the invitation one of the tenant after
    it: what breaks off between the two leaves a tenant whose page offers to invite. Raises
    IntegrityError when the slug is taken, ValidationError for values that cannot be.
    """
    with transaction.atomic(using=OPERATOR):
        tenant = create_tenant(name=name, slug=slug, time_zone=time_zone, person_id=person_id)
        if share is not None:
            allocate(
                tenant=tenant,
                repository=share.repository,
                name=share.name,
                quota_bytes=share.quota_bytes,
                person_id=person_id,
            )
    with tenant_scope(tenant.pk):
        invite(email=email, role=Role.ADMINISTRATOR, name=person_name, person_id=person_id)
        # Somebody has to hear when a backup fails; the tenant changes this on its own page.
        add_recipient(email=email, events=EVERYTHING, person_id=person_id)
    return tenant
