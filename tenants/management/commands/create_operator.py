"""`manage.py create_operator EMAIL`: somebody who runs the provider's installation."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandParser

from tenants.management.passwords import chosen_password
from tenants.services import create_person


class Command(BaseCommand):
    help = "Create an operator of the provider, who can sign in at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")

    def handle(self, *, email: str, name: str, **options: object) -> None:
        create_person(
            email=email, name=name, password=chosen_password(email, name), is_operator=True
        )
        self.stdout.write(f"{email} is an operator now.")
