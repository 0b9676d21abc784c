"""What a dossier says, in one structure: headings, paragraphs, tables and numbered sources, free of any format.

Whatever enters is made visible here (`report.text.shown`), so that no format can forget it: no control, bidirectional or
zero-width character, and nothing that XML does not allow, reaches a writer. Each writer escapes its own signs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ghostships.report import text

LINE_CHARACTERS_SHOWN = 2000
"""Of an original line in the readable summary; `lines/lines.json` has all of it."""


@dataclass(frozen=True)
class Cite:
    """A number that resolves to an entry of `Sources`."""

    number: int


Piece = str | Cite
Words = tuple[Piece, ...]


def words(*pieces: Piece) -> Words:
    """Pieces of a sentence, every text made visible and cut after 1 200 letters."""
    return tuple(piece if isinstance(piece, Cite) else text.sentence(piece) for piece in pieces)


def name(value: object) -> str:
    """A short text from outside (a name, an id, a sensor), cut after 64 letters; a dash where there is none."""
    return "-" if value is None or value == "" else text.shown(value)


@dataclass(frozen=True)
class Heading:
    """Starts a section."""

    title: str


@dataclass(frozen=True)
class Paragraph:
    """One paragraph. `lead` is what must not be overlooked, `warning` what must be read before the rest."""

    words: Words
    kind: Literal["plain", "lead", "warning"] = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list without order."""

    items: tuple[Words, ...]


@dataclass(frozen=True)
class Table:
    """A table. `bars` has, for each row, where a bar starts and ends on one common scale; only the page draws it."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]
    numeric: frozenset[int] = frozenset()
    has_total: bool = False
    bars: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Commands:
    """What a reader can type, one command a line; none of it comes from outside."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A figure of the folder: its name in the zip, its bytes, and what it shows."""

    member: str
    png: bytes
    shows: str


@dataclass(frozen=True)
class Source:
    """What a number stands for: facts by label, and the original line (escaped ASCII) where there is one."""

    number: int
    facts: tuple[tuple[str, str], ...]
    raw: str | None
    instead_of_raw: str = ""

    @property
    def line_shown(self) -> str:
        """The original line as the summary shows it; that it was cut is said in the facts."""
        return (self.raw or "")[:LINE_CHARACTERS_SHOWN]


@dataclass(frozen=True)
class Sources:
    """All numbered sources."""

    entries: tuple[Source, ...]


Block = Heading | Paragraph | Bullets | Table | Commands | Picture | Sources


@dataclass(frozen=True)
class Document:
    """The whole summary. `as_of` is the run's own "now", the only date that a dossier carries."""

    title: str
    subtitle: str
    as_of: str
    is_simulated: bool
    blocks: tuple[Block, ...]


SIMULATED = "SIMULATED DATA: no ship in it exists"
"""Stands on top of every format, and on every sheet where the format has sheets."""
