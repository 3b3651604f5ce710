"""What is left in a repository once its keys are gone: counting it, and deleting what may go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from backups.repository import NotFound, layout
from backups.repository.backend import Backend
from backups.repository.errors import Refused

Amount = dict[str, dict[str, int]]
"""By kind of object ("commits"): how many ``objects``, and their ``bytes``."""


@dataclass(slots=True)
class Left:
    amount: Amount = field(default_factory=dict)
    reason: str = ""
    """Why the storage would not delete it; empty when nothing is left."""


def measured(backend: Backend, tenant_id: UUID, mailbox_id: UUID | None) -> Amount:
    """A mailbox's commits and segments, or all of the tenant's but keys and dictionaries.

    Packs are the tenant's, not a mailbox's: collection frees what no other mailbox needs.
    """
    found: Amount = {}
    for name in _names(backend, tenant_id, mailbox_id):
        with contextlib.suppress(NotFound):
            _add(found, name, backend.size(name))
    return found


def sweep(
    backend: Backend, tenant_id: UUID, mailbox_id: UUID | None, go_on: Callable[[], bool]
) -> Left | None:
    """Delete it; what the storage refuses to delete stays and is named.

    None when ``go_on`` said that the time is over; called again it goes on. Raises Unavailable.
    """
    left = Left()
    for name in list(_names(backend, tenant_id, mailbox_id)):
        if not go_on():
            return None
        try:
            backend.delete(name)
        except NotFound:
            continue
        except Refused as error:
            left.reason = left.reason or str(error)
            _add(left.amount, name, backend.size(name))
    return left


def _names(backend: Backend, tenant_id: UUID, mailbox_id: UUID | None) -> Iterator[str]:
    if mailbox_id is not None:
        yield from backend.list(layout.commits_prefix(tenant_id, mailbox_id))
        yield from backend.list(layout.segments_prefix(tenant_id, mailbox_id))
        return
    gone_with_keys = (layout.keys_prefix(tenant_id), layout.dictionaries_prefix(tenant_id))
    for name in backend.list(layout.tenant_prefix(tenant_id)):
        if not name.startswith(gone_with_keys):
            yield name


def _add(amount: Amount, name: str, size: int) -> None:
    kind = amount.setdefault(name.split("/")[2], {"objects": 0, "bytes": 0})
    kind["objects"] += 1
    kind["bytes"] += size
