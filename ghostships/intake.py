"""Everything that was handed in, read; and the books: where every row of every file went.

For each file `rows_read = accepted + duplicate + rejected by rule`. The readers keep these books for one kind of file; here
they are joined across files, and brought up to date with what the analysis refused after reading (`settle`).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused, NothingUsable, UsageError
from ghostships.readers import ais, containers, records, scenes, sightings
from ghostships.readers import registry as registries
from ghostships.routes import Route
from ghostships.tables import Table

Role = Literal["ais", "sightings", "scenes", "vessels"]
log = logging.getLogger("ghostships")

SIMULATED = "simulated"
"""Publisher of every simulated sighting; the AIS dialect of simulated positions contains it too."""


@dataclass
class Entry:
    """One file and where its rows went. A refused file has no rows, only the reason."""

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

    positions: pl.DataFrame
    sightings: pd.DataFrame
    scenes: pd.DataFrame
    registry: pd.DataFrame
    rejects: pl.DataFrame
    entries: list[Entry]

    @property
    def refused(self) -> tuple[FileRefused, ...]:
        """Whole files that could not be used."""
        return tuple(entry.refused for entry in self.entries if entry.refused)

    @property
    def is_simulated(self) -> bool:
        """Whether any of it is invented: nothing made from it may pass as real."""
        invented = self.sightings["source"].astype("str").str.casefold().eq(SIMULATED).any()
        return bool(invented) or any(SIMULATED in entry.dialect for entry in self.entries)

    def settle(self, rejects: pl.DataFrame) -> pl.DataFrame:
        """All rejects of the run, bytes and full hash in place; rows refused after reading are moved in the books.

        Parameters
        ----------
        rejects : what the run refused, those of the readers included
        """
        by_prefix = {entry.sha256[:12]: entry for entry in self.entries if not entry.refused}
        known = self.rejects.select("file_sha256", "row", "rule")
        new = rejects.join(known, on=["file_sha256", "row", "rule"], how="anti")
        for sha256, rule, n in new.group_by("file_sha256", "rule").len().sort("file_sha256", "rule").iter_rows():
            entry = by_prefix[sha256[:12]]
            entry.accepted -= n
            entry.rejected[rule] += n
        assert all(e.accepted >= 0 for e in self.entries), "more rows were refused than read"
        return rejects
