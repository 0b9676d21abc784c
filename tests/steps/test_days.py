"""The summary of a day: one row per ship and hour, the same whatever the order."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import SIM_B, at, hourly, messages
from polars.testing import assert_frame_equal

from ghostships import sphere, statics, tables
from ghostships.steps import days

_MESSAGE = st.tuples(
    st.integers(0, 4 * 24 * 60), st.integers(0, 3), st.integers(-50, 50), st.integers(-50, 50), st.booleans()
)


def _world(drawn: list[tuple[int, int, int, int, bool]]) -> pl.DataFrame:
    parts = [
        messages(
            (minute / 60, 42 + n / 10, 132 + e / 10) if placed else (minute / 60,),
            mmsi=799_000_001 + ship,
            row=number + 1,
        )
        for number, (minute, ship, n, e, placed) in enumerate(drawn)
    ]
    return pl.concat(parts)


@settings(max_examples=50)
@given(st.lists(_MESSAGE, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_merging_days_in_any_order_equals_summarising_all_at_once(drawn: list, random: object) -> None:  # type: ignore[type-arg]
    """Law: late and re-delivered days need no special case only if this holds exactly."""
    positions = _world(drawn)
    parts = [
        days.summarise(day)
        for day in positions.with_columns(d=pl.col("time_utc").dt.date()).partition_by("d", include_key=False)
    ]
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert_frame_equal(days.merge(parts), days.summarise(positions))


@settings(max_examples=50)
@given(st.lists(_MESSAGE, min_size=1, max_size=60), st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(drawn: list, seed: int) -> None:  # type: ignore[type-arg]
    """P9: two deliveries of the same rows in other order must give the same bytes."""
    positions = _world(drawn)
    assert_frame_equal(days.summarise(positions.sample(fraction=1, shuffle=True, seed=seed)), days.summarise(positions))


@settings(max_examples=50)
@given(st.lists(_MESSAGE, min_size=1, max_size=60))
def test_every_row_keeps_the_declaration_and_no_message_is_lost(drawn: list) -> None:  # type: ignore[type-arg]
    """Lost messages make false gaps."""
    positions = _world(drawn)
    hours = days.summarise(positions)
    assert tables.check(hours, tables.VESSEL_HOURS)[1].is_empty()
    assert hours["n_messages"].sum() == len(positions)
    assert hours["n_positions"].sum() == positions["lat_deg"].is_not_null().sum()


@settings(max_examples=30)
@given(st.lists(_MESSAGE, min_size=1, max_size=40))
def test_rows_of_one_ship_never_change_another(drawn: list) -> None:  # type: ignore[type-arg]
    """P7: what one ship sends must not move another's hours."""
    positions = _world(drawn)
    all_hours = days.summarise(positions)
    for key in positions["vessel_key"].unique().sort():
        alone = days.summarise(positions.filter(pl.col("vessel_key") == key))
        assert_frame_equal(alone, all_hours.filter(pl.col("vessel_key") == key))


def test_an_hour_tells_its_first_and_last_message_and_position_apart() -> None:
    """A message without a position is heard, but says nothing of the place."""
    hours = days.summarise(
        messages(
            (0.1,),
            (0.2, 42.0, 132.0),
            (
                0.3,
                42.1,
                132.0,
            ),
            (0.9,),
        )
    )
    row = hours.row(0, named=True)
    assert (row["first_heard_utc"], row["last_heard_utc"]) == (at(0.1), at(0.9))
    assert (row["first_utc"], row["last_utc"]) == (at(0.2), at(0.3))
    assert (row["first_lat_deg"], row["last_lat_deg"]) == (42.0, 42.1)
    assert (row["first_source"], row["last_source"]) == ("ffffffffffff:1", "ffffffffffff:4")
    assert (row["n_messages"], row["n_positions"]) == (4, 2)
    assert row["cell"] == sphere.cell(42.1, 132.0)


