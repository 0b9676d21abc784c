"""Slack worked by hand, verdicts, and laws."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import SIM_A, SIM_B, messages

from ghostships import routes
from ghostships.routes import Port
from ghostships.sea import Sea
from ghostships.steps import days, reach
from ghostships.tables import GAPS, REACH, check, to_pandas
from ghostships.units import KM_PER_NM

DAY0 = datetime(2023, 9, 12, tzinfo=UTC)
AS_OF = datetime(2023, 10, 1, tzinfo=UTC)


class LatitudeSea(Sea):
    """A sea in which a place at latitude x is x nautical miles from every port; NaN stays NaN. Hand-worked sums need no coast."""

    def __init__(self) -> None:
        super().__init__(None, None)  # type: ignore[arg-type]

    def distance_km(self, port: object, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(lat_deg, dtype=np.float64) * KM_PER_NM

    def between_km(
        self, lat1: npt.ArrayLike, lon1: npt.ArrayLike, lat2: npt.ArrayLike, lon2: npt.ArrayLike
    ) -> npt.NDArray[np.float64]:
        return np.abs(np.asarray(lat1, dtype=np.float64) - np.asarray(lat2, dtype=np.float64)) * KM_PER_NM


@dataclass(frozen=True)
class OnePort:
    """A route of one port with a minimum stay of 6 h, near the places of `LatitudeSea` so that great circles play no part."""

    ports: tuple[Port, ...] = field(
        default=(
            Port(
                id="SIM_PORT",
                name="Sim Port",
                role="dark",
                lat_deg=80,
                lon_deg=0,
                roadstead_lat_deg=80,
                roadstead_lon_deg=0,
                utc_offset_h=0,
                min_stay_h=6,
            ),
        )
    )


def gap(
    gap_id: str,
    hours: float | None,
    a_nm: float,
    b_nm: float | None,
    *,
    start: datetime = DAY0,
    vessel_key: str = "mmsi:999000001",
    lon: float = 0.0,
) -> dict[str, object]:
    """A silence whose ends are `a_nm` and `b_nm` from the port; open when `hours` is None."""
    return {
        "gap_id": gap_id,
        "vessel_key": vessel_key,
        "segment_id": "S-1",
        "start_utc": start,
        "end_utc": None if hours is None else start + timedelta(hours=hours),
        "duration_h": hours,
        "start_lat_deg": a_nm,
        "start_lon_deg": lon,
        "end_lat_deg": b_nm,
        "end_lon_deg": None if b_nm is None else lon,
        "is_open": hours is None,
        "state": "open" if hours is None else "closed",
        "expected_heard": 0.0,
        "n_other_ships_heard": 0,
        "start_source": "f:1",
        "end_source": None,
    }


def table(*rows: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame([{name: row.get(name) for name in GAPS.names} for row in rows], columns=GAPS.names)
    for name in ("start_utc", "end_utc"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return to_pandas(frame, GAPS)


@pytest.fixture(autouse=True)
def _no_great_circle(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """In the hand-worked sums latitude is a distance, so the real great circle says nothing."""
    if "real_sea" not in request.fixturenames:
        monkeypatch.setattr(reach, "gc_km", lambda *places: np.zeros(np.broadcast(*places).shape))


def measured(*rows: dict[str, object], kn: float = 12.0, as_of: datetime = AS_OF) -> pd.DataFrame:
    out = reach.measure(
        table(*rows),
        OnePort(),
        LatitudeSea(),
        as_of=as_of,
        fastest_kn={},
        default_fastest_kn=kn,  # type: ignore[arg-type]
    )
    passed, broken = check(pl.from_pandas(out), REACH)
    assert broken.is_empty() and passed.height == len(out)
    return out


def test_a_round_trip_of_two_99_nm_legs_in_48_hours_leaves_31_hours_28_minutes() -> None:
    """By hand: 99.2 nm at 12 kn is 8 h 16 min. 48 h - 2 x 8 h 16 min = 31 h 28 min. Needs 198.4 nm in 42 h: 4.724 kn."""
    row = measured(gap("G-1", 48, 99.2 / 2, 99.2 / 2), kn=6.0).iloc[
        0
    ]  # half the way at half the speed: 8 h 16 min again
    assert row["slack_h"] == pytest.approx(31 + 28 / 60, abs=1e-6)
    assert row["earliest_arrival_utc"] == pd.Timestamp(DAY0 + timedelta(hours=8, minutes=16))
    assert row["latest_departure_utc"] == pd.Timestamp(DAY0 + timedelta(hours=39, minutes=44))
    assert row["needs_kn"] == pytest.approx(99.2 / 42)
    assert (row["verdict"], row["distance_from_nm"], row["distance_to_nm"]) == ("feasible", 49.6, 49.6)


def test_a_stay_that_just_fits_is_feasible() -> None:
    """60 nm and 36 nm at 12 kn are 5 h and 3 h: 14 h leave exactly the minimum stay of 6 h; 12 kn are needed."""
    row = measured(gap("G-1", 14, 60, 36)).iloc[0]
    assert (row["slack_h"], row["verdict"]) == (6.0, "feasible")
    assert row["needs_kn"] == pytest.approx(12.0)


def test_a_stay_that_fits_only_with_the_shortest_distances_is_marginal() -> None:
    """60 nm may be 57.49 nm (60/1.015 - 1.62): each such leg saves 12.5 min. 20 min too short is marginal, 30 min is not."""
    rows = measured(gap("G-1", 16 - 20 / 60, 60, 60), gap("G-2", 16 - 30 / 60, 60, 60))
    assert rows["verdict"].tolist() == ["marginal", "impossible"]
    assert rows["slack_h"].tolist() == pytest.approx([6 - 1 / 3, 5.5])


def test_the_shortest_distance_is_never_under_the_great_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    """In open water there is nothing to be optimistic about: the marginal case above becomes impossible."""
    monkeypatch.setattr(reach, "gc_km", lambda *places: np.full(np.broadcast(*places).shape, 60 * KM_PER_NM))
    assert measured(gap("G-1", 16 - 20 / 60, 60, 60))["verdict"].tolist() == ["impossible"]


def test_a_silence_no_longer_than_the_stay_has_no_needed_speed() -> None:
    """No speed is enough for 6 h alongside in 6 h of silence: null, not infinity and not a negative speed."""
    rows = measured(gap("G-1", 6, 30, 30), gap("G-2", 3, 1, 1))
    assert rows["needs_kn"].isna().all()
    assert rows["verdict"].tolist() == ["impossible", "impossible"]
    assert measured(gap("G-1", 6, 0, 0))["verdict"].tolist() == ["feasible"]  # silent at the berth itself


def test_an_open_gap_is_feasible_once_there_was_time_to_arrive_and_stay() -> None:
    """60 nm at 12 kn and 6 h alongside are 11 h: feasible 11 h after vanishing, impossible at 10; it has no way back yet."""
    rows = [measured(gap("G-1", None, 60, None), as_of=DAY0 + timedelta(hours=h)).iloc[0] for h in (11, 10.9, 10)]
    assert [row["verdict"] for row in rows] == ["feasible", "marginal", "impossible"]
    assert rows[0]["earliest_arrival_utc"] == pd.Timestamp(DAY0 + timedelta(hours=5))
    for name in ("latest_departure_utc", "slack_h", "needs_kn", "distance_to_nm"):
        assert pd.isna(rows[0][name])


def test_without_a_distance_the_answer_is_unknown_never_impossible() -> None:
    """A ship outside the grid may have done anything: one missing leg is enough."""
    rows = measured(gap("G-1", 48, 50, 40), gap("G-2", 48, 50, 40), kn=12)
    assert rows["verdict"].tolist() == ["feasible", "feasible"]
    suez = Sea(None, None)  # type: ignore[arg-type]
    out = reach.measure(
        table(gap("G-1", 48, 30, 30), gap("G-2", None, 30, None), gap("G-3", 1, 30, 30)),
        OnePort(),  # type: ignore[arg-type]
        suez,
        as_of=AS_OF,
        fastest_kn={},
        default_fastest_kn=12,
    )
    assert out["verdict"].tolist() == ["unknown"] * 3
    assert out[["slack_h", "needs_kn", "earliest_arrival_utc", "latest_departure_utc"]].isna().all(axis=None)


def test_each_ship_sails_at_its_own_speed_and_the_others_at_the_default() -> None:
    """A null or missing speed takes the caller's default; a known one is used, from a Series or a mapping."""
    gaps = table(*(gap(f"G-{i}", 48, 60, 60, vessel_key=f"mmsi:99900000{i}") for i in range(3)))
    known = {"mmsi:999000000": 20.0, "mmsi:999000001": float("nan")}
    for fastest in (known, pd.Series(known)):
        out = reach.measure(
            gaps,
            OnePort(),
            LatitudeSea(),
            as_of=AS_OF,
            fastest_kn=fastest,
            default_fastest_kn=15,  # type: ignore[arg-type]
        )
        assert out["fastest_kn"].tolist() == [20.0, 15.0, 15.0]
        assert out["slack_h"].tolist() == [42.0, 40.0, 40.0]


