"""Dialects: how each kind of export names its columns and writes its values. A new dialect is a TOML file, not code.

The files of the folder `dialects` are read once. A dialect is recognised when the file has all the columns of one of its `needs`
sets and the values agree with what it declares; the most specific one wins, and a tie refuses the file.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ghostships.errors import UsageError

IDENTITY = ("mmsi", "id")
FIELDS = (
    *IDENTITY,
    "time",
    "lat_deg",
    "lon_deg",
    "sog_kn",
    "cog_deg",
    "heading_deg",
    "nav_status",
    "ais_class",
    "imo",
    "vessel_name",
    "call_sign",
    "ship_type",
    "length_m",
    "bow_m",
    "stern_m",
    "draught_m",
    "destination",
    "message_type",
)
"""What a column of an export can mean. `bow_m + stern_m` is the length where none is given; `message_type` is that of M.1371."""

TEXT_FIELDS = ("vessel_name", "call_sign", "destination")
NUMBER_FIELDS = ("lat_deg", "lon_deg", "sog_kn", "cog_deg", "heading_deg", "length_m", "bow_m", "stern_m", "draught_m")


class TimeFormat(BaseModel):
    """How times are written. `auto` is decided from all rows of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["auto", "iso", "dmy", "mdy", "compact", "unix_s", "unix_ms", "unix_us", "unix_ns"] = "auto"
    zone: str | None = None


class Dialect(BaseModel):
    """One kind of export. `columns` lists, for each field, the (normalised) names its column may have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: str
    source: str
    shapes: tuple[Literal["table", "records", "nmea"], ...] = ("table", "records")
    needs: tuple[tuple[str, ...], ...] = ()
    fallback: bool = False
    on_request: bool = False
    columns: dict[str, tuple[str, ...]] = {}
    time: TimeFormat = TimeFormat()
    scale: dict[str, float] = {}
    whole_numbers: tuple[str, ...] = ()
    codes: dict[str, dict[str, int | str]] = {}
    without_position: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _knows_its_fields(self) -> Dialect:
        for part in (self.columns, self.scale, self.codes):
            for name in part:
                if name not in FIELDS:
                    raise ValueError(f"dialect {self.name!r}: {name!r} is not a field; known: {', '.join(FIELDS)}")
        return self


@dataclass(frozen=True)
class Binding:
    """A dialect bound to the columns of one file: `index` of the column for each field found."""

    dialect: Dialect
    index: dict[str, int]
    known: dict[str, str]
    unknown: tuple[str, ...]
    why: str


class NotRecognised(ValueError):
    """No dialect, or more than one, fits the columns; the message says what was seen and what is missing."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def normalise(name: str) -> str:
    """`# Timestamp`, ` LAT ` and `Base-Date time` become `timestamp`, `lat` and `base_date_time`."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


@functools.cache
def all_dialects() -> dict[str, Dialect]:
    """Every dialect in the package, by name."""
    found = {}
    folder = resources.files("ghostships.readers") / "dialects"
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            dialect = Dialect.model_validate(tomllib.loads(entry.read_text(encoding="utf-8")))
            if dialect.name != entry.name.removesuffix(".toml"):
                raise ValueError(f"{entry.name}: the dialect's name is {dialect.name!r}; name the file after it")
            found[dialect.name] = dialect
    return found


def get(name: str) -> Dialect:
    """The dialect of that name.

    Raises
    ------
    UsageError
        when there is none; the message lists those there are.
    """
    known = all_dialects()
    if name not in known:
        raise UsageError(f"--dialect: no dialect {name!r}; known: {', '.join(sorted(known))}")
    return known[name]


def recognise(columns: Sequence[str], *, shape: str, wanted: Dialect | None = None) -> list[Binding]:
    """Dialects that fit the columns, the best first; several only where the values must decide.

    Raises
    ------
    NotRecognised
        when none fits, two fit equally well, a name occurs twice, or two columns mean the same field.
    """
    names = [normalise(column) for column in columns]
    _refuse_twins(columns, names)
    if wanted is not None:
        candidates = [(len(names), wanted, "named by --dialect")]
    else:
        candidates = []
        for dialect in all_dialects().values():
            fitting = [need for need in dialect.needs if set(need) <= set(names)]
            if shape in dialect.shapes and fitting and not dialect.fallback and not dialect.on_request:
                best = max(fitting, key=len)
                candidates.append((len(best), dialect, f"has the columns {', '.join(best)}"))
        candidates.sort(key=lambda c: (-c[0], c[1].name))
        if len(candidates) > 1 and candidates[0][0] == candidates[1][0]:
            tied = ", ".join(d.name for n, d, _ in candidates if n == candidates[0][0])
            raise NotRecognised(
                "dialect_ambiguous", f"fits several dialects equally well ({tied}); name one with --dialect"
            )
        candidates += [
            (0, d, "its columns have usual names, and no specific dialect fits")
            for d in all_dialects().values()
            if d.fallback and shape in d.shapes
        ]
    return [_bind(dialect, columns, names, why) for _, dialect, why in candidates]


def best(names: Sequence[str], *, shape: str, wanted: Dialect | None) -> Binding:
    """The one binding to read by: the first that lacks nothing.

    Raises
    ------
    NotRecognised
        when none fits, or each lacks a column.
    """
    bound = recognise(names, shape=shape, wanted=wanted)
    lacks = [missing(binding) for binding in bound]
    good = [binding for binding, lack in zip(bound, lacks, strict=True) if lack is None]
    if not good:
        raise NotRecognised(
            "column_missing", (lacks and lacks[0]) or f"no dialect has the columns {', '.join(names[:30])}"
        )
    return good[0]


def missing(binding: Binding) -> str | None:
    """What a binding lacks to be readable, with the names tried and the columns seen; null when it lacks nothing."""
    for field in ("time", "lat_deg", "lon_deg"):
        if field not in binding.index:
            return _lacks(binding, field, binding.dialect.columns.get(field, ()))
    if not any(field in binding.index for field in IDENTITY):
        return _lacks(
            binding, "ship (MMSI or id)", [n for field in IDENTITY for n in binding.dialect.columns.get(field, ())]
        )
    return None


def _lacks(binding: Binding, what: str, tried: Sequence[str]) -> str:
    seen = [*binding.known.values(), *binding.unknown]
    shown = ", ".join(repr(c[:40]) for c in seen[:30])
    return f"no {what.removesuffix('_deg')} column; tried {', '.join(tried)}; columns seen: {shown or 'none'}"


def _refuse_twins(columns: Sequence[str], names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if name and name in first:
            raise NotRecognised(
                "column_twice",
                f"columns {first[name] + 1} ({columns[first[name]]!r}) and {i + 1} ({columns[i]!r}) have the same name",
            )
        first[name] = i


def _bind(dialect: Dialect, columns: Sequence[str], names: Sequence[str], why: str) -> Binding:
    index: dict[str, int] = {}
    known: dict[str, str] = {}
    taken: set[int] = set()
    for field, aliases in dialect.columns.items():
        at = [i for i, name in enumerate(names) if name in aliases]
        if field == "id" and "mmsi" in index:
            continue
        if len(at) > 1:
            shown = " and ".join(f"{i + 1} ({columns[i]!r})" for i in at)
            raise NotRecognised("column_twice", f"columns {shown} both mean {field}; keep one")
        if at:
            index[field], known[field] = at[0], columns[at[0]]
            taken.add(at[0])
    unknown = tuple(column for i, column in enumerate(columns) if i not in taken)
    return Binding(dialect, index, known, unknown, why)
