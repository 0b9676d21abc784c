"""Times as text or numbers become UTC, decided once for a whole column and never row by row.

    "2023-01-11T00:00:00"    iso          1673395200        unix_s | unix_ms | unix_us | unix_ns, by magnitude
    "18/03/2023 00:00:00"    dmy          "20230111_000000" compact
    "03/18/2023 00:00:00"    mdy          "46000.5"         a spreadsheet's serial number: refused row by row

Whether `03/04/2023` is in March or in April is decided by the other rows of the file; where none tells, the file is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import polars as pl

Kind = Literal["iso", "dmy", "mdy", "compact", "unix_s", "unix_ms", "unix_us", "unix_ns", "excel"]

EARLIEST_UTC = datetime(2000, 1, 1, tzinfo=UTC)
"""AIS became mandatory in 2002 (SOLAS V/19); nothing older is a position report."""
BEFORE_UTC = datetime(2100, 1, 1, tzinfo=UTC)
DEFAULT_YEARS = (0, 1, 1899, 1900, 1904, 1970)
"""Years of an empty clock: proleptic zero, spreadsheets (both systems), Unix."""

_UNIX_S = (946_684_800, 4_102_444_800)
_US_PER_UNIT = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
# 1954 to 2119 in a spreadsheet's 1900 system; as Unix seconds it would be the first day of 1970.
_EXCEL = (20_000, 80_000)

# The clock is required: a date alone is not a time, and midnight would be a guess.
_CLOCK = r"[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([AaPp][Mm])?"
_ZONE = r"\s*(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?(?: UTC)?$"
_PATTERN: dict[str, str] = {
    "iso": r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK + _ZONE,
    "dmy": r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})" + _CLOCK + _ZONE,
    "mdy": r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})" + _CLOCK + _ZONE,
    "compact": r"^(\d{4})(\d{2})(\d{2})[_T ]?(\d{2})(\d{2})(\d{2})(?:\.(\d{1,9}))?()" + _ZONE,
}
_DATE_ORDER = {"iso": "ymd", "dmy": "dmy", "mdy": "mdy", "compact": "ymd"}
# What nearly every row looks like: tried first because a format is several times faster than a pattern.
_QUICK: dict[str, tuple[str, ...]] = {
    "iso": ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"),
    "dmy": ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"),
    "mdy": ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
    "compact": (),
}
_FEW = 1_000
_QUICK_UTC = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC")
"""Usual formats that name UTC as their zone."""


@dataclass(frozen=True)
class Plan:
    """How a time column is read. `zone` is the dialect's; without one, times without a zone are taken as UTC and a note says so."""

    kind: Kind
    zone: str | None = None
    reject_naive: bool = False
    has_naive: bool = True
    """False where every time of the column has a zone of its own: then nothing was assumed."""


class Undecided(ValueError):
    """The column does not say how its dates are written; the message says what was seen and what would help."""


