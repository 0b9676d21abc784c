"""Registries and watch lists: which ships are listed, by which list and since when. A listing raises attention and
proves nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import fields, records
from ghostships.readers.fields import Broken
from ghostships.readers.records import ListAccount

# Our own columns, then those of OpenSanctions (targets.simple.csv, its maritime list, its entity lines) and of OFAC's
# SDN list.
ALIASES: dict[str, tuple[str, ...]] = {
    "mmsi": ("mmsi_number",),
    "imo": ("imo_number", "imonumber"),
    "name": ("vessel_name", "caption", "sdn_name", "ship_name"),
    "length_m": ("length", "loa_m", "length_overall_m"),
    "teu": ("teu_capacity",),
    "list": ("datasets", "dataset", "program", "lists", "source_list"),
    "since": ("listed_since", "listing_date", "first_seen", "date"),
    "kind": ("schema", "sdn_type", "entity_type"),
    "identifiers": ("remarks", "ids"),
}
SHIPS = ("", "vessel", "ship", "boat")


def read_registry(path: Path) -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    """Ships of one registry or watch list, the rows refused, and where every row went.

    People and companies of a mixed list are refused as `not_a_ship`, so that every row is accounted for. IMO numbers
    and MMSIs are also found inside free text (`identifiers`, OFAC's `remarks`). A row with neither and without a name
    cannot match anything.

    Raises
    ------
    FileRefused
        when the file is damaged, or has no column that could identify a ship.
    """
    found = records.read(path)
    names = records.matched(found.columns, ALIASES)
    if found.rows and not set(names.values()) & {"mmsi", "imo", "name", "identifiers"}:
        raise FileRefused(found.path, "no_identity", "has none of the columns mmsi, imo or name")
    notes = [f"column {c!r} is not used" for c in found.columns if records.key(c) not in names]
    rows: list[dict[str, object]] = []
    broken: list[tuple[int, str, bytes]] = []
    seen: set[str] = set()
    duplicate = 0
    for record in found.rows:
        values = {names[k]: v for k, v in record.fields.items() if k in names}
        try:
            if record.rule:
                raise Broken(record.rule)
            row = _ship(values, f"{found.sha256[:12]}:{record.row}")
        except Broken as error:
            broken.append((record.row, str(error), record.raw))
            continue
        digest = records.digest(values)
        if digest in seen:
            duplicate += 1
            continue
        seen.add(digest)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=tables.REGISTRY.names)
    out = tables.to_pandas(frame, tables.REGISTRY) if rows else tables.empty_pandas(tables.REGISTRY)
    return out, records.rejects(found.sha256, broken), records.account(found, len(rows), duplicate, broken, notes)


def _ship(values: dict[str, str], source_row: str) -> dict[str, object]:
    if values.get("kind", "").strip("-0 ").casefold() not in SHIPS:
        raise Broken("not_a_ship")
    text = values.get("identifiers", "")
    imo = fields.imo({"imo": _first(values.get("imo", "")) or _found(r"\bIMO\D{0,10}(\d{7})\b", text)})
    mmsi = _mmsi(_first(values.get("mmsi", "")) or _found(r"\bMMSI\D{0,10}(\d{9})\b", text))
    name = values.get("name") or None
    if imo is None and mmsi is None and name is None:
        raise Broken("nothing_to_match_by")
    return {
        "mmsi": mmsi,
        "imo": imo,
        "vessel_name": name,
        "length_m": fields.number(values, "length_m", 1, 500),
        "teu": fields.number(values, "teu", 0, 50_000),
        "list": "; ".join(sorted({part.strip() for part in re.split("[;|]", values.get("list", "")) if part.strip()}))
        or None,
        "since": _since(values.get("since", "")),
        "source_row": source_row,
    }


def _first(text: str) -> str:
    """The first of several values in one field."""
    return re.split("[;|]", text)[0].strip()


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.IGNORECASE)
    return match.group(1) if match else ""


def _mmsi(text: str) -> int | None:
    """Nine digits, kept as they are: a shorter number is not padded and a spreadsheet's 2.73E+08 is not repaired."""
    if not text:
        return None
    if not re.fullmatch(r"\d{9}", text):
        raise Broken("mmsi_number")
    return int(text)


def _since(text: str) -> str | None:
    """A day, a month or a year, ISO; a time of day is dropped."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{4}(?:-\d{2}){0,2})(?:[T ].*)?", text)
    if not found:
        raise Broken("since_format")
    return found.group(1)
