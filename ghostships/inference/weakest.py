"""The weakest link: the sighting, name or assumption whose removal moves a probability most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

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
    return f"{lowest.what}: without it, all else as it stands, {shown(lowest.p_without)} instead of {shown(p)}"


def shown(p: float) -> str:
    """A probability in a sentence: never a certainty."""
    return "over 0.99" if p > 0.99 else "under 0.01" if p < 0.01 else f"{p:.2f}"


_BUNDLES = frozenset({"prior", "alongside", "competition", "transmitting_ships", "silent_ships"})
"""Factors that put many facts together, or none: the level that is assumed, a ship's own history with all other pictures, and the
room that other ships leave. None of them is a single fact that could be wrong."""

NAMED_FROM_P = 0.01
"""A hypothesis less likely than this has no weakest link worth a sentence."""


def of_evidence(steps: Sequence[Factor], *, nothing: str) -> str:
    """Which single fact moves a probability most when it is left out of the sum, up or down; `steps` are all that add up to it."""
    bits = sum(round(f.bits * 1000) for f in steps) / 1000
    p = factors.probability(bits)
    links = [
        Link(factors.probability(round(bits - f.bits, 3)), f"{f.name.replace('_', ' ')} ({f.because})")
        for f in steps
        if f.name not in _BUNDLES and f.bits != 0
    ]
    most = max(links, key=lambda link: (abs(link.p_without - p), link.what), default=None)
    if most is None or shown(most.p_without) == shown(p):
        return nothing
    return f"{most.what}: without it, all else as it stands, {shown(most.p_without)} instead of {shown(p)}"


def of_matches(matches: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """The matches with `weakest_link`, for hypotheses that have evidence and are not hopeless."""
    links = pd.Series(None, index=matches.index, dtype=object)
    asked = (
        matches[(matches["p_match"] >= NAMED_FROM_P) & (matches["hypothesis"] != "none")] if len(matches) else matches
    )
    if len(asked) and len(evidence):
        own = evidence[evidence["subject_id"].isin(set(asked["match_id"]))]
        steps: dict[str, list[Factor]] = {}
        columns = (own[name].tolist() for name in ("subject_id", "factor", "bits", "because"))
        for subject, name, bits, because in zip(*columns, strict=True):
            steps.setdefault(str(subject), []).append(Factor(str(name), float(bits), str(because)))
        nothing = "no single measurement or name: it rests on the ship's own history, and on what other ships leave"
        links = matches["match_id"].map({m: of_evidence(found, nothing=nothing) for m, found in steps.items()})
    return matches.assign(weakest_link=links)