@dataclass
class Survey:
    """What a whole column of times looks like; fed piece by piece, in any order."""

    n: dict[str, int] = field(default_factory=dict)
    n_day_first: int = 0
    n_month_first: int = 0
    n_zoned: int = 0
    n_naive: int = 0
    example: str = ""

    def add(self, values: pl.Series) -> None:
        """Count the shapes of `values` (text)."""
        text = values.str.strip_chars()
        shape = pl.col("t").str.contains
        day, month = (pl.col("t").str.extract(_PATTERN["dmy"], i).cast(pl.Int64) for i in (1, 2))
        zoned = pl.col("t").str.contains(r":\d{2}[0-9.,]*\s*(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)( UTC)?$")
        number = pl.col("t").cast(pl.Float64, strict=False).abs()
        kind = (
            pl.when(shape(_PATTERN["iso"])).then(pl.lit("iso"))
            .when(shape(_PATTERN["dmy"])).then(pl.lit("dmy"))
            .when(shape(r"^(19|20)\d{6}[_T ]?\d{6}(\.\d+)?")).then(pl.lit("compact"))
            .when(~shape(r"^-?\d+(\.\d+)?$")).then(pl.lit("other"))
            .when(number.is_between(*_EXCEL, closed="left")).then(pl.lit("excel"))
            .when(_spans(number, 1.0)).then(pl.lit("unix_s"))
            .when(_spans(number, 1e3)).then(pl.lit("unix_ms"))
            .when(_spans(number, 1e6)).then(pl.lit("unix_us"))
            .when(_spans(number, 1e9)).then(pl.lit("unix_ns"))
            .otherwise(pl.lit("odd number"))
        )  # fmt: skip
        seen = pl.DataFrame({"t": text}).with_columns(kind=kind, zoned=zoned)
        for name, count in seen.group_by("kind").len().iter_rows():
            self.n[name] = self.n.get(name, 0) + count
        dated = seen.filter(pl.col("kind").is_in(["iso", "dmy", "compact"]))
        self.n_zoned += int(dated["zoned"].sum())
        self.n_naive += int((~dated["zoned"]).sum())
        if self.n.get("dmy"):
            orders = seen.filter(pl.col("kind") == "dmy").select(
                d=((day > 12) & (month <= 12)).sum(), m=((month > 12) & (day <= 12)).sum()
            )
            self.n_day_first += int(orders["d"][0])
            self.n_month_first += int(orders["m"][0])
        if not self.example and len(text):
            self.example = str(text[0])

    def decide(self, *, zone: str | None) -> Plan:
        """The plan for the column: the shape most rows have. Rows of another shape become rejects.

        Raises
        ------
        Undecided
            when no row is a time, or day and month cannot be told apart, or both orders occur.
        """
        usable = {kind: count for kind, count in self.n.items() if kind not in ("other", "odd number")}
        if not usable:
            raise Undecided(f"no usable time in the column, first value {self.example[:40]!r}")
        kind = max(sorted(usable), key=lambda k: usable[k])
        if kind == "dmy":
            if self.n_day_first and self.n_month_first:
                raise Undecided(
                    f"mixes day-first and month-first dates ({self.n_day_first} and {self.n_month_first} rows prove them)"
                )
            if not self.n_day_first and not self.n_month_first:
                raise Undecided(
                    f"dates like {self.example[:40]!r} may be day-first or month-first: no row has a number over 12 "
                    "in either place; name a dialect that says which (plain_day_first, plain_month_first)"
                )
            kind = "dmy" if self.n_day_first else "mdy"
        return Plan(
            kind,  # type: ignore[arg-type]
            zone,
            reject_naive=zone is None and self.n_zoned > 0 and self.n_naive > 0,
            has_naive=self.n_naive > 0,
        )


def _spans(number: pl.Expr, per_second: float) -> pl.Expr:
    """Does the number lie in the years read, in units of which a second has `per_second`?"""
    low, high = _UNIX_S
    return number.is_between(low * per_second, high * per_second, closed="left")


def survey(pieces: Iterable[pl.Series]) -> Survey:
    """Look at a whole column before any of it is read."""
    seen = Survey()
    for piece in pieces:
        seen.add(piece)
    return seen


def parse(values: pl.Series, plan: Plan) -> pl.DataFrame:
    """Times of a column of text.

    Returns
    -------
    One row per value: `time_utc`; `rule`, the name of the rule it broke, else null; `how` (`leap`: second 60 was read as 59.999;
    `zoned`: had a zone of its own).
    """
    text = values.str.strip_chars()
    frame = _unix(text, plan.kind) if plan.kind.startswith("unix") else _dated(text, plan)
    time = pl.col("time_utc")
    broken = (
        pl.when(pl.col("rule").is_not_null()).then(pl.col("rule"))
        .when(time.is_null() & (pl.col("text").fill_null("") == "")).then(pl.lit("time_missing"))
        .when(time.is_null() & _is_excel()).then(pl.lit("time_excel_serial"))
        .when(time.is_null()).then(pl.lit("time_format"))
        .when(time.dt.year().is_in(DEFAULT_YEARS)).then(pl.lit("time_default"))
        .when((time < EARLIEST_UTC) | (time >= BEFORE_UTC)).then(pl.lit("time_out_of_range"))
    )  # fmt: skip
    return frame.with_columns(rule=broken).select(
        time_utc=pl.when(pl.col("rule").is_null()).then(time), rule="rule", how="how"
    )


