"""What all decisions together say of each trip: the latest of every reviewer, and whether reviewers disagree.

A trip that goes on under another id (a late file moved the start of its silence) keeps its decisions: nights say which id became
which. A trip that is gone keeps them too, and is listed as gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ghostships.reviews.decision import Decision

Verdict = Literal["confirm", "reject", "unsure", "disagree"]


@dataclass(frozen=True)
class Standing:
    """All that was decided on one trip.

    Attributes
    ----------
    trip_id : the trip as it is listed now; as it was judged, where it is gone
    is_here : whether the trip is in the table now
    latest : the last decision of every reviewer, by name
    n_decisions : with the earlier ones
    """

    trip_id: str
    is_here: bool
    latest: tuple[Decision, ...]
    n_decisions: int

    @property
    def verdict(self) -> Verdict:
        """What the reviewers say together; who is unsure contradicts nobody."""
        said = {one.verdict for one in self.latest} - {"unsure"}
        if len(said) > 1:
            return "disagree"
        return "confirm" if "confirm" in said else "reject" if "reject" in said else "unsure"


def renamed(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Which trip became which, as the nights remember it (`renamed` in the manifest); a run has none."""
    return {str(old): str(new) for old, new in manifest.get("renamed") or []}


def of(decisions: Iterable[Decision], here: Collection[str], became: Mapping[str, str]) -> list[Standing]:
    """One standing per trip that anybody judged, by trip id.

    Parameters
    ----------
    here : the ids of all trips listed now
    became : which id became which
    """
    by_trip: dict[str, list[Decision]] = {}
    for one in sorted(decisions, key=lambda one: one.order):
        by_trip.setdefault(now(one.trip_id, here, became), []).append(one)
    return [Standing(trip_id, trip_id in here, _latest(said), len(said)) for trip_id, said in sorted(by_trip.items())]


def now(trip_id: str, here: Collection[str], became: Mapping[str, str]) -> str:
    """The id under which a trip is listed now; the id itself where it is gone."""
    seen, at = {trip_id}, trip_id
    while at not in here:
        at = became.get(at, "")
        # Ids may go round in a circle when a file comes, goes and comes again.
        if not at or at in seen:
            return trip_id
        seen.add(at)
    return at


def _latest(said: Sequence[Decision]) -> tuple[Decision, ...]:
    last = {one.reviewer: one for one in said}
    return tuple(last[reviewer] for reviewer in sorted(last))
