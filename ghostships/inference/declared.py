"""What ships declare, and how it compares with where they turn up and with what registries hold.

    sent before "KR PUS>RU VVO"   --->  bound for VLADIVOSTOK      heard next in SLAVYANKA: not where it said it would go
    sent after  "RU SKA"          --->  bound for SLAVYANKA

The destination of AIS is typed by hand, twenty characters, and often left as it was for months. Read here are port names and
UN/LOCODEs of the route's ports in the forms that ships use: alone, `FROM>TO` (IMO SN.1/Circ.244/Rev.1), `FROM TO TO`, shuttles
(`A<>B`, `A/B`), with country, berth or "FOR ORDERS" behind, and with one letter wrong. Everything else names no port of the route.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ghostships.inference.factors import Factor, capped, ratio_bits
from ghostships.routes import Port, Route

Kind = Literal["dark", "as_declared", "elsewhere", "changed", "unchanged"]

DECLARED_CAP_BITS = 2.0
"""What a crew types costs nothing to type, and most of it is old: it never weighs more than this (own judgement)."""

REGISTRY_CAP_BITS = 1.5
"""Registries are out of date as often as transponders are wrongly set (own judgement)."""

TYPED_ALIKE = 0.5
"""Share of trips whose crews type what any other crew would have typed; the route's shares hold for the rest. What is typed has as
much to do with the crew as with the voyage (own judgement), so no kind of destination weighs more than a bit against a trip."""

NEVER_FOR: tuple[Kind, ...] = ("as_declared", "changed")
NEVER_AGAINST: tuple[Kind, ...] = ("dark", "elsewhere")
"""Going where one said, or saying something new after a port call, is what any voyage does; naming the dark port or not turning up
is not. However common they are in a run, these never count the other way (a law, not an estimate)."""

RAREST_DARK, RAREST_OTHER = 0.005, 0.1
"""No kind of destination is taken for rarer than this among other silences: crews of any ship forget, change their minds and are
sent elsewhere; naming the dark port is rare (own judgement)."""

SHORTEST_TYPO = 7
"""Names of at least so many letters are known again with one letter wrong, missing or too many (NAHODKA, VLADIVOSTOCK)."""

OTHER_LENGTH_SHARE = 0.1
OTHER_LENGTH_M = 6.0
"""A length sent differs from the registry's when it is off by more than both: antenna offsets are rounded, and lengths are listed
overall or between perpendiculars, some 5 % apart (own judgement)."""

KINDS: tuple[Kind, ...] = ("dark", "as_declared", "elsewhere", "changed", "unchanged")
"""Kinds of destinations across a silence, the first that holds:

`dark` names the dark port, as departure too, without lying there openly; `as_declared` names another port than where it
vanished, and there it turns up; `elsewhere` names another port, and turns up at a third; `changed` and `unchanged` compare the
texts alone."""

_LOCODE = re.compile(r"[A-Z]{2}[ -][A-Z2-9]{3}")


@dataclass(frozen=True)
class Bound:
    """A destination as read: ids of the route's ports for which the ship is bound, and of all that it names, the port of departure
    too. `is_port` also where a UN/LOCODE names a port elsewhere."""

    text: str
    ports: tuple[str, ...]
    named: tuple[str, ...]
    is_port: bool

    @property
    def folded(self) -> str:
        """The text without case, accents and punctuation: what must differ for a destination to count as changed."""
        return "".join(_words(self.text))


@dataclass
class Gazetteer:
    """The names under which the ports of a route may be declared."""

    route: Route

    def __post_init__(self) -> None:
        self._read: dict[str, Bound] = {}

    @cached_property
    def _names(self) -> list[tuple[tuple[str, ...], str]]:
        """Words of each name and the port it names, longest first."""
        found = {(name, port.id) for port in self.route.ports for name in _names_of(port)}
        return sorted(found, key=lambda item: (-len(item[0]), item))

    @cached_property
    def _codes(self) -> dict[str, str]:
        """The last three letters of each code: ships often leave the country away."""
        return {code[-3:]: port.id for port in self.route.ports for code in port.locodes}

    def read(self, text: str | None) -> Bound | None:
        """The destination as read; None where none was sent."""
        if text is None or not text.strip():
            return None
        if text not in self._read:
            self._read[text] = self._bound(text)
        return self._read[text]

    def _bound(self, text: str) -> Bound:
        told = unicodedata.normalize("NFKC", text).upper().strip()
        side = told
        if ">" in told and "<>" not in told:
            # The port of departure comes first and says nothing of where the ship is going.
            side = told.rsplit(">", 1)[1].strip() or told
        elif " TO " in told:
            side = told.rsplit(" TO ", 1)[1].strip() or told
        ports = self._ports(_words(side))
        if not ports and "".join(_words(side)) in self._codes:
            ports = (self._codes["".join(_words(side))],)
        named = tuple(sorted({*ports, *self._ports(_words(told))}))
        return Bound(text.strip(), ports, named, bool(ports) or _LOCODE.fullmatch(side) is not None)

    def _ports(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Every port named in these words, in their order, each once."""
        found: list[str] = []
        at = 0
        while at < len(words):
            hit = next(((len(name), port) for name, port in self._names if _starts(words[at:], name)), None)
            if hit is None:
                at += 1
                continue
            at += hit[0]
            if hit[1] not in found:
                found.append(hit[1])
        return tuple(found)


def _names_of(port: Port) -> set[tuple[str, ...]]:
    """All names of a port as words; a code together and with its country apart."""
    names = {_words(name) for name in (port.id.replace("_", " "), port.name, *port.aliases, *port.locodes)}
    names |= {(code[:2], code[-3:]) for code in port.locodes} | {(code[:2] + code[-3:],) for code in port.locodes}
    return {name for name in names if name}


