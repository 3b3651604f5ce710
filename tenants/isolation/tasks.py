"""Base classes of every Celery task; a test refuses a task of any other class."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import Task

from tenants.isolation.scope import require_tenant, tenant_context

TENANT_HEADER = "stowage_tenant"


class SystemTask(Task):  # type: ignore[type-arg]
    """Runs outside any tenant. It enters tenants itself, one after another."""

    abstract = True


class TenantTask(Task):  # type: ignore[type-arg]
    """Runs inside the tenant that was active when it was sent.

    The tenant travels in a header, never among the arguments; a retry carries it on. A message
    without it is refused before the task runs. No transaction is open when the task begins: it
    may talk to servers, and opens ``tenant_scope`` where it touches the database.
    """

    abstract = True

    def apply_async(  # type: ignore[override]  # the stubs name every option one by one
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        headers = dict(options.pop("headers", None) or {})
        if TENANT_HEADER not in headers:
            headers[TENANT_HEADER] = str(require_tenant())
        return super().apply_async(args, kwargs, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tenant = (self.request.headers or {}).get(TENANT_HEADER)
        if not tenant:
            raise RuntimeError(f"{self.name} was sent without a tenant")
        with tenant_context(UUID(tenant)):
            return super().__call__(*args, **kwargs)
