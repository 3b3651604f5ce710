"""How to reach an Exchange Server, as a form."""

from __future__ import annotations

from django import forms
from django.core.files import File

from backups.organizations.credentials import MAX_PEM
from backups.organizations.exchange_server import ServerAccess
from backups.organizations.forms import PemArea, RefusableForm
from backups.organizations.models import ExchangeServer

MAX_LIST = 4 * 1024 * 1024
"""Characters of a list of addresses: those of 50,000 mailboxes, and some room."""


class ServerForm(RefusableForm):
    """Name and server of an organization. ``stored``: a password is kept when none is written.

    Addresses come as text, as a file with one in each line, or both.
    """

    name = forms.CharField(max_length=200, help_text="What the organization is called here.")
    url = forms.CharField(
        label="Web services address",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "https://mail.example.com/EWS/Exchange.asmx"}),
        help_text="Leave it empty to ask Autodiscover of the first mailbox's domain.",
    )
    auth = forms.ChoiceField(label="Sign-in", choices=ExchangeServer.Auth.choices)
    account = forms.CharField(
        label="Service account",
        required=False,
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="DOMAIN\\name, or an address.",
    )
    password = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="It is encrypted at once and never shown again.",
    )
    impersonation = forms.BooleanField(
        required=False,
        label="The account has the role ApplicationImpersonation",
        help_text="Without it, it opens only its own mailbox.",
    )
    addresses = forms.CharField(
        label="Mailboxes",
        required=False,
        max_length=MAX_LIST,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="Their addresses, one a line. On the server: Get-Mailbox -ResultSize Unlimited |"
        " ForEach-Object { $_.PrimarySmtpAddress.ToString() } | Set-Content mailboxes.txt",
    )
    addresses_file = forms.FileField(label="… or a file of them", required=False)
    public_folders_through = forms.CharField(
        label="Public folders, as this mailbox sees them",
        required=False,
        max_length=320,
        help_text="An address; empty: public folders are not backed up.",
    )
    trust = forms.CharField(
        label="Trusted authority",
        required=False,
        max_length=MAX_PEM,
        widget=PemArea,
        help_text="PEM of the authority that signed the server's certificate, where it is not a"
        " public one.",
    )
    trust_file = forms.FileField(label="… or its file", required=False)
    proxy_url = forms.CharField(
        label="Web proxy before the server",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "http://proxy.example.com:3128"}),
    )

    ADVANCED = ("public_folders_through", "trust", "trust_file", "proxy_url")

    def clean(self) -> dict[str, object]:
        for name, most in (("addresses", MAX_LIST), ("trust", MAX_PEM)):
            file = self.cleaned_data.get(f"{name}_file")
            if file is not None:
                self._take(name, file, most)
        return self.cleaned_data

    @property
    def access(self) -> ServerAccess:
        """What was written; the form must be valid."""
        values = self.cleaned_data
        return ServerAccess(
            url=values["url"].strip(),
            account=values["account"],
            password=values["password"],
            auth=values["auth"],
            impersonation=values["impersonation"],
            trust=values["trust"],
            proxy_url=values["proxy_url"].strip(),
            addresses=tuple(values["addresses"].replace(",", " ").replace(";", " ").split()),
            public_folders_through=values["public_folders_through"],
        )

    @property
    def basic_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in self.ADVANCED]

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name in self.ADVANCED]

    @property
    def advanced_open(self) -> bool:
        """Whether something in the folded part is set or wrong."""
        return any(name in self.errors or self[name].value() for name in self.ADVANCED)

    def _take(self, name: str, file: File[bytes], most: int) -> None:
        """An uploaded text behind the one that was written."""
        if (file.size or 0) > most:
            self.add_error(name, "This file is too long.")
            return
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            self.add_error(name, "This file is no text in UTF-8.")
            return
        joined = f"{self.cleaned_data.get(name, '')}\n{text}".strip()
        self.cleaned_data[name] = joined
        self.data = {**self.data, self.add_prefix(name): joined}


def values_of(server: ExchangeServer) -> dict[str, object]:
    """What the form shows of a stored server: everything but its password."""
    return {
        "name": server.organization.name,
        "url": server.url,
        "auth": server.auth,
        "account": server.account,
        "impersonation": server.impersonation,
        "addresses": server.addresses,
        "public_folders_through": server.public_folders_through,
        "trust": server.trust,
        "proxy_url": server.proxy_url,
    }
