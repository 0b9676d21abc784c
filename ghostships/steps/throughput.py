"""How many calls: seen, estimated for the days nobody looked, and claimed, side by side and never mixed.

    seen        port calls in pictures, one a stay, berth shifts not counted again
    estimated   days with a ship / days imaged x days / days a stay
    claimed     what each publication says, with its own arithmetic

Published counts contradict each other because they count different things: stays, ship-days, berth visits, movements.
Beside each claim stands what this data holds of each of them in the same period, and which of them would give the
claimed number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
import shapely

from ghostships import tables
from ghostships.routes import Claim, Route

STAY_DAYS = (2.0, 3.0)
"""Days a stay, short and long: three days alongside in December 2023 (VOA Korean, 2023-12-27), 10 to 12 March 2024 (NK
Pro)."""
LOOKED_P_SEEN = 0.5
"""A day counts as imaged when some picture of it would have shown a ship at the berth with at least this
probability."""
CALL_UNITS = ("calls", "trips", "ships", "visits", "shipments", "movements", "journeys", "deliveries")
"""Units of claims that count arrivals of ships in one way or another."""
DAYS_WITH_SHIP, DAYS_IMAGED, PER_VESSEL = "days_ship_present", "days_imaged", "containers_per_vessel"
"""Metrics of claims that carry arithmetic: the published imaging effort, and an assumed load."""
OURS = "ghostships"


@dataclass(frozen=True)
class _Call:
    """A call at the dark port as it is counted: local days on which its first sighting may fall."""

    call_id: str
    first: date
    last: date
    middle: date
    berths: tuple[str, ...]
    look_days: tuple[date, ...]
    is_open: bool
    may_continue: bool
    in_trade: bool
    n_statements: int
    name: str


@dataclass(frozen=True)
class _Count:
    """Calls of a period: sure ones, the best count, and at most."""

    low: int
    best: int
    high: int
    calls: tuple[_Call, ...]


def estimate(
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    round_trips: pd.DataFrame,
    *,
    route: Route,
) -> pd.DataFrame:
    """Calls and containers by month and definition, and every published count beside what this data holds of its
    period.

    One row per period, definition and source. `low` and `high` of *seen* span what the pictures leave open: a window
    across two months, an open port, a possible continuation. Containers span the load scenarios of the route file,
    each spelled out in `assumptions`; scenarios are never mixed.

    Limits: published sightings are not all ships, so *seen* is a lower bound of the trade; *estimated* takes imaged
    days for a fair sample of all days.
    """
    calls = _calls(port_calls, sightings, route)
    rows = [
        *_seen(calls, route),
        *_inferred(round_trips, port_calls, route),
        *_estimated(scenes, sightings, port_calls, route),
        *_estimated_from_claims(route),
        *(_claimed(claim) for claim in route.claims),
        *_beside_claims(calls, route),
    ]
    merged: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["period_start"], row["period_end"], row["definition"], row["source"])
        if key in merged and merged[key]["n_calls"] == row["n_calls"]:
            merged[key]["assumptions"] += f"; also: {row['assumptions']}"
        elif key in merged:
            row["definition"] += " (another figure)"
            merged[(*key[:2], row["definition"], key[3])] = row
        else:
            merged[key] = row
    frame = pd.DataFrame(list(merged.values()), columns=tables.THROUGHPUT.names)
    for name in ("n_calls_low", "n_calls", "n_calls_high", "containers_low", "containers_high"):
        frame[name] = frame[name].astype("float64")
    return tables.to_pandas(frame, tables.THROUGHPUT) if merged else tables.empty_pandas(tables.THROUGHPUT)


def occupancy_calls(*, days_with_ship: int, days_imaged: int, days: float, days_a_stay: float) -> float:
    """Calls in a time of `days`, from the share of imaged days with a ship: share x days / days a stay.

    49 of 109 imaged days in 170 days are 25 calls at 3 days a stay and 38 at 2.
    """
    return days_with_ship / days_imaged * days / days_a_stay


# --- seen -------------------------------------------------------------------------------------------------------------------


def _calls(port_calls: pd.DataFrame, sightings: pd.DataFrame, route: Route) -> list[_Call]:
    """Calls at the dark port, in order of time."""
    local = _local(route)
    windows = {
        str(i): (local(start), local(end))
        for i, start, end in zip(sightings["sighting_id"], sightings["start_utc"], sightings["end_utc"], strict=True)
    }
    out = []
    for row in port_calls.to_dict("records"):
        ports = str(row["port"]).split("|")
        if route.dark_port_id not in ports:
            continue
        seen = [windows[i] for i in row["sighting_ids"] if i in windows] or [
            (local(row["departure_not_before_utc"]), local(row["arrival_not_after_utc"]))
        ]
        first, last = min(w[0] for w in seen), max(min(w[1] for w in seen), min(w[0] for w in seen))
        out.append(
            _Call(
                call_id=str(row["call_id"]),
                first=first,
                last=last,
                middle=first + (last - first) / 2,
                berths=tuple(row["berths"]),
                look_days=tuple(sorted({w[0] for w in seen})),
                is_open=len(ports) > 1,
                may_continue=isinstance(row["continues_call_id"], str),
                in_trade=bool(row["in_trade"]),
                n_statements=len(row["sighting_ids"]),
                name=_plain(row["vessel_name"]),
            )
        )
    return sorted(out, key=lambda c: (c.first, c.last, c.call_id))


def _count(calls: list[_Call], start: date, end: date) -> _Count:
    """Calls of the trade whose first sighting falls into the days from `start` to `end`."""
    mine = [c for c in calls if c.in_trade and c.first <= end and c.last >= start]
    sure = [c for c in mine if c.first >= start and c.last <= end and not c.is_open]
    best = [c for c in mine if start <= c.middle <= end and not c.is_open]
    low = sum(not c.may_continue for c in sure)
    return _Count(low, len(best), len(mine), tuple(best))


def _seen(calls: list[_Call], route: Route) -> list[dict[str, Any]]:
    """One row per month from the first to the last sighting, months without any included, and one for the whole
    time."""
    if not calls:
        return []
    start, end = min(c.first for c in calls), max(c.last for c in calls)
    rows = []
    month = start.replace(day=1)
    while month <= end:
        after = _next_month(month)
        rows.append(
            _seen_row(calls, month, after - timedelta(days=1), f"{month:%Y-%m}", f"{month:%Y-%m}", "seen", route)
        )
        month = after
    rows.append(_seen_row(calls, start, end, f"{start}", f"{end}", "seen, whole time", route))
    return rows


def _seen_row(
    calls: list[_Call], start: date, end: date, first: str, last: str, definition: str, route: Route
) -> dict[str, Any]:
    count = _count(calls, start, end)
    outside = _outside(calls, start, end)
    told = (
        [f"{_n(count.best, 'stay')} in pictures"] if count.best else ["no stay in any picture; nobody may have looked"]
    )
    shifts = sum(len(c.berths) - 1 for c in count.calls if len(c.berths) > 1)
    if shifts:
        told.append(f"{_n(shifts, 'berth shift')} not counted again")
    if any(c.is_open for c in calls if c.first <= end and c.last >= start):
        told.append("a sighting at an open port only in the high count")
    if count.low < count.best:
        told.append("low: without possible continuations and windows that reach into another period")
    if outside:
        told.append(f"left out as outside the trade: {', '.join(c.call_id for c in outside)}")
    if loads := _loads(count.best, route):
        told.append(loads)
    low, high = _containers(count.low, count.high, route)
    return _row(first, last, definition, OURS, (count.low, count.best, count.high), (low, high), "; ".join(told))


def _inferred(round_trips: pd.DataFrame, port_calls: pd.DataFrame, route: Route) -> list[dict[str, Any]]:
    """Trips that no picture carries, by the month in which the silence began: flagged ones, and the sum of all
    probabilities."""
    local = _local(route)
    months: dict[str, list[tuple[float, bool]]] = {}
    for row in round_trips[round_trips["tier"] == "inferred"].to_dict("records"):
        if row["p_trip"] is not None and row["p_trip"] == row["p_trip"] and not pd.isna(row["dark_start_utc"]):
            month = f"{local(row['dark_start_utc']):%Y-%m}"
            months.setdefault(month, []).append((float(row["p_trip"]), bool(row["is_flagged"])))
    rows = []
    for month, found in sorted(months.items()):
        expected, flagged = round(sum(p for p, _ in found), 3), sum(f for _, f in found)
        told = f"{len(found)} silences without a picture: {flagged} flagged; their probabilities add up to {expected:g}"
        low, high = _containers(flagged, flagged, route)
        rows.append(_row(month, month, "inferred from silences", OURS, (None, expected, None), (low, high), told))
    return rows


# --- estimated --------------------------------------------------------------------------------------------------------------


def _estimated(
    scenes: pd.DataFrame, sightings: pd.DataFrame, port_calls: pd.DataFrame, route: Route
) -> list[dict[str, Any]]:
    """Per month with pictures of the dark port: occupancy from the days that were looked at."""
    looked = _looked_days(scenes, route)
    if not looked:
        return []
    in_trade = {i for c in port_calls.to_dict("records") if c["in_trade"] for i in c["sighting_ids"]}
    with_ship: set[date] = set()
    for row in sightings[sightings["observation_type"] == "vessel"].to_dict("records"):
        if (
            str(row["sighting_id"]) in in_trade
            and row["port"] == route.dark_port_id
            and isinstance(row["scene_id"], str)
        ):
            with_ship.update(day for day, ids in looked.items() if row["scene_id"] in ids)
    rows = []
    for month in sorted({day.replace(day=1) for day in looked}):
        days = (_next_month(month) - month).days
        imaged = sum(day.replace(day=1) == month for day in looked)
        ship = sum(day.replace(day=1) == month for day in with_ship)
        label = f"{month:%Y-%m}"
        rows.append(_occupancy_row(label, label, "estimated", ship, imaged, days, "the scenes given", route, None))
    return rows


def _looked_days(scenes: pd.DataFrame, route: Route) -> dict[date, set[str]]:
    """Local days of which some picture covers the dark port well enough to show a ship, with those pictures."""
    if not len(scenes):
        return {}
    local, port = _local(route), route.dark_port
    covers = shapely.contains_xy(shapely.from_wkt(scenes["wkt"].to_numpy(dtype=object)), port.lon_deg, port.lat_deg)
    out: dict[date, set[str]] = {}
    for row in scenes[covers].to_dict("records"):
        sensor = route.sensor(row["sensor"] if isinstance(row["sensor"], str) else None)
        if sensor.p_detect_berth * row["clear_fraction"] >= LOOKED_P_SEEN:
            out.setdefault(local(row["start_utc"]), set()).add(str(row["scene_id"]))
    return out


def _estimated_from_claims(route: Route) -> list[dict[str, Any]]:
    """The same arithmetic on a published imaging effort: days with a ship and days imaged, of one source and period."""
    rows = []
    imaged = {(c.period_start, c.period_end, c.source): c for c in route.claims if c.metric == DAYS_IMAGED}
    for claim in route.claims:
        other = imaged.get((claim.period_start, claim.period_end, claim.source))
        if claim.metric != DAYS_WITH_SHIP or other is None or not claim.period_start:
            continue
        start, end = _sharpened(claim, route)
        days = (end - start).days
        what = f"days counted by {claim.source}; {days} days from {start} to {end}"
        definition = "estimated from a published imaging effort"
        rows.append(
            _occupancy_row(
                f"{start}", f"{end}", definition, int(claim.value), int(other.value), days, what, route, claim
            )
        )
    return rows


def _sharpened(claim: Claim, route: Route) -> tuple[date, date]:
    """First and last day of a claim's period: where it names a month only, the day that another claim gives in that
    month.

    A claim of the same source goes first; among several the earliest start and the latest end are taken.
    """
    bounds = []
    for at, whole, pick in (("period_start", _first_day, min), ("period_end", _last_day, max)):
        text = getattr(claim, at)
        given = [c for c in route.claims if len(getattr(c, at)) == 10 and getattr(c, at).startswith(text)]
        own = [c for c in given if c.source == claim.source]
        days = [date.fromisoformat(getattr(c, at)) for c in own or given]
        bounds.append(whole(text) if len(text) == 10 or not days else pick(days))
    return bounds[0], bounds[1]


def _occupancy_row(
    first: str,
    last: str,
    definition: str,
    ship: int,
    imaged: int,
    days: float,
    what: str,
    route: Route,
    claim: Claim | None,
) -> dict[str, Any]:
    short, long = STAY_DAYS
    priors = route.priors
    mean = priors.stay_median_h * math.exp(priors.stay_log_sd**2 / 2) / 24
    low, best, high = (
        occupancy_calls(days_with_ship=ship, days_imaged=imaged, days=days, days_a_stay=stay)
        for stay in (long, mean, short)
    )
    share = ship / imaged
    # Laplace's rule keeps the error away from zero where all or none of the days show a ship.
    smooth = (ship + 1) / (imaged + 2)
    error = math.sqrt(smooth * (1 - smooth) / imaged)
    told = (
        f"{ship} of {imaged} imaged days with a ship ({what}): {share:.2f} +- {error:.2f} x {days:g} days / "
        f"{long:g} to {short:g} days a stay; best at {mean:.1f} days; assumes that imaged days are like the others"
    )
    if loads := _loads(round(best), route):
        told += f"; {loads}"
    boxes = _containers(round(low), round(high), route)
    url = claim.source_url if claim else None
    return _row(first, last, definition, OURS, (round(low, 1), round(best, 1), round(high, 1)), boxes, told, url)


# --- claimed ----------------------------------------------------------------------------------------------------------------


def _claimed(claim: Claim) -> dict[str, Any]:
    """One publication's own figure, as published."""
    words = f"{claim.value:g} {claim.unit}" + (f" ({claim.note})" if claim.note else "")
    at_least = claim.metric.endswith("_min")
    calls: tuple[float | None, ...] = (None, None, None)
    boxes: tuple[float | None, float | None] = (None, None)
    if claim.unit in CALL_UNITS:
        calls = (claim.value, claim.value, None if at_least else claim.value)
    elif claim.unit == "containers" and claim.metric != PER_VESSEL:
        boxes = (claim.value, None if at_least else claim.value)
    told = f"as published: {words}" + ("; at least" if at_least else "")
    return _row(
        claim.period_start,
        claim.period_end,
        f"claimed: {claim.metric}",
        claim.source,
        calls,
        boxes,
        told,
        claim.source_url,
    )


