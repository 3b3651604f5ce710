from __future__ import annotations

from django import forms
from django.core.files import File
from django.core.validators import RegexValidator

from backups.organizations.credentials import MAX_PEM, make_credential
from backups.organizations.models import Organization
from backups.organizations.refusal import OrganizationRefused


class PemArea(forms.Textarea):
    def __init__(self) -> None:
        super().__init__({"rows": 5, "class": "pem", "spellcheck": "false", "autocomplete": "off"})


class SecretArea(PemArea):
    """Never shows what was typed: a private key does not travel back to the browser."""

    def format_value(self, value: object) -> str:
        return ""


class RefusableForm(forms.Form):
    """A form whose service may still refuse a value: the message then stands beside its field."""

    def refuse(self, refusal: OrganizationRefused) -> None:
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))


class CredentialForm(RefusableForm):
    """Name and credential of an organization. Each PEM comes as text or as a file."""

    PEMS: tuple[str, ...] = ("certificate", "private_key")

    name = forms.CharField(max_length=200, help_text="What the organization is called here.")
    client_id = forms.CharField(
        label="Application (client) id",
        max_length=100,
        validators=[
            RegexValidator(
                r"^\s*[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\s*$",
                "An application's id looks like 00000000-0000-0000-0000-000000000000.",
            )
        ],
    )
    certificate = forms.CharField(
        required=False,
        max_length=MAX_PEM,
        widget=PemArea,
        help_text="PEM, the one that is uploaded to the app registration.",
    )
    certificate_file = forms.FileField(label="… or its file", required=False)
    private_key = forms.CharField(
        required=False,
        max_length=MAX_PEM,
        widget=SecretArea,
        help_text="PEM without a password. It is encrypted at once and never shown again.",
    )
    private_key_file = forms.FileField(label="… or its file", required=False)

    def clean(self) -> dict[str, object]:
        for name in self.PEMS:
            file = self.cleaned_data.get(f"{name}_file")
            if file is not None:
                self._take(name, file)
        return self.cleaned_data

    def _take(self, name: str, file: File[bytes]) -> None:
        """Read an uploaded PEM in place of the text; a certificate is shown again in its field."""
        if (file.size or 0) > MAX_PEM:
            self.add_error(name, "This file is too long to be a PEM file.")
            return
        try:
            text = file.read().decode("ascii")
        except UnicodeDecodeError:
            self.add_error(name, "This file is not in PEM form, which is text.")
            return
        self.cleaned_data[name] = text
        if name != "private_key":
            self.data = {**self.data, self.add_prefix(name): text}


class ConnectForm(CredentialForm):
    """A new organization. The last three are for a server of one's own."""

    PEMS = ("certificate", "private_key", "trust")

    directory = forms.CharField(
        label="Directory (tenant) id or domain",
        max_length=100,
        validators=[
            RegexValidator(
                r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$",
                "Write the tenant's id or its domain, such as acme.onmicrosoft.com.",
            )
        ],
    )
    makes_certificate = forms.BooleanField(
        required=False,
        label="Make a certificate for me",
        help_text="The key is made and encrypted here, and never leaves. You get the certificate"
        " to upload to the app registration.",
    )
    authority = forms.CharField(
        label="Sign-in address",
        max_length=200,
        initial=Organization._meta.get_field("authority").default,
    )
    graph_url = forms.CharField(
        label="Graph address",
        max_length=200,
        initial=Organization._meta.get_field("graph_url").default,
    )
    trust = forms.CharField(
        label="Trusted authority",
        required=False,
        max_length=MAX_PEM,
        widget=PemArea,
        help_text="PEM of the authority that signed the servers' certificates, where it is not a"
        " public one.",
    )
    trust_file = forms.FileField(label="… or its file", required=False)

    field_order = (
        "name",
        "directory",
        "client_id",
        "makes_certificate",
        "certificate",
        "certificate_file",
        "private_key",
        "private_key_file",
    )
    ADVANCED = ("authority", "graph_url", "trust", "trust_file")

    def clean(self) -> dict[str, object]:
        values = super().clean()
        if values.get("makes_certificate"):
            for name in ("certificate", "private_key"):
                if values.get(name):
                    self.add_error(name, "Leave this empty, or don't have one made.")
            return values
        for name, words in (("certificate", "certificate"), ("private_key", "private key")):
            if not values.get(name) and name not in self.errors:
                self.add_error(name, f"Paste the {words}, or choose its file.")
        return values

    def connection(self) -> dict[str, str]:
        """The arguments of ``connect_organization``, with a credential made when one is wanted."""
        values = {
            name: str(value)
            for name, value in self.cleaned_data.items()
            if not name.endswith("_file") and name != "makes_certificate"
        }
        if self.cleaned_data["makes_certificate"]:
            made = make_credential(f"Stowage {values['name']}")
            values["certificate"], values["private_key"] = made
        return values

    @property
    def basic_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in self.ADVANCED]

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name in self.ADVANCED]

    @property
    def advanced_open(self) -> bool:
        """Whether something in the folded part was changed or is wrong."""
        return self.is_bound and any(
            name in self.errors or name in self.changed_data for name in self.ADVANCED
        )
