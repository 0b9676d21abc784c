"""The main job: files in, tables and a report folder out. What `ghostships run` and `ghostships.run(...)` both are.

Everything that can be wrong with the request is found before anything is read, everything that can be wrong with a file before
anything is written, and the folder appears complete or not at all.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import geopandas
import pandas as pd
import polars as pl

from ghostships import pipeline, routes, tables
from ghostships.errors import FileRefused, NothingUsable, UsageError
from ghostships.sea import Sea

Scope = Literal["area", "selected"]
Stage = Callable[[str], AbstractContextManager[None]]
log = logging.getLogger("ghostships")

SIMULATED_DIALECT = "ghostships-simulated"
SIMULATED_SOURCE = "simulated"


@dataclass(frozen=True)
class Request:
    """What was asked, as the user gave it; `check` says whether it can be done at all."""

    ais: tuple[str, ...] = ()
    sightings: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    vessels: tuple[str, ...] = ()
    route: str = "najin-primorye"
    scope: Scope = "area"
    dialect: str | None = None
    from_utc: datetime | None = None
    to_utc: datetime | None = None
    as_of_utc: datetime | None = None
    min_gap_h: float | None = None


@dataclass(frozen=True)
class Outcome(Mapping[str, pd.DataFrame]):
    """The tables by name, and what a reader must be told. Tables with a place are GeoDataFrames (WGS84).

    Attributes
    ----------
    manifest : what `manifest.json` holds
    warnings : sentences
    refused : whole files that could not be used, with the reason
    new_flags : trips flagged now that the folder replaced did not flag
    result : the tables as the pipeline made them
    """

    tables: dict[str, pd.DataFrame]
    manifest: dict[str, Any]
    refused: tuple[FileRefused, ...]
    new_flags: tuple[str, ...]
    result: pipeline.Result = field(repr=False)

    @property
    def warnings(self) -> list[str]:
        """What a reader must be told before the tables are believed."""
        return list(self.result.warnings)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise KeyError(f"no table {name!r}; known tables: {', '.join(self.tables)}")
        return self.tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)