def _beside_claims(calls: list[_Call], route: Route) -> list[dict[str, Any]]:
    """For every claimed count: what this data holds of the same period, and what would reconcile the two."""
    rows: list[dict[str, Any]] = []
    if not calls:
        return rows
    names = sorted({c.name for c in calls if c.name})
    first, last = min(c.first for c in calls), max(c.last for c in calls)
    for claim in route.claims:
        if claim.unit not in CALL_UNITS or not claim.period_start or not _counts_calls(claim, route):
            continue
        start, end = _sharpened(claim, route)
        if end < first or start > last:
            continue
        # A claim about one ship is set beside the calls in which that ship was named.
        about = next((n for n in names if n in _plain(claim.metric)), None)
        counted = [c for c in calls if about is None or c.name == about]
        count = _count(counted, start, end)
        told = [
            f"{_n(count.best, 'call')} seen{' under this name' if about else ''}, {claim.value:g} {claim.unit} claimed"
        ]
        told += _reconcile(claim, count, counted, start, end)
        told += _arithmetic(claim, count, route)
        row = _row(
            claim.period_start,
            claim.period_end,
            f"seen beside the claim of {claim.source}: {claim.metric}",
            OURS,
            (count.low, count.best, count.high),
            _containers(count.low, count.high, route),
            "; ".join(told),
            claim.source_url,
        )
        rows.append(row)
    return rows


