"""Columns that several tables have, declared once: the same quantity has the same name, unit and range everywhere."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from ghostships.schema import Column


def p(name: str, meaning: str, *, nullable: bool = False) -> Column:
    """A probability."""
    return Column(name, "float64", meaning, "", nullable, 0.0, 1.0)


def lat(name: str, meaning: str, *, nullable: bool = False) -> Column:
    """A latitude, WGS84."""
    return Column(name, "float64", meaning, "deg", nullable, -90.0, 90.0)


def lon(name: str, meaning: str, *, nullable: bool = False) -> Column:
    """A longitude, WGS84, from -180 to 180."""
    return Column(name, "float64", meaning, "deg", nullable, -180.0, 180.0)


def before(first: str, second: str) -> Callable[[], pl.Expr]:
    """True where `second` is missing or not earlier than `first`."""
    return lambda: (pl.col(second) >= pl.col(first)).fill_null(True)


VESSEL_KEY = Column("vessel_key", "str", "the ship: `mmsi:273...`, or `id:<file SHA-256 prefix>:<id>` without an MMSI")
MMSI = Column("mmsi", "int64", "Maritime Mobile Service Identity", nullable=True, low=0, high=999_999_999)
IMO = Column("imo", "int64", "IMO number with a valid check digit", nullable=True, low=1_000_000, high=9_999_999)
NAME = Column("vessel_name", "str", "name as sent or listed; untrusted text", nullable=True)
GAP_ID = Column("gap_id", "str", "`G-` and a hash of the vessel key and the position that opens the gap")

STATIC_COLUMNS = (
    Column("ais_class", "str", "transponder class", nullable=True, values=("A", "B")),
    IMO,
    NAME,
    Column("call_sign", "str", "radio call sign; untrusted text", nullable=True),
    Column("ship_type", "int64", "ship and cargo type code of ITU-R M.1371", "", True, 0, 255),
    Column("length_m", "float64", "length overall as sent", "m", True, 1.0, 500.0),
    Column("draught_m", "float64", "draught as sent; 0 is null", "m", True, 0.1, 25.6),
    Column("destination", "str", "destination as sent; untrusted text", nullable=True),
)
"""What a ship says of itself, as often as it changes."""
