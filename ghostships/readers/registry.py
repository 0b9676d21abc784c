"""Registries and watch lists: which ships are listed, by which list and since when. A listing raises attention and
proves nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import fields, records, shapes
from ghostships.readers.fields import Broken
from ghostships.readers.records import ListAccount, Record, Records
from ghostships.readers.shapes import Shape

# Our own columns, then the usual names of others; the publishers' own shapes are in `shapes`.
ALIASES: dict[str, tuple[str, ...]] = {
    "mmsi": ("mmsi_number",),
    "imo": ("imo_number", "imonumber"),
    "name": ("vessel_name", "caption", "sdn_name", "ship_name"),
    "length_m": ("length", "loa_m", "length_overall_m"),
    "teu": ("teu_capacity",),
    "list": ("datasets", "dataset", "program", "lists", "source_list"),
    "since": ("listed_since", "listing_date", "date"),
    "kind": ("schema", "sdn_type", "entity_type"),
    "identifiers": ("remarks", "ids"),
    "edition": (),
    "list_name": (),
    "first_seen": (),
}
SHIPS = ("", "vessel", "ship", "boat")
MAX_WATCH_LIST_BYTES = 512 * 2**20
"""Largest watch list taken, unpacked: OFAC's advanced list is about 100 MB, a collection of OpenSanctions 300 MB."""
ANNEX = "EU port-access ban (Regulation 833/2014, Annex XLII)"
DOCUMENTED_DAY_FIRST = ("eu-fsf", "eu-annex")
"""Shapes that write days as dd/mm/yyyy or d.m.yyyy, as EU law does."""


def read_registry(path: Path) -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    """Ships of one registry or watch list, the rows refused, and where every row went.

    People and companies of a mixed list are refused as `not_a_ship`, so that every row is accounted for. IMO numbers
    and MMSIs are also found inside free text (`identifiers`, OFAC's `remarks`). A row with neither and without a name
    cannot match anything. `list` says whose list it is, which programme, and of which day the list is; `since` is the day of
    the listing, and null where the list does not say it.

    Raises
    ------
    FileRefused
        when the file is damaged, or has no column that could identify a ship.
    """
    found = records.read(path, max_bytes=MAX_WATCH_LIST_BYTES)
    shape = shapes.recognise(found)
    shape = shape if shape is not None and shape.role == "vessels" else None
    names = fields.names_of(found, ALIASES, shape)
    if found.rows and not set(names.values()) & {"mmsi", "imo", "name", "identifiers"}:
        raise FileRefused(found.path, "no_identity", "has none of the columns mmsi, imo or name")
    notes = fields.unused(found, names, shape)
    if shape is not None and "group" in shape.aliases:
        found, n_parts = _together(found, names, notes)
    else:
        n_parts = 0
    if shape is not None and shape.name == "opensanctions-entities":
        found = _with_days(found, names)
    rows, sources, broken = fields.rows_of(found, names, lambda values, row, _: _ship(values, row, shape), notes)
    kept: list[dict[str, object]] = []
    seen: set[str] = set()
    for row, record in zip(rows, sources, strict=True):
        digest = records.digest(record.fields)
        if digest not in seen:
            seen.add(digest)
            kept.append(row)
    duplicate = len(rows) - len(kept) + n_parts
    if shape is not None and any(row["since"] is None for row in kept):
        n = sum(row["since"] is None for row in kept)
        notes.append(f"ships without a day of listing in this list: {n} of {len(kept)}")
    account = records.account(found, len(kept), duplicate, broken, notes)
    if n_parts:
        # The rows read are those of the file, not the entities they make.
        account = ListAccount(**{**vars(account), "rows_read": account.rows_read + n_parts})
    return fields.framed(kept, tables.REGISTRY), records.rejects(found.sha256, broken), account


def _with_days(found: Records, names: dict[str, str]) -> Records:
    """Entities with the day of their first listing, where it stands in a sanction on a line of its own that names them."""
    days: dict[str, str] = {}
    for record in found.rows:
        if record.fields.get("schema") == "Sanction":
            told = record.fields.get("listingdate") or record.fields.get("startdate") or ""
            for entity in record.fields.get("entity", "").split(";"):
                known = [day for day in (days.get(entity, ""), *told.split(";")) if day]
                days |= {entity: min(known)} if known else {}
    names.setdefault("listing_date", "since")
    rows = []
    for record in found.rows:
        day = days.get(record.fields.get("id", ""), "")
        nested = record.fields.get("listing_date", "")
        if day and (not nested or day < nested):
            record = Record(record.row, record.raw, {**record.fields, "listing_date": day}, record.rule, record.kind)
        rows.append(record)
    return Records(**{**vars(found), "rows": tuple(rows)})


