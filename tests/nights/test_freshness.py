"""What is missing, and when nobody was listening."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ghostships.nights import claims, config, freshness
from ghostships.nights.freshness import Facts, Freshness, Heard

START = datetime(2024, 3, 1, tzinfo=UTC)
H, D = timedelta(hours=1), timedelta(days=1)


def _config(**sources: dict[str, object]) -> config.Config:
    return config.Config(
        paths=config.Paths(inbox="in", store="store", out="out"),
        sources={name: config.Source(**values) for name, values in sources.items()},  # type: ignore[arg-type]
        folder=Path("/x"),
        file="ghostships.toml",
    )


DAILY = _config(
    daily={"pattern": "ais_{day}.csv", "cadence_h": 24.0, "delay_h": 12.0, "series": "feed"},
    fixed={"pattern": "fix_{day}.csv", "precedence": 1, "series": "feed"},
)
FREE = _config(free={"pattern": "*.csv", "cadence_h": 24.0})


def _heard(day: date, first_h: float = 0, last_h: float = 23.9, n_ships: int = 9) -> Heard:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Heard(day, n_ships, start + first_h * H, start + last_h * H)


def _measure(
    settings: config.Config, arrived: dict[str, Facts], as_of: datetime, from_utc: datetime = START - 300 * D
) -> dict[str, Freshness]:
    made = [claims.claim(name, name, settings) for name in arrived]
    found = freshness.measure(settings, made, arrived, as_of_utc=as_of, from_utc=from_utc)
    return {one.source: one for one in found}


def _days(*numbers: int, prefix: str = "ais") -> dict[str, Facts]:
    days = [(START + (n - 1) * D).date() for n in numbers]
    return {f"{prefix}_{day:%Y%m%d}.csv": Facts((_heard(day),)) for day in days}


def test_a_day_that_never_came_is_missing_and_unobserved() -> None:
    """The hours of a lost delivery are not silence of ships: for whoever would otherwise read a false gap as evidence."""
    found = _measure(DAILY, _days(1, 2, 4), START + 4 * D)["daily"]
    assert [(m.start_utc, m.end_utc, m.state) for m in found.missing] == [(START + 2 * D, START + 3 * D, "missing")]
    assert found.is_stale
    assert (found.n_expected, found.n_deliveries) == (3, 3)  # day 4 has until noon
    assert freshness.unobserved([found]) == ((START + 2 * D, START + 3 * D),)


def test_a_late_delivery_heals_it() -> None:
    """Nothing is remembered of what was missing last night."""
    assert _measure(DAILY, _days(1, 2, 3, 4), START + 4 * D)["daily"].missing == ()


def test_yesterdays_file_may_take_its_time_but_its_hours_are_unobserved_meanwhile() -> None:
    """Nobody is woken before the delay is over, and no ship is dark because a file is still on its way."""
    early = _measure(DAILY, _days(1, 2), START + 3 * D + 11 * H)["daily"]
    assert [m.state for m in early.missing] == ["awaited", "awaited"]
    assert not early.is_stale
    assert freshness.unobserved([early]) == ((START + 2 * D, START + 3 * D + 11 * H),)
    assert _measure(DAILY, _days(1, 2), START + 3 * D + 12 * H)["daily"].is_stale


def test_a_sibling_of_the_series_can_stand_in() -> None:
    """The corrected file of a day whose first file was lost is a delivery for that day."""
    found = _measure(DAILY, _days(1, 3) | _days(2, prefix="fix"), START + 3 * D)
    assert found["daily"].missing == ()


def test_refused_and_empty_deliveries_do_not_count_as_delivered() -> None:
    """A feed that sends a header and no row has failed; an empty sea is not what it means."""
    arrived = _days(1, 4) | {"ais_20240302.csv": Facts(is_refused=True), "ais_20240303.csv": Facts()}
    found = _measure(DAILY, arrived, START + 4 * D)["daily"]
    assert [(m.start_utc, m.state) for m in found.missing] == [(START + D, "refused"), (START + 2 * D, "empty")]


def test_nothing_is_expected_before_the_first_delivery_or_before_the_window() -> None:
    """A source that began yesterday owes no year of files, and what is not looked at is not mourned."""
    assert _measure(DAILY, _days(4), START + 4 * D)["daily"].missing == ()
    found = _measure(DAILY, _days(1, 9), START + 9 * D, from_utc=START + 6 * D)["daily"]
    assert [m.start_utc for m in found.missing] == [START + 6 * D, START + 7 * D]


def test_without_a_cadence_nothing_is_ever_missing() -> None:
    """Irregular sources are reported with what they brought, and owe nothing."""
    found = _measure(DAILY, _days(2, prefix="fix"), START + 9 * D)["fixed"]
    assert (found.missing, found.newest_heard_utc) == ((), START + D + 23.9 * H)


def test_without_a_day_in_the_name_holes_in_what_was_heard_are_missing() -> None:
    """A source that only numbers its files is watched by what it brings."""
    arrived = {"1.csv": Facts((_heard(START.date()),)), "2.csv": Facts((_heard((START + 2 * D).date()),))}
    found = _measure(FREE, arrived, START + 3 * D)["free"]
    assert [(m.start_utc, m.end_utc, m.state) for m in found.missing] == [(START + 23.9 * H, START + 2 * D, "missing")]
    later = _measure(FREE, arrived, START + 5 * D)["free"]
    assert later.missing[-1].start_utc == START + 2 * D + 23.9 * H
    assert later.missing[-1].end_utc == START + 5 * D
    assert later.is_stale


def test_a_wrong_clock_does_not_make_a_source_fresh() -> None:
    """Law P8: one ship dated tomorrow, or alone on a day, never hides that the feed has stopped."""
    lone = _heard((START + 6 * D).date(), n_ships=1)
    future = _heard((START + 900 * D).date(), n_ships=1)
    found = _measure(FREE, {"1.csv": Facts((_heard(START.date()), lone, future))}, START + 7 * D)["free"]
    assert found.newest_heard_utc == START + 23.9 * H
    assert found.is_stale


def test_spans_that_touch_are_one_and_minutes_are_none() -> None:
    """Two sources that fail on one day make one unobserved day; the minutes around midnight are nothing."""

    def one(start: datetime, end: datetime) -> Freshness:
        return Freshness("s", 24, 1, None, 1, (freshness.Missing("s", start, end, "missing"),))

    found = freshness.unobserved(
        [
            one(START, START + D),
            one(START + D, START + 2 * D),
            one(START + 12 * H, START + D),
            one(START + 5 * D, START + 5 * D + H / 2),
        ]
    )
    assert found == ((START, START + 2 * D),)


@given(st.sets(st.integers(1, 20), min_size=1), st.integers(1, 22))
def test_every_day_is_delivered_or_unobserved(delivered: set[int], today: int) -> None:
    """From the first delivery on, each past day is one or the other: nothing falls between."""
    as_of = START + today * D
    found = _measure(DAILY, _days(*delivered), as_of)["daily"]
    spans = freshness.unobserved([found])
    first = min(delivered)
    for number in range(first, today + 1):
        middle = START + (number - 0.5) * D
        is_unobserved = any(start <= middle < end for start, end in spans)
        assert is_unobserved == (number not in delivered)
