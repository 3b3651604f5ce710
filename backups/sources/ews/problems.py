"""What a response code of EWS means (ResponseCodeType of Messages.xsd)."""

from __future__ import annotations

from backups.sources.errors import (
    CursorExpired,
    Damaged,
    Gone,
    NotPermitted,
    Refused,
    Retry,
    SourceError,
    Unavailable,
)
from backups.sources.ews.answers import Problem

IMPERSONATION = "ApplicationImpersonation"

BUSY = frozenset(
    {
        "ErrorServerBusy",
        "ErrorExceededConnectionCount",
        "ErrorExceededSubscriptionCount",
        "ErrorTooManyObjectsOpened",
        "ErrorInternalServerTransientError",
    }
)
"""The server asks for time; how long, it says in BackOffMilliseconds or not at all."""

TOO_MUCH = frozenset({"ErrorTimeoutExpired", "ErrorBatchProcessingStopped"})

MISSING = frozenset(
    {
        "ErrorItemNotFound",
        "ErrorFolderNotFound",
        "ErrorSyncFolderNotFound",
        "ErrorParentFolderNotFound",
        "ErrorToFolderNotFound",
        "ErrorInvalidIdMalformed",
        "ErrorInvalidIdEmpty",
        "ErrorInvalidId",
        "ErrorInvalidFolderId",
    }
)

UNSUPPORTED = frozenset({"ErrorInvalidOperation", "ErrorInvalidRequest", "ErrorNotSupported"})
"""What servers say of an operation that they don't have."""

_DENIED = frozenset(
    {"ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"}
)

_MEANINGS: dict[str, type[SourceError]] = {
    "ErrorInvalidSyncStateData": CursorExpired,
    "ErrorNonExistentMailbox": Gone,
    "ErrorMailboxNotFound": Gone,
    "ErrorMissingEmailAddress": Gone,
    "ErrorInvalidUserInfo": Gone,
    "ErrorMailboxStoreUnavailable": Unavailable,
    "ErrorMailboxMoveInProgress": Unavailable,
    "ErrorMailboxFailover": Unavailable,
    "ErrorADUnavailable": Unavailable,
    "ErrorADOperation": Unavailable,
    "ErrorConnectionFailed": Unavailable,
    "ErrorNoRespondingCASInDestinationSite": Unavailable,
    "ErrorProxyRequestNotAllowed": Unavailable,
    "ErrorProxyRequestProcessingFailed": Unavailable,
    "ErrorInvalidServerVersion": Unavailable,
    "ErrorIncorrectSchemaVersion": Unavailable,
    "ErrorInvalidSchemaVersionForMailboxVersion": Unavailable,
    "ErrorMailboxMovedPermanently": Unavailable,
    "ErrorCorruptData": Damaged,
    "ErrorItemCorrupt": Damaged,
    "ErrorContentConversionFailed": Damaged,
    "ErrorMimeContentConversionFailed": Damaged,
    "ErrorMessageSizeExceeded": Refused,
    "ErrorAttachmentSizeLimitExceeded": Refused,
    "ErrorQuotaExceeded": Refused,
    "ErrorFolderExists": Refused,
    "ErrorMimeContentInvalid": Refused,
    "ErrorMimeContentInvalidBase64String": Refused,
    "ErrorInvalidChangeKey": Refused,
    "ErrorIrresolvableConflict": Refused,
    "ErrorSchemaValidation": Refused,
    "ErrorInvalidOperation": Refused,
    "ErrorInvalidRequest": Refused,
    "ErrorInvalidParentFolder": Refused,
    "ErrorInvalidPropertySet": Refused,
    "ErrorObjectTypeChanged": Refused,
    "ErrorFolderSavePropertyError": Refused,
    "ErrorSavedItemFolderNotFound": Gone,
}


def error_of(problem: Problem, what: str, permission: str = "") -> SourceError:
    """The error for a response code. One that is not known may pass: Retry."""
    if problem.code in _DENIED:
        reason = f"{what}: the service account may not act as this mailbox, it needs the"
        return NotPermitted(f"{reason} management role {IMPERSONATION} ({problem})", IMPERSONATION)
    if problem.code == "ErrorAccessDenied":
        needs = f", it needs {permission}" if permission else ""
        return NotPermitted(f"{what}: the server denies access{needs} ({problem})", permission)
    if problem.code in MISSING:
        return Gone(f"{what}: not found ({problem})")
    kind = _MEANINGS.get(problem.code, Retry)
    return kind(f"{what}: {_REASONS.get(kind, 'the server failed')} ({problem})")


_REASONS: dict[type[SourceError], str] = {
    CursorExpired: "the server no longer knows where we were",
    Gone: "not found",
    Unavailable: "the server can't do it now",
    Damaged: "the server can't read the item",
    Refused: "refused",
}
