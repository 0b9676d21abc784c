"""The throughput as two drawings: months (seen, estimated, inferred), and what others claim beside what pictures carry.

Places of marks only; the template draws them, and the same numbers stand in the table beside it for those who cannot see them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ghostships.report import text

Row = Mapping[str, Any]

WIDTH = 960
"""Of both drawings [user units]; the page scales them to its own width."""

_LEFT, _RIGHT, _TOP, _HIGH = 44, 14, 14, 150
_WIDEST_MONTH = 110
_LABEL, _LINE = 372, 19
_LABEL_LETTERS = 52
_MONTH = re.compile(r"\d{4}-\d{2}")
_KINDS = ("seen", "estimated", "inferred")
_BESIDE = "seen beside the claim of "


def months(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Our own counts by month: bars, points and their intervals; None where no month has a count.

    A count that is null has no mark: it is not zero.
    """
    own: dict[str, dict[str, Row]] = {}
    for row in rows:
        period = str(row["period_start"])
        kind = next((k for k in _KINDS if str(row["definition"]).startswith(k)), None)
        if row["source"] == "ghostships" and period == row["period_end"] and _MONTH.fullmatch(period) and kind:
            own.setdefault(period, {})[kind] = row
    numbers = [n for kinds in own.values() for row in kinds.values() for n in _numbers(row)]
    if not numbers:
        return None
    step, top = _scale(max(numbers))
    wide = min(_WIDEST_MONTH, (WIDTH - _LEFT - _RIGHT) / len(own))

    def y(value: float) -> float:
        return round(_TOP + _HIGH * (1 - value / top), 1)

    columns = []
    # A year of labels fits side by side; of more, every so many are written.
    every = max(1, math.ceil(54 / wide))
    for n, (period, kinds) in enumerate(sorted(own.items())):
        middle = _LEFT + wide * (n + 0.5)
        marks = [
            {
                "kind": kind,
                "x": round(middle + (_KINDS.index(kind) - 1) * wide * 0.25, 1),
                "y": None if row["n_calls"] is None else y(row["n_calls"]),
                "said": None if row["n_calls"] is None else f"{row['n_calls']:g}",
                "low": None if row["n_calls_low"] is None else y(row["n_calls_low"]),
                "high": None if row["n_calls_high"] is None else y(row["n_calls_high"]),
            }
            for kind, row in sorted(kinds.items())
        ]
        columns.append({"period": period, "x": round(middle, 1), "is_labelled": n % every == 0, "marks": marks})
    return {
        "width": WIDTH,
        "height": _TOP + _HIGH + 24,
        "zero": y(0),
        "left": _LEFT,
        "right": round(_LEFT + wide * len(own), 1),
        "bar": round(min(22.0, wide * 0.22), 1),
        "has_numbers": wide >= 60,
        "ticks": [{"y": y(tick * step), "said": f"{tick * step:g}"} for tick in range(round(top / step) + 1)],
        "columns": columns,
        "kinds": [kind for kind in _KINDS if any(kind in kinds for kinds in own.values())],
        "said": f"Calls by month, {min(own)} to {max(own)}; the numbers are in the table below.",
    }


def claims(rows: Sequence[Row]) -> dict[str, Any] | None:
    """One line per published count of calls, with what pictures carry in the same time; None where nobody published any."""
    beside = {
        (str(row["definition"]).removeprefix(_BESIDE), row["period_start"], row["period_end"]): row
        for row in rows
        if row["source"] == "ghostships" and str(row["definition"]).startswith(_BESIDE)
    }
    lines = []
    for row in rows:
        if row["source"] == "ghostships" or row["n_calls"] is None:
            continue
        what = str(row["definition"]).removeprefix("claimed: ")
        seen = beside.get((f"{row['source']}: {what}", row["period_start"], row["period_end"]))
        lines.append((row, what, seen))
    if not lines:
        return None
    step, top = _scale(max(n for row, _, seen in lines for n in (*_numbers(row), *(_numbers(seen) if seen else ()))))

    def x(value: float | None) -> float | None:
        return None if value is None else round(_LABEL + (WIDTH - _LABEL - 40) * value / top, 1)

    drawn = []
    for n, (row, what, seen) in enumerate(lines):
        words = what.removesuffix("_min").replace("_", " ")
        drawn.append(
            {
                "y": _TOP + _LINE * n + 12,
                "label": text.shown(f"{words} · {row['source']}", limit=_LABEL_LETTERS),
                "period": text.shown(_period(row)),
                "claimed": x(row["n_calls"]),
                "low": x(row["n_calls_low"]),
                "high": x(row["n_calls_high"]),
                # "At least" has no upper end: an arrow says so.
                "is_open": row["n_calls_high"] is None,
                "said": f"{row['n_calls']:g}",
                "seen": None if seen is None else x(seen["n_calls"]),
                "seen_low": None if seen is None else x(seen["n_calls_low"]),
                "seen_high": None if seen is None else x(seen["n_calls_high"]),
            }
        )
    return {
        "width": WIDTH,
        "height": _TOP + _LINE * len(lines) + 24,
        "bottom": _TOP + _LINE * len(lines) + 4,
        "ticks": [{"x": x(tick * step), "said": f"{tick * step:g}"} for tick in range(round(top / step) + 1)],
        "lines": drawn,
        "said": f"{len(lines)} published counts, each beside the calls that pictures carry in the same time; "
        "the numbers are in the table below.",
    }


def _numbers(row: Row) -> list[float]:
    return [row[c] for c in ("n_calls_low", "n_calls", "n_calls_high") if row[c] is not None]


def _scale(largest: float) -> tuple[float, float]:
    """A round step of about a fifth of the largest number, and the first multiple of it that is not below."""
    rough = max(largest, 1.0) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = max(1.0, next(power * n for n in (1, 2, 5, 10) if power * n >= rough))
    return step, step * max(1, math.ceil(largest / step))


def _period(row: Row) -> str:
    start, end = str(row["period_start"]), str(row["period_end"])
    return start if start == end else f"{start} to {end}"
