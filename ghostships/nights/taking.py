"""Deliveries and lists into the store: split by day once, kept as they came, and only the days that changed made again.

A day is made of the parts in force on it, whichever deliveries they came with. What it was made of is written beside it, so that
late rows, corrections, changed precedence and a new version need no special case: the list differs, the day is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq

from ghostships.bulk import day as bulk_day
from ghostships.bulk import delivered
from ghostships.errors import GhostshipsError
from ghostships.nights.books import PREFIX_DIGITS, Books, Day, Delivery, ListFile, Part, Stream
from ghostships.readers import dialects
from ghostships.store import Draft, Ref, Store
from ghostships.store.local import remove_tree

if TYPE_CHECKING:
    from ghostships.bulk.delivered import Split
    from ghostships.bulk.files import DayFiles

DAY_TABLES = ("positions", "hours", "statics", "lost")
"""What `bulk.day.make` makes of a day, and the store's names for it."""


@dataclass
class Shelf:
    """The store, the draft of this night, and every object known by its path."""

    store: Store
    draft: Draft
    refs: dict[str, Ref]

    @classmethod
    def of(cls, store: Store, draft: Draft) -> Shelf:
        """With the objects of the generation that the draft builds on."""
        return cls(store, draft, {ref.path: ref for ref in (draft.base.refs if draft.base else ())})

    def put(self, source: Path | bytes, *, table: str, partition: str, n_rows: int | None = None) -> str:
        """Put one object; its path."""
        ref = self.draft.put(source, table=table, partition=partition, n_rows=n_rows)
        self.refs[ref.path] = ref
        return ref.path

    def keep_raw(self, source: Path, sha256: str) -> str:
        """Keep the original bytes; the path they are kept under."""
        ref = self.draft.keep_raw(source, expected_sha256=sha256)
        self.refs[ref.path] = ref
        return ref.path

    def fetch(self, path: str) -> Path:
        """A local, verified copy of an object."""
        return self.store.fetch(self.refs[path])

    def folder(self, name: str) -> Path:
        """A fresh folder for unfinished work, on the store's own disk where it has one."""
        folder = self.draft.workspace / name
        remove_tree(folder)
        folder.mkdir()
        return folder


def take(shelf: Shelf, path: Path, sha256: str, *, dialect: str | None, read_by: str, arrived: date) -> Delivery:
    """Read one file into parts and rejects, keep its bytes, and say where every row went.

    Raises
    ------
    GhostshipsError
        when the file changed while it was read, or the store cannot be written.
    """
    work = shelf.folder("split")
    try:
        found = delivered.split(path, work, wanted=dialects.get(dialect) if dialect else None, is_kept=True)
        n_bytes = max((account.n_bytes for account in found.accounts), default=0)
        if all(account.refused for account in found.accounts):
            whys = dict.fromkeys(account.refused or "" for account in found.accounts)
            why = "; ".join(whys) or "has no stream of rows in it"
            return Delivery(sha256, n_bytes, arrived, read_by, dialect, refused=why)
        raw = shelf.keep_raw(path, sha256)
        return Delivery(
            sha256,
            shelf.refs[raw].original_n_bytes or n_bytes,
            arrived,
            read_by,
            dialect,
            streams=_streams(found, path),
            parts=_parts(shelf, found),
            rejects=_rejects(shelf, found),
            raw=raw,
        )
    finally:
        remove_tree(work)


def _streams(found: Split, path: Path) -> tuple[Stream, ...]:
    return tuple(
        Stream(
            # What follows the file's own path: the member of an archive. Names are the business of claims.
            account.path.removeprefix(str(path)),
            account.sha256,
            account.n_bytes,
            account.dialect,
            account.encoding,
            account.n_read,
            account.n_accepted,
            account.n_duplicate,
            dict(sorted(account.n_rejected.items())),
            tuple(account.notes),
            account.refused,
        )
        for account in found.accounts
    )


def _parts(shelf: Shelf, found: Split) -> tuple[Part, ...]:
    parts = []
    for part in found.parts:
        n_ships, first, last = _heard(part.files.hours, part.day)
        parts.append(Part(part.day, part.source_file, _stored(shelf, part.files), part.n_rows, n_ships, first, last))
    return tuple(sorted(parts, key=lambda part: (part.day, part.prefix)))


def _stored(shelf: Shelf, made: DayFiles) -> dict[str, str]:
    """The files of a day or part, put into the store; their paths by table."""
    return {
        name: shelf.put(path, table=name, partition=made.day.isoformat(), n_rows=_n_rows(path))
        for name in DAY_TABLES
        for path in [getattr(made, name)]
    }


def _rejects(shelf: Shelf, found: Split) -> str | None:
    if found.rejects is None:
        return None
    n_rows = pq.read_metadata(found.rejects).num_rows
    return shelf.put(found.rejects, table="rejects", partition="deliveries", n_rows=n_rows) if n_rows else None


