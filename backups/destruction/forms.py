from __future__ import annotations

from django import forms

from backups.destruction.services import LONGEST_REASON


class DestroyForm(forms.Form):
    """Why, and the mailbox's address typed by hand."""

    reason = forms.CharField(
        label="Why",
        max_length=LONGEST_REASON,
        help_text="Kept in the audit and on the certificate.",
    )
    confirmation = forms.CharField(
        label="Address of the mailbox",
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Type it to confirm. This cannot be undone by anybody.",
    )
