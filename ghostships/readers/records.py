"""Small lists in any format become records: text values by column name, each with the bytes it came from.

Sightings, scenes and watch lists arrive as CSV, GeoJSON, JSON lines, GeoPackage, KML or Parquet. Everything is handed
on as text, so that one set of rules judges all of them; numbers are never parsed by a format's own reader (an identity
number would lose digits). A damaged or hostile *file* is refused; a bad *record* is handed on with the rule it broke.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import containers

MAX_LIST_BYTES = 64 * 2**20
"""Largest list taken, unpacked. Ten thousand sightings are about 5 MB; a list is not a feed."""
MAX_JSON_DEPTH = 64
"""Deepest nesting taken: a GeoJSON multi-polygon in a collection is 9 deep; deeper input only exhausts the parser."""


@dataclass(frozen=True)
class Record:
    """One record. `rule` is set when the record itself is broken (too few fields, no usable geometry)."""

    row: int
    raw: bytes
    fields: dict[str, str]
    rule: str = ""


@dataclass(frozen=True)
class Records:
    """All records of one file. `columns` are the names as given, in order; `notes` are sentences for the log."""

    path: str
    sha256: str
    n_bytes: int
    format: str
    encoding: str
    columns: tuple[str, ...]
    rows: tuple[Record, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListAccount:
    """Where every row of one list went: `rows_read = accepted + duplicate + sum(rejected)`."""

    path: str
    sha256: str
    n_bytes: int
    format: str
    encoding: str
    rows_read: int
    accepted: int
    duplicate: int
    rejected: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read(path: Path, *, max_bytes: int = MAX_LIST_BYTES) -> Records:
    """All records of a list, whatever its format, which is told from the content and not from the name.

    Raises
    ------
    FileRefused
        when the container is damaged, the text is not UTF-8, the syntax is broken, or a limit is passed.
    """
    contents = containers.read_bytes(path)
    data, shown = contents.data, str(path)
    if len(data) > max_bytes:
        raise FileRefused(shown, "too_large", f"is {len(data)} bytes, more than {max_bytes} for a list (max_bytes)")
    notes = list(contents.notes)
    head = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    encoding = "binary"
    if data[:4] == b"PAR1":
        name, columns, rows = "parquet", *_parquet(data, shown, notes)
    elif data[:16] == b"SQLite format 3\x00":
        name, columns, rows = "geopackage", *_geopackage(data, shown, notes)
    else:
        text, encoding = _text(data, shown)
        if head[:1] == b"{" or head[:1] == b"[":
            name, columns, rows = _json(text, shown, notes)
        elif head[:1] == b"<":
            name, columns, rows = "kml", *_kml(data, shown, notes)
        else:
            name, columns, rows = "csv", *_csv(text, shown)
    known = {key(c) for c in columns}
    columns = [*columns, *(c for c in _columns(rows) if c not in known)]
    return Records(shown, contents.sha256, contents.n_bytes, name, encoding, tuple(columns), tuple(rows), tuple(notes))


def rejects(sha256: str, broken: list[tuple[int, str, bytes]]) -> pl.DataFrame:
    """The refused records as the table `rejects`."""
    frame = pl.DataFrame(
        [(sha256, row, rule, containers.escape(raw)) for row, rule, raw in broken],
        schema=tables.REJECTS.polars_schema,
        orient="row",
    )
    return frame.sort(list(tables.REJECTS.key))


def account(
    records: Records, accepted: int, duplicate: int, broken: list[tuple[int, str, bytes]], notes: list[str]
) -> ListAccount:
    """The books of one list."""
    counts: dict[str, int] = {}
    for _, rule, _ in sorted(broken):
        counts[rule] = counts.get(rule, 0) + 1
    told = Counter([*records.notes, *notes])
    return ListAccount(
        records.path,
        records.sha256,
        records.n_bytes,
        records.format,
        records.encoding,
        len(records.rows),
        accepted,
        duplicate,
        dict(sorted(counts.items())),
        tuple(f"{note} ({n} rows)" if n > 1 else note for note, n in told.items()),
    )


def key(name: str) -> str:
    """A column name as rules know it: lower case, words joined by `_`, units in brackets kept as words."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().casefold()).strip("_")


