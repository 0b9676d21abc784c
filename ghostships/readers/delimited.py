"""A delimited file, block by block: what its columns mean is settled first, then each block goes the quick and the careful way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ghostships import statics
from ghostships.readers import containers, dialects, lines, messages, quick, text, times
from ghostships.readers.account import Closing, FileAccount, Portion, Reject, Rows, checked, narrow
from ghostships.readers.lines import Encoding, Facts, Pieces, Window
from ghostships.readers.text import Counts, Header, Piece, Refused

SWAPPED_SHARE = 0.05
"""Share of latitudes beyond 90 degrees from which a file's columns are taken to be swapped, if swapping would fit."""
_HEADER_LIKE = ("field_count", "mmsi_format", "time_format", "id_format")


@dataclass(frozen=True)
class _Meaning:
    """What a file's columns mean, settled before any row is read."""

    header: Header
    binding: dialects.Binding
    plan: times.Plan
    has_commas: bool
    source_file: str


def rows(
    pieces: Pieces, encoding: Encoding, account: FileAccount, wanted: dialects.Dialect | None, *, source_file: str
) -> Rows:
    """The rows of a delimited file.

    Raises
    ------
    Refused
        when the file cannot be used at all; what was given before is void then.
    """
    meaning = _meaning(pieces, encoding, wanted, source_file)
    try:
        return (yield from _all(pieces, encoding, None, meaning, account))
    except _NotUtf8:
        # Whether such lines are names in latin-1 or another export glued on, only the whole file can tell.
        yield Portion(pl.DataFrame(), again=True)
        return (yield from _all(pieces, encoding, lines.survey(pieces, encoding), meaning, account))


class _NotUtf8(Exception):
    """A block is not UTF-8 and nothing is known of the rest of the file yet."""


def _all(pieces: Pieces, encoding: Encoding, facts: Facts | None, meaning: _Meaning, account: FileAccount) -> Rows:
    header, binding = meaning.header, meaning.binding
    closing, sets = Closing(), quick.Sets(binding.dialect)
    tally, counts = messages.Tally(), Counts()
    n_swapped, other_header, is_ascii, is_cut = 0, None, True, False
    window = Window(pieces(), encoding)
    window.advance(header.end)
    row = header.row + 1
    while block := window.block:
        if is_ascii and not block.isascii():
            is_ascii = False
        if facts is None and not is_ascii and not text.is_utf8(block):
            raise _NotUtf8
        is_mixed = facts is not None and facts.is_mixed
        found = _block(window, meaning, sets, tally, counts, row, is_mixed)
        row += found.n_lines
        n_swapped += found.n_swapped
        portion = Portion(found.messages, found.rejects)
        if other_header is None:
            other_header = _other_header(found.rejects)
            if other_header is not None:
                portion = _cut(portion, other_header, found.raw)
        else:
            portion = _cut(portion, other_header, found.raw)
        # What was cut at the end of a file shows in its last line.
        is_cut = any(at == row - 1 and rule == "field_count" for at, rule, _ in portion.rejects)
        yield closing.count(portion)
        window.advance(found.n_used)
    window.refuse_nul()
    if not counts.n_read:
        raise Refused("header_only", "a header but no rows")
    refuse_swapped(counts.n_read, n_swapped)
    contents, numbers = sets.finish(tally)
    label, said = _label(encoding, facts, is_ascii)
    notes = [*account.notes, *encoding.notes]
    if not window.has_last_line_end:
        notes.append("the last line has no line end")
    notes += [
        *said,
        *assumptions(meaning.plan, binding),
        *tally.notes(),
        *_line_notes(header, counts, meaning.has_commas),
    ]
    if is_cut and not window.has_last_line_end:
        notes.append("maybe truncated: the last line has no line end and too few or too many fields")
    refused = None
    if other_header is not None:
        refused = f"row {other_header} is another header; nothing from there on was used, split the file"
    account = replace(account, dialect=binding.dialect.name, encoding=label, notes=notes, refused=refused)
    return closing.close(account, contents, numbers, n_read=counts.n_read, binding=binding)


