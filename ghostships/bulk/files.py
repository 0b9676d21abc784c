"""The files of a day, whose bytes depend on its rows alone.

    positions   every row of `tables.POSITIONS`, in order of ship and time        hours, statics, lost   its summaries

Positions are written a row group at a time. The words in them (names, numbers) are dictionaries made for each row group from its
own rows: a day made in pieces has the same bytes as one made at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ghostships import statics, tables
from ghostships.report import parquet
from ghostships.statics import SET
from ghostships.steps.days import Day

ROW_GROUP_ROWS = 131_072
"""Small enough to look for one ship in, large enough to pack well."""

_WORDS = (*SET, "source_file")
_OPTIONS = {
    "compression": "zstd",
    # Level 3 is 4 % smaller and costs a half more.
    "compression_level": 1,
    "version": "2.6",
    "data_page_version": "1.0",
    "use_dictionary": [*_WORDS, "sog_kn", "cog_deg", "heading_deg", "nav_status"],
    "column_encoding": {
        "time_utc": "DELTA_BINARY_PACKED",
        "source_row": "DELTA_BINARY_PACKED",
    },
    # By these a reader skips row groups; for all columns they cost a third of the writing.
    "write_statistics": ["vessel_key", "mmsi", "time_utc"],
    "store_schema": False,
}


def _schema() -> pa.Schema:
    """The schema of positions with words as dictionaries: what is written, not what is read back."""
    plain = tables.POSITIONS.arrow_schema
    fields = [
        pa.field(f.name, pa.dictionary(pa.int32(), f.type), f.nullable, f.metadata) if f.name in _WORDS else f
        for f in plain
    ]
    return pa.schema(fields, metadata=plain.metadata)


@dataclass(frozen=True)
class DayFiles:
    """One day on disk. `accepted` counts the rows of `positions` by source file, those in `lost` included."""

    day: date
    positions: Path
    hours: Path
    statics: Path
    lost: Path
    accepted: dict[str, int]


class DayWriter:
    """Writes the files of a day from its ships, range by range in order of vessel key."""

    def __init__(self, day: date, folder: Path, name: str) -> None:
        self.day = day
        self.duplicates: dict[str, int] = {}
        self._accepted: dict[str, int] = {}
        self._paths = {what: folder / f"{name}.{what}.parquet" for what in ("positions", "hours", "statics", "lost")}
        self._positions = _Groups(self._paths["positions"])
        self._parts: dict[str, list[pl.DataFrame]] = {"hours": [], "lost": [], "statics": []}

    def add(self, made: Day, contents: pl.DataFrame) -> None:
        """The next ships of the day; `contents` are the sets of static data that its messages number."""
        self._positions.add(made.messages, contents)
        self._parts["hours"].append(made.hours)
        self._parts["lost"].append(made.lost)
        self._parts["statics"].append(made.statics)
        for source, n in made.messages.group_by("source_file").len().iter_rows():
            self._accepted[source] = self._accepted.get(source, 0) + n
        for source, n in made.duplicates.items():
            self.duplicates[source] = self.duplicates.get(source, 0) + n

    def close(self) -> DayFiles:
        """Finish the files."""
        self._positions.close()
        said = pl.concat(self._parts["statics"]).sort(SET)
        # Numbered by the content of this day alone, whatever else was in the delivery.
        said = said.with_columns(said=pl.int_range(pl.len(), dtype=pl.Int64))
        for what, table, frame in (
            ("hours", tables.VESSEL_HOURS, pl.concat(self._parts["hours"])),
            ("statics", tables.STATICS, said),
            ("lost", tables.LOST, pl.concat(self._parts["lost"])),
        ):
            parquet.write_table(frame, table, self._paths[what])
        return DayFiles(self.day, **self._paths, accepted=dict(sorted(self._accepted.items())))


class _Groups:
    """Messages become row groups of exactly `ROW_GROUP_ROWS` rows, the last one excepted."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, _schema(), **_OPTIONS)
        self._waiting: list[pl.DataFrame] = []
        self._contents = pl.DataFrame(schema=statics.CONTENTS_SCHEMA)
        self._n = 0

    def add(self, messages: pl.DataFrame, contents: pl.DataFrame) -> None:
        if self._waiting and not contents.equals(self._contents):
            # What waits is numbered by older contents.
            both, (old, new) = statics.renumber([self._contents, contents])
            self._waiting = [statics.said_again(part, old) for part in self._waiting]
            messages, contents = statics.said_again(messages, new), both
        self._contents = contents
        self._waiting.append(messages)
        self._n += messages.height
        if self._n >= ROW_GROUP_ROWS:
            together = pl.concat(self._waiting)
            n_full = self._n // ROW_GROUP_ROWS * ROW_GROUP_ROWS
            for start in range(0, n_full, ROW_GROUP_ROWS):
                self._write(together.slice(start, ROW_GROUP_ROWS))
            self._waiting, self._n = [together.slice(n_full)], self._n - n_full

    def close(self) -> None:
        if self._n:
            self._write(pl.concat(self._waiting))
        self._writer.close()

    def _write(self, messages: pl.DataFrame) -> None:
        self._writer.write_table(_arrow(messages, self._contents), row_group_size=ROW_GROUP_ROWS)


