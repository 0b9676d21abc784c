"""What the store remembers beside its objects, as the payload of a generation: every delivery that ever arrived, and every day.

arrivals     name, SHA-256                 under which names which bytes arrived; nothing is ever taken out
deliveries   SHA-256 -> streams, parts     where every row of a delivery went; its rows by day, its rejects, its original bytes
days         day -> objects                made of the parts in force; made again when, and only when, those change
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from ghostships.nights.freshness import Facts, Heard
from ghostships.nights.inbox import Seen

FORMAT = 1
"""Number of this layout of the payload."""
PREFIX_DIGITS = 12
"""Digits of a SHA-256 by which tables name a file."""


@dataclass(frozen=True)
class Stream:
    """One stream of rows of a delivery (a member of an archive, or the file): n_read = n_accepted + n_duplicate + rejected.

    `n_accepted` are the rows in its parts; whether they count is for `claims` and the days to say.
    """

    path: str
    sha256: str
    n_bytes: int
    dialect: str
    encoding: str
    n_read: int
    n_accepted: int
    n_duplicate: int
    n_rejected: dict[str, int]
    notes: tuple[str, ...]
    refused: str | None = None


@dataclass(frozen=True)
class Part:
    """The rows of one stream in one UTC day and their summaries, as objects by table: a whole day, had nothing else come.

    `n_ships`, `first_utc`, `last_utc`: see `freshness.Heard`; without a ship the times are those of the day.
    """

    day: date
    prefix: str
    objects: dict[str, str]
    n_rows: int
    n_ships: int
    first_utc: datetime
    last_utc: datetime

    @property
    def object(self) -> str:
        """Its rows, by which a day knows what it was made of."""
        return self.objects["positions"]


@dataclass(frozen=True)
class Delivery:
    """One file, by its bytes. `read_by` says which code and dialect read it; `raw` is null once its retention has ended."""

    sha256: str
    n_bytes: int
    arrived: date
    read_by: str
    dialect: str | None = None
    streams: tuple[Stream, ...] = ()
    parts: tuple[Part, ...] = ()
    rejects: str | None = None
    raw: str | None = None
    refused: str | None = None

    @property
    def prefix(self) -> str:
        """How tables name it."""
        return self.sha256[:PREFIX_DIGITS]

    @property
    def facts(self) -> Facts:
        """What freshness asks for."""
        heard = tuple(
            Heard(part.day, part.n_ships, part.first_utc, part.last_utc) for part in self.parts if part.n_ships
        )
        return Facts(heard, self.refused is not None)

    @property
    def last_day(self) -> date:
        """The day its retention is counted from; rows dated after its arrival do not prolong it."""
        return max((part.day for part in self.parts if part.day <= self.arrived), default=self.arrived)

    @property
    def objects(self) -> list[str]:
        """Paths of everything the store keeps for it."""
        return [path for part in self.parts for path in part.objects.values()] + [
            path for path in (self.rejects, self.raw) if path
        ]


@dataclass(frozen=True)
class Day:
    """One day of the store: its objects by table, the parts they were made of, and how many rows of each stream were kept."""

    made_of: tuple[str, ...]
    made_by: str
    objects: dict[str, str]
    accepted: dict[str, int]


@dataclass(frozen=True)
class ListFile:
    """One list (sightings, scenes, vessels) as it was read: its bytes, and the days it speaks of (null: no time at all)."""

    sha256: str
    days: tuple[date, ...] | None
    raw: str


@dataclass(frozen=True)
class Books:
    """All of it. A new generation has new books; these are never changed in place."""

    arrivals: frozenset[tuple[str, str]] = frozenset()
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    days: Mapping[date, Day] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, ListFile]] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)
    in_force: frozenset[str] = frozenset()
    thought: Mapping[str, Any] = field(default_factory=dict)
    """Everything that decides the tables; equal to the last means that there is nothing to think."""
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """What came of it: `drawn` (generation whose folder is the current one), tables by name, counts, warnings."""

    @property
    def objects(self) -> set[str]:
        """Paths of every object that this generation needs."""
        found = {path for delivery in self.deliveries.values() for path in delivery.objects}
        found |= {path for day in self.days.values() for path in day.objects.values()}
        found |= {one.raw for files in self.lists.values() for one in files.values()}
        return found | set(self.outcome.get("tables", {}).values())

    def as_payload(self) -> dict[str, Any]:
        """The books as JSON; equal books give equal bytes."""
        return {
            "books": FORMAT,
            "arrivals": sorted(map(list, self.arrivals)),
            "deliveries": {sha: _jsonable(one) for sha, one in sorted(self.deliveries.items())},
            "days": {day.isoformat(): _jsonable(one) for day, one in sorted(self.days.items())},
            "lists": {
                role: {name: _jsonable(one) for name, one in sorted(files.items())}
                for role, files in sorted(self.lists.items())
            },
            "seen": {name: list(mark) for name, mark in sorted(self.seen.items())},
            "in_force": sorted(self.in_force),
            "thought": dict(self.thought),
            "outcome": dict(self.outcome),
        }

    def with_(self, **changes: Any) -> Books:
        """The books with some of it replaced."""
        return replace(self, **changes)


def of_payload(payload: Mapping[str, Any]) -> Books:
    """The books of a generation.

    Raises
    ------
    KeyError, TypeError, ValueError
        when it is not a payload of ours, or of a newer version.
    """
    if payload["books"] != FORMAT:
        raise ValueError(f"books of format {payload['books']}, this version reads {FORMAT}")
    return Books(
        arrivals=frozenset((name, sha) for name, sha in payload["arrivals"]),
        deliveries={sha: _delivery(one) for sha, one in payload["deliveries"].items()},
        days={
            date.fromisoformat(day): Day(tuple(one["made_of"]), one["made_by"], one["objects"], one["accepted"])
            for day, one in payload["days"].items()
        },
        lists={
            role: {
                name: ListFile(
                    one["sha256"],
                    None if one["days"] is None else tuple(map(date.fromisoformat, one["days"])),
                    one["raw"],
                )
                for name, one in files.items()
            }
            for role, files in payload["lists"].items()
        },
        seen={name: tuple(mark) for name, mark in payload["seen"].items()},
        in_force=frozenset(payload["in_force"]),
        thought=payload["thought"],
        outcome=payload["outcome"],
    )


def _delivery(one: dict[str, Any]) -> Delivery:
    streams = tuple(Stream(**{**stream, "notes": tuple(stream["notes"])}) for stream in one["streams"])
    parts = tuple(
        Part(
            **{
                **part,
                "day": date.fromisoformat(part["day"]),
                "first_utc": datetime.fromisoformat(part["first_utc"]),
                "last_utc": datetime.fromisoformat(part["last_utc"]),
            }
        )
        for part in one["parts"]
    )
    return Delivery(**{**one, "arrived": date.fromisoformat(one["arrived"]), "streams": streams, "parts": parts})


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _jsonable(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, dict):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
