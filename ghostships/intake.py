"""Everything that was handed in, read; and the books: where every row of every file went.

For each file `rows_read = accepted + duplicate + rejected by rule`. The readers keep these books for one kind of file; here
they are joined across files, and brought up to date with what the analysis refused after reading (`settle`).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl

from ghostships import fleet, program, tables
from ghostships.bulk import tasks as tasks_of_bulk
from ghostships.bulk.delivered import SAME_BYTES, Part, Progress
from ghostships.bulk.files import DayFiles
from ghostships.bulk.traffic import of_days
from ghostships.errors import FileRefused
from ghostships.readers import ais, dialects, events, records, scenes, sightings
from ghostships.readers import registry as registries
from ghostships.readers.account import FileAccount
from ghostships.routes import Route
from ghostships.tables import Table
from ghostships.traffic import Traffic

Role = Literal["ais", "sightings", "scenes", "vessels", "context"]

SIMULATED = "simulated"
"""Publisher of every simulated sighting; the AIS dialect of simulated positions contains it too."""


@dataclass
class Entry:
    """One file and where its rows went. A refused file has the reason, and no row that was used."""

    role: Role
    path: str
    sha256: str = ""
    n_bytes: int = 0
    dialect: str = ""
    encoding: str = ""
    rows_read: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    refused: FileRefused | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry as `manifest.json` has it."""
        return {
            "role": self.role,
            "path": self.path,
            "sha256": self.sha256,
            "bytes": self.n_bytes,
            "dialect": self.dialect,
            "encoding": self.encoding,
            "rows_read": self.rows_read,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": dict(sorted(self.rejected.items())),
            "notes": list(self.notes),
            "refused": self.refused.message if self.refused else None,
        }


@dataclass
class Intake:
    """What was read, and the books about it."""

    traffic: Traffic
    sightings: pd.DataFrame
    scenes: pd.DataFrame
    registry: pd.DataFrame
    rejects: pl.DataFrame
    entries: list[Entry]
    context: pd.DataFrame
    """What other publishers say, and pictures that catalogues offer; nothing that is judged knows of it."""

    @property
    def refused(self) -> tuple[FileRefused, ...]:
        """Whole files that could not be used."""
        return tuple(entry.refused for entry in self.entries if entry.refused)

    @property
    def has_context(self) -> bool:
        """Whether anything of other publishers was handed in, usable or not."""
        return len(self.context) > 0 or any(entry.role == "context" for entry in self.entries)

    @property
    def warnings(self) -> list[str]:
        """Files that were read and gave nothing, or less than they seem to: an answer that rests on less than was handed in."""
        said = []
        for entry in self.entries:
            if not entry.refused and not entry.accepted and (entry.rejected or not entry.duplicate):
                rules = ", ".join(sorted(entry.rejected))
                why = f"none of its {entry.rows_read} rows could be used ({rules})" if rules else "no rows in it"
                said.append(f"{entry.path}: {why}")
            said += [f"{entry.path}: {note}" for note in entry.notes if note.startswith(scenes.OFFERED)]
        return said

    @property
    def is_simulated(self) -> bool:
        """Whether any of it is invented: nothing made from it may pass as real."""
        invented = self.sightings["source"].astype("str").str.casefold().eq(SIMULATED).any()
        invented |= self.context["publisher"].astype("str").str.casefold().eq(SIMULATED).any()
        return bool(invented) or any(SIMULATED in entry.dialect for entry in self.entries)

    def settle(self, rejects: pl.DataFrame) -> pl.DataFrame:
        """Bring the books up to date with what the analysis refused after reading, and find the bytes of those rows.

        Parameters
        ----------
        rejects : all of the run; new ones have the hash prefix in `file_sha256` and nothing in `raw`

        Returns
        -------
        rejects : with full hashes and the original bytes
        """
        full = {entry.sha256[:12]: entry for entry in reversed(self.entries) if entry.accepted}
        late = rejects.filter(pl.col("file_sha256").str.len_chars() < 64).sort(*tables.REJECTS.key, "raw")
        if late.is_empty():
            return rejects
        parts = [rejects.filter(pl.col("file_sha256").str.len_chars() == 64)]
        for (prefix,), group in late.group_by("file_sha256", maintain_order=True):
            entry = full[str(prefix)]
            for rule, n in group.group_by("rule").len().iter_rows():
                entry.accepted -= n
                entry.rejected[rule] += n
            raw = ais.raw_lines(file_of(entry.path), str(prefix), group["row"].to_list())
            parts.append(
                group.with_columns(
                    file_sha256=pl.lit(entry.sha256),
                    raw=pl.col("row").replace_strict(raw, default="", return_dtype=pl.String),
                )
            )
        assert all(entry.accepted >= 0 for entry in self.entries), "more rows were refused than read"
        return pl.concat(parts).sort(*tables.REJECTS.key, "raw")


