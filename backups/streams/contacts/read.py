"""From vCard files (2.1, 3.0, 4.0) to contacts and distribution lists (MS-OXOCNTC).

Each line stands for itself: one that can't be read, or that Outlook has no place for, is kept as
text (``names.KEPT_LINES``) and costs nothing else of its card.
"""

from __future__ import annotations

from collections.abc import Iterator

from backups.streams.blocks import Block, outline
from backups.streams.contacts.cards import CardReader
from backups.streams.contacts.lines import Line, card_text, escape, parse_line, values_joined
from backups.streams.errors import MailError, StreamError
from backups.streams.made import Made, payloads
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.item import write_item

_NOTED = 60


def from_vcard(raw: bytes) -> list[bytes]:
    """The item streams of a vCard file; raises MailError for the first card that gives none."""
    return payloads(read_vcard(raw))


def read_vcard(raw: bytes) -> Iterator[Made]:
    """Every card of a file with its stream or the reason why it has none.

    A card of KIND:group becomes a distribution list; members that it names by UID are looked for
    among the file's other cards. Raises MailError for a file that holds no card.
    """
    blocks = [block for block in outline(card_text(raw)).blocks if block.name == "VCARD"]
    if not blocks:
        raise MailError("the file holds no vCard")
    cards = [_lines(block) for block in blocks]
    people = _people(cards)
    for number, (block, lines) in enumerate(zip(blocks, cards, strict=True), start=1):
        yield _made(f"card {number}", block, lines, people)


def _made(
    label: str, block: Block, lines: list[Line | str], people: dict[str, tuple[str, str]]
) -> Made:
    if not block.closed:
        return Made(label, reason="it ends before END:VCARD")
    card = CardReader(people)
    for line in lines:
        if isinstance(line, str):
            card.keep(line, f"a line that can't be read is kept as text: {line[:_NOTED]}")
    try:
        name = card.read([line for line in lines if isinstance(line, Line)])
        payload = write_item(card.draft.item(), build=SERVER_BUILD)
    except (StreamError, ValueError, LookupError) as error:
        return Made(label, reason=f"the card can't be read: {error}")
    return Made(f"{label}, {name}", payload, notes=tuple(card.notes))


def _lines(block: Block) -> list[Line | str]:
    """The lines of a card; as text those that are none. An agent's card is the value of AGENT."""
    lines: list[Line | str] = []
    nested: list[str] = []
    depth = 0
    for original in values_joined(block.lines):
        edge = original.strip().upper()
        depth += edge.startswith("BEGIN:")
        if depth > 1:
            nested.append(original.strip())
            if edge.startswith("END:"):
                depth -= 1
                if depth == 1:
                    _take_nested(lines, nested)
                    nested = []
            continue
        depth -= edge.startswith("END:")
        line = parse_line(original)
        if line is not None:
            lines.append(line)
        elif original.strip():
            lines.append(original.strip())
    return lines


def _take_nested(lines: list[Line | str], nested: list[str]) -> None:
    """As vCard 3.0 has the card of an agent: all of it as one escaped text."""
    before = lines[-1] if lines else None
    if isinstance(before, Line) and before.name == "AGENT" and not before.value:
        lines.pop()
    agent = parse_line("AGENT:" + escape("\n".join(nested)))
    if agent is not None:
        lines.append(agent)


def _people(cards: list[list[Line | str]]) -> dict[str, tuple[str, str]]:
    """(name, mail address) of each card that has a UID, by that UID."""
    people = {}
    for lines in cards:
        found: dict[str, str] = {}
        for line in lines:
            if isinstance(line, Line) and line.name in ("UID", "FN", "EMAIL"):
                found.setdefault(line.name, line.text)
        if "UID" in found and "EMAIL" in found:
            key = found["UID"].lower().removeprefix("urn:uuid:")
            people[key] = (found.get("FN", ""), found["EMAIL"])
    return people
