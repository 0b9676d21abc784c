"""The whole river on one page, no disk: positions and sightings in, every table of the contract out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pandas as pd
import polars as pl

from ghostships.routes import Route
from ghostships.sea import Sea


@dataclass(frozen=True)
class Inputs:
    """What was read. Every frame obeys its declaration in `tables.py`; an input that was not given is an empty table."""

    positions: pl.DataFrame
    rejects: pl.DataFrame
    sightings: pd.DataFrame
    scenes: pd.DataFrame
    registry: pd.DataFrame


@dataclass(frozen=True)
class Settings:
    """What was asked. `scope` is `selected` when the export holds chosen ships: silence of others then proves nothing."""

    route: Route
    min_gap_h: float
    scope: Literal["area", "selected"] = "area"
    from_utc: datetime | None = None
    to_utc: datetime | None = None
    as_of_utc: datetime | None = None


@dataclass(frozen=True)
class Result:
    """Every table, by its name in `tables.py`, and what a reader must be told.

    `tables` holds pandas frames for all public tables except `rejects`, which stays a Polars frame.
    """

    tables: dict[str, pd.DataFrame]
    rejects: pl.DataFrame
    as_of_utc: datetime | None
    warnings: list[str] = field(default_factory=list)


def run(inputs: Inputs, settings: Settings, sea: Sea) -> Result:
    """Gaps, port calls, matches, evidence and round trips from what was read."""
    raise NotImplementedError
