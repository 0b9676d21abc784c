"""Static data and registry -> vessels: what each ship said of itself, and which lists name it.

Everything here is what was sent or listed, and it may be wrong or a lie: names and numbers are untrusted text. Of several values
the one sent most often is shown, the others are listed; nothing is merged.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping

import pandas as pd
import polars as pl

from ghostships import tables

_NOTES = {
    "default_mmsi": "number that transponders send before anybody programs them: many hulls at once",
    "non_ship": "number of a station, aircraft, buoy or beacon, not of a ship",
    "unknown_mid": "number of a country code nobody holds: low confidence in the identity",
}


def describe(
    statics: pl.DataFrame,
    registry: pd.DataFrame,
    *,
    segments: pl.DataFrame | None = None,
    vessel_class: Callable[[int | None], str] | None = None,
    fastest_kn: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Say who each ship claims to be, from the days' static data (`tables.STATICS`).

    One row per `vessel_key` (`tables.VESSELS`). A list names a ship when the IMO number, the MMSI or the whole name agrees (case,
    accents, spaces and punctuation aside); the hit says by which. `segments` and `vessel_class` (`clean.vessel_class`) add what
    casts doubt on the identity. `n_gaps` and `n_trips` are 0: later steps know better. Limits: call signs are not looked up, and
    names never link two ships.
    """
    ships = (
        statics.group_by("vessel_key")
        .agg(
            pl.col("mmsi").max(),
            first_heard_utc=pl.col("first_utc").min(),
            last_heard_utc=pl.col("last_utc").max(),
            ais_class=pl.col("ais_class").min(),
            all_mmsi=pl.col("mmsi").drop_nulls().unique().sort().cast(pl.String),
        )
        .sort("vessel_key")
    )
    imo, names = _values(statics, "imo"), _values(statics, "vessel_name")
    call_signs, types = _values(statics, "call_sign"), _values(statics, "ship_type")
    lengths, destinations = _values(statics, "length_m"), _values(statics, "destination")
    draughts = _draughts(statics)
    lookup = _Registry(registry)
    notes = _notes(ships, imo, segments, vessel_class)
    rows: list[dict[str, object]] = []
    for ship in ships.iter_rows(named=True):
        key = ship["vessel_key"]
        own_imo, own_names, own_mmsi = imo.get(key, []), names.get(key, []), ship["mmsi"]
        length = lookup.length_m(own_imo, own_mmsi)
        if length is None and key in lengths:
            length = lengths[key][0]
        rows.append(
            {
                **ship,
                "imo": own_imo[0] if own_imo else None,
                "vessel_name": own_names[0] if own_names else None,
                "all_imo": [str(i) for i in sorted(own_imo)],
                "all_names": sorted(own_names),
                "call_signs": sorted(call_signs.get(key, [])),
                "ship_type": types[key][0] if key in types else None,
                "length_m": length,
                "fastest_kn": (fastest_kn or {}).get(key),
                "draughts_m": draughts.get(key, []),
                "destinations": sorted(destinations.get(key, [])),
                "watch_list_hits": lookup.hits(own_imo, own_mmsi, own_names),
                "identity_note": notes.get(key),
                "n_gaps": 0,
                "n_trips": 0,
            }
        )
    frame = (
        pl.DataFrame(rows, schema=tables.VESSELS.polars_schema, orient="row")
        if rows
        else tables.empty_polars(tables.VESSELS)
    )
    return tables.to_pandas(frame, tables.VESSELS)


def normalised(name: str) -> str:
    """A name as it is compared: upper case, without accents, spaces or punctuation; lists and crews write these as they please."""
    plain = unicodedata.normalize("NFKD", name).casefold().upper()
    return "".join(letter for letter in plain if letter.isalnum())


def _values(statics: pl.DataFrame, column: str) -> dict[str, list]:  # type: ignore[type-arg]
    """What each ship sent in a column, most often first, the smaller value where two were sent equally often."""
    counted = (
        statics.filter(pl.col(column).is_not_null())
        .group_by("vessel_key", column)
        .agg(pl.col("n_messages").sum())
        .sort("vessel_key", "n_messages", column, descending=[False, True, False])
        .group_by("vessel_key", maintain_order=True)
        .agg(pl.col(column))
    )
    return dict(counted.iter_rows())


