"""How the command ends: exit statuses, and the errors that lead to them."""

from __future__ import annotations

from backups.repository import RepositoryError, RootKeyError, WrongKey
from backups.repository.browse import NoSuchPoint
from backups.repository.errors import (
    NotARepository,
    Unavailable,
    UnsupportedFormat,
    UnusablePlace,
)

OK = 0
DAMAGE = 1
"""Something in the repository can't be read; it was named, and the rest was done."""
USAGE = 2
"""What was asked for makes no sense here, or a file that it names can't be used."""
CLOSED = 3
"""The repository can't be opened, or does not answer any more."""
UNWRITTEN = 4
"""The disk that is written to is full, or refuses."""
INTERRUPTED = 130


class UsageError(Exception):
    """What was asked for makes no sense here; the message says why."""


class Unwritten(Exception):
    """What was to be written could not be; the message names the file and the reason."""


EXPLAINED = """\
exit status:
  0   all is well
  1   something in the repository is damaged; it was named, and the rest was done
  2   wrong usage: options that make no sense together, a key file that can't be used
  3   the repository can't be opened: none is there, it does not answer, no permission, it was
      written by a newer version, or the key or passphrase does not fit
  4   what was to be written could not be: the disk is full, or no permission
  130 interrupted; export and rebuild go on where they were when they are called again
"""


def status_of(error: RepositoryError | UsageError | Unwritten) -> int:
    match error:
        case UsageError() | NoSuchPoint() | UnusablePlace() | RootKeyError():
            return USAGE
        case Unwritten():
            return UNWRITTEN
        case NotARepository() | Unavailable() | WrongKey() | UnsupportedFormat():
            return CLOSED
    return DAMAGE
