"""Text out of RTF: HTML or plain text that was encapsulated in it (MS-OXRTFEX), or its own.

The reader goes over the bytes once and keeps a stack of groups instead of calling itself.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from backups.streams.native.fields import clean
from backups.streams.native.properties import CODE_PAGE, codec_of

MAX_GROUPS: Final = 1_000
"""Groups inside each other whose state is kept; deeper ones share that of the last."""

MAX_FONTS: Final = 4_096

_HEAD: Final = 1_024
"""Bytes in which the header says what is encapsulated."""

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])"
    rb"|([^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_WORD, _PARAMETER, _HEX, _SYMBOL, _BRACE, _TEXT = range(1, 7)
_FROM_HTML = re.compile(rb"\\fromhtml1?(?![0-9A-Za-z])")
_FROM_TEXT = re.compile(rb"\\fromtext(?![A-Za-z])")

_BREAK: Final = "\r\n"
_CHARACTERS: Final = {
    b"par": _BREAK,
    b"line": _BREAK,
    b"softline": _BREAK,
    b"sect": _BREAK,
    b"page": _BREAK,
    b"row": _BREAK,
    b"nestrow": _BREAK,
    b"cell": "\t",
    b"nestcell": "\t",
    b"tab": "\t",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
    b"bullet": "\u2022",
    b"endash": "\u2013",
    b"emdash": "\u2014",
    b"emspace": "\u2003",
    b"enspace": "\u2002",
}
_SYMBOLS: Final = {
    b"~": "\u00a0",
    b"_": "\u2011",
    b"-": "\u00ad",
    b"\r": _BREAK,
    b"\n": _BREAK,
    b"\t": "\t",
}
_HIDDEN: Final = frozenset(
    (
        *(b"colortbl", b"stylesheet", b"info", b"pict", b"listtable", b"listoverridetable"),
        *(b"header", b"headerl", b"headerr", b"headerf", b"objdata", b"themedata", b"nonshppict"),
        *(b"footer", b"footerl", b"footerr", b"footerf", b"xe", b"tc", b"txe", b"revtbl"),
        *(b"filetbl", b"fldinst", b"bkmkstart", b"bkmkend", b"private1", b"nonesttables"),
    )
)
"""Destinations whose text is not the document's (MSFT-RTF), beside those with ``\\*``."""

_PAGES: Final = {b"ansi": 1252, b"mac": 10000, b"pc": 437, b"pca": 850}
_DEFAULT_CHARSET: Final = 1
_CHARSET_PAGES: Final = {
    0: 1252,
    2: 1252,
    77: 10000,
    78: 932,
    79: 949,
    80: 936,
    81: 950,
    128: 932,
    129: 949,
    130: 1361,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
    254: 437,
    255: 850,
}
_MAC_ROMAN: Final = 10000


class Source(enum.Enum):
    """What an RTF document was made from."""

    HTML = "html"
    TEXT = "text"
    RTF = "rtf"


class _Mode(enum.Enum):
    SHOWN = enum.auto()
    TAG = enum.auto()
    FONTS = enum.auto()
    SKIPPED = enum.auto()


@dataclass(frozen=True, slots=True)
class _Group:
    """``unshown`` is the state of \\htmlrtf, ``fallback`` that of \\uc."""

    mode: _Mode = _Mode.SHOWN
    unshown: bool = False
    font: int | None = None
    fallback: int = 1


def source_of(rtf: bytes) -> Source:
    """What ``rtf`` says in its header that it was made from (MS-OXRTFEX 2.2.3.1)."""
    head = rtf[:_HEAD]
    if _FROM_HTML.search(head):
        return Source.HTML
    return Source.TEXT if _FROM_TEXT.search(head) else Source.RTF


def text_of(rtf: bytes) -> str:
    """The HTML or the text that ``rtf`` holds, as ``source_of`` says, with CRLF line ends.

    Never raises: what is not understood is passed over, as the format wants it.
    """
    return _Reader(rtf, source_of(rtf) is Source.HTML).read()


