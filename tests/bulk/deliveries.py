"""Invented deliveries for tests of the bulk data: the same messages written as files in many ways."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from ghostships import statics, tables
from ghostships.bulk import day, delivered
from ghostships.bulk.delivered import Part, Split
from ghostships.bulk.files import DayFiles
from ghostships.bulk.traffic import of_days
from ghostships.readers import ais, lines
from ghostships.traffic import Traffic

HEAD = "mmsi,timestamp,lat,lon,sog,name,draught"
OWN = "ship_id,timestamp,lat,lon,sog,name,draught"
SOURCE = ("source_file", "source_row")
SOURCES = (*SOURCE, "first_source", "last_source")
"""Columns that name files and rows."""


def rows(n: int, *, seed: int = 1, ships: int = 7, days: int = 3, ids: bool = False) -> list[str]:
    """Messages of some ships over some days; ships change their words now and then, some messages are sent twice, and some lie
    at 0, 0 (nearly: 0, 0 itself is refused at once)."""
    rng = random.Random(seed)
    out = []
    for _ in range(n):
        ship = rng.randrange(ships)
        at = rng.randrange(days * 1440)
        place = f"{42 + ship / 10 + rng.randrange(5) / 100:.4f},{132 + at / 10000:.4f}"
        place = "0.0001,0.0002" if rng.random() < 0.03 else place
        name = f"SIM {ship}" if rng.random() < 0.8 else f"SIM {ship} {rng.choice('ABC')}"
        key = f"S-{ship}" if ids else str(999_000_001 + ship)
        draught = rng.choice(["", "7.1", "8.2"])
        out.append(
            f"{key},2024-01-{1 + at // 1440:02d}T{at // 60 % 24:02d}:{at % 60:02d}:00Z,{place},{rng.randrange(20)},{name},{draught}"
        )
    return out + rng.sample(out, n // 10)


def csv_of(lines: Sequence[str], *, head: str = HEAD) -> bytes:
    return ("\n".join([head, *lines]) + "\n").encode()


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Members, in this order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


@contextmanager
def little_memory(
    *, flush: int = 25, ranges: int = 5, at_once: int = 20, group: int = 16, block: int = 1000
) -> Iterator[None]:
    """What waits in memory goes to the disk after a few rows, so that small files do what days of millions do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivered, "FLUSH_ROWS", flush)
        patch.setattr(delivered, "BATCH_ROWS", ranges)
        patch.setattr(delivered, "RANGE_ROWS", at_once)
        patch.setattr(day, "RANGE_ROWS", at_once)
        patch.setattr("ghostships.bulk.files.ROW_GROUP_ROWS", group)
        in_small_blocks(patch, block, 100)
        yield


def in_small_blocks(patch: pytest.MonkeyPatch, block: int, piece: int) -> None:
    """Text is read in blocks of about so many bytes, and comes in pieces of so many."""
    as_text = lines._text

    def chopped(pieces: Iterator[bytes], encoding: lines.Encoding) -> Iterator[bytes]:
        return as_text((whole[k : k + piece] for whole in pieces for k in range(0, len(whole), piece)), encoding)

    patch.setattr(lines, "BLOCK_BYTES", block)
    # Enough for these files, whose records have no quotes.
    patch.setattr(lines, "AHEAD_BYTES", block)
    patch.setattr(lines, "_text", chopped)
    # What a file is, is told by its beginning, which is never so short as a block is here.
    patch.setattr(lines, "head_of", lambda pieces: b"".join(pieces()))


def split(folder: Path, name: str, data: bytes) -> Split:
    """A delivery, written and taken apart in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path, work = folder / name, folder / f"{name}.parts"
    path.write_bytes(data)
    work.mkdir()
    return delivered.split(path, work)


def days_of(folder: Path, parts: Sequence[Part]) -> list[DayFiles]:
    """Every day of the parts, made anew."""
    own: dict[date, list[Path]] = {}
    for part in parts:
        own.setdefault(part.day, []).append(part.path)
    made = []
    for number, (one, paths) in enumerate(sorted(own.items())):
        work = folder / f"day-{number}-{len(list(folder.iterdir()))}"
        work.mkdir()
        made.append(day.make(one, paths, work))
    return made


def made_of(folder: Path, *files: tuple[str, bytes]) -> tuple[Traffic, list[DayFiles]]:
    """Files all the way to the traffic, put together by day."""
    parts = [part for name, data in files for part in split(folder, name, data).parts]
    made = days_of(folder, parts)
    return of_days(made), made


def read(paths: Sequence[Path]) -> pl.DataFrame:
    """The rows of the files by the reader alone, duplicates within and between files included."""
    found = [reading.positions for path in paths for reading in ais.readings(path)]
    return pl.concat(found) if found else tables.empty_polars(tables.POSITIONS)


def everything(traffic: Traffic) -> pl.DataFrame:
    """All positions that are believed."""
    return traffic.of_ships(traffic.hours)


def without_source(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    """The rows, but for what names files and rows, in a fixed order."""
    bare = frame.drop(name for name in SOURCES if name in frame.columns)
    return sorted(bare.rows(), key=repr)


def told(traffic: Traffic) -> pl.DataFrame:
    """Static data by its content."""
    return by_content(traffic.statics)


def by_content(said: pl.DataFrame) -> pl.DataFrame:
    """Static data without its numbers, which differ between ways to number."""
    return said.drop("said").sort("day_utc", *statics.SET)


def in_memory(lines_: Sequence[str]) -> pl.DataFrame:
    """The rows of one file as positions, without any reader."""
    cells = [line.split(",") for line in lines_]
    number = [(k, [float(c[k]) if c[k] else None for c in cells]) for k in (2, 3, 4, 6)]
    values = dict(zip(("lat_deg", "lon_deg", "sog_kn", "draught_m"), (v for _, v in number), strict=True))
    given = {
        "vessel_key": [f"mmsi:{c[0]}" for c in cells],
        "mmsi": [int(c[0]) for c in cells],
        "time_utc": [datetime.fromisoformat(c[1]) for c in cells],
        "vessel_name": [c[5] for c in cells],
        "source_file": ["f" * 12] * len(cells),
        "source_row": list(range(2, len(cells) + 2)),
        **values,
    }
    schema = tables.POSITIONS.polars_schema
    return pl.DataFrame({n: given.get(n, [None] * len(cells)) for n in schema}, schema=schema)
