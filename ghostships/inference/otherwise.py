"""What each silence that may be a round trip may have been instead: the tables put together for `inference.alternatives`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ghostships import units
from ghostships.inference import alternatives, factors, histories, joint, silences
from ghostships.inference.alternatives import Quiet, Shares, Visit
from ghostships.inference.declared import Bound, Gazetteer
from ghostships.inference.joint import Weighed
from ghostships.routes import Route

US = units.US_PER_HOUR

LAY_NM = 1.0
"""A ship that comes back this close to where it vanished may have swung or shifted there all the time."""

ALTERNATIVE_SHARE = 0.2
"""Share of silences with a call at one of the route's alternative ports within reach: more than `p_visit_counterpart`, because
calls at counterpart ports are nothing to hide (own judgement; 0.1 to 0.3 score alike on simulated worlds)."""

_OF_GAPS = [
    *("gap_id", "start_utc", "end_utc", "is_open", "start_port", "end_port"),
    *("distance_gc_nm", "distance_nm", "p_off"),
]

LEAST_SHARE = 0.01
"""A call in pictures that a silence holds less likely than this does not tell where its ship was."""


@dataclass(frozen=True)
class Meeting:
    """How much likelier what was found makes a meeting at sea (`inference.meetings`), and what to say of it."""

    ratio: float
    because: str


def shares(
    weighed: Weighed,
    asked: Sequence[int],
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    declared: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    *,
    route: Route,
    meetings: Mapping[str, Meeting],
) -> dict[int, Shares]:
    """Shares of all that is no trip, for the silences `asked` of `weighed`: some of those that fit a call at the dark port."""
    if not len(asked):
        return {}
    known = {i for i, s in zip(weighed.gap_ids, weighed.silents, strict=True) if s.is_feasible}
    said = declared[declared["gap_id"].isin(known)].set_index("gap_id").to_dict("index")
    by_gap: dict[Any, Any] = gaps.loc[gaps["gap_id"].isin(known), _OF_GAPS].set_index("gap_id").to_dict("index")
    fits = reach[(reach["port"] != route.dark_port_id) & reach["verdict"].isin(["feasible", "marginal"])]
    fits = fits[fits["gap_id"].isin({weighed.gap_ids[g] for g in asked})]
    ports: dict[str, list[Any]] = {}
    for row in fits.sort_values(["gap_id", "port"]).itertuples(index=False):
        ports.setdefault(str(row.gap_id), []).append(row)
    usual = _Usual.of(weighed, by_gap, said, Gazetteer(route))
    watched = {
        port.id: silences.looks(scenes, sightings, port, route) for port in route.ports if port.id != route.dark_port_id
    }
    found = {}
    for g in asked:
        gap_id = weighed.gap_ids[g]
        gap, own = by_gap[gap_id], said.get(gap_id, {})
        quiet = _quiet(weighed, g, gap, own, ports.get(gap_id, []), usual, watched, route, meetings.get(gap_id))
        found[g] = alternatives.weigh(quiet, before_mean_h=route.priors.before_mean_h, p_off_prior=route.priors.p_off)
    return found


@dataclass(frozen=True)
class _Usual:
    """How common what is known of a silence is among all that fit a call at the dark port, and what each declared."""

    same_spot: float
    changes: float
    named: dict[str, float]
    bound: dict[str, list[Bound]]

    @staticmethod
    def of(weighed: Weighed, by_gap: dict[Any, Any], said: dict[Any, Any], gazetteer: Gazetteer) -> _Usual:
        ids = [i for i, s in zip(weighed.gap_ids, weighed.silents, strict=True) if s.is_feasible]
        spots = [_is_same_spot(by_gap[i]) for i in ids]
        changes = [_changes(said.get(i, {})) for i in ids]
        bound = {}
        for i in ids:
            told = (said.get(i, {}).get(name) for name in ("destination_before", "destination_after"))
            read = (gazetteer.read(text if isinstance(text, str) else None) for text in told)
            bound[i] = [b for b in read if b is not None]
        n = sum(bool(b) for b in bound.values())
        named: dict[str, float] = {}
        for i in ids:
            for port in _declared(bound[i], said.get(i, {})):
                named[port] = named.get(port, 0.0) + 1
        # Two made-up silences keep the shares off 0 and 1.
        return _Usual(
            _share(spots, alternatives.SAME_SPOT_IF_CALL),
            _share(changes, alternatives.CHANGES_IF_LYING),
            {port: (count + 0.2) / (n + 2) for port, count in named.items()},
            bound,
        )


def _share(values: list[bool | None], prior: float) -> float:
    known = [v for v in values if v is not None]
    return (sum(known) + 2 * prior) / (len(known) + 2)


def _is_same_spot(gap: dict[Any, Any]) -> bool | None:
    moved = gap["distance_gc_nm"]
    return None if gap["is_open"] or moved != moved else bool(moved <= factors.SAME_PLACE_NM)


def _changes(said: dict[Any, Any]) -> bool | None:
    before, after = said.get("before_m", math.nan), said.get("after_m", math.nan)
    if before != before or after != after:
        return None
    return bool(abs(after - before) >= factors.DRAUGHT_CHANGE_M)


def _declared(bound: list[Bound], said: dict[Any, Any]) -> set[str]:
    """Ports that a ship declared and at which it was heard neither before nor after."""
    return {port for one in bound for port in one.named} - {said.get("last_port"), said.get("next_port")}


def _quiet(
    weighed: Weighed,
    g: int,
    gap: dict[Any, Any],
    said: dict[Any, Any],
    ports: list[Any],
    usual: _Usual,
    watched: dict[str, silences.Watch],
    route: Route,
    meeting: Meeting | None,
) -> Quiet:
    silence = weighed.silents[g].silence
    start_us = gap["start_utc"].value // 1000
    until_us = start_us + math.floor(silence.end_h * US)
    bound = usual.bound[weighed.gap_ids[g]]
    declared = _declared(bound, said)
    seen = _seen(weighed, g)
    visits = []
    lay_at = _lay_at(gap)
    # Ships that left the port and came back to it were at sea, or at another; those that stayed are counted as lying there.
    ports = [row for row in ports if row.port != lay_at]
    roles = Counter(route.port(row.port).role for row in ports)
    for row in ports:
        port = route.port(row.port)
        of_role = route.priors.p_visit_counterpart if port.role == "counterpart" else ALTERNATIVE_SHARE
        looks = watched[port.id].between(start_us, until_us)
        to_h = 0.0 if gap["is_open"] else (gap["end_utc"].value - row.latest_departure_utc.value) / 1000 / US
        visits.append(
            Visit(
                port.id,
                of_role / roles[port.role],
                max((row.earliest_arrival_utc.value // 1000 - start_us) / US, 0.0),
                max(float(to_h), 0.0),
                silences.stays_of(port, route),
                tuple(histories.Look((t - start_us) / US, p, look) for t, p, look in looks),
                seen.get(port.id, 0.0),
                None if not bound else port.id in declared,
                usual.named.get(port.id, 0.1 / max(len(usual.bound), 1)),
            )
        )
    fastest = float(ports[0].fastest_kn) if ports else math.nan
    way = gap["distance_nm"] if gap["distance_nm"] == gap["distance_nm"] else gap["distance_gc_nm"]
    return Quiet(
        duration_h=silence.end_h,
        is_open=bool(gap["is_open"]),
        density=silence.density,
        p_off=float(gap["p_off"]),
        lay_at=lay_at,
        is_same_spot=_is_same_spot(gap),
        changes=_changes(said),
        passage_h=float(way) / fastest,
        same_spot_usually=usual.same_spot,
        changes_usually=usual.changes,
        visits=tuple(visits),
        meeting=1.0 if meeting is None else meeting.ratio,
        meeting_says="" if meeting is None else meeting.because,
    )


def _lay_at(gap: dict[Any, Any]) -> str | None:
    """The port where it both vanished and came back, "" for a place that is none; None where it moved. One not heard again may
    lie there still."""
    start, end = gap["start_port"], gap["end_port"]
    if gap["is_open"]:
        return start if isinstance(start, str) else ""
    if isinstance(start, str) and start == end:
        return str(start)
    return "" if gap["distance_gc_nm"] <= LAY_NM else None


def _seen(weighed: Weighed, g: int) -> dict[str, float]:
    """Per other port, the probability that pictures show this ship there, if it was on no trip."""
    s, silence = weighed.solution, weighed.silents[g].silence
    own: dict[str, dict[int, float]] = {}
    for c, share in s.shares[g].items():
        call = weighed.known[c]
        if not call.is_dark_port and share >= LEAST_SHARE:
            port = silence.places[silence.explained(c).place].name
            weight = joint.likelihood(call, s.fits[g, c], s.unknown_rate[c]) * s.others[g][c]
            own.setdefault(port, {})[c] = weight
    found = {port: silence.weigh(odds=0.0, likelihoods=w).other - silence.density for port, w in own.items()}
    whole = silence.density + math.fsum(found.values())
    return {port: max(weight, 0.0) / whole for port, weight in found.items()}
