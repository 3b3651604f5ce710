"""The first page: it sends a person to where his work is."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from tenants.models import Person, Tenant


def start(request: HttpRequest) -> HttpResponse:
    person = request.user
    if not isinstance(person, Person):
        return redirect("account_login")
    tenants = list(Tenant.objects.filter(memberships__person=person).order_by("name"))
    if person.is_operator and not tenants:
        return redirect("tenants:operator")
    if len(tenants) == 1 and not person.is_operator:
        return redirect("tenants:home", slug=tenants[0].slug)
    return render(request, "tenants/chooser.html", {"tenants": tenants})
