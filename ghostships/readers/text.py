"""Tables as text: physical lines are counted from the bytes, the regular ones are split by Polars, the odd ones by hand.

    bytes -> UTF-8 -> header -> block of whole lines --+-- regular: no quote, right number of fields --> one fast parse
                                                       +-- quotes, bad bytes ------------------------> one at a time
                                                       +-- ragged, NUL, too long, repeated header ---> rejects

A row is never padded, cut or shifted: lines are compared with the number of delimiters of the header before they are parsed.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships.readers import dialects
from ghostships.readers.containers import escape

BLOCK_BYTES = 32 * 2**20
MAX_LINE_BYTES = 2**20
MAX_LONG_LINES = 100
MAX_QUOTED_BYTES = 64 * 2**10
MAX_NUL_SHARE = 0.01
DELIMITERS = (",", ";", "\t", "|")

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Refused(ValueError):
    """The whole file cannot be used: rule and message."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class Text:
    """A file as UTF-8 lines ending in `\\n`; lines that are not UTF-8 keep their bytes. `is_mixed`: other lines are."""

    data: bytes
    encoding: str
    is_mixed: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """The header line: its fields, its physical row, the first byte after it."""

    columns: tuple[str, ...]
    delimiter: str
    line: bytes
    row: int
    end: int
    n_skipped: int
    bindings: tuple[dialects.Binding, ...]


@dataclass
class Counts:
    """What became of the physical lines after the header."""

    n_lines: int = 0
    n_blank: int = 0
    n_comment: int = 0
    n_continued: int = 0
    n_latin: int = 0
    n_long: int = 0

    @property
    def n_read(self) -> int:
        return self.n_lines - self.n_blank - self.n_comment - self.n_continued


@dataclass
class Piece:
    """A block's rows: text columns by field name with `row`, the rejected rows, and where its lines are in the bytes."""

    frame: pl.DataFrame
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    starts: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    first_row: int = 1

    def raw(self, data: bytes, row: int) -> str:
        """The bytes of a physical row of this block, escaped."""
        at = int(self.starts[row - self.first_row])
        end = data.find(b"\n", at)
        return escape(data[at : end if end >= 0 else len(data)])


def decode(raw: bytes) -> Text:
    """Bytes of any of the encodings read, as UTF-8 with `\\n` line ends.

    Raises
    ------
    Refused
        when it is empty, HTML, binary, or UTF-16 without its mark.
    """
    notes: list[str] = []
    encoding = "utf-8"
    if raw.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise Refused("encoding", "is UTF-32; re-export as UTF-8")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16-le" if raw.startswith(b"\xff\xfe") else "utf-16-be"
        try:
            raw = raw[2:].decode(encoding).encode("utf-8")
        except UnicodeError as error:
            raise Refused("encoding", f"starts as {encoding} but does not decode: {error}") from error
        notes.append(f"encoding {encoding}, by its byte order mark")
    elif raw.startswith(b"\xef\xbb\xbf"):
        raw, encoding = raw[3:], "utf-8 with a byte order mark"
    if not raw.strip():
        raise Refused("empty_file", "empty file")
    _refuse_nul(raw)
    head = raw[:2048].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<!--")):
        raise Refused("html", f"content is HTML or XML, not a table; starts with {escape(raw[:200])}")
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not raw.endswith(b"\n"):
        raw += b"\n"
        notes.append("the last line has no line end")
    if raw.isascii():
        return Text(raw, encoding if encoding != "utf-8" else "ascii", notes=tuple(notes))
    bad = _first_bad(raw)
    if bad is None:
        return Text(raw, encoding, notes=tuple(notes))
    mixed = _has_good_multibyte(raw)
    label = "mixed" if mixed else "latin-1 where not utf-8"
    notes.append(
        f"byte {bad} is not UTF-8; "
        + (
            "other lines are UTF-8, so lines that are not are rejects (bad_encoding)"
            if mixed
            else "names read as latin-1"
        )
    )
    return Text(raw, label, mixed, tuple(notes))


def _refuse_nul(raw: bytes) -> None:
    n_nul = raw.count(b"\x00")
    if not n_nul:
        return
    if n_nul > 0.3 * len(raw) and (not any(raw[0:400:2]) or not any(raw[1:400:2])):
        raise Refused("encoding", "looks like UTF-16 without its mark; re-export as UTF-8")
    if n_nul > MAX_NUL_SHARE * len(raw):
        raise Refused("nul_bytes", f"{n_nul} of {len(raw)} bytes are NUL: damaged or binary")


