"""What is this file: dialect and why, encoding, columns, rows, ships, time span, what would be rejected. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from ghostships.readers import ais, dialects


@dataclass(frozen=True)
class WouldReject:
    """Rows that one rule would refuse, with the first of them."""

    rule: str
    n_rows: int
    example_row: int
    example_raw: str


@dataclass(frozen=True)
class Inspection:
    """One file, or one member of an archive. `columns` maps the file's names to fields; `refused` says why nothing is usable."""

    path: str
    sha256: str
    n_bytes: int
    dialect: str
    title: str
    why: str
    encoding: str
    columns: dict[str, str]
    unknown: tuple[str, ...]
    n_rows: int
    n_usable: int
    n_duplicate: int
    n_vessels: int
    span_start_utc: datetime | None
    span_end_utc: datetime | None
    rejects: tuple[WouldReject, ...]
    notes: tuple[str, ...]
    refused: str | None


def inspect(path: Path, *, dialect: str | None = None) -> Inspection:
    """Look at one file as `ais.read` would; of an archive of several files, the first, with a note (`inspect_all` has all).

    Raises
    ------
    UsageError
        when `dialect` is not known.
    """
    found = inspect_all(path, dialect=dialect)
    if len(found) == 1:
        return found[0]
    note = f"the first of {len(found)} files in the archive"
    return replace(found[0], notes=(note, *found[0].notes))


def inspect_all(path: Path, *, dialect: str | None = None) -> list[Inspection]:
    """Every file in `path`: one, or one per member of a zip."""
    wanted = dialects.get(dialect) if dialect is not None else None
    return [_inspection(reading) for reading in ais.readings(path, wanted=wanted)]


def _inspection(reading: ais.Reading) -> Inspection:
    account = reading.account
    kept, n_duplicates = ais.deduplicate(reading.positions)
    first = reading.rejects.sort("row").group_by("rule", maintain_order=True).agg(pl.len(), pl.first("row", "raw"))
    known = dialects.all_dialects().get(account.dialect)
    return Inspection(
        path=account.path,
        sha256=account.sha256,
        n_bytes=account.n_bytes,
        dialect=account.dialect,
        title=known.title if known else "",
        why=reading.why,
        encoding=account.encoding,
        columns={column: field for field, column in reading.columns.items()},
        unknown=reading.unknown,
        n_rows=account.n_read,
        n_usable=kept.height,
        n_duplicate=sum(n_duplicates.values()),
        n_vessels=account.n_vessels,
        span_start_utc=account.span_start_utc,
        span_end_utc=account.span_end_utc,
        rejects=tuple(
            WouldReject(rule, n, row, raw)
            for rule, n, row, raw in first.sort("rule").select("rule", "len", "row", "raw").iter_rows()
        ),
        notes=tuple(account.notes),
        refused=account.refused,
    )
