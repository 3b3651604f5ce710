"""What is shown of signed, encrypted and rights-protected messages."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from backups.streams import Kind, Origin, item_view
from backups.streams.native.assembly import file_attachment
from backups.streams.views.details import Protection, RightsProtectedView, SignedView
from tests.streams.test_views import NOON, draft, payload


def signing_key() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Noor"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "noor@acme.example"),
        ]
    )
    builder = x509.CertificateBuilder(name, name, key.public_key(), 4711)
    whole = builder.not_valid_before(NOON).not_valid_after(NOON.replace(year=2036))
    return whole.sign(key, hashes.SHA256()), key


def signed_message(*, inside: bool) -> bytes:
    message = EmailMessage()
    message.set_content("Hello ü")
    message.add_attachment(b"1", maintype="text", subtype="csv", filename="figures.csv")
    certificate, key = signing_key()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(message.as_bytes())
    builder = builder.add_signer(certificate, key, hashes.SHA256())
    if inside:
        return builder.sign(serialization.Encoding.DER, [])
    return builder.sign(serialization.Encoding.SMIME, [pkcs7.PKCS7Options.DetachedSignature])


@pytest.mark.parametrize(
    ("item_class", "mime_type", "inside", "protection"),
    [
        (
            "IPM.Note.SMIME.MultipartSigned",
            "multipart/signed",
            False,
            Protection.SIGNED_CLEAR,
        ),
        ("IPM.Note.SMIME", "application/pkcs7-mime", True, Protection.SIGNED_OPAQUE),
    ],
)
def test_a_signed_message_shows_what_was_signed_and_by_whom(
    item_class: str, mime_type: str, inside: bool, protection: Protection
) -> None:
    made = draft(item_class)
    made.attachments.append(
        file_attachment(0, "smime.p7m", mime_type, signed_message(inside=inside))
    )
    view = item_view(payload(made))
    assert view.notes == ()
    assert view.detail == SignedView(protection, ("Noor <noor@acme.example>",), ("figures.csv",))
    assert view.text.strip() == "Hello ü"
    assert view.body.origin is Origin.SIGNED_PART
    assert dict(view.facts)["Signed by"] == "Noor <noor@acme.example> (not verified)"


def indefinite(tag: int, *contents: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(contents) + b"\0\0"


SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")
DATA = bytes.fromhex("06092a864886f70d010701")


def test_a_signed_message_in_pieces_of_no_known_length_is_put_together() -> None:
    pieces = (b"\x04\x13Content-Type: text/", b"\x04\x09plain\r\n\r\n", b"\x04\x02Hi")
    content = indefinite(0x30, DATA, indefinite(0xA0, indefinite(0x24, *pieces)))
    signed = indefinite(0x30, b"\x02\x01\x01\x31\x00", content, b"\x31\x00")
    raw = indefinite(0x30, SIGNED_DATA, indefinite(0xA0, signed))
    made = draft("IPM.Note.SMIME")
    made.attachments.append(file_attachment(0, "smime.p7m", "application/pkcs7-mime", raw))
    view = item_view(payload(made))
    assert (view.text, view.detail) == ("Hi", SignedView(Protection.SIGNED_OPAQUE))


def test_an_encrypted_message_says_so() -> None:
    raw = indefinite(0x30, ENVELOPED_DATA, indefinite(0xA0, b"\x04\x04abcd"))
    made = draft("IPM.Note.SMIME")
    made.attachments.append(file_attachment(0, "smime.p7m", "application/pkcs7-mime", raw))
    view = item_view(payload(made))
    assert view.detail == SignedView(Protection.ENCRYPTED)
    assert (view.text, view.body.origin, view.notes) == ("", Origin.NONE, ())


@pytest.mark.parametrize("raw", [b"", b"0", b"\x30\x80" * 5_000, b"\x30\x84\xff\xff\xff\xff", DATA])
def test_a_broken_signature_is_noted(raw: bytes) -> None:
    made = draft("IPM.Note.SMIME")
    made.attachments.append(file_attachment(0, "smime.p7m", "application/pkcs7-mime", raw))
    view = item_view(payload(made))
    assert view.detail == SignedView(Protection.UNKNOWN)
    assert view.notes[0].startswith("S/MIME: ")


def test_a_rights_protected_message_says_so() -> None:
    made = draft("IPM.Note", "Secret")
    made.attachments.append(file_attachment(0, "a.txt", "text/plain", b"a"))
    made.attachments.append(
        file_attachment(1, "message.rpmsg", "application/x-microsoft-rpmsg-message", b"x")
    )
    view = item_view(payload(made))
    assert (view.kind, view.detail) == (Kind.RIGHTS_PROTECTED, RightsProtectedView(1))
