"""Draught before and after a silence: the nearest value sent, and none that is too old."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import SIM_B, at, messages, river

from ghostships import routes
from ghostships.steps import draughts, gaps
from ghostships.traffic import Traffic

ROUTE = routes.load()
SILENT_FROM, SILENT_TO = 300.0, 340.0
HERE = (42.0, 132.0)


def sent(*draught_at: tuple[float, float], mmsi: int | None = None) -> pl.DataFrame:
    """Static messages: (hours, draught)."""
    whose = {} if mmsi is None else {"mmsi": mmsi}
    return pl.concat([messages((hours,), draught_m=m, row=n + 1, **whose) for n, (hours, m) in enumerate(draught_at)])  # type: ignore[arg-type]


def said(positions: pl.DataFrame) -> pl.DataFrame:
    """What the days keep of these messages."""
    return Traffic.of_positions(positions).statics


def silences(*, now_h: float = 700.0) -> pd.DataFrame:
    """One ship, heard at 300 h and 340 h and then for two hours: a closed gap, and an open one until now."""
    positions = messages(*((h, *HERE) for h in (298.0, 299.0, 300.0, 340.0, 341.0, 342.0)))
    segments, hours = river(positions)
    return gaps.find(hours, segments, min_gap_h=6, as_of_utc=at(now_h), route=ROUTE)


@pytest.fixture(scope="module")
def two() -> pd.DataFrame:
    found = silences()
    assert list(found.sort_values("start_utc")["is_open"]) == [False, True]
    return found


def around(two: pd.DataFrame, positions: pl.DataFrame) -> tuple[float, float]:
    """Before and after the closed gap."""
    rows = draughts.around(two, said(positions)).set_index("gap_id")
    assert sorted(rows.index) == sorted(two["gap_id"])
    closed = two.loc[~two["is_open"].astype(bool), "gap_id"].item()
    return rows.at[closed, "before_m"], rows.at[closed, "after_m"]


def test_the_nearest_value_on_each_side_counts(two: pd.DataFrame) -> None:
    """Older values were overtaken; a value sent inside the silence would have ended it, so there is none to take."""
    assert around(two, sent((250, 5.0), (290, 6.1), (341, 7.2), (360, 4.0))) == (6.1, 7.2)


def test_a_value_sent_with_the_last_or_first_message_counts(two: pd.DataFrame) -> None:
    """The messages that bound the silence belong to its sides."""
    assert around(two, sent((SILENT_FROM, 6.1), (SILENT_TO, 7.2))) == (6.1, 7.2)


def test_values_older_than_ten_days_say_nothing(two: pd.DataFrame) -> None:
    """9.9 days still count, 10.1 do not, on either side."""
    near = around(two, sent((SILENT_FROM - 237.6, 6.1), (SILENT_TO + 237.6, 7.2)))
    far = around(two, sent((SILENT_FROM - 242.4, 6.1), (SILENT_TO + 242.4, 7.2)))
    assert near == (6.1, 7.2)
    assert all(value != value for value in far)


def test_another_ship_says_nothing_about_this_one(two: pd.DataFrame) -> None:
    """Draughts are taken from the ship's own messages alone."""
    assert all(value != value for value in around(two, sent((299, 6.1), (341, 7.2), mmsi=SIM_B)))


def test_an_open_silence_has_no_after(two: pd.DataFrame) -> None:
    """It has not come back: the value before it is known, the one after is not, even if rows of the future slip through."""
    open_id = two.loc[two["is_open"].astype(bool), "gap_id"].item()
    row = draughts.around(two, said(sent((341, 7.2), (600, 9.9)))).set_index("gap_id").loc[open_id]
    assert row["before_m"] == 7.2
    assert row["after_m"] != row["after_m"]


def test_without_any_draught_every_gap_still_has_its_row(two: pd.DataFrame) -> None:
    """Plain exports have no draught column at all."""
    rows = draughts.around(two, said(messages((300, *HERE))))
    assert sorted(rows["gap_id"]) == sorted(two["gap_id"])
    assert rows[["before_m", "after_m"]].isna().all().all()


def test_without_a_gap_there_is_no_row(two: pd.DataFrame) -> None:
    """Nothing in, nothing out."""
    assert draughts.around(two.iloc[:0], said(sent((299, 6.1)))).empty


HEARD = [*range(301), *range(340, 700)]
"""Hours at which something may be sent: a message inside the silence would have ended it."""


@given(
    st.lists(st.tuples(st.sampled_from(HEARD), st.integers(10, 200)), max_size=12, unique_by=lambda x: x[0]),
    st.randoms(),
)
def test_it_is_the_last_before_and_the_first_after_whatever_the_order(
    draughts_sent: list[tuple[int, int]], random: object
) -> None:
    """The plain rule, said again with max and min over a list; rows in any order. Days keep only the first and last time of each
    value, which is enough: a silence from one day to another has no value of the same day on its other side."""
    random.shuffle(draughts_sent)  # type: ignore[attr-defined]
    before = [x for x in draughts_sent if SILENT_FROM - 240 <= x[0] <= SILENT_FROM]
    after = [x for x in draughts_sent if SILENT_TO <= x[0] <= SILENT_TO + 240]
    wanted = (max(before)[1] / 10 if before else None, min(after)[1] / 10 if after else None)
    positions = sent(*((h, m / 10) for h, m in draughts_sent)) if draughts_sent else messages((300, *HERE))
    found = around(TWO, positions)
    assert tuple(None if x != x else x for x in found) == wanted


@pytest.mark.parametrize(
    ("before_and_after", "expected"),
    [
        (((2, 6.0), (5, 6.0), (13, 7.0), (20, 7.0)), (6.0, 7.0)),
        (((2, 6.0), (4, 5.5), (13, 7.0), (20, 6.0)), (6.0, 7.0)),
        (((2, 6.0), (4, 5.5), (13, 5.5), (20, 6.0)), (5.5, 5.5)),
    ],
)
def test_within_one_day_the_value_that_may_have_been_nearest_counts(
    before_and_after: tuple[tuple[float, float], ...], expected: tuple[float, float]
) -> None:
    """A silence from 5 to 13 h, heard with draughts on both sides on the same day. A day keeps when each value was sent first and
    last, not every time: a value on both sides reaches up to the silence for all anybody can tell, and of two of those the one
    that began last, and the one that ended first, is taken. Values on one side only are told apart exactly."""
    positions = messages(*((h, *HERE) for h in (0, 5, 13, 20)), row=100)
    segments, hours = river(positions)
    found = gaps.find(hours, segments, min_gap_h=8, as_of_utc=at(20), route=ROUTE)
    assert len(found) == 1
    row = draughts.around(found, said(sent(*before_and_after))).iloc[0]
    assert (row.before_m, row.after_m) == expected


TWO = silences()
