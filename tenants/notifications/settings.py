"""How the installation sends e-mail: one row, read and written as the operator."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from tenants.isolation.scope import OPERATOR
from tenants.models import EmailSettings
from tenants.secrets import seal_for_service, unseal_for_service

log = logging.getLogger(__name__)

_CONTEXT = "tenants_emailsettings.sealed_password"


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how mail is handed over. ``username`` is empty when the server asks for none."""

    host: str
    port: int
    security: str
    username: str = ""


def email_settings() -> EmailSettings:
    """The settings as saved, or the defaults: into the folder."""
    return EmailSettings.objects.using(OPERATOR).first() or EmailSettings()


def password_of(settings: EmailSettings) -> str:
    """Empty when none is stored. Raises SecretUnreadable after a change of the secret key."""
    sealed = bytes(settings.sealed_password)
    return unseal_for_service(_CONTEXT, sealed).decode() if sealed else ""


def save_email_settings(
    *,
    delivery: str,
    sender: str,
    sender_name: str,
    server: Server,
    password: str,
    person_id: UUID,
) -> EmailSettings:
    """Save the settings. An empty password keeps the stored one as long as a user name is given.

    The row belongs to no tenant, so the change goes to the server's log, without the password.
    """
    with transaction.atomic(using=OPERATOR):
        EmailSettings.objects.using(OPERATOR).bulk_create([EmailSettings()], ignore_conflicts=True)
        settings = EmailSettings.objects.using(OPERATOR).select_for_update().get()
        settings.delivery, settings.sender, settings.sender_name = delivery, sender, sender_name
        settings.host, settings.port = server.host, server.port
        settings.security, settings.username = server.security, server.username
        if not server.username:
            settings.sealed_password = b""
        elif password:
            settings.sealed_password = seal_for_service(_CONTEXT, password.encode())
        settings.save(using=OPERATOR)
    log.info("e-mail settings changed by %s: %s %s", person_id, delivery, server.host)
    return settings
