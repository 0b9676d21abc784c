"""Which program made something: a fingerprint of the code that decides it, and the versions of what it stands on.

A version number would do if nobody ever forgot to raise it. The source itself is never wrong: an upgrade that does not touch the
reading of files leaves every stored day as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable

from ghostships import tables

LIBRARIES = (
    "geopandas",
    "movingpandas",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scikit-fmm",
    "scikit-learn",
    "shapely",
)
"""Named in the manifest: equal bytes are promised for equal versions."""

_READING = (
    "readers",
    "bulk",
    "statics.py",
    "schema.py",
    "steps/days.py",
    "steps/clean.py",
    "report/parquet.py",
    "units.py",
    "sea.py",
)
"""What decides the bytes of parts and days."""
_READING_TABLES = (tables.POSITIONS, tables.VESSEL_HOURS, tables.STATICS, tables.LOST, tables.REJECTS)
_READING_LIBRARIES = ("polars", "pyarrow", "pyais")
_SOURCES = (".py", ".toml", ".j2", ".js", ".css")


@cache
def reading() -> str:
    """Fingerprint of what turns files into parts and parts into days."""
    declared = [(t.name, t.key, t.columns, [rule.name for rule in t.rules]) for t in _READING_TABLES]
    return hashlib.sha256(f"{_fingerprint(_READING, _READING_LIBRARIES)} {declared}".encode()).hexdigest()[:16]


def thinking() -> dict[str, str]:
    """What turns days into tables and pages: the version, a fingerprint of all code, and the libraries."""
    return {"ghostships": metadata.version("ghostships"), "code": _everything(), **libraries()}


def libraries() -> dict[str, str]:
    """Versions of `LIBRARIES`."""
    return {name: metadata.version(name) for name in LIBRARIES}


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What is another program since, in words; empty when nothing is."""
    parts = [
        f"{name} {before.get(name, 'none')} to {now.get(name, 'none')}"
        for name in sorted({*before, *now} - {"code"})
        if before.get(name) != now.get(name)
    ]
    return ", ".join(parts) or ("other code of the same version" if before.get("code") != now.get("code") else "")


@cache
def _everything() -> str:
    return _fingerprint(("",), ())


def _fingerprint(places: tuple[str, ...], packages: tuple[str, ...]) -> str:
    summed = hashlib.sha256()
    for package in packages:
        summed.update(f"{package} {metadata.version(package)}\n".encode())
    root = resources.files("ghostships")
    for place in places:
        start = root.joinpath(place) if place else root
        for name, file in sorted(_files(start, place)):
            summed.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return summed.hexdigest()[:16]


def _files(start: Traversable, name: str) -> list[tuple[str, Traversable]]:
    if start.is_file():
        return [(name, start)] if name.endswith(_SOURCES) else []
    if not start.is_dir():
        return []
    return [pair for inner in start.iterdir() for pair in _files(inner, f"{name}/{inner.name}")]
