"""`manage.py sandbox serve …`: the sandbox Exchange alone, as `python -m sandbox` runs it."""

from __future__ import annotations

import argparse
import sys

from django.core.management.base import BaseCommand, CommandParser

from sandbox.__main__ import main


class Command(BaseCommand):
    help = "Serve, fill or change a sandbox Exchange (docs/sandbox.md)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "arguments", nargs=argparse.REMAINDER, help="those of python -m sandbox"
        )

    def handle(self, *, arguments: list[str], **options: object) -> None:
        if status := main(arguments):
            sys.exit(status)
