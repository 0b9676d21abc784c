"""Every change of a flag from one night to the next, with a reason and the delivery that caused it.

The table of revisions is the only memory: the last row of each flag says how it was last published. A silence is followed by
trip, else by its gaps, else by ship and time, so that a flag whose gap gets another start goes on under its new id.

    night 7   T-1 flagged   new        --> T-1 is current
    night 9   T-1 changed   late_data  --> now_trip_id T-2: a late file moved the start of the silence
    night 12  T-2 withdrawn correction --> listed for ever, not current
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd

from ghostships import tables

CHANGED_BY_P = 0.01
"""A flag whose probability moved less since its last row has not changed for a reader: pages show two digits."""

NEAR = timedelta(days=1)
"""What came for the day before or after a silence may have made or ended it."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Arrived:
    """A delivery or list that counts since this night. `days` None: it belongs to no time (a watch list).

    `is_correction`: it replaced something that counted before.
    """

    prefix: str
    name: str
    days: frozenset[date] | None
    is_correction: bool = False


@dataclass(frozen=True)
class Causes:
    """All that is different since the generation before. `config` and `upgrade` say in words what changed, empty: nothing."""

    arrived: tuple[Arrived, ...] = ()
    config: str = ""
    upgrade: str = ""
    as_of_before_utc: datetime | None = None

    @property
    def in_words(self) -> str:
        """Everything that may have played a part."""
        parts = [f"{len(self.arrived)} deliveries or lists came"] if self.arrived else []
        parts += [f"settings: {self.config}"] if self.config else []
        parts += [f"program: {self.upgrade}"] if self.upgrade else []
        return "; ".join(parts) or "nothing came"


def compare(
    history: pd.DataFrame,
    round_trips: pd.DataFrame,
    causes: Causes,
    *,
    night: int,
    as_of_utc: datetime,
    from_utc: datetime,
    gaps: pd.DataFrame,
    speaks_of: Callable[[str, Row], bool] | None = None,
) -> pd.DataFrame:
    """The history with the rows of this night added (`tables.REVISIONS`). Nothing changed: the history as it is.

    Parameters
    ----------
    history : the table of the generation before
    round_trips : the trips now
    from_utc : start of the look-back window; a flag whose silence began before it has aged
    gaps : the silences now; where a trip is not listed any more, they still say whether its silence has ended
    speaks_of : of several deliveries that came for the time of a flag, whether the one with this prefix has rows of its ship in
        the silence; without it all of them are named
    """
    published = _as_last_published(history)
    listed = _rows(round_trips)
    now = {str(row["trip_id"]): row for row in listed if row["is_flagged"]}
    followed = _follow(published, listed)
    ends = dict(zip(gaps["gap_id"], gaps["end_utc"], strict=True))
    out: list[Row] = []
    taken: set[str] = set()
    for key in sorted(published):
        before = published[key]
        here = followed.get(key)
        is_flagged_now = here is not None and str(here["trip_id"]) in now
        if is_flagged_now:
            assert here is not None
            taken.add(str(here["trip_id"]))
            change = _change(before, here)
        elif before["change"] in ("withdrawn", "aged"):
            change = None
        else:
            change = "aged" if here is None and before["dark_start_utc"] < from_utc else "withdrawn"
        if change is not None:
            end = (
                here["dark_end_utc"] if here else _plain(ends.get(before["gap_ids"][-1])) if before["gap_ids"] else None
            )
            out.append(_row(key, before, here, change, causes, night, as_of_utc, end, speaks_of))
    for trip_id in sorted(set(now) - taken):
        end = now[trip_id]["dark_end_utc"]
        out.append(_row(trip_id, None, now[trip_id], "flagged", causes, night, as_of_utc, end, speaks_of))
    if not out:
        return history
    return tables.to_pandas(pd.concat([history, _frame(out)], ignore_index=True), tables.REVISIONS)


def current(history: pd.DataFrame) -> set[str]:
    """Ids of the trips that are flagged according to the table: what `round_trips` must flag."""
    return {key for key, row in _as_last_published(history).items() if row["change"] not in ("withdrawn", "aged")}


def since(history: pd.DataFrame, night: int) -> pd.DataFrame:
    """The rows of all nights after this one."""
    return history[history["night"] > night]


def renamed(history: pd.DataFrame) -> list[list[str]]:
    """Which flag goes on under which id, by old id: what was decided on the old one is shown on the new one."""
    became = {
        str(row["trip_id"]): str(row["now_trip_id"])
        for row in _rows(history.sort_values(["night", "trip_id"], kind="stable"))
        if row["now_trip_id"] is not None and row["now_trip_id"] != row["trip_id"]
    }
    return [list(pair) for pair in sorted(became.items())]


