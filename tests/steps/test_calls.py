"""One stay or two? Small stories with the verdict that an analyst would give, and the laws that hold for all."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ghostships import routes, tables
from ghostships.steps import calls

ROUTE = routes.load()
HULLS = {"SIM ONE": 9161003, "SIM TWO": 9179842}


def sighting(sighting_id: str, day: str, **more: Any) -> dict[str, Any]:
    """A sighting at Najin: a whole local day, or an instant when `day` has a time."""
    if "T" in day:
        start = end = pd.Timestamp(day, tz="UTC")
    else:
        start = pd.Timestamp(day, tz="UTC") - pd.Timedelta(hours=9)
        end = start + pd.Timedelta(hours=24) - pd.Timedelta(seconds=1)
    row: dict[str, Any] = dict.fromkeys(tables.SIGHTINGS.names)
    row.update(sighting_id=sighting_id, observation_type="vessel", start_utc=start, end_utc=end, port="NAJIN")
    row.update({"sensor": "Planet optical", "source": "A", "source_row": f"0:{sighting_id}", **more})
    row["imo"] = row["imo"] or HULLS.get(str(row["vessel_name"]))
    return row


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return tables.to_pandas(pd.DataFrame(list(rows), columns=tables.SIGHTINGS.names), tables.SIGHTINGS)


def scene(scene_id: str, at: str, *, clear: float = 1.0, sensor: str = "Planet optical") -> dict[str, Any]:
    moment = pd.Timestamp(at, tz="UTC")
    wkt = "POLYGON ((130.2 42.1, 130.4 42.1, 130.4 42.3, 130.2 42.3, 130.2 42.1))"
    row = {"scene_id": scene_id, "start_utc": moment, "end_utc": moment, "wkt": wkt, "sensor": sensor}
    return {**row, "clear_fraction": clear, "source_row": f"1:{scene_id}"}


def find(*rows: dict[str, Any], scenes: tuple[dict[str, Any], ...] = (), **more: Any) -> pd.DataFrame:
    looked = pd.DataFrame(list(scenes), columns=tables.SCENES.names)
    pictures = tables.to_pandas(looked, tables.SCENES) if scenes else tables.empty_pandas(tables.SCENES)
    return calls.find(calls.group(table(*rows), ROUTE), pictures, route=ROUTE, **more)


def parts(found: pd.DataFrame) -> set[frozenset[str]]:
    return {frozenset(ids) for ids in found["sighting_ids"]}


def together(*rows: dict[str, Any], **more: Any) -> bool:
    return len(find(*rows, **more)) == 1


STORIES: list[tuple[str, list[dict[str, Any]], list[set[str]]]] = [
    (
        "two days alongside",
        [sighting("a", "2025-02-20", length_m=110), sighting("b", "2025-02-21", length_m=110)],
        [{"a", "b"}],
    ),
    (
        "unload, then load",
        [sighting("a", "2025-02-20", berth="NAJIN_PIER1"), sighting("b", "2025-02-21", berth="NAJIN_PIER2")],
        [{"a", "b"}],
    ),
    (
        "laden two days later at the unloading pier",
        [sighting("a", "2025-02-20", berth="NAJIN_PIER2"), sighting("b", "2025-02-23", berth="NAJIN_PIER1")],
        [{"a"}, {"b"}],
    ),
    ("two weeks apart", [sighting("a", "2025-02-01"), sighting("b", "2025-02-15")], [{"a"}, {"b"}]),
    (
        "other length",
        [sighting("a", "2025-02-20", length_m=110), sighting("b", "2025-02-21", length_m=150)],
        [{"a"}, {"b"}],
    ),
    (
        "length as uncertain as radar is",
        [sighting("a", "2025-02-20", length_m=110, sensor="SAR"), sighting("b", "2025-02-21", length_m=150)],
        [{"a", "b"}],
    ),
    (
        "other name",
        [sighting("a", "2025-02-20", vessel_name="SIM ONE"), sighting("b", "2025-02-21", vessel_name="SIM TWO")],
        [{"a"}, {"b"}],
    ),
    (
        "named once",
        [sighting("a", "2025-02-20", vessel_name="SIM ONE"), sighting("b", "2025-02-21")],
        [{"a", "b"}],
    ),
    (
        "named, and elsewhere in between",
        [
            sighting("a", "2025-02-20", vessel_name="SIM ONE"),
            sighting("x", "2025-02-22", vessel_name="SIM ONE", port="VOSTOCHNY"),
            sighting("b", "2025-02-24", vessel_name="SIM ONE"),
        ],
        [{"a"}, {"x"}, {"b"}],
    ),
    (
        "two ships in one picture",
        [sighting("a", "2025-02-20T02:00:00", scene_id="S"), sighting("b", "2025-02-20T02:00:00", scene_id="S")],
        [{"a"}, {"b"}],
    ),
    (
        "two ships of one publisher on one day",
        [sighting("a", "2025-02-20", length_m=110), sighting("b", "2025-02-20", length_m=112)],
        [{"a"}, {"b"}],
    ),
    (
        "two ships in two pictures: each goes to its own length",
        [
            sighting("a", "2025-02-20T02:00:00", scene_id="S", length_m=100),
            sighting("b", "2025-02-20T02:00:00", scene_id="S", length_m=125),
            sighting("c", "2025-02-21T02:00:00", scene_id="T", length_m=122),
            sighting("d", "2025-02-21T02:00:00", scene_id="T", length_m=103),
        ],
        [{"a", "d"}, {"b", "c"}],
    ),
    (
        "an analyst saw the port empty",
        [
            sighting("a", "2025-02-20T02:00:00"),
            sighting("n", "2025-02-20T20:00:00", observation_type="absent"),
            sighting("b", "2025-02-21T02:00:00"),
        ],
        [{"a"}, {"b"}],
    ),
    (
        "another berth was empty",
        [
            sighting("a", "2025-02-20T02:00:00", berth="NAJIN_PIER2"),
            sighting("n", "2025-02-20T20:00:00", berth="NAJIN_PIER1", observation_type="absent"),
            sighting("b", "2025-02-21T02:00:00", berth="NAJIN_PIER2"),
        ],
        [{"a", "b"}],
    ),
    (
        "containers and transponders are no ships in pictures",
        [
            sighting("a", "2025-02-20"),
            sighting("k", "2025-02-21", observation_type="containers"),
            sighting("t", "2025-02-21", observation_type="ais", vessel_name="SIM TWO"),
        ],
        [{"a"}],
    ),
    (
        "an open port joins the call that it fits",
        [sighting("a", "2025-02-20", length_m=110), sighting("o", "2025-02-21", length_m=110, port="DUNAY|NAJIN")],
        [{"a", "o"}],
    ),
    ("an open port alone is one call", [sighting("o", "2025-02-21", port="DUNAY|NAJIN")], [{"o"}]),
]


@pytest.mark.parametrize(("rows", "expected"), [s[1:] for s in STORIES], ids=[s[0] for s in STORIES])
def test_sightings_become_calls_as_an_analyst_would_say(rows: list[dict[str, Any]], expected: list[set[str]]) -> None:
    """Each little story has one right answer, whatever the order of its rows."""
    for order in itertools.islice(itertools.permutations(rows), 6):
        assert parts(find(*order)) == {frozenset(ids) for ids in expected}


def test_rows_of_two_publishers_on_one_day_are_one_observation() -> None:
    """Recycled news is not independent evidence: one likelihood, one count."""
    one, other = (
        sighting("a", "2025-02-20", length_m=135, source="A"),
        sighting("b", "2025-02-20", source="B", vessel_name="SIM ONE"),
    )
    grouped = calls.group(table(one, other), ROUTE)
    first, second = grouped["observation_group"]
    assert isinstance(first, str)
    assert first == second
    (call,) = find(one, other).to_dict("records")
    assert (call["n_sightings"], call["vessel_name"]) == (1, "SIM ONE")


@pytest.mark.parametrize(
    "second",
    [
        sighting("b", "2025-02-20", source="B", length_m=150),
        sighting("b", "2025-02-20", source="B", vessel_name="SIM TWO"),
        sighting("b", "2025-02-20", source="B", berth="NAJIN_PIER2"),
        sighting("b", "2025-02-21", source="B"),
        sighting("b", "2025-02-20", source="B", port="DUNAY"),
        sighting("b", "2025-02-20", source="A"),
    ],
    ids=["length", "name", "berth", "day", "port", "same publisher"],
)
def test_rows_that_exclude_each_other_are_not_one_observation(second: dict[str, Any]) -> None:
    """Another length, name, berth, day or port, or the same publisher telling of two ships."""
    first = sighting("a", "2025-02-20", length_m=110, vessel_name="SIM ONE", berth="NAJIN_PIER1")
    assert calls.group(table(first, second), ROUTE)["observation_group"].isna().all()


def test_overlapping_pictures_of_one_pass_are_one_observation() -> None:
    """BI-135: two frames 25 s apart show the ship twice at one place; a hundred metres on it is another ship's berth."""
    place = {"lat_deg": 42.2295, "position_sigma_m": 20.0, "length_m": 110}
    first = sighting("a", "2025-02-20T02:00:00", scene_id="S", lon_deg=130.2845, **place)
    same = sighting("b", "2025-02-20T02:00:25", scene_id="T", lon_deg=130.2846, **place)
    other = sighting("c", "2025-02-20T02:00:25", scene_id="T", lon_deg=130.2880, **place)
    grouped = calls.group(table(first, same, other), ROUTE).set_index("sighting_id")["observation_group"]
    assert grouped["a"] == grouped["b"]
    assert pd.isna(grouped["c"])


