"""`manage.py create_tenant NAME --slug S --admin EMAIL`: a customer with its administrator."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from tenants.management.passwords import chosen_password
from tenants.people.permissions import Role
from tenants.services import add_member, create_person, create_tenant


class Command(BaseCommand):
    help = "Create a tenant and its first administrator."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", required=True, help="the tenant's part of its addresses")
        parser.add_argument("--admin", required=True, metavar="EMAIL")
        parser.add_argument("--time-zone", default="UTC")

    def handle(
        self, *, name: str, slug: str, admin: str, time_zone: str, **options: object
    ) -> None:
        password = chosen_password(admin, "")
        try:
            tenant = create_tenant(name=name, slug=slug, time_zone=time_zone)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except IntegrityError as error:
            raise CommandError(f"Another tenant has the slug {slug}.") from error
        person = create_person(email=admin, name="", password=password)
        add_member(tenant=tenant, person=person, role=Role.ADMINISTRATOR)
        self.stdout.write(f"{name} is at /t/{slug}/, its administrator is {admin}.")
