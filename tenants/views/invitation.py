"""Joining a tenant by the link of an invitation.

The link's secret is hashed at once and leaves the address: nothing that is logged later, and no
page that is shown, carries it. The session then holds the hash.
"""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from tenants.models import Invitation, Person
from tenants.people import services
from tenants.people.forms import JoinForm

SESSION_KEY = "invitation"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@csrf_exempt
@never_cache
def invitation_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Whether the link is any good is said by the next page.

    This one answers no error, whatever is sent to it: the server logs addresses of errors.
    """
    request.session[SESSION_KEY] = services.hash_of(secret).hex()
    return redirect("tenants:invitation")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Show whom the link is for, and let exactly that person in."""
    try:
        opened = services.open_invitation(bytes.fromhex(request.session.get(SESSION_KEY, "")))
        # Another link may have been opened in another tab since this page was shown.
        sent = request.method == "POST" and request.POST.get("invitation") == str(opened.pk)
        if request.user.is_authenticated:
            return _signed_in(request, opened, sent=sent)
        if Person.objects.filter(email__iexact=opened.email).exists():
            return _page(request, opened, "known")
        return _new(request, opened, sent=sent)
    except services.InvitationGone:
        request.session.pop(SESSION_KEY, None)
        return render(request, "tenants/invitation_gone.html", status=410)
    except services.PersonExists:
        return redirect("tenants:invitation")


def _signed_in(request: HttpRequest, opened: Invitation, *, sent: bool) -> HttpResponse:
    person = cast("Person", request.user)
    if person.email.lower() != opened.email.lower():
        return _page(request, opened, "other")
    if not sent:
        return _page(request, opened, "join")
    services.join(invitation=opened, person=person)
    return _welcome(request, opened)


def _new(request: HttpRequest, opened: Invitation, *, sent: bool) -> HttpResponse:
    form = JoinForm(
        request.POST if sent else None, email=opened.email, initial={"name": opened.name}
    )
    if not sent or not form.is_valid():
        return _page(request, opened, "new", form)
    person = services.join_as_new(
        invitation=opened, name=form.cleaned_data["name"], password=form.cleaned_data["password"]
    )
    login(request, person, backend=BACKEND)
    return _welcome(request, opened)


def _welcome(request: HttpRequest, opened: Invitation) -> HttpResponse:
    request.session.pop(SESSION_KEY, None)
    messages.success(request, f"Welcome to {opened.tenant.name}.")
    return redirect("tenants:home", slug=opened.tenant.slug)


def _page(
    request: HttpRequest, opened: Invitation, case: str, form: JoinForm | None = None
) -> HttpResponse:
    context = {"invitation": opened, "case": case, "form": form}
    return render(request, "tenants/invitation.html", context)
