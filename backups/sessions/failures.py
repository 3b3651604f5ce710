"""What an error means for the task it ended: for the person who reads it, and for the queue."""

from __future__ import annotations

from dataclasses import dataclass

from backups.repository import CommitExists, NoSpace, RepositoryError
from backups.sessions.models import State
from backups.sessions.services import LeaseLost, StopRequested
from backups.sources import Gone, NotPermitted, Retry, SourceError, Throttled, Unavailable

TRIES = 3
RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Ending:
    """A final state with its reason, or a pause after which the task is claimed again.

    ``failed`` is 1 when the pause counts as a try; after ``tries`` of them ``state`` is final.
    """

    state: State
    reason: str = ""
    retry_after: float | None = None
    failed: int = 0
    tries: int = TRIES
    trace: BaseException | None = None

    @classmethod
    def more_later(cls) -> Ending:
        """The slice is over, the mailbox is not: it goes on with the next one."""
        return cls(State.RUNNING, "The mailbox goes on in the next slice.", retry_after=0.0)


def ending_of(error: Exception) -> Ending:
    """The rule for each kind of error; an unknown one is tried again and leaves its trace."""
    match error:
        case StopRequested():
            return Ending(State.STOPPED, "Stopped by request; what was stored stays.")
        case Throttled():
            reason = f"The server asked to wait: {error}."
            return Ending(State.FAILED, reason, retry_after=max(error.retry_after, 1.0), failed=0)
        case NotPermitted():
            return Ending(State.FAILED, f"Not permitted: {error}")
        case Gone():
            reason = "The mailbox is not in the organization any more; what was stored stays."
            return Ending(State.WARNING, reason)
        case Retry() | Unavailable():
            reason = f"The server does not answer as it should: {error}"
            return Ending(State.FAILED, reason, retry_after=RETRY_SECONDS, failed=1)
        case SourceError():
            return Ending(State.FAILED, str(error))
        case LeaseLost() | CommitExists():
            return Ending(State.FAILED, str(error), retry_after=1.0, failed=1)
        case NoSpace():
            return Ending(State.FAILED, f"The repository is full: {error}")
        case RepositoryError():
            return Ending(State.FAILED, f"The repository cannot be used: {error}")
    reason = f"Unexpected error: {type(error).__name__}: {error}"
    return Ending(State.FAILED, reason, retry_after=RETRY_SECONDS, failed=1, trace=error)
