"""Signed and encrypted mail keeps what its signature is over, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backups.streams import (
    Attachment,
    Item,
    Property,
    from_mime,
    item_view,
    read_item,
    to_eml,
    validate,
    write_item,
)
from backups.streams.native import tags
from backups.streams.native.properties import BINARY, UNICODE

from .samples import BUILD

INNER = (
    "Content-Type: multipart/mixed; boundary=inner\r\n\r\n"
    "--inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    "Grüße  \r\n\tlines as they are\r\n"
    "--inner\r\nContent-Type: image/png; name=a.png\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--inner--\r\n"
).encode()

HEAD = b"From: Anna <anna@acme.example>\r\nSubject: signed\r\nMessage-ID: <s@acme.example>\r\n"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate of its own making."""
    folder = tmp_path_factory.mktemp("signer")
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", "/CN=Anna/emailAddress=anna@acme.example",
        "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"),
    )  # fmt: skip
    return folder


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


def signed(signer: Path, *options: str) -> bytes:
    made = openssl(
        "cms", "-sign", "-signer", str(signer / "certificate.pem"),
        "-inkey", str(signer / "key.pem"), *options,
        given=INNER,
    )  # fmt: skip
    return HEAD + made.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def verified(signer: Path, mail: bytes) -> bytes:
    """What the mail says, as openssl gives it when the signature is good; raises when not."""
    return openssl("cms", "-verify", "-CAfile", str(signer / "certificate.pem"), given=mail)


def test_the_signature_of_a_clear_signed_mail_still_holds(signer: Path) -> None:
    mail = signed(signer)
    payload = from_mime(mail)

    assert validate(payload).item_class == "IPM.Note.SMIME.MultipartSigned"
    eml = to_eml(payload)
    assert eml.endswith(mail[mail.index(b"Content-Type: multipart/signed") :])
    assert verified(signer, eml) == INNER


def test_a_signature_holds_for_a_mail_that_was_stored_with_other_line_ends(signer: Path) -> None:
    stored = signed(signer).replace(b"\r\n", b"\n")

    assert verified(signer, to_eml(from_mime(stored))) == INNER


def test_a_changed_mail_is_no_longer_verified(signer: Path) -> None:
    eml = to_eml(from_mime(signed(signer)))

    with pytest.raises(subprocess.CalledProcessError):
        verified(signer, eml.replace(b"lines as they are", b"lines as they were"))


def test_an_opaque_signed_mail_keeps_its_object(signer: Path) -> None:
    payload = from_mime(signed(signer, "-nodetach"))

    assert validate(payload).item_class == "IPM.Note.SMIME"
    assert verified(signer, to_eml(payload)) == INNER


def test_an_encrypted_mail_is_opened_with_its_key(signer: Path) -> None:
    mail = HEAD + openssl(
        "cms", "-encrypt", "-binary", "-aes256", str(signer / "certificate.pem"), given=INNER
    )
    payload = from_mime(mail)

    assert validate(payload).item_class == "IPM.Note.SMIME"
    opened = openssl("cms", "-decrypt", "-inkey", str(signer / "key.pem"), given=to_eml(payload))
    assert opened == INNER


def test_the_text_of_a_clear_signed_mail_is_the_body_of_the_item(signer: Path) -> None:
    item = read_item(from_mime(signed(signer)))

    body = item.find(tags.BODY)
    assert body is not None
    assert str(body.value).startswith("Grüße")
    assert len(item.attachments) == 1
    kept = {p.id: p.value for p in item.attachments[0].properties}
    assert kept[tags.ATTACH_MIME_TAG] == "multipart/signed"
    assert INNER in bytes(kept[tags.ATTACH_DATA])  # type: ignore[arg-type]


def test_a_signed_mail_inside_a_mail_is_untouched_too(signer: Path) -> None:
    inner = signed(signer)
    outer = (
        b"Subject: forwarded\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--outer--\r\n"
    )

    eml = to_eml(from_mime(outer))

    start = eml.index(b"From: Anna")
    stop = eml.index(b"\r\n--=_", start)
    verified(signer, eml[start:stop])


def test_an_object_of_an_item_that_never_was_a_mail_is_named_by_what_it_is() -> None:
    enveloped = bytes.fromhex("3080" + "06092a864886f70d010703" + "a080")
    attachment = Attachment(
        [
            Property.of(tags.ATTACH_LONG_FILENAME, UNICODE, "smime.p7m"),
            Property.of(tags.ATTACH_DATA, BINARY, enveloped),
        ]
    )
    item = Item([Property.of(tags.MESSAGE_CLASS, UNICODE, "IPM.Note.SMIME")], [], [], [attachment])

    eml = to_eml(write_item(item, build=BUILD))

    assert b'application/pkcs7-mime; name="smime.p7m"; smime-type=enveloped-data' in eml


def test_what_only_claims_to_be_signed_is_written_as_an_ordinary_mail() -> None:
    item = Item(
        [
            Property.of(tags.MESSAGE_CLASS, UNICODE, "IPM.Note.SMIME.MultipartSigned"),
            Property.of(tags.BODY, UNICODE, "no signature anywhere"),
        ]
    )

    assert b"no signature anywhere" in to_eml(write_item(item, build=BUILD))


def test_a_protected_mail_names_its_content_class() -> None:
    mail = (
        b"Subject: secret\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: application/x-microsoft-rpmsg-message; name=message.rpmsg\n"
        b"Content-Transfer-Encoding: base64\n\nAAEC\n--b--\n"
    )
    names = {p.name.name: p.value for p in read_item(from_mime(mail)).properties if p.name}

    assert names["content-class"] == "rpmsg.message"
    assert item_view(from_mime(mail)).kind == "rights_protected"


def test_the_parts_of_mail_encrypted_with_openpgp_stay_where_they_are() -> None:
    mail = (
        b"Subject: secret\r\nContent-Type: multipart/encrypted; boundary=b;\r\n"
        b' protocol="application/pgp-encrypted"\r\n\r\n'
        b"--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n"
        b"--b--\r\n"
    )

    eml = to_eml(from_mime(mail))

    assert b'multipart/encrypted; protocol="application/pgp-encrypted";' in eml
    assert eml.count(b"Content-Type: ") == 3


def test_a_field_that_the_signed_entity_has_is_not_written_a_second_time() -> None:
    raw = HEAD + (
        b"Content-Language: en-US\r\nContent-Type: multipart/signed; protocol=x/y; boundary=s\r\n"
        b"\r\n--s\r\nContent-Type: text/plain\r\n\r\nText\r\n--s\r\n"
        b"Content-Type: x/y\r\n\r\nxx\r\n--s--\r\n"
    )
    once = to_eml(from_mime(raw))
    assert once.count(b"Content-Language:") == 1
    assert to_eml(from_mime(once)) == once
