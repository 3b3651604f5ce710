"""An application's certificate and private key, checked before they are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from backups.organizations.refusal import OrganizationRefused

MAX_PEM = 65_536
"""Characters of one PEM text; a chain of certificates stays far below."""
_SMALLEST_KEY = 2048
_KEY_SIZE = 3072
_LONGEST_NAME = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""
VALIDITY = timedelta(days=730)
"""Of a certificate that is made here."""


def check_credential(*, certificate: str, private_key: str, now: datetime | None = None) -> None:
    """Raises OrganizationRefused naming the field: unreadable, expired, or not a pair."""
    moment = now or datetime.now(UTC)
    public = _certificate(certificate)
    if public.not_valid_after_utc <= moment:
        raise OrganizationRefused(
            "certificate", f"This certificate expired on {public.not_valid_after_utc:%Y-%m-%d}."
        )
    if public.not_valid_before_utc > moment:
        raise OrganizationRefused(
            "certificate",
            f"This certificate is not valid before {public.not_valid_before_utc:%Y-%m-%d}.",
        )
    key = _private_key(private_key)
    if key.public_key() != public.public_key():
        raise OrganizationRefused("private_key", "This key does not belong to the certificate.")


def make_credential(name: str) -> tuple[str, str]:
    """A self-signed certificate for an app registration and its private key, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_SIZE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_NAME])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        # A clock that runs behind ours must not call it one of tomorrow.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), private.decode()


def check_trust(trust: str) -> None:
    """Raises OrganizationRefused when there is text, but no certificate in it."""
    if not trust.strip():
        return
    try:
        x509.load_pem_x509_certificates(_bytes("trust", trust))
    except ValueError as error:
        raise OrganizationRefused(
            "trust", "There is no certificate in PEM form in this text."
        ) from error


def expires_at(certificate: str) -> datetime | None:
    """When a stored certificate ends; None when it cannot be read."""
    try:
        return _certificate(certificate).not_valid_after_utc
    except OrganizationRefused:
        return None


def _certificate(text: str) -> x509.Certificate:
    if not text.strip():
        raise OrganizationRefused("certificate", "Paste the certificate, or choose its file.")
    try:
        return x509.load_pem_x509_certificate(_bytes("certificate", text))
    except ValueError as error:
        raise OrganizationRefused(
            "certificate",
            "There is no certificate in PEM form here (-----BEGIN CERTIFICATE-----).",
        ) from error


def _private_key(text: str) -> rsa.RSAPrivateKey:
    if not text.strip():
        raise OrganizationRefused("private_key", "Paste the private key, or choose its file.")
    try:
        key = load_pem_private_key(_bytes("private_key", text), password=None)
    except TypeError as error:
        raise OrganizationRefused(
            "private_key", "This key is protected by a password. Remove it first."
        ) from error
    # Key formats that the library does not know have an error of their own that is no ValueError.
    except Exception as error:
        raise OrganizationRefused(
            "private_key",
            "There is no private key in PEM form here (-----BEGIN PRIVATE KEY-----).",
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
        raise OrganizationRefused(
            "private_key", f"Entra signs in with RSA keys of {_SMALLEST_KEY} bits or more."
        )
    return key


def _bytes(field: str, text: str) -> bytes:
    if len(text) > MAX_PEM:
        raise OrganizationRefused(field, "This is too long to be a PEM file.")
    return text.encode("utf-8", "replace")