def _arrow(messages: pl.DataFrame, contents: pl.DataFrame) -> pa.Table:
    """Messages as positions, every word in a dictionary of those that occur."""
    said = messages["said"].to_numpy()
    used = np.unique(said)
    some = contents.filter(pl.col("said").is_in(pl.Series(used, dtype=statics.SAID).implode())).sort("said")
    place = pa.array(np.searchsorted(used, said).astype(np.int32))
    schema = tables.POSITIONS.arrow_schema
    columns = []
    for column in tables.POSITIONS.columns:
        kind = schema.field(column.name).type
        if column.name in SET:
            columns.append(_coded(some[column.name], place, kind))
        elif column.name == "source_file":
            sources = messages["source_file"].unique().sort()
            codes = messages["source_file"].replace_strict(
                sources, pl.Series(range(len(sources))), return_dtype=pl.Int32
            )
            columns.append(pa.DictionaryArray.from_arrays(codes.to_arrow(), sources.to_arrow().cast(kind)))
        else:
            columns.append(messages[column.name].to_arrow().cast(kind))
    return pa.Table.from_arrays(columns, schema=_schema())


def _coded(values: pl.Series, place: pa.Array, kind: pa.DataType) -> pa.Array:
    words = values.drop_nulls().unique().sort()
    if not len(words):
        return pa.DictionaryArray.from_arrays(pa.nulls(len(place), pa.int32()), pa.array([], kind))
    codes = (
        words.search_sorted(values, descending=False)
        .cast(pl.Int32)
        .zip_with(values.is_not_null(), pl.Series([None], dtype=pl.Int32))
    )
    return pa.DictionaryArray.from_arrays(codes.to_arrow().take(place), words.to_arrow().cast(kind))


class RejectsWriter:
    """Rejects of one stream, as they are found; the file appears only if there are any."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: pq.ParquetWriter | None = None

    def add(self, rejects: pl.DataFrame) -> None:
        """Append rows of `tables.REJECTS`."""
        if self._writer is None:
            self._writer = _rejects_file(self.path)
        self._writer.write_table(tables.to_arrow(rejects, tables.REJECTS))

    def close(self) -> list[Path]:
        """The finished file, if there is one."""
        if self._writer is None:
            return []
        self._writer.close()
        self._writer = None
        return [self.path]

    def drop(self) -> None:
        """Forget every row."""
        for path in self.close():
            path.unlink()


def join(rejects: Sequence[Path], path: Path) -> Path | None:
    """Rejects of several streams as one file, a row group at a time; None without any."""
    if not rejects:
        return None
    if len(rejects) == 1:
        return rejects[0].rename(path)
    with _rejects_file(path) as writer:
        for one in rejects:
            with pq.ParquetFile(one) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group).cast(tables.REJECTS.arrow_schema))
            one.unlink()
    return path


def _rejects_file(path: Path) -> pq.ParquetWriter:
    options = {"compression": "zstd", "compression_level": 1, "store_schema": False}
    return pq.ParquetWriter(path, tables.REJECTS.arrow_schema, **options)


def read(paths: Sequence[Path], table: tables.Table, *, ships: tuple[str, str] | None = None) -> pl.DataFrame:
    """Rows of several files of one table, in the order of the files; with `ships` only from one vessel key to another."""
    if not paths:
        return tables.empty_polars(table)
    rows = pl.scan_parquet(list(paths), hive_partitioning=False, glob=False)
    if ships is not None:
        first, last = ships
        rows = rows.filter(pl.col("vessel_key").is_between(pl.lit(first), pl.lit(last)))
    return rows.select(pl.col(name).cast(kind) for name, kind in table.polars_schema.items()).collect()
