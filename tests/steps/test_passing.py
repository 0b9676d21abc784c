"""Ships seen away from ports: whose silence could have led past there."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from messages import SIM_A, SIM_B, at

from ghostships import routes, sphere, tables
from ghostships.inference import factors
from ghostships.steps import passing

ROUTE = routes.load()
FAST_KN = 14.0
FROM, TO = (41.0, 132.0), (41.0, 134.0)
HOURS = 24.0
HALF_WAY = (41.0, 133.0)
Place = tuple[float, float]


def gap(
    start: Place = FROM, end: Place | None = TO, *, hours: float = HOURS, mmsi: int = SIM_A, state: str = "closed"
) -> dict[str, object]:
    """A silence that begins at 0 h."""
    return {
        "gap_id": f"G-{mmsi}",
        "vessel_key": f"mmsi:{mmsi}",
        "mmsi": mmsi,
        "segment_id": "H",
        "start_utc": at(0),
        "end_utc": at(hours) if end else None,
        "start_lat_deg": start[0],
        "start_lon_deg": start[1],
        "end_lat_deg": end[0] if end else None,
        "end_lon_deg": end[1] if end else None,
        "is_open": end is None,
        "state": state,
        "n_other_ships_heard": 0,
        "start_source": "f" * 12 + ":1",
    }


def seen(place: Place | None, hours: float, **said: object) -> dict[str, object]:
    return {
        "sighting_id": "S",
        "observation_type": "vessel",
        "start_utc": at(hours),
        "end_utc": at(hours),
        "lat_deg": place[0] if place else None,
        "lon_deg": place[1] if place else None,
        "sensor": "optical",
        "source": "simulated",
        "source_row": "f" * 12 + ":1",
        **said,
    }


def table(rows: list[dict[str, object]], declared: tables.Table) -> pd.DataFrame:
    full = [{name: row.get(name) for name in declared.names} for row in rows]
    return tables.to_pandas(pl.DataFrame(full, schema=declared.polars_schema), declared)


def weigh(
    sighting: dict[str, object],
    *silences: dict[str, object],
    names: dict[int, str] | None = None,
    lengths: dict[int, float] | None = None,
    now: datetime | None = None,
) -> dict[str, float]:
    """Probability of each silence; those without a row are absent."""
    ships = [
        {
            "vessel_key": f"mmsi:{mmsi}",
            "mmsi": mmsi,
            "vessel_name": (names or {}).get(mmsi),
            "length_m": (lengths or {}).get(mmsi),
            "n_gaps": 1,
            "n_trips": 0,
        }
        for mmsi in (SIM_A, SIM_B)
    ]
    found = passing.weigh(
        table([sighting], tables.SIGHTINGS),
        table(list(silences), tables.GAPS),
        table(ships, tables.VESSELS),
        route=ROUTE,
        fastest_kn={f"mmsi:{m}": FAST_KN for m in (SIM_A, SIM_B)},
        as_of_us=int(pd.Timestamp(now or at(1000)).value // 1000),
    )
    assert set(found) <= {"S"}
    return {gap_id: 1 / (1 + 2.0 ** -math.fsum(f.bits for f in steps)) for gap_id, steps in found.get("S", [])}


def one(*args: object, **said: object) -> float:
    """Probability of the only silence; 0 without a row."""
    return sum(weigh(*args, **said).values())  # type: ignore[arg-type]


def test_on_course_is_likelier_than_off_it() -> None:
    """Half-way at half-time is where a ship that goes straight would be; the farther from there, the less likely."""
    off = [one(seen((41.0 + degrees, 133.0), 12), gap()) for degrees in (0.0, 0.4, 0.8, 1.2)]
    assert off == sorted(off, reverse=True)
    assert off[0] > off[-1] > 0


def test_a_tight_timetable_says_more_than_a_long_silence() -> None:
    """A ship that had just the time to sail there was on its course; one silent for a week may have been anywhere."""
    tight, long = one(seen(HALF_WAY, 4), gap(hours=8)), one(seen(HALF_WAY, 84), gap(hours=168))
    assert tight > 0.5 > 5 * long > 0


@pytest.mark.parametrize(
    ("place", "hours"),
    [
        ((41.0, 133.0), 2),  # 45 nm in two hours
        ((41.0, 133.0), 22),  # and 45 nm left for two
        ((44.0, 133.0), 12),  # 180 nm north
        ((41.0, 132.0), -1),  # before it vanished
        ((41.0, 134.0), 25),  # after it was back
    ],
)
def test_out_of_reach_has_no_row(place: Place, hours: float) -> None:
    """Where it cannot have been at that time it was not; no small number stands in for that."""
    assert weigh(seen(place, hours), gap()) == {}


def test_a_feed_outage_explains_nothing() -> None:
    """A void silence is the feed's, not the ship's."""
    assert weigh(seen(HALF_WAY, 12), gap(state="void")) == {}


def test_a_sighting_without_a_place_has_no_row() -> None:
    """A port by name only is no place at sea."""
    assert weigh(seen(None, 12, port="NAJIN"), gap()) == {}


def test_an_empty_sea_is_no_ship() -> None:
    """Only ships seen are matched."""
    assert weigh(seen(HALF_WAY, 12, observation_type="absent"), gap()) == {}


def test_an_open_silence_reaches_as_far_as_its_time_allows_and_not_beyond_now() -> None:
    """It need not come back, but it cannot be faster, nor be seen after "now"."""
    still = gap(end=None)
    assert one(seen((42.5, 132.0), 12), still) > 0
    assert weigh(seen((42.5, 132.0), 4), still) == {}
    assert weigh(seen((42.5, 132.0), 12), still, now=at(11)) == {}


def test_a_name_read_moves_the_ship_it_names_up_and_others_down() -> None:
    """Two silences that fit equally well: the name decides."""
    names = {SIM_A: "SIM HARE", SIM_B: "SIM TORTOISE"}
    both = gap(), gap(mmsi=SIM_B)
    without = weigh(seen(HALF_WAY, 12), *both, names=names)
    named = weigh(seen(HALF_WAY, 12, vessel_name="Sim Hare"), *both, names=names)
    assert without[f"G-{SIM_A}"] == pytest.approx(without[f"G-{SIM_B}"])
    assert named[f"G-{SIM_A}"] > without[f"G-{SIM_A}"]
    assert named[f"G-{SIM_B}"] < without[f"G-{SIM_B}"]


def test_the_length_seen_tells_two_ships_apart_but_clears_neither() -> None:
    """A ship of another length stays possible: lengths are wrong now and then."""
    found = weigh(seen(HALF_WAY, 12, length_m=110.0), gap(), gap(mmsi=SIM_B), lengths={SIM_A: 112.0, SIM_B: 180.0})
    assert found[f"G-{SIM_A}"] > 5 * found[f"G-{SIM_B}"] > 0


def test_another_silence_that_fits_makes_each_less_likely() -> None:
    """One detection is one ship."""
    alone = one(seen(HALF_WAY, 12), gap())
    shared = weigh(seen(HALF_WAY, 12), gap(), gap(mmsi=SIM_B))
    assert shared[f"G-{SIM_A}"] < alone
    assert sum(shared.values()) < 1


near = st.tuples(st.floats(39.5, 42.5), st.floats(130.5, 135.5))
instants = st.floats(-5, 30)


@settings(max_examples=25, deadline=None)
@given(near, instants)
def test_there_is_a_row_exactly_where_it_can_have_been(place: Place, hours: float) -> None:
    """Both ways must fit at top speed: inside by more than the picture's error there is a row, outside by more there is none."""
    there, back = float(sphere.gc_km(*FROM, *place)), float(sphere.gc_km(*place, *TO))
    spare = min(FAST_KN * 1.852 * hours - there, FAST_KN * 1.852 * (HOURS - hours) - back)
    found = weigh(seen(place, hours), gap())
    if spare > 0.001 and 0 <= hours <= HOURS:
        assert found
    if spare < -0.2 or hours < 0 or hours > HOURS:
        assert not found


