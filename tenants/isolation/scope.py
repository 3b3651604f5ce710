"""Which tenant, and which person, this piece of work runs for.

The tenant is kept twice: in a context variable, which the managers of tenant tables filter by,
and in a transaction-local setting of PostgreSQL, which its row security filters by. Both are set
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from django.db import connections, transaction

APP = "default"
"""Alias of the role ``portal_app``: everything a tenant does."""
OPERATOR = "operator"
"""Alias of the role ``portal_operator``: operator pages, tick and claim; never content."""
OWNER = "owner"
"""Alias of the role ``portal_owner``: migrations only."""

_tenant: ContextVar[UUID | None] = ContextVar("tenant", default=None)
_operating: ContextVar[bool] = ContextVar("operating", default=False)
_SET = "SELECT set_config('app.tenant_id', %s, true), set_config('app.person_id', %s, true)"


class NoTenant(RuntimeError):
    """A tenant's table was touched outside any tenant, or with another tenant's row."""


def current_tenant() -> UUID | None:
    return _tenant.get()


def require_tenant() -> UUID:
    """The current tenant's id. Raises NoTenant when there is none: fail closed."""
    tenant = _tenant.get()
    if tenant is None:
        raise NoTenant("no tenant is active here; enter one with tenant_scope()")
    return tenant


@contextmanager
def tenant_scope(tenant_id: UUID, *, person_id: UUID | None = None) -> Iterator[None]:
    """Run one transaction of ``portal_app`` for a tenant.

    Scopes nest: the inner transaction is a savepoint, and PostgreSQL keeps a setting that a
    released savepoint made, so the outer values are put back by hand. A scope of another tenant
    inside a tenant's scope is refused: one transaction belongs to one tenant. Inside an operator's
    scope, a tenant's scope is the tenant's all the same: nothing in it is done as the operator.
    """
    outer = _tenant.get()
    if outer is not None and outer != tenant_id:
        raise NoTenant(f"tenant {outer} is active; {tenant_id} cannot be entered inside it")
    nested = connections[APP].in_atomic_block
    with transaction.atomic(using=APP):
        before = _settings() if nested else ("", "")
        _apply(str(tenant_id), str(person_id) if person_id else before[1])
        token, as_operator = _tenant.set(tenant_id), _operating.set(False)
        try:
            yield
        finally:
            _operating.reset(as_operator)
            _tenant.reset(token)
        # After an error the rollback restores the settings, and no statement would be accepted.
        if nested:
            _apply(*before)


@contextmanager
def tenant_context(tenant_id: UUID) -> Iterator[None]:
    """Say which tenant the work is for, without a transaction.

    For work that talks to servers in between: each touch of the database opens its own
    ``tenant_scope``. Without one the database answers with no rows at all.
    """
    token = _tenant.set(tenant_id)
    try:
        yield
    finally:
        _tenant.reset(token)


@contextmanager
def person_scope(person_id: UUID | None) -> Iterator[None]:
    """Run one transaction of ``portal_app`` for a person whose tenant is not known yet.

    Only entry tables answer, and only with the rows of that person.
    """
    with transaction.atomic(using=APP):
        _apply("", str(person_id) if person_id else "")
        yield


def show_entry(hash_: bytes) -> None:
    """Inside a scope: let the one entry row with this hash be read (``entry_hash`` policies)."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT set_config('app.entry_hash', %s, true)", [hash_.hex()])


def enter_tenant(tenant_id: UUID) -> None:
    """Inside a ``person_scope``: the tenant is known now, for the rest of the transaction."""
    _apply(str(tenant_id), _settings()[1])
    _tenant.set(tenant_id)


def leave_tenant() -> None:
    """Forget the tenant in this context. The transaction's settings end with the transaction."""
    _tenant.set(None)


@contextmanager
def operator_scope() -> Iterator[None]:
    """Read and write as ``portal_operator``: every tenant's rows, and no tenant's content.

    The managers of tenant tables then use the operator's alias by themselves; what that role was
    not granted (items, references, search) the database refuses.
    """
    if _tenant.get() is not None:
        raise NoTenant("a tenant is active; operator work is done outside it")
    token = _operating.set(True)
    try:
        yield
    finally:
        _operating.reset(token)


def operating() -> bool:
    return _operating.get()


def _settings() -> tuple[str, str]:
    with connections[APP].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(current_setting('app.tenant_id', true), ''),"
            " coalesce(current_setting('app.person_id', true), '')"
        )
        tenant, person = cursor.fetchone()
    return tenant, person


def _apply(tenant: str, person: str) -> None:
    with connections[APP].cursor() as cursor:
        cursor.execute(_SET, [tenant, person])
