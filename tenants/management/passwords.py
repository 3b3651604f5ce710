from __future__ import annotations

import getpass
import sys

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from tenants.models import Person


def chosen_password(email: str, name: str) -> str:
    """Ask for a new person's password twice; from a pipe, take its first line.

    Raises CommandError for a weak password, and for a person who exists already.
    """
    if Person.objects.filter(email__iexact=email).exists():
        raise CommandError(f"{email} exists already.")
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise CommandError("The two passwords differ.")
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        validate_password(password, Person(email=email, name=name))
    except ValidationError as error:
        raise CommandError("\n".join(error.messages)) from error
    return password
