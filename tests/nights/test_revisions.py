"""Every change of a flag has a row, a reason and the delivery that caused it (law P5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostships import tables
from ghostships.nights import revisions
from ghostships.nights.revisions import Arrived, Causes

START = datetime(2024, 3, 1, tzinfo=UTC)
D = timedelta(days=1)
EMPTY = tables.empty_pandas(tables.REVISIONS)
NO_GAPS = tables.empty_pandas(tables.GAPS)


def _trip(
    trip_id: str = "T-1", *, p: float = 0.9, gap: str = "G-1", start: float = 10, end: float | None = 13, **other: Any
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(tables.ROUND_TRIPS.names)
    row |= {
        "trip_id": trip_id,
        "vessel_key": "mmsi:999000001",
        "vessel_name": "SIM HARE",
        "dark_port": "NAJIN",
        "dark_start_utc": START + start * D,
        "dark_end_utc": None if end is None else START + end * D,
        "gap_ids": [gap],
        "call_ids": [],
        "n_sightings": 0,
        "p_trip": p,
        "tier": "inferred",
        "is_flagged": p >= 0.5,
        "cycle": 1,
    }
    return row | other


def _frame(*rows: dict[str, Any]) -> pd.DataFrame:
    if not rows:
        return tables.empty_pandas(tables.ROUND_TRIPS)
    return pd.DataFrame(list(rows)).astype(
        {"dark_start_utc": "datetime64[us, UTC]", "dark_end_utc": "datetime64[us, UTC]"}
    )


def _night(
    history: pd.DataFrame,
    night: int,
    *rows: dict[str, Any],
    as_of: float = 20,
    gaps: pd.DataFrame = NO_GAPS,
    **causes: Any,
) -> pd.DataFrame:
    speaks_of = causes.pop("speaks_of", None)
    from_utc = causes.pop("from_utc", START - 300 * D)
    return revisions.compare(
        history,
        _frame(*rows),
        Causes(**causes),
        night=night,
        as_of_utc=START + as_of * D,
        from_utc=from_utc,
        gaps=gaps,
        speaks_of=speaks_of,
    )


def _days(*numbers: int) -> frozenset[date]:
    return frozenset((START + n * D).date() for n in numbers)


def _last(history: pd.DataFrame) -> dict[str, Any]:
    return {str(k): v for k, v in history.iloc[-1].to_dict().items()}


FLAGGED = _night(
    EMPTY, 1, _trip(), as_of=14, arrived=(Arrived("aaa", "13.csv", _days(13)),), as_of_before_utc=START + 13 * D
)


def test_a_new_flag_is_new_with_the_delivery_that_showed_it() -> None:
    """What happened since the last night needs no other reason."""
    row = _last(FLAGGED)
    assert (row["change"], row["reason"], list(row["delivery"])) == ("flagged", "new", ["aaa"])
    assert row["now_trip_id"] == "T-1"
    assert revisions.current(FLAGGED) == {"T-1"}


def test_a_night_without_a_change_adds_nothing() -> None:
    """Running again must not write history; neither must a movement that no page shows."""
    assert _night(FLAGGED, 2, _trip()) is FLAGGED
    assert _night(FLAGGED, 2, _trip(p=0.909)) is FLAGGED


def test_small_movements_cannot_add_up_unseen() -> None:
    """What counts is the distance from what was last written, not from last night."""
    history = FLAGGED
    for night, p in enumerate((0.906, 0.912, 0.918), start=2):
        history = _night(
            history, night, _trip(p=p), arrived=(Arrived("bbb", "x", _days(18)),), as_of_before_utc=START + 18 * D
        )
    assert len(history) == 2
    assert (_last(history)["p_before"], _last(history)["p_after"]) == (0.9, 0.912)


@pytest.mark.parametrize(
    ("now", "causes", "change", "reason", "delivery"),
    [
        ([], {"arrived": (Arrived("bbb", "late", _days(11)),)}, "withdrawn", "late_data", ["bbb"]),
        ([], {"arrived": (Arrived("bbb", "fix", _days(11), True),)}, "withdrawn", "correction", ["bbb"]),
        ([], {"config": "min_gap_h 6 to 100"}, "withdrawn", "config", []),
        ([], {"upgrade": "polars 1 to 2"}, "withdrawn", "upgrade", []),
        ([_trip(p=0.3)], {"arrived": (Arrived("bbb", "new", _days(19)),)}, "withdrawn", "new_data", ["bbb"]),
        ([_trip(p=0.7)], {}, "changed", "as_of", []),
        (
            [_trip(tier="seen")],
            {"arrived": (Arrived("bbb", "sightings/x", _days(12)),)},
            "changed",
            "late_data",
            ["bbb"],
        ),
    ],
)
def test_each_cause_has_its_reason(
    now: list[dict[str, Any]], causes: dict[str, Any], change: str, reason: str, delivery: list[str]
) -> None:
    """The analyst who quoted a flag must be told why it changed, and by which file."""
    row = _last(_night(FLAGGED, 2, *now, **causes, as_of_before_utc=START + 19 * D))
    assert (row["change"], row["reason"], list(row["delivery"])) == (change, reason, delivery)


def test_what_touches_the_silence_comes_before_what_moves_everything() -> None:
    """A late file of that very time and an upgrade in one night: the file is the reason, and the sentence names the rest."""
    row = _last(
        _night(
            FLAGGED,
            2,
            arrived=(Arrived("bbb", "late", _days(11)), Arrived("ccc", "today", _days(19))),
            upgrade="polars 1 to 2",
            as_of_before_utc=START + 19 * D,
        )
    )
    assert (row["reason"], list(row["delivery"])) == ("late_data", ["bbb"])
    assert "polars 1 to 2" in row["because"]


def test_of_several_late_files_the_one_with_the_ship_is_named() -> None:
    """Two lost days come at once: only one of them has the ship in it."""
    row = _last(
        _night(
            FLAGGED,
            2,
            arrived=(Arrived("bbb", "11", _days(11)), Arrived("ccc", "12", _days(12))),
            as_of_before_utc=START + 19 * D,
            speaks_of=lambda prefix, row: prefix == "ccc",
        )
    )
    assert list(row["delivery"]) == ["ccc"]


def test_a_silence_that_ends_is_closed() -> None:
    """The ship was heard again: the flag goes on under the same id, with an end."""
    open_flag = _night(EMPTY, 1, _trip(end=None), as_of=14)
    row = _last(
        _night(
            open_flag,
            2,
            _trip(p=0.8),
            as_of=15,
            arrived=(Arrived("bbb", "x", _days(13, 14)),),
            as_of_before_utc=START + 13 * D,
        )
    )
    assert (row["change"], row["reason"], list(row["delivery"])) == ("changed", "closed", ["bbb"])


def test_a_silence_that_ended_too_soon_for_a_trip_is_closed_too() -> None:
    """The trip has no row any more; the gap still says that the silence ended, and no file is called late for it."""
    open_flag = _night(EMPTY, 1, _trip(end=None), as_of=14)
    gap = dict.fromkeys(tables.GAPS.names) | {"gap_id": "G-1", "end_utc": pd.Timestamp(START + 13.5 * D)}
    row = _last(
        _night(
            open_flag,
            2,
            as_of=15,
            gaps=pd.DataFrame([gap]),
            arrived=(Arrived("bbb", "x", _days(13, 14)),),
            as_of_before_utc=START + 13 * D,
        )
    )
    assert (row["change"], row["reason"]) == ("withdrawn", "closed")


def test_a_flag_that_leaves_the_window_has_aged_and_is_not_withdrawn() -> None:
    """Nobody disproved it: it is only not weighed any more."""
    history = _night(FLAGGED, 2, as_of=400, from_utc=START + 30 * D, as_of_before_utc=START + 399 * D)
    row = _last(history)
    assert (row["change"], row["reason"], row["p_before"]) == ("aged", "closed", 0.9)
    assert revisions.current(history) == set()


def test_a_silence_is_followed_when_its_start_moves() -> None:
    """A late file has the ship heard an hour longer: gap and trip get other ids, the flag is the same."""
    moved = _trip("T-2", gap="G-2", start=10.1)
    history = _night(FLAGGED, 2, moved, arrived=(Arrived("bbb", "late", _days(10)),), as_of_before_utc=START + 19 * D)
    row = _last(history)
    assert (row["trip_id"], row["now_trip_id"], row["change"], row["reason"]) == ("T-1", "T-2", "changed", "late_data")
    assert revisions.current(history) == {"T-2"}
    assert _night(history, 3, moved) is history


def test_a_withdrawn_flag_can_return_and_stays_listed_until_then() -> None:
    """History is added to, never rewritten."""
    gone = _night(FLAGGED, 2, arrived=(Arrived("bbb", "fix", _days(11), True),), as_of_before_utc=START + 19 * D)
    assert _night(gone, 3) is gone
    back = _night(
        gone, 4, _trip(), arrived=(Arrived("ccc", "fix 2", _days(11), True),), as_of_before_utc=START + 19 * D
    )
    assert list(back["change"]) == ["flagged", "withdrawn", "returned"]
    assert (_last(back)["reason"], list(_last(back)["delivery"])) == ("correction", ["ccc"])


def test_cycles_of_one_silence_are_followed_each_for_itself() -> None:
    """Two calls in one silence are two flags that share a gap."""
    both = [_trip("T-1"), _trip("T-1b", cycle=2)]
    history = _night(EMPTY, 1, *both)
    moved = [_trip("T-2b", cycle=2, gap="G-2"), _trip("T-2", gap="G-2")]
    history = _night(history, 2, *moved, arrived=(Arrived("bbb", "late", _days(10)),), as_of_before_utc=START + 19 * D)
    assert dict(zip(history["trip_id"][2:], history["now_trip_id"][2:], strict=True)) == {"T-1": "T-2", "T-1b": "T-2b"}


def test_another_ship_never_inherits_a_flag() -> None:
    """A silence at the same time is not the same silence."""
    other = _trip("T-9", gap="G-9", vessel_key="mmsi:999000002")
    history = _night(FLAGGED, 2, other, arrived=(Arrived("bbb", "x", _days(11)),), as_of_before_utc=START + 19 * D)
    assert sorted(zip(history["trip_id"][1:], history["change"][1:], strict=True)) == [
        ("T-1", "withdrawn"),
        ("T-9", "flagged"),
    ]


def test_the_page_gets_the_changes_of_one_night_as_plain_values() -> None:
    """What the manifest carries must be JSON, new flags first."""
    (row,) = revisions.for_page(FLAGGED, 1)
    assert row["dark_start_utc"] == "2024-03-11T00:00:00Z"
    assert row["delivery"] == ["aaa"]
    assert revisions.for_page(FLAGGED, 2) == []


_TRIPS = st.lists(
    st.builds(
        lambda ship, start, length, p: _trip(
            f"T-{ship}-{start}",
            p=p,
            gap=f"G-{ship}-{start}",
            start=start,
            end=None if length is None else start + length,
            vessel_key=f"mmsi:99900000{ship}",
        ),
        st.integers(1, 2),
        st.integers(1, 12),
        st.one_of(st.none(), st.integers(1, 5)),
        st.sampled_from([0.2, 0.6, 0.9]),
    ),
    max_size=5,
    unique_by=lambda row: row["trip_id"],
)


@settings(max_examples=25)
@given(st.lists(st.tuples(_TRIPS, st.booleans(), st.booleans()), max_size=5))
def test_every_flag_ever_published_is_current_or_has_a_revision(
    nights: list[tuple[list[dict[str, Any]], bool, bool]],
) -> None:
    """Law P5, over any row of nights: nothing flagged is unknown, nothing ever flagged is lost, and nothing is twice current."""
    history, ever = EMPTY, set[str]()
    for number, (rows, has_arrived, is_other_program) in enumerate(nights, start=1):
        arrived = (Arrived(f"d{number}", "x", _days(*range(20))),) if has_arrived else ()
        upgrade = "a 1 to 2" if is_other_program else ""
        before = len(history)
        history = _night(history, number, *rows, arrived=arrived, upgrade=upgrade, as_of_before_utc=START + 19 * D)
        flagged = {row["trip_id"] for row in rows if row["is_flagged"]}
        ever |= flagged
        assert revisions.current(history) == flagged
        assert ever <= set(history["trip_id"]) | set(history["now_trip_id"].dropna())
        new = history.iloc[before:]
        assert not new.duplicated(list(tables.REVISIONS.key)).any()
        assert all(new["delivery"].map(len) > 0) or not has_arrived
        assert _night(history, number + 1, *rows) is history
