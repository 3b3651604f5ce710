"""Folders that are left out: by name or by role, each with everything below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownFolder:
    name: str
    parent_id: str
    well_known: str


class Exclusions:
    """What the provider and a job leave out. Case and surrounding blanks do not count.

    A folder that is excluded later keeps what is stored of it; nothing new is read. Lifting the
    exclusion goes on from the token that was stored last.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.strip().casefold() for name in names if name.strip())

    def among(self, folders: Mapping[str, KnownFolder]) -> set[str]:
        """The ids of the excluded folders and of all below them."""
        if not self._names:
            return set()
        out = {
            folder_id
            for folder_id, folder in folders.items()
            if folder.name.strip().casefold() in self._names
            or folder.well_known.casefold() in self._names
        }
        return {folder_id for folder_id in folders if self._below(folder_id, folders, out)}

    def _below(self, folder_id: str, folders: Mapping[str, KnownFolder], out: set[str]) -> bool:
        seen: set[str] = set()
        while folder_id in folders and folder_id not in seen:
            if folder_id in out:
                return True
            # A damaged hierarchy may run in a circle.
            seen.add(folder_id)
            folder_id = folders[folder_id].parent_id
        return False
