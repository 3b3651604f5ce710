from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from tenants.models import EmailSettings
from tenants.notifications.recipients import Events
from tenants.notifications.settings import Server

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]+\]?")
_SMTP = EmailSettings.Delivery.SMTP


def _refuse_controls(value: str) -> None:
    if not value.isprintable():
        raise ValidationError("Write it on one line, without control characters.")


def _refuse_beyond_ascii(value: str) -> None:
    # Python's SMTP client signs in with ASCII only.
    if not value.isascii():
        raise ValidationError("Only the characters of ASCII can be used here.")


class EventsForm(forms.Form):
    """Which results of sessions an address hears of."""

    on_success = forms.BooleanField(label="Success", required=False)
    on_warning = forms.BooleanField(label="Warning or stopped", required=False)
    on_failure = forms.BooleanField(label="Failure", required=False)

    def clean(self) -> dict[str, Any]:
        if not any(self.cleaned_data.get(name) for name in EventsForm.base_fields):
            raise ValidationError("Choose at least one result, or remove the address.")
        return self.cleaned_data

    @property
    def events(self) -> Events:
        return Events(**{name: self.cleaned_data[name] for name in EventsForm.base_fields})


class RecipientForm(EventsForm):
    email = forms.EmailField(label="E-mail address", max_length=254)
    field_order = ("email", "on_success", "on_warning", "on_failure")


class TestMessageForm(forms.Form):
    to = forms.EmailField(label="Send a test message to", max_length=254)


class EmailSettingsForm(forms.Form):
    """How mail is sent. The stored password is never shown; an empty field keeps it."""

    delivery = forms.ChoiceField(label="Delivery", choices=EmailSettings.Delivery.choices)
    sender_name = forms.CharField(
        label="Sender's name", max_length=100, required=False, validators=[_refuse_controls]
    )
    sender = forms.EmailField(label="Sender's address", max_length=254)
    host = forms.CharField(label="Server", max_length=255, required=False)
    port = forms.IntegerField(label="Port", min_value=1, max_value=65535)
    security = forms.ChoiceField(
        label="Security",
        choices=EmailSettings.Security.choices,
        help_text="STARTTLS is usual on port 587, TLS on port 465.",
    )
    username = forms.CharField(
        label="User name",
        max_length=255,
        required=False,
        validators=[_refuse_controls, _refuse_beyond_ascii],
        help_text="Leave it empty for a server that asks for none.",
    )
    password = forms.CharField(
        label="Password",
        max_length=1000,
        required=False,
        strip=False,
        validators=[_refuse_controls, _refuse_beyond_ascii],
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="It is stored sealed and never shown. Empty keeps the one that is stored.",
    )

    def __init__(self, *args: Any, stored: EmailSettings, **kwargs: Any) -> None:
        names = ("delivery", "sender_name", "sender", "host", "port", "security", "username")
        kwargs["initial"] = {name: getattr(stored, name) for name in names}
        super().__init__(*args, **kwargs)
        self._stored = stored

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"].strip()
        if host and not _HOST.fullmatch(host):
            raise ValidationError("Write the server's name or address only, as mail.example.com.")
        return host

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("delivery") == _SMTP and not given.get("host") and "host" not in self.errors:
            self.add_error("host", "Name the server that takes the mail.")
        if given.get("username"):
            self._check_credentials()
        elif given.get("password"):
            self.add_error("username", "A password needs a user name.")
        return given

    def _check_credentials(self) -> None:
        given, stored = self.cleaned_data, self._stored
        if given.get("security") == EmailSettings.Security.NONE:
            self.add_error("security", "A password is sent over STARTTLS or TLS only.")
        if given.get("password"):
            return
        if not stored.sealed_password:
            self.add_error("password", "Enter the password of this user.")
        elif (given.get("host"), given["username"]) != (stored.host, stored.username):
            # A password must not follow to a server it was not meant for.
            self.add_error("password", "Enter the password for this server and user name.")

    @property
    def server(self) -> Server:
        given = self.cleaned_data
        return Server(given["host"], given["port"], given["security"], given["username"])
