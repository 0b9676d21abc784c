"""Weights of evidence: what is not known counts nothing, and what is shown adds up."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ghostships.inference import factors
from ghostships.inference.factors import Factor

NAN = float("nan")
anything = st.floats(-1e3, 1e3)
share = st.floats(0.01, 0.99)
parts = st.lists(st.tuples(st.text(max_size=5), anything), max_size=12).map(
    lambda rows: [Factor(name, bits, "because") for name, bits in rows]
)
names = st.text(st.characters(codec="utf-8"), max_size=12)

MISSING = {
    "habit without another silence": factors.habit(0.9, 0.1, others=0, pictured=0.0),
    "on no list": factors.watch_list([], 3.0),
    "no place": factors.near_home("start", NAN, limit_nm=40, p_if_trip=0.9, p_otherwise=0.2, when="before"),
    "not heard again": factors.same_place(NAN, p_if_trip=0.1, p_otherwise=0.5),
    "type not sent": factors.ship_type(None, p_if_trip=0.95, p_otherwise=0.3),
    "type sent as 0, which means not available": factors.ship_type(0, p_if_trip=0.95, p_otherwise=0.3),
    "no length": factors.ship_size(NAN, low_m=80, high_m=170, p_if_trip=0.95, p_otherwise=0.3),
    "reception cannot say": factors.transponder(NAN, 0.5, "two other ships"),
    "no draught before": factors.draught(NAN, 7.0, deeper=(0.4, 0.1), lighter=(0.1, 0.2)),
    "no draught after": factors.draught(6.0, NAN, deeper=(0.4, 0.1), lighter=(0.1, 0.2)),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_weighs_nothing_and_says_so(case: str) -> None:
    """A ship that sends less must not look guiltier or cleaner for it."""
    assert MISSING[case].bits == 0.0
    assert MISSING[case].because


def test_a_length_that_is_missing_on_either_side_is_as_likely_as_in_any_hull() -> None:
    """The likelihood of a length nobody measured, or of a ship whose length nobody knows, is that of the background."""
    assert factors.length(NAN, 10.0, 118.0, background=0.01)[0] == 0.01
    assert factors.length(118.0, 10.0, NAN, background=0.01)[0] == 0.01


def test_a_name_that_is_missing_on_either_side_weighs_nothing() -> None:
    """No name read, or no own name and IMO number to compare with: ratio 1."""
    assert factors.name_read(None, None, "SIM HARE", 9990001, p_correct=0.9)[0] == 1.0
    assert factors.name_read("SIM HARE", None, None, None, p_correct=0.9)[0] == 1.0
    assert factors.name_read(None, 9990001, "SIM HARE", None, p_correct=0.9)[0] == 1.0
    assert factors.name_read("- .", None, "SIM HARE", None, p_correct=0.9)[0] == 1.0


@given(parts)
def test_a_waterfall_adds_up_to_exactly_what_is_shown(steps: list[Factor]) -> None:
    """Whoever adds the rows up in thousandths of a bit gets the log-odds, to the last digit, clipped at 30 bits."""
    shown, total = factors.waterfall(steps)
    thousandths = [round(f.bits * 1000) for f in shown]
    assert sum(thousandths) == round(total * 1000)
    assert all(f.bits == n / 1000 for f, n in zip(shown, thousandths, strict=True))
    assert abs(total) <= 30
    assert [f.name for f in shown] == [f.name for f in steps]


@given(parts)
def test_a_waterfall_changes_no_step_but_the_last_and_says_when_it_clips(steps: list[Factor]) -> None:
    """Rounding is all that happens to a step; what the limit takes off is taken from the last one, in words too."""
    shown, _ = factors.waterfall(steps)
    for given_step, step in list(zip(steps, shown, strict=True))[:-1]:
        assert step.bits == round(given_step.bits, 3)
    whole = sum(round(round(f.bits, 3) * 1000) for f in steps)
    assert any("clipped" in f.because for f in shown) == (bool(steps) and abs(whole) > 30_000)


def test_an_empty_waterfall_is_even_odds() -> None:
    """Nothing known, nothing added: p is one half."""
    assert factors.waterfall([]) == ([], 0)
    assert factors.probability(0.0) == 0.5


@given(anything, anything)
def test_more_bits_never_make_it_less_probable(one: float, other: float) -> None:
    """Evidence for a hypothesis can only raise its probability, which stays between 0 and 1 and keeps six digits."""
    low, high = sorted((one, other))
    p, q = factors.probability(low), factors.probability(high)
    assert 0 <= p <= q <= 1
    assert round(p, 6) == p
    assert factors.probability(-low) == pytest.approx(1 - p, abs=1.5e-6)


@given(st.floats(0, 1))
def test_bits_and_probability_are_each_other_turned_round(p: float) -> None:
    """p to bits and back is p to six digits; bits are clipped at 30, certainty included."""
    assert abs(factors.bits_of(p)) <= 30
    assert factors.probability(factors.bits_of(p)) == pytest.approx(p, abs=1.1e-6)


def test_bits_are_what_the_textbook_says() -> None:
    """Odds of 3 to 1 are log2(3) bits; a probability of 0.8 is two bits."""
    assert factors.bits_of(0.75) == pytest.approx(1.584963, abs=1e-6)
    assert factors.bits_of(0.8) == pytest.approx(2.0)
    assert factors.probability(2.0) == 0.8
    assert factors.probability(-10.0) == 0.000976  # 1 / 1025
    assert (factors.bits_of(0.0), factors.bits_of(1.0)) == (-30.0, 30.0)


@example(5e-324, 2.0)
@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_ratio_turned_round_has_the_opposite_sign_and_is_clipped(one: float, other: float) -> None:
    """Swapping the hypotheses swaps the sign; impossible under both says nothing."""
    bits = factors.ratio_bits(one, other)
    assert abs(bits) <= 30
    assert bits == pytest.approx(-factors.ratio_bits(other, one), abs=1e-9)
    if one > other:
        assert bits >= 0


@given(share, share)
def test_evidence_of_two_kinds_does_not_mislead_on_average(if_trip: float, otherwise: float) -> None:
    """If it is *not* a trip, the likelihood ratios of all outcomes average to 1 (Turing's law of weights of evidence)."""
    p = {"p_if_trip": if_trip, "p_otherwise": otherwise}
    outcomes = (
        (factors.ship_type(70, **p), factors.ship_type(30, **p)),
        (
            factors.ship_size(120, low_m=80, high_m=170, **p),
            factors.ship_size(40, low_m=80, high_m=170, **p),
        ),
        (factors.same_place(0.01, **p), factors.same_place(3.0, **p)),
        (
            factors.near_home("start", 10, limit_nm=40, when="before", **p),
            factors.near_home("start", 90, limit_nm=40, when="before", **p),
        ),
    )
    for is_so, is_not in outcomes:
        assert otherwise * 2**is_so.bits + (1 - otherwise) * 2**is_not.bits == pytest.approx(1)
        assert is_so.bits * is_not.bits <= 0


@given(st.tuples(*[st.floats(0.01, 0.49)] * 4))
def test_draughts_do_not_mislead_on_average(chances: tuple[float, float, float, float]) -> None:
    """Deeper, lighter and unchanged together: their ratios average to 1 if there was no trip."""
    deeper, lighter = (chances[0], chances[1]), (chances[2], chances[3])
    ratios = [2 ** factors.draught(6.0, after, deeper=deeper, lighter=lighter).bits for after in (7.0, 5.0, 6.0)]
    otherwise = (deeper[1], lighter[1], 1 - deeper[1] - lighter[1])
    assert math.fsum(p * r for p, r in zip(otherwise, ratios, strict=True)) == pytest.approx(1)


def test_loading_at_the_dark_port_makes_a_ship_deeper() -> None:
    """Deeper speaks for a trip, lighter against it, when trips load; a change under half a metre is no change."""
    chances = {"deeper": (0.45, 0.1), "lighter": (0.1, 0.2)}
    assert factors.draught(6.0, 7.0, **chances).bits > 0 > factors.draught(7.0, 6.0, **chances).bits
    assert factors.draught(6.0, 6.4, **chances).bits == factors.draught(6.0, 6.0, **chances).bits


@pytest.mark.parametrize(
    ("code", "is_cargo"), [(69, False), (70, True), (79, True), (80, False), (30, False), (52, False)]
)
def test_cargo_is_70_to_79(code: int, is_cargo: bool) -> None:
    """ITU-R M.1371, table 53: first digit 7 is cargo, 8 is a tanker."""
    assert (factors.ship_type(code, p_if_trip=0.95, p_otherwise=0.3).bits > 0) == is_cargo


def test_silence_where_others_are_heard_speaks_for_switching_off() -> None:
    """More certainly off than silences that fit usually are: for a trip; less: against; the same: nothing."""
    assert factors.transponder(0.9, 0.5, "").bits > 0 > factors.transponder(0.1, 0.5, "").bits
    assert factors.transponder(0.5, 0.5, "").bits == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sim Hare", "SIM HARE"),
        ("SIM-HARE", "SIM HARE"),
        ("M/V SIM. HARE", "MV SIM HARE"),
        ("ＳＩＭ　ＨＡＲＥ", "SIM HARE"),  # noqa: RUF001
        ("  SIM   HARE ", "SIMHARE"),
        ("СИМ ЗАЯЦ", "Сим Заяц"),
        ("STRAßE", "STRASSE"),
    ],
)
def test_names_are_the_same_whatever_their_case_width_and_punctuation(one: str, other: str) -> None:
    """Analysts, AIS and registries write one name in many ways."""
    assert factors.same_name(one, other) is True
    assert factors.same_name(other, one) is True


