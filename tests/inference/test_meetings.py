"""Meetings at sea: found where two ships can have met, and worth nothing where chance gives as many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ghostships import routes, tables
from ghostships.inference import meetings
from ghostships.inference.meetings import MEETING_H

ROUTE = routes.load()
START = datetime(2019, 5, 1, tzinfo=UTC)
DAYS = 40
SILENT, PARTNER, FISHER = "mmsi:799000001", "mmsi:799000002", "mmsi:799000003"
FROM, TO, MEETING = (41.0, 132.0), (41.0, 133.0), (40.6, 132.5)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def gap(key: str = SILENT, start_h: float = 480, end_h: float | None = 504, **said: object) -> dict[str, object]:
    return {
        "gap_id": f"G-{key}-{start_h:.0f}",
        "vessel_key": key,
        "state": "closed" if end_h is not None else "open",
        "start_utc": at(start_h),
        "end_utc": None if end_h is None else at(end_h),
        "start_lat_deg": FROM[0],
        "start_lon_deg": FROM[1],
        "end_lat_deg": None if end_h is None else TO[0],
        "end_lon_deg": None if end_h is None else TO[1],
        "is_open": end_h is None,
        **said,
    }


def gaps(*rows: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in ("start_utc", "end_utc"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    ends = ["end_lat_deg", "end_lon_deg"]
    frame[ends] = frame[ends].astype("float64")
    return frame


def heard(*lying: tuple[str, float, float], place: tuple[float, float] = MEETING) -> pl.DataFrame:
    """Hours of ships that lie still at a place from one hour to another; a third ship far away spans all the data."""
    rows = [(key, h, *place) for key, first, last in lying for h in np.arange(first, last + 1)]
    rows += [("mmsi:799000009", h, 38.0 + h / 500, 134.0) for h in range(0, DAYS * 24, 6)]
    full = [
        {
            "vessel_key": key,
            "segment_id": f"S-{key}",
            "first_heard_utc": at(float(h)),
            "last_heard_utc": at(float(h)),
            "last_utc": at(float(h)),
            "last_lat_deg": lat,
            "last_lon_deg": lon,
        }
        for key, h, lat, lon in rows
    ]
    schema = {n: t for n, t in tables.VESSEL_HOURS.polars_schema.items() if n in full[0]} | {"segment_id": pl.String}
    return pl.DataFrame(full, schema=schema)


FLEET = pd.DataFrame(
    {
        "vessel_key": [SILENT, PARTNER, FISHER, "mmsi:799000009"],
        "ship_type": pd.array([70, 79, 30, 70], dtype="Int64"),
    }
)


def found(silences: pd.DataFrame, hours: pl.DataFrame) -> meetings.Meeting:
    fastest = dict.fromkeys(FLEET["vessel_key"], 12.0)
    (one,) = meetings.find(
        [silences["gap_id"].iloc[0]], silences, hours, FLEET, route=ROUTE, fastest_kn=fastest, as_of=at(DAYS * 24)
    ).values()
    return one


NOBODY = found(gaps(gap()), heard())


def test_a_ship_that_lay_still_for_hours_within_reach_makes_a_meeting_likelier() -> None:
    """A cargo ship waits ten hours off the straight course, half-way in time; on no other day does any."""
    one = found(gaps(gap()), heard((PARTNER, 487, 497)))
    assert one.ratio > 5 * NOBODY.ratio
    assert PARTNER in one.because
    assert "10 h from 2019-05-21 07:00" in one.because
    assert "1 ships lay still" in one.because
    assert "chance gives 0.1" in one.because


@pytest.mark.parametrize(
    ("first_h", "last_h", "place"),
    [
        (460, 479, MEETING),  # over before the silence began
        (487, 487 + MEETING_H - 1, MEETING),  # too short to work cargo
        (487, 497, (38.0, 132.5)),  # 180 nm away: twelve hours at 12 knots there, none left for the way back
        (487, 497, (42.24, 130.31)),  # in a port of the route: that is a call, not a meeting
        (400, 500, MEETING),  # four days at anchor
    ],
)
def test_a_ship_out_of_reach_in_time_or_place_is_no_partner(
    first_h: float, last_h: float, place: tuple[float, float]
) -> None:
    """Outside the lens of the silence, too short, or lying where ships lie anyway."""
    one = found(gaps(gap()), heard((PARTNER, first_h, last_h), place=place))
    assert one.ratio == pytest.approx(NOBODY.ratio)
    assert "0 ships lay still" in one.because


def test_fishing_boats_lie_still_for_a_living() -> None:
    """They carry no containers; type 30 is never a partner."""
    assert found(gaps(gap()), heard((FISHER, 487, 497))).ratio == pytest.approx(NOBODY.ratio)


def test_a_ship_that_lies_there_every_few_days_is_chance() -> None:
    """The same partner at all the other times too: the traffic has it anyway."""
    often = [(PARTNER, 7.0 + 24 * day, 17.0 + 24 * day) for day in range(DAYS)]
    once, always = found(gaps(gap()), heard((PARTNER, 487, 497))), found(gaps(gap()), heard(*often))
    assert always.ratio < once.ratio / 3
    assert "chance gives 1.1" in always.because


def test_two_ships_silent_at_the_same_time_in_the_same_waters_may_have_met() -> None:
    """Both vanish off every port and come back: counted, and compared with other days."""
    one = found(gaps(gap(), gap(PARTNER, 482, 502)), heard())
    assert one.ratio > 3 * NOBODY.ratio
    assert "1 were silent" in one.because
    apart = found(gaps(gap(), gap(PARTNER, 100, 120)), heard())
    assert apart.ratio < one.ratio / 3


def test_a_ship_never_meets_itself_and_the_ratio_is_bounded() -> None:
    """Its own hours and silences are no partner; nothing makes a meeting more than twenty times likelier."""
    own = found(gaps(gap(), gap(SILENT, 700, 720)), heard((SILENT, 300, 310)))
    assert own.ratio == pytest.approx(NOBODY.ratio, rel=0.5)
    many = heard((PARTNER, 487, 497), (SILENT, 1, 2))
    assert found(gaps(gap(), gap(PARTNER, 600, 640)), many).ratio <= meetings.MOST_RATIO


def test_a_silence_that_goes_on_needs_no_way_back() -> None:
    """Open: it may still be there."""
    one = found(gaps(gap(end_h=None)), heard((PARTNER, 930, 945)))
    assert "1 ships lay still" in one.because


def test_without_traffic_nothing_is_found() -> None:
    """Pictures alone: no hours, no meetings."""
    empty = heard().clear()
    assert meetings.find(["G"], gaps(gap()), empty, FLEET, route=ROUTE, fastest_kn={}, as_of=at(900)) == {}


def test_a_large_fleet_is_looked_at_in_parts_and_the_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair at a time or all at once: how much memory is used is nobody's evidence."""
    silences = gaps(gap(), gap(PARTNER, 482, 502), gap("mmsi:799000009", 300, 340))
    hours = heard((PARTNER, 100, 110), (PARTNER, 310, 320))
    fastest = dict.fromkeys(FLEET["vessel_key"], 12.0)
    asked = silences["gap_id"].tolist()
    whole = meetings.find(asked, silences, hours, FLEET, route=ROUTE, fastest_kn=fastest, as_of=at(DAYS * 24))
    monkeypatch.setattr(meetings, "MOST_PAIRS", 1)
    parts = meetings.find(asked, silences, hours, FLEET, route=ROUTE, fastest_kn=fastest, as_of=at(DAYS * 24))
    assert len(whole) == 3
    assert parts == whole
