"""From a message of the outbox to an e-mail (RFC 5322), into the folder or to a server."""

from __future__ import annotations

import os
import smtplib
import ssl
import tempfile
from contextlib import suppress
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings as portal

from tenants.models import EmailSettings, OutboxMessage
from tenants.notifications.settings import password_of
from tenants.secrets import SecretUnreadable

TIMEOUT = 20
"""Seconds that each step with a mail server may take."""
_PERMANENT = 500


class DeliveryFailed(Exception):
    """The message was not taken this time; the text says why, for the provider's people."""


class Refused(DeliveryFailed):
    """The message will never be taken for this recipient."""


class Unavailable(DeliveryFailed):
    """The fault is the server's or the settings': no message would be taken now."""


def deliver(message: OutboxMessage, settings: EmailSettings) -> None:
    """Hand the message over. Raises DeliveryFailed when it was not taken."""
    content = compose(message, settings).as_bytes()
    if settings.delivery == EmailSettings.Delivery.SMTP:
        _by_smtp(settings, _address(message.to).addr_spec, content)
    else:
        _into_folder(message, portal.MAIL_FOLDER, content)


def compose(message: OutboxMessage, settings: EmailSettings) -> EmailMessage:
    """The e-mail, the same at each try: its date and Message-ID are the message's own.

    Headers are built from parsed addresses and one-line texts; the library refuses line breaks
    in them. Raises Refused for an address that mail cannot be sent to.
    """
    sender = _address(settings.sender, settings.sender_name)
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender
    mail["To"] = _address(message.to)
    mail["Subject"] = message.subject
    mail["Date"] = message.created_at
    mail["Message-ID"] = f"<{message.pk}@{sender.domain}>"
    # RFC 3834: nobody's holiday notice answers this.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte="quoted-printable")
    if message.html:
        mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return mail


def _address(address: str, name: str = "") -> Address:
    """With the domain in its ASCII form (RFC 5890), which every server understands."""
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
        return Address(display_name=name, addr_spec=f"{local}@{ascii_domain}")
    except (UnicodeError, ValueError, IndexError) as error:
        raise Refused(f"{address!r} is not an address that mail can be sent to.") from error


def _into_folder(message: OutboxMessage, folder: Path, content: bytes) -> None:
    """One file for each message, complete as soon as it has its name."""
    target = folder / f"{message.created_at:%Y%m%dT%H%M%SZ}-{message.pk}.eml"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, new = tempfile.mkstemp(dir=folder, prefix=".", suffix=".new")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(new).replace(target)
    except OSError as error:
        raise Unavailable(f"The folder {folder} can't be written to: {error.strerror}.") from error


def _by_smtp(settings: EmailSettings, to: str, content: bytes) -> None:
    sender = _address(settings.sender).addr_spec
    try:
        server = _connect(settings)
        try:
            server.sendmail(sender, [to], content)
        finally:
            # The message is taken or not; how the goodbye goes changes nothing.
            with suppress(OSError):
                server.quit()
            server.close()
    except (smtplib.SMTPException, OSError, SecretUnreadable) as error:
        raise _failure(settings, error) from error


def _connect(settings: EmailSettings) -> smtplib.SMTP:
    """A connection that mail may go over: secured as set, the certificate checked, signed in."""
    server: smtplib.SMTP
    if settings.security == EmailSettings.Security.TLS:
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT)
    try:
        if settings.security == EmailSettings.Security.STARTTLS:
            server.starttls(context=ssl.create_default_context())
        if settings.username:
            server.login(settings.username, password_of(settings))
    except BaseException:
        server.close()
        raise
    return server


def _failure(settings: EmailSettings, error: Exception) -> DeliveryFailed:
    """What an error means for the message, in words that say where to look."""
    place = f"{settings.host}:{settings.port}"
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, answer = next(iter(error.recipients.values()))
            return _answered("The server refuses the recipient", code, answer)
        case smtplib.SMTPDataError():
            return _answered("The server refuses the message", error.smtp_code, error.smtp_error)
        case smtplib.SMTPSenderRefused():
            return Unavailable(_said("The server refuses the sender", error))
        case smtplib.SMTPAuthenticationError():
            return Unavailable(_said("The server refuses user name and password", error))
        case smtplib.SMTPResponseException():
            return Unavailable(_said(f"{place} answers", error))
        case smtplib.SMTPException():
            return Unavailable(f"{place}: {error}")
        case SecretUnreadable():
            return Unavailable("The stored password can't be read any more: enter it again.")
        case ssl.SSLCertVerificationError():
            return Unavailable(f"The certificate of {place} is not valid: {error.verify_message}.")
        case ssl.SSLError():
            return Unavailable(f"{place} does not speak TLS as set: {error.reason or error}.")
        case TimeoutError():
            return Unavailable(f"{place} does not answer.")
    return Unavailable(f"{place} can't be reached: {getattr(error, 'strerror', None) or error}.")


def _answered(what: str, code: int, answer: bytes | str) -> DeliveryFailed:
    kind = Refused if code >= _PERMANENT else DeliveryFailed
    return kind(f"{what}: {code} {_readable(answer)}")


def _said(what: str, error: smtplib.SMTPResponseException) -> str:
    return f"{what}: {error.smtp_code} {_readable(error.smtp_error)}"


def _readable(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:500]
