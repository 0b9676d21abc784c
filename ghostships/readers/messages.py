"""Columns of text become the columns of `positions`, and rows that cannot be used become rejects with the name of the rule.

Works on whole columns: nothing here looks at one row at a time. Nothing is corrected in silence: what is set to null or coerced
is counted, and the counts become notes of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import tables, units
from ghostships.readers import times
from ghostships.readers.dialects import TEXT_FIELDS, Dialect

NULL_WORDS = ("", "-", "null", "none", "nan", "n/a", "na", "inf", "-inf", "+inf", "infinity", "-infinity", "\\n")
ZONED = "time converted from its own zone to UTC"
MAX_ID_BYTES = 64
MAX_TEXT_BYTES = 256
"""AIS names have at most 20 characters; longer text is not a name, and is cut so that one cell cannot fill the memory."""

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
SENTINELS = {
    "sog_kn": units.SOG_NOT_AVAILABLE_KN,
    "cog_deg": units.COG_NOT_AVAILABLE_DEG,
    "heading_deg": units.HEADING_NOT_AVAILABLE_DEG,
}
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

    A record without latitude and longitude (null, not empty text), or whose message type carries none, is accepted without a
    position: the ship was heard.

    Returns
    -------
    positions : the declared columns of the table
    rejects : `row`, `rule`
    """
    if not frame.height:
        return tables.empty_polars(tables.POSITIONS), pl.DataFrame(schema={"row": pl.Int64, "rule": pl.String})
    frame = frame.rechunk()
    timed = times.parse(frame["time"], plan)
    tally.add("second 60 read as 59.999", int((timed["how"] == "leap").sum()))
    tally.add(ZONED, int((timed["how"] == "zoned").sum()))
    work = pl.concat(
        [frame, timed.select("time_utc", time_rule="rule"), _identity(frame, source_file), _place(frame, dialect)],
        how="horizontal",
    )
    tally.add("MMSI written as a float (.0) was accepted", int(work["is_coerced"].sum()))
    broken = pl.coalesce("id_rule", "time_rule", "place_rule")
    rejects = work.select("row", rule=broken).filter(pl.col("rule").is_not_null())
    work = work.filter(broken.is_null()).rechunk() if rejects.height else work
    tally.add("heard without a position (91/181 or a message type without one)", int(work["lat"].null_count()))
    for name in SENTINELS:
        if name in work.columns:
            word = pl.col(name).str.strip_chars().str.to_lowercase()
            is_strange = _decimal(pl.col(name)).is_null() & ~word.is_in(NULL_WORDS)
            tally.add(f"{name} is no number, taken as not told", int(work.select(is_strange.sum()).item()))
    names = tables.POSITIONS.names
    shaped = work.select(
        "vessel_key",
        "mmsi_number",
        "time_utc",
        "lat",
        "lon",
        pl.lit(source_file).alias("source_file"),
        pl.col("row").alias("source_row"),
    ).rename({"mmsi_number": "mmsi", "lat": "lat_deg", "lon": "lon_deg"})
    shaped = pl.concat([shaped, _within_bounds(_content(work, dialect), tally)], how="horizontal").select(names)
    return shaped.cast({name: dtype for name, dtype in tables.POSITIONS.polars_schema.items()}), rejects


def _each_once(values: pl.Series, convert: Callable[[pl.Expr], Sequence[pl.Expr]]) -> pl.DataFrame:
    """`convert` applied to each distinct value once: a ship repeats its name, number and type in every message."""
    distinct = values.rename("value").unique(maintain_order=True).to_frame()
    if distinct.height * 2 > len(values):
        return values.rename("value").to_frame().select(convert(pl.col("value")))
    found = distinct.with_columns(convert(pl.col("value")))
    joined = (
        values.rename("value").to_frame().join(found, on="value", how="left", maintain_order="left", nulls_equal=True)
    )
    return joined.drop("value")


def _identity(frame: pl.DataFrame, source_file: str) -> pl.DataFrame:
    """`vessel_key`, `mmsi_number`, `id_rule`, `is_coerced`."""
    if "mmsi" in frame.columns:
        return _each_once(frame["mmsi"], _mmsi)
    return _each_once(frame["id"], lambda value: _own_id(value, source_file))


def _own_id(value: pl.Expr, source_file: str) -> list[pl.Expr]:
    text = value.fill_null("").str.strip_chars()
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


