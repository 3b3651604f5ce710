from __future__ import annotations

from django import forms

from backups.retention.services import LONGEST_REASON


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=LONGEST_REASON)
