"""Small lists in any format become records: text values by column name, each with the bytes it came from.

Sightings, scenes, watch lists and what other publishers say arrive as CSV, JSON (`documents`), XML (`markup`), GeoPackage or
Parquet. Everything is handed on as text, so that one set of rules judges all of them; numbers are never parsed by a format's
own reader (an identity number would lose digits). A damaged or hostile *file* is refused; a bad *record* is handed on with the
rule it broke.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import containers, documents, markup
from ghostships.readers.entries import Parsed, columns_of, put_place
from ghostships.readers.entries import Record as Record
from ghostships.readers.entries import key as key

MAX_LIST_BYTES = 64 * 2**20
"""Largest list taken, unpacked. Ten thousand sightings are about 5 MB; a list is not a feed."""
SDN_COLUMNS = (
    *("ent_num", "SDN_Name", "SDN_Type", "Program", "Title", "Call_Sign", "Vess_type", "Tonnage", "GRT", "Vess_flag"),
    *("Vess_owner", "Remarks"),
)
"""What OFAC's files `sdn.csv` and `cons_prim.csv` hold, which have no line of column names (OFAC, `dat_spec.txt`)."""
SDN_TYPES = ("-0-", "individual", "entity", "vessel", "aircraft")
SDN_NULL = "-0-"
CTRL_Z = "\x1a"
"""The end of a text file in DOS; OFAC's files still end with it."""


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
        parsed = _parquet(data, shown, notes)
    elif data[:16] == b"SQLite format 3\x00":
        parsed = _geopackage(data, shown, notes)
    else:
        text, encoding = _text(data, shown)
        if head[:1] == b"{" or head[:1] == b"[":
            parsed = documents.read(text, shown, notes)
        elif head[:1] == b"<":
            parsed = markup.read(data, shown, notes)
        else:
            parsed = _csv(text, shown, notes)
    known = {key(c) for c in parsed.columns}
    columns = (*parsed.columns, *(c for c in columns_of(parsed.rows) if c not in known))
    return Records(
        shown, contents.sha256, contents.n_bytes, parsed.format, encoding, columns, tuple(parsed.rows), tuple(notes)
    )


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


def _csv(text: str, shown: str, notes: list[str]) -> Parsed:
    lines = io.StringIO(text, newline="").readlines()
    if not text.strip():
        raise FileRefused(shown, "empty", "is empty; a list starts with a line of column names")
    if lines[-1].strip() == CTRL_Z:
        lines.pop()
        notes.append("the mark at the end of the file (Ctrl-Z) is no row")
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t|", key=lambda d: (first.count(d), d == ","))
    columns: list[str] = []
    kind = ""
    rows: list[Record] = []
    reader = csv.reader(_without_nul(lines, shown), delimiter=delimiter, strict=True)
    at = 0
    try:
        for fields in reader:
            start, at = at, reader.line_num
            if not any(f.strip() for f in fields):
                continue
            if not columns and _is_sdn(fields):
                columns, kind = list(SDN_COLUMNS), "ofac-sdn"
                notes.append("has no line of column names: its twelve columns are those of OFAC's sdn.csv")
            elif not columns:
                columns = [f.strip() for f in fields]
                known = [key(c) for c in columns]
                twice = sorted({c for c in known if c and known.count(c) > 1})
                if twice:
                    raise FileRefused(shown, "columns", f"column {twice[0]!r} appears twice in the header")
                continue
            raw = "".join(lines[start:at]).rstrip("\r\n").encode()
            rule = "" if len(fields) == len(columns) else "column_count"
            values = {key(c): f.strip() for c, f in zip(columns, fields, strict=False)}
            if kind:
                values = {name: "" if value == SDN_NULL else value for name, value in values.items()}
            rows.append(Record(start + 1, raw, values, rule, kind))
    except csv.Error as error:
        raise FileRefused(shown, "csv", f"line {reader.line_num}: not valid CSV: {error}") from error
    return Parsed("csv", columns, rows)


def _is_sdn(fields: list[str]) -> bool:
    """Whether a first line is already a row of OFAC's list: a number, a name, one of five types, twelve fields."""
    return (
        len(fields) == len(SDN_COLUMNS) and fields[0].strip().isdecimal() and fields[2].strip().casefold() in SDN_TYPES
    )


def _without_nul(lines: list[str], shown: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\x00" in line:
            raise FileRefused(shown, "nul", f"line {number} holds NUL bytes; the file is damaged or not text")
        yield line


def _geopackage(data: bytes, shown: str, notes: list[str]) -> Parsed:
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
        rule = put_place(item.get("geometry"), declared, values, notes)
        rows.append(Record(number, json.dumps({**values}, sort_keys=True).encode(), values, rule))
    return Parsed("geopackage", columns, rows)


def _parquet(data: bytes, shown: str, notes: list[str]) -> Parsed:
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
                rule = put_place(shapely.from_wkb(item[geometry]), None, values, notes)
            except shapely.errors.ShapelyError:
                rule = "geometry_coordinates"
        rows.append(Record(number, json.dumps(values, sort_keys=True).encode(), values, rule))
    return Parsed("parquet", columns, rows)


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
