"""Messages on their way: a real server that takes them, refuses them, or is not there."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.utils import timezone

from tenants.isolation.scope import tenant_scope
from tenants.models import EmailSettings, OutboxMessage
from tenants.notifications.sender import PAUSES, send_waiting
from tenants.notifications.services import MessageBusy, enqueue, send_again
from tests.cast import Cast
from tests.notifications.conftest import (
    SMTP_PASSWORD,
    USER,
    MailServer,
    free_port,
    parsed,
    send_by,
    state_of,
    write,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

State = OutboxMessage.State


def in_future(**delta: float) -> object:
    return timezone.now() + timedelta(**delta)


def test_a_message_arrives_with_both_parts_and_the_headers_of_an_automatic_one(
    mail_server: MailServer,
) -> None:
    send_by(mail_server, sender_name="Bäckup & Söhne")
    message = write(subject="Sicherung für Zoë ✓", text="Grüße\n", html="<p>Grüße</p>")
    send_waiting()
    (mail,) = mail_server.mails()
    assert mail["From"].addresses[0].display_name == "Bäckup & Söhne"
    assert mail["From"].addresses[0].addr_spec == "backup@provider.example"
    assert mail["To"] == "mara@acme.example"
    assert mail["Subject"] == "Sicherung für Zoë ✓"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{message.pk}@provider.example>"
    assert mail["Date"].datetime == message.created_at.replace(microsecond=0)
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert (text.get_content_type(), text.get_content().split()) == ("text/plain", ["Grüße"])
    assert (html.get_content_type(), html.get_content().split()) == ("text/html", ["<p>Grüße</p>"])
    assert all(byte < 128 for byte in mail_server.received[0].content)
    sent = state_of(message)
    assert (sent.state, sent.attempts, sent.last_error) == (State.SENT, 1, "")
    assert sent.sent_at is not None


def test_a_sent_message_is_not_sent_again_by_the_next_run(mail_server: MailServer) -> None:
    send_by(mail_server)
    write()
    for _ in range(3):
        assert send_waiting() is False
    assert len(mail_server.received) == 1


def test_a_recipient_refused_for_now_gets_it_after_the_pause_and_not_before(
    mail_server: MailServer,
) -> None:
    send_by(mail_server)
    mail_server.refusals = ["451 4.7.1 greylisted, come back"]
    message = write()
    now = timezone.now()
    send_waiting(now=now)
    waits = state_of(message)
    assert (waits.state, waits.attempts) == (State.WAITING, 1)
    assert waits.last_error == "The server refuses the recipient: 451 4.7.1 greylisted, come back"
    assert waits.next_attempt_at == now + PAUSES[0]
    send_waiting(now=now + PAUSES[0] - timedelta(seconds=1))
    assert mail_server.received == []
    send_waiting(now=now + PAUSES[0])
    assert len(mail_server.received) == 1
    assert state_of(message).state == State.SENT
    assert state_of(message).last_error == ""


def test_a_message_is_given_up_after_the_last_pause_with_its_reason(
    mail_server: MailServer,
) -> None:
    send_by(mail_server)
    mail_server.refusals = ["450 full"] * 20
    message = write()
    now = timezone.now()
    pauses = []
    while state_of(message).state == State.WAITING:
        send_waiting(now=now)
        pauses.append(state_of(message).next_attempt_at - now)
        now = state_of(message).next_attempt_at
    assert tuple(pauses[: len(PAUSES)]) == PAUSES
    given_up = state_of(message)
    assert (given_up.state, given_up.attempts) == (State.FAILED, len(PAUSES) + 1)
    assert "450 full" in given_up.last_error
    assert mail_server.recipients_asked == len(PAUSES) + 1


def test_a_refusal_for_good_gives_the_message_up_at_once_and_not_the_others(
    mail_server: MailServer,
) -> None:
    send_by(mail_server)
    mail_server.refusals = ["550 5.1.1 no such mailbox"]
    unknown, known = write("gone@acme.example"), write()
    send_waiting(now=in_future(seconds=1))
    refused = state_of(unknown)
    assert (refused.state, refused.attempts) == (State.FAILED, 1)
    assert refused.last_error == "The server refuses the recipient: 550 5.1.1 no such mailbox"
    assert state_of(known).state == State.SENT


def test_a_message_refused_as_a_whole_is_given_up(mail_server: MailServer) -> None:
    send_by(mail_server)
    mail_server.data_answer = "554 5.7.1 looks like spam"
    message = write()
    send_waiting()
    assert state_of(message).state == State.FAILED
    assert "refuses the message: 554 5.7.1 looks like spam" in state_of(message).last_error


def test_a_server_that_is_not_there_costs_one_message_one_try(transactional_db: None) -> None:
    server = MailServer()
    server.port = free_port()
    send_by(server)
    messages = [write(), write()]
    send_waiting(now=in_future(seconds=1))
    assert [state_of(message).attempts for message in messages] == [1, 0]
    error = state_of(messages[0]).last_error
    assert error == f"127.0.0.1:{server.port} can't be reached: Connection refused."


@pytest.mark.parametrize("mail_server", ["starttls"], indirect=True)
def test_starttls_with_the_right_password_delivers(mail_server: MailServer, trusted: None) -> None:
    send_by(mail_server, security="starttls", username=USER, password=SMTP_PASSWORD)
    write()
    send_waiting()
    assert len(mail_server.received) == 1


@pytest.mark.parametrize("mail_server", ["tls"], indirect=True)
def test_tls_from_the_first_byte_delivers(mail_server: MailServer, trusted: None) -> None:
    send_by(mail_server, security="tls")
    write()
    send_waiting()
    assert len(mail_server.received) == 1


@pytest.mark.parametrize("mail_server", ["starttls"], indirect=True)
def test_a_wrong_password_is_named_and_never_shown(
    mail_server: MailServer, trusted: None, caplog: pytest.LogCaptureFixture
) -> None:
    send_by(mail_server, security="starttls", username=USER, password="wrong-one")
    message = write()
    send_waiting()
    waits = state_of(message)
    assert waits.state == State.WAITING
    assert waits.last_error.startswith("The server refuses user name and password: 535")
    assert "wrong-one" not in waits.last_error + caplog.text
    stored = EmailSettings.objects.using("operator").get()
    assert b"wrong-one" not in bytes(stored.sealed_password)


@pytest.mark.parametrize("mail_server", ["starttls", "tls"], indirect=True)
def test_a_certificate_nobody_vouches_for_gets_no_mail(
    mail_server: MailServer, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["mail_server"]
    send_by(mail_server, security=kind, username=USER, password=SMTP_PASSWORD)
    message = write()
    send_waiting()
    assert mail_server.received == []
    assert "The certificate of 127.0.0.1" in state_of(message).last_error


def test_a_server_without_starttls_gets_neither_password_nor_mail(mail_server: MailServer) -> None:
    send_by(mail_server, security="starttls", username=USER, password=SMTP_PASSWORD)
    message = write()
    send_waiting()
    assert mail_server.received == []
    assert "STARTTLS" in state_of(message).last_error


def test_a_password_sealed_with_another_key_asks_for_a_new_one(
    mail_server: MailServer, settings: object
) -> None:
    send_by(mail_server, username=USER, password=SMTP_PASSWORD)
    settings.SECRET_KEY = "another key of the service, after a move"  # type: ignore[attr-defined]
    message = write()
    send_waiting()
    assert "enter it again" in state_of(message).last_error


def test_two_senders_at_once_send_a_message_once(mail_server: MailServer) -> None:
    send_by(mail_server)
    message = write()
    mail_server.gate.clear()

    def send() -> None:
        send_waiting()
        connections.close_all()

    first = threading.Thread(target=send)
    first.start()
    assert mail_server.busy.wait(10)
    assert send_waiting() is False
    with pytest.raises(MessageBusy):
        send_again(message_id=message.pk)
    assert mail_server.recipients_asked == 1
    mail_server.gate.set()
    first.join(10)
    assert len(mail_server.received) == 1
    assert state_of(message).attempts == 1


def test_many_messages_and_two_senders_make_each_arrive_once(mail_server: MailServer) -> None:
    send_by(mail_server)
    wanted = {f"person{number}@acme.example" for number in range(12)}
    for address in wanted:
        write(address)

    def send() -> None:
        send_waiting()
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    arrived = [str(mail["To"]) for mail in mail_server.mails()]
    assert sorted(arrived) == sorted(wanted)


def test_a_sender_that_dies_after_the_servers_yes_sends_again_under_the_same_id(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    send_by(mail_server)
    message = write()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(OutboxMessage, "save", die)
        send_waiting()
    assert state_of(message).state == State.WAITING
    send_waiting()
    first, second = mail_server.mails()
    assert first["Message-ID"] == second["Message-ID"]
    assert state_of(message).state == State.SENT


def test_what_is_told_twice_is_one_message(mail_folder: Path, transactional_db: None) -> None:
    first = write(cause="once", subject="First")
    second = write(cause="once", subject="Second")
    assert first.pk == second.pk
    send_waiting()
    (file,) = mail_folder.iterdir()
    assert parsed(file.read_bytes())["Subject"] == "First"


def test_what_is_rolled_back_was_never_written(cast: Cast) -> None:
    def tell_and_fail() -> None:
        enqueue(
            cause="never",
            to="mara@acme.example",
            subject="x",
            text="x",
            html="",
            tenant_id=cast.acme.id,
        )
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), tenant_scope(cast.acme.id):
        tell_and_fail()
    assert not OutboxMessage.objects.using("operator").exists()


def test_a_tenant_cannot_write_anothers_message(cast: Cast) -> None:
    with pytest.raises(Exception, match="row-level security"), tenant_scope(cast.acme.id):
        enqueue(cause="foreign", to="x@y.example", subject="x", text="x", tenant_id=cast.globex.id)
    transaction.get_connection().close()


def test_without_a_server_a_message_is_a_whole_file_in_the_folder(
    mail_folder: Path, transactional_db: None
) -> None:
    message = write(text="Grüße", html="")
    send_waiting()
    (file,) = mail_folder.iterdir()
    assert file.name == f"{message.created_at:%Y%m%dT%H%M%SZ}-{message.pk}.eml"
    mail = parsed(file.read_bytes())
    assert mail.get_content().split() == ["Grüße"]
    assert mail["To"] == "mara@acme.example"
    assert file.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_to_keeps_the_message(
    mail_folder: Path, transactional_db: None
) -> None:
    mail_folder.write_text("in the way")
    message = write()
    send_waiting()
    assert state_of(message).state == State.WAITING
    assert "can't be written to" in state_of(message).last_error


@pytest.mark.parametrize(
    "subject",
    ["Hello\r\nBcc: spy@evil.example", "Hello\nBcc: spy@evil.example", "Hello\x85Bcc: x@y.example"],
)
def test_a_subject_cannot_add_a_header(mail_server: MailServer, subject: str) -> None:
    send_by(mail_server)
    write(subject=subject)
    send_waiting()
    (mail,) = mail_server.mails()
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("Hello Bcc:")
    assert mail_server.received[0].rcpt_tos == ["mara@acme.example"]


@pytest.mark.parametrize(
    "to",
    [
        "mara@acme.example\r\nBcc: spy@evil.example",
        "mara@acme.example, spy@evil.example",
        "mara@acme.example> RCPT TO:<spy@evil.example",
        "Mara <mara@acme.example>",
        "",
    ],
)
def test_an_address_cannot_be_more_than_one_address(transactional_db: None, to: str) -> None:
    with pytest.raises(ValidationError):
        write(to)


def test_a_domain_in_any_script_is_written_so_that_every_server_reads_it(
    mail_server: MailServer,
) -> None:
    send_by(mail_server)
    write("mara@bücher.example")
    send_waiting()
    assert mail_server.received[0].rcpt_tos == ["mara@xn--bcher-kva.example"]


def test_one_message_that_cannot_be_made_does_not_hold_up_the_next(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_by(mail_server)
    broken, whole = write(subject="Broken"), write()
    from tenants.notifications import delivery

    compose = delivery.compose

    def fragile(message: OutboxMessage, settings: EmailSettings) -> object:
        if message.pk == broken.pk:
            raise RuntimeError("nobody thought of this")
        return compose(message, settings)

    monkeypatch.setattr(delivery, "compose", fragile)
    send_waiting(now=in_future(seconds=1))
    assert state_of(broken).state == State.WAITING
    assert "RuntimeError" in state_of(broken).last_error
    assert state_of(whole).state == State.SENT


def test_a_message_that_was_given_up_is_sent_again_by_hand(mail_server: MailServer) -> None:
    send_by(mail_server)
    mail_server.refusals = ["550 no"]
    message = write()
    send_waiting()
    send_again(message_id=message.pk)
    send_waiting(now=in_future(seconds=1))
    assert state_of(message).state == State.SENT
    assert state_of(message).attempts == 1
