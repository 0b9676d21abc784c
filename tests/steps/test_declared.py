"""What was declared around a silence: the nearest value sent and none too old, the ports before and after, the registry."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import SIM_A, SIM_B, at, messages, river

from ghostships import routes, tables
from ghostships.steps import declared, gaps
from ghostships.traffic import Traffic

ROUTE = routes.load()
NO_STOPS = tables.empty_pandas(tables.STOPS)
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
    rows = declared.around(two, said(positions), NO_STOPS).set_index("gap_id")
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
    row = declared.around(two, said(sent((341, 7.2), (600, 9.9))), NO_STOPS).set_index("gap_id").loc[open_id]
    assert row["before_m"] == 7.2
    assert row["after_m"] != row["after_m"]


def test_without_any_draught_every_gap_still_has_its_row(two: pd.DataFrame) -> None:
    """Plain exports have no draught column at all."""
    rows = declared.around(two, said(messages((300, *HERE))), NO_STOPS)
    assert sorted(rows["gap_id"]) == sorted(two["gap_id"])
    assert rows[["before_m", "after_m"]].isna().all().all()


def test_without_a_gap_there_is_no_row(two: pd.DataFrame) -> None:
    """Nothing in, nothing out."""
    assert declared.around(two.iloc[:0], said(sent((299, 6.1))), NO_STOPS).empty


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
    row = declared.around(found, said(sent(*before_and_after)), NO_STOPS).iloc[0]
    assert (row.before_m, row.after_m) == expected


TWO = silences()


def stop(port: str, came_h: float, left_h: float) -> dict[str, object]:
    return {
        "vessel_key": f"mmsi:{SIM_A}",
        "segment_id": "S-1",
        "port": port,
        "start_utc": at(came_h),
        "end_utc": at(left_h),
    }


def ports(two: pd.DataFrame, *stops: dict[str, object]) -> tuple[object, object]:
    """Last and next port of the closed gap."""
    stays = tables.to_pandas(pd.DataFrame(list(stops), columns=tables.STOPS.names), tables.STOPS) if stops else NO_STOPS
    rows = declared.around(two, said(messages((300, *HERE))), stays).set_index("gap_id")
    closed = two.loc[~two["is_open"].astype(bool), "gap_id"].item()
    last, following = rows.at[closed, "last_port"], rows.at[closed, "next_port"]
    return tuple(port if isinstance(port, str) else None for port in (last, following))  # type: ignore[return-value]


def test_the_ports_are_the_last_left_and_the_first_reached(two: pd.DataFrame) -> None:
    """Of several stops the nearest on each side."""
    stops = (stop("BUSAN", 100, 200), stop("NAKHODKA", 210, 280), stop("DUNAY", 350, 360), stop("VOSTOCHNY", 370, 400))
    assert ports(two, *stops) == ("NAKHODKA", "DUNAY")


def test_passing_a_port_is_not_calling_there(two: pd.DataFrame) -> None:
    """Less than two hours within its radius; exactly two count."""
    assert ports(two, stop("BUSAN", 100, 200), stop("NAKHODKA", 280, 281.9)) == ("BUSAN", None)
    assert ports(two, stop("BUSAN", 100, 200), stop("NAKHODKA", 280, 282)) == ("NAKHODKA", None)


def test_a_port_left_too_long_before_or_reached_too_long_after_says_nothing(two: pd.DataFrame) -> None:
    """Ten days before, two days after."""
    near = ports(two, stop("BUSAN", 10, SILENT_FROM - 239), stop("DUNAY", SILENT_TO + 47, 700))
    far = ports(two, stop("BUSAN", 10, SILENT_FROM - 241), stop("DUNAY", SILENT_TO + 49, 700))
    assert near == ("BUSAN", "DUNAY")
    assert far == (None, None)


def test_a_silence_that_begins_and_ends_in_port_has_these_ports() -> None:
    """Where it vanished counts before where it stopped earlier."""
    found = silences()
    found["start_port"], found["end_port"] = "VOSTOCHNY", "VLADIVOSTOK"
    assert ports(found, stop("BUSAN", 100, 200), stop("DUNAY", 350, 360)) == ("VOSTOCHNY", "VLADIVOSTOK")


def test_the_destination_is_the_nearest_on_each_side(two: pd.DataFrame) -> None:
    """As for draughts: older ones were overtaken, and none counts beyond ten days."""
    texts = [(40, "BUSAN"), (200, "KR PUS"), (299, "RU VYP"), (341, "FOR ORDERS"), (360, "NAKHODKA")]
    sent_texts = pl.concat([messages((h,), destination=text, row=n + 1) for n, (h, text) in enumerate(texts)])
    rows = declared.around(two, said(sent_texts), NO_STOPS).set_index("gap_id")
    closed = two.loc[~two["is_open"].astype(bool), "gap_id"].item()
    assert (rows.at[closed, "destination_before"], rows.at[closed, "destination_after"]) == ("RU VYP", "FOR ORDERS")
    open_id = two.loc[two["is_open"].astype(bool), "gap_id"].item()
    assert rows.at[open_id, "destination_before"] == "FOR ORDERS"
    assert not isinstance(rows.at[open_id, "destination_after"], str)


IMO = 9179842


def registered(*rows: dict[str, object], sent_as: dict[str, object]) -> tuple[bool | None, str | None]:
    """Whether the ship differs from these registry rows, and the sentence."""
    table = pd.DataFrame([{"source_row": f"r:{n}", **row} for n, row in enumerate(rows)], columns=tables.REGISTRY.names)
    registry = tables.to_pandas(table, tables.REGISTRY)
    positions = messages((300, *HERE), **sent_as)  # type: ignore[arg-type]
    row = declared.around(TWO, said(positions), NO_STOPS, registry).iloc[0]
    differs = row["registry_differs"]
    says = row["registry_says"]
    return None if pd.isna(differs) else bool(differs), says if isinstance(says, str) else None


def test_a_ship_is_compared_with_the_row_of_its_imo_number_before_that_of_its_mmsi() -> None:
    """MMSIs are given anew with a flag; the hull number stays."""
    rows = ({"imo": IMO, "length_m": 118.0}, {"mmsi": SIM_A, "length_m": 90.0})
    assert registered(*rows, sent_as={"imo": IMO, "length_m": 118.0})[0] is False
    assert registered(*rows, sent_as={"imo": IMO, "length_m": 90.0})[0] is True
    assert registered(*rows, sent_as={"length_m": 90.0})[0] is False


def test_a_ship_differs_only_from_what_no_row_holds() -> None:
    """A list may hold a former name beside the registry's present one."""
    rows = ({"imo": IMO, "vessel_name": "SIM HARE"}, {"imo": IMO, "vessel_name": "SIM OLD HARE", "list": "SIM-LIST"})
    for name, differs in (("SIM HARE", False), ("Sim Old-Hare", False), ("SIM FOX", True)):
        assert registered(*rows, sent_as={"imo": IMO, "vessel_name": name})[0] is differs


def test_a_ship_that_no_row_names_by_number_is_compared_with_none() -> None:
    """A name alone never ties a ship to a row: names are shared."""
    assert registered({"vessel_name": "SIM HARE", "length_m": 90.0}, sent_as={"vessel_name": "SIM HARE"}) == (
        None,
        None,
    )
    assert registered(sent_as={"imo": IMO}) == (None, None)


def test_the_order_of_registry_rows_changes_nothing() -> None:
    """A list sorted otherwise says the same, in the same words."""
    rows = [
        {"imo": IMO, "vessel_name": name, "length_m": m}
        for name, m in (("SIM A", 90.0), ("SIM B", 150.0), ("SIM C", 120.0))
    ]
    sent_as = {"imo": IMO, "vessel_name": "SIM FOX", "length_m": 105.0}
    assert registered(*rows, sent_as=sent_as) == registered(*rows[::-1], sent_as=sent_as)
    assert registered(*rows, sent_as=sent_as)[0] is True