def is_quick(plan: Plan) -> bool:
    """Whether `quick` knows this way of writing times: UTC dates in a usual format."""
    return plan.zone in (None, "UTC") and not plan.reject_naive and bool(_QUICK.get(plan.kind))


def quick(values: pl.Series, plan: Plan) -> tuple[pl.Series, bool]:
    """The times that `parse` would give, where they are written in the first usual format that fits any; null for all others.

    Also says whether that format names its zone.
    """
    values = values.rechunk()
    formats = [*_QUICK[plan.kind], *(_QUICK_UTC if plan.kind == "iso" else ())]
    few = values.drop_nulls().head(_FEW)
    for usual in formats:
        tried = few.str.to_datetime(usual, time_unit="us", strict=False)
        if tried.null_count() < len(tried):
            break
    time = values.str.to_datetime(usual, time_unit="us", strict=False)
    zoned = time.dt.replace_time_zone("UTC")
    fits = ((zoned >= EARLIEST_UTC) & (zoned < BEFORE_UTC)).fill_null(False)
    if usual in _QUICK_UTC:
        # The parser of formats takes blanks, signs and single digits that the pattern of `parse` does not.
        fits &= values.str.contains(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z| UTC)$").fill_null(False)
    # Second 60 passes some parsers as the next minute.
    full = ((time.dt.second() == 0) & fits).arg_true()
    leap = full.filter(values.gather(full).str.contains(":60", literal=True))
    if len(leap):
        fits = fits.scatter(leap, False)
    return pl.select(pl.when(fits).then(zoned)).to_series(), usual in _QUICK_UTC


def _is_excel() -> pl.Expr:
    number = pl.col("text").cast(pl.Float64, strict=False)
    return pl.col("text").str.contains(r"^\d{5}(\.\d+)?$") & number.is_between(*_EXCEL, closed="left").fill_null(False)


def _unix(text: pl.Series, kind: str) -> pl.DataFrame:
    """Whole numbers exactly (nanoseconds do not fit a float), fractions through float64; another magnitude is a reject."""
    whole = pl.col("text").cast(pl.Int64, strict=False)
    if kind == "unix_ns":
        us, in_seconds = whole // 1000, 1e-9
    else:
        factor = _US_PER_UNIT[kind]
        fraction = (pl.col("text").cast(pl.Float64, strict=False) * factor).round().cast(pl.Int64, strict=False)
        us, in_seconds = pl.coalesce(whole * factor, fraction), factor / 1e6
    number = pl.col("text").cast(pl.Float64, strict=False)
    seconds = number * in_seconds
    low, high = _UNIX_S
    is_other_unit = pl.any_horizontal(
        [(number * scale).is_between(low, high, closed="left") for scale in (1.0, 1e-3, 1e-6, 1e-9)]
    )
    rule = (
        pl.when(~pl.col("text").str.contains(r"^[+-]?\d+(\.\d+)?$")).then(pl.lit("time_format"))
        .when(seconds.is_between(low, high, closed="left")).then(None)
        .when(_is_excel()).then(pl.lit("time_excel_serial"))
        .when(is_other_unit).then(pl.lit("time_magnitude"))
        .when(seconds.is_between(0, 366 * 86400)).then(pl.lit("time_default"))
        .otherwise(pl.lit("time_out_of_range"))
    )  # fmt: skip
    empty = pl.col("text").fill_null("") == ""
    frame = pl.DataFrame({"text": text}).with_columns(rule=pl.when(empty).then(pl.lit("time_missing")).otherwise(rule))
    return frame.with_columns(
        time_utc=pl.when(pl.col("rule").is_null()).then(us).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        how=pl.lit(None, pl.String),
    )