def _heard(hours: Path, day: date) -> tuple[int, datetime, datetime]:
    """How many ships, and from when to when at least two of them are heard (or the only one): one wrong clock never decides."""
    ships = (
        pl.scan_parquet(hours, hive_partitioning=False, glob=False)
        .group_by("vessel_key")
        .agg(first=pl.col("first_heard_utc").min(), last=pl.col("last_heard_utc").max())
        .select(n=pl.len(), first=pl.col("first").bottom_k(2).max(), last=pl.col("last").top_k(2).min())
        .collect()
    )
    n, first, last = ships.row(0)
    if not n:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return 0, start, start
    # Where the two last ships are heard before the two first ones, all that is sure is one moment.
    return int(n), min(first, last), max(first, last)


def made_of(books: Books, in_force: Iterable[str]) -> dict[date, tuple[str, ...]]:
    """The parts in force on every day, as paths: the recipe of the day."""
    recipe: dict[date, set[str]] = {}
    for sha256 in in_force:
        for part in books.deliveries[sha256].parts:
            recipe.setdefault(part.day, set()).add(part.object)
    return {day: tuple(sorted(paths)) for day, paths in sorted(recipe.items())}


def touched(books: Books, recipe: Mapping[date, Sequence[str]], made_by: str) -> list[date]:
    """Days whose parts in force are not those they were made of, or that other code made."""
    return [
        day
        for day, parts in recipe.items()
        if day not in books.days or books.days[day].made_of != tuple(parts) or books.days[day].made_by != made_by
    ]


def make_day(shelf: Shelf, books: Books, day: date, parts: Sequence[str], *, made_by: str) -> Day:
    """One day from the rows of its parts, put into the store. A day with one part is that part: nothing is made twice."""
    if len(parts) == 1:
        (one,) = {
            part.prefix: part for d in books.deliveries.values() for part in d.parts if part.object == parts[0]
        }.values()
        return Day(tuple(parts), made_by, one.objects, {one.prefix: one.n_rows})
    work = shelf.folder("day")
    try:
        files = bulk_day.make(day, [shelf.fetch(part) for part in parts], work)
        return Day(tuple(parts), made_by, _stored(shelf, files), dict(sorted(files.accepted.items())))
    finally:
        remove_tree(work)


def _n_rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def keep_list(shelf: Shelf, path: Path, sha256: str, days: Iterable[date] | None) -> ListFile:
    """Keep a list as it came; `days` are those it speaks of."""
    return ListFile(sha256, None if days is None else tuple(sorted(set(days))), shelf.keep_raw(path, sha256))


def retired(delivery: Delivery, *, as_of: date, raw_days: int | str) -> Delivery:
    """The delivery without its original bytes, once their retention has ended."""
    if delivery.raw is None or not isinstance(raw_days, int) or (as_of - delivery.last_day).days <= raw_days:
        return delivery
    return replace(delivery, raw=None)


@dataclass(frozen=True)
class StoredDay:
    """A day of the store as the analysis takes it: each file is fetched and verified when it is asked for, not before."""

    day: date
    shelf: Shelf
    objects: Mapping[str, str]

    @property
    def positions(self) -> Path:
        """All positions of the day: large, and looked at only for few ships."""
        return self.shelf.fetch(self.objects["positions"])

    @property
    def hours(self) -> Path:
        """Vessel hours."""
        return self.shelf.fetch(self.objects["hours"])

    @property
    def statics(self) -> Path:
        """What ships said of themselves."""
        return self.shelf.fetch(self.objects["statics"])

    @property
    def lost(self) -> Path:
        """Rows that nobody believes."""
        return self.shelf.fetch(self.objects["lost"])


def speaks_of(shelf: Shelf, books: Books, prefix: str, row: Mapping[str, Any]) -> bool:
    """Whether a delivery has rows of this ship inside this silence, its ends included. Lists are always taken to."""
    own = [one for one in books.deliveries.values() if one.sha256[:PREFIX_DIGITS] == prefix]
    if not own:
        return True
    start, end = row["dark_start_utc"], row["dark_end_utc"]
    for part in (part for one in own for part in one.parts):
        if (start is not None and part.day < start.date()) or (end is not None and part.day > end.date()):
            continue
        inside = pl.col("vessel_key") == row["vessel_key"]
        if start is not None:
            inside &= pl.col("time_utc") >= start
        if end is not None:
            inside &= pl.col("time_utc") <= end
        if (
            pl.scan_parquet(shelf.fetch(part.object), hive_partitioning=False, glob=False)
            .filter(inside)
            .head(1)
            .collect()
            .height
        ):
            return True
    return False


def original(shelf: Shelf, delivery: Delivery, to: Path) -> Path:
    """The bytes of a delivery as they came, in a new file.

    Raises
    ------
    GhostshipsError
        when their retention has ended.
    """
    if delivery.raw is None:
        raise GhostshipsError(
            f"{shelf.store.shown}: the original bytes of delivery {delivery.prefix} are kept no longer ([retention] raw_days)"
        )
    shelf.store.restore_raw(shelf.refs[delivery.raw], to)
    return to
