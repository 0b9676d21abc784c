"""Voyages told by names in pictures: chains, evidence that adds up, and no name where nobody read one."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ghostships import routes, tables
from ghostships.steps import calls, voyages

ROUTE = routes.load()


def named(sighting_id: str, day: str, port: str, name: str | None = "SIM ONE", **more: Any) -> dict[str, Any]:
    start = pd.Timestamp(day, tz="UTC")
    row: dict[str, Any] = dict.fromkeys(tables.SIGHTINGS.names)
    row.update(
        sighting_id=sighting_id, observation_type="vessel", start_utc=start, end_utc=start + pd.Timedelta(hours=12)
    )
    row.update(port=port, vessel_name=name, source=sighting_id, source_row=f"0:{sighting_id}", **more)
    return row


def trips(*rows: dict[str, Any], nm: float | None = 100.0, **more: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    sightings = tables.to_pandas(pd.DataFrame(list(rows), columns=tables.SIGHTINGS.names), tables.SIGHTINGS)
    port_calls = calls.find(sightings, tables.empty_pandas(tables.SCENES), route=ROUTE, distance_nm=lambda _a, _b: nm)
    found, evidence = voyages.trips(port_calls, sightings, route=ROUTE, distance_nm=lambda _a, _b: nm, **more)
    return found.sort_values("trip_id"), evidence


def bits(evidence: pd.DataFrame) -> dict[str, float]:
    return dict(zip(evidence["factor"], evidence["bits"], strict=True))


def test_the_same_name_before_and_after_makes_a_chain() -> None:
    """Vladivostok, Najin, Vostochny within days: one voyage with both ends."""
    chain = (
        named("a", "2024-03-07", "VLADIVOSTOK"),
        named("b", "2024-03-10", "NAJIN"),
        named("c", "2024-03-12", "VOSTOCHNY"),
    )
    (trip,) = trips(*chain)[0].to_dict("records")
    assert (trip["origin_port"], trip["destination_port"], trip["tier"]) == (
        "VLADIVOSTOK",
        "VOSTOCHNY",
        "pictures_only",
    )
    assert trip["n_sightings"] == 3
    assert len(trip["call_ids"]) == 3
    assert trip["p_trip"] > ROUTE.priors.p_name_correct


@pytest.mark.parametrize(
    "other",
    [
        named("a", "2024-02-01", "VLADIVOSTOK"),
        named("a", "2024-03-07", "VLADIVOSTOK", "SIM TWO"),
        named("a", "2024-03-07", "VLADIVOSTOK", None),
        named("a", "2024-03-07", "DUNAY|VLADIVOSTOK"),
    ],
    ids=["five weeks before", "another name", "no name", "open port"],
)
def test_what_is_too_early_or_not_the_same_name_is_no_origin(other: dict[str, Any]) -> None:
    """A chain needs the same name, at one port, within two weeks."""
    found, evidence = trips(other, named("b", "2024-03-10", "NAJIN"))
    (trip,) = found.to_dict("records")
    assert pd.isna(trip["origin_port"])
    assert bits(evidence)["leg_in"] == 0
    assert trip["p_trip"] == pytest.approx(ROUTE.priors.p_name_correct, abs=1e-3)


def test_two_calls_at_the_dark_port_are_two_voyages() -> None:
    """The port after the second call does not belong to the first."""
    found, _ = trips(
        named("a", "2024-03-01", "NAJIN"), named("b", "2024-03-12", "NAJIN"), named("c", "2024-03-14", "DUNAY")
    )
    assert sorted(found["destination_port"].fillna("-")) == ["-", "DUNAY"]


def test_a_leg_too_short_to_sail_counts_against_the_name() -> None:
    """2 000 nm within a day and a half: one of the two readings is wrong, and that is the weakest link."""
    rows = named("a", "2024-03-10", "NAJIN"), named("b", "2024-03-11", "VOSTOCHNY")
    (fits,), _ = (f.to_dict("records") for f in trips(*rows))
    found, evidence = trips(*rows, nm=2000.0)
    (trip,) = found.to_dict("records")
    assert trip["slack_h"] < 0
    assert bits(evidence)["leg_out"] < 0
    assert trip["p_trip"] == pytest.approx(0.5, abs=1e-3)
    assert fits["p_trip"] > 0.9
    assert "cannot both be right" in trip["weakest_link"]


def test_evidence_is_exact_and_an_open_port_halves_the_probability() -> None:
    """Steps of 0.001 bit that sum to the log-odds; Najin or Dunay is half of either."""
    found, evidence = trips(named("a", "2024-03-10", "DUNAY|NAJIN", p_name_correct=0.8))
    (trip,) = found.to_dict("records")
    assert trip["p_trip"] == round(1 / (1 + 2 ** -round(float(evidence["bits"].sum()), 3)), 6)
    assert trip["p_trip"] == pytest.approx(0.4, abs=1e-3)
    assert evidence["rank"].tolist() == list(range(len(evidence)))


def test_a_ship_that_nobody_named_stays_unnamed() -> None:
    """A row for the reader, without name, probability or evidence; other trades and explained calls make none."""
    found, evidence = trips(named("a", "2024-03-10", "NAJIN", None, length_m=115))
    (trip,) = found.to_dict("records")
    assert trip["tier"] == "unattributed"
    assert pd.isna(trip["p_trip"])
    assert pd.isna(trip["vessel_name"])
    assert "115 m" in trip["because"]
    assert len(evidence) == 0
    assert len(trips(named("a", "2024-03-10", "NAJIN", None, berth="NAJIN_PIER3"))[0]) == 0
    explained = frozenset(trip["call_ids"])
    assert len(trips(named("a", "2024-03-10", "NAJIN", None, length_m=115), explained_call_ids=explained)[0]) == 0


def test_nothing_makes_nothing() -> None:
    """No sightings, or none at the dark port: empty tables of the declared shape."""
    for rows in ((), (named("a", "2024-03-10", "DUNAY"),)):
        found, evidence = trips(*rows)
        assert (list(found), list(evidence)) == (tables.ROUND_TRIPS.names, tables.EVIDENCE.names)
        assert len(found) == len(evidence) == 0