def test_no_gaps_give_an_empty_table_of_the_right_shape() -> None:
    """A quiet month is not an error."""
    out = reach.measure(
        table(),
        OnePort(),
        LatitudeSea(),
        as_of=AS_OF,
        fastest_kn={},
        default_fastest_kn=12,  # type: ignore[arg-type]
    )
    assert out.empty and list(out.columns) == REACH.names
    assert reach.distances(table(), LatitudeSea()).empty


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    shift_us=st.integers(-(10**14), 10**14),
    hours=st.lists(st.one_of(st.none(), st.floats(0.1, 400)), min_size=1, max_size=5),
    a_nm=st.floats(0, 89),
    b_nm=st.floats(0, 89),
)
def test_shifting_all_clocks_changes_nothing(
    shift_us: int, hours: list[float | None], a_nm: float, b_nm: float
) -> None:
    """Slack, speeds and verdicts know durations only; times move with the clocks."""
    shift = timedelta(microseconds=shift_us)
    old, new = (
        measured(
            *(gap(f"G-{i}", h, a_nm, None if h is None else b_nm, start=DAY0 + s) for i, h in enumerate(hours)),
            as_of=AS_OF + s,
        )
        for s in (timedelta(0), shift)
    )
    times = ["earliest_arrival_utc", "latest_departure_utc"]
    pd.testing.assert_frame_equal(old.drop(columns=times), new.drop(columns=times))
    for name in times:
        pd.testing.assert_series_equal(old[name] + pd.Timedelta(microseconds=shift_us), new[name])


