"""Which folder may become a repository."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from backups.repository import RepositoryError
from backups.repository.layout import MARKER


class PlaceRefused(RepositoryError):
    """The folder cannot become a repository; the message is for the person who named it."""


def usable_place(folder: Path, others: Iterable[Path]) -> Path:
    """The folder, resolved, when a repository can be made in it. ``others`` are repositories.

    Looks and touches nothing. Raises PlaceRefused.
    """
    if not folder.is_absolute():
        raise PlaceRefused("Write the whole path, from the first slash.")
    try:
        place = folder.resolve()
        _refuse_neighbours(place, others)
        _refuse_contents(place)
        ground = next(parent for parent in (place, *place.parents) if parent.exists())
    except (OSError, ValueError, RuntimeError) as error:
        raise PlaceRefused(f"This path cannot be used: {_reason(error)}.") from error
    if not ground.is_dir():
        raise PlaceRefused(f"{ground} is a file, not a folder.")
    if not os.access(ground, os.W_OK | os.X_OK):
        raise PlaceRefused(f"The portal may not write in {ground}.")
    return place


def _refuse_neighbours(place: Path, others: Iterable[Path]) -> None:
    for other in others:
        if place == other:
            raise PlaceRefused("There is a repository in this folder already.")
        if place.is_relative_to(other):
            raise PlaceRefused(f"This is inside the repository {other}.")
        if other.is_relative_to(place):
            raise PlaceRefused(f"The repository {other} is inside this folder.")
    inside = next((parent for parent in place.parents if (parent / MARKER).exists()), None)
    if inside is not None:
        raise PlaceRefused(f"This is inside the repository {inside}.")


def _refuse_contents(place: Path) -> None:
    if not place.is_dir():
        return
    with os.scandir(place) as entries:
        if next(entries, None) is not None:
            raise PlaceRefused("The folder is not empty.")


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
