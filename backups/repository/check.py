"""Checking a repository: every object by itself, and with the keys every item, or a sample."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from . import layout
from .errors import KeyDestroyed, RepositoryError, Unavailable, WrongKey
from .findings import Report, finding_of
from .keys import KeyWrapper
from .repository import Repository
from .vault import Vault
from .verify import Scope, Verification

__all__ = ["Report", "check"]


def check(
    repository: Repository,
    root: KeyWrapper | None,
    *,
    passphrase: str | None = None,
    tenants: list[UUID] | None = None,
    scope: Scope | None = None,
    progress: Callable[[Report], None] | None = None,
) -> Report:
    """With the root key or a recovery passphrase content too, without either structure alone.

    ``progress`` is shown the report as it grows. Never stops at damage. Raises Unavailable, and
    WrongKey when the key at hand opens nothing.
    """
    chosen = repository.tenants() if tenants is None else tenants
    opener = _opener(repository, root, passphrase)
    report = Report(full=opener is not None, tenants=len(chosen))
    wrong: list[WrongKey] = []
    for tenant in chosen:
        vault = None
        if opener is not None:
            vault = _open(opener, tenant, report, wrong, every_tenant=root is not None)
        work = Verification(repository.backend, tenant, vault, report, root=root, scope=scope)
        for _ in work.steps():
            if progress is not None:
                progress(report)
    if wrong and len(wrong) == len(chosen):
        raise wrong[0]
    return report


def _opener(
    repository: Repository, root: KeyWrapper | None, passphrase: str | None
) -> Callable[[UUID], Vault] | None:
    if root is not None:
        return lambda tenant: repository.escrowed_vault(tenant, root)
    if passphrase is not None:
        return lambda tenant: repository.recovered_vault(tenant, passphrase)
    return None


def _open(
    opener: Callable[[UUID], Vault],
    tenant: UUID,
    report: Report,
    wrong: list[WrongKey],
    *,
    every_tenant: bool,
) -> Vault | None:
    """``every_tenant``: the key should open all; a passphrase is one tenant's."""
    try:
        return opener(tenant)
    except Unavailable:
        raise
    except KeyDestroyed:
        return None
    except RepositoryError as error:
        if isinstance(error, WrongKey):
            wrong.append(error)
        if isinstance(error, WrongKey) and not every_tenant:
            return None
        report.findings.append(finding_of(error, layout.keys_prefix(tenant)))
        return None
