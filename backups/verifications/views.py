"""Verifications, as the operator asks for them and sees how far they are."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect

from backups.infrastructure.models import Allocation
from backups.infrastructure.services import repository_of
from backups.sessions.bell import ring_verify
from backups.verifications import services
from backups.verifications.models import Level
from tenants.views.pages import PersonRequest, operator_action

ASKED = {
    "pause": "It pauses after its next step.",
    "resume": "It goes on.",
    "stop": "It stops after its next step; what was found stays named.",
}


class WishForm(forms.Form):
    wish = forms.ChoiceField(choices=[*Level.choices, *ASKED.items()])


@operator_action
def verification(request: PersonRequest, allocation_id: UUID) -> HttpResponse:
    """The buttons: verify at a level, pause, resume, stop."""
    row = get_object_or_404(Allocation.objects.select_related("tenant"), pk=allocation_id)
    form = WishForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such verification.")
        return redirect("backups:allocation", allocation_id=row.pk)
    wish = form.cleaned_data["wish"]
    if wish in ASKED:
        if services.ask(allocation=row, asked=wish, person_id=request.user.pk):
            messages.success(request, ASKED[wish])
        else:
            messages.error(request, "Nothing is being verified at the moment.")
    else:
        _request(request, row, wish)
    ring_verify(repository_of(row).proxy.queue)
    return redirect("backups:allocation", allocation_id=row.pk)


def _request(request: PersonRequest, allocation: Allocation, level: str) -> None:
    try:
        services.request(allocation=allocation, level=level, person_id=request.user.pk)
    except services.VerificationOpen as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{allocation.name} is being verified now.")
