"""Names of files and folders that Windows, macOS and Linux all take."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

MAX_NAME: Final = 120
"""Bytes of a name in UTF-8; with a number and a suffix it stays far below the 255 of any disk."""

MAX_FOLDERS: Final = 160
"""UTF-16 units of the folders before a file's name."""

MAX_PATH: Final = 240
"""UTF-16 units of a whole path; Windows takes 260 with the folder it is unpacked to."""

_LEAST: Final = 12
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_BLANK = re.compile(r"\s+")
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?=\.|$)", re.I
)
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def safe_name(subject: str, fallback: str = "item") -> str:
    """``subject`` as a file name without suffix for Windows, macOS and Linux; never empty.

    No path, no device name, no control or direction characters, no dot or blank at its ends, at
    most ``MAX_NAME`` bytes in UTF-8. Different subjects may give the same name.
    """
    text = unicodedata.normalize("NFC", subject.encode("utf-8", "replace").decode("utf-8"))
    text = _FORBIDDEN.sub("_", _BLANK.sub(" ", text))
    text = "".join(letter for letter in text if unicodedata.category(letter) not in _UNSHOWN)
    text = _shortened(text.strip(" ."), MAX_NAME)
    if _DEVICE.match(text):
        text = f"_{text}"
    return text or fallback


class Paths:
    """Gives every file of a tree a path that no other has, also where case makes no difference.

    A folder keeps its path for all its files. Folders that would make a path too long are left
    out, and their files go into the deepest one that fits.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}
        self._folders: dict[tuple[str, str], str] = {}

    def file(self, folder: Sequence[str], name: str, suffix: str) -> str:
        """The path of a file, with "/" between its parts. ``folder`` and ``name`` are as people
        wrote them, ``suffix`` has its dot and is taken as it is."""
        before = self._folder(folder)
        return self._free(before, safe_name(name), suffix, MAX_PATH)

    def keep(self, folder: Sequence[str], path: str) -> None:
        """``path`` was given to a file of ``folder`` before: both stay as they are."""
        before = ""
        for part, name in zip(folder, path.split("/")[:-1], strict=False):
            here = before + name
            self._folders[(before, part)] = f"{here}/"
            self._taken.add(_key(here))
            before = f"{here}/"
        self._taken.add(_key(path))

    def _folder(self, folder: Sequence[str]) -> str:
        path = ""
        for part in folder:
            if MAX_FOLDERS - _units(path) < _LEAST:
                break
            key = (path, part)
            if key not in self._folders:
                free = self._free(path, safe_name(part, "folder"), "", MAX_FOLDERS)
                self._folders[key] = f"{free}/"
            path = self._folders[key]
        return path

    def _free(self, before: str, stem: str, suffix: str, limit: int) -> str:
        """``before`` + ``stem`` + ``suffix``, with a number where that is taken."""
        room = limit - _units(before) - _units(suffix)
        stem = _fitting(stem, room)
        wanted = _key(before + stem + suffix)
        number = self._next.get(wanted, 1)
        path = before + stem + suffix
        while _key(path) in self._taken:
            number += 1
            mark = f" ({number})"
            path = before + _fitting(stem, room - len(mark)) + mark + suffix
        self._next[wanted] = number
        self._taken.add(_key(path))
        return path


def _key(path: str) -> str:
    """The same for paths that are one on a disk which ignores case."""
    return unicodedata.normalize("NFC", path.casefold())


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _fitting(stem: str, units: int) -> str:
    raw = stem.encode("utf-16-le")
    if len(raw) <= 2 * units:
        return stem
    return raw[: 2 * units].decode("utf-16-le", "ignore").rstrip(" .") or "_"


def _shortened(text: str, size: int) -> str:
    return text.encode("utf-8")[:size].decode("utf-8", "ignore").rstrip(" .")