def test_a_window_is_one_unknown_instant_in_it() -> None:
    """Seen once during a day: it had come by the end of that day and had not left before its start."""
    (call,) = find(sighting("a", "2025-02-20")).to_dict("records")
    assert call["arrival_not_after_utc"] == pd.Timestamp("2025-02-20T14:59:59Z")
    assert call["departure_not_before_utc"] == pd.Timestamp("2025-02-19T15:00:00Z")
    assert pd.isna(call["arrival_not_before_utc"])
    assert pd.isna(call["departure_not_after_utc"])


def test_clear_empty_pictures_bound_a_call_and_cloud_and_radar_do_not() -> None:
    """Only a picture that would have shown the ship says that it was not there."""
    seen = sighting("a", "2025-02-20T02:00:00", scene_id="S")
    looks = scene("P", "2025-02-18T02:00:00"), scene("S", "2025-02-20T02:00:00"), scene("Q", "2025-02-22T02:00:00")
    (call,) = find(seen, scenes=looks).to_dict("records")
    assert call["arrival_not_before_utc"] == pd.Timestamp("2025-02-18T02:00:00Z")
    assert call["departure_not_after_utc"] == pd.Timestamp("2025-02-22T02:00:00Z")
    for poor in ({"clear": 0.3}, {"sensor": "SAR"}):
        (call,) = find(seen, scenes=(scene("P", "2025-02-18T02:00:00", **poor),)).to_dict("records")
        assert pd.isna(call["arrival_not_before_utc"])


