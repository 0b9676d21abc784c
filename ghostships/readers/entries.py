"""One record of a list: text by column name, with the bytes it came from.

Everything is text, so that one set of rules judges every format; a number is never parsed by a format's own reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Record:
    """One record. `rule` is set when the record itself is broken (too few fields, no usable geometry).

    `kind` says what kind of item it is where only such items look like this (`documents.kind_of`); empty: nothing special.
    """

    row: int
    raw: bytes
    fields: dict[str, str]
    rule: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Parsed:
    """What one format's reader gives: the name of the format, the columns as given, and the records."""

    format: str
    columns: list[str]
    rows: list[Record]


def key(name: str) -> str:
    """A column name as rules know it: lower case, words joined by `_`, units in brackets kept as words."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().casefold()).strip("_")


def as_text(value: Any) -> str:
    """A JSON value as text; null is empty, a list of plain values is joined by `;`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(as_text(v) for v in value)
    return value if isinstance(value, str) else json.dumps(value)


def is_text(value: str) -> bool:
    """False for lone surrogates, which no UTF-8 file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def columns_of(rows: Sequence[Record]) -> list[str]:
    """Every name in the records, in the order of its first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.fields))


def put_geometry(geometry: Any, crs: str | None, values: dict[str, str], notes: list[str]) -> str:
    """Put a GeoJSON point into `lat` and `lon` and an area into `wkt`; returns the rule it breaks, or nothing."""
    import shapely
    from shapely.geometry import shape

    if not isinstance(geometry, dict) or geometry.get("type") not in ("Point", "Polygon", "MultiPolygon"):
        return "geometry_type"
    try:
        built = shape({"type": geometry["type"], "coordinates": _numbers(geometry.get("coordinates"))})
    except (ValueError, TypeError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return "geometry_coordinates"
    return put_place(built, crs, values, notes)


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")) or "_" in str(value):
        raise ValueError(value)
    return number


def put_place(geometry: Any, crs: Any, values: dict[str, str], notes: list[str]) -> str:
    """A shapely point or area into text values, in longitude and latitude; returns the rule it breaks, or nothing."""
    import pyproj
    import shapely

    if geometry is None or geometry.is_empty or geometry.geom_type not in ("Point", "Polygon", "MultiPolygon"):
        return "geometry_type"
    if geometry.has_z:
        notes.append("heights (third coordinates) were dropped")
        geometry = shapely.force_2d(geometry)
    if crs is not None:
        notes.append(f"coordinates were converted from {crs} to longitude and latitude")
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        geometry = shapely.transform(geometry, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
    if geometry.geom_type == "Point":
        values["lon"], values["lat"] = repr(round(geometry.x, 7)), repr(round(geometry.y, 7))
    else:
        values["wkt"] = shapely.to_wkt(geometry, rounding_precision=7)
    return ""
