"""Columns of text become the columns of `positions`, and rows that cannot be used become rejects with the name of the rule.

Works on whole columns: nothing here looks at one row at a time. Nothing is corrected in silence: what is set to null or coerced
is counted, and the counts become notes of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from ghostships import tables, units
from ghostships.readers import times
from ghostships.readers.dialects import TEXT_FIELDS, Dialect

NULL_WORDS = ("", "-", "null", "none", "nan", "n/a", "na", "inf", "-inf", "+inf", "infinity", "-infinity", "\\n")
MAX_ID_BYTES = 64
MAX_TEXT_BYTES = 256
"""AIS names have at most 20 characters; longer text is not a name, and is cut so that one cell cannot fill the memory."""
STATIC_FIELDS = ("imo", "vessel_name", "call_sign", "ship_type", "length_m", "draught_m", "destination")

NAV_STATUS = {
    "under way using engine": 0,
    "at anchor": 1,
    "not under command": 2,
    "restricted maneuverability": 3,
    "restricted manoeuvrability": 3,
    "constrained by her draught": 4,
    "moored": 5,
    "aground": 6,
    "engaged in fishing": 7,
    "under way sailing": 8,
}
"""ITU-R M.1371-5, table 45. Texts that are not in it, such as "Unknown value", are null."""
SHIP_TYPE = {
    "wing in ground": 20,
    "wig": 20,
    "fishing": 30,
    "towing": 31,
    "towing long/wide": 32,
    "dredging": 33,
    "diving": 34,
    "military": 35,
    "sailing": 36,
    "pleasure": 37,
    "hsc": 40,
    "high speed craft": 40,
    "pilot": 50,
    "sar": 51,
    "search and rescue": 51,
    "tug": 52,
    "port tender": 53,
    "anti-pollution": 54,
    "law enforcement": 55,
    "medical": 58,
    "passenger": 60,
    "cargo": 70,
    "tanker": 80,
    "other": 90,
}
"""ITU-R M.1371-5, table 53: the group's first code stands for a text without detail."""
_CLASS_OF_TYPE = {"1": "A", "2": "A", "3": "A", "5": "A", "27": "A", "18": "B", "19": "B", "24": "B"}
"""Transponder class by message type (ITU-R M.1371-5, table 46)."""


@dataclass
class Tally:
    """Counts that become notes: what was coerced or set to null in a file, by sentence."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, n: int) -> None:
        if n:
            self.counts[what] += int(n)

    def notes(self) -> list[str]:
        return [f"{n} rows: {what}" for what, n in sorted(self.counts.items())]


def convert(
    frame: pl.DataFrame, dialect: Dialect, plan: times.Plan, *, source_file: str, tally: Tally
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Turn text columns named after fields, with `row`, into rows of `positions` and rejects.

    A record that has no latitude and longitude at all (key absent: null, not empty) or whose message type carries none is
    accepted without a position: the ship was heard.

    Returns
    -------
    positions : the declared columns of the table
    rejects : `row`, `rule`
    """
    if not frame.height:
        return tables.empty_polars(tables.POSITIONS), pl.DataFrame(schema={"row": pl.Int64, "rule": pl.String})
    timed = times.parse(frame["time"], plan)
    tally.add("second 60 read as 59.999", int((timed["how"] == "leap").sum()))
    tally.add("time converted from its own zone to UTC", int((timed["how"] == "zoned").sum()))
    work = pl.concat([frame, timed.select("time_utc", time_rule="rule")], how="horizontal")
    work = work.with_columns(*_identity(frame, source_file), *_place(frame, dialect))
    work = work.with_columns(
        rule=pl.coalesce(pl.col("id_rule"), pl.col("time_rule"), pl.col("place_rule")), has_place=~pl.col("is_nowhere")
    )
    tally.add("MMSI written as a float (.0) was accepted", int(work["is_coerced"].sum()))
    rejects = work.filter(pl.col("rule").is_not_null()).select("row", "rule")
    work = work.filter(pl.col("rule").is_null()) if rejects.height else work
    tally.add("heard without a position (91/181 or a message type without one)", int((~work["has_place"]).sum()))
    bounds = {column.name: (column.low, column.high) for column in tables.POSITIONS.columns}
    shaped = work.select(
        pl.col("vessel_key"),
        pl.col("mmsi_number").alias("mmsi"),
        pl.col("time_utc"),
        pl.when("has_place").then(pl.col("lat")).alias("lat_deg"),
        pl.when("has_place").then(pl.col("lon")).alias("lon_deg"),
        *_measures(work, dialect, bounds, tally),
        *_static(work, dialect, bounds, tally),
        pl.lit(source_file).alias("source_file"),
        pl.col("row").alias("source_row"),
    )
    return shaped.select([pl.col(n).cast(t) for n, t in tables.POSITIONS.polars_schema.items()]), rejects


