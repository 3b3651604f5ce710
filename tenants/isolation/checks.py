"""The server refuses to start where the database would not hold the walls."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from tenants.isolation.scope import APP, OPERATOR


def refuse_unsafe_roles() -> None:
    """Raise ImproperlyConfigured where the check below finds an error.

    Servers and workers call this when they start: Django runs database checks only on demand.
    """
    errors = roles_are_bound_by_row_security(databases=[APP, OPERATOR])
    if errors:
        raise ImproperlyConfigured(" ".join(str(error.msg) for error in errors))


@register(Tags.database)
def roles_are_bound_by_row_security(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """``portal_app`` and ``portal_operator`` must not be superuser, bypassrls or table owner."""
    found: list[CheckMessage] = []
    for alias in {APP, OPERATOR} & set(databases or ()):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT r.rolname, r.rolsuper, r.rolbypassrls, EXISTS (SELECT FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
                " AND c.relowner = r.oid) FROM pg_roles r WHERE r.rolname = current_user"
            )
            role, superuser, bypass, owns = cursor.fetchone()
        reasons = [
            text
            for is_so, text in (
                (superuser, "is a superuser"),
                (bypass, "has BYPASSRLS"),
                (owns, "owns tables"),
            )
            if is_so
        ]
        if reasons:
            found.append(
                Error(
                    f"Database role {role} (alias {alias}) {' and '.join(reasons)}: tenants would"
                    " not be isolated.",
                    hint="Connect as portal_app and portal_operator; portal/database/roles.sql.",
                    id="tenants.E001",
                )
            )
    return found
