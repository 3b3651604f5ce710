from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.text import slugify

from backups.infrastructure.models import Proxy, Repository
from tenants.isolation.scope import OPERATOR
from tenants.models import Tenant
from tenants.time_zones import validate_time_zone

GIGABYTE = 1024**3
MOST_GIGABYTES = 10_000_000
MOST_TASKS = 32
MOST_DAYS = 3_650


class QuotaField(forms.IntegerField):
    """Whole gigabytes of 1024³ bytes; empty is no limit. The value is in bytes."""

    def __init__(self) -> None:
        super().__init__(
            label="Quota in GB",
            required=False,
            min_value=1,
            max_value=MOST_GIGABYTES,
            help_text="Empty for no limit.",
        )

    def clean(self, value: object) -> int | None:
        gigabytes: int | None = super().clean(value)
        return None if gigabytes is None else gigabytes * GIGABYTE


class TenantForm(forms.Form):
    """A new tenant, its first administrator, and its share of a repository."""

    name = forms.CharField(
        label="Name", max_length=200, widget=forms.TextInput(attrs={"data-names": "id_slug"})
    )
    slug = forms.CharField(
        label="Short name",
        max_length=40,
        required=False,
        help_text="Part of the tenant's addresses: /t/short-name/. Empty takes it from the name.",
        validators=Tenant._meta.get_field("slug").validators,
        error_messages={"invalid": "Use lower-case letters, digits and hyphens."},
    )
    time_zone = forms.CharField(
        label="Time zone",
        max_length=64,
        initial="UTC",
        validators=[validate_time_zone],
        widget=forms.TextInput(attrs={"list": "time-zones"}),
    )
    email = forms.EmailField(label="E-mail", max_length=254)
    person_name = forms.CharField(label="Name", max_length=200, required=False)
    repository = forms.ModelChoiceField(
        label="Repository",
        queryset=Repository.objects.none(),
        required=False,
        empty_label="None yet",
    )
    share_name = forms.CharField(
        label="What the tenant calls its share",
        max_length=100,
        required=False,
        help_text="Empty takes it from the tenant's name.",
    )
    quota = QuotaField()

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["repository"].queryset = Repository.objects.using(OPERATOR)  # type: ignore[attr-defined]

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"] or slugify(self.cleaned_data.get("name", ""))[:40]
        slug = slug.strip("-_").replace("_", "-")
        if not slug and self.cleaned_data.get("name"):
            raise ValidationError("The name gives none: write one.")
        if Tenant.objects.using(OPERATOR).filter(slug=slug).exists():
            raise ValidationError(f"Another tenant has {slug}.")
        return str(slug)


class ProxyForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=100,
        validators=[
            RegexValidator(
                r"^\w[\w .-]*$", "Use letters, digits, spaces, dots and hyphens; no hyphen first."
            )
        ],
    )
    tasks_at_once = forms.IntegerField(
        label="Tasks at once",
        min_value=1,
        max_value=MOST_TASKS,
        initial=2,
        help_text="Slices that its worker works on at the same time; counts from its next start.",
    )

    def __init__(self, *args: object, proxy: Proxy | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.proxy = proxy

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        others = Proxy.objects.using(OPERATOR).filter(name__iexact=name)
        if self.proxy is not None:
            others = others.exclude(pk=self.proxy.pk)
        if others.exists():
            raise ValidationError(f"There is a proxy {name} already.")
        return name


class ProxyEditForm(ProxyForm):
    maintenance = forms.BooleanField(
        label="Maintenance",
        required=False,
        help_text="It ends what it works on and takes nothing new. Restores go on.",
    )


class RepositoryForm(forms.Form):
    proxy = forms.ModelChoiceField(
        label="Proxy", queryset=Proxy.objects.none(), empty_label=None, help_text="Writes to it."
    )
    name = forms.CharField(label="Name", max_length=100)
    folder = forms.CharField(
        label="Folder",
        max_length=1000,
        help_text="The whole path of an empty folder on this host; made when it is absent.",
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["proxy"].queryset = Proxy.objects.using(OPERATOR)  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if Repository.objects.using(OPERATOR).filter(name__iexact=name).exists():
            raise ValidationError(f"There is a repository {name} already.")
        return name


class ShareForm(forms.Form):
    """A share that exists: its name and quota."""

    name = forms.CharField(label="What the tenant calls it", max_length=100)
    quota = QuotaField()


class ShareSettingsForm(ShareForm):
    """And how often it is verified."""

    sample_days = forms.IntegerField(
        label="Days between samples",
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        help_text="Some items are read back and compared. Empty for never.",
    )
    percent = forms.IntegerField(
        label="Percent of the items in one sample",
        min_value=1,
        max_value=100,
        help_text="The next sample goes on where the last one ended.",
    )
    structure_days = forms.IntegerField(
        label="Days between looks at every object",
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        help_text="All that is stored is read, without opening items. Empty for never.",
    )


class AllocationForm(ShareForm):
    """A new share."""

    tenant = forms.ModelChoiceField(label="Tenant", queryset=Tenant.objects.none())
    repository = forms.ModelChoiceField(label="Repository", queryset=Repository.objects.none())
    field_order = ("tenant", "repository", "name", "quota")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["tenant"].queryset = Tenant.objects.using(OPERATOR)  # type: ignore[attr-defined]
        self.fields["repository"].queryset = Repository.objects.using(OPERATOR)  # type: ignore[attr-defined]


class ExclusionForm(forms.Form):
    name = forms.CharField(
        label="Folder",
        max_length=255,
        help_text="Its name as people see it, or its role: junkemail, deleteditems.",
    )


class RecoveryForm(forms.Form):
    """A passphrase that opens a tenant's backups without the provider."""

    passphrase = forms.CharField(
        label="Recovery passphrase",
        max_length=500,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters; six or more random words are better.",
    )
    again = forms.CharField(
        label="The same once more",
        max_length=500,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, object]:
        values = super().clean() or {}
        if values.get("again") and values.get("passphrase") != values["again"]:
            self.add_error("again", "This is not the same.")
        return values