def for_page(history: pd.DataFrame, night: int) -> list[Row]:
    """What changed in this night, as the manifest and the page have it: new flags first, then what is gone, then the rest."""
    order = {change: n for n, change in enumerate(("flagged", "returned", "withdrawn", "changed", "aged"))}
    names = (
        "trip_id",
        "now_trip_id",
        "change",
        "reason",
        "p_before",
        "p_after",
        "vessel_key",
        "vessel_name",
        "because",
    )
    rows = sorted(_rows(history[history["night"] == night]), key=lambda row: (order[row["change"]], row["trip_id"]))
    return [
        {name: row[name] for name in names}
        | {"delivery": list(row["delivery"])}
        | {name: _iso(row[name]) for name in ("dark_start_utc", "dark_end_utc")}
        for row in rows
    ]


def _as_last_published(history: pd.DataFrame) -> dict[str, Row]:
    """The last row of every flag, by the id under which it was last published."""
    last: dict[str, Row] = {}
    for row in _rows(history.sort_values(["night", "trip_id"], kind="stable")):
        last.pop(str(row["trip_id"]), None)
        last[str(row["now_trip_id"] or row["trip_id"])] = row
    return last


def _follow(published: dict[str, Row], listed: Sequence[Row]) -> dict[str, Row]:
    """For each flag ever published the trip of the same silence now: by id, by gap, by ship and time; each trip once."""
    found: dict[str, Row] = {}
    free = {str(row["trip_id"]): row for row in listed}
    for key in sorted(set(published) & set(free)):
        found[key] = free.pop(key)
    # What is current finds its successor before what was withdrawn long ago.
    waiting = sorted(set(published) - set(found), key=lambda k: (published[k]["change"] in ("withdrawn", "aged"), k))
    for fits in (_shares_a_gap, _overlaps):
        for key in [key for key in waiting if key not in found]:
            before = published[key]
            rivals = [row for row in free.values() if row["vessel_key"] == before["vessel_key"] and fits(before, row)]
            if before["vessel_key"] is None or not rivals:
                continue
            best = min(
                rivals, key=lambda row: (row["cycle"] != before["cycle"], -_overlap_s(before, row), row["trip_id"])
            )
            found[key] = free.pop(str(best["trip_id"]))
    return found


def _shares_a_gap(before: Row, row: Row) -> bool:
    return bool(set(before["gap_ids"]) & set(row["gap_ids"]))


def _overlaps(before: Row, row: Row) -> bool:
    return _overlap_s(before, row) > 0


def _overlap_s(one: Row, other: Row) -> float:
    """Seconds that two silences have in common; an open one has no end."""
    if one["dark_start_utc"] is None or other["dark_start_utc"] is None:
        return 0.0
    never = datetime.max.replace(tzinfo=UTC)
    start = max(one["dark_start_utc"], other["dark_start_utc"])
    end = min(one["dark_end_utc"] or never, other["dark_end_utc"] or never)
    return max(0.0, float((end - start).total_seconds()))


def _change(before: Row, here: Row) -> str | None:
    """How a flag that is flagged now differs from how it was last published; None when no reader would see it."""
    if before["change"] in ("withdrawn", "aged"):
        return "returned"
    same = (
        str(here["trip_id"]) == str(before["now_trip_id"])
        and all(here[name] == before[name] for name in ("vessel_key", "dark_start_utc", "dark_end_utc"))
        and here["tier"] == before["tier_after"]
        # In whole millionths, as the tables have them: 0.95 - 0.94 is not 0.01 in binary.
        and abs(round(here["p_trip"] * 1e6) - round(before["p_after"] * 1e6)) < CHANGED_BY_P * 1e6
    )
    return None if same else "changed"


def _row(
    key: str,
    before: Row | None,
    here: Row | None,
    change: str,
    causes: Causes,
    night: int,
    as_of_utc: datetime,
    end_utc: datetime | None,
    speaks_of: Callable[[str, Row], bool] | None,
) -> Row:
    shown = here if here is not None else before
    assert shown is not None
    if change == "aged":
        reason, delivery = "closed", list[str]()
    else:
        reason, delivery = _reason(before, here, change, causes, end_utc, speaks_of)
    p_before = before["p_after"] if before else None
    p_after = here["p_trip"] if here else None
    return {
        "night": night,
        "trip_id": key,
        "now_trip_id": str(here["trip_id"]) if here else None,
        "as_of_utc": as_of_utc,
        "change": change,
        "reason": reason,
        "delivery": delivery,
        "p_before": p_before,
        "p_after": p_after,
        "tier_before": before["tier_after"] if before else None,
        "tier_after": here["tier"] if here else None,
        **{
            name: shown[name]
            for name in ("vessel_key", "mmsi", "vessel_name", "dark_start_utc", "dark_end_utc", "gap_ids", "cycle")
        },
        "because": _because(key, here, change, reason, delivery, p_before, p_after, causes),
    }