@settings(max_examples=25, deadline=None)
@given(
    hours=st.floats(0.1, 200), a_nm=st.floats(0, 89), b_nm=st.floats(0, 89), kn=st.floats(3, 40), extra=st.floats(0, 20)
)
def test_a_longer_silence_or_a_faster_ship_never_reaches_less(
    hours: float, a_nm: float, b_nm: float, kn: float, extra: float
) -> None:
    """Verdicts are ordered: more time and more speed can only help."""
    order = ["impossible", "marginal", "feasible"]
    now, longer = measured(gap("G-1", hours, a_nm, b_nm), gap("G-2", hours + extra, a_nm, b_nm), kn=kn)["verdict"]
    faster = measured(gap("G-1", hours, a_nm, b_nm), kn=kn + extra)["verdict"].iloc[0]
    assert order.index(longer) >= order.index(now) <= order.index(faster)


def test_row_order_and_index_of_the_gaps_do_not_matter() -> None:
    """Gaps come from anywhere, with any index; the answer is sorted by its key."""
    gaps = table(*(gap(f"G-{i}", 10.0 + 5 * i if i % 3 else None, 40, 30 if i % 3 else None) for i in range(9)))
    shuffled = gaps.sample(frac=1, random_state=4)
    outs = [
        reach.measure(g, OnePort(), LatitudeSea(), as_of=AS_OF, fastest_kn={}, default_fastest_kn=12)  # type: ignore[arg-type]
        for g in (gaps, shuffled)
    ]
    pd.testing.assert_frame_equal(*outs)


def test_distances_of_a_gap_fall_back_on_the_great_circle_for_the_speed_only(real_sea: Sea) -> None:
    """Najin-Wonsan by sea is 427.1 km (visibility graph), 230.6 nm; off the grid `distance_nm` is null, the speed is not."""
    wonsan = gap("G-1", 24, 42.2001, 39.191) | {"start_lon_deg": 130.355, "end_lon_deg": 127.445}
    suez = gap("G-2", 10, 29.0, 30.0) | {"start_lon_deg": 32.5, "end_lon_deg": 32.5}
    still = gap("G-3", None, 42.2001, None, lon=130.355)
    out = reach.distances(table(wonsan, suez, still), real_sea)
    assert list(out.columns) == GAPS.names
    assert out["distance_nm"].iloc[0] == pytest.approx(427.1 / 1.852, rel=0.015)
    assert out["distance_gc_nm"].iloc[0] < out["distance_nm"].iloc[0]
    assert out["implied_speed_kn"].iloc[0] == pytest.approx(out["distance_nm"].iloc[0] / 24)
    assert pd.isna(out["distance_nm"].iloc[1])
    assert out["implied_speed_kn"].iloc[1] == pytest.approx(
        60.04 / 10, rel=0.001
    )  # one degree on the mean-radius sphere
    assert out[["distance_nm", "distance_gc_nm", "implied_speed_kn"]].iloc[2].isna().all()


