"""Container stacks at the dark port from look to look: one that grew, vanished or was built anew bounds a call that nobody saw.

    look      17 Oct: 90 m of boxes            21 Oct: "new stack", 80 m
              |------- something took the one and brought the other -------|      a ship, if no picture shows one; or lorries

Boxes also come and go by road and rail, so this is weak evidence, and context where no silence covers the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ghostships.routes import Route

LEAST_CHANGE_M = 20.0
LEAST_CHANGE_SHARE = 0.2
"""Lengths of stacks are read to about 10 m: a change counts from both of these on (own judgement)."""

LONGEST_DAYS = 14.0
"""Looks further apart bound nothing: two calls a month fit between them (own judgement)."""

TOLD_SINCE_DAYS = 2.0
"""A source that tells of a change without an earlier look in the data compares with pictures of the days before (own judgement:
CSIS told on 16 October 2023 of changes over the 14th and 15th)."""

_SIZE = re.compile(r"(?<![\d.])(\d{2,3})\s?(?:m|metres?|meters?)\b", re.IGNORECASE)
_CHANGE = re.compile(
    r"\b(new stacks?|grew|growing|grown|vanished|gone|removed|cleared|shr[aiu]nk|changes|changed)\b", re.IGNORECASE
)
_NO_CHANGE = re.compile(r"\b(no|not|without|un)[\s-]?(new|changes?|changed)\b", re.IGNORECASE)

COLUMNS = ("start_utc", "end_utc", "berth", "is_changed", "explained_by", "because")


@dataclass(frozen=True)
class _Look:
    sighting_id: str
    start: pd.Timestamp
    end: pd.Timestamp
    berth: str | None
    length_m: float | None
    told: str | None
    """The word of change in the source's remark."""


def compare(sightings: pd.DataFrame, port_calls: pd.DataFrame, *, route: Route) -> pd.DataFrame:
    """Times between looks at stacks of the dark port, each with whether they changed.

    One row per two looks at one berth within `LONGEST_DAYS`, and per look whose source tells of a change by itself: `start_utc`,
    `end_utc`, `berth`, `is_changed`, `explained_by` (ids of the calls that pictures show in that time, joined by `|`, else null),
    `because`. Looks are sightings of type `containers`; the length of a stack is their `length_m`, else the first length in metres
    in their note. Words of change ("new stack", "growing") are read in English only.

    Limits: what a call changed is not told from what another one did; a stack that was taken and built again to the same length
    in between looks unchanged.
    """
    here = [_look(row) for row in _of_dark_port(sightings, route).to_dict("records")]
    looks = sorted(here, key=lambda look: (look.start, look.end, look.sighting_id))
    calls = port_calls[port_calls["port"].map(lambda text: route.dark_port_id in str(text).split("|")).astype(bool)]
    rows: list[dict[str, object]] = []
    before: dict[str | None, _Look] = {}
    for look in looks:
        last = before.get(look.berth)
        if last is not None and look.end - last.start > pd.Timedelta(days=LONGEST_DAYS):
            last = None
        compared = _compared(last, look)
        if compared is not None:
            is_changed, because = compared
            start = last.start if last is not None else look.start - pd.Timedelta(days=TOLD_SINCE_DAYS)
            shown = _shown_between(calls, start, look.end) if is_changed else None
            rows.append(dict(zip(COLUMNS, (start, look.end, look.berth, is_changed, shown, because), strict=True)))
        before[look.berth] = look
    return pd.DataFrame(rows, columns=list(COLUMNS))


def untold(stacks: pd.DataFrame, *, route: Route) -> list[str]:
    """Sentences on changes that no picture of a ship explains."""
    open_ = stacks[stacks["is_changed"].astype(bool) & stacks["explained_by"].isna()] if len(stacks) else stacks
    return [
        f"container stacks at {route.dark_port.name} changed between {row.start_utc:%Y-%m-%d %H:%M} and "
        f"{row.end_utc:%Y-%m-%d %H:%M} UTC and no picture shows a ship then: consistent with a call that nobody saw, or with "
        f"lorries or trains ({row.because})"
        for row in open_.itertuples(index=False)
    ]


def _of_dark_port(sightings: pd.DataFrame, route: Route) -> pd.DataFrame:
    return sightings[(sightings["observation_type"] == "containers") & (sightings["port"] == route.dark_port_id)]


def _look(row: dict[Any, Any]) -> _Look:
    # What follows the first bar is the source's own matter (title, date, confidence), not what was seen.
    note = str(row["note"]).split(" | ")[0] if isinstance(row["note"], str) else ""
    size = _SIZE.search(note)
    measured = row["length_m"]
    length = float(measured) if measured == measured and measured is not None else float(size[1]) if size else None
    word = None if _NO_CHANGE.search(note) else _CHANGE.search(note)
    berth = row["berth"] if isinstance(row["berth"], str) else None
    return _Look(
        str(row["sighting_id"]), row["start_utc"], row["end_utc"], berth, length, word[0].lower() if word else None
    )


def _compared(last: _Look | None, look: _Look) -> tuple[bool, str] | None:
    """Whether the stack changed since the last look, and why that is said; None where nothing can be said."""
    if look.told is not None:
        since = f", since {last.sighting_id}" if last is not None else ""
        return True, f'{look.sighting_id} tells of a change ("{look.told}"){since}'
    if last is None or last.length_m is None or look.length_m is None:
        return None
    change = look.length_m - last.length_m
    least = max(LEAST_CHANGE_M, LEAST_CHANGE_SHARE * max(last.length_m, look.length_m))
    sizes = f"{last.length_m:.0f} m in {last.sighting_id}, {look.length_m:.0f} m in {look.sighting_id}"
    return abs(change) >= least, f"stack of {sizes}"


def _shown_between(calls: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> str | None:
    """Calls that pictures show between two times: seen there at some instant of them."""
    seen = calls[(calls["arrival_not_after_utc"] <= end) & (calls["departure_not_before_utc"] >= start)]
    # A call in a window of days may have been seen before or after: arrival_not_after may then follow departure_not_before.
    return "|".join(sorted(seen["call_id"])) or None
