"""What goes wrong in a call: an error of one answer among several, or of the whole request."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from sandbox.ews.xml import MESSAGES, TYPES, messages, plain, soap, types

_MESSAGES = {
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorCorruptData": "The data of the item is corrupt.",
    "ErrorFolderExists": "A folder with the specified name already exists.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the"
    " requested user.",
    "ErrorInvalidChangeKey": "The change key is invalid.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidOperation": "The requested operation is invalid.",
    "ErrorInvalidSyncStateData": "Synchronization state data is corrupt or otherwise invalid.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because the"
    " change key passed in the request does not match the current change key for the item.",
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorNameResolutionNoResults": "No results were found.",
    "ErrorNonExistentMailbox": "The SMTP address has no mailbox associated with it.",
    "ErrorSchemaValidation": "The request failed schema validation.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorSyncFolderNotFound": "The folder to be synchronized could not be found.",
}


class EwsError(Exception):
    """One answer's error. ``code`` is of ResponseCodeType; the message is Exchange's or given."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code = code
        self.message = message or _MESSAGES.get(code, "An internal server error occurred.")
        super().__init__(f"{code}: {self.message}")


class SoapFault(EwsError):
    """The whole request's error. ``values`` go into MessageXml, such as BackOffMilliseconds."""

    def __init__(self, code: str, message: str = "", values: Mapping[str, str] | None = None):
        super().__init__(code, message)
        self.values = dict(values or {})

    def to_element(self) -> Element:
        """As Exchange writes it: a client error with the response code in the detail."""
        values = [types("Value", value, Name=name) for name, value in self.values.items()]
        # The prefix of a QName in text is not seen by the writer: it is declared by hand.
        code = plain("faultcode", f"a:{self.code}")
        code.set("xmlns:a", TYPES)
        return soap(
            "Fault",
            code,
            plain("faultstring", self.message),
            plain(
                "detail",
                _error("ResponseCode", self.code),
                _error("Message", self.message),
                types("MessageXml", *values) if values else None,
            ),
        )


def error_message(operation: str, error: EwsError, *content: Element) -> Element:
    """The ResponseMessage of one answer that is an error."""
    return messages(
        f"{operation}ResponseMessage",
        messages("MessageText", error.message),
        messages("ResponseCode", error.code),
        messages("DescriptiveLinkKey", "0"),
        *content,
        ResponseClass="Error",
    )


def success_message(operation: str, *content: Element | None) -> Element:
    """The ResponseMessage of one answer that is none."""
    return messages(
        f"{operation}ResponseMessage",
        messages("ResponseCode", "NoError"),
        *content,
        ResponseClass="Success",
    )


def _error(name: str, text: str) -> Element:
    element = Element(f"{{{MESSAGES.replace('messages', 'errors')}}}{name}")
    element.text = text
    return element