@dataclass(frozen=True)
class _Found:
    """What a block gave: `raw` has the bytes of its rows, `n_used` says how many bytes were read, `n_lines` how many lines."""

    messages: pl.DataFrame
    rejects: list[Reject]
    n_swapped: int
    n_lines: int
    n_used: int
    raw: _Raw


@dataclass(frozen=True)
class _Raw:
    """The bytes of a block's rows, escaped."""

    piece: Piece
    data: bytes

    def __call__(self, row: int) -> str:
        return self.piece.raw(self.data, row)


def _block(
    window: Window,
    meaning: _Meaning,
    sets: quick.Sets,
    tally: messages.Tally,
    counts: Counts,
    first_row: int,
    is_mixed: bool,
) -> _Found:
    """One block: the plain rows the quick way, the others, or all of it where that is not possible, the careful way."""
    header, block = meaning.header, window.block
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10).astype(np.int64)
    plain = None
    if not meaning.has_commas:
        plain = quick.read(block, ends, meaning.header, meaning.binding, meaning.plan, sets, first_row=first_row)
    if plain is not None:
        found, odd, is_zoned = plain
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
        numbers, few = odd + first_row, Counts(n_long=counts.n_long)
        rest = b"".join(block[starts[i] : ends[i] + 1] for i in odd)
        piece, used = text.split(text.Text(rest, "", is_mixed), len(rest), header, meaning.binding, few, first_row=1)
        # A quote that stays open takes in the lines that follow: then the block must be read as it is.
        goes_on = few.n_continued or used != len(rest) or any(rule == "unclosed_quote" for _, rule, _ in piece.rejects)
        if not goes_on:
            rows_of_file = pl.Series("row", numbers[piece.frame["row"].to_numpy() - 1], dtype=pl.Int64)
            piece.frame = piece.frame.with_columns(rows_of_file)
            piece.rejects = [(int(numbers[row - 1]), rule, raw) for row, rule, raw in piece.rejects]
            sets.use(found["said"])
            tally.add(messages.ZONED, found.height if is_zoned else 0)
            counts.n_lines += len(ends)
            counts.n_blank += few.n_blank
            counts.n_comment += few.n_comment
            counts.n_latin += few.n_latin
            counts.n_long = few.n_long
            whole = Piece(pl.DataFrame(), starts=starts, first_row=first_row)
            return _careful(piece, _Raw(whole, block), meaning, sets, tally, found, len(ends), len(block))
    given = text.Text(window.ahead(), "", is_mixed)
    piece, used = text.split(
        given, len(block), header, meaning.binding, counts, first_row=first_row, offset=window.offset
    )
    nothing = pl.DataFrame()
    return _careful(piece, _Raw(piece, given.data), meaning, sets, tally, nothing, len(piece.starts), used)


def _careful(
    piece: Piece,
    raw: _Raw,
    meaning: _Meaning,
    sets: quick.Sets,
    tally: messages.Tally,
    plain: pl.DataFrame,
    n_lines: int,
    n_used: int,
) -> _Found:
    """Rows as text become messages by every rule there is, and join those of the quick way."""
    frame = _with_points(piece.frame) if meaning.has_commas else piece.frame
    positions, broken = messages.convert(
        frame, meaning.binding.dialect, meaning.plan, source_file=meaning.source_file, tally=tally
    )
    passed, refused = checked(positions)
    rejects = [*piece.rejects, *((row, rule, raw(row)) for row, rule in broken.iter_rows()), *refused]
    parts = [narrow(plain)] if plain.height else []
    if passed.height:
        careful, contents = statics.part(passed)
        parts.append(narrow(statics.said_again(careful, sets.of_contents(contents))))
    found = pl.concat(parts) if parts else pl.DataFrame(schema=narrow(statics.part(passed)[0]).schema)
    return _Found(found, sorted(rejects), count_swapped(frame, broken), n_lines, n_used, raw)


def _cut(portion: Portion, other_header: int, raw: _Raw) -> Portion:
    """Nothing from another header on is used: its rows are rejects too."""
    late = portion.messages.filter(pl.col("source_row") >= other_header)["source_row"]
    rejects = [
        (row, "other_header" if row == other_header else rule if row < other_header else "after_other_header", cells)
        for row, rule, cells in portion.rejects
    ]
    rejects += [(row, "after_other_header", raw(row)) for row in late]
    return replace(
        portion, messages=portion.messages.filter(pl.col("source_row") < other_header), rejects=sorted(rejects)
    )


