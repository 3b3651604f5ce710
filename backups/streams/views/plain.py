"""The text of an HTML body, for where there is room for text only."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

MAX_HTML: Final = 1024 * 1024
"""Characters of HTML that are read."""

_HIDDEN: Final = frozenset({"head", "style", "script", "title", "template"})
_BREAKING: Final = frozenset({"br", "p", "div", "tr", "li", "table", "ul", "ol", "h1", "h2", "h3"})
_BLANK = re.compile(r"[ \t\r\n\f]+")
_BLANK_LINES = re.compile(r"\n{3,}")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BREAKING:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN and self._hidden:
            self._hidden -= 1
        if tag == "p":
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(_BLANK.sub(" ", data))


def plain_text(html: str) -> str:
    """The visible text of ``html`` with line feeds where lines end. Never raises."""
    parser = _Text()
    try:
        parser.feed(html[:MAX_HTML])
        parser.close()
    except (AssertionError, ValueError):
        pass  # what was read until then is the text
    lines = "".join(parser.pieces).split("\n")
    return _BLANK_LINES.sub("\n\n", "\n".join(line.strip() for line in lines)).strip()
