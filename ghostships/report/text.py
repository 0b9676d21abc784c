"""Text from outside, made safe to read: what cannot be seen is shown, what is too long is cut, nothing is executed."""

from __future__ import annotations

import json
import unicodedata

NAME_GRAPHEMES = 64
SENTENCE_GRAPHEMES = 1200
MARKS_PER_LETTER = 4
"""More combining marks than this on one letter are counted instead of drawn: stacked marks paint over other lines."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that draw nothing although their category says letter, mark or symbol."""


def shown(text: object, *, limit: int = NAME_GRAPHEMES) -> str:
    """The text with every control, bidi and zero-width character written out, cut after `limit` graphemes.

    A grapheme is taken as a character with the combining marks that follow it; joined emoji fall apart, because the joiner is
    one of the invisible characters this is meant to show.
    """
    out: list[str] = []
    graphemes = marks = 0
    for character in str(text):
        is_mark = unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me")
        if is_mark and not _is_hidden(character):
            marks += 1
            if marks <= MARKS_PER_LETTER:
                out.append(character)
            continue
        if marks > MARKS_PER_LETTER:
            out.append(f"⟨+{marks - MARKS_PER_LETTER} marks⟩")
        marks = 0
        if graphemes == limit:
            out.append("…")
            return "".join(out)
        graphemes += 1
        out.append(f"⟨U+{ord(character):04X}⟩" if _is_hidden(character) else character)
    if marks > MARKS_PER_LETTER:
        out.append(f"⟨+{marks - MARKS_PER_LETTER} marks⟩")
    return "".join(out)


def sentence(text: object) -> str:
    """The same for whole sentences, which may quote a name."""
    return shown(text, limit=SENTENCE_GRAPHEMES)


def web_address(text: object) -> str | None:
    """The address if it is a plain http(s) one that may become a link, else None."""
    address = str(text)
    plain = address.isascii() and address.isprintable() and not any(c in " \"'<>\\`{}|^" for c in address)
    return address if plain and len(address) <= 500 and address.startswith(("https://", "http://")) else None


def json_block(value: object) -> str:
    """JSON that cannot end the script element it stands in, nor start a comment or a tag."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        or character in _INVISIBLE
        or 0xFE00 <= ord(character) <= 0xFE0F
        or 0x180B <= ord(character) <= 0x180F
    )
