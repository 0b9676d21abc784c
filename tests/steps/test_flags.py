"""What may flag a trip, and what a card names as its weakest link."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from worlds import HARE, OWL, SILENT_H, Picture, Ship, World

from ghostships.inference import factors
from ghostships.inference.factors import Factor
from ghostships.steps import trips

bits = st.integers(-8000, 8000).map(lambda n: n / 1000)
reputation = st.lists(st.tuples(st.sampled_from(trips.REPUTATION), st.integers(0, 15_000).map(lambda n: n / 1000)))
against = st.lists(st.tuples(st.sampled_from(["last_place", "name_read", "pictures"]), st.integers(-3000, 0)))


@given(reputation, against)
def test_reputation_alone_flags_nobody(own: list[tuple[str, float]], others: list[tuple[str, int]]) -> None:
    """Whatever habit, watch list, registry and the level of the trade add up to: unless something of this silence speaks for a
    trip, the ship is not flagged."""
    steps = [Factor(name, b, "") for name, b in own] + [Factor(name, n / 1000, "") for name, n in others]
    p = factors.probability(sum(f.bits for f in steps))
    assert not trips.is_flagged(steps, p, flag_threshold=0.5)
    assert not trips.is_flagged(steps, p, flag_threshold=0.0)


@given(st.lists(st.tuples(st.sampled_from(["habit", "watch_list", "last_place", "name_read"]), bits)), bits)
def test_more_evidence_of_the_silence_itself_never_takes_a_flag_away(
    steps: list[tuple[str, float]], more: float
) -> None:
    """Monotone in every factor that is not reputation."""
    own = [Factor(name, b, "") for name, b in steps]
    extra = [*own, Factor("draught", abs(more), "")]
    flagged, still = (
        trips.is_flagged(s, factors.probability(sum(f.bits for f in s)), flag_threshold=0.5) for s in (own, extra)
    )
    assert still or not flagged


def test_the_list_and_the_registry_are_both_left_out_of_the_number_without_them() -> None:
    """A ship that is listed and sends another length than listed: the number without is that of the bits without both."""
    ships = (Ship(HARE, (SILENT_H,)), Ship(OWL))
    found = World(ships, (Picture(156, "SIM HARE"),), listed=(HARE,)).analysed()
    trip = found.trip()
    shown = found["evidence"].query("subject_id == @trip['trip_id']").set_index("factor")["bits"]
    assert {"watch_list", "registry"} <= set(shown.index)
    rest = sum(round(1000 * b) for f, b in shown.items() if f not in trips.LISTS)
    assert trip["p_trip_without_watchlist"] == factors.probability(rest / 1000)
    assert shown["watch_list"] > 0


def test_every_card_names_a_weakest_link_that_lowers_what_is_shown() -> None:
    """One picture read by name: the card names its only sighting, or the name read in it, and what is left without."""
    trip = World((Ship(HARE, (SILENT_H,)), Ship(OWL)), (Picture(156, "SIM HARE", 118.0),)).analysed().trip()
    link = trip["weakest_link"]
    assert "without it" in link
    assert "the only sighting (SIM-0)" in link or "the name SIM HARE" in link


def test_a_card_of_a_silence_without_pictures_names_an_assumption() -> None:
    """Nothing was seen: what it rests on is a factor or the level, and it is said."""
    found = World((Ship(HARE, (SILENT_H,)), Ship(OWL)), ()).analysed()
    for link in pd.concat([found.trips(HARE), found.trips(OWL)])["weakest_link"]:
        assert link
        assert "sighting" not in link or "no single sighting" in link
