"""The factors of silences: what is not known weighs nothing, what speaks for a trip never speaks against it, and all adds up."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostships import routes
from ghostships.inference import circumstances, factors
from ghostships.inference.circumstances import Durations, fixed_factors
from ghostships.inference.factors import Factor

ROUTE = routes.load()
NAN = float("nan")
NOTHING = {
    "before_m": NAN,
    "after_m": NAN,
    "destination_before": None,
    "destination_after": None,
    "last_port": None,
    "next_port": None,
    "registry_differs": None,
    "registry_says": None,
}
NEW = ("registry", "last_port", "next_port", "reappears", "destination", "stacks")
DAY = pd.Timestamp("2019-05-01", tz="UTC")


@dataclass(frozen=True)
class Case:
    gap: Any
    duration_h: float
    is_feasible: bool = True


def weigh(
    *told: dict[str, Any], to_nm: tuple[float, ...] | None = None, stacks: pd.DataFrame | None = None
) -> list[dict[str, Factor]]:
    """The factors by name, of one silence of three days per row told, each of another ship."""
    cases, reach, said = [], [], []
    for n, one in enumerate(told):
        gap = SimpleNamespace(gap_id=f"G-{n}", vessel_key=f"mmsi:{n}", is_open=False, distance_gc_nm=NAN, p_off=NAN)
        cases.append(Case(gap, 72.0))
        distance = 10.0 if to_nm is None else to_nm[n]
        times = {"earliest_arrival_utc": DAY, "latest_departure_utc": DAY + pd.Timedelta(hours=48)}
        reach += [
            {"gap_id": f"G-{n}", "port": port, "distance_from_nm": 10.0, "distance_to_nm": distance, **times}
            for port in ("VOSTOCHNY", "NAJIN")
        ]
        said.append({"gap_id": f"G-{n}", **NOTHING, **one})
    ships = pd.DataFrame(
        {"ship_type": 70.0, "length_m": 118.0, "watch_list_hits": [[] for _ in told]},
        index=[f"mmsi:{n}" for n in range(len(told))],
    )
    rows = fixed_factors(cases, pd.DataFrame(reach), ships, pd.DataFrame(said), ROUTE, {}, stacks)
    return [{f.name: f for f in own} for own in rows]


def test_a_ship_that_sends_nothing_gets_no_bits_from_what_it_might_have_sent() -> None:
    """Next to ships that send everything: its own rows are there, weigh 0 and say why."""
    full = {
        "destination_before": "RU VYP",
        "destination_after": "RU VYP",
        "last_port": "VOSTOCHNY",
        "next_port": "DUNAY",
    }
    full |= {"registry_differs": False, "registry_says": "sends what the registry holds"}
    silent = weigh(*[full] * 5, {})[-1]
    for name in NEW:
        assert silent[name].bits == 0
        assert silent[name].because


def test_a_silence_that_was_never_declared_has_declared_nothing() -> None:
    """Silences that are only thought of (a ship first heard long after the data began) have no row."""
    gap = SimpleNamespace(gap_id="G-X", vessel_key="mmsi:0", is_open=False, distance_gc_nm=NAN, p_off=NAN)
    reach = pd.DataFrame([{"gap_id": "G-X", "port": "VOSTOCHNY", "distance_from_nm": 9.0, "distance_to_nm": 9.0}])
    ships = pd.DataFrame({"ship_type": [70.0], "length_m": [118.0], "watch_list_hits": [[]]}, index=["mmsi:0"])
    declared = pd.DataFrame(columns=["gap_id", *NOTHING])
    (own,) = fixed_factors([Case(gap, 72.0)], reach, ships, declared, ROUTE, {})
    assert all(f.bits == 0 for f in own if f.name in NEW)


def test_how_common_a_port_is_otherwise_is_learned_from_the_other_silences() -> None:
    """Nine of ten come from elsewhere: one from Vostochny stands out. By hand: its nine like have none, so the share is
    4 * (0 + 2 * 0.9) / (9 + 2) / (9 + 4) = 0.0503, and log2(0.9 / 0.0503) is above the cap of 2 bits; for the others one of nine
    has it: mean (1 + 1.8) / 11 = 0.2545, share (1 + 4 * 0.2545) / 13 = 0.1552, and log2(0.1 / 0.8448) is below -2."""
    rows = weigh({"last_port": "VOSTOCHNY"}, *[{"last_port": "BUSAN"}] * 9)
    assert rows[0]["last_port"].bits == 2.0
    assert rows[1]["last_port"].bits == -2.0
    assert "16%" in rows[1]["last_port"].because
    assert "5%" in rows[0]["last_port"].because


def test_where_all_are_alike_nothing_is_learned_from_it() -> None:
    """Every ship comes from a counterpart port: that tells none apart."""
    for row in weigh(*[{"last_port": "VOSTOCHNY", "next_port": "DUNAY"}] * 30):
        assert 0 <= row["last_port"].bits < 0.05


@given(st.lists(st.sampled_from(["VOSTOCHNY", "BUSAN", None]), min_size=2, max_size=12))
def test_a_counterpart_port_never_speaks_against_a_trip(ports: list[str | None]) -> None:
    """Monotone: whatever the fleet does, from home >= not known >= from elsewhere."""
    for port, row in zip(ports, weigh(*({"last_port": p} for p in ports)), strict=True):
        bits = row["last_port"].bits
        assert bits >= 0 if port == "VOSTOCHNY" else bits <= 0 if port == "BUSAN" else bits == 0


def test_far_from_home_speaks_against_a_trip_and_near_home_says_nothing_more() -> None:
    """`next_place` counts what is near; of those away only the far ones weigh more, by two bits at most. By hand: 0.15 of trips
    against 0.6 of others is log2(1/4)."""
    by_hand = factors.reappears(400.0, near_nm=40, far_nm=150, p_if_trip=0.15, p_otherwise=0.6)
    assert by_hand.bits == pytest.approx(-2.0)
    rows = weigh({}, {}, {}, {}, to_nm=(10.0, 90.0, 400.0, NAN))
    near, away, far, unknown = (row["reappears"].bits for row in rows)
    assert near == unknown == 0
    assert away == 0 >= far >= -2


STACKS = pd.DataFrame(
    {
        "start_utc": [DAY + pd.Timedelta(hours=10)],
        "end_utc": [DAY + pd.Timedelta(hours=30)],
        "berth": [None],
        "is_changed": [True],
        "explained_by": [None],
        "because": ["stack of 90 m in SIM-1, 150 m in SIM-2"],
    }
)


def test_a_change_of_stacks_that_no_picture_explains_speaks_for_who_may_have_been_there() -> None:
    """0.7 against 0.7 made up and learned: with nobody to compare it is nothing; against many who were not, up to one bit."""
    (alone,) = weigh({}, stacks=STACKS)
    assert alone["stacks"].bits == pytest.approx(0, abs=1e-9)
    assert "SIM-1" in alone["stacks"].because
    explained = STACKS.assign(explained_by="C-1")
    (row,) = weigh({}, stacks=explained)
    assert row["stacks"].bits == 0 and "C-1" in row["stacks"].because


@pytest.mark.parametrize(
    ("start_h", "end_h", "counts"), [(43, 90, False), (42, 90, True), (-50, 6, True), (-50, 5, False)]
)
def test_a_change_counts_where_a_shortest_stay_fits_into_it(start_h: float, end_h: float, counts: bool) -> None:
    """The ship may have been there from 0 to 48 h; a stay takes 6 h."""
    hours = {"start_utc": [DAY + pd.Timedelta(hours=start_h)], "end_utc": [DAY + pd.Timedelta(hours=end_h)]}
    (row,) = weigh({}, stacks=STACKS.assign(**hours))
    assert ("SIM-1" in row["stacks"].because) is counts


def test_stacks_that_did_not_change_count_only_where_they_cover_all_the_time() -> None:
    """Looks on both sides of everything the ship could have done there."""
    quiet = {"is_changed": [False], "end_utc": [DAY + pd.Timedelta(hours=50)]}
    covers = STACKS.assign(start_utc=[DAY - pd.Timedelta(hours=1)], **quiet)
    (within,) = weigh({}, stacks=covers)
    assert "did not change" in within["stacks"].because
    (beside,) = weigh({}, stacks=STACKS.assign(is_changed=[False]))
    assert beside["stacks"].bits == 0 and "no two looks" in beside["stacks"].because


@given(st.booleans(), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_stacks_never_weigh_more_than_a_bit_and_never_the_wrong_way(
    changed: bool, if_trip: float, otherwise: float
) -> None:
    """Boxes come by rail too."""
    bits = factors.stacks(changed, "", p_if_trip=if_trip, p_otherwise=otherwise).bits
    assert abs(bits) <= 1
    assert bits >= 0 if changed else bits <= 0


def test_every_factor_has_its_row_in_one_order_whatever_is_known() -> None:
    """Cards can be compared line by line."""
    told = {
        "destination_before": "RU VYP",
        "destination_after": "KR PUS",
        "last_port": "BUSAN",
        "registry_differs": True,
    }
    told |= {"registry_says": "sends 90 m, listed 118 m"}
    orders = {tuple(row) for row in weigh(told, {}, stacks=STACKS)}
    assert len(orders) == 1
    assert set(NEW) < set(orders.pop())


def test_the_order_of_silences_changes_nothing() -> None:
    """Each silence is compared with all others, not with those before it."""
    told = [{"last_port": "BUSAN"}, {"last_port": "VOSTOCHNY", "destination_before": "RU VVO"}, {"next_port": "DUNAY"}]
    there = weigh(*told)
    back = weigh(*told[::-1])[::-1]
    for one, other in zip(there, back, strict=True):
        assert {n: f.bits for n, f in one.items()} == pytest.approx({n: f.bits for n, f in other.items()})


def test_shares_of_destinations_sum_to_one_whatever_the_route_says() -> None:
    """Weights are proportions."""
    assert sum(circumstances.destination_shares(ROUTE).values()) == pytest.approx(1)
    told = ROUTE.priors.destination_if_trip.model_copy(update={"changed": 5.0})
    other = ROUTE.model_copy(update={"priors": ROUTE.priors.model_copy(update={"destination_if_trip": told})})
    assert sum(circumstances.destination_shares(other).values()) == pytest.approx(1)


@given(st.lists(st.floats(6, 500), min_size=0, max_size=20))
def test_durations_are_a_law_of_chance(hours: list[float]) -> None:
    """The density sums to 1 over all lengths from the shortest on, but for what the smoothing spreads below it."""
    cases = [Case(SimpleNamespace(is_open=False), h) for h in hours]
    law = Durations.of(cases)
    grid = np.geomspace(law.shortest_h / 50, 1e7, 20_000)
    density = np.array([law.density(float(h)) for h in grid[::10]])
    prior = 20.0 / (20.0 + len(hours))
    above = np.where(
        grid[::10] >= law.shortest_h, density, density - prior * 0.7 * law.shortest_h**0.7 / grid[::10] ** 1.7
    )
    assert np.trapezoid(above, grid[::10]) == pytest.approx(1, abs=0.02)
    assert law.lasting(law.shortest_h / 1e6) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("told", "length_m", "quay_m"), [(None, 118.0, 150.0), ("Pier 2", NAN, 150.0), ("Pier 2", 118.0, None)]
)
def test_a_berth_that_cannot_be_compared_weighs_nothing(
    told: str | None, length_m: float, quay_m: float | None
) -> None:
    """No berth told, no length known on either side."""
    factor = factors.berth(told, length_m=length_m, quay_m=quay_m, share=0.9)
    assert factor.bits == 0 and "counts nothing" in factor.because


def test_a_ship_longer_than_the_quay_probably_lay_elsewhere() -> None:
    """By hand: one berth in ten is told wrong, so log2(0.1) if the call is surely its own, log2(0.55) if evenly so; a tenth may
    stick out."""
    quay = {"quay_m": 100.0}
    assert factors.berth("Pier 2", length_m=120.0, share=1.0, **quay).bits == pytest.approx(-3.321928)
    assert factors.berth("Pier 2", length_m=120.0, share=0.5, **quay).bits == pytest.approx(-0.862496, abs=1e-6)
    assert factors.berth("Pier 2", length_m=120.0, share=0.0, **quay).bits == 0
    assert factors.berth("Pier 2", length_m=110.0, share=1.0, **quay).bits == 0


@pytest.mark.parametrize(
    ("told", "quay", "along"),
    [(10, 0, True), (190, 0, True), (175, 0, True), (90, 0, False), (20, 170, False), (5, 170, True)],
)
def test_a_hull_lies_along_its_quay_either_way_round(told: float, quay: float, along: bool) -> None:
    """Bow and stern are alike in a picture, and 175 degrees are 5 off 0."""
    bits = factors.heading(told, quay_deg=quay, share=1.0).bits
    assert bits == (0 if along else -2)


def test_a_heading_nobody_told_or_a_quay_nobody_measured_weighs_nothing() -> None:
    """And the card says so."""
    for factor in (factors.heading(NAN, quay_deg=10, share=1), factors.heading(10, quay_deg=None, share=1)):
        assert factor.bits == 0 and "counts nothing" in factor.because