@pytest.mark.parametrize(("one", "other"), [("SIM HARE", "SIM HARES"), ("SIM HARE 1", "SIM HARE 2"), ("А", "A")])
def test_other_names_are_other_names(one: str, other: str) -> None:
    """Numbers count, and a Cyrillic letter is not the Latin one that looks like it."""
    assert factors.same_name(one, other) is False


@pytest.mark.parametrize("empty", [None, "", "   ", "--", "?"])
def test_a_name_without_letters_is_no_name(empty: str | None) -> None:
    """Nothing to compare is neither the same nor different."""
    assert factors.same_name(empty, "SIM HARE") is None
    assert factors.same_name("SIM HARE", empty) is None


@given(names, names, st.floats(0.5, 0.99))
def test_reading_one_name_for_another_weighs_the_same_both_ways(one: str, other: str, p: float) -> None:
    """Whether A was read and B is meant, or B read and A meant: the same ratio, over 1 exactly for the same name."""
    there = factors.name_read(one, None, other, None, p_correct=p)[0]
    assert there == factors.name_read(other, None, one, None, p_correct=p)[0]
    assert (there > 1) == (factors.same_name(one, other) is True)


def test_the_imo_number_decides_over_the_name() -> None:
    """Names change hands; the hull number does not."""
    other_hull = factors.name_read("SIM HARE", 9990001, "SIM HARE", 9990013, p_correct=0.9)[0]
    renamed = factors.name_read("SIM HARE", 9990001, "SIM FOX", 9990001, p_correct=0.9)[0]
    assert other_hull < 1 < renamed