def test_a_message_on_the_hour_belongs_to_the_hour_it_begins() -> None:
    """Otherwise a gap of exactly an hour would hide inside one row."""
    assert days.summarise(hourly([0.0, 1.0]))["hour_utc"].to_list() == [at(0), at(1)]


def test_the_largest_step_is_the_speed_over_the_great_circle() -> None:
    """Six minutes of latitude in half an hour are 12 kn, by the definition of the nautical mile (within 0.2 % on a sphere)."""
    hours = days.summarise(messages((0.1, 42.0, 132.0), (0.6, 42.1, 132.0)))
    assert hours["max_step_kn"][0] == pytest.approx(12.0, rel=2e-3)


def test_two_places_in_one_second_are_fast_but_not_infinitely_so() -> None:
    """BI-045: the conflict stays in the data, in an order that does not depend on the files, and is timed as a minute."""
    conflict = messages((0.5, 43.0, 132.0), (0.5, 42.0, 132.0))
    row = days.summarise(conflict).row(0, named=True)
    assert math.isfinite(row["max_step_kn"])
    assert row["max_step_kn"] == pytest.approx(60 * 60, rel=2e-3)
    assert (row["first_lat_deg"], row["last_lat_deg"]) == (42.0, 43.0)


def test_an_hour_with_one_position_has_no_step_and_102_3_never_counts_as_moving() -> None:
    """No step is null, not zero: zero would say that it lay still."""
    row = days.summarise(messages((0.5, 42.0, 132.0), sog_kn=None)).row(0, named=True)
    assert row["max_step_kn"] is None
    assert row["n_moving"] == 0
    assert days.summarise(messages((0.5, 42.0, 132.0), sog_kn=0.5))["n_moving"][0] == 1


def test_the_class_is_a_if_it_ever_was() -> None:
    """Class A stations send more power: calling one B would excuse its silence."""
    mixed = pl.concat(
        [hourly([0.1], ais_class="B"), hourly([0.2], ais_class="A", row=2), hourly([0.1], mmsi=SIM_B, ais_class="B")]
    )
    assert days.summarise(mixed)["ais_class"].to_list() == ["A", "B"]


def test_days_that_overlap_are_a_bug_not_data() -> None:
    """A day is replaced whole; adding it to itself would count every message twice."""
    hours = days.summarise(hourly(range(3)))
    with pytest.raises(AssertionError):
        days.merge([hours, hours])


@settings(max_examples=50)
@given(st.lists(_MESSAGE, min_size=1, max_size=60), st.integers(0, 99))
def test_hours_of_messages_and_of_positions_are_the_same(drawn: list, seed: int) -> None:  # type: ignore[type-arg]
    """A day sums up its messages, a cut its positions: a ship must have the same hours either way, whatever it said of itself."""
    classes = ["A", "B", None]
    positions = _world(drawn).with_columns(
        ais_class=pl.Series([classes[k % 3] for k in range(len(drawn))], dtype=pl.String),
        sog_kn=pl.Series([float(k * 7 % 70) for k in range(len(drawn))]),
    )
    messages_of, contents = statics.part(positions.sample(fraction=1, shuffle=True, seed=seed))
    made = days.make(messages_of, contents)
    kept = statics.join(made.messages, contents)
    assert_frame_equal(made.hours, days.summarise(kept))
    assert made.lost.is_empty()
    assert made.hours["n_messages"].sum() == len(kept) == len(positions) - sum(made.duplicates.values())