def test_clear_empty_pictures_split_a_call_and_clouded_ones_do_not() -> None:
    """A day apart with the port clear and empty in between, twice: the ship left, or another came."""
    rows = sighting("a", "2025-02-20T02:00:00", scene_id="S"), sighting("b", "2025-02-21T02:00:00", scene_id="T")
    between = "2025-02-20T10:00:00", "2025-02-20T18:00:00"
    assert together(*rows)
    assert not together(*rows, scenes=tuple(scene(f"E{n}", at) for n, at in enumerate(between)))
    assert together(*rows, scenes=tuple(scene(f"E{n}", at, clear=0.1) for n, at in enumerate(between)))


def test_a_name_elsewhere_bounds_a_call_by_the_time_to_sail_there() -> None:
    """Named at Vostochny, 123 nm away, until the end of the 24th: it left Najin hours before that."""
    rows = (
        sighting("a", "2025-02-20", vessel_name="SIM ONE"),
        sighting("x", "2025-02-24T12:00:00", vessel_name="SIM ONE", port="VOSTOCHNY"),
    )
    found = find(*rows, distance_nm=lambda _one, _other: 123.0).set_index("port")
    assert found.loc["NAJIN", "departure_not_after_utc"] == pd.Timestamp("2025-02-24T12:00:00Z") - pd.Timedelta(
        hours=123 / 20
    )


