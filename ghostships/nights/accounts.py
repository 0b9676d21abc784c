"""Where every row of every delivery went, across nights: rows read = accepted + duplicate + rejected + superseded.

The split of a delivery says what was read, rejected, and double within it. What a day kept of it is known only when the parts of
all deliveries in force were joined: the rest is double between deliveries. What the analysis refuses comes last (`settle`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from ghostships import tables
from ghostships.nights.books import PREFIX_DIGITS, Books, Delivery, Stream
from ghostships.nights.claims import Claim, InForce
from ghostships.readers import ais


@dataclass
class Account:
    """One stream of one delivery. `refused`: why nothing, or nothing after some row, was used."""

    path: str
    delivery: Delivery
    stream: Stream | None
    source: str
    accepted: int = 0
    duplicate: int = 0
    superseded: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()

    @property
    def rows_read(self) -> int:
        """Rows in the bytes."""
        return self.stream.n_read if self.stream else 0

    @property
    def refused(self) -> str | None:
        """Why it could not be used, if it could not."""
        return self.stream.refused if self.stream else self.delivery.refused

    @property
    def closes(self) -> bool:
        """Whether every row is somewhere."""
        rows = (self.accepted, self.duplicate, self.superseded, *self.rejected.values())
        return min(rows) >= 0 and sum(rows) == self.rows_read

    def as_dict(self) -> dict[str, Any]:
        """As `manifest.json` has it: the keys of `ghostships run`, and where it came from and is kept."""
        stream, delivery = self.stream, self.delivery
        return {
            "role": "ais",
            "path": self.path,
            "sha256": stream.sha256 if stream else delivery.sha256,
            "bytes": stream.n_bytes if stream else delivery.n_bytes,
            "dialect": stream.dialect if stream else "",
            "encoding": stream.encoding if stream else "",
            "rows_read": self.rows_read,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "superseded": self.superseded,
            "rejected": {rule: n for rule, n in sorted(self.rejected.items()) if n},
            "notes": list(self.notes),
            "refused": self.refused,
            "source": self.source,
            "delivery": delivery.sha256,
            "raw": delivery.raw,
        }


def keep(
    books: Books, claims: Sequence[Claim], forced: InForce, *, inbox: str, from_day: date | None = None
) -> list[Account]:
    """The books of every delivery with a row on or after `from_day`, or without any usable row, in order of path.

    Bytes are named after the first of the names under which they came.
    """
    first: dict[str, Claim] = {}
    for one in sorted(claims):
        first.setdefault(one.sha256, one)
    out: list[Account] = []
    owner: dict[str, str] = {}
    for one in sorted(first.values()):
        delivery = books.deliveries[one.sha256]
        for stream in delivery.streams:
            if forced.has(one.sha256):
                owner.setdefault(stream.sha256, one.sha256)
    for one in sorted(first.values()):
        delivery = books.deliveries[one.sha256]
        if from_day is not None and delivery.parts and all(part.day < from_day for part in delivery.parts):
            continue
        path = f"{inbox.rstrip('/')}/{one.name}"
        if not delivery.streams:
            out.append(Account(path, delivery, None, one.source))
        for stream in delivery.streams:
            out.append(_account(books, forced, owner, one, delivery, stream, path + stream.path))
    for account in out:
        assert account.closes, f"{account.path}: rows are not accounted for: {account}"
    return out


def _account(
    books: Books,
    forced: InForce,
    owner: Mapping[str, str],
    claim: Claim,
    delivery: Delivery,
    stream: Stream,
    path: str,
) -> Account:
    prefix = stream.sha256[:PREFIX_DIGITS]
    found = Account(path, delivery, stream, claim.source, rejected=Counter(stream.n_rejected), notes=stream.notes)
    found.duplicate = stream.n_duplicate
    if not forced.has(delivery.sha256):
        by = ", ".join(sha[:PREFIX_DIGITS] for sha in forced.superseded_by[delivery.sha256])
        found.superseded = stream.n_accepted
        found.notes += (f"superseded by {by}: none of its rows counts",)
        return found
    if owner[stream.sha256] != delivery.sha256:
        found.duplicate += stream.n_accepted
        found.notes += (f"the same rows as delivery {owner[stream.sha256][:PREFIX_DIGITS]}: no new rows",)
        return found
    # A member that repeats another of its archive has that one's prefix, and no rows of its own.
    days = {part.day for part in delivery.parts if part.prefix == prefix} if stream.n_accepted else set()
    found.accepted = sum(books.days[day].accepted.get(prefix, 0) for day in days)
    found.duplicate += stream.n_accepted - found.accepted
    return found


def settle(
    accounts: Iterable[Account],
    rejects: pl.DataFrame,
    original: Callable[[Delivery], Path | None],
) -> pl.DataFrame:
    """Bring the books up to date with what the analysis refused, and find the bytes of those rows.

    Parameters
    ----------
    rejects : all of the night; those of the analysis have the hash prefix in `file_sha256` and nothing in `raw`
    original : a file with the bytes of a delivery; None where they are kept no longer (then `raw` stays empty)
    """
    late = rejects.filter(pl.col("file_sha256").str.len_chars() < 64).sort(*tables.REJECTS.key, "raw")
    if late.is_empty():
        return rejects
    owners = {a.stream.sha256[:PREFIX_DIGITS]: a for a in accounts if a.stream is not None and a.accepted}
    parts = [rejects.filter(pl.col("file_sha256").str.len_chars() == 64)]
    for (prefix,), group in late.group_by("file_sha256", maintain_order=True):
        account = owners[str(prefix)]
        assert account.stream is not None
        for rule, n in group.group_by("rule").len().iter_rows():
            account.accepted -= n
            account.rejected[rule] += n
        file = original(account.delivery)
        raw = ais.raw_lines(file, str(prefix), group["row"].to_list()) if file is not None else {}
        parts.append(
            group.with_columns(
                file_sha256=pl.lit(account.stream.sha256),
                raw=pl.col("row").replace_strict(raw, default="", return_dtype=pl.String),
            )
        )
        assert account.closes, f"{account.path}: more rows were refused than read"
    return pl.concat(parts).sort(*tables.REJECTS.key, "raw")