@given(st.floats(0.1, 0.98))
def test_the_surer_the_reading_the_more_it_weighs_both_ways(p: float) -> None:
    """A surer reader moves the right ship up and every other one down."""

    def ratio(own: str, how_sure: float) -> float:
        return factors.name_read("SIM HARE", None, own, None, p_correct=how_sure)[0]

    assert ratio("SIM HARE", p + 0.01) > ratio("SIM HARE", p)
    assert ratio("SIM FOX", p + 0.01) < ratio("SIM FOX", p)


@given(st.floats(60, 200), st.floats(0, 60), st.floats(1, 30), st.floats(0.001, 0.02))
def test_a_length_never_clears_a_ship_alone(own: float, apart: float, sigma: float, background: float) -> None:
    """Lengths in AIS and in pictures are simply wrong now and then: never more than log2(0.05) bits against a ship. Shorter by
    as much weighs as longer, and farther apart never weighs more."""
    fit = factors.length(own + apart, sigma, own, background=background)[0]
    assert factors.ratio_bits(fit, background) >= math.log2(0.05) - 1e-9
    assert fit == pytest.approx(factors.length(own - apart, sigma, own, background=background)[0])
    assert fit <= factors.length(own + 0.9 * apart, sigma, own, background=background)[0] + 1e-15


def test_a_listing_that_agrees_by_name_alone_says_nothing() -> None:
    """Names repeat: a hull is on a list by its number, and who shares a name is not made a suspect by it."""
    by_name = "SIM LIST (since 2023-05-01, matched by name only)"
    assert factors.watch_list([by_name], 1.0).bits == 0.0
    assert by_name in factors.watch_list([by_name], 1.0).because
    assert factors.watch_list([by_name, "OTHER LIST (since 2024-01-01)"], 1.0).bits == 1.0