def test_a_transmitting_ship_never_joins_a_dark_one() -> None:
    """A sighting that a transponder explains is another ship than one that none explains."""
    rows = sighting("a", "2025-02-20", length_m=110), sighting("b", "2025-02-21", length_m=110)
    found = find(*rows, transmitting={"a": "mmsi:999000001"}).set_index("kind")
    assert set(found.index) == {"transmitting", "unattributed"}
    assert found.loc["transmitting", ["vessel_key", "mmsi"]].tolist() == ["mmsi:999000001", 999000001]
    assert together(*rows, transmitting={"a": "mmsi:999000001", "b": "mmsi:999000001"})


def test_size_and_berth_keep_other_trades_out() -> None:
    """A coal pier, or a length clearly beyond the trade's; 165 m within error of it stays in."""
    verdicts = {
        "pier": sighting("a", "2025-02-20", berth="NAJIN_PIER3", length_m=120),
        "long": sighting("a", "2025-02-20", length_m=190, length_sigma_m=12),
        "short": sighting("a", "2025-02-20", length_m=50),
        "edge": sighting("a", "2025-02-20", length_m=175),
        "unknown": sighting("a", "2025-02-20"),
    }
    found = {what: bool(find(row)["in_trade"].iloc[0]) for what, row in verdicts.items()}
    assert found == {"pier": False, "long": False, "short": False, "edge": True, "unknown": True}


def test_the_longer_the_pause_the_less_likely_the_same_stay() -> None:
    """p falls with every day between, from nearly sure to nothing, and is shown while it is in doubt."""
    steps: list[float] = []
    for days in range(1, 10):
        found = find(sighting("a", "2025-02-01"), sighting("b", f"2025-02-{1 + days:02d}")).sort_values(
            "arrival_not_after_utc"
        )
        steps.append(1.0 if len(found) == 1 else float(np.nan_to_num(found["p_continues"].iloc[1])))
    assert steps == sorted(steps, reverse=True)
    assert steps[0] == 1.0
    assert any(0.05 <= p < 0.5 for p in steps)
    assert steps[-1] == 0.0


def test_a_ship_at_a_place_nobody_knows_is_told_and_makes_no_call() -> None:
    """No port of the route and no coordinates: listed, not lost."""
    rows = (
        sighting("a", "2025-02-20", port="ZHOUSHAN"),
        sighting("b", "2025-02-20", port=None, lat_deg=41.0, lon_deg=131.0),
    )
    assert calls.unplaced(table(*rows), ROUTE) == ["a", "b"]
    assert len(find(*rows)) == 0
    placed = find(sighting("c", "2025-02-20", port="ZHOUSHAN", lat_deg=30.0, lon_deg=122.0))
    assert placed[["port", "lat_deg", "lon_deg"]].to_numpy().tolist() == [["ZHOUSHAN", 30.0, 122.0]]


def test_inputs_are_not_changed_and_ids_follow_from_the_content() -> None:
    """Grouping twice changes nothing; the same sightings have the same call whatever else is in the table."""
    rows = table(sighting("a", "2025-02-20"), sighting("b", "2025-02-21"))
    before = rows.copy(deep=True)
    grouped = calls.group(rows, ROUTE)
    pd.testing.assert_frame_equal(rows, before)
    pd.testing.assert_frame_equal(calls.group(grouped, ROUTE), grouped)
    alone = find(sighting("a", "2025-02-20"))["call_id"].iloc[0]
    assert alone in set(find(sighting("a", "2025-02-20"), sighting("z", "2025-05-01"))["call_id"])


@pytest.mark.slow
def test_ten_thousand_sightings_take_seconds() -> None:
    """A decade of a busy port, with a scene for every other sighting."""
    rng = np.random.default_rng(3)
    start = pd.Timestamp("2015-01-01T02:00:00")
    moments = [start + pd.Timedelta(hours=float(h)) for h in np.sort(rng.uniform(0, 87_600, 10_000))]
    rows = [
        sighting(f"{n:05d}", f"{at:%Y-%m-%dT%H:%M:%S}", length_m=float(rng.uniform(90, 150)), scene_id=f"S{n}")
        for n, at in enumerate(moments)
    ]
    looks = [scene(f"S{n}", f"{at:%Y-%m-%dT%H:%M:%S}") for n, at in enumerate(moments) if n % 2]
    began = time.perf_counter()
    found = find(*rows, scenes=tuple(looks))
    assert sum(map(len, found["sighting_ids"])) == len(rows)
    assert time.perf_counter() - began < 20