def _reason(
    before: Row | None,
    here: Row | None,
    change: str,
    causes: Causes,
    end_utc: datetime | None,
    speaks_of: Callable[[str, Row], bool] | None,
) -> tuple[str, list[str]]:
    """The first reason that holds, from what touches this silence to what moves everything, and its deliveries."""
    spans = [row for row in (before, here) if row is not None]
    near = [one for one in causes.arrived if any(_touches(one, row) for row in spans)]
    last = causes.as_of_before_utc
    # A silence that was over by the last as-of could have been weighed then: something else must have changed.
    is_recent = last is None or end_utc is None or end_utc >= last

    def named(candidates: list[Arrived]) -> list[str]:
        if len(candidates) > 1 and speaks_of is not None:
            speaking = [one for one in candidates if any(speaks_of(one.prefix, row) for row in spans)]
            candidates = speaking or candidates
        return sorted({one.prefix for one in candidates})

    corrections = [one for one in near if one.is_correction]
    late = [one for one in near if last is not None and any(_touches(one, row, before_utc=last) for row in spans)]
    if change == "flagged" and is_recent and not corrections:
        return "new", named(near or list(causes.arrived))
    if before and before["dark_end_utc"] is None and end_utc is not None and is_recent:
        return "closed", named(near or list(causes.arrived))
    if corrections:
        return "correction", named(corrections)
    if late:
        return "late_data", named(late)
    if causes.upgrade:
        return "upgrade", []
    if causes.config:
        return "config", []
    if causes.arrived:
        replaced = [one for one in causes.arrived if one.is_correction]
        return (
            ("correction", named(replaced))
            if replaced and not near
            else ("new_data", named(near or list(causes.arrived)))
        )
    # With the same rows, settings and program only the as-of can differ; or the machine, which is what `upgrade` means then.
    return "as_of", []


def _touches(one: Arrived, row: Row, *, before_utc: datetime | None = None) -> bool:
    """Whether something came for the time of this silence, a day around it included (only days that ended before a time)."""
    if one.days is None or row["dark_start_utc"] is None:
        return False
    first = (row["dark_start_utc"] - NEAR).date()
    last = (row["dark_end_utc"] + NEAR).date() if row["dark_end_utc"] is not None else date.max
    if before_utc is not None:
        last = min(last, (before_utc - timedelta(microseconds=1)).date())
    return any(first <= day <= last for day in one.days)


_WORDS = {
    "new": "it happened since the last night",
    "new_data": "the new rows move what is estimated for the whole fleet",
    "late_data": "rows of that time came late",
    "correction": "rows of that time were replaced",
    "config": "the settings changed",
    "upgrade": "the program or its libraries changed",
    "closed": "the silence ended",
    "as_of": "nothing came, only time went on",
}


def _because(
    key: str,
    here: Row | None,
    change: str,
    reason: str,
    delivery: list[str],
    p_before: float | None,
    p_after: float | None,
    causes: Causes,
) -> str:
    """One sentence: what changed, from which number to which, and why."""
    if change == "aged":
        return (
            "its silence began before the look-back window, so it is no longer weighed: what was last published stands"
        )
    what = {
        "flagged": "newly flagged",
        "returned": "flagged again",
        "withdrawn": "no longer flagged",
        "changed": "changed",
    }[change]
    numbers = (
        f" (p {_shown(p_before)} before, {_shown(p_after)} now)" if p_before is not None else f" (p {_shown(p_after)})"
    )
    renamed = f", listed as {here['trip_id']} now" if here is not None and key != here["trip_id"] else ""
    by = f": {', '.join(delivery)}" if delivery else ""
    words = _WORDS[reason]
    if reason == "config":
        words += f" ({causes.config})"
    if reason == "upgrade":
        words += f" ({causes.upgrade})"
    others = [causes.config and f"settings ({causes.config})", causes.upgrade and f"program ({causes.upgrade})"]
    beside = [text for text, kind in zip(others, ("config", "upgrade"), strict=True) if text and kind != reason]
    return f"{what}{numbers}{renamed}, because {words}{by}" + (
        f"; also changed that night: {', '.join(beside)}" if beside else ""
    )


def _shown(p: float | None) -> str:
    """A probability in a sentence: never a certainty."""
    if p is None:
        return "none"
    return "over 0.99" if p > 0.99 else "under 0.01" if p < 0.01 else f"{p:.2f}"


def _rows(frame: pd.DataFrame) -> list[Row]:
    """Rows as plain values: a missing one is None, times are datetimes."""
    return [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return list(value)
    if value is None or pd.isna(value):
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


def _frame(rows: list[Row]) -> pd.DataFrame:
    columns = {name: [row[name] for row in rows] for name in tables.REVISIONS.names}
    return tables.to_pandas(pd.DataFrame(columns, dtype=object), tables.REVISIONS)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")
