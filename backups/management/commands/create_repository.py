"""`manage.py create_repository NAME FOLDER`: a folder of the default proxy's host."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.models import Repository
from backups.infrastructure.services import create_repository, default_proxy
from backups.repository import RepositoryError
from tenants.isolation.scope import OPERATOR


class Command(BaseCommand):
    help = "Make a folder repository on the default proxy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("folder", type=Path)

    def handle(self, *, name: str, folder: Path, **options: object) -> None:
        if Repository.objects.using(OPERATOR).filter(name=name).exists():
            raise CommandError(f"There is a repository {name} already.")
        try:
            create_repository(proxy=default_proxy(), name=name, location=folder.resolve())
        except RepositoryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{name} is ready in {folder.resolve()}.")