def _together(found: Records, names: dict[str, str], notes: list[str]) -> tuple[Records, int]:
    """Rows that tell of one entity, name by name and number by number, put together into its first row."""
    back = {ours: given for given, ours in names.items()}
    kind_column = back.get("kind", "kind")
    groups: dict[str, list[Record]] = {}
    for record in found.rows:
        entity = record.fields.get(back["group"], "")
        groups.setdefault(entity if entity and not record.rule else f"row {record.row}", []).append(record)
    whole = []
    for parts in groups.values():
        values: dict[str, str] = {}
        for part in parts:
            kind = part.fields.get(back.get("number_kind", ""), "").casefold()
            number = part.fields.get(back.get("number", ""), "")
            if kind in ("imo", "mmsi") and number:
                values.setdefault(kind, number)
            for name, value in part.fields.items():
                if value:
                    values.setdefault(name, value)
        # The EU has no subject type for ships: what has an IMO number is one.
        values[kind_column] = "vessel" if values.get("imo") else values.get(kind_column) or "not said"
        whole.append(Record(parts[0].row, parts[0].raw, values, parts[0].rule, parts[0].kind))
    n_parts = len(found.rows) - len(whole)
    if n_parts:
        notes.append(f"{n_parts} rows tell more of an entity than its first row, and were read together with it")
    for name in ("imo", "mmsi", kind_column):
        names.setdefault(name, "kind" if name == kind_column else name)
    return Records(**{**vars(found), "rows": tuple(whole)}), n_parts


def _ship(values: dict[str, str], source_row: str, shape: Shape | None) -> dict[str, object]:
    kind = values.get("kind", "").casefold()
    # A publisher's list says of each entry what it is; only a plain list of ships need not.
    if kind not in SHIPS or (not kind and shape is not None and shape.name != "eu-annex"):
        raise Broken("not_a_ship")
    text = values.get("identifiers", "")
    imo = fields.imo({"imo": _first(values.get("imo", "")) or _found(r"\bIMO\D{0,10}(\d{7})\b", text)})
    mmsi = fields.mmsi({"mmsi": _first(values.get("mmsi", "")) or _found(r"\bMMSI\D{0,10}(\d{9})\b", text)})
    name = values.get("name") or None
    if name and shape is not None and shape.name == "opensanctions-entities":
        name = _first(name)
    if imo is None and mmsi is None and name is None:
        raise Broken("nothing_to_match_by")
    day_first = shape is not None and shape.name in DOCUMENTED_DAY_FIRST
    also = "first_seen" if shape is None else "also_since"
    return {
        "mmsi": mmsi,
        "imo": imo,
        "vessel_name": name,
        "length_m": fields.number(values, "length_m", 1, 500),
        "teu": fields.number(values, "teu", 0, 50_000),
        "list": _list(values, shape, day_first=day_first),
        "since": _since(values.get("since", "") or values.get(also, ""), "since", day_first=day_first),
        "source_row": source_row,
    }


def _list(values: dict[str, str], shape: Shape | None, *, day_first: bool) -> str | None:
    """Whose list it is, what of it, and of which day: `OFAC SDN List [DPRK4], list of 2024-01-25`."""
    parts = "; ".join(
        sorted({part.strip() for part in re.split(r"[;|]|\] \[", values.get("list", "")) if part.strip()})
    )
    if shape is None:
        return parts or None
    if shape.name == "eu-annex":
        return ANNEX
    told = " ".join(part for part in (shape.publisher, values.get("list_name", "")) if part)
    inside = [parts, f"risk: {values['risk'].replace(';', ', ')}" if values.get("risk") else ""]
    told += f" [{'; '.join(part for part in inside if part)}]" if any(inside) else ""
    edition = _since(values.get("edition", ""), "edition", day_first=day_first)
    told += f", list of {edition}" if edition else ""
    first_seen = _since(values.get("first_seen", ""), "first_seen", day_first=False)
    # The day OpenSanctions first saw an entry is not the day it was listed: said as what it is.
    return told + (f", first seen there {first_seen}" if first_seen else "")


def _first(text: str) -> str:
    """The first of several values in one field."""
    return re.split("[;|]", text)[0].strip()


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.IGNORECASE)
    return match.group(1) if match else ""


def _since(text: str, name: str, *, day_first: bool) -> str | None:
    """A day, a month or a year, ISO; a time of day is dropped. Other ways of writing a day only where a shape is known for it."""
    if not text:
        return None
    if day_first and (found := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", text)):
        day, month, year = found.groups()
        text = f"{year}-{month:0>2}-{day:0>2}"
    found = re.fullmatch(r"(\d{4}(?:-\d{2}){0,2})(?:[T ].*)?", text)
    if not found:
        raise Broken(f"{name}_format")
    said = found.group(1)
    if len(said) == len("2024-06-25"):
        # "2024-13-45" has the form of a day and is none.
        fields.instant(f"{said}T00:00:00Z", name)
    return said