def matched(given: tuple[str, ...], aliases: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Which of our columns each given one is, by its key; our own name wins, then the first alias."""
    keys = [key(c) for c in given]
    taken: dict[str, str] = {}
    for ours, others in aliases.items():
        name = next((n for n in (ours, *others) if n in keys and n not in taken), None)
        if name is not None:
            taken[name] = ours
    return taken


def once(
    rows: list[dict[str, object]], sources: list[Record], name: str, broken: list[tuple[int, str, bytes]]
) -> tuple[list[dict[str, object]], int]:
    """Equal rows once, the first of them; rows that share the id `name` and say different things are all refused.

    None of those can be chosen without depending on their order. Equal means equal in everything but the row number.
    """
    said: dict[object, set[str]] = {}
    for row in rows:
        said.setdefault(row[name], set()).add(_said(row))
    kept, seen, duplicate = [], set(), 0
    for row, record in zip(rows, sources, strict=True):
        if len(said[row[name]]) > 1:
            broken.append((record.row, f"{name}_twice", record.raw))
        elif row[name] in seen:
            duplicate += 1
        else:
            seen.add(row[name])
            kept.append(row)
    return kept, duplicate


def _said(row: dict[str, object]) -> str:
    own = str(row.get("source_row"))
    return json.dumps({k: str(v) for k, v in row.items() if str(v) != own}, sort_keys=True)


def _text(data: bytes, shown: str) -> tuple[str, str]:
    """UTF-8, or UTF-16 with a byte order mark. Nothing else is guessed: names are evidence."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16"), "utf-16"
        except UnicodeDecodeError as error:
            raise FileRefused(shown, "encoding", f"starts as UTF-16 but breaks at byte {error.start}") from error
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileRefused(
            shown, "encoding", f"line {line} is not UTF-8 (byte 0x{data[error.start]:02x}); save the list as UTF-8"
        ) from error


def _csv(text: str, shown: str) -> tuple[list[str], list[Record]]:
    lines = io.StringIO(text, newline="").readlines()
    if not text.strip():
        raise FileRefused(shown, "empty", "is empty; a list starts with a line of column names")
    first = next(line for line in lines if line.strip())
    delimiter = max(",;\t|", key=lambda d: (first.count(d), d == ","))
    columns: list[str] = []
    rows: list[Record] = []
    reader = csv.reader(_without_nul(lines, shown), delimiter=delimiter, strict=True)
    at = 0
    try:
        for fields in reader:
            start, at = at, reader.line_num
            if not any(f.strip() for f in fields):
                continue
            if not columns:
                columns = [f.strip() for f in fields]
                known = [key(c) for c in columns]
                twice = sorted({c for c in known if c and known.count(c) > 1})
                if twice:
                    raise FileRefused(shown, "columns", f"column {twice[0]!r} appears twice in the header")
                continue
            raw = "".join(lines[start:at]).rstrip("\r\n").encode()
            rule = "" if len(fields) == len(columns) else "column_count"
            values = {key(c): f.strip() for c, f in zip(columns, fields, strict=False)}
            rows.append(Record(start + 1, raw, values, rule))
    except csv.Error as error:
        raise FileRefused(shown, "csv", f"line {reader.line_num}: not valid CSV: {error}") from error
    return columns, rows


