from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone


class ChosenItems(forms.Field):
    """The numbers of the rows that are ticked. Whether they may be restored the service says."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Sequence[str] | None) -> list[int]:
        try:
            return [int(number) for number in value or []]
        except ValueError as error:
            raise ValidationError("The choice of items is damaged. Load the page again.") from error


class RestoreForm(forms.Form):
    """Which item versions of a mailbox come back, where to, and why."""

    ORIGINAL, FOLDER = "original", "folder"

    items = ChosenItems(error_messages={"required": "Choose at least one item."})
    target = forms.ChoiceField(
        label="Where to",
        choices=[(ORIGINAL, "To the original folder"), (FOLDER, "To a folder of its own")],
    )
    reason = forms.CharField(label="Reason", required=False, max_length=500)
    point = forms.IntegerField(required=False, min_value=1)

    @property
    def new_folder(self) -> str:
        return f"Restored {timezone.localdate():%Y-%m-%d}"

    @property
    def target_folder(self) -> str:
        """Empty for the folder that each item came from."""
        return self.new_folder if self.cleaned_data["target"] == self.FOLDER else ""
