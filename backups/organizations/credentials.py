"""An application's certificate and private key, checked before they are kept."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from backups.organizations.refusal import OrganizationRefused

MAX_PEM = 65_536
"""Characters of one PEM text; a chain of certificates stays far below."""
_SMALLEST_KEY = 2048


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
