"""How a dossier writes a time, a probability, a ship: the same in every sentence, and never a certainty."""

from __future__ import annotations

from typing import Any

from ghostships.dossier.case import Case
from ghostships.dossier.document import Words, name, words

Row = dict[str, Any]

CANNOT_SAY = "cannot say"
NOBODY = "a ship that nobody could name"


def when(time: str | None) -> str:
    """A time to the second, in UTC."""
    return "not known" if time is None else f"{time[:10]} {time[11:19] or '00:00:00'} UTC"


def probability(p: float | None) -> str:
    """A probability to three digits, never a certainty."""
    if p is None:
        return CANNOT_SAY
    return "above 0.999" if p > 0.9995 else "below 0.001" if p < 0.0005 else f"{p:.3f}"


def number(value: float | None, unit: str = "", *, digits: int = 1) -> str:
    """A measured value with its unit; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f} {unit}".strip()


def ship(row: Row) -> str:
    """A ship by its name and numbers."""
    numbers = [f"{label} {row[key]}" for label, key in (("MMSI", "mmsi"), ("IMO", "imo")) if row.get(key)]
    numbers = numbers or ([name(row["vessel_key"])] if row.get("vessel_key") else [])
    if not numbers and not row.get("vessel_name"):
        return NOBODY
    return f"{name(row.get('vessel_name') or 'ship without a name')} ({', '.join(numbers) or 'no number'})"


def named(case: Case, vessel_key: str | None) -> str:
    """A ship of the run by its key."""
    row = next((one for one in case.rows("vessels") if one["vessel_key"] == vessel_key), None)
    return ship(row) if row else name(vessel_key)


def window(row: Row) -> str:
    """When a sighting was, or between which times it was at some unknown moment."""
    start, end = when(row["start_utc"]), when(row["end_utc"])
    return start if start == end else f"at one unknown moment between {start} and {end}"


def spread(row: Row) -> str:
    """A length with its standard error."""
    if row["length_m"] is None:
        return "-"
    return f"{row['length_m']:.0f} m" + (
        f" +- {row['length_sigma_m']:.0f} m" if row["length_sigma_m"] is not None else ""
    )


def pair_rows(rows: list[tuple[str, str]]) -> tuple[tuple[Words, ...], ...]:
    """Rows of a table of two columns."""
    return tuple(plain_row(*row) for row in rows)


def plain_row(*cells: str) -> tuple[Words, ...]:
    """A row of cells without citations."""
    return tuple(words(cell) for cell in cells)
