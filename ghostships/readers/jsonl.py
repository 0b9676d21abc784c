"""JSON lines and msgpack streams: one object per record, numbered from 1, as columns of text.

Numbers keep the digits they were written with. A record that lacks a key is not the same as one whose value is empty: static AIS
messages have no position at all, and say that the ship was heard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import polars as pl

from ghostships.readers import dialects
from ghostships.readers.containers import escape
from ghostships.readers.text import MAX_LINE_BYTES, Refused

MAX_KEYS = 2_000


@dataclass(frozen=True)
class Records:
    """Records bound to a dialect: text columns by field with `row`, rejects, and the bytes of any record."""

    frame: pl.DataFrame
    binding: dialects.Binding
    rejects: tuple[tuple[int, str, str], ...]
    n_read: int
    n_blank: int
    raw: Callable[[int], str]


def is_msgpack(head: bytes) -> bool:
    """A stream of msgpack maps starts with the code of a map (fixmap, map16, map32)."""
    return bool(head) and (0x80 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)) and not head[:2].isascii()


def read_lines(data: bytes, *, wanted: dialects.Dialect | None) -> Records:
    """JSON lines.

    Raises
    ------
    Refused
        when no dialect fits the keys.
    """
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    records: list[Mapping[str, Any]] = []
    rows: list[int] = []
    rejects: list[tuple[int, str, str]] = []
    n_blank = 0
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            n_blank += 1
            continue
        rule = "line_too_long" if len(line) > MAX_LINE_BYTES else "nul_byte" if b"\x00" in line else None
        if rule is None:
            try:
                record = json.loads(line.decode("utf-8"), parse_int=str, parse_float=str)
            except UnicodeDecodeError:
                rule = "bad_encoding"
            except (ValueError, RecursionError):
                rule = "json_format"
            else:
                if isinstance(record, dict):
                    records.append(_flat(record))
                    rows.append(row)
                    continue
                rule = "json_format"
        rejects.append((row, rule, escape(line)))
    frame, binding = _columns(records, rows, wanted)
    return Records(frame, binding, tuple(rejects), len(lines) - n_blank, n_blank, lambda row: escape(lines[row - 1]))


def read_msgpack(data: bytes, *, wanted: dialects.Dialect | None) -> Records:
    """A stream of msgpack maps; one that ends inside a record is damaged and gives nothing.

    Raises
    ------
    Refused
        when the stream is damaged or no dialect fits the keys.
    """
    unpacker = msgpack.Unpacker(
        raw=False, unicode_errors="replace", strict_map_key=False, max_buffer_size=len(data) or 1
    )
    unpacker.feed(data)
    records: list[Mapping[str, Any]] = []
    rows: list[int] = []
    edges = [0]
    rejects: list[tuple[int, str, str]] = []
    try:
        for record in unpacker:
            edges.append(unpacker.tell())
            row = len(edges) - 1
            if isinstance(record, dict):
                records.append(_flat(record))
                rows.append(row)
            else:
                rejects.append((row, "record_format", escape(data[edges[-2] : edges[-1]])))
    # TypeError: a list or a map as the key of a map.
    except (TypeError, ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise Refused("damaged", f"damaged msgpack after record {len(edges) - 1}: {type(error).__name__}") from error
    if edges[-1] != len(data):
        raise Refused("truncated", f"truncated msgpack: {len(data) - edges[-1]} bytes after record {len(edges) - 1}")
    frame, binding = _columns(records, rows, wanted)
    return Records(
        frame, binding, tuple(rejects), len(edges) - 1, 0, lambda row: escape(data[edges[row - 1] : edges[row]])
    )


def _flat(record: Mapping[Any, Any]) -> dict[str, Any]:
    """One level of keys. An aisstream envelope gives `metadata_...` and the one body's `body_...`, whatever its type."""
    meta = record.get("MetaData", record.get("Metadata"))
    body = record.get("Message")
    if not isinstance(meta, dict) and not (isinstance(body, dict) and "MessageType" in record):
        return {str(key): value for key, value in record.items()}
    flat: dict[str, Any] = {"MessageType": record.get("MessageType")}
    for key, value in meta.items() if isinstance(meta, dict) else ():
        flat[f"metadata_{key}"] = value
    inner = body.get(str(record.get("MessageType"))) if isinstance(body, dict) else None
    for key, value in inner.items() if isinstance(inner, dict) else ():
        flat[f"body_{key}"] = value
        if isinstance(value, dict):
            flat.update({f"body_{key}_{k}": v for k, v in value.items()})
    if "metadata_MMSI" not in flat and isinstance(inner, dict) and "UserID" in inner:
        flat["metadata_MMSI"] = inner["UserID"]
    return flat


def _columns(
    records: Sequence[Mapping[str, Any]], rows: Sequence[int], wanted: dialects.Dialect | None
) -> tuple[pl.DataFrame, dialects.Binding]:
    # A dict, not a set: the order of the keys must not depend on the hash seed.
    keys: dict[str, None] = {}
    for record in records:
        keys.update(dict.fromkeys(record))
        if len(keys) > MAX_KEYS:
            raise Refused("too_many_keys", f"more than {MAX_KEYS} different keys")
    if not keys:
        raise Refused("not_ais", "no record is a JSON object" if rows or not records else "no usable record")
    names = [*keys]
    try:
        binding = dialects.best(names, shape="records", wanted=wanted)
    except dialects.NotRecognised as error:
        raise Refused(error.rule, str(error)) from error
    columns = {
        field: pl.Series([_text(record, names[i]) for record in records], dtype=pl.String())
        for field, i in binding.index.items()
    }
    return pl.DataFrame({**columns, "row": pl.Series(list(rows), dtype=pl.Int64())}), binding


def _text(record: Mapping[str, Any], key: str) -> str | None:
    """The value as text; null where the key is absent or its value is null, empty where it is not a plain value.

    A message with neither latitude nor longitude (static data, for one) says that the ship was heard; exports write that as null.
    """
    value = record.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, dict, list, bytes)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)