@settings(max_examples=25, deadline=None)
@given(near, instants, near, near)
def test_probabilities_leave_room_for_nobody(place: Place, hours: float, start: Place, end: Place) -> None:
    """All silences together stay under 1: a hull that nobody knows is always possible."""
    found = weigh(seen(place, hours), gap(), gap(start, end, mmsi=SIM_B))
    assert all(0 < p < 1 for p in found.values())
    assert sum(found.values()) < 1


@settings(max_examples=25, deadline=None)
@given(near, st.floats(0, HOURS))
def test_sailing_the_same_way_back_is_as_likely(place: Place, hours: float) -> None:
    """Turning time and course round changes nothing."""
    there = one(seen(place, hours), gap())
    back = one(seen(place, HOURS - hours), gap(TO, FROM))
    assert there == pytest.approx(back, rel=1e-6, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(near, st.floats(1, HOURS - 1))
def test_nowhere_is_likelier_than_on_the_straight_course(place: Place, hours: float) -> None:
    """At any time the best place is the one the straight course has then; only where it vanished or came back it may have lain."""
    share = hours / HOURS
    assume(min(float(sphere.gc_km(*end, *place)) for end in (FROM, TO)) > 4)
    straight = (FROM[0] + share * (TO[0] - FROM[0]), FROM[1] + share * (TO[1] - FROM[1]))
    assert one(seen(straight, hours), gap()) >= one(seen(place, hours), gap()) - 1e-12


@settings(max_examples=25, deadline=None)
@given(near, instants, st.integers(-8, 8))
def test_the_calendar_does_not_matter(place: Place, hours: float, weeks: int) -> None:
    """Every clock moved by whole weeks: the same answer."""
    shift = timedelta(weeks=weeks)

    def moved(row: dict[str, object]) -> dict[str, object]:
        return row | {k: row[k] + shift for k in ("start_utc", "end_utc") if row[k] is not None}  # type: ignore[operator]

    assert weigh(moved(seen(place, hours)), moved(gap())) == weigh(seen(place, hours), gap())


@settings(max_examples=25, deadline=None)
@given(near, st.floats(0, HOURS))
def test_the_last_factor_is_what_competition_leaves(place: Place, hours: float) -> None:
    """Without another silence, competition only sets the odds against nobody: it adds nothing to the factors."""
    found = passing.weigh(
        table([seen(place, hours)], tables.SIGHTINGS),
        table([gap()], tables.GAPS),
        table([{"vessel_key": f"mmsi:{SIM_A}", "mmsi": SIM_A, "n_gaps": 1, "n_trips": 0}], tables.VESSELS),
        route=ROUTE,
        fastest_kn={f"mmsi:{SIM_A}": FAST_KN},
        as_of_us=int(pd.Timestamp(at(1000)).value // 1000),
    )
    for _, steps in found.get("S", []):
        assert [f.name for f in steps] == ["time_and_place", "length", "name_read", "competition"]
        shown, bits = factors.waterfall(steps)
        assert np.isfinite([f.bits for f in shown]).all()
        if abs(bits) < factors.CLIP_BITS - 1:
            assert steps[-1].bits == pytest.approx(0.0, abs=1e-6)