def test_an_hour_worked_by_hand() -> None:
    """Two messages of ten minutes to and after the hour, one without a place: every column of the two rows that they make."""
    sent = messages((9.75, 42.0, 132.0), (9.90,), (10.0, 42.05, 132.0), (10.25, 42.05, 132.0), mmsi=SIM_B)
    sent = sent.with_columns(sog_kn=pl.Series([12.0, None, 75.0, 0.4]), ais_class=pl.Series(["B", None, "A", "B"]))
    before, after = days.make(*statics.part(sent)).hours.iter_rows(named=True)
    assert before == {
        "vessel_key": f"mmsi:{SIM_B}",
        "mmsi": SIM_B,
        "hour_utc": at(9),
        "n_messages": 2,
        "n_positions": 1,
        "n_moving": 1,
        "first_heard_utc": at(9.75),
        "last_heard_utc": at(9.90),
        "first_utc": at(9.75),
        "first_lat_deg": 42.0,
        "first_lon_deg": 132.0,
        "first_source": "ffffffffffff:1",
        "last_utc": at(9.75),
        "last_lat_deg": 42.0,
        "last_lon_deg": 132.0,
        "last_source": "ffffffffffff:2",
        "cell": sphere.cell(42.0, 132.0),
        # The step into the next hour is told by the two rows; a speed of 75 kn is not believed, 0.4 kn is no way under way.
        "max_step_kn": None,
        "ais_class": "B",
        "fastest_kn": 12.0,
    }
    assert (after["n_messages"], after["n_positions"], after["n_moving"]) == (2, 2, 1)
    assert (after["first_heard_utc"], after["last_heard_utc"]) == (at(10), at(10.25))
    assert (after["max_step_kn"], after["fastest_kn"], after["ais_class"]) == (0.0, None, "A")
    assert (after["first_source"], after["last_source"]) == ("ffffffffffff:3", "ffffffffffff:4")


def test_of_messages_that_say_the_same_that_of_the_smallest_source_is_kept() -> None:
    """Which file a row came from may not hang on which was read first: smallest hash, then smallest row. What differs in anything
    but the source stays, in order of place."""
    same = messages((1, 42.0, 132.0), (1, 42.0, 132.0), (1, 42.0, 132.0))
    sources = pl.DataFrame({"source_file": ["b" * 12, "a" * 12, "a" * 12], "source_row": [1, 9, 3]})
    same = pl.concat([same.drop(sources.columns), sources.cast({"source_row": pl.Int64})], how="horizontal")
    other = messages((1, 41.0, 132.0), (1,), (2, 42.0, 132.0), row=50)
    faster = messages((1, 42.0, 132.0), row=90, sog_kn=3.0)
    every = pl.concat([same.select(other.columns), other, faster])
    for seed in range(5):
        packed, contents = statics.part(every.sample(fraction=1, shuffle=True, seed=seed))
        settled, duplicates = days.settle(packed)
        assert duplicates == {"a" * 12: 1, "b" * 12: 1}
        kept = statics.join(settled, contents)
        assert kept.select("source_file", "source_row").rows() == [
            ("f" * 12, 50),
            ("a" * 12, 3),
            ("f" * 12, 90),
            ("f" * 12, 51),
            ("f" * 12, 52),
        ]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([None, 41.0, 42.0]), st.sampled_from("abc")),
        max_size=25,
    ),
    st.integers(0, 99),
)
def test_settling_keeps_one_of_each_whatever_the_order(drawn: list, seed: int) -> None:  # type: ignore[type-arg]
    """The plain rule, said again with a dictionary."""
    parts = [
        messages((minute,) if lat is None else (minute, lat, 132.0), mmsi=SIM_B + ship, row=n + 1).with_columns(
            source_file=pl.lit(letter * 12)
        )
        for n, (minute, ship, lat, letter) in enumerate(drawn)
    ]
    every = pl.concat([hourly([]), *parts])
    first: dict[object, tuple[object, ...]] = {}
    for row in sorted(every.rows(named=True), key=lambda r: (r["source_file"], r["source_row"])):
        first.setdefault((row["mmsi"], row["time_utc"], row["lat_deg"]), (row["source_file"], row["source_row"]))
    packed, contents = statics.part(every.sample(fraction=1, shuffle=True, seed=seed))
    settled, duplicates = days.settle(packed)
    kept = statics.join(settled, contents)
    assert sorted(kept.select("source_file", "source_row").rows()) == sorted(first.values())
    assert sum(duplicates.values()) == len(drawn) - len(first)
    assert_frame_equal(kept, kept.sort("mmsi", *days.ORDER, nulls_last=True))