def _meaning(pieces: Pieces, encoding: Encoding, wanted: dialects.Dialect | None, source_file: str) -> _Meaning:
    window = Window(pieces(), encoding)
    header = text.find_header(window.block, wanted=wanted)
    window.advance(header.end)
    binding = _choose(window, header)
    plan, has_commas = _survey(pieces, encoding, header, binding)
    return _Meaning(header, binding, plan, has_commas, source_file)


def _choose(window: Window, header: Header) -> dialects.Binding:
    """The best binding the values agree with: a dialect in tenths of a knot has no fractions."""
    for binding in header.bindings:
        checked_names = [name for name in binding.dialect.whole_numbers if name in binding.index]
        if not checked_names:
            return binding
        has_fraction = False
        if window.block:
            first, _ = text.split(
                text.Text(window.ahead(), ""), len(window.block), header, binding, Counts(), first_row=1
            )
            has_fraction = any(
                first.frame[name].str.contains(r"^-?\d*\.\d*[1-9]").fill_null(False).any() for name in checked_names
            )
        if not has_fraction:
            return replace(binding, why=f"{binding.why}; {', '.join(checked_names)} has no fractions")
    return header.bindings[-1]


def _survey(pieces: Pieces, encoding: Encoding, header: Header, binding: dialects.Binding) -> tuple[times.Plan, bool]:
    """Decide from all rows what no single row can say: order of dates, unit of numbers, decimal sign."""
    is_auto, may_have_commas = binding.dialect.time.format == "auto", header.delimiter != ","
    if not is_auto and not may_have_commas:
        return plan_of([], binding.dialect), False
    few = replace(binding, index={name: binding.index[name] for name in ("time", "lat_deg", "lon_deg")})
    survey, n_comma, n_point, n_clear = times.Survey(), 0, 0, 0
    for piece in _pieces(pieces, encoding, header, few):
        if is_auto:
            survey.add(piece.frame["time"])
        if may_have_commas:
            for name in ("lat_deg", "lon_deg"):
                cells = piece.frame[name].str
                n_comma += int(cells.contains(",", literal=True).sum())
                n_point += int(cells.contains(".", literal=True).sum())
                n_clear += int(cells.contains(r"^\s*-?\d{1,3},(\d{1,2}|\d{4,})\s*$").sum())
    if n_comma and n_point:
        raise Refused("decimal_mixed", f"mixes decimal commas and points in its coordinates ({n_comma} and {n_point})")
    if n_comma and not n_clear:
        raise Refused("decimal_ambiguous", "coordinates like 1,234 may have a decimal comma or a thousands separator")
    return _decide(survey, binding.dialect) if is_auto else plan_of([], binding.dialect), n_comma > 0


def _pieces(pieces: Pieces, encoding: Encoding, header: Header, binding: dialects.Binding) -> Iterator[Piece]:
    """Every block of the file as text columns, for a look at all of it before it is read."""
    window, counts = Window(pieces(), encoding), Counts()
    window.advance(header.end)
    while window.block:
        piece, used = text.split(
            text.Text(window.ahead(), ""), len(window.block), header, binding, counts, first_row=header.row + 1
        )
        yield piece
        window.advance(used)


def plan_of(columns: Sequence[pl.Series], dialect: dialects.Dialect) -> times.Plan:
    """How times are read: as the dialect declares, else as the columns show.

    Raises
    ------
    Refused
        when the columns do not tell.
    """
    if dialect.time.format != "auto":
        return times.Plan(dialect.time.format, dialect.time.zone)
    return _decide(times.survey(columns), dialect)


def _decide(survey: times.Survey, dialect: dialects.Dialect) -> times.Plan:
    if not sum(survey.n.values()):
        # No row was regular enough to show a time: whatever the plan, the rejects tell.
        return times.Plan("iso", dialect.time.zone)
    try:
        return survey.decide(zone=dialect.time.zone)
    except times.Undecided as undecided:
        raise Refused("time_undecided", str(undecided)) from undecided


