"""Counts that are never mixed: seen, estimated, claimed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ghostships import routes, tables
from ghostships.routes import Claim, Route
from ghostships.steps import calls, throughput

PLAIN = routes.load().model_copy(update={"claims": ()})


def seen(sighting_id: str, start: str, hours: float = 0, **more: Any) -> dict[str, Any]:
    """A sighting at Najin; times are local, as the press gives them."""
    at = pd.Timestamp(start, tz="UTC") - pd.Timedelta(hours=9)
    row: dict[str, Any] = dict.fromkeys(tables.SIGHTINGS.names)
    row.update(sighting_id=sighting_id, observation_type="vessel", start_utc=at, end_utc=at + pd.Timedelta(hours=hours))
    row.update({"port": "NAJIN", "source": "A", "source_row": f"0:{sighting_id}", **more})
    return row


def scene(scene_id: str, start: str, clear: float = 1.0) -> dict[str, Any]:
    at = pd.Timestamp(start, tz="UTC") - pd.Timedelta(hours=9)
    wkt = "POLYGON ((130.2 42.1, 130.4 42.1, 130.4 42.3, 130.2 42.3, 130.2 42.1))"
    row = {
        "scene_id": scene_id,
        "start_utc": at,
        "end_utc": at,
        "wkt": wkt,
        "sensor": "Planet",
        "clear_fraction": clear,
    }
    return {**row, "source_row": f"1:{scene_id}"}


def counts(
    *rows: dict[str, Any],
    scenes: tuple[dict[str, Any], ...] = (),
    route: Route = PLAIN,
    trips: pd.DataFrame | None = None,
) -> pd.DataFrame:
    sightings = tables.to_pandas(pd.DataFrame(list(rows), columns=tables.SIGHTINGS.names), tables.SIGHTINGS)
    looked = tables.to_pandas(pd.DataFrame(list(scenes), columns=tables.SCENES.names), tables.SCENES)
    port_calls = calls.find(sightings, looked, route=route)
    none = tables.empty_pandas(tables.ROUND_TRIPS) if trips is None else trips
    return throughput.estimate(port_calls, sightings, looked, none, route=route)


def of(made: pd.DataFrame, definition: str, period: str | None = None) -> list[dict[str, Any]]:
    rows = made[made["definition"] == definition]
    return (rows if period is None else rows[rows["period_start"] == period]).to_dict("records")


def test_months_without_a_ship_are_there_and_say_so() -> None:
    """A reader must see the months in which nobody may have looked."""
    made = counts(seen("a", "2025-01-10T11:00"), seen("b", "2025-03-02T11:00"))
    assert [row["n_calls"] for row in of(made, "seen")] == [1, 0, 1]
    assert "nobody may have looked" in of(made, "seen", "2025-02")[0]["assumptions"]


def test_months_are_those_of_the_port_and_open_windows_are_a_span() -> None:
    """1 February 02:00 at Najin is still January in UTC; a window across two months is one call, in one or the other."""
    assert of(counts(seen("a", "2025-02-01T02:00")), "seen", "2025-02")[0]["n_calls"] == 1
    made = counts(seen("a", "2025-01-20T00:00", hours=24 * 20))
    rows = of(made, "seen")
    assert [row["n_calls_low"] for row in rows] == [0, 0]
    assert [row["n_calls_high"] for row in rows] == [1, 1]
    assert sum(row["n_calls"] for row in rows) == 1


def test_load_scenarios_are_spelled_out_and_spanned_but_never_mixed() -> None:
    """Two calls are 444, 494, 600 or 1 200 containers, by scenario."""
    (row,) = of(counts(seen("a", "2025-01-02T11:00"), seen("b", "2025-01-20T11:00")), "seen")
    assert (row["containers_low"], row["containers_high"]) == (444, 1200)
    for part in ("444 at 222", "494 at 247", "600 at 300", "1200 at 600"):
        assert part in row["assumptions"]


def test_occupancy_is_the_published_arithmetic() -> None:
    """49 of 109 imaged days, 170 days: 25 calls at 3 days a stay, 38 at 2."""
    made = [throughput.occupancy_calls(days_with_ship=49, days_imaged=109, days=170, days_a_stay=d) for d in (3, 2)]
    assert [int(n) for n in made] == [25, 38]


def test_estimates_use_the_days_that_were_looked_at() -> None:
    """Ten clear days of April, two with a ship: a fifth of 30 days, at 3 to 2 days a stay. Clouded pictures do not count."""
    looks = [scene(f"S{n}", f"2025-04-{1 + n:02d}T11:00") for n in range(10)]
    cloud = [scene(f"C{n}", f"2025-04-{20 + n:02d}T11:00", clear=0.2) for n in range(5)]
    ships = [seen("a", "2025-04-01T11:00", scene_id="S0"), seen("b", "2025-04-02T11:00", scene_id="S1")]
    (row,) = of(counts(*ships, scenes=(*looks, *cloud)), "estimated")
    assert (row["n_calls_low"], row["n_calls_high"]) == (2.0, 3.0)
    assert "2 of 10 imaged days" in row["assumptions"]


def test_silences_without_a_picture_are_counted_apart() -> None:
    """Inferred trips are neither seen nor estimated from pictures."""
    blank: dict[str, Any] = dict.fromkeys(tables.ROUND_TRIPS.names)
    start = pd.Timestamp("2025-04-03T00:00Z")
    rows = [
        {
            **blank,
            "trip_id": f"T-{n}",
            "dark_port": "NAJIN",
            "gap_ids": [],
            "call_ids": [],
            "n_sightings": 0,
            "p_trip": p,
        }
        | {"tier": "inferred", "is_flagged": p >= 0.5, "dark_start_utc": start, "alternatives": "", "weakest_link": ""}
        | {"because": "", "cycle": 1, "lat_deg": 42.0, "lon_deg": 130.0}
        for n, p in enumerate((0.7, 0.2))
    ]
    trips = tables.to_pandas(pd.DataFrame(rows), tables.ROUND_TRIPS)
    (row,) = of(counts(trips=trips), "inferred from silences")
    assert (row["period_start"], row["n_calls"]) == ("2025-04", 0.9)
    assert "1 flagged" in row["assumptions"]


@pytest.mark.parametrize(
    ("claimed", "sentence"),
    [
        (1, "the two agree"),
        (2, "berth positions, a shift to another berth counted as another ship"),
        (9, "rests on pictures that are not in this data"),
        (0, "fewer ships or berths"),
    ],
)
def test_a_claim_is_set_beside_what_the_same_pictures_hold(claimed: float, sentence: str) -> None:
    """One stay with a berth shift: agreed, explained, or said to be unexplained."""
    claim = Claim(
        period_start="2025-02-01", period_end="2025-02-28", metric="ships", value=claimed, unit="ships", source="X"
    )
    route = PLAIN.model_copy(update={"claims": (claim,)})
    made = counts(
        seen("a", "2025-02-20T11:00", berth="NAJIN_PIER1"),
        seen("b", "2025-02-21T11:00", berth="NAJIN_PIER2"),
        route=route,
    )
    (row,) = of(made, "seen beside the claim of X: ships")
    assert row["n_calls"] == 1
    assert sentence in row["assumptions"]
    (own,) = of(made, "claimed: ships")
    assert own["n_calls"] == claimed


def test_claims_without_sightings_stand_alone() -> None:
    """No pictures: the publications' figures are shown, nothing is set beside them, nothing is counted as seen."""
    made = counts(route=routes.load())
    assert not made["definition"].str.startswith("seen").any()
    assert made["definition"].str.startswith("claimed").sum() == len(routes.load().claims)