def _dated(text: pl.Series, plan: Plan) -> pl.DataFrame:
    """Quick formats for the bulk, a pattern for what they leave over (zones, fractions, leap seconds, AM and PM)."""
    kind = "iso" if plan.kind == "excel" else plan.kind
    naive = pl.Series("naive", [None] * len(text), dtype=pl.Datetime("us"))
    for quick in _QUICK[kind]:
        if naive.null_count():
            tried = text.str.to_datetime(quick, time_unit="us", strict=False)
            naive = tried if naive.null_count() == len(naive) else naive.zip_with(naive.is_not_null(), tried)
    # Second 60 passes some parsers as the next minute: always by the careful way.
    leap = text.str.contains(":60", literal=True).fill_null(False)
    frame = pl.DataFrame({"text": text, "naive": naive, "leap": leap}).with_columns(
        naive=pl.when(~pl.col("leap")).then(pl.col("naive"))
    )
    # In one piece: Polars 2.1 panics in its text functions where a filter has left chunks without rows.
    left = frame.with_row_index("at").filter(pl.col("naive").is_null() & (pl.col("text").fill_null("") != "")).rechunk()
    if left.height:
        careful = _careful(left, kind)
        frame = (
            frame.with_row_index("at")
            .join(careful, on="at", how="left", maintain_order="left")
            .with_columns(naive=pl.coalesce("naive", "careful"))
            .drop("careful", "at")
        )
    else:
        frame = frame.with_columns(offset_s=pl.lit(None, pl.Int64), how=pl.lit(None, pl.String))
    zone = plan.zone or "UTC"
    local = (
        pl.col("naive").dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    )
    zoned = (pl.col("naive") - pl.duration(seconds=pl.col("offset_s"))).dt.replace_time_zone("UTC")
    has_offset = pl.col("offset_s").is_not_null()
    frame = frame.with_columns(time_utc=pl.when(has_offset).then(zoned).otherwise(local).cast(pl.Datetime("us", "UTC")))
    rule = pl.lit(None, pl.String)
    if zone != "UTC":
        # In spring the skipped hour is null whichever side is taken, in autumn the repeated one is not.
        either = pl.col("naive").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        lost = pl.col("naive").is_not_null() & pl.col("time_utc").is_null()
        rule = (
            pl.when(lost & either.is_null()).then(pl.lit("time_nonexistent")).when(lost).then(pl.lit("time_ambiguous"))
        )
    if plan.reject_naive:
        rule = pl.when(pl.col("naive").is_not_null() & ~has_offset).then(pl.lit("time_no_zone")).otherwise(rule)
    return frame.with_columns(rule=rule)


def _careful(left: pl.DataFrame, kind: str) -> pl.DataFrame:
    """`at`, `careful` (local time), `offset_s` (null: no zone of its own) and `how` for rows that no quick format fits."""
    group = {name: i + 1 for i, name in enumerate([*_DATE_ORDER[kind], "h", "min", "s", "f", "ampm", "zone"])}
    part = {name: pl.col("text").str.extract(_PATTERN[kind], i) for name, i in group.items()}
    hour = part["h"].cast(pl.Int64).fill_null(0)
    marker = part["ampm"].str.to_lowercase()
    hour = pl.when(marker == "pm").then(hour % 12 + 12).when(marker == "am").then(hour % 12).otherwise(hour)
    is_leap = (part["s"] == "60") & (part["min"] == "59") & (hour == 23)
    second = (
        pl.when(is_leap)
        .then(pl.lit("59.999"))
        .when(part["s"] == "60")  # no leap second is at any other minute; some parsers would make it the next one
        .then(None)
        .otherwise(part["s"].fill_null("00") + "." + part["f"].fill_null("0").str.pad_end(6, "0").str.slice(0, 6))
    )
    month, day, two_digit_hour = (e.cast(pl.String).str.zfill(2) for e in (part["m"], part["d"], hour))
    text = pl.format("{}-{}-{}T{}:{}:{}", part["y"], month, day, two_digit_hour, part["min"].fill_null("00"), second)
    zone = part["zone"]
    digits = zone.str.replace_all(r"[^0-9]", "").str.pad_end(4, "0")
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    offset = sign * (digits.str.slice(0, 2).cast(pl.Int64) * 3600 + digits.str.slice(2, 2).cast(pl.Int64) * 60)
    offset = pl.when(zone.str.contains(r"^[A-Za-z]")).then(0).when(zone.is_not_null()).then(offset)
    return left.select(
        at="at",
        careful=text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
        offset_s=offset.cast(pl.Int64),
        how=pl.when(is_leap).then(pl.lit("leap")).when(zone.is_not_null()).then(pl.lit("zoned")),
    )
