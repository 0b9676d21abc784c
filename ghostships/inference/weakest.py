"""The weakest link: the sighting, name or assumption whose removal moves a probability most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ghostships.inference import factors
from ghostships.inference.factors import Factor


@dataclass(frozen=True)
class Link:
    """Something that could be taken away, and the probability that would be left."""

    p_without: float
    what: str


def of_factors(steps: Iterable[Factor], bits: float, *, leave_out: frozenset[str] = frozenset()) -> list[Link]:
    """Every factor that speaks for it, each taken away alone; `bits` is the sum of all. `leave_out` are named otherwise."""
    return [
        Link(factors.probability(round(bits - f.bits, 3)), f"{f.name.replace('_', ' ')} ({f.because})")
        for f in steps
        if f.bits > 0 and f.name not in leave_out
    ]


def sentence(p: float, links: Iterable[Link], *, nothing: str) -> str:
    """What moves `p` most, in a sentence; `nothing` where nothing that could be taken away lowers it as shown."""
    lowest = min(links, key=lambda link: (link.p_without, link.what), default=None)
    if lowest is None or shown(lowest.p_without) == shown(p):
        return nothing
    return f"{lowest.what}: without it {shown(lowest.p_without)} instead of {shown(p)}"


def shown(p: float) -> str:
    """A probability in a sentence: never a certainty."""
    return "over 0.99" if p > 0.99 else "under 0.01" if p < 0.01 else f"{p:.2f}"
