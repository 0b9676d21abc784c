"""The quick way says what the careful way says, wherever a file is cut into blocks; and every row is counted by its bytes.

Truth is the careful way in one block, which the tests of bad inputs hold against cases written by hand, and for the number of rows
the standard library's reader of CSV.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ghostships.readers import ais, lines, quick, text

COLUMNS = ("name", "mmsi", "timestamp", "lat", "lon", "sog", "heading", "status", "length", "callsign", "note")
GOOD = {
    "name": ("SIM HARE", "SIM TORTOISE", "", "SIM ØRN"),
    "mmsi": ("999000001", "999000002", "999000003"),
    "timestamp": ("2024-01-05T10:00:00Z", "2024-01-05T10:00:30Z", "2024-01-06T11:02:59Z"),
    "lat": ("42.0", "-42.1234567", "42.12345678"),
    "lon": ("132.0", "-179.9999999", "0.5"),
    "sog": ("12.3", "", "102.3", "0"),
    "heading": ("90", "511", ""),
    "status": ("5", "", "0"),
    "length": ("118", "", "0", "9999"),
    "callsign": ("XSIM1", "", "XSIM2"),
    "note": ("", "x"),
}
NUMBERS = (
    *("", " ", "nan", "NaN", "inf", "-inf", "1e5", "1e1", "+5", "-5", " 5", "5 ", "05", "0x10", "1_0", "5,0", "-0.0"),
    *("91", "181", "360", "511", "102.3", "1e400", "\u0665", ".5", "5.", "null", "15.5", "16", "0", "90.00000001"),
)
TIMES = (
    *("", " ", "2024-01-05T10:02:60Z", "2024-01-05T23:59:60Z", "2024-01-05T10:2:3Z", "2024-01- 5T10:02:03Z"),
    *("+2024-01-05T10:02:03Z", " 2024-01-05T10:02:03Z", "2024-01-05T10:02:03Z ", "2024-01-05T10:02:03+09:00"),
    *("2024-01-05T10:02:03.5Z", "2024-01-05T10:02:03.1234567Z", "2024-01-05 10:02:03 UTC", "2024-1-5T10:02:03Z"),
    *("2024-02-30T10:02:03Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "45000.5"),
    *("05/01/2024 10:02", "1704448923", "2024-01-05T24:00:00Z", "2024-01-05", "02024-01-05T10:02:03Z"),
    *("2024-01-05T10:02:03z", "2024-01-05T10:02:03 Z", "2024-01-05t10:02:03Z", "2024-01-05T10:02:03"),
)
MMSI = (
    *(
        "",
        " 999000001",
        "999000001 ",
        "999000001.0",
        "+99000001",
        "099000001",
        "000000000",
        "1e9",
        "9.99e8",
        "99900001",
    ),
    *("9990000010", "99900000\u0661", "-99000001", "999_00001", "999000001.5", "0x3b8b87"),
)
NAMES = (
    '"SIM, HARE"',
    '"SIM ""X"" HARE"',
    'SIM "X',
    '"SIM" X',
    "@@@@",
    "SIM\x1fHARE",
    "\x1f",
    "#SIM",
    "  SIM ",
    "A" * 90,
)
HOSTILE = {
    "name": NAMES,
    "callsign": ("\x1fXSIM1", "@", '"X"', "X" * 300),
    "note": ('"', "NaN"),
    "mmsi": MMSI,
    "timestamp": TIMES,
    **dict.fromkeys(("lat", "lon", "sog", "heading", "status", "length"), NUMBERS),
}
LAYOUTS = (COLUMNS, COLUMNS[1:], ("note", *COLUMNS[:-1]), (*COLUMNS[1:-1], "note", "name"), COLUMNS[1:5])
OTHER_HEADER = b"mmsi,time,latitude,longitude,speed"


def line_of(cells: dict[str, str], layout: tuple[str, ...], delimiter: str) -> bytes:
    return delimiter.join(cells[name] for name in layout).encode()


@st.composite
def records(draw: st.DrawFn, layout: tuple[str, ...], delimiter: str, *, are_closed: bool) -> bytes:
    """One record, nearly always plain, with one or two cells that are not, or a line that is no record at all."""
    cells = {name: draw(st.sampled_from(GOOD[name])) for name in layout}
    kind = draw(st.integers(0, 19))
    if kind < 10:
        return line_of(cells, layout, delimiter)
    if kind < 15:
        for name in draw(st.lists(st.sampled_from(layout), min_size=1, max_size=2)):
            bad = draw(st.sampled_from(HOSTILE[name]))
            if not are_closed or '"' not in bad:
                cells[name] = bad
        return line_of(cells, layout, delimiter)
    plain = line_of(cells, layout, delimiter)
    several = [
        b"",
        b"   ",
        b"# a note",
        b"#" + plain,
        line_of({n: n for n in layout}, layout, delimiter),
        plain + delimiter.encode(),
        plain.rsplit(delimiter.encode(), 1)[0],
        plain.replace(b"999", b"999\x00", 1),
        plain.replace(b"SIM", b"S\xd8M", 1),
    ]
    if "name" in layout:
        inside = draw(st.sampled_from(['"SIM\nHARE"', '"SIM\n\n# no note\nHARE"', '"SIM\n' + plain.decode() + '\n"']))
        several.append(line_of(cells | {"name": inside}, layout, delimiter))
        several.append(line_of(cells | {"name": "X" * 260}, layout, delimiter))
    if not are_closed:
        several += [b'"' + plain, plain + b'"', plain.replace(b"SIM", b'"SIM', 1)]
        if delimiter == ",":
            several.append(OTHER_HEADER)
    return draw(st.sampled_from(several))


@st.composite
def files(draw: st.DrawFn, *, are_closed: bool = False) -> bytes:
    """A whole file: a header, and records that are plain often enough for the quick way to take a block now and then."""
    layout = draw(st.sampled_from(LAYOUTS))
    delimiter = draw(st.sampled_from([",", ",", ";", "\t"]))
    first = {name: GOOD[name][0] for name in layout}
    head = [line_of({n: n for n in layout}, layout, delimiter), line_of(first, layout, delimiter)]
    rest = draw(st.lists(records(layout, delimiter, are_closed=are_closed), max_size=25))
    # A naive first half, where times have no zone in most rows, goes another way.
    end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    data = b"\n".join([*head, *rest]).replace(b"\n", end)
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + data + draw(st.sampled_from([b"", end]))


@dataclass(frozen=True)
class Said:
    """Everything that one reading of a file says."""

    positions: list[tuple[object, ...]]
    rejects: list[tuple[object, ...]]
    account: object


def read(path: Path) -> Said:
    (found,) = ais.readings(path)
    return Said(found.positions.sort("source_row").rows(), sorted(found.rejects.rows()), found.account)


LINE, QUOTED = 250, 160


@contextmanager
def limits(*, block: int = 10**7, piece: int = 10**7, is_quick: bool = True, is_short: bool = True) -> Iterator[None]:
    """Small blocks and short limits of lines and quoted records, so that blocks, records and what is in view meet in every way."""
    with pytest.MonkeyPatch.context() as patch:
        as_text = lines._text

        def chopped(pieces: Iterator[bytes], encoding: lines.Encoding) -> Iterator[bytes]:
            return as_text((whole[k : k + piece] for whole in pieces for k in range(0, len(whole), piece)), encoding)

        patch.setattr(lines, "_text", chopped)
        patch.setattr(lines, "BLOCK_BYTES", block)
        # What a file is, is told by its beginning, which is never so short as a block is here.
        patch.setattr(lines, "head_of", lambda pieces: b"".join(pieces()))
        line, quoted = (LINE, QUOTED) if is_short else (600, 600)
        for module in (text, quick, lines):
            patch.setattr(module, "MAX_LINE_BYTES", line)
        for module in (text, lines):
            patch.setattr(module, "MAX_QUOTED_BYTES", quoted)
        patch.setattr(lines, "AHEAD_BYTES", 2 * line + quoted)
        if not is_quick:
            patch.setattr(quick, "read", lambda *_given, **_named: None)
        yield


def same_every_way(path: Path, data: bytes, block: int, piece: int) -> None:
    path.write_bytes(data)
    with limits(is_quick=False):
        wanted = read(path)
    with limits():
        assert read(path) == wanted, "quick in one block"
    with limits(block=block, piece=piece, is_quick=False):
        assert read(path) == wanted, f"carefully in blocks of {block}"
    with limits(block=block, piece=piece):
        assert read(path) == wanted, f"quick in blocks of {block}"


SIZES = st.sampled_from([1, 7, 50, 120, 200, 333, 700, 1500])
HEAD = b"name,mmsi,timestamp,lat,lon\n"
PLAIN = b"SIM HARE,999000001,2024-01-05T10:00:00Z,42.0,132.0\n"


@settings(max_examples=15)
@given(files(), SIZES, st.integers(1, 400))
@example(HEAD + 5 * PLAIN + b"#" + PLAIN, 1, 1)
@example(HEAD + 5 * PLAIN + PLAIN.replace(b"10:00:00", b"10:0:0"), 1, 1)
@example(HEAD + 5 * PLAIN + PLAIN.replace(b"-05T", b"- 5T"), 1, 1)
@example(HEAD + 5 * PLAIN + PLAIN.replace(b"2024", b"+2024"), 1, 1)
@example(HEAD + 5 * PLAIN + b'"SIM\n' + PLAIN.replace(b"001", b"009") + b'"' + PLAIN[8:], 1, 1)
@example(b"callsign," + HEAD + b"A\x1fB,C" + PLAIN[8:] + b"A,B\x1fC" + PLAIN[8:] + 5 * (b"A," + PLAIN), 1, 1)
@example(b"callsign," + HEAD + b"A\x1fB,C" + PLAIN[8:] + b"B,C\x1fA" + PLAIN[8:] + 5 * (b"A," + PLAIN), 1, 1)
def test_the_quick_way_says_what_the_careful_way_says(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int, piece: int
) -> None:
    """Same positions, same rejects with the same bytes, same account to the last note: speed may not be seen in the answer."""
    same_every_way(tmp_path_factory.getbasetemp() / "quick.csv", data, block, piece)


@pytest.mark.slow
@pytest.mark.long
@settings(max_examples=300)
@given(files(), SIZES, st.integers(1, 400))
def test_the_quick_way_says_what_the_careful_way_says_of_many_files(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int, piece: int
) -> None:
    """The same, many more."""
    same_every_way(tmp_path_factory.getbasetemp() / "quick.csv", data, block, piece)


def test_plain_rows_do_go_the_quick_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would compare the careful way with itself; an odd row here and there does not stop it."""
    taken: list[int] = []
    real = quick.read

    def counted(*given: object, **named: object) -> object:
        found = real(*given, **named)  # type: ignore[arg-type]
        taken.append(-1 if found is None else found[0].height)
        return found

    monkeypatch.setattr(quick, "read", counted)
    path = tmp_path / "a.csv"
    odd = [b"\n", b"# note\n", b"bad\n", b'"SIM, HARE"' + PLAIN[8:], PLAIN.replace(b"42.0", b"4x")]
    path.write_bytes(HEAD + b"".join(9 * PLAIN + line for line in odd))
    (found,) = ais.readings(path)
    assert taken == [45]
    assert found.account.n_accepted == 46
    assert found.account.n_rejected == {"coord_format": 1, "field_count": 1}