def _reconcile(claim: Claim, count: _Count, calls: list[_Call], start: date, end: date) -> list[str]:
    """Other things that could have been counted, as this data has them, and which of them give the claimed number."""
    outside = _outside(calls, start, end)
    days, berths = (_ship_days(count.calls, start, end), _berths(count.calls))
    ways = {
        "stays": count.best,
        "berth positions, a shift to another berth counted as another ship": berths,
        "ship-days, a ship seen on two days counted twice": days,
        "published statements": sum(c.n_statements for c in count.calls),
    }
    if outside:
        ways["stays, ships outside the trade included"] = count.best + len(outside)
        ways["ship-days, ships outside the trade included"] = days + _ship_days(outside, start, end)
    if claim.unit == "movements" or "in_out" in claim.metric:
        ways["arrivals and departures"] = 2 * count.best
    told = [f"the same pictures hold {_n(berths, 'berth position')} on {_n(days, 'ship-day')}"]
    if shifted := [c for c in count.calls if len(c.berths) > 1]:
        told.append("berth shifts: " + ", ".join(f"{c.first} {' to '.join(c.berths)}" for c in shifted))
    fitting = [what for what, n in ways.items() if n == claim.value]
    if claim.value == count.best:
        told.append("the two agree")
    elif fitting:
        told.append(f"the claimed number comes out when one counts {'; or '.join(fitting)}")
    elif claim.value > count.best:
        told.append("the claim counts something else, or rests on pictures that are not in this data")
    else:
        told.append("the claim counts fewer ships or berths than the pictures here show, or an average")
    return told


