"""What a stream of rows gives while it is read, and the books that are closed at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import statics, tables
from ghostships.readers import dialects

Reject = tuple[int, str, str]
"""Row, rule, and the bytes (escaped)."""


@dataclass(frozen=True)
class FileAccount:
    """What became of one file: `n_read == n_accepted + n_duplicate + sum(n_rejected.values())`, always.

    `path` is as given, `archive!index:member` inside a zip of several; `n_read` is counted from the bytes. `refused` says why
    nothing, or nothing after some row, was used.
    """

    path: str
    sha256: str
    n_bytes: int
    dialect: str = ""
    encoding: str = ""
    n_read: int = 0
    n_accepted: int = 0
    n_duplicate: int = 0
    n_rejected: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    span_start_utc: datetime | None = None
    span_end_utc: datetime | None = None
    n_vessels: int = 0
    refused: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether every row that was read went somewhere."""
        return self.n_read == self.n_accepted + self.n_duplicate + sum(self.n_rejected.values())


@dataclass(frozen=True)
class Portion:
    """Some rows of a stream. `messages` has `statics.MESSAGES_SCHEMA` but `source_file`; `said` is numbered within the stream.

    With `again` everything given before is void: the stream starts anew.
    """

    messages: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    again: bool = False


@dataclass(frozen=True)
class Finished:
    """The end of a stream: its account, its sets of static data, and which of them each number of the portions means."""

    account: FileAccount
    contents: pl.DataFrame
    numbers: npt.NDArray[np.uint32]
    why: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


Rows = Generator[Portion, None, Finished]
"""The portions of a stream, and at last how it ended."""

PORTION_SCHEMA: dict[str, pl.DataType] = {
    "mmsi": pl.Int32(),
    "own_id": pl.String(),
    **{n: t for n, t in statics.MESSAGES_SCHEMA.items() if n in statics.MOVEMENT},
    "nav_status": pl.Int8(),
    "said": statics.SAID,
    "source_row": pl.Int64(),
}
"""Narrow types: a day of ten million rows goes through the disk in these."""


class Closing:
    """Counts of a stream as its portions go by, from which its account is closed."""

    def __init__(self) -> None:
        self.n_accepted = 0
        self.n_rejected: Counter[str] = Counter()
        self._spans: list[datetime] = []

    def count(self, portion: Portion) -> Portion:
        """Count a portion and hand it on."""
        self.n_accepted += portion.messages.height
        self.n_rejected.update(rule for _, rule, _ in portion.rejects)
        if portion.messages.height:
            self._spans += portion.messages.select(pl.col("time_utc").min(), end=pl.col("time_utc").max()).row(0)
        return portion

    def close(
        self,
        account: FileAccount,
        contents: pl.DataFrame,
        numbers: npt.NDArray[np.uint32],
        *,
        n_read: int,
        binding: dialects.Binding | None = None,
        why: str = "",
    ) -> Finished:
        """The end of the stream; its books must balance."""
        account = replace(
            account,
            n_read=n_read,
            n_accepted=self.n_accepted,
            n_rejected=dict(sorted(self.n_rejected.items())),
            span_start_utc=min(self._spans, default=None),
            span_end_utc=max(self._spans, default=None),
            n_vessels=contents["vessel_key"].n_unique(),
        )
        assert account.is_closed, f"{account.path}: {n_read} rows were read, the books say {account}"
        known, unknown = (binding.known, binding.unknown) if binding else ({}, ())
        return Finished(account, contents, numbers, binding.why if binding else why, known, unknown)


def narrow(messages: pl.DataFrame) -> pl.DataFrame:
    """Messages as a portion holds them."""
    own_id = messages["own_id"] if "own_id" in messages.columns else pl.lit(None, pl.String)
    return messages.with_columns(own_id=own_id).select(pl.col(n).cast(t) for n, t in PORTION_SCHEMA.items())


def checked(positions: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
    """Positions that obey the declared table, and the others as rejects."""
    passed, broken = tables.check(positions, tables.POSITIONS)
    return passed, [(int(row), str(rule), "") for row, rule in broken.select("source_row", "rule").iter_rows()]