@pytest.mark.parametrize("n_filled", [5, 400])
def test_an_empty_speed_is_no_wrong_speed_however_rare_either_is(tmp_path: Path, n_filled: int) -> None:
    """In a column that is nearly always filled, and in one that is often empty, the same cell means the same."""
    filled, *others = (PLAIN.rstrip() + b"," + speed + b"\n" for speed in (b"9.5", b"", b"fast", b" 7.5"))
    path = tmp_path / "a.csv"
    path.write_bytes(HEAD.rstrip() + b",sog\n" + n_filled * filled + b"".join(others) + n_filled * filled)
    (found,) = ais.readings(path)
    said = found.positions.filter(pl.col("source_row").is_between(n_filled + 2, n_filled + 4)).sort("source_row")
    assert found.account.n_read == 2 * n_filled + 3
    assert dict(said.select("source_row", "sog_kn").iter_rows()) == {
        n_filled + 2: None,
        n_filled + 3: None,
        n_filled + 4: 7.5,
    }
    assert "1 rows: sog_kn is no number, taken as not told" in found.account.notes


def rows_of(data: bytes) -> int:
    """Physical rows, counted by another reader: records that are neither blank nor a comment, after the header."""
    decoded = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    delimiter = next(d for d in ",;\t" if d in decoded.split("\n", 1)[0])
    found = csv.reader(io.StringIO(decoded, newline="\n"), delimiter=delimiter)
    return sum(any(c.strip() for c in r) and not r[0].startswith("#") for r in found if r) - 1


@settings(max_examples=15)
@given(files(are_closed=True), SIZES)
def test_every_physical_row_is_counted(tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int) -> None:
    """Rows read is what the bytes hold, by an independent count, and each is accepted or rejected."""
    path = tmp_path_factory.getbasetemp() / "counted.csv"
    path.write_bytes(data)
    with limits(block=block, is_short=False):
        account = read(path).account
    assert account.refused is None  # type: ignore[attr-defined]
    assert account.n_read == rows_of(data)  # type: ignore[attr-defined]
    assert account.is_closed  # type: ignore[attr-defined]