def _counts_calls(claim: Claim, route: Route) -> bool:
    """False for averages, and for counts at another port."""
    others = [_plain(p.id) for p in route.ports if p.id != route.dark_port_id]
    return "_per_" not in claim.metric and not any(port in _plain(claim.metric) for port in others)


def _outside(calls: Sequence[_Call], start: date, end: date) -> list[_Call]:
    """Calls that are not of the trade, in a period."""
    return [c for c in calls if not c.in_trade and start <= c.middle <= end]


def _ship_days(calls: Sequence[_Call], start: date, end: date) -> int:
    return sum(sum(start <= day <= end for day in c.look_days) for c in calls)


def _berths(calls: Sequence[_Call]) -> int:
    return sum(max(1, len(c.berths)) for c in calls)


def _arithmetic(claim: Claim, count: _Count, route: Route) -> list[str]:
    """The publication's own multiplication, where it gives containers per vessel for the same period."""
    out = []
    for other in route.claims:
        same = (other.period_start, other.period_end, other.source) == (
            claim.period_start,
            claim.period_end,
            claim.source,
        )
        if same and other.metric == PER_VESSEL:
            theirs = f"their arithmetic: {claim.value:g} x {other.value:g} = {claim.value * other.value:g} containers"
            out.append(f"{theirs}; with the {_n(count.best, 'stay')} seen it would be {count.best * other.value:g}")
    return out


