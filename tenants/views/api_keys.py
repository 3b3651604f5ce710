"""The provider's API keys: made and shown once, listed, revoked."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from tenants.api.forms import ApiKeyForm
from tenants.api.services import IssuedKey, create_key, revoke_key
from tenants.isolation.scope import OPERATOR
from tenants.models import ApiKey
from tenants.views.pages import PersonRequest, operator_action, operator_form


@operator_form
def api_keys(request: PersonRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, ApiKeyForm())
    form = ApiKeyForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    issued = create_key(
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=form.expires_at,
        person_id=request.user.pk,
    )
    # Answered at once: a redirect would have to keep the key's text somewhere in between.
    return _page(request, ApiKeyForm(), issued)


@operator_action
def revoke(request: PersonRequest, key_id: UUID) -> HttpResponse:
    key = get_object_or_404(ApiKey.objects.using(OPERATOR), pk=key_id, tenant=None)
    revoke_key(key=key, person_id=request.user.pk)
    messages.success(request, f"{key.name} is revoked; the next request with it is refused.")
    return redirect("tenants:api-keys")


def _page(
    request: PersonRequest, form: ApiKeyForm, issued: IssuedKey | None = None
) -> HttpResponse:
    keys = ApiKey.objects.using(OPERATOR).filter(tenant=None).select_related("created_by")
    context = {
        "form": form,
        "issued": issued,
        "keys": keys,
        "now": timezone.now(),
        "nav": "api-keys",
    }
    return render(request, "tenants/api_keys.html", context)