def _blocks(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    while start < len(data):
        end = data.find(b"\n", min(start + BLOCK_BYTES, len(data)) - 1)
        end = len(data) if end < 0 else end + 1
        yield start, end
        start = end


def _first_bad(data: bytes) -> int | None:
    for start, end in _blocks(data, 0):
        try:
            data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            return start + error.start
    return None


def _has_good_multibyte(data: bytes) -> bool:
    """Does any line decode as UTF-8 and hold more than ASCII? Two encodings in one file are two exports glued together."""
    for start, end in _blocks(data, 0):
        block = data[start:end]
        if block.isascii():
            continue
        for line in block.split(b"\n"):
            if not line.isascii() and is_utf8(line):
                return True
    return False


def is_utf8(line: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def find_header(data: bytes, *, wanted: dialects.Dialect | None = None) -> Header:
    """The header, its delimiter and the dialects it fits.

    Raises
    ------
    Refused
        when no line is a header, two delimiters fit, or its columns are refused.
    """
    at, row, n_skipped = 0, 0, 0
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at:end]
        row += 1
        if len(line) > MAX_LINE_BYTES:
            raise Refused("line_too_long", f"the first line has {len(line)} bytes, more than {MAX_LINE_BYTES}")
        is_comment = line.startswith(b"#")
        if not line.strip() or (is_comment and _fits(line, wanted, quiet=True) is None):
            at, n_skipped = end + 1, n_skipped + 1
            continue
        found = _fits(line, wanted, quiet=False)
        assert found is not None
        delimiter, columns, bindings = found
        return Header(columns, delimiter, line, row, end + 1, n_skipped, bindings)
    raise Refused("header_missing", "only comments and blank lines")


def _fits(
    line: bytes, wanted: dialects.Dialect | None, *, quiet: bool
) -> tuple[str, tuple[str, ...], tuple[dialects.Binding, ...]] | None:
    shown = line.decode("utf-8", "replace")
    fitting, problems = [], []
    for delimiter in DELIMITERS:
        columns = tuple(next(csv.reader([shown], delimiter=delimiter)))
        if len(columns) < 2:
            continue
        try:
            bound = dialects.recognise(columns, shape="table", wanted=wanted)
        except dialects.NotRecognised as error:
            problems.append((len(columns), error.rule, str(error)))
            continue
        good = tuple(b for b in bound if dialects.missing(b) is None)
        if good:
            fitting.append((delimiter, columns, good))
        elif bound:
            problems.append((len(columns), "column_missing", dialects.missing(bound[0]) or ""))
    if len(fitting) > 1:
        raise Refused("delimiter_ambiguous", f"header fits delimiters {' and '.join(repr(f[0]) for f in fitting)}")
    if fitting:
        return fitting[0]
    if quiet:
        return None
    if not problems:
        raise Refused("not_ais", f"is not a table or another known format; starts with {escape(line[:80])}")
    n_columns, rule, message = max(problems, key=lambda p: p[0])
    cells = [c for c in shown.replace(";", ",").replace("\t", ",").replace("|", ",").split(",") if c.strip()]
    n_numbers = sum(c.strip().lstrip("+-")[:1].isdigit() for c in cells)
    if rule == "column_missing" and n_numbers * 2 >= len(cells):
        raise Refused("no_header", f"no header row: the first line looks like data ({escape(line[:80])})")
    raise Refused(rule, message)


def split(
    text: Text, end: int, header: Header, binding: dialects.Binding, counts: Counts, *, first_row: int, offset: int = 0
) -> tuple[Piece, int]:
    """The lines of `text.data[:end]` as text columns; `counts` is filled as it goes.

    `first_row` is the physical row of the first line, `offset` the bytes before it. Also says up to where bytes were used: a
    quoted record may go on behind `end`.

    Raises
    ------
    Refused
        when more than `MAX_LONG_LINES` lines are too long.
    """
    data = text.data
    block = data[:end]
    if not block:
        return Piece(_frame([], binding), first_row=first_row), 0
    codes = np.frombuffer(block, np.uint8)
    ends: Ints = np.flatnonzero(codes == 10).astype(np.int64)
    starts: Ints = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    lengths = ends - starts
    n_fields = len(header.columns)

    def per_line(byte: int) -> Ints:
        found = np.flatnonzero(codes == byte)
        edges = np.searchsorted(found, np.concatenate([starts, [len(codes)]]))
        return np.diff(edges)

    blank: Bools = lengths == 0
    comment: Bools = codes[np.minimum(starts, len(codes) - 1)] == ord("#")
    # Blank or commented lines inside a quoted name are found by the quotes below, before these are counted.
    regular: Bools = per_line(ord(header.delimiter)) == n_fields - 1
    odd: dict[str, Bools] = {}
    if b"\x00" in block:
        odd["nul_byte"] = per_line(0) > 0
    if lengths.size and int(lengths.max()) > MAX_LINE_BYTES:
        odd["line_too_long"] = lengths > MAX_LINE_BYTES
    repeat = np.zeros(len(starts), np.bool_)
    for i in np.flatnonzero(
        (lengths == len(header.line)) & (codes[np.minimum(starts, len(codes) - 1)] == header.line[0])
    ):
        repeat[i] = block[starts[i] : ends[i]] == header.line
    odd["header_repeat"] = repeat
    latin = np.zeros(len(starts), np.bool_)
    if not block.isascii() and not is_utf8(block):
        for i in np.flatnonzero(np.add.reduceat(codes >= 0x80, starts) > 0):
            latin[i] = not is_utf8(block[starts[i] : ends[i]])
    quoted = per_line(34) > 0 if b'"' in block else np.zeros(len(starts), np.bool_)

    piece = Piece(pl.DataFrame(), starts=starts, first_row=first_row)
    by_hand: list[tuple[int, list[str]]] = []
    continued = np.zeros(len(starts), np.bool_)
    resume, tail_row = end, 0
    i_next = 0
    comment &= ~repeat  # the Danish header starts with a hash sign itself
    for i in np.flatnonzero(quoted & ~comment):
        if i < i_next:
            continue
        if any(mask[i] for mask in odd.values()):
            continue
        record, stop, problem = _quoted(data, int(starts[i]), header.delimiter, n_fields)
        row = first_row + int(i)
        n_more = data.count(b"\n", int(starts[i]), stop)  # line ends inside the record
        if problem == "unclosed_quote":
            n_more, stop = 0, int(ends[i])
        i_next = int(i) + 1 + n_more
        inside = min(i_next, len(starts)) - int(i) - 1
        continued[i + 1 : i + 1 + inside] = True
        if i_next > len(starts):
            resume, tail_row = stop + 1, i_next - len(starts)
        whole = data[int(starts[i]) : stop]
        if problem:
            piece.rejects.append((row, problem, escape(whole)))
        else:
            _keep(piece, by_hand, text, row, record, whole, binding, counts)
    blank &= ~continued
    comment &= ~continued
    short_blank = np.flatnonzero(~blank & ~regular & ~continued & ~quoted & (lengths <= 256))
    for i in short_blank:
        blank[i] = not block[starts[i] : ends[i]].strip()
    counted = ~(blank | comment | continued)
    bad = np.zeros(len(starts), np.bool_)
    for rule, mask in odd.items():
        for i in np.flatnonzero(mask & counted & ~bad):
            line = block[starts[i] : ends[i]]
            piece.rejects.append((first_row + int(i), rule, _shown(line, offset + int(starts[i]))))
            counts.n_long += rule == "line_too_long"
        bad |= mask & counted
    if counts.n_long > MAX_LONG_LINES:
        raise Refused("line_too_long", f"more than {MAX_LONG_LINES} lines of over {MAX_LINE_BYTES} bytes")
    left = counted & ~bad & ~quoted
    for i in np.flatnonzero(left & ~regular):
        piece.rejects.append(
            (first_row + int(i), "field_count", _shown(block[starts[i] : ends[i]], offset + int(starts[i])))
        )
    for i in np.flatnonzero(left & regular & latin):
        line = block[starts[i] : ends[i]]
        cells = line.decode("latin-1").split(header.delimiter)
        _keep(piece, by_hand, text, first_row + int(i), cells, line, binding, counts)
    fast: Bools = left & regular & ~latin
    piece.frame = _parse(codes, block, lengths, fast, header, binding, first_row)
    if by_hand:
        piece.frame = pl.concat([piece.frame, _frame(by_hand, binding)], how="vertical")
    if tail_row:
        extra = np.flatnonzero(np.frombuffer(data[end:resume], np.uint8) == 10)
        piece.starts = np.concatenate([piece.starts, [end], extra[:-1] + end + 1])
        counts.n_continued += len(extra)
        counts.n_lines += len(extra)
    counts.n_lines += len(starts)
    counts.n_blank += int(blank.sum())
    counts.n_comment += int(comment.sum())
    counts.n_continued += int(continued.sum())
    return piece, resume


def _shown(line: bytes, at: int) -> str:
    if len(line) <= MAX_LINE_BYTES:
        return escape(line)
    return f"{len(line)} bytes from byte {at}, sha256 {hashlib.sha256(line).hexdigest()}"


def _parse(
    codes: npt.NDArray[np.uint8],
    block: bytes,
    lengths: Ints,
    fast: Bools,
    header: Header,
    binding: dialects.Binding,
    first_row: int,
) -> pl.DataFrame:
    """The regular lines by one fast parse; every line is known to have the right number of fields."""
    schema: dict[str, pl.DataType] = {name: pl.String() for name in binding.index}
    rows = np.flatnonzero(fast).astype(np.int64) + first_row
    if not len(rows):
        return pl.DataFrame(schema={**schema, "row": pl.Int64()})
    kept = block if fast.all() else codes[np.repeat(fast, lengths + 1)].tobytes()
    names = [f"c{i}" for i in range(len(header.columns))]
    frame = pl.read_csv(
        io.BytesIO(kept),
        has_header=False,
        schema=dict.fromkeys(names, pl.String()),
        columns=sorted(set(binding.index.values())),
        separator=header.delimiter,
        quote_char=None,
        truncate_ragged_lines=False,
    )
    assert frame.height == len(rows), f"{len(rows)} lines became {frame.height} rows"
    bound = [pl.col(names[i]).fill_null("").alias(name) for name, i in binding.index.items()]
    return frame.select(bound).with_columns(pl.Series("row", rows, dtype=pl.Int64))


def _keep(
    piece: Piece,
    by_hand: list[tuple[int, list[str]]],
    text: Text,
    row: int,
    cells: Sequence[str],
    line: bytes,
    binding: dialects.Binding,
    counts: Counts,
) -> None:
    """A row split by hand. Bytes that are not UTF-8 are forgiven in names only, and only where the file is not mixed."""
    if not line.isascii() and not is_utf8(line):
        names = {i for f, i in binding.index.items() if f in dialects.TEXT_FIELDS}
        vital = [cells[i] for i in binding.index.values() if i not in names]
        if text.is_mixed or not all(cell.isascii() for cell in vital):
            piece.rejects.append((row, "bad_encoding", escape(line)))
            return
        counts.n_latin += 1
    by_hand.append((row, [cells[i] for i in binding.index.values()]))


def _frame(by_hand: list[tuple[int, list[str]]], binding: dialects.Binding) -> pl.DataFrame:
    columns = {name: [cells[k] for _, cells in by_hand] for k, name in enumerate(binding.index)}
    return pl.DataFrame(
        {**columns, "row": [row for row, _ in by_hand]},
        schema={**{name: pl.String() for name in binding.index}, "row": pl.Int64()},
    )


def _quoted(data: bytes, at: int, delimiter: str, n_fields: int) -> tuple[list[str], int, str | None]:
    """One record that has quotes: its fields, where it ends, and what is wrong with it.

    Follows RFC 4180: a quote opens a field only at its start. A record that stays open for more than `MAX_QUOTED_BYTES`, or
    closes on the wrong number of fields, costs its first line and no more.
    """
    cells: list[str] = []
    end_of_line = data.find(b"\n", at)
    limit = min(at + MAX_QUOTED_BYTES, len(data))
    mark = delimiter.encode()
    pos = at
    while True:
        if data[pos : pos + 1] == b'"':
            close = pos + 1
            while True:
                close = data.find(b'"', close, limit)
                if close < 0:
                    return [], end_of_line, "unclosed_quote"
                if data[close + 1 : close + 2] != b'"':
                    break
                close += 2
            cell = data[pos + 1 : close].replace(b'""', b'"')
            pos = close + 1
            rest_end = _cell_end(data, pos, mark)
            if data[pos:rest_end].strip():
                # A quote left open meets the next row's quote: it is the open one that is wrong.
                return [], end_of_line, "unclosed_quote" if pos > end_of_line else "quote_inside_field"
            pos = rest_end
        else:
            stop = _cell_end(data, pos, mark)
            cell, pos = data[pos:stop], stop
        cells.append(cell.decode("utf-8") if is_utf8(cell) else cell.decode("latin-1"))
        if data[pos : pos + 1] == mark:
            pos += 1
            continue
        if len(cells) != n_fields:
            several = data.find(b"\n", at, pos) >= 0
            return cells, end_of_line if several else pos, "unclosed_quote" if several else "field_count"
        return cells, pos, None


def _cell_end(data: bytes, pos: int, mark: bytes) -> int:
    line_end = data.find(b"\n", pos)
    stop = data.find(mark, pos, line_end)
    return line_end if stop < 0 else stop


def is_header(line: str) -> bool:
    """Would this line be taken as the header of an AIS table?"""
    try:
        return _fits(line.encode("utf-8", "replace"), None, quiet=True) is not None
    except Refused:
        return True
