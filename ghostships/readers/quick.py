"""The quick way for plain rows of a delimited file; whatever is not plain in any respect is left to the careful way.

    block of lines --one typed parse--> plain rows (right number of fields, nine digits, a time, a place) --> messages
                                   \\--> the other lines, by their place in the block ------------------> `text`, `messages`

A row is plain only where both ways would say the same: that is what the tests compare.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import statics, tables
from ghostships.readers import dialects, messages, times
from ghostships.readers.text import MAX_LINE_BYTES, Header

MOST_ODD = 0.3
"""With a larger share of rows that are not plain the careful way reads the whole block: both ways would cost more than one."""
_FEW_ODD = 0.02
_OFTEN_EMPTY = 0.01
"""A column of numbers with a larger share of empty cells is read as text, which tells an empty cell from a wrong one."""
_NUMBERS = ("sog_kn", "cog_deg", "heading_deg", "nav_status")
_MOVEMENT = ("time", "lat_deg", "lon_deg", *_NUMBERS)

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass
class Sets:
    """Sets of static data met in one stream, in the words of the file or converted, each under one number.

    Numbers are given as sets are met; `finish` says what they mean in order of their content.
    """

    dialect: dialects.Dialect
    n: int = 0
    often_empty: set[str] = field(default_factory=set)
    """Columns of numbers with many empty cells in this stream."""
    _known: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"key": pl.String, "number": statics.SAID})
    )
    _raw: list[pl.DataFrame] = field(default_factory=list)
    _contents: list[pl.DataFrame] = field(default_factory=list)
    _used: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def of_words(self, words: pl.DataFrame) -> pl.Series:
        """Numbers of sets in the words of the file: `mmsi` and text columns, one row each; how often each is used comes later."""
        cells = [pl.col("mmsi").cast(pl.String), *(pl.col(n).fill_null("") for n in words.columns if n != "mmsi")]
        # A line end is the one character that no cell of a line can hold.
        keyed = words.with_columns(key=pl.concat_str(cells, separator="\n"))
        found = keyed.select("key").join(self._known, on="key", how="left", maintain_order="left")
        if found["number"].null_count():
            new = keyed.filter(found["number"].is_null()).unique("key", keep="first", maintain_order=True)
            new = new.with_columns(number=self.n + pl.int_range(pl.len(), dtype=statics.SAID))
            self.n += new.height
            self._raw.append(new.drop("key"))
            self._known = pl.concat([self._known, new.select("key", "number")], rechunk=True)
            found = keyed.select("key").join(self._known, on="key", how="left", maintain_order="left")
        return found["number"]

    def of_contents(self, contents: pl.DataFrame) -> npt.NDArray[np.uint32]:
        """The number of each converted set; `contents` as `statics.part` gives them."""
        numbers = self.n + np.arange(contents.height, dtype=np.uint32)
        self.n += contents.height
        self._contents.append(contents.with_columns(pl.Series("said", numbers, dtype=statics.SAID)))
        return numbers

    def use(self, numbers: pl.Series) -> None:
        """Count rows by the number of their set."""
        counted = np.bincount(numbers.to_numpy(), minlength=self.n)
        counted[: len(self._used)] += self._used
        self._used = counted

    def finish(self, tally: messages.Tally) -> tuple[pl.DataFrame, npt.NDArray[np.uint32]]:
        """All sets by their content (`said` and `statics.SET`), and what each number of this stream is there."""
        parts = list(self._contents)
        if self._raw:
            # Sets of rows that in the end went the careful way were never used.
            used = np.append(self._used, np.zeros(self.n - len(self._used), np.int64))
            raw = pl.concat(self._raw)
            raw = raw.filter(pl.Series(used[raw["number"].to_numpy()] > 0))
            weights = used[raw["number"].to_numpy()]
            content = messages.content_of(raw, self.dialect, tally, weights=weights)
            key = pl.format("mmsi:{}", pl.col("mmsi").cast(pl.String))
            named = raw.select(said="number", vessel_key=key, mmsi=pl.col("mmsi").cast(pl.Int64))
            parts.append(pl.concat([named, content.select(statics.CONTENT)], how="horizontal"))
        aligned = [part.select(pl.col(n).cast(t) for n, t in statics.CONTENTS_SCHEMA.items()) for part in parts]
        if not aligned:
            return pl.DataFrame(schema=statics.CONTENTS_SCHEMA), np.zeros(0, np.uint32)
        together, (numbers,) = statics.renumber([pl.concat(aligned)])
        return together, numbers


def read(
    block: bytes, ends: Ints, header: Header, binding: dialects.Binding, plan: times.Plan, sets: Sets, *, first_row: int
) -> tuple[pl.DataFrame, Ints, bool] | None:
    """The plain rows of a block of whole lines, the places in the block of the other lines, and whether the
    plain rows name their time zone.

    None where the block as a whole is not for the quick way: quotes that go on over lines, other encodings, too many odd rows.
    """
    dialect = binding.dialect
    if "mmsi" not in binding.index or dialect.scale or dialect.without_position or not times.is_quick(plan):
        return None
    if b"\x00" in block or not (block.isascii() or _is_utf8(block)):
        return None
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    if int((ends - starts).max()) > MAX_LINE_BYTES:
        return None
    frame = _parse(block, header, binding, sets.often_empty)
    if frame is not None and (found := _often_empty(frame)):
        sets.often_empty |= found
        frame = _parse(block, header, binding, sets.often_empty)
    if frame is None or frame.height != len(ends):
        return None
    regular = _regular(block, starts, ends, frame, header)
    # A comment is none of the rows, whatever stands in it.
    regular &= np.frombuffer(block, np.uint8)[starts] != ord("#")
    if b'"' in block:
        regular &= ~_has_quote(block, starts)
    frame = frame.select(*binding.index).with_columns(row=first_row + pl.int_range(pl.len(), dtype=pl.Int64))
    time_utc, is_zoned = times.quick(frame["time"], plan)
    typed = _typed(frame, time_utc)
    plain = typed["is_plain"].to_numpy() & regular
    odd = np.flatnonzero(~plain)
    if len(odd) > MOST_ODD * len(ends):
        return None
    return _with_sets(frame, typed, plain, binding, sets), odd, is_zoned


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _often_empty(frame: pl.DataFrame) -> set[str]:
    """Columns that were read as numbers though many of their cells are empty or no numbers."""
    most = _OFTEN_EMPTY * frame.height
    return {
        name
        for name in _NUMBERS
        if name in frame.columns and frame[name].dtype == pl.Float64 and frame[name].null_count() > most
    }


def _parse(block: bytes, header: Header, binding: dialects.Binding, as_text: set[str]) -> pl.DataFrame | None:
    """The bound columns, null where empty, with whether the last column is there (`last`) and anything behind it (`behind`).

    Latitude, longitude and the other numbers that are not wanted `as_text` are numbers: a row without one is not plain, so that
    what is no number may be null. Everything else is text.
    """
    names = [f"c{i}" for i in range(len(header.columns) + 1)]
    wanted = {name: names[i] for name, i in binding.index.items()}
    schema: dict[str, pl.DataType] = dict.fromkeys(names, pl.String())
    schema |= {wanted[n]: pl.Float64() for n in ("lat_deg", "lon_deg", *_NUMBERS) if n in wanted and n not in as_text}
    try:
        return (
            pl.scan_csv(
                io.BytesIO(block),
                has_header=False,
                schema=schema,
                ignore_errors=True,
                separator=header.delimiter,
                quote_char=None,
                truncate_ragged_lines=True,
                missing_columns="insert",
            )
            .select(
                *(pl.col(column).alias(name) for name, column in wanted.items()),
                pl.col(names[-2]).is_not_null().alias("last"),
                pl.col(names[-1]).is_not_null().alias("behind"),
            )
            .collect()
        )
    except pl.exceptions.PolarsError:
        return None


def _regular(block: bytes, starts: Ints, ends: Ints, frame: pl.DataFrame, header: Header) -> Bools:
    """Which lines have exactly as many fields as the header.

    A line with a last field and nothing behind it has at least as many; if then all of them together have the right number of
    delimiters, none has more. Otherwise the delimiters of each line are counted.
    """
    codes = np.frombuffer(block, np.uint8)
    mark = ord(header.delimiter)
    n_marks = len(header.columns) - 1
    regular: Bools = frame["last"].to_numpy() & ~frame["behind"].to_numpy()
    odd = np.flatnonzero(~regular)
    if len(odd) <= _FEW_ODD * len(ends):
        n_elsewhere = sum(block.count(header.delimiter.encode(), int(starts[i]), int(ends[i])) for i in odd)
        if int(np.count_nonzero(codes == mark)) - n_elsewhere == n_marks * (len(ends) - len(odd)):
            return regular
    at = np.flatnonzero(codes == mark)
    counted: Ints = np.diff(np.searchsorted(at, np.concatenate([starts, [len(codes)]])))
    exact: Bools = counted == n_marks
    return exact


def _has_quote(block: bytes, starts: Ints) -> Bools:
    at = np.flatnonzero(np.frombuffer(block, np.uint8) == ord('"'))
    has: Bools = np.diff(np.searchsorted(at, np.concatenate([starts, [len(block)]]))) > 0
    return has


def _typed(frame: pl.DataFrame, time_utc: pl.Series) -> pl.DataFrame:
    """Numbers and times of every row, and `is_plain`: nothing about it needs a closer look."""
    bounds = {c.name: (c.low, c.high) for c in tables.POSITIONS.columns}
    text = pl.col("mmsi")
    mmsi = text.cast(pl.Int32, strict=False)
    # Nine bytes that make a number of nine digits are nine digits: a sign or a blank would leave eight.
    plain = (text.str.len_bytes() == 9) & (mmsi >= 100_000_000)
    columns = {"mmsi": mmsi}
    for name in _NUMBERS:
        if name in frame.columns:
            columns[name] = pl.col(name).cast(pl.Float64, strict=False)
    typed = frame.with_columns(time_utc.alias("time_utc")).select(
        "row", "time_utc", "lat_deg", "lon_deg", is_written=plain.fill_null(False), **columns
    )
    lat, lon = pl.col("lat_deg").round(7) + 0.0, pl.col("lon_deg").round(7) + 0.0
    typed = typed.with_columns(lat_deg=lat, lon_deg=lon)
    lat, lon = pl.col("lat_deg"), pl.col("lon_deg")
    checks = [
        pl.col("is_written"),
        pl.col("time_utc").is_not_null(),
        ((lat.abs() <= 90) & (lon.abs() <= 180) & ~((lat == 0) & (lon == 0))).fill_null(False),
    ]
    out = []
    for name, sentinel in messages.SENTINELS.items():
        if name in columns:
            low, high = bounds[name]
            value = pl.col(name)
            fits = (value == sentinel) | ((value >= low) & (value <= high))
            checks.append(_or_empty(fits, frame[name]))
            out.append(pl.when(value != sentinel).then(value).alias(name))
        else:
            out.append(pl.lit(None, pl.Float64).alias(name))
    if "nav_status" in columns:
        code = pl.col("nav_status")
        low, high = bounds["nav_status"]
        whole = (code >= low) & (code <= high) & (code == code.floor())
        checks.append(_or_empty(whole, frame["nav_status"]))
        out.append(code.cast(pl.Int8, strict=False))
    else:
        out.append(pl.lit(None, pl.Int8).alias("nav_status"))
    return typed.select("row", "mmsi", "time_utc", "lat_deg", "lon_deg", *out, is_plain=pl.all_horizontal(checks))


def _or_empty(fits: pl.Expr, cells: pl.Series) -> pl.Expr:
    """Whether a value is in order. Cells that were read as text may be empty; a null among numbers may be anything."""
    known = fits.fill_null(False)
    return known | pl.lit(cells.is_null()) if cells.dtype == pl.String else known


def _with_sets(
    frame: pl.DataFrame, typed: pl.DataFrame, plain: Bools, binding: dialects.Binding, sets: Sets
) -> pl.DataFrame:
    """The plain rows, each with the number of its static data."""
    rows = typed.filter(pl.Series(plain)).select(*_MESSAGE)
    if rows.is_empty():
        return rows.with_columns(said=pl.lit(0, statics.SAID))
    words = [name for name in binding.index if name not in ("mmsi", *_MOVEMENT)]
    # In order of ship a set is the same from one row to the next, nearly always: only where it changes it is looked up.
    order = rows["mmsi"].arg_sort()
    ordered = frame.select("mmsi", *words)[np.flatnonzero(plain)[order.to_numpy()]]
    ordered = ordered.with_columns(rows["mmsi"].gather(order))
    changed = pl.any_horizontal(pl.col(n).ne_missing(pl.col(n).shift(1)) for n in ("mmsi", *words))
    is_new = ordered.select(changed.alias("new")).to_series()
    is_new[0] = True
    found = sets.of_words(ordered.filter(is_new).select("mmsi", *words)).to_numpy()
    said = np.empty(rows.height, np.uint32)
    said[order.to_numpy()] = found[(is_new.cum_sum() - 1).to_numpy()]
    return rows.with_columns(pl.Series("said", said, dtype=statics.SAID))


_MESSAGE: tuple[str | pl.Expr, ...] = (
    "mmsi",
    "time_utc",
    "lat_deg",
    "lon_deg",
    *messages.SENTINELS,
    "nav_status",
    pl.col("row").alias("source_row"),
)
