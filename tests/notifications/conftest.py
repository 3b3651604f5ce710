"""A real SMTP server on the loopback address, which takes mail or answers as it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from django.conf import LazySettings

from sandbox.certificate import server_context
from tenants.models import EmailSettings, OutboxMessage
from tenants.notifications.services import enqueue
from tenants.notifications.settings import Server, save_email_settings
from tests.cast import Cast, make_cast
from tests.web.conftest import SignIn, sign_in

__all__ = ["SignIn", "sign_in"]

USER, SMTP_PASSWORD = "stowage", "every day anew"  # the tests' own


class MailServer:
    """``refusals`` are answers to the next recipients; with ``gate`` closed it takes its time."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.refusals: list[str] = []
        self.data_answer = "250 taken"
        self.recipients_asked = 0
        self.busy = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.port = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.recipients_asked += 1
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.busy.set()
        await asyncio.to_thread(self.gate.wait, 10)
        if self.data_answer.startswith("250"):
            self.received.append(envelope)
        return self.data_answer

    def mails(self) -> list[EmailMessage]:
        return [parsed(envelope.content) for envelope in self.received]


def parsed(content: bytes) -> EmailMessage:
    mail = BytesParser(policy=policy.default).parsebytes(content)
    assert isinstance(mail, EmailMessage)
    return mail


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
) -> AuthResult:
    ok = (given.login, given.password) == (USER.encode(), SMTP_PASSWORD.encode())
    return AuthResult(success=ok, handled=False)


@pytest.fixture
def mail_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MailServer]:
    """Plain by default; parametrised with "starttls" (which asks for a sign-in) or "tls"."""
    kind = getattr(request, "param", "plain")
    options: dict[str, object] = {}
    context: ssl.SSLContext | None = None
    if kind != "plain":
        context = server_context(tmp_path / "certificates")
    if kind == "starttls":
        options = {"tls_context": context, "authenticator": authenticate, "auth_required": True}
    elif kind == "tls":
        options = {"ssl_context": context}
    server = MailServer()
    server.port = free_port()
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **options)
    controller.start()
    yield server
    server.gate.set()
    controller.stop()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority of the server's certificate is one that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificates" / "ca.pem"))


@pytest.fixture
def mail_folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.MAIL_FOLDER = tmp_path / "mail"
    return Path(settings.MAIL_FOLDER)


@pytest.fixture
def cast(transactional_db: None, mail_folder: Path, tmp_path: Path) -> Cast:
    """Everybody, and an empty outbox."""
    people = make_cast(tmp_path)
    OutboxMessage.objects.using("operator").all().delete()
    return people


def send_by(
    server: MailServer,
    *,
    security: str = EmailSettings.Security.NONE,
    username: str = "",
    password: str = "",
    host: str = "127.0.0.1",
    sender_name: str = "Stowage",
) -> None:
    save_email_settings(
        delivery=EmailSettings.Delivery.SMTP,
        sender="backup@provider.example",
        sender_name=sender_name,
        server=Server(host, server.port, security, username),
        password=password,
        person_id=uuid4(),
    )


def write(to: str = "mara@acme.example", subject: str = "Hello", **values: str) -> OutboxMessage:
    """The provider's own message."""
    cause = values.pop("cause", f"test/{uuid4()}")
    given = {"text": "The text.", "html": "<p>The <b>HTML</b>.</p>", **values}
    return enqueue(cause=cause, to=to, subject=subject, tenant_id=None, **given)


def state_of(message: OutboxMessage) -> OutboxMessage:
    return OutboxMessage.objects.using("operator").get(pk=message.pk)
