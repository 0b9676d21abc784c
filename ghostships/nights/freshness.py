"""What should have been delivered by now, what is missing, and when nobody was listening for it: *unobserved*, which is never dark.

    source with {day}     | day 1 | day 2 | (day 3) | day 4 | (day 5 ... as-of          (...) missing: 24 h unobserved each
    source without        |==heard==|  hole  |===heard===|  tail ... as-of              holes and tail are unobserved

All of it follows from the set of deliveries, the configuration and the as-of. A late delivery heals it on the next night.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from ghostships.nights.claims import Claim
from ghostships.nights.config import UNDECLARED, Config, Source

SHORTEST_H = 1.0
"""Shorter spans without data say nothing: an hour is the grain of the vessel hours, and the shortest policy."""

Span = tuple[datetime, datetime]
State = Literal["missing", "refused", "empty", "awaited"]


@dataclass(frozen=True)
class Heard:
    """What a delivery brought of one day: from when to when at least two ships are heard in it (or the only one)."""

    day: date
    n_ships: int
    first_utc: datetime
    last_utc: datetime


@dataclass(frozen=True)
class Facts:
    """What freshness must know of one delivery. `heard` is empty where no row could be used."""

    heard: tuple[Heard, ...] = ()
    is_refused: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether anybody was heard in it. A file without a single usable row is a feed that failed, not an empty sea."""
        return bool(self.heard) and not self.is_refused


@dataclass(frozen=True)
class Missing:
    """A time for which a source owes a delivery. `awaited`: it is not due yet; unobserved all the same."""

    source: str
    start_utc: datetime
    end_utc: datetime
    state: State

    @property
    def is_overdue(self) -> bool:
        """Whether somebody should be told."""
        return self.state != "awaited"


@dataclass(frozen=True)
class Freshness:
    """One source: what it delivered and what it owes within the look-back window, up to the as-of."""

    source: str
    cadence_h: float | None
    n_deliveries: int
    newest_heard_utc: datetime | None
    n_expected: int
    missing: tuple[Missing, ...]

    @property
    def is_stale(self) -> bool:
        """Whether a delivery is overdue."""
        return any(one.is_overdue for one in self.missing)


def measure(
    config: Config,
    claims: Sequence[Claim],
    facts: Mapping[str, Facts],
    *,
    as_of_utc: datetime,
    from_utc: datetime,
) -> list[Freshness]:
    """One entry per declared source, in order of name, then one for undeclared deliveries if there are any.

    Parameters
    ----------
    claims : of all deliveries that ever arrived, refused ones included
    from_utc : start of the look-back window; what is missing before it is not spoken of
    """
    out = []
    for name in [*sorted(config.sources), UNDECLARED]:
        own = [one for one in claims if one.source == name]
        source = config.sources.get(name)
        if source is None and not own:
            continue
        heard = [h for sha256 in sorted({one.sha256 for one in own}) for h in facts[sha256].heard]
        newest = newest_heard(heard, as_of_utc)
        missing: list[Missing] = []
        n_expected = 0
        if source is not None and source.cadence_h and own:
            if source.names.has_day:
                n_expected, missing = _slots(name, source, own, claims, facts, as_of_utc, from_utc)
            else:
                n_expected, missing = _holes(name, source, heard, as_of_utc, from_utc)
        n_deliveries = len({one.sha256 for one in own})
        out.append(
            Freshness(name, source.cadence_h if source else None, n_deliveries, newest, n_expected, tuple(missing))
        )
    return out


def unobserved(found: Iterable[Freshness]) -> tuple[Span, ...]:
    """The times in which some source did not deliver, joined where they touch, without those shorter than an hour."""
    spans = sorted((one.start_utc, one.end_utc) for source in found for one in source.missing)
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(span for span in joined if (span[1] - span[0]) >= timedelta(hours=SHORTEST_H))


def newest_heard(heard: Iterable[Heard], as_of_utc: datetime) -> datetime | None:
    """The latest time, at most the as-of, at which two ships are heard: one wrong clock does not make a source fresh."""
    past = [one for one in heard if one.first_utc <= as_of_utc and one.day <= as_of_utc.date()]
    several = [one for one in past if one.n_ships > 1]
    return max((min(one.last_utc, as_of_utc) for one in several or past), default=None)


def _slots(
    name: str,
    source: Source,
    own: Sequence[Claim],
    claims: Sequence[Claim],
    facts: Mapping[str, Facts],
    as_of_utc: datetime,
    from_utc: datetime,
) -> tuple[int, list[Missing]]:
    """Expected slots from the first delivery's on; one that another source of the series delivered is not missing."""
    starts = [one.start_utc for one in own if one.start_utc is not None]
    if not starts:
        return 0, []
    series = own[0].series
    given: list[tuple[datetime, datetime, Facts]] = [
        (one.start_utc, one.end_utc, facts[one.sha256])
        for one in claims
        if one.series == series and one.start_utc is not None and one.end_utc is not None
    ]
    step = timedelta(hours=source.slot_h)
    # Far before the window there is nothing to say: start at the first slot of the same row that reaches into it.
    start = min(starts)
    start += max(0, (from_utc - start) // step) * step
    n_expected, missing = 0, []
    while start < as_of_utc:
        end = start + step
        over = [one for first, last, one in given if first <= start and last >= end]
        due = end + timedelta(hours=source.delay_h) <= as_of_utc
        n_expected += due
        if not any(one.is_usable for one in over):
            state: State = "missing"
            if over:
                state = "refused" if all(one.is_refused for one in over) else "empty"
            elif not due:
                state = "awaited"
            missing.append(Missing(name, max(start, from_utc), min(end, as_of_utc), state))
        start = end
    return n_expected, missing


def _holes(
    name: str, source: Source, heard: Sequence[Heard], as_of_utc: datetime, from_utc: datetime
) -> tuple[int, list[Missing]]:
    """Without a day in the name only what is heard tells: a hole of at least half a cadence is a delivery that never came."""
    assert source.cadence_h is not None
    cadence = timedelta(hours=source.cadence_h)
    past = [one for one in heard if one.first_utc <= as_of_utc]
    # A day of which only one ship is heard may be a wrong clock: it does not cover a time, unless there is nothing better.
    covering = sorted((one.first_utc, one.last_utc) for one in ([o for o in past if o.n_ships > 1] or past))
    missing: list[Missing] = []
    if not covering:
        return 0, []
    until = covering[0][0]
    for first, last in covering:
        n_lost = round((first - until) / cadence)
        if n_lost >= 1 and first > from_utc:
            missing.append(Missing(name, max(until, from_utc), min(first, as_of_utc), "missing"))
        until = max(until, last)
    until = min(until, as_of_utc)
    overdue = as_of_utc - until >= cadence + timedelta(hours=source.delay_h)
    if as_of_utc - until >= timedelta(hours=SHORTEST_H):
        missing.append(Missing(name, max(until, from_utc), as_of_utc, "missing" if overdue else "awaited"))
    return round((as_of_utc - max(covering[0][0], from_utc)) / cadence), missing
