"""Trying a connection: what the organization granted, and whether its mailboxes are found."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from uuid import UUID

from backups.organizations.connections import source_for
from backups.organizations.discovery import discover_mailboxes, note_failure
from backups.organizations.models import Mailbox, Organization
from backups.organizations.remedies import Remedy, remedies
from backups.organizations.trial import Trial, mailboxes_to_try, try_mailbox
from backups.repository import RepositoryError
from backups.sources import MailboxSource, PermissionState, SourceError
from backups.sources.graph import Patience
from tenants.audit.services import record

# Somebody is waiting for the page: a server that is slow today is reported, not waited for.
_PATIENCE = Patience(attempts=2, first_wait=0.5, longest_wait=3.0)


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found. ``mailboxes`` is None when they could not be listed; ``error`` says why
    it ended early, "" when it went through. ``trials``: one mailbox of each system, read.
    ``reduced``: of some mailboxes only MIME is to be had.
    """

    permissions: tuple[PermissionState, ...] = ()
    mailboxes: int | None = None
    error: str = ""
    trials: tuple[Trial, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    reduced: bool = False

    @property
    def missing(self) -> list[PermissionState]:
        return [state for state in self.permissions if state.needed and not state.granted]

    @property
    def granted(self) -> list[PermissionState]:
        return [state for state in self.permissions if state.needed and state.granted]

    @property
    def beyond(self) -> list[PermissionState]:
        """Granted and not needed: too much."""
        return [state for state in self.permissions if not state.needed]

    @property
    def passed(self) -> bool:
        return not self.error and not self.missing and not self.failed_trials

    @property
    def failed_trials(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.problem]


def check_organization(*, organization: Organization, person_id: UUID | None = None) -> Check:
    """Sign in, compare permissions, look for mailboxes, read one of them.

    Never raises for what the outside does. The organization's state is noted, and the check is an
    audit event.
    """
    permissions: tuple[PermissionState, ...] = ()
    try:
        with closing(source_for(organization, _PATIENCE)) as source:
            permissions = tuple(source.check())
            found = discover_mailboxes(organization.pk, organization.tenant_id, _PATIENCE)
            chosen = mailboxes_to_try(organization.pk)
            trials = tuple(try_mailbox(source, mailbox) for mailbox in chosen)
            reduced = any(_is_reduced(source, mailbox) for mailbox in chosen)
    # The key service does not answer; what it says names the provider's infrastructure.
    except RepositoryError:
        reason = "The credential cannot be opened at the moment: its key cannot be had. Try again."
        check = Check(permissions, None, reason)
    # Of a credential that the sign-in library cannot read, or a trust that TLS cannot.
    except (SourceError, ValueError, OSError) as error:
        note_failure(organization, str(error))
        check = Check(permissions, None, str(error) or type(error).__name__)
    else:
        named = tuple(remedies(organization, permissions))
        check = Check(permissions, found, trials=trials, remedies=named, reduced=reduced)
    record(
        action="organization.checked",
        subject=organization.name,
        person_id=person_id,
        result="passed" if check.passed else "failed",
        mailboxes=check.mailboxes,
    )
    return check


def _is_reduced(source: MailboxSource, mailbox: Mailbox) -> bool:
    """Whether its system has no native streams; False where that can't be asked."""
    try:
        return not source.native(mailbox.reference)
    # What it lacks to be asked, a permission or the mailbox, the rest of the check names.
    except SourceError:
        return False