def _words(text: str) -> tuple[str, ...]:
    """Upper-case words without accents and apostrophes (Pos'yet, Ch'ongjin)."""
    plain = unicodedata.normalize("NFKD", text).casefold().upper()
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'`’")
    return tuple("".join(c if c.isalnum() else " " for c in plain).split())


def _starts(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    if len(words) < len(name):
        return False
    return all(_alike(word, wanted) for word, wanted in zip(words, name, strict=False))


def _alike(word: str, wanted: str) -> bool:
    """The same word, or a long one with one letter wrong, missing or too many."""
    if word == wanted:
        return True
    if len(wanted) < SHORTEST_TYPO or abs(len(word) - len(wanted)) > 1 or word[:1] != wanted[:1]:
        return False
    short, long = sorted((word, wanted), key=len)
    same = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]


def kind_of(
    before: Bound | None, after: Bound | None, *, left: str | None, came: str | None, dark_port: str
) -> Kind | None:
    """What kind of destination a ship declared across a silence; None where that cannot be said.

    `left` and `came` are the ports at which it was heard last before and first after; None where it was at none.
    """
    openly = dark_port in (left, came)
    if not openly and any(bound is not None and dark_port in bound.named for bound in (before, after)):
        return "dark"
    if before is None:
        return None
    # One that names where it already is belongs to the voyage before.
    if before.is_port and came is not None and left not in before.ports:
        return "as_declared" if came in before.ports else "elsewhere"
    if after is None:
        return None
    is_same = before.ports == after.ports if before.ports and after.ports else before.folded == after.folded
    return "unchanged" if is_same else "changed"


_SAYS: dict[Kind, str] = {
    "dark": "the dark port, named by the ship itself",
    "as_declared": "it turned up where it had said it would",
    "elsewhere": "it turned up elsewhere",
    "changed": "changed across the silence",
    "unchanged": "unchanged (often not updated)",
}


def destination(
    before: Bound | None,
    after: Bound | None,
    *,
    left: str | None,
    came: str | None,
    dark_port: str,
    if_trip: dict[Kind, float],
    otherwise: dict[Kind, float],
) -> Factor:
    """Destination declared before and after, and where the ship turned up; shares of all `KINDS` among trips whose crews type
    otherwise than others do (`TYPED_ALIKE`), and among other silences."""
    kind = kind_of(before, after, left=left, came=came, dark_port=dark_port)
    told = " and ".join(
        f'"{bound.text}" {side}' for bound, side in ((before, "before"), (after, "after")) if bound is not None
    )
    if kind is None:
        said = f"destination {told}: nothing to compare it with" if told else "no destination sent"
        return Factor("destination", 0.0, f"{said}, counts nothing")
    usual = max(otherwise[kind], RAREST_DARK if kind == "dark" else RAREST_OTHER)
    among_trips = TYPED_ALIKE * usual + (1 - TYPED_ALIKE) * if_trip[kind]
    bits = capped(ratio_bits(among_trips, usual), DECLARED_CAP_BITS)
    bits = min(bits, 0.0) if kind in NEVER_FOR else max(bits, 0.0) if kind in NEVER_AGAINST else bits
    heard = f"; heard next in {came}" if came is not None else ""
    return Factor(
        "destination",
        bits,
        f"destination {told}{heard}: {_SAYS[kind]} ({otherwise[kind]:.0%} of the silences that fit are like that)",
    )


@dataclass(frozen=True)
class Listed:
    """What a registry holds of a ship, beside what the ship sends. `differs` is None where nothing can be compared."""

    differs: bool | None
    because: str


def compare_with_registry(sent: dict[str, object], listed: dict[str, object], *, same_name: bool | None) -> Listed:
    """Length, name and kind of a ship as it sends them against its registry row, which was found by IMO number or MMSI.

    `sent` has `length_m`, `ship_type`; `listed` has `length_m`, `teu`, `vessel_name`. A ship type of 0 is not available. A
    registry row with a capacity in containers (`teu`) is of a cargo ship.
    """
    told: list[str] = []
    compared = 0
    own, known = _number(sent["length_m"]), _number(listed["length_m"])
    if own is not None and known is not None:
        compared += 1
        if abs(own - known) > max(OTHER_LENGTH_SHARE * known, OTHER_LENGTH_M):
            told.append(f"sends {own:.0f} m, listed {known:.0f} m")
    if same_name is not None:
        compared += 1
        if not same_name:
            told.append(f"sends another name than {listed['vessel_name']}, which is listed")
    code, teu = _number(sent["ship_type"]), _number(listed["teu"])
    if code and teu:
        compared += 1
        if not 70 <= code <= 79:
            told.append(f"sends type code {code:.0f}, listed with room for {teu:.0f} containers")
    if not compared:
        return Listed(None, "nothing to compare with a registry")
    return Listed(bool(told), "; ".join(told) if told else "sends what the registry holds")


def registry(says: Listed | None, *, p_if_trip: float, p_otherwise: float) -> Factor:
    """A ship that says other things of itself than its registry; left out, as the watch list is, of the number without them."""
    if says is None or says.differs is None:
        return Factor("registry", 0.0, "no registry row to compare with, counts nothing")
    # Saying other things than the registry never speaks for a ship.
    p_if_trip = max(p_if_trip, p_otherwise)
    bits = ratio_bits(p_if_trip, p_otherwise) if says.differs else ratio_bits(1 - p_if_trip, 1 - p_otherwise)
    return Factor(
        "registry",
        capped(bits, REGISTRY_CAP_BITS),
        f"{says.because} ({p_otherwise:.0%} of the others differ from theirs)",
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None
