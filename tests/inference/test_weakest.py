"""The weakest link: what moves a probability most when it is taken away."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ghostships.inference import factors, weakest
from ghostships.inference.factors import Factor
from ghostships.inference.weakest import Link

parts = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-4000, 4000)), max_size=8).map(
    lambda rows: [Factor(name, n / 1000, "because") for name, n in rows]
)


def total(steps: list[Factor]) -> float:
    return sum(round(f.bits * 1000) for f in steps) / 1000


@given(parts)
def test_taking_a_factor_away_is_adding_up_the_others(steps: list[Factor]) -> None:
    """By hand: the sum of all others, as a probability; only what speaks for it can be missed."""
    links = weakest.of_factors(steps, total(steps))
    assert len(links) == sum(f.bits > 0 for f in steps)
    for link, f in zip(links, [f for f in steps if f.bits > 0], strict=True):
        others = (round(total(steps) * 1000) - round(f.bits * 1000)) / 1000
        assert link.p_without == factors.probability(others)
        assert link.p_without <= factors.probability(total(steps))


def test_the_weakest_link_is_the_one_that_costs_most() -> None:
    """4 bits in all, 3 of them from the name: without it 2 to 1 instead of 16 to 1."""
    steps = [Factor("name_read", 3.0, "read as SIM HARE"), Factor("draught", 1.0, "deeper"), Factor("prior", 0.0, "")]
    links = weakest.of_factors(steps, 4.0)
    assert weakest.sentence(factors.probability(4.0), links, nothing="-") == (
        "name read (read as SIM HARE): without it, all else as it stands, 0.67 instead of 0.94"
    )


def test_links_that_are_named_otherwise_are_left_out() -> None:
    """Pictures and names are taken away call by call, not all at once."""
    steps = [Factor("name_read", 3.0, ""), Factor("draught", 1.0, "")]
    assert [link.what for link in weakest.of_factors(steps, 4.0, leave_out=frozenset({"name_read"}))] == ["draught ()"]


def test_what_is_equally_weak_is_told_in_one_order() -> None:
    """The answer must not depend on the order of rows."""
    links = [Link(0.2, "the only sighting (B)"), Link(0.2, "the only sighting (A)")]
    assert weakest.sentence(0.9, links, nothing="-") == weakest.sentence(0.9, links[::-1], nothing="-")
    assert "(A)" in weakest.sentence(0.9, links, nothing="-")


def test_where_nothing_moves_it_the_sentence_says_so() -> None:
    """No link, or none that changes what is shown: "over 0.99 instead of over 0.99" would say nothing."""
    assert weakest.sentence(0.5, [], nothing="nothing moves it") == "nothing moves it"
    assert weakest.sentence(0.9999, [Link(0.9951, "a")], nothing="nothing moves it") == "nothing moves it"


@given(parts)
def test_the_single_fact_of_a_sum_is_the_one_that_moves_it_most(steps: list[Factor]) -> None:
    """By hand: each fact left out in turn; up or down, but never a bundle of facts or a level that is assumed."""
    named = [Factor("competition" if f.name == "a" else f.name, f.bits, f.because) for f in steps]
    p = factors.probability(total(named))
    moves = [
        abs(factors.probability(round(total(named) - f.bits, 3)) - p)
        for f in named
        if f.name != "competition" and f.bits
    ]
    said = weakest.of_evidence(named, nothing="-")
    if said == "-":
        return
    name, _, rest = said.partition(" (because): without it, all else as it stands, ")
    left = {
        round(abs(factors.probability(round(total(named) - f.bits, 3)) - p), 6)
        for f in named
        if f.name == name and f.bits
    }
    assert round(max(moves), 6) in left
    assert rest.endswith(f"instead of {weakest.shown(p)}")


def test_a_match_names_the_fact_that_it_hangs_on() -> None:
    """Read by name with 5 bits, length 1 bit, and what all else says: the name; "none" and the hopeless have no link."""
    evidence = pd.DataFrame(
        [
            {"subject_id": "M-1", "rank": 0, "factor": "length", "bits": 1.0, "because": "118 m seen"},
            {"subject_id": "M-1", "rank": 1, "factor": "name_read", "bits": 5.0, "because": "read as SIM HARE"},
            {"subject_id": "M-1", "rank": 2, "factor": "competition", "bits": -4.0, "because": "others"},
            {"subject_id": "M-2", "rank": 0, "factor": "length", "bits": -9.0, "because": "118 m seen"},
        ]
    )
    matches = pd.DataFrame(
        {
            "match_id": ["M-1", "M-2", "M-3"],
            "hypothesis": ["dark", "dark", "none"],
            "p_match": [factors.probability(2.0), factors.probability(-9.0), 0.2],
        }
    )
    links = weakest.of_matches(matches, evidence)["weakest_link"]
    assert links[0] == "name read (read as SIM HARE): without it, all else as it stands, 0.11 instead of 0.80"
    assert links[1:].isna().all()
    assert weakest.of_matches(matches[:0], evidence[:0]).empty
