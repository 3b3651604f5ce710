"""Collection, as the operator asks for it, pauses it and sees how far it is."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect

from backups.infrastructure.models import Allocation
from backups.infrastructure.services import repository_of
from backups.retention import runs
from backups.retention.clock import say_it_is_right
from backups.sessions.bell import ring_collect
from tenants.views.pages import PersonRequest, operator_action

ASKED = {
    "pause": "Nothing is collected in this share until it goes on.",
    "resume": "It goes on.",
    "stop": "It stops after its next step; what is deleted stays deleted.",
}
NOW, ALL_THE_SAME = "now", "most"


class WishForm(forms.Form):
    wish = forms.ChoiceField(choices=[(wish, wish) for wish in (NOW, ALL_THE_SAME, *ASKED)])


@operator_action
def collection(request: PersonRequest, allocation_id: UUID) -> HttpResponse:
    """The buttons: collect, also when most of the packs would go, pause, resume, stop."""
    row = get_object_or_404(Allocation.objects.select_related("tenant"), pk=allocation_id)
    form = WishForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such collection.")
        return redirect("backups:allocation", allocation_id=row.pk)
    wish = form.cleaned_data["wish"]
    if wish in ASKED:
        if runs.ask(allocation=row, asked=wish, person_id=request.user.pk):
            messages.success(request, ASKED[wish])
        else:
            messages.error(request, "There is nothing to change.")
    else:
        _request(request, row, may_take_most=wish == ALL_THE_SAME)
    ring_collect(repository_of(row).proxy.queue)
    return redirect("backups:allocation", allocation_id=row.pk)


@operator_action
def clock(request: PersonRequest) -> HttpResponse:
    """An operator says that the clock which jumped ahead is right."""
    if say_it_is_right(by=request.user.email):
        messages.success(request, "Restore points expire again.")
    else:
        messages.error(request, "Nothing is held up.")
    return redirect("backups:operator-infrastructure")


def _request(request: PersonRequest, allocation: Allocation, *, may_take_most: bool) -> None:
    try:
        runs.request(allocation=allocation, may_take_most=may_take_most, person_id=request.user.pk)
    except runs.CollectionOpen as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{allocation.name} is being collected now.")