def _identity(frame: pl.DataFrame, source_file: str) -> list[pl.Expr]:
    """`vessel_key`, `mmsi_number`, `id_rule`, `is_coerced`. An MMSI is nine ASCII digits before any conversion (`int('1_0')` is 10)."""
    if "mmsi" not in frame.columns:
        text = pl.col("id").fill_null("").str.strip_chars()
        rule = (
            pl.when(text == "").then(pl.lit("id_missing"))
            .when((text.str.len_bytes() > MAX_ID_BYTES) | text.str.contains(r"[\x00-\x1f\x7f]"))
            .then(pl.lit("id_format"))
        )  # fmt: skip
        return [
            pl.format("id:{}:{}", pl.lit(source_file), text).alias("vessel_key"),
            pl.lit(None, pl.Int64).alias("mmsi_number"),
            rule.alias("id_rule"),
            pl.lit(False).alias("is_coerced"),
        ]
    text = pl.col("mmsi").fill_null("")
    exact = text.str.contains(r"^[0-9]{9}$")
    coerced = ~exact & text.str.contains(r"^[0-9]{9}\.0+$")
    rule = (
        pl.when(exact | coerced).then(None)
        .when(text == "").then(pl.lit("mmsi_missing"))
        .when(text.str.contains(r"^[0-9]+([.,][0-9]+)?[eE][+]?[0-9]+$")).then(pl.lit("mmsi_scientific"))
        .when(text.str.contains(r"^[0-9]{1,8}(\.0*)?$")).then(pl.lit("mmsi_not_nine_digits"))
        .otherwise(pl.lit("mmsi_format"))
    )  # fmt: skip
    digits = text.str.slice(0, 9)
    return [
        (pl.lit("mmsi:") + digits).alias("vessel_key"),
        pl.when(exact | coerced).then(digits).cast(pl.Int64, strict=False).alias("mmsi_number"),
        rule.alias("id_rule"),
        coerced.alias("is_coerced"),
    ]


def _place(frame: pl.DataFrame, dialect: Dialect) -> list[pl.Expr]:
    """`lat`, `lon` rounded to 1e-7, `is_nowhere` (heard, place not known) and `place_rule`."""
    absent = pl.col("lat_deg").is_null() & pl.col("lon_deg").is_null()
    if dialect.without_position and "message_type" in frame.columns:
        bare = pl.col("message_type").is_in(list(dialect.without_position)).fill_null(False)
        absent = absent | (bare & _is_nothing("lat_deg") & _is_nothing("lon_deg"))
    lat, lon = (pl.col(name).str.strip_chars().cast(pl.Float64, strict=False) for name in ("lat_deg", "lon_deg"))
    sentinel = (
        ((lat == units.LAT_NOT_AVAILABLE_DEG) | (lon == units.LON_NOT_AVAILABLE_DEG)).fill_null(False)
        & (lat.abs() <= units.LAT_NOT_AVAILABLE_DEG).fill_null(False)
        & (lon.abs() <= units.LON_NOT_AVAILABLE_DEG).fill_null(False)
    )
    lat7, lon7 = ((value * 1e7).round() / 1e7 for value in (lat, lon))
    rule = (
        pl.when(absent | sentinel).then(None)
        .when(_is_nothing("lat_deg") | _is_nothing("lon_deg")).then(pl.lit("coord_missing"))
        .when(lat.is_null() | lon.is_null() | lat.is_nan() | lon.is_nan()).then(pl.lit("coord_format"))
        .when((lat.abs() > 90) | (lon.abs() > 180)).then(pl.lit("coord_range"))
        .when((lat == 0) & (lon == 0)).then(pl.lit("null_island"))
    )  # fmt: skip
    return [
        # Adding zero turns -0.0 into 0.0, so that one place has one value.
        (lat7 + 0.0).alias("lat"),
        (lon7 + 0.0).alias("lon"),
        (absent | sentinel).alias("is_nowhere"),
        rule.alias("place_rule"),
    ]


def _is_nothing(name: str) -> pl.Expr:
    # The few short words are looked for only where the text is short: a long number cannot be one of them.
    short = pl.col(name).fill_null("").str.len_bytes() <= 9
    return short & pl.when(short).then(pl.col(name).fill_null("").str.strip_chars().str.to_lowercase()).is_in(
        list(NULL_WORDS)
    ).fill_null(False)


def _measures(
    work: pl.DataFrame, dialect: Dialect, bounds: Mapping[str, tuple[float | None, float | None]], tally: Tally
) -> list[pl.Expr]:
    sentinels = {
        "sog_kn": units.SOG_NOT_AVAILABLE_KN,
        "cog_deg": units.COG_NOT_AVAILABLE_DEG,
        "heading_deg": units.HEADING_NOT_AVAILABLE_DEG,
    }
    measures = []
    for name, nothing in sentinels.items():
        value = _number(work, name)
        # The scale is a decimal: 0.1 * 1023 is not 102.3 in binary, hence the rounding to what AIS can say.
        value = (value * dialect.scale[name]).round(6) if name in dialect.scale else value
        measures.append(_bounded(work, name, pl.when(value != nothing).then(value), bounds, tally))
    status = _coded(work, "nav_status", dialect.codes.get("nav_status", NAV_STATUS))
    measures.append(_bounded(work, "nav_status", status, bounds, tally).cast(pl.Int64, strict=False))
    return [*measures, _ais_class(work, dialect).alias("ais_class")]


