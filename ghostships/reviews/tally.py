"""Stated probability against what reviewers confirmed: counted beside the evidence, never fed back into it.

Each trip counts once, with the probability that was shown when it was last judged. Trips on which reviewers disagree, or are all
unsure, are told and not counted. Below `FEWEST` judged trips nothing is said: three of three says little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ghostships.reviews.standing import Standing

FEWEST = 10
"""Judged trips in a band below which no share is given: with ten, the 95 % interval of one half is still 0.24 to 0.76."""

COVERAGE = 0.95
BANDS = ((0.0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.0))
"""Of stated probability; the lower end belongs to a band, the upper to the next one, 1 to the last."""

LIMITS = (
    "The judged trips are a selected sample: reviewers choose what to look at, see the stated probability before they judge, and "
    "judge from the same evidence. A confirmation is a reviewer's opinion, not a fact. No probability in this report depends on it."
)

Says = Literal["too few to say", "in keeping", "stated too high", "stated too low"]


@dataclass(frozen=True)
class Band:
    """Judged trips of one range of stated probability.

    Attributes
    ----------
    stated : mean of the stated probabilities; None without any trip
    share, low, high : share confirmed and its Wilson interval; None below `FEWEST`
    """

    name: str
    n_confirmed: int
    n_rejected: int
    stated: float | None
    share: float | None
    low: float | None
    high: float | None
    says: Says


@dataclass(frozen=True)
class Tally:
    """The count.

    Attributes
    ----------
    n_flags, n_flags_judged : flags listed now, and those of them that were confirmed or rejected by all who are sure
    n_without_number : trips judged that had no probability
    n_other : trips judged in a run of the other kind, simulated or real
    brier : mean squared error of the stated probabilities of flags against the verdicts; None below `FEWEST`
    brier_if_right : what it would be on average if they were right
    """

    n_reviewed: int
    n_disagreed: int
    n_unsure: int
    n_without_number: int
    n_other: int
    n_flags: int
    n_flags_judged: int
    bands: tuple[Band, ...]
    brier: float | None
    brier_if_right: float | None

    def as_dict(self) -> dict[str, Any]:
        """The count as plain data, with what it cannot tell."""
        return {**asdict(self), "fewest": FEWEST, "coverage": COVERAGE, "limits": LIMITS}


def of(standings: Iterable[Standing], *, is_simulated: bool, flagged: Collection[str] = frozenset()) -> Tally:
    """Count flags, band by band and in all, and the other trips with a number in one row.

    Parameters
    ----------
    is_simulated : judgements on invented ships are not mixed with those on real ones; this kind is counted
    flagged : ids of the flags listed now: how many of them were judged says how selected the sample is
    """
    kept: list[Standing] = []
    n_other = 0
    for one in standings:
        if all(said.is_simulated == is_simulated for said in one.latest):
            kept.append(one)
        else:
            n_other += 1
    found = Counter(one.verdict for one in kept)
    clear = [one for one in kept if one.verdict in ("confirm", "reject")]
    counted = [(_last(one), one.verdict == "confirm") for one in clear]
    known = [(said.p_trip, was, said.is_flagged) for said, was in counted if said.p_trip is not None]
    flags = [(p, was) for p, was, is_flagged in known if is_flagged]
    bands = [_band(f"flags, {low:g} to {high:g}", [c for c in flags if _is_in(c[0], low, high)]) for low, high in BANDS]
    bands = [band for band in bands if band.n_confirmed + band.n_rejected]
    bands.append(_band("all flags", flags))
    if others := [(p, was) for p, was, is_flagged in known if not is_flagged]:
        bands.append(_band("trips not flagged", others))
    return Tally(
        n_reviewed=len(kept),
        n_disagreed=found["disagree"],
        n_unsure=found["unsure"],
        n_without_number=len(counted) - len(known),
        n_other=n_other,
        n_flags=len(flagged),
        n_flags_judged=sum(one.trip_id in flagged for one in clear),
        bands=tuple(bands),
        brier=_brier(flags),
        brier_if_right=round(sum(p * (1 - p) for p, _ in flags) / len(flags), 4) if len(flags) >= FEWEST else None,
    )


def _last(one: Standing) -> Any:
    """The decision whose stated probability counts: the last of those that are not unsure."""
    return max((said for said in one.latest if said.verdict != "unsure"), key=lambda said: said.order)


def _is_in(p: float, low: float, high: float) -> bool:
    return low <= p < high or p == high == 1.0


def _band(name: str, counted: Sequence[tuple[float, bool]]) -> Band:
    n, k = len(counted), sum(was for _, was in counted)
    stated = round(sum(p for p, _ in counted) / n, 4) if n else None
    if n < FEWEST or stated is None:
        return Band(name, k, n - k, stated, None, None, None, "too few to say")
    # Imported here: a report without reviews, which is most, does not wait for it.
    from scipy.stats import binomtest

    interval = binomtest(k, n).proportion_ci(confidence_level=COVERAGE, method="wilson")
    low, high = round(float(interval.low), 4), round(float(interval.high), 4)
    says: Says = "in keeping" if low <= stated <= high else "stated too high" if stated > high else "stated too low"
    return Band(name, k, n - k, stated, round(k / n, 4), low, high, says)


def _brier(counted: Sequence[tuple[float, bool]]) -> float | None:
    if len(counted) < FEWEST:
        return None
    from sklearn.metrics import brier_score_loss

    return round(float(brier_score_loss([was for _, was in counted], [p for p, _ in counted], pos_label=True)), 4)
