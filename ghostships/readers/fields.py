"""Text fields of small lists become values, strictly: what cannot be read names the rule it breaks, and is never
guessed.

"2025-02-20T02:01:00Z"  an instant        "2025-02-20"  that local day        "20/02/2025"  refused: day or month first?
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.readers import records
from ghostships.readers.shapes import Aliases, Shape

DAYLIGHT_LOCAL_H = (6, 18)
"""Hours of a local day in which an optical picture is taken [h]; sun-synchronous imaging satellites pass at 09:00 to
15:00."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)\s*(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
)
_SCENE_TIME = re.compile(r"(?<!\d)(20\d{6})[T_]?(\d{6})(?!\d)")


class Broken(ValueError):
    """A field that cannot be used; the message is the rule's name."""


def number(values: dict[str, str], name: str, low: float, high: float) -> float | None:
    """A finite number within `low` and `high`, None when the field is empty.

    Raises
    ------
    Broken
        `<name>_number` or `<name>_range`.
    """
    text = values.get(name, "")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise Broken(f"{name}_number")
    value = float(text)
    if not low <= value <= high:
        raise Broken(f"{name}_range")
    return value


def imo(values: dict[str, str]) -> int | None:
    """An IMO number with a valid check digit (IMO A.1117(30)), None when the field is empty."""
    text = re.sub(r"^IMO[\s:]*", "", values.get("imo", ""), flags=re.IGNORECASE)
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{6}", text):
        raise Broken("imo_number")
    if sum(int(d) * w for d, w in zip(text, range(7, 1, -1), strict=False)) % 10 != int(text[6]):
        raise Broken("imo_check_digit")
    return int(text)


def mmsi(values: dict[str, str]) -> int | None:
    """Nine digits, kept as they are: a shorter number is not padded and a spreadsheet's 2.73E+08 is not repaired."""
    text = values.get("mmsi", "")
    if not text:
        return None
    if not re.fullmatch(r"\d{9}", text):
        raise Broken("mmsi_number")
    return int(text)


def yes_or_no(values: dict[str, str], name: str) -> bool | None:
    """True, false, or None when the field is empty."""
    text = values.get(name, "").casefold()
    if not text:
        return None
    if text not in _YES_OR_NO:
        raise Broken(f"{name}_value")
    return _YES_OR_NO[text]


_YES_OR_NO = {**dict.fromkeys(("true", "yes", "1"), True), **dict.fromkeys(("false", "no", "0"), False)}


def is_date(text: str) -> bool:
    """True for a date without a time."""
    return bool(_DATE.fullmatch(text))


def instant(text: str, name: str) -> datetime:
    """An instant in UTC. Without an offset the text is taken as UTC, as everywhere in the product."""
    found = _INSTANT.fullmatch(text.strip())
    if not found:
        raise Broken(f"{name}_format")
    date, clock, zone = found.groups()
    sign = zone if zone and zone[0] in "+-" else "+00:00"
    if len(sign) == 5 and ":" not in sign:
        sign = f"{sign[:3]}:{sign[3:]}"
    whole, _, part = clock.partition(".")
    try:
        value = datetime.fromisoformat(f"{date}T{whole}{sign}")
        micro = int((part + "000000")[:6]) if part else 0
        return value.astimezone(UTC).replace(microsecond=micro)
    except (ValueError, OverflowError) as error:
        raise Broken(f"{name}_format") from error


def local_day(first: str, last: str, utc_offset_h: float, *, daylight: bool) -> tuple[datetime, datetime]:
    """The UTC window of the local days `first` to `last`: whole days to their last second, or daylight hours only."""
    try:
        start, end = (datetime.fromisoformat(t).replace(tzinfo=UTC) for t in (first, last))
        shift = timedelta(hours=utc_offset_h)
        if daylight:
            low, high = DAYLIGHT_LOCAL_H
            return start + timedelta(hours=low) - shift, end + timedelta(hours=high) - shift
        return start - shift, end + timedelta(days=1, seconds=-1) - shift
    except (ValueError, OverflowError) as error:
        raise Broken("date_format") from error


