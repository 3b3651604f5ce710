from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from backups.restores.download import MBOX, USUAL
from backups.streams import Format


class ChosenItems(forms.Field):
    """The numbers of the rows that are ticked. Whether they may be restored the service says."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Sequence[str] | None) -> list[int]:
        try:
            return [int(number) for number in value or []]
        except ValueError as error:
            raise ValidationError("The choice of items is damaged. Load the page again.") from error


class ChosenForm(forms.Form):
    """Rows that are ticked in a list, and the restore point that it is shown at."""

    items = ChosenItems(error_messages={"required": "Choose at least one item."})
    point = forms.IntegerField(required=False, min_value=1)


class RestoreForm(ChosenForm):
    """Which item versions of a mailbox come back, where to, and why."""

    ORIGINAL, FOLDER = "original", "folder"

    target = forms.ChoiceField(
        label="Where to",
        choices=[(ORIGINAL, "To the original folder"), (FOLDER, "To a folder of its own")],
    )
    reason = forms.CharField(label="Reason", required=False, max_length=500)

    @property
    def new_folder(self) -> str:
        return f"Restored {timezone.localdate():%Y-%m-%d}"

    @property
    def target_folder(self) -> str:
        """Empty for the folder that each item came from."""
        return self.new_folder if self.cleaned_data["target"] == self.FOLDER else ""


class DownloadForm(forms.Form):
    """What the items of the basket are written as."""

    format = forms.ChoiceField(
        label="Download as",
        required=False,
        choices=[
            (USUAL, "ZIP: .eml, .ics, .vcf"),
            (Format.MSG, "ZIP of Outlook messages (.msg)"),
            (Format.EML, "ZIP of mails (.eml)"),
            (Format.JSON, "ZIP of all properties (.json)"),
            (Format.FTS, "ZIP of stored bytes (.fts)"),
            (MBOX, "One mailbox file (.mbox)"),
        ],
    )


class BasketRestoreForm(forms.Form):
    """Where the items of the basket go, and why."""

    ORIGINAL, FOLDER = "original", "folder"

    target = forms.ChoiceField(
        label="Where to",
        choices=[(ORIGINAL, "Each to its original folder"), (FOLDER, "To a folder named")],
        widget=forms.RadioSelect,
        initial=ORIGINAL,
    )
    folder = forms.CharField(label="Name of the folder", required=False, max_length=255)
    reason = forms.CharField(
        label="Reason", required=False, max_length=500, help_text="Kept in the audit."
    )

    def clean(self) -> dict[str, object]:
        wants_folder = self.cleaned_data.get("target") == self.FOLDER
        if wants_folder and not self.cleaned_data.get("folder") and "folder" not in self.errors:
            self.add_error("folder", "Name the folder.")
        return self.cleaned_data

    @property
    def target_folder(self) -> str:
        """Empty for the folder that each item came from."""
        wanted = self.cleaned_data["target"] == self.FOLDER
        return str(self.cleaned_data["folder"]) if wanted else ""
