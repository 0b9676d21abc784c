"""The weakest link: what moves a probability most when it is taken away."""

from __future__ import annotations

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
        "name read (read as SIM HARE): without it 0.67 instead of 0.94"
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
