"""Gap events and port calls as other publishers state them: Global Fishing Watch, MarineTraffic, VesselFinder, Kpler, own lists.

One row of the result is one gap or one port call of one publisher (`tables.CONTEXT`). They stand beside what we find and
change no probability: their methods are others, partly of the same messages, and agreement is not independent evidence.

MarineTraffic and VesselFinder write arrival and departure on lines of their own. An arrival and the next departure of the same
ship from the same port are one call; either may be missing, and then its time is null.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import fields, records, shapes
from ghostships.readers.fields import Broken
from ghostships.readers.records import ListAccount
from ghostships.readers.shapes import Shape
from ghostships.readers.sightings import port_of
from ghostships.routes import Route

Row = dict[str, Any]

ALIASES: dict[str, tuple[str, ...]] = {
    "kind": ("event_type", "type"),
    "publisher": ("source", "provider"),
    "publisher_id": ("event_id", "id"),
    "mmsi": ("ssvid",),
    "imo": ("imo_number",),
    "vessel_name": ("shipname", "ship_name", "vessel", "name"),
    "start_utc": ("start", "start_time", "arrival_utc", "arrival", "ata"),
    "end_utc": ("end", "end_time", "departure_utc", "departure", "atd"),
    "port": ("port_id",),
    "place": ("port_name",),
    "lat_deg": ("lat", "latitude"),
    "lon_deg": ("lon", "longitude"),
    "note": ("remark", "comment"),
    "locode": ("unlocode",),
    "zone": ("zone_name",),
    "ship_id": (),
    "is_closed": (),
    "intentional_disabling": (),
    "confidence": (),
    "expected_utc": (),
    "move": (),
    "move_utc": (),
}
KINDS = {
    **dict.fromkeys(("gap", "gap_start", "gap_end", "ais_gap", "ais_disabling"), "gap"),
    **dict.fromkeys(("port_call", "port_visit", "port", "call"), "port_call"),
}
OPEN_GAP = "gap_start"
"""Type of a gap that had not ended when the publisher wrote it down; the end given with it is only the last look."""
MOVES = {
    **dict.fromkeys(("0", "arrival", "arrived"), "arrival"),
    **dict.fromkeys(("1", "departure", "departed"), "departure"),
}
NO_NUMBER = {"0", "-", "n/a", "null", "none"}
"""How exports write that there is no IMO number or MMSI."""
NO_TIME = {"nat", "null", "none"}
"""How they write that there is no time: `NaT` is pandas's."""
KIND_OF_SHAPE = {
    "gfw-disabling": "gap",
    "marinetraffic-moves": "port_call",
    "marinetraffic-calls": "port_call",
    "vesselfinder-moves": "port_call",
    "kpler-calls": "port_call",
}


def read_events(path: Path, *, route: Route) -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    """Gaps and port calls of one file, the rows refused, and where every row went.

    An arrival and its departure are two rows read and one row of the table. Nothing is matched here: `vessel_key`,
    `agrees_with` and what belongs to them are null (`ghostships.context`).

    Raises
    ------
    FileRefused
        when the file is damaged, or has neither a time nor a ship.
    """
    found = records.read(path)
    shape = shapes.recognise(found)
    shape = shape if shape is not None and shape.role == "context" else None
    names = fields.names_of(found, ALIASES, shape)
    ours = set(names.values())
    if any(not record.rule for record in found.rows):
        if not ours & {"start_utc", "end_utc", "move_utc"}:
            raise FileRefused(found.path, "no_time", "has no column with a time; expected `start_utc`, `end_utc`")
        if not ours & {"mmsi", "imo", "vessel_name"}:
            raise FileRefused(found.path, "no_ship", "has no column that names a ship; expected `mmsi` or `imo`")
    notes = fields.unused(found, names, shape)
    rows, sources, broken = fields.rows_of(
        found, names, lambda values, row, said: _event(values, row, shape, route, said), notes
    )
    kept, duplicate = records.once(rows, sources, "context_id", broken)
    moves = [row for row in kept if row["move"]]
    whole = [row for row in kept if not row["move"]] + _calls(moves)
    if moves:
        notes.append(
            f"arrivals and departures: {len(moves)}, port calls made of them: {len(whole) - len(kept) + len(moves)}"
        )
    account = records.account(found, len(kept), duplicate, broken, notes)
    return fields.framed(whole, tables.CONTEXT), records.rejects(found.sha256, broken), account