@pytest.fixture(scope="session")
def real_sea(tmp_path_factory: pytest.TempPathFactory) -> Sea:
    area = routes.Area(lat_min_deg=38.5, lat_max_deg=43.5, lon_min_deg=127, lon_max_deg=133.5)
    return Sea.of(area, tmp_path_factory.mktemp("reach"))


def test_najin_fits_a_two_day_silence_off_dunay_and_busan_does_not(real_sea: Sea) -> None:
    """The published case: Dunay roads to Najin is 180.7 km (97.6 nm). At 12 kn 48 h leave 31.7 h; Busan is off this grid."""
    route = routes.load("najin-primorye")
    silent = gap("G-1", 48, 42.8413, 42.8413, lon=132.375)
    out = reach.measure(table(silent), route, real_sea, as_of=AS_OF, fastest_kn={}, default_fastest_kn=12)
    assert len(out) == len(route.ports)
    najin = out.set_index("port").loc[route.dark_port_id]
    assert najin["verdict"] == "feasible"
    assert najin["slack_h"] == pytest.approx(48 - 2 * 97.57 / 12, abs=0.4)
    busan = route.find_port("Busan")
    assert busan is not None
    assert out.set_index("port").loc[busan.id, "verdict"] == "unknown"


def hours_of(mmsi: int, *speeds: list[float | None]) -> pl.DataFrame:
    """A ship heard hour by hour, each with these reports of speed."""
    sent = [((hour + n / 60, 42.0, 132.0), kn) for hour, own in enumerate(speeds) for n, kn in enumerate(own)]
    rows = messages(*(one for one, _ in sent), mmsi=mmsi)
    return days.summarise(rows.with_columns(sog_kn=pl.Series([kn for _, kn in sent], dtype=pl.Float64)))


def test_top_speed_is_the_98th_percentile_of_the_fastest_of_each_hour_under_way() -> None:
    """101 hours with a fastest report of 5.0 to 15.0 kn: the 98th percentile is 14.8. Slower reports of the same hours, hours
    moored, gusts of noise and nulls change nothing. By hour and not by message, because a day in memory is its hours, and a ship
    that reports every ten seconds at full speed and every three minutes at anchor is not faster for it."""
    steps = [5 + i / 10 for i in range(101)]
    noise: list[float | None] = [0.0, 0.1, 2.9, None, 60.1, 85.0, 102.2]
    plain = reach.speeds(hours_of(SIM_A, *([kn] for kn in steps)))
    slower = reach.speeds(hours_of(SIM_A, *([3.0, kn, 4.0] for kn in steps)))
    noisy = reach.speeds(hours_of(SIM_A, *([kn, *noise] for kn in steps), *([kn] for kn in noise * 20)))
    key = f"mmsi:{SIM_A}"
    assert plain[key] == slower[key] == noisy[key] == pytest.approx(14.8)


def test_ten_hours_under_way_are_enough_and_nine_are_not() -> None:
    """Too few hours are no knowledge, however many reports they hold: null, and the caller's default takes over. Ships never
    under way are listed too."""
    ten, nine, never = (
        hours_of(SIM_A, *[[10.0]] * 10),
        hours_of(SIM_B, *[[10.0] * 50] * 9),
        hours_of(SIM_B + 1, *[[0.0]] * 90),
    )
    frame = pl.concat([never, nine, ten])
    out = reach.speeds(frame)
    assert out.index.tolist() == [f"mmsi:{m}" for m in (SIM_A, SIM_B, SIM_B + 1)]
    assert out.iloc[0] == 10.0
    assert out.iloc[1:].isna().all()
    pd.testing.assert_series_equal(out, reach.speeds(frame.reverse()))
    assert reach.speeds(frame.clear()).empty