# --- small things -----------------------------------------------------------------------------------------------------------


def _row(
    first: str,
    last: str,
    definition: str,
    source: str,
    calls: tuple[float | None, ...],
    containers: tuple[float | None, float | None],
    assumptions: str,
    url: str | None = None,
) -> dict[str, Any]:
    return {
        "period_start": first,
        "period_end": last,
        "definition": definition,
        "source": source,
        "n_calls_low": calls[0],
        "n_calls": calls[1],
        "n_calls_high": calls[2],
        "containers_low": containers[0],
        "containers_high": containers[1],
        "assumptions": assumptions,
        "source_url": url or None,
    }


def _containers(low: int, high: int, route: Route) -> tuple[float | None, float | None]:
    """Fewest calls at the smallest load, most at the largest: the span of the scenarios, not a mixture."""
    loads = [load.containers for load in route.loads]
    return (low * min(loads), high * max(loads)) if loads else (None, None)


def _loads(n: int, route: Route) -> str:
    """Each load scenario by itself."""
    if not n or not route.loads:
        return ""
    return f"containers for {_n(n, 'call')}: " + ", ".join(
        f"{n * load.containers} at {load.id}" for load in route.loads
    )


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _plain(text: Any) -> str:
    """Letters and digits only, for comparing a ship's name with a metric's."""
    return "".join(c for c in text.casefold() if c.isalnum()) if isinstance(text, str) else ""


def _local(route: Route) -> Callable[[Any], date]:
    """Calendar day at the dark port."""
    shift = pd.Timedelta(hours=route.dark_port.utc_offset_h)
    return lambda time: (pd.Timestamp(time) + shift).date()


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _first_day(text: str) -> date:
    return date.fromisoformat(text if len(text) == 10 else f"{text}-01")


def _last_day(text: str) -> date:
    return date.fromisoformat(text) if len(text) == 10 else _next_month(_first_day(text)) - timedelta(days=1)
