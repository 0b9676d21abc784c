"""Opportunities counted by hand: one ship, a few hours, every kind of step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
from messages import SIM_A, at, messages, river

from ghostships import sphere
from ghostships.inference import opportunities
from ghostships.inference.opportunities import KINDS

NONE = pd.DataFrame({"vessel_key": pd.Series(dtype="str"), "start_utc": pd.Series(dtype="datetime64[us, UTC]")})


def _count(
    positions: pl.DataFrame, gaps: pd.DataFrame = NONE
) -> tuple[opportunities.Tries, list[tuple[str, int]], np.ndarray]:
    rows = opportunities.placed(river(positions)[1])
    ids = np.unique(rows["place"].to_numpy())
    rows = rows.with_columns(
        cell=pl.Series(np.searchsorted(ids, rows["place"].to_numpy()), dtype=pl.Int64), ship=pl.lit(0, pl.Int64)
    )
    tries, silences = opportunities.count(rows, gaps, ids, n_ships=1)
    return tries, silences, ids


def _gap(start_h: float) -> pd.DataFrame:
    return pd.DataFrame({"vessel_key": [f"mmsi:{SIM_A}"], "start_utc": pd.DatetimeIndex([at(start_h)]).as_unit("us")})


def test_a_step_of_three_hours_is_three_opportunities_of_which_one_was_taken() -> None:
    """Heard at 0:30, 1:30, 4:30: one step of an hour, one of three; the first hour is no opportunity, nothing led to it."""
    tries, silences, ids = _count(
        messages(
            *(
                (
                    h + 0.5,
                    42.0,
                    132.0,
                )
                for h in (0, 1, 4)
            ),
            sog_kn=0.0,
        )
    )
    moored_a = int(np.searchsorted(ids, sphere.cell(42.0, 132.0))) * KINDS + 1
    assert tries.hour_slot.tolist() == [moored_a] * 4
    assert tries.hour_at.tolist() == [1, 2, 3, 4]
    assert tries.hour_heard.tolist() == [1, 0, 0, 1]
    assert tries.hour_tries.tolist() == [1, 1, 1, 1]
    assert sorted(zip(tries.ship_step_h.tolist(), tries.ship_steps.tolist(), strict=True)) == [(1, 1.0), (3, 1.0)]
    assert silences == []


def test_the_hours_of_a_silence_are_kept_apart_and_lie_along_its_course() -> None:
    """Four hours unheard from 42.0 to 43.0 N, a gap of the policy: hours 1 to 3 missed on the way, hour 4 heard at its end."""
    tries, silences, ids = _count(
        messages((0.5, 42.0, 132.05), (4.5, 43.0, 132.05), (5.5, 43.0, 132.05), sog_kn=10.0), _gap(0.5)
    )
    # Of the cells on the way only both ends hold a heard hour and are listed here: 42.25, 42.5 and 42.75 are not.
    assert [key for key, _ in silences] == [f"mmsi:{SIM_A}"]
    assert tries.n_silences == 1
    assert tries.silent_heard.tolist() == [True]
    assert tries.silent_at.tolist() == [4]
    assert tries.silent_slot.tolist() == [int(np.searchsorted(ids, sphere.cell(43.0, 132.05))) * KINDS]
    assert tries.hour_at.tolist() == [5]


def test_a_ship_that_lay_still_before_and_after_lay_still_between() -> None:
    """Missed hours of a moored ship are moored ones; with a moving end they count as under way. Class B has kinds of its own."""
    still = messages((0.5, 42.0, 132.05), (3.5, 42.0, 132.05), sog_kn=0.1, ais_class="B")
    assert set(_count(still, _gap(0.5))[0].silent_slot % KINDS) == {3}
    left = pl.concat([messages((0.5, 42.0, 132.05), sog_kn=0.1), messages((3.5, 42.0, 132.05), sog_kn=9.0, row=50)])
    assert set(_count(left, _gap(0.5))[0].silent_slot % KINDS) == {0}
    berthed = pl.concat([messages((0.5, 42.0, 132.05), sog_kn=9.0), messages((3.5, 42.0, 132.05), sog_kn=0.1, row=50)])
    tries = _count(berthed, _gap(0.5))[0]
    assert (tries.silent_slot % KINDS).tolist() == [0, 0, 1]


def test_no_hours_are_no_opportunities() -> None:
    """A run without AIS goes through the same river."""
    tries, silences, _ = _count(messages((0.5, 42.0, 132.0)).clear())
    assert (tries.n_hours, tries.n_silences, silences) == (0, 0, [])
    assert len(tries.hour_slot) == len(tries.silent_slot) == 0
