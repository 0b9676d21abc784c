"""One delivered file -> a part for each day it speaks of: ordered, without its own duplicates, written.

    portions --by day--> runs on disk, cut by range of ships --range by range--> in order, once each --> part

Memory holds a block of the file and a range of ships, however long the file: rows wait on the disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ghostships import statics
from ghostships.bulk import files
from ghostships.bulk.files import DayFiles, DayWriter, RejectsWriter
from ghostships.errors import FileRefused
from ghostships.readers import ais, dialects
from ghostships.readers.account import PORTION_SCHEMA, FileAccount, Finished, Portion
from ghostships.readers.text import Refused
from ghostships.steps import days

FLUSH_ROWS = 500_000
"""Rows that wait in memory before they go to the disk; about 100 bytes each."""
RANGE_ROWS = 500_000
"""Rows that are put in order at once."""
BATCH_ROWS = 8_192
"""Rows of a run that are read back together. A range may be larger by one batch of each run."""

SAME_BYTES = "the same bytes as"

Progress = Callable[[Path, int, int], None]
"""Called with a file, and the rows and the bytes of it read so far."""


@dataclass(frozen=True)
class Part:
    """What one stream of a delivery says of one day: a whole day, had nothing else been delivered."""

    source_file: str
    n_rows: int
    n_duplicates: int
    files: DayFiles

    @property
    def day(self) -> date:
        return self.files.day

    @property
    def path(self) -> Path:
        """Its rows (`tables.POSITIONS`), from which the day can be made together with other parts."""
        return self.files.positions


@dataclass(frozen=True)
class Split:
    """A delivery, taken apart: one account per stream, parts in order of stream and day; `rejects` if there are any."""

    accounts: list[FileAccount]
    parts: list[Part]
    rejects: Path | None


PASSING = {"unreadable", "changed"}
"""Rules of refusals that say nothing of the bytes: the same file may be read well an hour later."""


def split(
    path: Path,
    work: Path,
    *,
    wanted: dialects.Dialect | None = None,
    progress: Progress | None = None,
    is_kept: bool = False,
) -> Split:
    """Read one file into the folder `work`, which must be empty.

    A file that cannot be used has an account with `refused` and leaves nothing in `work`.

    Parameters
    ----------
    is_kept : the result will be remembered for ever: what the disk does, and not the bytes, is raised instead

    Raises
    ------
    FileRefused
        with a rule of `PASSING`, when `is_kept`.
    """
    accounts: list[FileAccount] = []
    parts: list[Part] = []
    refused: list[Path] = []
    met: dict[str, str] = {}
    try:
        with ais.streams(path, wanted=wanted) as streams:
            for number, stream in enumerate(streams):
                taken = _Taken(path, stream.account, work, number, progress)
                try:
                    account, made = taken.finish(taken.drain(stream))
                except Refused as refusal:
                    account, made = replace(stream.account, refused=str(refusal)), []
                if account.sha256 in met:
                    account, made = _repeated(account, met[account.sha256]), []
                    taken.rejects.drop()
                met.setdefault(account.sha256, account.path)
                refused += taken.rejects.close()
                accounts.append(account)
                parts += made
    except FileRefused as refusal:
        if is_kept and refusal.rule in PASSING:
            raise
        # Damage shows at the end of a container: what was read before it is not used.
        for left in work.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        n_bytes = path.stat().st_size if path.is_file() else 0
        account = FileAccount(refusal.path, ais.hash_of(path), n_bytes, refused=refusal.message)
        return Split([account], [], None)
    return Split(accounts, parts, files.join(refused, work / "rejects.parquet"))


def _repeated(account: FileAccount, first: str) -> FileAccount:
    """The account of a member with the same bytes as an earlier one: its usable rows are duplicates."""
    n = account.n_accepted + account.n_duplicate
    return replace(
        account, n_accepted=0, n_duplicate=n, n_vessels=0, notes=[*account.notes, f"{SAME_BYTES} {first}: no new rows"]
    )


class _Taken:
    """One stream on its way to its parts."""

    def __init__(
        self,
        path: Path,
        account: FileAccount,
        work: Path,
        number: int,
        progress: Progress | None,
    ) -> None:
        self.path, self.account, self.work, self.name = path, account, work, f"{number:04d}"
        self.rejects, self.progress = RejectsWriter(work / f"{self.name}.rejects.parquet"), progress
        self.source_file = account.sha256[: ais.SOURCE_DIGITS]
        self.days: dict[date, _Waiting] = {}
        self.n_waiting = 0

    def drain(self, stream: ais.Stream) -> Finished:
        """Take every portion; rows wait by day."""
        given, n_rows = stream.rows(), 0
        try:
            while True:
                portion = next(given)
                if portion.again:
                    self.drop()
                    n_rows = 0
                    continue
                n_rows += portion.messages.height + len(portion.rejects)
                self.take(portion)
                if self.progress is not None:
                    self.progress(self.path, n_rows, stream.position())
        except StopIteration as end:
            finished: Finished = end.value
            return finished
        except BaseException:
            self.drop()
            raise

    def take(self, portion: Portion) -> None:
        """Rows wait in memory until there are many, then on the disk."""
        if portion.rejects:
            self.rejects.add(ais.rejects_frame(self.account.sha256, portion.rejects))
        for day, rows in _by_day(portion.messages):
            waiting = self.days.setdefault(day, _Waiting(self.work / f"{self.name}-{day}"))
            waiting.add(rows)
            self.n_waiting += rows.height
        if self.n_waiting >= FLUSH_ROWS:
            for waiting in self.days.values():
                waiting.flush()
            self.n_waiting = 0

    def drop(self) -> None:
        """Forget everything taken so far."""
        for waiting in self.days.values():
            waiting.drop()
        self.days, self.n_waiting = {}, 0
        self.rejects.drop()

    def finish(self, finished: Finished) -> tuple[FileAccount, list[Part]]:
        """Write the parts, and close the account with the duplicates found on the way."""
        parts = [self._part(day, waiting, finished) for day, waiting in sorted(self.days.items())]
        n = sum(part.n_duplicates for part in parts)
        account = replace(
            finished.account, n_accepted=finished.account.n_accepted - n, n_duplicate=finished.account.n_duplicate + n
        )
        assert account.is_closed, account
        assert account.n_accepted == sum(part.n_rows for part in parts), f"{account.path}: rows went astray by day"
        return account, parts

    def _part(self, day: date, waiting: _Waiting, finished: Finished) -> Part:
        writer = DayWriter(day, self.work, f"{self.name}-{day}")
        used = np.unique(finished.numbers[waiting.used()])
        # Dense numbers for the sets of this day alone.
        contents = finished.contents.filter(pl.col("said").is_in(pl.Series(used, dtype=statics.SAID).implode())).sort(
            "said"
        )
        contents = contents.with_columns(said=pl.int_range(pl.len(), dtype=statics.SAID))
        dense = np.searchsorted(used, finished.numbers).astype(np.uint32)
        for rows in waiting.ranges():
            numbered = statics.said_again(rows, dense).with_columns(source_file=pl.lit(self.source_file))
            messages = numbered.select(pl.col(n).cast(t) for n, t in statics.MESSAGES_SCHEMA.items())
            writer.add(days.make(messages, contents), contents)
        waiting.drop()
        made = writer.close()
        return Part(self.source_file, sum(made.accepted.values()), sum(writer.duplicates.values()), made)


def _by_day(messages: pl.DataFrame) -> Iterator[tuple[date, pl.DataFrame]]:
    if messages.is_empty():
        return
    at = messages["time_utc"]
    first, last = at.min(), at.max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    if first.date() == last.date():
        yield first.date(), messages
        return
    for (day,), rows in messages.group_by(at.dt.date().alias("day"), maintain_order=True):
        assert isinstance(day, date)
        yield day, rows


@dataclass(frozen=True)
class _Run:
    """Rows on the disk in order of ship, in batches of which the first and last ship are known."""

    path: Path
    batches: pl.DataFrame
    """`first`, `last` (keys of ships) and `n` rows of each."""


@dataclass
class _Waiting:
    """Rows of one day: some in memory, the rest in runs on the disk."""

    folder: Path
    rows: list[pl.DataFrame] = field(default_factory=list)
    runs: list[_Run] = field(default_factory=list)
    _used: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def add(self, rows: pl.DataFrame) -> None:
        said = rows["said"].to_numpy()
        size = int(said.max()) + 1
        if size > len(self._used):
            self._used = np.append(self._used, np.zeros(size - len(self._used), np.bool_))
        self._used[said] = True
        self.rows.append(rows)

    def used(self) -> npt.NDArray[np.int64]:
        """Numbers of the sets of static data that occur."""
        return np.flatnonzero(self._used)

    def flush(self) -> None:
        """Put what waits in memory on the disk."""
        if not self.rows:
            return
        together = pl.concat(self.rows)
        key = _key(together)
        together = together.sort(key)
        starts = np.arange(0, together.height, BATCH_ROWS)
        ends = np.append(starts[1:], together.height)
        batches = pl.DataFrame(
            {"first": together[key].gather(starts), "last": together[key].gather(ends - 1), "n": ends - starts}
        )
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{len(self.runs):06d}.arrow"
        arrow = together.select(*PORTION_SCHEMA).to_arrow().combine_chunks()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, arrow.schema) as writer:
            for batch in arrow.to_batches(max_chunksize=BATCH_ROWS):
                writer.write_batch(batch)
        self.runs.append(_Run(path, batches))
        self.rows = []

    def ranges(self) -> Iterator[pl.DataFrame]:
        """All rows, range of ships by range of ships, in order of the ranges."""
        if not self.runs:
            yield pl.concat(self.rows)
            return
        self.flush()
        cuts = _cuts(pl.concat([run.batches for run in self.runs]))
        with ExitStack() as stack:
            readers = [pa.ipc.open_file(stack.enter_context(pa.OSFile(str(run.path), "rb"))) for run in self.runs]
            for low, high in zip(cuts, [*cuts[1:], None], strict=True):
                found = []
                for run, reader in zip(self.runs, readers, strict=True):
                    meets = pl.col("last") >= low
                    inside = pl.col("first") >= low
                    if high is not None:
                        meets, inside = meets & (pl.col("first") < high), inside & (pl.col("last") < high)
                    wanted = run.batches.with_row_index("at").with_columns(whole=inside).filter(meets)
                    for at, is_whole in wanted.select("at", "whole").iter_rows():
                        rows = pl.DataFrame(reader.get_batch(at))
                        key = pl.col(_key(rows))
                        if not is_whole:
                            rows = rows.filter(key >= low if high is None else (key >= low) & (key < high))
                        found.append(rows)
                yield pl.concat(found)

    def drop(self) -> None:
        self.rows, self.runs = [], []
        shutil.rmtree(self.folder, ignore_errors=True)


def _key(rows: pl.DataFrame) -> str:
    """What tells the ships of a stream apart: it knows them by MMSI or by ids of its own, never by both."""
    return "mmsi" if rows["own_id"].null_count() else "own_id"


def _cuts(batches: pl.DataFrame) -> list[Any]:
    """The first ship of each range, so that ranges have about `RANGE_ROWS` rows; a ship is never cut."""
    ordered = batches.group_by("first").agg(pl.col("n").sum()).sort("first")
    full = ordered.with_columns(nth=(pl.col("n").cum_sum() - pl.col("n")) // RANGE_ROWS)
    return full.unique("nth", keep="first", maintain_order=True)["first"].to_list()