def _with_points(frame: pl.DataFrame) -> pl.DataFrame:
    names = [name for name in dialects.NUMBER_FIELDS if name in frame.columns]
    return frame.with_columns(pl.col(names).str.replace(",", ".", literal=True))


def count_swapped(frame: pl.DataFrame, broken: pl.DataFrame) -> int:
    """Rows whose latitude is impossible while the longitude could be one."""
    ranges = broken.filter(pl.col("rule") == "coord_range")
    if not ranges.height:
        return 0
    lat, lon = (pl.col(name).cast(pl.Float64, strict=False).abs() for name in ("lat_deg", "lon_deg"))
    suspects = frame.join(ranges.select("row"), on="row", how="semi").select(
        ((lat > 90) & (lat <= 180) & (lon <= 90)).sum()
    )
    return int(suspects.item())


def refuse_swapped(n_rows: int, n_swapped: int) -> None:
    """Raise `Refused` when so many latitudes are longitudes that the columns must be swapped."""
    if n_swapped > SWAPPED_SHARE * n_rows:
        raise Refused(
            "lat_lon_swapped",
            f"latitude and longitude look swapped: {n_swapped} of {n_rows} latitudes are beyond 90 degrees and would fit as "
            "longitudes; rename the columns",
        )


def _other_header(rejects: Sequence[Reject]) -> int | None:
    for row, rule, raw in sorted(rejects):
        folded = raw[:4096].lower()
        if rule in _HEADER_LIKE and "lat" in folded and "lon" in folded and text.is_header(raw[:4096]):
            return row
    return None


def assumptions(plan: times.Plan, binding: dialects.Binding) -> list[str]:
    """What was taken for granted about a file, a sentence each."""
    notes = []
    if plan.kind in ("dmy", "mdy"):
        how = "as the dialect declares" if binding.dialect.time.format == plan.kind else "decided from all rows"
        notes.append(f"dates are {'day' if plan.kind == 'dmy' else 'month'}-first, {how}")
    elif plan.kind.startswith("unix"):
        notes.append(f"times are numbers in {plan.kind.removeprefix('unix_')} since 1970, by their magnitude")
    if plan.kind in ("iso", "dmy", "mdy", "compact") and plan.has_naive:
        notes.append(
            f"times without a zone are {plan.zone}, as the dialect declares"
            if plan.zone
            else "times without a zone are rejects, because others have one"
            if plan.reject_naive
            else "times without a zone were taken as UTC; nothing in the file says so"
        )
    notes += [f"{name} was multiplied by {factor:g}" for name, factor in binding.dialect.scale.items()]
    if "mmsi" not in binding.index:
        notes.append("no MMSI column: ships are known by the file's own ids")
    if binding.unknown:
        shown = ", ".join(
            containers.escape(c.encode("utf-8", "replace"))[:40] or "(no name)" for c in binding.unknown[:40]
        )
        notes.append(f"columns not used: {shown}")
    return notes


def _label(encoding: Encoding, facts: Facts | None, is_ascii: bool) -> tuple[str, list[str]]:
    """The name of the encoding for the books, and what must be said of it."""
    if facts is None or facts.first_bad is None:
        return ("ascii" if is_ascii and encoding.name == "utf-8" else encoding.name), []
    label = "mixed" if facts.is_mixed else "latin-1 where not utf-8"
    rest = (
        "other lines are UTF-8, so lines that are not are rejects (bad_encoding)"
        if facts.is_mixed
        else "names read as latin-1"
    )
    return label, [f"byte {facts.first_bad} is not UTF-8; {rest}"]


def _line_notes(header: Header, counts: Counts, has_commas: bool) -> list[str]:
    n_aside = counts.n_blank + counts.n_comment + header.n_skipped
    notes = [f"1 header line, {n_aside} comment or blank lines are not rows"]
    if counts.n_continued:
        notes.append(f"{counts.n_continued} lines continue a quoted field of the line before")
    if counts.n_latin:
        notes.append(f"{counts.n_latin} rows have names that are not UTF-8, read as latin-1")
    if header.delimiter != ",":
        notes.append(f"delimiter is {header.delimiter!r}")
    if has_commas:
        notes.append("decimal commas, by all coordinates of the file")
    return notes