def file_of(path: str) -> Path:
    """The file on disk of an entry: `archive.zip!0:name` is a member of `archive.zip`."""
    whole = Path(path)
    archive, mark, _ = path.rpartition("!")
    return Path(archive) if mark and not whole.exists() and Path(archive).is_file() else whole


def read(
    ais_files: Sequence[Path],
    *,
    sighting_files: Sequence[Path],
    scene_files: Sequence[Path],
    vessel_files: Sequence[Path],
    dialect: str | None,
    route: Route,
    context_files: Sequence[Path] = (),
    work: Path | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Intake:
    """Everything that was handed in. A file that cannot be used is an entry with its reason; the others go on.

    Parameters
    ----------
    work : an empty folder for the days that the AIS files make; it must stand as long as the traffic is used
    scheduler : address of a Dask scheduler whose workers see `work` and the files

    Raises
    ------
    UsageError
        when `dialect` is not known.
    """
    if dialect is not None:
        dialects.get(dialect)
    heard, rejects, entries = Traffic.nothing(), list[pl.DataFrame](), list[Entry]()
    if ais_files:
        assert work is not None, "AIS files need a folder to work in"
        heard, rejects, entries = _deliveries(ais_files, dialect, work, scheduler, progress)
    seen = _Lists("sightings", tables.SIGHTINGS, "sighting_id")
    seen.read(sighting_files, lambda path: sightings.read_sightings(path, route=route))
    looked = _Lists("scenes", tables.SCENES, "scene_id")
    offered: list[pd.DataFrame] = []

    def pictures_of(path: Path) -> tuple[pd.DataFrame, pl.DataFrame, records.ListAccount]:
        found = scenes.read(path, route=route)
        if found.account.sha256 not in looked.paths:
            offered.append(found.offered)
        return found.looked, found.rejects, found.account

    looked.read(scene_files, pictures_of)
    known = _Lists("vessels", tables.REGISTRY, "source_row")
    known.read(vessel_files, registries.read_registry)
    told = _Lists("context", tables.CONTEXT, "context_id")
    told.read(context_files, lambda path: events.read_events(path, route=route))
    lists = (seen, looked, known, told)
    # Joining finds rows that contradict each other, and refuses them.
    pictures, looks, listed, others = (one.joined() for one in lists)
    others = _with_offered(others, offered, looks, looked)
    every = [tables.empty_polars(tables.REJECTS), *rejects, *(part for one in lists for part in one.rejects)]
    return Intake(
        heard,
        pictures,
        looks,
        listed,
        pl.concat(every).sort(*tables.REJECTS.key, "raw"),
        [*entries, *(entry for one in lists for entry in one.entries)],
        others,
    )


def _with_offered(
    others: pd.DataFrame, offered: list[pd.DataFrame], looks: pd.DataFrame, lists: _Lists
) -> pd.DataFrame:
    """Context with the pictures that catalogues offer, each once, and none that a scene list says was looked at."""
    found = [frame for frame in offered if len(frame)]
    if not found:
        return others
    rows = pd.concat(found, ignore_index=True).sort_values(["context_id", "source_row"], kind="stable")
    again = rows.duplicated("context_id") | rows["publisher_id"].isin(set(looks["scene_id"]))
    for prefix, n in Counter(str(source).rpartition(":")[0] for source in rows.loc[again, "source_row"]).items():
        entry = lists.entry(prefix)
        entry.accepted, entry.duplicate = entry.accepted - n, entry.duplicate + n
    both = pd.concat([frame for frame in (others, rows[~again]) if len(frame)], ignore_index=True)
    return tables.to_pandas(both[tables.CONTEXT.names], tables.CONTEXT)


def _deliveries(
    paths: Sequence[Path], dialect: str | None, work: Path, scheduler: str | None, progress: Progress | None
) -> tuple[Traffic, list[pl.DataFrame], list[Entry]]:
    """AIS files, taken apart by day, and the days put together."""
    tasks = [tasks_of_bulk.Delivery(path, work / f"file-{n:06d}", dialect) for n, path in enumerate(paths)]
    storage = str(work) if scheduler else None
    split = functools.partial(tasks_of_bulk.split, progress=progress) if scheduler is None else tasks_of_bulk.split
    splits = fleet.run(
        split, tasks, name=lambda task: str(task.path), scheduler=scheduler, storage=storage, code=program.reading
    )
    entries: list[Entry] = []
    first_with: dict[str, str] = {}
    parts: dict[date, list[Part]] = {}
    rejects: list[pl.DataFrame] = []
    for found in splits:
        repeated = {account.sha256 for account in found.accounts if account.sha256 in first_with}
        for account in found.accounts:
            entry = _entry(account)
            entries.append(entry)
            if account.sha256 in repeated:
                entry.notes += (f"{SAME_BYTES} {first_with[account.sha256]}: no new rows",)
                entry.duplicate, entry.accepted = entry.duplicate + entry.accepted, 0
        # Members of one archive that repeat each other are settled already.
        new = {account.sha256: account.path for account in reversed(found.accounts) if account.sha256}
        first_with = new | first_with
        for part in found.parts:
            if not any(sha256.startswith(part.source_file) for sha256 in repeated):
                parts.setdefault(part.day, []).append(part)
        if found.rejects is not None:
            refused = pl.read_parquet(found.rejects, hive_partitioning=False, glob=False)
            known = pl.col("file_sha256").is_in(sorted(repeated))
            rejects.append(refused.filter(~known).select(tables.REJECTS.names))
    several = [
        tasks_of_bulk.Day(day, tuple(part.path for part in own), work / f"day-{day}")
        for day, own in sorted(parts.items())
        if len(own) > 1
    ]
    made = fleet.run(
        tasks_of_bulk.make,
        several,
        name=lambda task: str(task.day),
        scheduler=scheduler,
        storage=storage,
        code=program.reading,
    )
    days = [own[0].files for own in parts.values() if len(own) == 1] + made
    _settle_duplicates(entries, days)
    return of_days(days), rejects, entries


def _settle_duplicates(entries: list[Entry], days: Sequence[DayFiles]) -> None:
    """What several files said is kept from one of them: the books of the others call it duplicate."""
    kept: Counter[str] = Counter()
    for day in days:
        kept.update(day.accepted)
    for entry in entries:
        if entry.accepted:
            n = entry.accepted - kept[entry.sha256[: ais.SOURCE_DIGITS]]
            entry.accepted, entry.duplicate = entry.accepted - n, entry.duplicate + n


def _entry(account: FileAccount) -> Entry:
    return Entry(
        "ais",
        account.path,
        account.sha256,
        account.n_bytes,
        account.dialect,
        account.encoding,
        account.n_read,
        account.n_accepted,
        account.n_duplicate,
        Counter(account.n_rejected),
        tuple(account.notes),
        FileRefused(account.path, "refused", account.refused) if account.refused else None,
    )


class _Lists:
    """All files of one role: read one by one, then joined so that what two files both say counts once."""

    def __init__(self, role: Role, table: Table, identity: str) -> None:
        self.role, self.table, self.identity = role, table, identity
        # Watch lists often hold nothing but hulls without a number; only pictures are taken to be there when given.
        self.is_refused_whole = role != "vessels"
        self.frames: list[pd.DataFrame] = []
        self.rejects: list[pl.DataFrame] = []
        self.entries: list[Entry] = []
        self.paths: dict[str, Path] = {}

    def read(
        self, paths: Sequence[Path], reader: Callable[[Path], tuple[pd.DataFrame, pl.DataFrame, records.ListAccount]]
    ) -> None:
        """Read every file, keep the books."""
        for path in paths:
            try:
                frame, rejects, account = reader(path)
            except FileRefused as refused:
                self.entries.append(Entry(self.role, refused.path, refused=refused))
                continue
            entry = Entry(
                self.role,
                account.path,
                account.sha256,
                account.n_bytes,
                account.format,
                account.encoding,
                account.rows_read,
                account.accepted,
                account.duplicate,
                Counter(account.rejected),
                account.notes,
            )
            self.entries.append(entry)
            if self.is_refused_whole and entry.rows_read and not entry.accepted + entry.duplicate:
                # A list of which nothing can be used is a wrong file, not a quiet month: whoever gave it must be told.
                rules = ", ".join(f"{n} {rule}" for rule, n in sorted(entry.rejected.items()))
                entry.refused = FileRefused(
                    entry.path, "no_usable_row", f"{entry.rows_read} rows, none usable ({rules})"
                )
            if account.sha256 in self.paths:
                entry.duplicate, entry.accepted = entry.duplicate + entry.accepted, 0
                entry.notes += (f"the same bytes as {self.paths[account.sha256]}: no new rows",)
                continue
            self.paths[account.sha256] = path
            self.frames.append(frame)
            self.rejects.append(rejects)

    def joined(self) -> pd.DataFrame:
        """The rows of all files in one table: equal rows once, rows that contradict each other under one id refused.

        Two files may share an id and say different things. None of the two can be chosen, so both are rejects
        (`sighting_id_twice`), as within one file. The row kept of equal ones is that of the smallest hash and row.
        """
        found = [frame for frame in self.frames if len(frame)]
        if not found:
            return tables.empty_pandas(self.table)
        rows = pd.concat(found, ignore_index=True)
        place = rows["source_row"].str.rpartition(":")
        rows = rows.assign(_file=place[0], _row=place[2].astype("int64")).sort_values(["_file", "_row"])
        if self.identity != "source_row":
            places = ["source_row", "end_source_row", "_file", "_row"]
            said = rows.drop(columns=places, errors="ignore").astype("str")
            if "source" in said:
                # Where no source is given the reader names the line itself: that is no difference in what is said.
                said.loc[rows["source"] == rows["source_row"], "source"] = ""
            first = ~said.duplicated()
            twice = first & rows[first].duplicated(self.identity, keep=False).reindex(rows.index, fill_value=False)
            clashing = rows[self.identity].isin(set(rows.loc[twice, self.identity]))
            self._refuse(rows[clashing])
            for prefix, n in rows.loc[~first & ~clashing, "_file"].value_counts().items():
                entry = self.entry(str(prefix))
                entry.accepted, entry.duplicate = entry.accepted - n, entry.duplicate + n
            rows = rows[first & ~clashing]
        return tables.to_pandas(rows[self.table.names], self.table)

    def entry(self, prefix: str) -> Entry:
        """The file whose hash starts with this."""
        return next(entry for entry in self.entries if entry.sha256.startswith(prefix) and not entry.refused)

    def _refuse(self, rows: pd.DataFrame) -> None:
        rule = f"{self.identity}_twice"
        for prefix, group in rows.groupby("_file", sort=True):
            entry = self.entry(str(prefix))
            raw = {record.row: record.raw for record in records.read(self.paths[entry.sha256]).rows}
            numbers = sorted(group["_row"])
            self.rejects.append(records.rejects(entry.sha256, [(row, rule, raw[row]) for row in numbers]))
            entry.accepted -= len(numbers)
            entry.rejected[rule] += len(numbers)
