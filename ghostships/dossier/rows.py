"""The rows of a case as CSV for a spreadsheet and as Parquet for everything else.

Parquet has the exact values. CSV is for reading, and safe to open: what cannot be seen is written out, and text that a
spreadsheet could take for a formula has an apostrophe in front; an apostrophe that was there already gets another.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from ghostships import tables
from ghostships.report import parquet, text
from ghostships.terminal import plain

_TRIGGERS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
"""What begins a formula, in its full-width forms too: a spreadsheet with an Asian input method takes those for the same."""

_FORMULA = re.compile(f"^[\\s'\"]*[{_TRIGGERS}]|^'")
_IN_SEMICOLONS = re.compile(f"(;[\\s'\"]*)([{_TRIGGERS}])")
"""Where the list separator is a semicolon, a spreadsheet takes the text after one for a cell of its own."""

CELL_CHARACTERS = 32_000
"""A spreadsheet cell holds 32 767; a longer text is cut and says so. Parquet has all of it."""


def as_csv(frame: pd.DataFrame) -> bytes:
    """The frame as UTF-8 CSV with a byte order mark (spreadsheets then read the names right), every text in quotes."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(frame.columns)
    for row in frame.to_dict("records"):
        writer.writerow([_cell(value) for value in row.values()])
    return out.getvalue().encode("utf-8-sig")


def safe(value: str) -> str:
    """Text that no spreadsheet takes for a formula, and that shows everything in it."""
    seen = text.shown(value, limit=CELL_CHARACTERS)
    seen = _IN_SEMICOLONS.sub(r"\1'\2", seen)
    return f"'{seen}" if _FORMULA.match(seen) else seen


def _cell(value: object) -> Any:
    value = plain(value)
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if isinstance(value, str):
        return safe(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def as_parquet(name: str, frame: pd.DataFrame) -> bytes:
    """The rows as the output folder has them: same columns, types and metadata."""
    with tempfile.TemporaryDirectory(prefix="ghostships-") as work:
        path = Path(work) / "rows.parquet"
        parquet.write_table(frame, tables.ALL[name], path)
        return path.read_bytes()
