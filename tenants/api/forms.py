from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from tenants.models import ApiKey

LONGEST = timedelta(days=5 * 366)


class ApiKeyForm(forms.Form):
    """A new key of the provider: what it is for, what it may do, and until when."""

    name = forms.CharField(
        label="Name", max_length=100, help_text="Which system will use it, such as Billing."
    )
    scopes = forms.MultipleChoiceField(
        label="May",
        choices=ApiKey.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose what the key may do."},
    )
    expires_on = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="It works through this day, in UTC. Empty: until it is revoked.",
    )

    def clean_expires_on(self) -> date | None:
        chosen: date | None = self.cleaned_data["expires_on"]
        today = timezone.now().astimezone(UTC).date()
        if chosen is not None and chosen < today:
            raise ValidationError("This day is over.")
        if chosen is not None and chosen > today + LONGEST:
            raise ValidationError("Choose a day within five years, or none.")
        return chosen

    @property
    def expires_at(self) -> datetime | None:
        """The first moment at which the key is refused."""
        chosen: date | None = self.cleaned_data["expires_on"]
        if chosen is None:
            return None
        return datetime.combine(chosen + timedelta(days=1), time(), UTC)
