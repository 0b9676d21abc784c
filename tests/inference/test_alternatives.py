"""What else a silence may have been: the shares sum to 1 with the trip, and evidence moves them the way a sailor would."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostships.inference import alternatives, histories
from ghostships.inference.alternatives import Quiet, Shares, Visit
from ghostships.inference.histories import Look, Place, Silence, Stays, Waits

STAYS = Stays(42.0, 0.5, 6.0, 120.0)
CALM = Quiet(
    duration_h=72.0,
    is_open=False,
    density=0.004,
    p_off=0.9,
    lay_at=None,
    is_same_spot=False,
    changes=False,
    passage_h=5.0,
    same_spot_usually=0.3,
    changes_usually=0.2,
    visits=(Visit("NEAR", 0.05, 4.0, 4.0, STAYS), Visit("FAR", 0.05, 30.0, 30.0, STAYS)),
)


def weighed(quiet: Quiet) -> Shares:
    return alternatives.weigh(quiet, before_mean_h=14.0, p_off_prior=0.3)


def every(shares: Shares) -> list[float]:
    return [*shares.ports.values(), shares.lying, shares.sea, shares.meeting, shares.on_air, shares.other]


maybe = st.none() | st.booleans()
visits = st.builds(
    Visit,
    port=st.sampled_from("ABCD"),
    share=st.floats(0.001, 0.2),
    from_h=st.floats(0, 60),
    to_h=st.floats(0, 60),
    stays=st.just(STAYS),
    looks=st.lists(st.tuples(st.floats(0, 300), st.floats(0.01, 0.99)), max_size=6).map(
        lambda rows: tuple(Look(t, p, str(n)) for n, (t, p) in enumerate(rows))
    ),
    seen=st.floats(0, 1),
    is_named=maybe,
    named_usually=st.floats(0.01, 0.99),
)
quiets = st.builds(
    Quiet,
    duration_h=st.floats(6, 1500),
    is_open=st.booleans(),
    density=st.floats(1e-6, 1),
    p_off=st.floats(0, 1) | st.just(math.nan),
    lay_at=st.none() | st.just("") | st.just("E"),
    is_same_spot=maybe,
    changes=maybe,
    passage_h=st.floats(0, 100) | st.just(math.nan),
    same_spot_usually=st.floats(0.01, 0.99),
    changes_usually=st.floats(0.01, 0.99),
    visits=st.lists(visits, max_size=4, unique_by=lambda v: v.port).map(tuple),
    meeting=st.floats(0, 20),
    meeting_says=st.just("says"),
)


@given(quiets)
def test_all_that_is_no_trip_sums_to_one(quiet: Quiet) -> None:
    """The law of total probability, whatever is known or not: none below 0, all together 1."""
    shares = every(weighed(quiet))
    assert all(0 <= p <= 1 + 1e-9 for p in shares)
    assert math.fsum(shares) == pytest.approx(1.0, abs=1e-9)


def numbers(sentence: str) -> list[float]:
    return [float(x) for x in re.findall(r" (\d\.\d\d)(?=[,;]|$)", re.sub(r" \(.*", "", sentence))]


@given(quiets, st.floats(0, 1), st.none() | st.floats(0, 1))
def test_the_numbers_of_the_sentence_and_the_trip_sum_to_one(quiet: Quiet, p: float, part: float | None) -> None:
    """To the hundredth: what a reader adds up on paper must come out."""
    fewer = None if part is None else ("fewer than 2 calls at Najin", part * (1 - p))
    sentence = alternatives.sentence(p, weighed(quiet), fewer=fewer)
    if sentence == "all else together under 0.01":
        assert p >= 0.99
        return
    assert sum(round(100 * n) for n in numbers(sentence)) + round(100 * p) == 100, sentence


@pytest.mark.parametrize("duration_h", [30.0, 72.0, 180.0])
def test_a_call_weighs_what_the_histories_weigh(duration_h: float) -> None:
    """The same silence as `histories` sums it, with one stay and no second one: the same number."""
    looks = (Look(20.0, 0.6, "a"), Look(25.0, 0.3, "b"))
    place = Place("X", True, 4.0, 4.0, STAYS, looks, ())
    silence = Silence(
        duration_h=duration_h,
        is_open=False,
        density=0.0,
        places=[place],
        legs_h=np.array([[1e6]]),
        waits=Waits(14.0, 60.0, 1e-12),
    )
    visit = Visit("X", 0.1, 4.0, 4.0, STAYS, looks)
    unseen, blind = alternatives.visit_weights(replace(CALM, duration_h=duration_h), visit, 14.0)
    assert unseen == pytest.approx(silence.weigh(odds=1.0, likelihoods={}).trip, rel=1e-6)
    assert blind == pytest.approx(silence.weigh(odds=1.0, likelihoods={}, blind=True).trip, rel=1e-6)
    assert unseen < blind


def test_pictures_too_many_to_multiply_up_are_weighed_all_the_same() -> None:
    """Two hundred near-certain pictures: no stay can have been missed by all it covers, and no number overflows."""
    looks = tuple(Look(0.3 * n, 0.99, str(n)) for n in range(240))
    assert histories.missed(looks, np.array([0.0, 72.0]))[1][-1] < -alternatives.MOST_LOGS
    for is_open in (True, False):
        unseen, blind = alternatives.visit_weights(
            replace(CALM, is_open=is_open), replace(CALM.visits[0], looks=looks), 14.0
        )
        assert 0 <= unseen < 1e-6 * blind


def test_time_to_spare_makes_a_port_likelier_and_too_little_rules_it_out() -> None:
    """72 h: 8 h of passages leave days, 60 h leave half a day; 80 h leave nothing."""
    shares = weighed(CALM).ports
    assert shares["NEAR"] > shares["FAR"] > 0
    beyond = replace(CALM, visits=(replace(CALM.visits[0], from_h=40.0, to_h=40.0),))
    assert weighed(beyond).ports == {"NEAR": 0.0}


def test_empty_pictures_of_a_port_speak_against_a_call_there() -> None:
    """Looked at every six hours and nobody there: the other port gains."""
    looks = tuple(Look(float(t), 0.8, str(t)) for t in range(0, 72, 6))
    watched = replace(CALM, visits=(replace(CALM.visits[0], looks=looks), CALM.visits[1]))
    before, after = weighed(CALM), weighed(watched)
    assert after.ports["NEAR"] < 0.1 * before.ports["NEAR"]
    assert after.ports["FAR"] > before.ports["FAR"]
    assert before.is_reach_alone
    assert not after.is_reach_alone


def test_a_port_that_the_ship_declared_and_one_that_pictures_show_gain() -> None:
    """Named by the crew: some; seen in pictures with 0.7: at least that."""
    named = replace(CALM, visits=(CALM.visits[0], replace(CALM.visits[1], is_named=True, named_usually=0.05)))
    assert weighed(named).ports["FAR"] > 2 * weighed(CALM).ports["FAR"]
    seen = replace(CALM, visits=(CALM.visits[0], replace(CALM.visits[1], seen=0.7)))
    assert 0.7 <= weighed(seen).ports["FAR"] < 0.75


def test_another_draught_speaks_for_ports_and_against_drifting() -> None:
    """Cargo is worked in port."""
    plain, changed = (weighed(replace(CALM, meeting=1.0, changes=changes)) for changes in (False, True))
    assert changed.ports["NEAR"] > plain.ports["NEAR"]
    assert changed.sea < plain.sea
    assert changed.meeting > plain.meeting


def test_back_on_the_very_spot_is_a_ship_that_lay_there() -> None:
    """Same berth, same metres: it most probably never left."""
    shares = weighed(replace(CALM, lay_at="HOME", is_same_spot=True))
    assert shares.lying == max(every(shares)) > 0.5
    assert "lay at HOME all the time" in alternatives.sentence(0.02, shares)


def test_the_less_a_transponder_was_surely_off_the_more_it_was_on() -> None:
    """By 1 - p_off; where nobody can say, the level assumed stands in and the sentence says so."""
    on = [weighed(replace(CALM, p_off=p)).on_air for p in (0.99, 0.9, 0.5, 0.1)]
    assert on == sorted(on)
    unknown = weighed(replace(CALM, p_off=math.nan))
    assert unknown.on_air == pytest.approx(weighed(replace(CALM, p_off=0.3)).on_air)
    assert "nobody can say" in alternatives.sentence(0.2, unknown, is_off_known=False)


def test_where_only_reach_tells_the_ports_apart_the_sentence_says_so() -> None:
    """No pictures, no word of the crew: prior shares and time are all there is."""
    both = replace(CALM, visits=(CALM.visits[0], replace(CALM.visits[0], port="TOO")))
    assert "no evidence tells the ports apart" in alternatives.sentence(0.1, weighed(both))
    seen = replace(CALM, visits=(CALM.visits[0], replace(CALM.visits[0], port="TOO", seen=0.3)))
    assert "no evidence" not in alternatives.sentence(0.1, weighed(seen))


def test_a_meeting_is_named_with_what_chance_gives_and_only_where_it_counts() -> None:
    """Twenty times likelier by the traffic around: named, with its sentence; else not a word."""
    likely = replace(CALM, changes=True, meeting=20.0, meeting_says="chance gives 0.1")
    assert "met another ship at sea" in alternatives.sentence(0.1, weighed(likely))
    assert "chance gives 0.1" in alternatives.sentence(0.1, weighed(likely))
    assert "met another ship" not in alternatives.sentence(0.1, weighed(replace(CALM, meeting_says="chance gives 3")))
