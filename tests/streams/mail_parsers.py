"""What two parsers that are not ours read in a mail: fast_mail_parser (Rust) and Python's email.

A ``Summary`` is what must survive: the fields of each message in the mail, its texts, its files.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header
from email.message import Message

import tnefparse
from fast_mail_parser import ParseError, PyMimePart, parse_email, parse_email_tree

FIELDS = ("message-id", "from", "to", "cc", "date", "subject")
TNEF = b"\x78\x9f\x3e\x22"
UUENCODED = ("x-uuencode", "uuencode")
TEXTS = ("text/plain", "text/html")
WIDER = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
}


@dataclass(frozen=True)
class File:
    """``exact`` is the SHA-256 of the content, ``lines`` that of its lines without their ends and
    the blanks before them; ``coded`` says that an encoding protected every byte."""

    name: str
    exact: str
    lines: str
    coded: bool
    raw: bytes

    @classmethod
    def of(cls, name: str, raw: bytes, coded: bool) -> File:
        lines = re.sub(rb"[ \t\r]*\n", b"\n", raw).strip()
        return cls(name, digest(raw), digest(lines), coded, raw)


@dataclass
class Summary:
    heads: list[dict[str, list[str]]] = field(default_factory=list)
    texts: Counter[tuple[str, str]] = field(default_factory=Counter)
    files: list[File] = field(default_factory=list)
    may_grow: bool = False

    def add_leaf(
        self, kind: str, name: str, attached: bool, charset: str, raw: bytes, coded: bool
    ) -> None:
        if kind in TEXTS and not attached:
            said = plain(text_of(raw, charset))
            if said:
                self.texts[kind, said] += 1
        elif kind.startswith("message/"):
            self.files.append(File.of(name_of(name), b"".join(raw.split()), coded))
        else:
            self.files.append(File.of(name_of(name), raw, coded))


def by_rust(raw: bytes) -> Summary | None:
    """None where the parser gives up, as it does at base64 that is not clean, and where it knows
    less: it reads nothing in a multipart without parts, no uuencoding, and leaves bytes out of
    quoted-printable text that is not clean."""
    try:
        tree = parse_email_tree(raw)
        if any(w.kind == "transfer-decode-lossy" for w in parse_email(raw).warnings):
            return None
    except ParseError:
        return None
    found = Summary()
    found.heads.append(rust_head(tree))
    for part in rust_leaves(tree, found):
        if part.content_type.startswith("multipart/"):
            return None
        fields = {name.lower(): values[0] for name, values in part.headers.items()}
        encoding = fields.get("content-transfer-encoding", "")
        if encoding.lower() in UUENCODED:
            return None
        if encoding.lower() == "quoted-printable" and not raw.isascii():
            return None
        if part.content_type == "message/global" and not part.children:
            inner = by_rust(part.content or b"")
            if inner is None:
                return None
            found.heads += inner.heads
            found.texts += inner.texts
            found.files += inner.files
            continue
        found.add_leaf(
            part.content_type.lower() if "/" in part.content_type else "text/plain",
            part.filename,
            part.disposition == "attachment",
            charset_in(fields.get("content-type", "")),
            part.content or b"",
            is_coded(encoding),
        )
    return found


def rust_leaves(part: PyMimePart, found: Summary) -> Iterator[PyMimePart]:
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if part.is_message and part.children:
            found.heads += [rust_head(child) for child in part.children]
        if part.children:
            waiting += reversed(part.children)
        else:
            yield part


def rust_head(part: PyMimePart) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, values in part.headers.items():
        if name.lower() in FIELDS:
            found.setdefault(name.lower(), []).extend(spaced(western(v)) for v in values)
    return found


def by_python(raw: bytes) -> Summary:
    found = Summary()
    waiting: list[Message] = [message_from_bytes(raw)]
    found.heads.append(python_head(waiting[0]))
    while waiting:
        part = waiting.pop()
        payload = part.get_payload()
        kind = part.get_content_type()
        if isinstance(payload, list) and part.get_content_maintype() == "multipart":
            waiting += reversed(payload)
        elif isinstance(payload, list) and kind in ("message/rfc822", "message/global"):
            found.heads += [python_head(inner) for inner in payload]
            waiting += reversed(payload)
        elif isinstance(payload, list):
            inner = b"".join(str(block).encode("utf-8", "surrogateescape") for block in payload)
            found.add_leaf(kind, part.get_filename() or "", True, "", inner, False)
        else:
            raw_part = part.get_payload(decode=True)
            found.add_leaf(
                "text/plain" if kind.startswith("multipart/") else kind,
                python_name(part),
                part.get_content_disposition() == "attachment",
                str(part.get_param("charset") or ""),
                raw_part if isinstance(raw_part, bytes) else b"",
                is_coded(str(part["content-transfer-encoding"] or "")),
            )
    return found


def python_name(part: Message) -> str:
    """The file name; the parser shows none of the letters of one in raw 8-bit bytes."""
    clean = Message()
    for name, value in part.raw_items():
        if name.lower() in ("content-type", "content-disposition"):
            clean[name] = text_of(str(value).encode("utf-8", "surrogateescape"), "")
    return str(clean.get_filename() or "")


def python_head(part: Message) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in part.raw_items():
        if name.lower() in FIELDS:
            raw = str(value).encode("utf-8", "surrogateescape")
            said = decoded_words(text_of(raw, ""))
            found.setdefault(name.lower(), []).append(spaced(said))
    return found


def differences(original: Summary, written: Summary) -> list[str]:
    """What of ``original`` is not in ``written``, in words, and what was not in it unless it
    ``may_grow``; empty when all is the same."""
    found = []
    if len(original.heads) != len(written.heads) and not original.may_grow:
        found.append(f"{len(original.heads)} messages, {len(written.heads)} written")
    for before, after in zip(original.heads, written.heads, strict=False):
        found += [f"field {name}" for name in FIELDS if before.get(name) != after.get(name)]
    found += [f"{kind} lost" for kind, _ in original.texts - written.texts]
    added = [f"{kind} added" for kind, _ in written.texts - original.texts]
    waiting = list(written.files)
    for file in original.files:
        match = next((f for f in waiting if same(file, f)), None)
        if match is None:
            found.append(f"file {file.name!r} lost")
        else:
            waiting.remove(match)
    added += [f"file {file.name!r} added" for file in waiting]
    return found if original.may_grow else found + added


def with_tnef_opened(found: Summary) -> Summary:
    """``found`` with the files in a winmail.dat in its place, as tnefparse reads them."""
    opened = Summary(found.heads, found.texts, may_grow=True)
    for file in found.files:
        opened.files += tnef_files(file.raw) if file.raw.startswith(TNEF) else [file]
    return opened


def tnef_files(raw: bytes) -> list[File]:
    attached = tnefparse.TNEF(raw, do_checksum=False).attachments
    return [
        File.of(spaced(a.long_filename()), a.data, True)
        for a in attached
        if not hasattr(a, "embed")
    ]


def same(before: File, after: File) -> bool:
    """A file without a name may have got one."""
    same_bytes = before.exact == after.exact
    same_lines = before.lines == after.lines and not before.coded
    return (same_bytes or same_lines) and before.name in ("", after.name)


def text_of(raw: bytes, charset: str) -> str:
    """Text as docs/streams/mail.md says that it is decoded, written here a second time."""
    try:
        codec = codecs.lookup(charset).name
        b"\0\0\0\0".decode(codec)
        codec = WIDER.get(codec, codec)
    except (LookupError, ValueError):
        codec = ""
    if codec and codec != "cp1252":
        return raw.decode(codec, "replace")
    for last in ("utf-8", "cp1252", "latin-1"):
        try:
            return raw.decode(last)
        except UnicodeDecodeError:
            continue
    raise AssertionError("latin-1 decodes everything")


def plain(text: str) -> str:
    """``text`` with one kind of line end, without the blanks before it, which mail may lose."""
    return re.sub(r"[ \t]*(?:\r\n|\r|\n)", "\n", text.replace("\0", "")).strip()


def spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\0", "")).strip()


def western(text: str) -> str:
    """The parser reads bytes that are no UTF-8 as Latin-1, where mail means Windows-1252."""
    if any("\x80" <= letter <= "\x9f" for letter in text):
        return text.encode("latin-1", "replace").decode("cp1252", "replace")
    return text


def decoded_words(text: str) -> str:
    try:
        pairs = decode_header(text)
    except ValueError:
        return text
    return "".join(
        piece if isinstance(piece, str) else text_of(piece, label or "") for piece, label in pairs
    )


def name_of(name: str) -> str:
    """A file's name with the encoded words decoded that only some parsers decode there."""
    return spaced(decoded_words(name) if "=?" in name else name)


def charset_in(field_value: str) -> str:
    match = re.search(r"charset\s*\*?=\s*\"?([^\s\";]+)", field_value, re.IGNORECASE)
    return match[1] if match else ""


def is_coded(encoding: str) -> bool:
    """Whether the encoding keeps every byte; that of texts is for lines of text."""
    return encoding.strip().lower() in ("base64", *UUENCODED)


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