class _Reader:
    def __init__(self, rtf: bytes, from_html: bool) -> None:
        self._rtf = rtf
        self._from_html = from_html
        self._position = 0
        self._pieces: list[str] = []
        self._pending = bytearray()
        self._codec = ""
        self._page = 1252
        self._fonts: dict[int, int] = {}
        self._default_font: int | None = None
        self._defined: int | None = None
        self._groups: list[_Group] = []
        self._deeper = 0
        self._group = _Group()
        self._starred = False
        self._to_skip = 0

    def read(self) -> str:
        actions: dict[int, Callable[[re.Match[bytes]], None]] = {
            _WORD: self._word,
            _PARAMETER: self._word,
            _HEX: self._hex,
            _SYMBOL: self._symbol,
            _BRACE: self._brace,
            _TEXT: self._text,
        }
        while found := _TOKEN.match(self._rtf, self._position):
            self._position = found.end()
            if found.lastindex is not None:
                actions[found.lastindex](found)
        self._flush()
        joined = "".join(self._pieces).encode("utf-16-le", "surrogatepass")
        return clean(joined.decode("utf-16-le", "replace"))

    def _brace(self, found: re.Match[bytes]) -> None:
        self._starred, self._to_skip = False, 0
        if found[_BRACE] == b"{":
            if len(self._groups) < MAX_GROUPS:
                self._groups.append(self._group)
            else:
                self._deeper += 1
        elif self._deeper:
            self._deeper -= 1
        elif self._groups:
            self._group = self._groups.pop()

    def _text(self, found: re.Match[bytes]) -> None:
        self._starred = False
        raw = found[_TEXT]
        if self._to_skip:
            skipped = min(self._to_skip, len(raw))
            self._to_skip -= skipped
            raw = raw[skipped:]
        self._add_bytes(raw)

    def _hex(self, found: re.Match[bytes]) -> None:
        if self._to_skip:
            self._to_skip -= 1
        else:
            self._add_bytes(bytes.fromhex(found[_HEX].decode()))

    def _symbol(self, found: re.Match[bytes]) -> None:
        symbol = found[_SYMBOL]
        self._starred = symbol == b"*"
        if self._starred:
            return
        if self._to_skip:
            self._to_skip -= 1
        elif symbol in _SYMBOLS:
            self._add(_SYMBOLS[symbol])
        elif symbol in b"\\{}":
            self._add_bytes(symbol)

    def _word(self, found: re.Match[bytes]) -> None:
        word = found[_WORD]
        number = int(found[_PARAMETER]) if found[_PARAMETER] else None
        starred, self._starred = self._starred, False
        if word == b"bin":
            self._position = min(self._position + max(number or 0, 0), len(self._rtf))
        elif word == b"u" and number is not None:
            self._add(chr(number & 0xFFFF))
            self._to_skip = self._group.fallback
        elif self._to_skip:
            self._to_skip -= 1
        elif self._group.mode is _Mode.FONTS:
            self._define_font(word, number)
        elif starred or word in _HIDDEN or word == b"fonttbl":
            self._enter(word)
        elif word in _CHARACTERS:
            self._add(_CHARACTERS[word])
        else:
            self._set(word, number)

    def _enter(self, word: bytes) -> None:
        """A destination: where what follows in the group goes."""
        mode = _Mode.SKIPPED
        if self._group.mode is not _Mode.SKIPPED:
            if word == b"htmltag" and self._from_html:
                mode = _Mode.TAG
            elif word == b"fonttbl":
                mode = _Mode.FONTS
        self._change(mode=mode)

    def _set(self, word: bytes, number: int | None) -> None:
        if word == b"f":
            self._change(font=number)
        elif word == b"plain":
            self._change(font=self._default_font)
        elif word == b"uc":
            self._change(fallback=min(max(number or 0, 0), 16))
        elif word == b"htmlrtf":
            self._change(unshown=number != 0)
        elif word == b"deff":
            self._default_font = number
        elif word == b"ansicpg":
            self._page = number or 1252
        elif word in _PAGES:
            self._page = _PAGES[word]

    def _define_font(self, word: bytes, number: int | None) -> None:
        if word == b"f":
            self._defined = number
        elif self._defined is None or number is None or len(self._fonts) >= MAX_FONTS:
            return
        elif word == b"fcharset" and number != _DEFAULT_CHARSET:
            self._fonts.setdefault(self._defined, _CHARSET_PAGES.get(number, self._page))
        elif word == b"cpg":
            self._fonts[self._defined] = number

    def _change(
        self,
        *,
        mode: _Mode | None = None,
        unshown: bool | None = None,
        font: int | None = None,
        fallback: int | None = None,
    ) -> None:
        now = self._group
        self._group = _Group(
            now.mode if mode is None else mode,
            now.unshown if unshown is None else unshown,
            now.font if font is None else font,
            now.fallback if fallback is None else fallback,
        )

    @property
    def _is_shown(self) -> bool:
        group = self._group
        return group.mode in (_Mode.SHOWN, _Mode.TAG) and not (self._from_html and group.unshown)

    def _add(self, text: str) -> None:
        if self._is_shown:
            self._flush()
            self._pieces.append(text)

    def _add_bytes(self, raw: bytes) -> None:
        """Bytes of one encoding are decoded together: a character may take several of them."""
        if not self._is_shown:
            return
        codec = self._codec_now()
        if codec != self._codec:
            self._flush()
            self._codec = codec
        self._pending += raw

    def _codec_now(self) -> str:
        page = self._page
        if self._group.mode is not _Mode.TAG:
            font = self._default_font if self._group.font is None else self._group.font
            page = self._fonts.get(-1 if font is None else font, page)
        if page == _MAC_ROMAN:
            return "mac_roman"
        try:
            return codec_of(CODE_PAGE | page & 0x7FFF)
        except ValueError:
            return "cp1252"

    def _flush(self) -> None:
        if self._pending:
            self._pieces.append(self._pending.decode(self._codec, "replace"))
            self._pending.clear()
