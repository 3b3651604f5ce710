from __future__ import annotations

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tenants.models import Person
from tenants.people.permissions import Role


class InviteForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(label="E-mail", max_length=254)
    name = forms.CharField(label="Name", max_length=200, required=False)
    role = forms.ChoiceField(label="Role", choices=Role.choices, initial=Role.ADMINISTRATOR)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=Role.choices)


class JoinForm(forms.Form):
    """How a new person calls himself, and the password that he will sign in with."""

    name = forms.CharField(
        label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label="Password",
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 8 characters, not a common word, not only digits.",
    )
    again = forms.CharField(
        label="Password once more",
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: object, email: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.email = email

    def clean(self) -> dict[str, str]:
        password = self.cleaned_data.get("password")
        if password is None:
            return self.cleaned_data
        try:
            validate_password(
                password, Person(email=self.email, name=self.cleaned_data.get("name", ""))
            )
        except ValidationError as error:
            self.add_error("password", error)
        again = self.cleaned_data.get("again")
        if again is not None and again != password:
            self.add_error("again", "The two passwords differ.")
        return self.cleaned_data
