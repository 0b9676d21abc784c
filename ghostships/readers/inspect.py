"""What is this file: dialect and why, encoding, columns, rows, ships, time span, what would be rejected. Writes nothing.

A file that is no AIS export may be a list of a known shape: then it says which, and with which option it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import polars as pl

from ghostships import routes
from ghostships.errors import FileRefused
from ghostships.readers import ais, dialects, events, fields, records, registry, scenes, shapes
from ghostships.readers.records import ListAccount
from ghostships.routes import Route


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
    found = [_inspection(reading) for reading in ais.readings(path, wanted=wanted)]
    if wanted is None and len(found) == 1 and found[0].refused and not found[0].n_usable:
        listed = _list(path)
        return found if listed is None else [listed]
    return found


_Read = Callable[[Path, Route], tuple[pd.DataFrame, pl.DataFrame, ListAccount]]
_READERS: dict[str, tuple[_Read, shapes.Aliases]] = {
    "context": (lambda path, route: events.read_events(path, route=route), events.ALIASES),
    "scenes": (lambda path, route: scenes.read_scenes(path, route=route), scenes.ALIASES),
    "vessels": (lambda path, _: registry.read_registry(path), registry.ALIASES),
}


def _list(path: Path) -> Inspection | None:
    """The file as a list of a known shape, read with the default route; None when it has none."""
    try:
        found = records.read(path, max_bytes=registry.MAX_WATCH_LIST_BYTES)
        shape = shapes.recognise(found)
        if shape is None:
            return None
        read, aliases = _READERS[shape.role]
        names = fields.names_of(found, aliases, shape)
        frame, rejects, account = read(path, routes.load())
    except FileRefused:
        return None
    first = rejects.sort("row").group_by("rule", maintain_order=True).agg(pl.len(), pl.first("row", "raw"))
    ships = {str(n) for column in ("mmsi", "imo") if column in frame for n in frame[column].dropna()}
    times = [frame[column] for column in ("start_utc", "end_utc") if column in frame]
    told = pd.concat(times).dropna() if times else pd.Series(dtype="datetime64[us, UTC]")
    return Inspection(
        path=account.path,
        sha256=account.sha256,
        n_bytes=account.n_bytes,
        dialect=shape.name,
        title=f"{shape.title}; give it with --{shape.role}",
        why=shapes.why(found, shape),
        encoding=account.encoding,
        columns={column: names[records.key(column)] for column in found.columns if records.key(column) in names},
        unknown=tuple(column for column in found.columns if records.key(column) not in names),
        n_rows=account.rows_read,
        n_usable=account.accepted,
        n_duplicate=account.duplicate,
        n_vessels=len(frame) if shape.role == "vessels" else len(ships),
        span_start_utc=told.min().to_pydatetime() if len(told) else None,
        span_end_utc=told.max().to_pydatetime() if len(told) else None,
        rejects=tuple(
            WouldReject(rule, n, row, raw)
            for rule, n, row, raw in first.sort("rule").select("rule", "len", "row", "raw").iter_rows()
        ),
        notes=account.notes,
        refused=None,
    )


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