def _mmsi(value: pl.Expr) -> list[pl.Expr]:
    """Nine ASCII digits before any conversion: `int('1_0')` is 10, and Arabic-Indic digits convert too."""
    text = value.fill_null("")
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


def _place(frame: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """`lat`, `lon` rounded to 1e-7, both null where the ship was heard and its place is not known; `place_rule`."""
    lat, lon = (pl.col(name).str.strip_chars().cast(pl.Float64, strict=False) for name in ("lat_deg", "lon_deg"))
    # `round` gives back the decimal as written; Polars divides by a constant through its reciprocal, which does not.
    # Adding zero turns -0.0 into 0.0, so that one place has one value.
    place = frame.select(lat=lat.round(7) + 0.0, lon=lon.round(7) + 0.0)
    lat, lon = pl.col("lat"), pl.col("lon")
    inside = (lat.abs() <= 90) & (lon.abs() <= 180) & ~((lat == 0) & (lon == 0))
    odd = place.select(~inside.fill_null(False)).to_series()
    if not odd.any():
        return place.with_columns(place_rule=pl.lit(None, pl.String))
    # The words and sentinels are looked at only where the numbers are not plainly a place.
    careful = pl.concat([frame, place], how="horizontal").with_row_index("at").filter(odd).rechunk()
    absent = pl.col("lat_deg").is_null() & pl.col("lon_deg").is_null()
    if dialect.without_position and "message_type" in frame.columns:
        bare = pl.col("message_type").is_in(list(dialect.without_position)).fill_null(False)
        absent = absent | (bare & _is_nothing("lat_deg") & _is_nothing("lon_deg"))
    no_lat, no_lon = units.LAT_NOT_AVAILABLE_DEG, units.LON_NOT_AVAILABLE_DEG
    sentinel = ((lat == no_lat) & (lon.abs() <= no_lon)) | ((lon == no_lon) & (lat.abs() <= no_lat))
    rule = (
        pl.when(absent | sentinel.fill_null(False)).then(None)
        .when(_is_nothing("lat_deg") | _is_nothing("lon_deg")).then(pl.lit("coord_missing"))
        .when(lat.is_null() | lon.is_null() | lat.is_nan() | lon.is_nan()).then(pl.lit("coord_format"))
        .when((lat.abs() > 90) | (lon.abs() > 180)).then(pl.lit("coord_range"))
        .otherwise(pl.lit("null_island"))
    )  # fmt: skip
    judged = careful.select("at", place_rule=rule, is_odd=pl.lit(True))
    return (
        place.with_row_index("at")
        .join(judged, on="at", how="left", maintain_order="left")
        .select(pl.when(pl.col("is_odd").is_null()).then(pl.col("lat", "lon")), "place_rule")
    )


def _is_nothing(name: str) -> pl.Expr:
    return pl.col(name).fill_null("").str.strip_chars().str.to_lowercase().is_in(list(NULL_WORDS))


def _content(work: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Every column of `positions` that is neither identity, time nor place."""
    measures = {name: _number(work, name) for name in SENTINELS}
    for name, factor in dialect.scale.items():
        # The scale is a decimal: 0.1 * 1023 is not 102.3 in binary, hence the rounding to what AIS can say.
        measures[name] = (measures[name] * factor).round(6)
    parts = [
        work.select(
            pl.col("row"),
            *(pl.when(value != SENTINELS[name]).then(value).alias(name) for name, value in measures.items()),
        ).drop("row"),
        _coded(work, "nav_status", dialect.codes.get("nav_status", NAV_STATUS)),
        _ais_class(work, dialect),
        _once(work, "imo", _imo, pl.Int64()),
        *(_once(work, name, _text, pl.String()) for name in TEXT_FIELDS),
        _coded(work, "ship_type", dialect.codes.get("ship_type", SHIP_TYPE)),
        _length(work),
        _once(
            work, "draught_m", lambda value: pl.when(_decimal(value) != 0).then(_decimal(value).round(2)), pl.Float64()
        ),
    ]
    return pl.concat(parts, how="horizontal")


def _once(work: pl.DataFrame, name: str, convert: Callable[[pl.Expr], pl.Expr], dtype: pl.DataType) -> pl.DataFrame:
    if name not in work.columns:
        return pl.DataFrame({name: pl.Series([None], dtype=dtype).new_from_index(0, work.height)})
    return _each_once(work[name], lambda value: [convert(value).cast(dtype, strict=False).alias(name)])


def _length(work: pl.DataFrame) -> pl.DataFrame:
    length = _number(work, "length_m")
    if "bow_m" in work.columns and "stern_m" in work.columns:
        length = pl.coalesce(length, _number(work, "bow_m") + _number(work, "stern_m"))
    return work.select("row", length_m=pl.when(length != 0).then(length)).drop("row")


def content_of(words: pl.DataFrame, dialect: Dialect, tally: Tally, *, weights: npt.NDArray[np.int64]) -> pl.DataFrame:
    """The static data of rows of text columns that stand for `weights` rows of the file each."""
    return _within_bounds(_content(words.with_columns(row=pl.int_range(pl.len())), dialect), tally, weights=weights)


def _within_bounds(
    content: pl.DataFrame, tally: Tally, *, weights: npt.NDArray[np.int64] | None = None
) -> pl.DataFrame:
    """Null outside the declared range, and counted: a wrong speed does not cost the position."""
    times_over: pl.Expr | pl.Series = pl.lit(1) if weights is None else pl.Series("weights", weights)
    outside = {}
    for column in tables.POSITIONS.columns:
        if column.name in content.columns and column.low is not None and column.high is not None:
            value = pl.col(column.name)
            outside[column.name] = ((value < column.low) | (value > column.high)).fill_null(False)
    counts = content.select((mask.cast(pl.Int64) * times_over).sum().alias(name) for name, mask in outside.items()).row(
        0, named=True
    )
    for name, n in counts.items():
        tally.add(f"{name} outside its range was set to null", n)
    return content.with_columns(pl.when(~outside[n]).then(pl.col(n)).alias(n) for n, count in counts.items() if count)


def _decimal(value: pl.Expr) -> pl.Expr:
    number = value.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _number(work: pl.DataFrame, name: str) -> pl.Expr:
    if name not in work.columns:
        return pl.lit(None, pl.Float64)
    return _decimal(pl.col(name))


def _coded(work: pl.DataFrame, name: str, codes: Mapping[str, int | str]) -> pl.DataFrame:
    """A code as a number, or as one of the known texts, in any case."""

    def code(value: pl.Expr) -> pl.Expr:
        text = value.str.strip_chars().str.to_lowercase()
        known = text.replace_strict(dict(codes), default=None, return_dtype=pl.Float64)
        return pl.coalesce(_decimal(value), known)

    return _once(work, name, code, pl.Int64())


def _ais_class(work: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    codes = {"a": "A", "b": "B", **{k: str(v) for k, v in dialect.codes.get("ais_class", {}).items()}}

    def by_name(value: pl.Expr) -> pl.Expr:
        return value.str.strip_chars().str.to_lowercase().replace_strict(codes, default=None, return_dtype=pl.String)

    def by_type(value: pl.Expr) -> pl.Expr:
        text = value.str.strip_chars().str.to_lowercase().str.strip_prefix("ais.")
        return text.replace_strict({**_CLASS_OF_TYPE, **codes}, default=None, return_dtype=pl.String)

    named = _once(work, "ais_class", by_name, pl.String())
    typed = _once(work, "message_type", by_type, pl.String())
    return pl.concat([named, typed], how="horizontal").select(ais_class=pl.coalesce("ais_class", "message_type"))


def _imo(value: pl.Expr) -> pl.Expr:
    """An IMO number with a valid check digit, else null. 1234567 passes the check and is what people type for a test."""
    text = value.str.strip_chars().str.to_uppercase().str.strip_prefix("IMO").str.strip_chars()
    digits = text.str.strip_suffix(".0").str.extract(r"^([0-9]{7})$", 1)
    # Resolution IMO A.1117(30): the seventh digit is the last digit of the sum of the others times 7, 6, 5, 4, 3, 2.
    weighed = pl.sum_horizontal([digits.str.slice(i, 1).cast(pl.Int64, strict=False) * (7 - i) for i in range(6)])
    number = digits.cast(pl.Int64, strict=False)
    valid = (weighed % 10 == number % 10) & (number != 1_234_567) & (number >= 1_000_000)
    return pl.when(valid).then(number)


def _text(value: pl.Expr) -> pl.Expr:
    """Text without the `@` padding of six-bit AIS; empty is null. Untrusted: escaping is for whoever shows it."""
    text = value.str.strip_chars("@ \t\r\n")
    cut = pl.when(text.str.len_bytes() > MAX_TEXT_BYTES).then(text.str.slice(0, MAX_TEXT_BYTES)).otherwise(text)
    return pl.when(cut != "").then(cut)