def _without_nul(lines: list[str], shown: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\x00" in line:
            raise FileRefused(shown, "nul", f"line {number} holds NUL bytes; the file is damaged or not text")
        yield line


def _json(text: str, shown: str, notes: list[str]) -> tuple[str, list[str], list[Record]]:
    """GeoJSON, a list of objects, or one object a line; strict: no NaN, no repeated keys, numbers stay text."""
    _refuse_deep(text, shown)
    whole = True
    try:
        document: Any = _parse(text)
    except _Bad as error:
        raise FileRefused(shown, "json", str(error)) from error
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise FileRefused(shown, "json", f"line {error.lineno}: not valid JSON: {error.msg.lower()}") from error
        whole = False
    rows: list[Record] = []
    if not whole:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                rows.append(_json_line(number, line, notes))
        return "jsonl", _columns(rows), rows
    items: Any = [document]
    crs: str | None = None
    name = "json"
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        name, items, crs = "geojson", document.get("features"), _legacy_crs(document, shown)
    elif isinstance(document, list):
        items = document
    if not isinstance(items, list):
        raise FileRefused(shown, "json", "its `features` are not a list")
    for number, item in enumerate(items, start=1):
        rows.append(_json_record(number, json.dumps(item, ensure_ascii=True).encode(), item, crs, notes))
    return name, _columns(rows), rows


class _Bad(ValueError):
    """Something that JSON forbids but lenient parsers let through."""


def _parse(text: str) -> Any:
    def constant(name: str) -> Any:
        raise _Bad(f"holds {name}, which is not JSON")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in items:
            if name in out:
                raise _Bad(f"key {name!r} appears twice in one object")
            out[name] = value
        return out

    return json.loads(text, parse_int=str, parse_float=str, parse_constant=constant, object_pairs_hook=pairs)


def _json_line(number: int, line: str, notes: list[str]) -> Record:
    raw = line.rstrip("\r\n").encode("utf-8", "surrogatepass")
    try:
        return _json_record(number, raw, _parse(line), None, notes)
    except ValueError:
        return Record(number, raw, {}, "json")


def _json_record(number: int, raw: bytes, item: Any, crs: str | None, notes: list[str]) -> Record:
    if not isinstance(item, dict):
        return Record(number, raw, {}, "not_an_object")
    values: dict[str, str] = {}
    is_feature = item.get("type") == "Feature"
    inside = item.get("properties") if is_feature or isinstance(item.get("properties"), dict) else None
    if isinstance(item.get("id"), str) and "id" not in (inside or {}):
        values["id"] = item["id"]
    for name, value in {**({} if is_feature else item), **(inside if isinstance(inside, dict) else {})}.items():
        if name in ("properties", "geometry"):
            continue
        values[key(str(name))] = _plain(value)
    rule = "" if all(_is_text(v) for v in values.values()) else "text_not_unicode"
    if is_feature and not rule:
        rule = _geometry(item.get("geometry"), crs, values, notes)
    return Record(number, raw, values, rule)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(_plain(v) for v in value)
    return value if isinstance(value, str) else json.dumps(value)


def _is_text(value: str) -> bool:
    """False for lone surrogates, which no UTF-8 file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(rows: list[Record]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.fields))


def _refuse_deep(text: str, shown: str) -> None:
    """Count brackets before parsing: the parser would recurse once for each."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise FileRefused(shown, "json_depth", f"is nested deeper than {MAX_JSON_DEPTH} levels")
        elif mark in "]}":
            depth -= 1


def _legacy_crs(document: dict[str, Any], shown: str) -> str | None:
    """The reference system named by the old `crs` member (GeoJSON 2008), or None for longitude and latitude."""
    crs = document.get("crs")
    if not isinstance(crs, dict):
        return None
    properties = crs.get("properties")
    named = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    if named.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        return None
    found = re.search(r"EPSG:+(?:[\d.]*:)?(\d+)$", named, re.IGNORECASE)
    if not found:
        raise FileRefused(shown, "crs", f"its crs {named[:80]!r} is not known; save it in EPSG:4326")
    return f"EPSG:{found.group(1)}"


def _geometry(geometry: Any, crs: str | None, values: dict[str, str], notes: list[str]) -> str:
    """Put a point into `lat` and `lon` and an area into `wkt`; the broken rule, or nothing."""
    import shapely
    from shapely.geometry import shape

    if not isinstance(geometry, dict) or geometry.get("type") not in ("Point", "Polygon", "MultiPolygon"):
        return "geometry_type"
    try:
        built = shape({"type": geometry["type"], "coordinates": _numbers(geometry.get("coordinates"))})
    except (ValueError, TypeError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return "geometry_coordinates"
    return _place(built, crs, values, notes)


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")) or "_" in str(value):
        raise ValueError(value)
    return number


def _place(geometry: Any, crs: Any, values: dict[str, str], notes: list[str]) -> str:
    """A shapely point or area into text values, in longitude and latitude."""
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


def _kml(data: bytes, shown: str, notes: list[str]) -> tuple[list[str], list[Record]]:
    """Placemarks. Entities, DTDs and external references are refused; network links are never followed."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(data, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise FileRefused(shown, "xml_entities", "declares a DTD or entities, which are refused in KML") from error
    except (ParseError, ValueError, RecursionError) as error:
        raise FileRefused(shown, "xml", f"not valid XML: {error}") from error
    if _local(root.tag).casefold() != "kml":
        raise FileRefused(
            shown, "not_kml", f"is XML whose root is <{_local(root.tag)[:40]}>, not <kml>; of XML only KML is read"
        )
    if any(_local(e.tag) == "NetworkLink" for e in root.iter()):
        notes.append("network links were not followed")
    rows = []
    for number, mark in enumerate((e for e in root.iter() if _local(e.tag) == "Placemark"), start=1):
        raw = ElementTree.tostring(mark)
        values: dict[str, str] = {}
        rule = "geometry_type"
        for element in mark.iter():
            name, text = _local(element.tag), (element.text or "").strip()
            if name in ("Data", "SimpleData") and element.get("name"):
                inner = next((c.text or "" for c in element if _local(c.tag) == "value"), text)
                values[key(str(element.get("name")))] = inner.strip()
            elif name == "when":
                values.setdefault("time", text)
            elif name in ("begin", "end"):
                values.setdefault("start_utc" if name == "begin" else "end_utc", text)
            elif name in ("name", "description") and text:
                values.setdefault({"name": "id", "description": "note"}[name], text)
            elif name in ("Point", "Polygon") and rule:
                rule = _kml_geometry(name, element, values, notes)
        rows.append(Record(number, raw, values, rule))
    return _columns(rows), rows


def _local(tag: Any) -> str:
    return str(tag).rsplit("}", 1)[-1]


def _kml_geometry(kind: str, element: Any, values: dict[str, str], notes: list[str]) -> str:
    found = next((e.text or "" for e in element.iter() if _local(e.tag) == "coordinates"), "")
    points: list[list[str]] = [part.split(",") for part in found.split()]
    coordinates: Any = points[0] if kind == "Point" and points else [points]
    return _geometry({"type": kind, "coordinates": coordinates}, None, values, notes)


def _geopackage(data: bytes, shown: str, notes: list[str]) -> tuple[list[str], list[Record]]:
    import pyogrio
    from pyogrio.errors import DataSourceError

    # A file of its own with the right ending: GDAL warns about databases that have another.
    with tempfile.NamedTemporaryFile(suffix=".gpkg") as file:
        file.write(data)
        file.flush()
        try:
            layers = [str(name) for name, _ in pyogrio.list_layers(file.name)]
            if len(layers) != 1:
                raise FileRefused(shown, "layers", f"has {len(layers)} layers ({', '.join(layers[:5])}), expected one")
            frame = pyogrio.read_dataframe(file.name, layer=layers[0], datetime_as_string=True)
        except (DataSourceError, ValueError, OSError) as error:
            raise FileRefused(shown, "geopackage", "cannot be read as a GeoPackage; it is damaged") from error
    crs = getattr(frame, "crs", None)
    declared = None if crs is None or crs.to_epsg() == 4326 else crs.to_string()
    columns = [str(c) for c in frame.columns if c != "geometry"]
    rows = []
    for number, item in enumerate(frame.to_dict("records"), start=1):
        values = {key(c): _cell(item[c]) for c in columns}
        rule = _place(item.get("geometry"), declared, values, notes)
        rows.append(Record(number, json.dumps({**values}, sort_keys=True).encode(), values, rule))
    return columns, rows


def _parquet(data: bytes, shown: str, notes: list[str]) -> tuple[list[str], list[Record]]:
    """Parquet and GeoParquet. A time without a zone is taken as UTC, as in text."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(shown, "parquet", f"cannot be read as Parquet: {error}") from error
    columns = [c for c in table.column_names if not pa.types.is_binary(table.schema.field(c).type)]
    geometry = next((c for c in ("geometry", "geom") if c in table.column_names and c not in columns), None)
    if geometry and (crs := _geoparquet_crs(table.schema.metadata, geometry)):
        raise FileRefused(shown, "crs", f"its coordinates are in {crs}; save it in EPSG:4326")
    rows = []
    for number, item in enumerate(table.to_pylist(), start=1):
        values = {key(c): _cell(item[c]) for c in columns}
        rule = ""
        if geometry and item[geometry] is not None:
            try:
                rule = _place(shapely.from_wkb(item[geometry]), None, values, notes)
            except shapely.errors.ShapelyError:
                rule = "geometry_coordinates"
        rows.append(Record(number, json.dumps(values, sort_keys=True).encode(), values, rule))
    return columns, rows


def _geoparquet_crs(metadata: dict[bytes, bytes] | None, geometry: str) -> str | None:
    """The declared reference system where it is not longitude and latitude (GeoParquet 1.1: absent means OGC:CRS84)."""
    try:
        crs = json.loads((metadata or {})[b"geo"])["columns"][geometry].get("crs")
        identity = crs["id"]
    except (KeyError, TypeError, ValueError):
        return None
    found = f"{identity.get('authority')}:{identity.get('code')}"
    return None if found in ("OGC:CRS84", "EPSG:4326") else found


def _cell(value: Any) -> str:
    """A typed cell as text; missing values of any kind are empty."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(_cell(v) for v in value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, float) and value == int(value) and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def digest(values: dict[str, str]) -> str:
    """Twelve hexadecimal digits that depend on the values alone, whatever their order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
