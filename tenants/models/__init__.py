from tenants.models.audit import AuditEvent
from tenants.models.entry import ApiKey, Invitation
from tenants.models.notifications import EmailSettings, OutboxMessage, Recipient
from tenants.models.people import Membership, Person
from tenants.models.tenant import Tenant, TenantKey
from tenants.models.usage import UsageSample

__all__ = [
    "ApiKey",
    "AuditEvent",
    "EmailSettings",
    "Invitation",
    "Membership",
    "OutboxMessage",
    "Person",
    "Recipient",
    "Tenant",
    "TenantKey",
    "UsageSample",
]
