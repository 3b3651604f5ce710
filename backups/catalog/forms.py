from __future__ import annotations

from django import forms


class BrowseForm(forms.Form):
    """The address of a place in a mailbox. A value that makes no sense counts as not given."""

    point = forms.IntegerField(required=False, min_value=1, max_value=2**62)
    folder = forms.CharField(required=False, max_length=600)
    q = forms.CharField(required=False, max_length=500)
    after = forms.CharField(required=False, max_length=60)
    deleted = forms.BooleanField(required=False)
    everywhere = forms.BooleanField(required=False)

    def number(self, name: str) -> int | None:
        value: int | None = self.cleaned_data.get(name)
        return value

    def yes(self, name: str) -> bool:
        return bool(self.cleaned_data.get(name))

    def words(self, name: str) -> str:
        return str(self.cleaned_data.get(name) or "")
