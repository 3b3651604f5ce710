"""What an error means for the task it ended: for the person who reads it, and for the queue."""

from __future__ import annotations

from dataclasses import dataclass

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from backups import repository
from backups.catalog.heads import HeadDiffers
from backups.catalog.projection import HeadMoved
from backups.infrastructure.wrapping import KeyServiceDown
from backups.jobs.models import Job
from backups.repository import ChainBroken, CommitExists, Damaged, NoSpace, RepositoryError
from backups.sessions.models import State
from backups.sessions.services import LeaseLost, StopRequested
from backups.sources import (
    CursorExpired,
    Gone,
    NotPermitted,
    Retry,
    SourceError,
    Throttled,
    Unavailable,
)

TRIES = 3
RETRY_SECONDS = 30.0
DATABASE_SECONDS = 5.0
"""Our own database comes back sooner than somebody else's server."""


@dataclass(frozen=True)
class Ending:
    """A final state with its reason, or a pause after which the task is claimed again.

    ``failed`` is 1 when the pause counts as a try; after ``TRIES`` of them in a row ``state`` is
    final. ``job_state`` is what a job is called when its whole session ends like this. ``trace``
    is for the server's log: what it says is not for a tenant's eyes.
    """

    state: State
    reason: str = ""
    retry_after: float | None = None
    failed: int = 0
    job_state: str | None = None
    trace: BaseException | None = None

    @classmethod
    def more_later(cls) -> Ending:
        """The slice is over, the mailbox is not: it goes on with the next one."""
        return cls(State.RUNNING, "The mailbox goes on in the next slice.", retry_after=0.0)

    @classmethod
    def stopped(cls) -> Ending:
        return cls(State.STOPPED, "Stopped by request; what was stored stays.")

    @classmethod
    def again(
        cls, reason: str, *, seconds: float | None = None, job_state: str | None = None
    ) -> Ending:
        """A failed try: the next one after ``seconds``, or the usual pause."""
        wait = RETRY_SECONDS if seconds is None else seconds
        return cls(State.FAILED, reason, wait, failed=1, job_state=job_state)


def ending_of(error: Exception) -> Ending:
    """The rule for each kind of error; an unknown one is tried again and leaves its trace."""
    match error:
        case StopRequested():
            return Ending.stopped()
        case LeaseLost() | CommitExists() | HeadMoved():
            reason = "Another worker took the mailbox over."
            return Ending(State.FAILED, reason, retry_after=1.0, failed=1)
        case SourceError():
            return _of_source(error)
        case RepositoryError():
            return _of_repository(error)
        case OperationalError() | InterfaceError():
            ending = Ending.again("The portal's database did not answer.", seconds=DATABASE_SECONDS)
        case SoftTimeLimitExceeded():
            ending = Ending.again("A step took longer than a worker may take.")
        case _:
            kind = type(error).__name__
            ending = Ending.again(f"Unexpected error ({kind}); the server's log tells more.")
    return Ending(ending.state, ending.reason, ending.retry_after, ending.failed, trace=error)


def _of_source(error: SourceError) -> Ending:
    match error:
        case Throttled():
            reason = f"The server asked to wait: {error}."
            return Ending(State.FAILED, reason, retry_after=max(error.retry_after, 1.0))
        case NotPermitted():
            return Ending(
                State.FAILED, f"Not permitted: {error}", job_state=job_state_without(error)
            )
        case Gone():
            reason = "The mailbox is not in the organization any more; what was stored stays."
            return Ending(State.WARNING, reason)
        case Unavailable():
            reason = f"The server does not answer: {error}"
            return Ending.again(reason, job_state=Job.State.DISCONNECTED)
        case Retry() | CursorExpired():
            return Ending.again(f"The server does not answer as it should: {error}")
    return Ending(State.FAILED, str(error))


def _of_repository(error: RepositoryError) -> Ending:
    """Places and hosts are the provider's: a tenant reads what it means, never where it is."""
    match error:
        case NoSpace():
            reason = "The repository is full. Nothing more was saved; what was stored stays."
            return Ending(State.FAILED, reason, trace=error)
        case KeyServiceDown():
            reason = "The service that keeps the provider's keys does not answer."
            return Ending(State.FAILED, reason, RETRY_SECONDS, failed=1, trace=error)
        case repository.Unavailable():
            reason = "The repository does not answer."
            return Ending(State.FAILED, reason, RETRY_SECONDS, failed=1, trace=error)
        case HeadDiffers():
            reason = (
                f"The portal's catalog and the repository do not fit: {error}. Nothing was saved."
            )
            return Ending(State.FAILED, reason, trace=error)
        case Damaged() | ChainBroken():
            return Ending(State.FAILED, f"The repository is damaged: {error}", trace=error)
    reason = f"The repository cannot be used ({type(error).__name__}); the server's log tells more."
    return Ending(State.FAILED, reason, trace=error)


def job_state_without(error: SourceError) -> str:
    """What a job is called whose organization cannot be read: a missing permission is somebody's
    to grant, everything else is a lost connection."""
    if isinstance(error, NotPermitted) and error.permission:
        return Job.State.NOT_CONFIGURED
    return Job.State.DISCONNECTED