def _event(values: dict[str, str], source_row: str, shape: Shape | None, route: Route, notes: list[str]) -> Row:
    kind, is_open = _kind(values, shape)
    mmsi, imo = (fields.mmsi if name == "mmsi" else fields.imo for name in ("mmsi", "imo"))
    numbers = {
        name: "" if values.get(name, "").casefold() in NO_NUMBER else values.get(name, "") for name in ("mmsi", "imo")
    }
    name = values.get("vessel_name") or None
    ship = (mmsi(numbers), imo(numbers), name)
    if ship == (None, None, None):
        raise Broken("nothing_to_match_by")
    if ship[:2] == (None, None):
        notes.append("a row with a name and no number is kept and never linked to a ship")
    move = _move(values)
    start, end = _times(values, move)
    if kind == "gap" and start is None:
        raise Broken("start_utc_missing")
    if is_open or fields.yes_or_no(values, "is_closed") is False:
        end = None
    if start is not None and end is not None and end < start:
        raise Broken("context_ends_after_it_starts")
    lat, lon = _place(values)
    place = values.get("place") or values.get("port") or None
    publisher = (shape.publisher if shape else "") or values.get("publisher") or "not said"
    own = {name: value for name, value in values.items() if value}
    identity = {"publisher": publisher, "id": values["publisher_id"]} if values.get("publisher_id") else own
    return {
        "context_id": f"X-{records.digest({'publisher': publisher, **identity})}",
        "kind": kind,
        "publisher": publisher,
        "publisher_id": values.get("publisher_id") or None,
        "mmsi": ship[0],
        "imo": ship[1],
        "vessel_name": name,
        "start_utc": start,
        "end_utc": end,
        "port": _port(values, lat, lon, route) if kind == "port_call" else None,
        "place": place,
        "lat_deg": lat,
        "lon_deg": lon,
        "agrees_also_with": [],
        "source_row": source_row,
        "note": _note(values),
        "move": move,
    }


def _kind(values: dict[str, str], shape: Shape | None) -> tuple[str, bool]:
    """Gap or port call, and whether it is a gap that had not ended."""
    given = values.get("kind", "").casefold()
    if shape is not None and shape.name in KIND_OF_SHAPE:
        return KIND_OF_SHAPE[shape.name], False
    if given not in KINDS:
        raise Broken("kind_value" if given else "kind_missing")
    return KINDS[given], given == OPEN_GAP


def _move(values: dict[str, str]) -> str:
    if "move" not in values:
        return ""
    move = MOVES.get(values["move"].casefold())
    if move is None:
        raise Broken("move_value")
    return move


def _times(values: dict[str, str], move: str) -> tuple[datetime | None, datetime | None]:
    """Start and end; without a zone they are UTC. A call that is only expected is none."""
    if move:
        at = _instant(values, "move_utc")
        if at is None:
            raise Broken("move_utc_missing")
        return (at, None) if move == "arrival" else (None, at)
    start, end = _instant(values, "start_utc"), _instant(values, "end_utc")
    if start is None and end is None:
        raise Broken("only_expected" if _instant(values, "expected_utc") else "time_missing")
    return start, end


def _instant(values: dict[str, str], name: str) -> datetime | None:
    text = values.get(name, "")
    if not text or text.casefold() in NO_TIME:
        return None
    # Kpler's own words for its times: "yyyy-MM-dd HH:mm".
    return fields.instant(text, name)


def _place(values: dict[str, str]) -> tuple[float | None, float | None]:
    lat, lon = fields.number(values, "lat_deg", -90, 90), fields.number(values, "lon_deg", -180, 180)
    if (lat is None) != (lon is None):
        raise Broken("lat_and_lon_together")
    return (None, None) if lat is None or lon is None else (round(lat, 7), round(lon, 7))


def _port(values: dict[str, str], lat: float | None, lon: float | None, route: Route) -> str | None:
    """The port of the route that this is, by UN/LOCODE, by name, else by its place; null where it is none of them."""
    code = "".join(values.get("locode", "").split()).upper()
    for port in route.ports:
        if code and code in {"".join(one.split()).upper() for one in port.locodes}:
            return port.id
    for text in (values.get("port", ""), values.get("place", ""), values.get("zone", "")):
        named = route.find_port(text) if text else None
        if named is not None:
            return named.id
    return port_of("", lat, lon, route)[0]


def _note(values: dict[str, str]) -> str | None:
    """What the publisher adds, in its own words: a judgement of intent is theirs, not ours."""
    said = []
    if values.get("intentional_disabling"):
        said.append(f"the publisher's judgement of intentional disabling: {values['intentional_disabling']}")
    if values.get("confidence"):
        said.append(f"the publisher's confidence: {values['confidence']}")
    if values.get("note"):
        said.append(values["note"])
    return "; ".join(said) or None


@dataclass
class _Stay:
    arrival: Row | None
    departure: Row | None


def _calls(moves: list[Row]) -> list[Row]:
    """Arrivals and departures put together: an arrival with the next departure, where no other arrival lies between."""
    by_ship: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for move in moves:
        ship = (str(move["mmsi"]), str(move["imo"]), "" if move["mmsi"] or move["imo"] else str(move["vessel_name"]))
        by_ship[(*ship, str(move["port"] or move["place"]))].append(move)
    stays: list[_Stay] = []
    for _, own in sorted(by_ship.items()):
        last: _Stay | None = None
        for move in sorted(own, key=lambda one: (one["start_utc"] or one["end_utc"], one["move"], one["context_id"])):
            if move["move"] == "arrival":
                last = _Stay(move, None)
                stays.append(last)
            elif last is not None and last.departure is None:
                last.departure = move
            else:
                stays.append(_Stay(None, move))
    return [_call(stay) for stay in stays]


def _call(stay: _Stay) -> Row:
    one = stay.arrival or stay.departure
    assert one is not None
    if stay.arrival is None or stay.departure is None:
        return one
    end = stay.departure
    return {
        **stay.arrival,
        "context_id": f"X-{records.digest({'arrival': str(one['context_id']), 'departure': str(end['context_id'])})}",
        "end_utc": end["end_utc"],
        "end_source_row": end["source_row"],
    }
