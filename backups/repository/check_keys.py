"""Checking wrapped keys: their form, and with keys those that these wrapped."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

from . import layout
from .errors import Damaged, NotFound, WrongKey
from .findings import Finding, found_in
from .key_service import service_of
from .keys import WRAPPED_KEY, KeyWrapper, TenantKeys, wrapping_key_id
from .recovery import HEAD, read_head

if TYPE_CHECKING:
    from .backend import Backend


def check_keys(
    backend: Backend,
    tenant: UUID,
    keys: TenantKeys | None,
    root: KeyWrapper | None,
    findings: list[Finding],
) -> None:
    """Adds to ``findings``. What another key wrapped is looked at from outside only.

    Raises Unavailable.
    """
    for name in backend.list(layout.keys_prefix(tenant)):
        # Somebody may retire or destroy keys meanwhile.
        with found_in(name, findings), contextlib.suppress(NotFound):
            content = backend.get(name)
            if layout.tenant_key_of(name) is not None:
                _require_wrapped(content, name)
                if root is not None:
                    _open_tenant_keys(content, root, tenant, name)
            elif (place := layout.mailbox_key_of(name)) is not None:
                _require_wrapped(content, name)
                if keys is not None:
                    _open_mailbox_key(content, keys, tenant, place[0], name)
            elif layout.recovery_of(name) is not None:
                read_head(content, name)
                _require_wrapped(content[HEAD:], name)


def _require_wrapped(content: bytes, name: str) -> None:
    if service_of(content) is not None:
        return
    if wrapping_key_id(content) is None or len(content) < WRAPPED_KEY:
        raise Damaged(name, "is not a wrapped key")


def _open_tenant_keys(content: bytes, root: KeyWrapper, tenant: UUID, name: str) -> None:
    with contextlib.suppress(WrongKey):
        TenantKeys.unwrap(content, root, tenant, name)


def _open_mailbox_key(
    content: bytes, keys: TenantKeys, tenant: UUID, mailbox: UUID, name: str
) -> None:
    with contextlib.suppress(WrongKey):
        keys.unwrap_mailbox_key(content, tenant, mailbox, name)
