from tenants.models.audit import AuditEvent
from tenants.models.people import Membership, Person
from tenants.models.tenant import Tenant, TenantKey

__all__ = ["AuditEvent", "Membership", "Person", "Tenant", "TenantKey"]