def _static(
    work: pl.DataFrame, dialect: Dialect, bounds: Mapping[str, tuple[float | None, float | None]], tally: Tally
) -> list[pl.Expr]:
    length = _number(work, "length_m")
    if "bow_m" in work.columns and "stern_m" in work.columns:
        length = pl.coalesce(length, _number(work, "bow_m") + _number(work, "stern_m"))
    draught = _number(work, "draught_m")
    kind = _coded(work, "ship_type", dialect.codes.get("ship_type", SHIP_TYPE))
    text = {name: _text(work, name).alias(name) for name in TEXT_FIELDS}
    return [
        _imo(work).alias("imo"),
        text["vessel_name"],
        text["call_sign"],
        _bounded(work, "ship_type", kind, bounds, tally).cast(pl.Int64, strict=False),
        _bounded(work, "length_m", pl.when(length != 0).then(length), bounds, tally),
        _bounded(work, "draught_m", pl.when(draught != 0).then(draught.round(2)), bounds, tally),
        text["destination"],
    ]


def _number(work: pl.DataFrame, name: str) -> pl.Expr:
    if name not in work.columns:
        return pl.lit(None, pl.Float64)
    value = pl.col(name).str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _bounded(
    work: pl.DataFrame,
    name: str,
    value: pl.Expr,
    bounds: Mapping[str, tuple[float | None, float | None]],
    tally: Tally,
) -> pl.Expr:
    """Null outside the declared range, and counted: a wrong speed does not cost the position."""
    if name not in work.columns and name != "length_m":
        return value.alias(name)
    low, high = bounds[name]
    outside = pl.lit(False)
    if low is not None:
        outside = outside | (value < low)
    if high is not None:
        outside = outside | (value > high)
    outside = outside.fill_null(False)
    tally.add(f"{name} outside its range was set to null", int(work.select(outside.sum()).item()))
    return pl.when(~outside).then(value).alias(name)


def _coded(work: pl.DataFrame, name: str, codes: Mapping[str, int | str]) -> pl.Expr:
    """A code as a number, or as one of the known texts, in any case."""
    if name not in work.columns:
        return pl.lit(None, pl.Float64)
    number = _number(work, name)
    text = pl.col(name).str.strip_chars().str.to_lowercase()
    return pl.coalesce(number, text.replace_strict(dict(codes), default=None, return_dtype=pl.Float64))


def _ais_class(work: pl.DataFrame, dialect: Dialect) -> pl.Expr:
    codes = {"a": "A", "b": "B", **{k: str(v) for k, v in dialect.codes.get("ais_class", {}).items()}}
    found = []
    if "ais_class" in work.columns:
        text = pl.col("ais_class").str.strip_chars().str.to_lowercase()
        found.append(text.replace_strict(codes, default=None, return_dtype=pl.String))
    if "message_type" in work.columns:
        text = pl.col("message_type").str.strip_chars().str.to_lowercase().str.strip_prefix("ais.")
        found.append(text.replace_strict({**_CLASS_OF_TYPE, **codes}, default=None, return_dtype=pl.String))
    return pl.coalesce(found) if found else pl.lit(None, pl.String)


def _imo(work: pl.DataFrame) -> pl.Expr:
    """An IMO number with a valid check digit, else null. 1234567 passes the check and is what people type for a test."""
    if "imo" not in work.columns:
        return pl.lit(None, pl.Int64)
    text = pl.col("imo").str.strip_chars().str.to_uppercase().str.strip_prefix("IMO").str.strip_chars()
    digits = text.str.strip_suffix(".0").str.extract(r"^([0-9]{7})$", 1)
    # Resolution IMO A.1117(30): the seventh digit is the last digit of the sum of the others times 7, 6, 5, 4, 3, 2.
    weighed = pl.sum_horizontal([digits.str.slice(i, 1).cast(pl.Int64, strict=False) * (7 - i) for i in range(6)])
    number = digits.cast(pl.Int64, strict=False)
    valid = (weighed % 10 == number % 10) & (number != 1_234_567) & (number >= 1_000_000)
    return pl.when(valid).then(number)


def _text(work: pl.DataFrame, name: str) -> pl.Expr:
    """Text without the `@` padding of six-bit AIS; empty is null. Untrusted: escaping is for whoever shows it."""
    if name not in work.columns:
        return pl.lit(None, pl.String)
    text = pl.col(name).str.strip_chars("@ \t\r\n")
    cut = pl.when(text.str.len_bytes() > MAX_TEXT_BYTES).then(text.str.slice(0, MAX_TEXT_BYTES)).otherwise(text)
    return pl.when(cut != "").then(cut)