def _draughts(statics: pl.DataFrame) -> dict[str, list[str]]:
    """Draughts of each ship in the order first sent, with the day."""
    first = (
        statics.filter(pl.col("draught_m").is_not_null())
        .group_by("vessel_key", "draught_m")
        .agg(pl.col("first_utc").min())
        .sort("vessel_key", "first_utc", "draught_m")
    )
    out: dict[str, list[str]] = defaultdict(list)
    for key, draught, time in first.select("vessel_key", "draught_m", "first_utc").iter_rows():
        out[key].append(f"{draught:.1f} ({time:%Y-%m-%d})")
    return dict(out)


class _Registry:
    """Registry and watch lists, by IMO number, MMSI and name."""

    def __init__(self, registry: pd.DataFrame) -> None:
        self._by_key: dict[tuple[str, object], list[dict[str, object]]] = defaultdict(list)
        for row in registry.sort_values("source_row", kind="stable").to_dict("records"):
            found: dict[str, object] = {
                str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in row.items()
            }
            for column in ("imo", "mmsi"):
                if found[column] is not None:
                    self._by_key[column, int(str(found[column]))].append(found)
            if found["vessel_name"] is not None and normalised(str(found["vessel_name"])):
                self._by_key["name", normalised(str(found["vessel_name"]))].append(found)

    def length_m(self, imos: list[int], mmsi: int | None) -> float | None:
        """Length of the first row with one, by IMO number, else by MMSI; never by name alone."""
        for key in [*(("imo", i) for i in imos[:1]), ("mmsi", mmsi)]:
            for row in self._by_key.get(key, []):
                if row["length_m"] is not None:
                    return float(str(row["length_m"]))
        return None

    def hits(self, imos: list[int], mmsi: int | None, names: list[str]) -> list[str]:
        """`list (since date, matched by key)`, sorted; each listing once, by its strongest key."""
        found: dict[str, str] = {}
        keys: list[tuple[str, object, str]] = [("imo", i, f"IMO {i}") for i in imos]
        keys += [("mmsi", mmsi, f"MMSI {mmsi}")]
        keys += [("name", normalised(n), "name only") for n in names]
        for kind, value, by in keys:
            for row in self._by_key.get((kind, value), []):
                if row["list"] is not None:
                    since = f"since {row['since']}" if row["since"] is not None else "no date"
                    found.setdefault(str(row["source_row"]), f"{row['list']} ({since}, matched by {by})")
        return sorted(set(found.values()))


def _notes(
    ships: pl.DataFrame,
    imo: Mapping[str, list[int]],
    segments: pl.DataFrame | None,
    vessel_class: Callable[[int | None], str] | None,
) -> dict[str, str]:
    """What casts doubt on each identity, in one line."""
    notes: dict[str, list[str]] = defaultdict(list)
    if vessel_class is not None:
        for key, mmsi in ships.select("vessel_key", "mmsi").iter_rows():
            note = _NOTES.get(vessel_class(mmsi))
            if note:
                notes[key].append(note)
    if segments is not None:
        hulls = segments.filter(pl.col("reason") != "jump").group_by("vessel_key").agg(n=pl.col("hull").n_unique())
        for key, n in hulls.filter(pl.col("n") > 1).sort("vessel_key").iter_rows():
            notes[key].append(f"shared number: {n} believable tracks that one hull cannot have sailed")
        jumps = segments.filter(pl.col("reason") == "jump").group_by("vessel_key").agg(n=pl.col("n_positions").sum())
        for key, n in jumps.sort("vessel_key").iter_rows():
            notes[key].append(f"{n} impossible position{'s' if n > 1 else ''} left out")
    keys_of: dict[int, list[str]] = defaultdict(list)
    for key in sorted(imo):
        for number in sorted(imo[key]):
            keys_of[number].append(key)
    for number, keys in sorted(keys_of.items()):
        for key in keys if len(keys) > 1 else []:
            others = ", ".join(k for k in keys if k != key)
            notes[key].append(f"IMO {number} is also sent by {others}: perhaps one ship, never merged")
    return {key: "; ".join(found) for key, found in notes.items()}