def scene_times(scene_id: str) -> tuple[datetime, datetime] | None:
    """Start and end of a picture as written in its name (Sentinel: `S1B_..._20211130T025211_20211130T025236_...`)."""
    found = []
    for day, clock in _SCENE_TIME.findall(scene_id)[:2]:
        try:
            found.append(datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=UTC))
        except ValueError:
            continue
    if not found:
        return None
    # A second stamp far from the first is when the picture was processed, not when it was taken.
    last = found[-1] if timedelta(0) <= found[-1] - found[0] <= timedelta(minutes=30) else found[0]
    return found[0], last


def sensor_of(scene_id: str | None) -> str | None:
    """The sensor that a picture's name gives away: Sentinel-1 and -2 product names start with the platform."""
    found = re.match(r"S([12])[A-D]_", scene_id or "")
    return None if not found else f"Sentinel-{found.group(1)}"


def names_of(found: records.Records, aliases: Aliases, shape: Shape | None) -> dict[str, str]:
    """Which of our fields each column is; the names of a recognised shape go before the usual ones."""
    if shape is None:
        return records.matched(found.columns, aliases)
    both = {ours: (*others, *aliases.get(ours, ())) for ours, others in shape.aliases.items()}
    return records.matched(found.columns, {**both, **{k: v for k, v in aliases.items() if k not in both}})


def unused(found: records.Records, names: dict[str, str], shape: Shape | None) -> list[str]:
    """A sentence for every column that is not used; for a publisher's shape, of which only a part ever is, one for all."""
    left = [c for c in found.columns if records.key(c) not in names]
    if shape is None:
        return [f"column {c!r} is not used" for c in left]
    said = [f"read as {shape.name}: {shape.title}"]
    if left:
        more = f" and {len(left) - UNUSED_NAMED} more" if len(left) > UNUSED_NAMED else ""
        said.append(f"columns not used: {len(left)}: {', '.join(map(repr, left[:UNUSED_NAMED]))}{more}")
    return said


UNUSED_NAMED = 8
"""Unused columns of a publisher's shape that are named; `inspect` lists them all."""

Make = Callable[[dict[str, str], str, list[str]], dict[str, object]]
"""Values, source row, notes -> one row."""


def rows_of(
    found: records.Records, names: dict[str, str], make: Make, notes: list[str]
) -> tuple[list[dict[str, object]], list[records.Record], list[tuple[int, str, bytes]]]:
    """Every record as a row made by `make`, the records behind them, and the records refused with the rule each broke."""
    rows: list[dict[str, object]] = []
    sources: list[records.Record] = []
    broken: list[tuple[int, str, bytes]] = []
    for record in found.rows:
        values = {names[k]: v for k, v in record.fields.items() if k in names}
        if record.kind:
            values[KIND_OF_ITEM] = record.kind
        try:
            if record.rule:
                raise Broken(record.rule)
            rows.append(make(values, f"{found.sha256[:12]}:{record.row}", notes))
            sources.append(record)
        except Broken as error:
            broken.append((record.row, str(error), record.raw))
    return rows, sources, broken


KIND_OF_ITEM = "kind of item"
"""Among the values of a record: what kind of item it is. With spaces, so that no column can have this name."""


def judged(
    found: records.Records,
    names: dict[str, str],
    table: tables.Table,
    identity: str,
    make: Make,
) -> tuple[pd.DataFrame, pl.DataFrame, records.ListAccount]:
    """Every record as a row of `table` made by `make`, or a reject with the rule it broke."""
    notes = unused(found, names, None)
    rows, sources, broken = rows_of(found, names, make, notes)
    kept, duplicate = records.once(rows, sources, identity, broken)
    return (
        framed(kept, table),
        records.rejects(found.sha256, broken),
        records.account(found, len(kept), duplicate, broken, notes),
    )


def framed(rows: list[dict[str, object]], table: tables.Table) -> pd.DataFrame:
    """Rows as the table, without what the table does not have."""
    return tables.to_pandas(pd.DataFrame(rows, columns=table.names), table) if rows else tables.empty_pandas(table)
