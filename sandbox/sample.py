"""The sample organizations of the demo: Acme and Globex, with mail that looks like mail,
calendars, contacts and tasks.

Everything follows from fixed seeds and dates, so two sandboxes filled by this hold the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from html import escape

from sandbox.items import folder_for, from_mail, home_of
from sandbox.records import Directory, NewItem, User
from sandbox.sample_calendar import calendar_of, contacts_of
from sandbox.sample_files import SampleFile, report_csv, report_pdf, screenshot_png
from sandbox.sample_texts import CLOSINGS, NOTICES, SENTENCES, TOPICS, Topic
from sandbox.store import Store

_FIRST_DAY = datetime(2026, 8, 31, 7, 30, tzinfo=UTC)
_DAYS = 80


@dataclass(frozen=True, slots=True)
class _Organization:
    name: str
    domain: str
    people: tuple[tuple[str, str, str | None], ...]
    """(local part, name, kind of mailbox or None)."""
    threads: int


ORGANIZATIONS = (
    _Organization(
        "Acme",
        "acme.example",
        (
            ("anna.berg", "Anna Berg", "user"),
            ("ravi.kumar", "Ravi Kumar", "user"),
            ("ute.lang", "Ute Lang", "user"),
            ("support", "Acme Support", "shared"),
            ("boardroom", "Boardroom", "room"),
            ("scanner", "Scanner on floor 2", None),
        ),
        46,
    ),
    _Organization(
        "Globex",
        "globex.example",
        (
            ("gus.hahn", "Gus Hahn", "user"),
            ("mei.tanaka", "Mei Tanaka", "user"),
            ("office", "Globex Office", "shared"),
            ("lab", "Laboratory", "room"),
        ),
        40,
    ),
    _Organization(
        "Globex Research",
        "globex-research.example",
        (
            ("ida.novak", "Ida Novak", "user"),
            ("tomas.reyes", "Tomas Reyes", "user"),
        ),
        24,
    ),
)


def fill(store: Store) -> list[Directory]:
    """The sample organizations, created and filled where they are missing; what is there stays."""
    directories = []
    for number, organization in enumerate(ORGANIZATIONS):
        directory = store.add_directory(organization.name, organization.domain)
        if not store.users(directory.id):
            _Sample(store, directory, organization, random.Random(number)).fill()  # noqa: S311
        directories.append(directory)
    return directories


class _Sample:
    """Fills one organization."""

    def __init__(
        self, store: Store, directory: Directory, organization: _Organization, dice: random.Random
    ) -> None:
        self._store = store
        self._dice = dice
        self._organization = organization
        self._mail: dict[tuple[str, str], list[NewItem]] = {}
        self._count = 0
        users = [
            store.add_user(directory.id, f"{local}@{organization.domain}", name, kind)
            for local, name, kind in organization.people
        ]
        self._staff = [user for user in users if user.kind in ("user", "shared")]
        self._rooms = [user for user in users if user.kind == "room"]
        self._files = _files(organization.domain, dice)

    def fill(self) -> None:
        for number in range(self._organization.threads):
            self._write_thread(TOPICS[number % len(TOPICS)], number)
        for user in self._staff + self._rooms:
            self._write_notices(user)
        for (mailbox, path), items in self._mail.items():
            self._store.add_items(mailbox, self._store.folder_at(mailbox, path).id, items)
        for number, user in enumerate(self._staff):
            own = calendar_of(user, self._staff, number)
            self._put_home(user, [*own, *contacts_of(self._files[0])])

    def _put_home(self, user: User, items: list[NewItem]) -> None:
        """Events, contacts and tasks, each into the folder of its kind."""
        for item in items:
            home = home_of(item.item_class)
            if user.mailbox and home:
                folder = folder_for(self._store, user.mailbox, home)
                self._store.add_item(user.mailbox, folder, item)

    def _write_thread(self, topic: Topic, number: int) -> None:
        people = self._dice.sample(self._staff, self._dice.randint(2, len(self._staff)))
        moment = self._moment(number / self._organization.threads)
        before: list[str] = []
        file = self._files[number // 3 % len(self._files)] if number % 3 != 1 else None
        for turn in range(self._dice.randint(2, 5)):
            sender, others = people[0], people[1:]
            message = self._message(sender, others, topic, moment, before)
            if file and turn == 0:
                message.add_attachment(
                    file.content, maintype=file.main, subtype=file.sub, filename=file.name
                )
            self._deliver(message, sender, others, topic.folder)
            before.append(str(message["Message-ID"]))
            people = people[1:] + people[:1]
            moment += timedelta(minutes=self._dice.randint(9, 700))

    def _write_notices(self, user: User) -> None:
        domain = self._organization.domain
        for number in range(24 if user in self._staff else 64):
            subject, text = NOTICES[number % len(NOTICES)]
            moment = self._moment(number / 64)
            message = EmailMessage()
            message["From"] = formataddr(("Building services", f"services@{domain}"))
            message["To"] = formataddr((user.name, user.address))
            self._head(message, subject.format(number=number + 1), moment)
            message.set_content(text.format(name=user.name, day=moment.strftime("%Y-%m-%d")))
            folder = "Inbox/Notices" if number % 2 else "Inbox"
            self._keep(user, folder, message)

    def _message(
        self,
        sender: User,
        others: list[User],
        topic: Topic,
        moment: datetime,
        before: list[str],
    ) -> EmailMessage:
        message = EmailMessage()
        message["From"] = formataddr((sender.name, sender.address))
        message["To"] = ", ".join(formataddr((user.name, user.address)) for user in others[:2])
        if others[2:]:
            message["Cc"] = ", ".join(formataddr((user.name, user.address)) for user in others[2:])
        self._head(message, f"Re: {topic.subject}" if before else topic.subject, moment)
        if before:
            message["In-Reply-To"] = before[-1]
            message["References"] = " ".join(before)
        sentences = [topic.opening, *self._dice.sample(SENTENCES, self._dice.randint(2, 6))]
        closing = f"{self._dice.choice(CLOSINGS)}\n{sender.name}"
        message.set_content("\n\n".join([*sentences, closing]) + "\n")
        if self._dice.random() < 0.7:
            message.add_alternative(_html(sentences, closing), subtype="html")
        return message

    def _head(self, message: EmailMessage, subject: str, moment: datetime) -> None:
        self._count += 1
        message["Subject"] = subject
        message["Date"] = format_datetime(moment)
        message["Message-ID"] = f"<{self._count:05d}.sample@{self._organization.domain}>"

    def _deliver(
        self, message: EmailMessage, sender: User, others: list[User], folder: str
    ) -> None:
        self._keep(sender, "Sent Items", message)
        for user in others:
            self._keep(user, folder, message)

    def _keep(self, user: User, path: str, message: EmailMessage) -> None:
        """Each copy has a line of its own on top, as the last server on the way writes it."""
        for number, part in enumerate(message.walk()):
            if part.is_multipart():
                part.set_boundary(f"=_{self._count:05d}.{number}")
        server = f"mail.{self._organization.domain}"
        received = f"Received: by {server} for <{user.address}>;\r\n {message['Date']}\r\n"
        raw = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        if user.mailbox:
            self._mail.setdefault((user.mailbox, path), []).append(
                from_mail(received.encode("ascii") + raw)
            )

    def _moment(self, share: float) -> datetime:
        minutes = self._dice.randint(0, 600)
        return _FIRST_DAY + timedelta(days=int(share * _DAYS), minutes=minutes)


def _files(domain: str, dice: random.Random) -> list[SampleFile]:
    return [
        screenshot_png(f"screenshot-{domain}.png", dice, 240, 160),
        report_pdf("Quarterly report Q3.pdf", dice, 60),
        report_csv("consumption.csv", dice, 1500),
        screenshot_png("floor plan.png", dice, 320, 200),
        report_pdf("Übersicht Verträge.pdf", dice, 25),
        report_csv("addresses.csv", dice, 300),
    ]


def _html(sentences: list[str], closing: str) -> str:
    return "".join(_html_lines(sentences, closing))


def _html_lines(sentences: list[str], closing: str) -> Iterator[str]:
    yield '<html><head><meta charset="utf-8"><style>p { font-family: Calibri, sans-serif }</style>'
    yield "</head><body>\n"
    for sentence in sentences:
        yield f"<p>{escape(sentence)}</p>\n"
    yield f"<p><b>{escape(closing).replace(chr(10), '</b><br>')}</p>\n</body></html>\n"
