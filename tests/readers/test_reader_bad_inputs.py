"""The AIS part of the list of broken and hostile files: one case after another, each with what must become of it.

The numbers BI-nnn are those of the project's list of bad inputs.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard

from ghostships.errors import UsageError
from ghostships.readers import ais, lines, times

HEAD = "mmsi,time,lat,lon,sog,cog,name"
GOOD = "999000001,2024-05-01T00:00:00,42.1,130.2,12.3,93.3,SIM ALPHA"
NEXT = "999000002,2024-05-01T00:01:00,42.2,130.3,1.0,10.0,SIM BRAVO"


@dataclass(frozen=True)
class Case:
    """Bytes, and what must become of them: accepted rows, rejects by rule, or a refusal that says certain words."""

    id: str
    data: bytes
    n_accepted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    refused: str | None = None
    note: str | None = None
    file: str = "ais.csv"


def table(*rows: str, head: str = HEAD, end: str = "\n") -> bytes:
    return end.join([head, *rows, ""]).encode()


def timed(*times: str) -> bytes:
    return table(*(f"99900000{i},{time},42.1,130.2,1,2,SIM" for i, time in enumerate(times, start=1)))


def placed(*places: str) -> bytes:
    """Rows with a place each, among enough good ones that no share of them condemns the file."""
    good = [f"999000001,2024-05-01T01:{i:02d}:00,42.1,130.2,1,2,SIM" for i in range(60)]
    rows = [f"999000002,2024-05-01T00:{i:02d}:00,{place},1,2,SIM" for i, place in enumerate(places)]
    return table(*good, *rows)


def ships(*mmsi: str) -> bytes:
    return table(*(f"{m},2024-05-01T00:{i:02d}:00,42.1,130.2,1,2,SIM" for i, m in enumerate(mmsi)))


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def overlapping() -> bytes:
    """Two directory entries that point at the same bytes."""
    raw = bytearray(zipped(("a.csv", table(GOOD)), ("b.csv", table(GOOD))))
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(raw)


def encrypted() -> bytes:
    raw = bytearray(zipped(("a.csv", table(GOOD))))
    raw[6] |= 1
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def linked() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.csv", table(GOOD))
    return out.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


BULK = table(
    *(f"999000001,2024-05-01T00:{i // 60:02d}:{i % 60:02d},42.1,130.2,1,2,SIM {i * 7919 % 1013}" for i in range(3000))
)
NAMED = "999000003,2024-05-01T00:02:00,42.1,130.2,1,2,SIM "

CASES = [
    Case("BI-001", b"\xef\xbb\xbf" + table(GOOD), 1),
    Case("BI-002 little end", b"\xff\xfe" + table(GOOD).decode().encode("utf-16-le"), 1, note="utf-16-le"),
    Case("BI-002 big end", b"\xfe\xff" + table(GOOD).decode().encode("utf-16-be"), 1, note="utf-16-be"),
    Case("BI-002 no mark", table(GOOD).decode().encode("utf-16-le"), refused="looks like UTF-16"),
    Case("BI-003", table(GOOD) + NAMED.encode() + b"\xd8RSTED\n", 2, note="read as latin-1"),
    Case("BI-003 vital", table(GOOD) + b"999000003,2024-05-01T00:02:00,42\xb0,130.2,1,2,SIM\n", 1, {"bad_encoding": 1}),
    Case("BI-004", table(GOOD, NAMED + "ØRSTED") + NAMED.encode() + b"\xd8RSTED\n", 2, {"bad_encoding": 1}),
    Case("BI-005", BULK + b"999000001,2024-05-01T00:00:00,42.1,130.2,1,\x00,SIM\n", 3000, {"nul_byte": 1}),
    Case("BI-005 block", table(GOOD) + b"\x00" * 200, refused="NUL"),
    Case("BI-006 semicolon", table(GOOD.replace(",", ";"), head=HEAD.replace(",", ";")), 1, note="delimiter is ';'"),
    Case("BI-006 tab", table(GOOD.replace(",", "\t"), head=HEAD.replace(",", "\t")), 1),
    Case("BI-006 pipe", table(GOOD.replace(",", "|"), head=HEAD.replace(",", "|")), 1),
    Case("BI-006 two", b"mmsi,time;lat,lon|x\n" + GOOD.encode(), refused="column"),
    Case("BI-007", b"mmsi;time;lat;lon\n999000001;2024-05-01T00:00:00;42,15;130,234\n", 1, note="decimal commas"),
    Case("BI-007 thousands", b"mmsi;time;lat;lon\n999000001;2024-05-01T00:00:00;1,234;1,345\n", refused="thousands"),
    Case(
        "BI-007 mixed",
        b"mmsi;time;lat;lon\n999000001;2024-05-01T00:00:00;42,15;130,2\n999000001;2024-05-01T00:01:00;42.15;130.2\n",
        refused="mixes decimal",
    ),
    Case(
        "BI-008",
        b"mmsi,time,lat,lat,lon\n999000001,2024-05-01T00:00:00,1,2,3\n",
        refused="columns 3 ('lat') and 4 ('lat')",
    ),
    Case("BI-009", table(GOOD, head="MMSI, Time ,LAT , Lon,SOG,COG,Name"), 1),
    Case("BI-009 twice", b"mmsi,time,lat,latitude,lon\n9,2,1,2,3\n", refused="both mean lat_deg"),
    Case(
        "BI-010",
        b"mmsi,when,lat,lon\n999000001,2024-05-01T00:00:00,1,2\n",
        refused="no time column; tried time, timestamp",
    ),
    Case("BI-011", table(GOOD + ",x", head=HEAD + ",colour"), 1, note="columns not used: colour"),
    Case("BI-013 same", table(GOOD, HEAD, NEXT), 2, {"header_repeat": 1}),
    Case(
        "BI-013 other",
        table(GOOD, "mmsi,timestamp,latitude,longitude", "999000002,2024-05-01T00:01:00,42.1,130.2", NEXT),
        1,
        {"after_other_header": 2, "other_header": 1},
        refused="row 3 is another header",
    ),
    Case("BI-014", (GOOD + "\n" + NEXT + "\n").encode(), refused="no header row"),
    Case("BI-015", table(GOOD, NEXT + ",1", NEXT.rsplit(",", 1)[0]), 1, {"field_count": 2}),
    Case("BI-016", table(GOOD, '999000009,2024-05-01T00:00:09,42.1,130.2,1,2,"SIM', NEXT), 2, {"unclosed_quote": 1}),
    Case("BI-017 crlf", table(GOOD, NEXT, end="\r\n"), 2),
    Case("BI-017 cr", table(GOOD, NEXT, end="\r"), 2),
    Case("BI-017 mixed", f"{HEAD}\r\n{GOOD}\n{NEXT}".encode(), 2),
    Case("BI-017 cut", f"{HEAD}\n{GOOD}\n99900".encode(), 1, {"field_count": 1}, note="maybe truncated"),
    Case(
        "BI-018",
        table(GOOD, '999000003,2024-05-01T00:00:09,42.1,130.2,1,2,"SIM\nGAMMA"', NEXT),
        3,
        note="continue a quoted",
    ),
    Case("BI-019", table(GOOD) + b"9" * (2**20 + 1) + b"\n" + NEXT.encode(), 2, {"line_too_long": 1}),
    Case("BI-019 many", table(GOOD) + (b"9" * (2**20 + 1) + b"\n") * 101, refused="more than 100 lines"),
    Case("BI-020", b"", refused="empty file"),
    Case("BI-021", table(), refused="a header but no rows"),
    Case("BI-022", b"<!DOCTYPE html><html><body>Please log in</body></html>", refused="content is HTML"),
    Case("BI-024 zip as csv", zipped(("a.csv", table(GOOD))), 1, note="content is zip"),
    Case("BI-024 plain as gz", table(GOOD), 1, file="ais.csv.gz", note="content is plain"),
    Case("BI-025", ships("1.23E+08", "2.11331E+08", "999000001"), 1, {"mmsi_scientific": 2}),
    Case("BI-026", ships("999000001.0", "999000001.5", "999000002"), 2, {"mmsi_format": 1}, note="written as a float"),
    Case("BI-027", ships("2320001", "002320001"), 1, {"mmsi_not_nine_digits": 1}),
    Case("BI-028", ships("999.000.001", '"999,000,001"', "999000001"), 1, {"mmsi_format": 2}),
    Case("BI-029", timed("46000.5", "2024-05-01T00:00:00"), 1, {"time_excel_serial": 1}),
    Case("BI-029 all", timed("46000.5", "46001"), 0, {"time_excel_serial": 2}),
    Case("BI-030", ships("٩٩٩٠٠٠٠٠١", "999000001"), 1, {"mmsi_format": 1}),
    Case("BI-030 minus", placed("\N{MINUS SIGN}42.1,130.2"), 60, {"coord_format": 1}),
    Case("BI-031", placed("NaN,130.2", "42.1,inf", "-,130", "null,null", ",", "nan,nan"), 60, {"coord_missing": 6}),
    Case("BI-032", placed("42.10000000000000000000001,130.2", "1e308,130.2", "1e400,130.2"), 61, {"coord_range": 2}),
    Case("BI-033", timed("2024-05-01T00:00:00"), 1, note="taken as UTC"),
    Case(
        "BI-034",
        timed("2024-05-01T00:00:00Z", "2024-05-01T02:00:00+02:00", "2024-05-01T00:00:00"),
        2,
        {"time_no_zone": 1},
    ),
    Case("BI-037 ms", timed("1714521600000", "1714521601000", "1714521602"), 2, {"time_magnitude": 1}, note="in ms"),
    Case("BI-037 us", timed("1714521600000000"), 1, note="in us"),
    Case("BI-037 ns", timed("1714521600000000000"), 1, note="in ns"),
    Case("BI-038", timed("03/04/2024 00:00", "05/06/2024 00:00"), refused="plain_day_first"),
    Case("BI-038 day", timed("03/04/2024 00:00", "15/06/2024 00:00"), 2, note="dates are day-first"),
    Case("BI-038 month", timed("03/04/2024 00:00", "06/15/2024 00:00"), 2, note="dates are month-first"),
    Case("BI-038 both", timed("15/04/2024 00:00", "06/15/2024 00:00"), refused="mixes day-first and month-first"),
    Case(
        "BI-039",
        timed("1970-01-01T00:00:00", "1900-01-01 00:00:00", "0000-01-01 00:00:00", "2024-05-01T00:00:00"),
        1,
        {"time_default": 3},
    ),
    Case(
        "BI-040",
        timed("2038-01-19T03:14:08Z", "2100-01-01T00:00:00Z", "1999-12-31T23:59:59Z"),
        1,
        {"time_out_of_range": 2},
    ),
    Case("BI-040 negative", timed("-2147483648", "2147483648"), 1, {"time_out_of_range": 1}),
    Case("BI-042", timed("2016-12-31 23:59:60"), 1, note="second 60 read as 59.999"),
    Case("BI-047", placed("91,181", "91,0", "42,181"), 63, note="heard without a position"),
    Case("BI-048", placed("181.5,10", "42,190.5"), 60, {"coord_range": 2}),
    Case(
        "BI-049",
        table(*(f"999000001,2024-05-01T00:0{i}:00,130.2,42.1,1,2,SIM" for i in range(9))),
        refused="look swapped",
    ),
    Case("BI-050", placed("0,0", "0.0,-0.0"), 60, {"null_island": 2}),
    Case("BI-051", placed("5430.12N,13030.00E", "32580000,78120000"), 60, {"coord_format": 1, "coord_range": 1}),
    Case("BI-076", gzip.compress(b"0" * 60_000_000), refused="decompression limit", file="ais.csv.gz"),
    Case("BI-077", overlapping(), refused="overlap", file="ais.zip"),
    Case("BI-078", zstandard.compress(b"0" * 60_000_000), refused="decompression limit", file="ais.csv.zst"),
    Case("BI-079", zipped(("../../etc/cron.d/x", table(GOOD))), 1, file="ais.zip"),
    Case("BI-080", linked(), 1, file="ais.zip", note="is a link"),
    Case("BI-082", encrypted(), refused="encrypted", file="ais.zip"),
    Case("BI-083 gz", gzip.compress(BULK)[:-5], refused="truncated gzip", file="ais.csv.gz"),
    Case("BI-083 zip", zipped(("a.csv", BULK))[:-40], refused="truncated zip", file="ais.zip"),
    Case("BI-084", zstandard.compress(BULK)[:-1], refused="truncated zstd", file="ais.csv.zst"),
    Case("BI-089 gz", flipped(gzip.compress(BULK), -6), refused="damaged gzip", file="ais.csv.gz"),
    Case("BI-089 zip", flipped(zipped(("a.csv", BULK)), 200), refused="damaged zip member", file="ais.zip"),
    Case("BI-090 gz", gzip.compress(table(GOOD)) + gzip.compress(NEXT.encode()), 2, file="ais.csv.gz"),
    Case("BI-090 zst", zstandard.compress(table(GOOD)) + zstandard.compress(NEXT.encode()), 2, file="ais.csv.zst"),
    Case("BI-090 junk", gzip.compress(table(GOOD)) + b"junk", refused="not zeros", file="ais.csv.gz"),
    Case("BI-090 zeros", gzip.compress(table(GOOD)) + b"\x00" * 512, 1, file="ais.csv.gz"),
    Case("BI-091", zipped(*((f"{i}", b"") for i in range(10_001))), refused="10001 members", file="ais.zip"),
    Case("BI-092", zipped(("inner.zip", zipped(("a.csv", table(GOOD))))), refused="zip inside zip", file="outer.zip"),
    Case("BI-093", b"a.csv".ljust(257, b"\x00") + b"ustar\x00", refused="is tar, which is not read", file="ais.tar"),
    Case("BI-103", table(GOOD + ",x", head=HEAD + ',"x""; COPY (SELECT 1) TO"'), 1),
    Case("not AIS at all", b"just some words\nand more\n", refused="is not a table"),
    Case("parquet damage", b"PAR1" + b"\x00" * 64 + b"PAR1", refused="damaged Parquet", file="ais.parquet"),
    Case("msgpack cut", b"\x82\xa4mmsi\xce", refused="truncated msgpack", file="ais.msg"),
    Case("json without time", b'{"mmsi": 999000001, "lat": 1, "lon": 2}\n', refused="no time column", file="ais.json"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_a_broken_file_becomes_what_the_list_says(case: Case, tmp_path: Path) -> None:
    """No row is lost in silence, none is invented, and the message says what was found."""
    path = tmp_path / case.file
    path.write_bytes(case.data)
    delivery = ais.read([path])
    account = delivery.files[0]
    if case.refused is None:
        assert account.refused is None
    else:
        assert account.refused is not None and case.refused in account.refused
        assert "\n" not in account.refused
    assert account.n_accepted == case.n_accepted == delivery.positions.height
    assert account.n_rejected == case.rejected
    assert account.n_read == account.n_accepted + account.n_duplicate + delivery.rejects.height
    if case.note is not None:
        assert any(case.note in note for note in account.notes), account.notes


def read(tmp_path: Path, data: bytes, file: str = "ais.csv") -> ais.AisDelivery:
    path = tmp_path / file
    path.write_bytes(data)
    return ais.read([path])


def test_column_order_changes_nothing(tmp_path: Path) -> None:
    """BI-012: columns are bound by name."""
    a = read(tmp_path, table(GOOD), "a.csv").positions
    b = read(
        tmp_path, b"name,lon,lat,cog,sog,time,mmsi\nSIM ALPHA,130.2,42.1,93.3,12.3,2024-05-01T00:00:00,999000001\n"
    ).positions
    assert a.drop("source_file").equals(b.drop("source_file"))


def test_shuffled_rows_give_the_same_rows(tmp_path: Path) -> None:
    """BI-044: only the row numbers know the order of the file."""
    rows = [f"99900000{i % 3},2024-05-01T00:0{i}:00,42.{i},130.2,1,2,SIM" for i in range(9)]
    a = read(tmp_path, table(*rows), "a.csv").positions
    b = read(tmp_path, table(*rows[::-1])).positions
    assert a.drop("source_file", "source_row").equals(b.drop("source_file", "source_row"))


def test_two_places_at_one_second_are_both_kept(tmp_path: Path) -> None:
    """BI-045: a conflict is for the track to judge, not for the reader to hide."""
    assert read(tmp_path, table(GOOD, GOOD.replace("42.1", "42.9"))).positions["lat_deg"].to_list() == [42.1, 42.9]


def test_sentinels_are_null_and_names_lose_their_padding(tmp_path: Path) -> None:
    """BI-052, BI-059, BI-060: "not available" is not a speed; a wrong IMO number is no IMO number."""
    head = HEAD + ",heading,imo"
    rows = [
        "999000001,2024-05-01T00:00:00,42.1,130.2,102.3,360,SIM ALPHA@@@ ,511,9074729",
        "999000002,2024-05-01T00:00:00,42.1,130.2,102.4,359.9,@@@@,359,9074728",
        "999000003,2024-05-01T00:00:00,42.1,130.2,80,0,  ,0,1234567",
        "999000004,2024-05-01T00:00:00,42.1,130.2,-1,0,SIM,0,IMO 9393163",
    ]
    delivery = read(tmp_path, table(*rows, head=head))
    out = delivery.positions
    assert out["sog_kn"].to_list() == [None, None, 80.0, None]
    assert out["cog_deg"].to_list() == [None, 359.9, 0.0, 0.0]
    assert out["heading_deg"].to_list() == [None, 359.0, 0.0, 0.0]
    assert out["vessel_name"].to_list() == ["SIM ALPHA", None, None, "SIM"]
    assert out["imo"].to_list() == [9074729, None, None, 9393163]
    assert any("2 rows: sog_kn outside its range" in note for note in delivery.files[0].notes)


def test_python_number_leniency_does_not_reach_an_mmsi(tmp_path: Path) -> None:
    """BI-086: `1_0`, a padded number and foreign digits are refused before any conversion."""
    found = read(tmp_path, ships("99900000_1", " 999000001 ", "+99900001", "999000001"))
    assert found.files[0].n_rejected == {"mmsi_format": 3}


def test_raw_bytes_of_a_reject_can_be_had_back(tmp_path: Path) -> None:
    """An analyst sees the line as it was, and it cannot drive the terminal."""
    rejects = read(tmp_path, table(GOOD) + b"999,2024-05-01T00:00:00,1,2,3,4,\x1b[31m\\\xd8\n").rejects
    assert rejects.row(0) == (
        rejects["file_sha256"][0],
        3,
        "mmsi_not_nine_digits",
        "999,2024-05-01T00:00:00,1,2,3,4,\\x1b[31m\\x5c\\xd8",
    )


def test_rows_are_numbered_by_physical_lines_around_quotes_and_blanks(tmp_path: Path) -> None:
    """BI-018: a message points at the line an editor shows."""
    data = (
        f'{HEAD}\n\n{GOOD}\n# note\n999000003,2024-05-01T00:00:09,42.1,130.2,1,2,"SIM\n\nGAMMA"\n{NEXT}\nbad\n'.encode()
    )
    found = read(tmp_path, data)
    assert sorted(found.positions["source_row"].to_list()) == [3, 5, 8]
    assert found.rejects.select("row", "rule").rows() == [(9, "field_count")]
    assert found.files[0].n_read == 4


def test_two_members_of_one_name_are_two_files(tmp_path: Path) -> None:
    """BI-081: both are read, each with its own account."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped(("a.csv", table(GOOD)), ("a.csv", table(NEXT)))
    delivery = read(tmp_path, data, "two.zip")
    assert [account.n_accepted for account in delivery.files] == [1, 1]
    assert [account.path.rsplit("!", 1)[1] for account in delivery.files] == ["0:a.csv", "1:a.csv"]


def test_a_licence_packed_beside_the_data_is_no_delivery(tmp_path: Path) -> None:
    """An archive with a readme in it must not end the run with "a file was refused"."""
    delivery = read(tmp_path, zipped(("data/README.txt", b"words"), ("data/a.csv", table(GOOD))), "two.zip")
    assert [(f.path.rsplit("!", 1)[1], f.refused) for f in delivery.files] == [("1:data/a.csv", None)]


def test_the_same_bytes_under_a_new_name_give_no_new_rows(tmp_path: Path) -> None:
    """BI-125: a delivery that came twice is counted twice and used once."""
    (tmp_path / "a.csv").write_bytes(table(GOOD, NEXT, "bad"))
    (tmp_path / "b.csv").write_bytes(table(GOOD, NEXT, "bad"))
    delivery = ais.read([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert [(a.n_read, a.n_accepted, a.n_duplicate) for a in delivery.files] == [(3, 2, 0), (3, 0, 2)]
    assert delivery.rejects.height == 1


def test_overlapping_deliveries_do_not_depend_on_their_order(tmp_path: Path) -> None:
    """BI-127: a duplicate keeps the smallest hash and row, whichever file is named first."""
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_bytes(table(GOOD, NEXT, GOOD))
    b.write_bytes(table(NEXT, NEXT.replace("00:01:00", "00:02:00")))
    one, two = ais.read([a, b]), ais.read([b, a])
    assert one.positions.equals(two.positions)
    assert one.positions.height == 3
    assert sum(f.n_duplicate for f in one.files) == 2


@pytest.mark.parametrize("name", ["a'b*.csv", "[x].csv", "s3_..csv", "x.parquet?", "-v.csv", "name\nline.csv"])
def test_a_file_name_is_a_name_and_not_a_pattern(name: str, tmp_path: Path) -> None:
    """BI-104: only this file is read, whatever characters are in its name."""
    (tmp_path / name).write_bytes(table(GOOD))
    (tmp_path / "x.csv").write_bytes(table(NEXT))
    paths = ais.expand([str(tmp_path / name)])
    assert paths == [tmp_path / name]
    assert ais.read(paths).positions["mmsi"].to_list() == [999000001]


def test_hive_style_folders_add_no_columns(tmp_path: Path) -> None:
    """BI-107: `mmsi=1/` is a folder's name, not data."""
    folder = tmp_path / "mmsi=111111111"
    folder.mkdir()
    (folder / "ais.csv").write_bytes(table(GOOD))
    assert ais.read(ais.expand([str(tmp_path)])).positions["mmsi"].to_list() == [999000001]


def test_pipes_and_unreadable_files_are_refused_without_waiting(tmp_path: Path) -> None:
    """BI-114, BI-122: the run neither hangs nor stops; the other file is read."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "z.csv").write_bytes(table(GOOD))
    delivery = ais.read(ais.expand([str(tmp_path)]))
    assert [a.refused is not None for a in delivery.files] == [True, True, False]
    assert delivery.positions.height == 1


def test_folders_leave_out_what_is_not_a_delivery(tmp_path: Path) -> None:
    """Licence and commit notes beside the data are not refused files; a file named outright is never left out."""
    for name in ("LICENSE.txt", "README.md", "COMMIT", "_notes.txt", ".hidden", "ais.csv"):
        (tmp_path / name).write_bytes(table(GOOD))
    assert [p.name for p in ais.expand([str(tmp_path)])] == ["ais.csv"]
    assert len(ais.skipped([str(tmp_path)])) == 5
    assert [p.name for p in ais.expand([str(tmp_path / "LICENSE.txt")])] == ["LICENSE.txt"]


def test_a_path_that_matches_nothing_is_the_users_error(tmp_path: Path) -> None:
    """A mistyped path must not read as a quiet day."""
    for given in ("nothing.csv", "*.csv", "."):
        with pytest.raises(UsageError, match="no such file"):
            ais.expand([str(tmp_path / given)])


def test_the_original_lines_behind_rows_can_be_shown(tmp_path: Path) -> None:
    """`explain --raw` prints the bytes a row came from, out of the container too."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(table(GOOD, NEXT)))
    source = ais.read([path]).positions["source_file"][0]
    assert ais.raw_lines(path, source, [3, 99]) == {3: NEXT}
    assert ais.raw_lines(path, "0" * 12, [3]) == {}


LOCAL: list[tuple[str, str]] = [("2023-10-29 02:30:00", "time_ambiguous"), ("2023-03-26 02:30:00", "time_nonexistent")]


@pytest.mark.parametrize(("time", "rule"), LOCAL)
def test_local_hours_that_happen_twice_or_never_are_not_chosen(time: str, rule: str) -> None:
    """BI-035, BI-036: where a dialect declares a local zone, clock changes are refused row by row."""
    plan = times.Plan("iso", "Europe/Oslo")
    out = times.parse(pl.Series([time, "2023-07-01 12:00:00"]), plan)
    assert out["rule"].to_list() == [rule, None]
    assert out["time_utc"].to_list() == [None, datetime(2023, 7, 1, 10, tzinfo=UTC)]


@pytest.mark.parametrize(("time", "assumed"), [("2024-05-01T00:00:00", True), ("2024-05-01T00:00:00+09:00", False)])
def test_an_assumption_is_noted_only_where_one_was_made(time: str, assumed: bool, tmp_path: Path) -> None:
    """Whoever reads "taken as UTC" beside times that name their zone cannot know which of the two was done."""
    (tmp_path / "a.csv").write_bytes(timed(time))
    (account,) = ais.read([tmp_path / "a.csv"]).files
    assert any("taken as UTC" in note for note in account.notes) is assumed
    assert any("its own zone" in note for note in account.notes) is not assumed


def mutate(data: bytes, step: int) -> bytes:
    """A seeded change: a flipped byte, a cut, or a repeated slice."""
    at = step * 7919 % len(data)
    changes: list[Callable[[], bytes]] = [
        lambda: flipped(data, at),
        lambda: data[:at],
        lambda: data[:at] + data[at // 2 : at] + data[at:],
        lambda: data[:at] + b'"' + data[at:],
    ]
    return changes[step % 4]()


def check_mutations(folder: Path, scratch: Path, steps: range) -> None:
    """Whatever happens to a file, the account closes and nothing escapes as an exception."""
    path = scratch / "mutated"
    for source in sorted((folder / "dialects").iterdir()):
        data = source.read_bytes()
        for step in steps:
            path.write_bytes(mutate(data, step))
            for account in ais.read([path]).files:
                assert account.n_read == account.n_accepted + account.n_duplicate + sum(account.n_rejected.values())


@pytest.mark.slow
def test_no_mutated_file_raises_or_loses_a_row(tmp_path: Path, fixtures: Path) -> None:
    """F8 in small: damage costs rows or the file, with a rule, and never the run."""
    check_mutations(fixtures, tmp_path, range(1, 9))


@pytest.mark.slow
@pytest.mark.long
def test_no_mutated_file_of_many_raises_or_loses_a_row(tmp_path: Path, fixtures: Path) -> None:
    """F8, more of it."""
    check_mutations(fixtures, tmp_path, range(9, 120))


def test_where_a_file_is_cut_into_blocks_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Big files are read in blocks; a quoted name across a block's end, a blank line or a bad row must not notice."""
    rows = []
    for i in range(12):
        rows += [f"99900000{i % 5},2024-05-01T00:{i:02d}:00,42.1,130.2,1,2,SIM", "", "bad", "# note", HEAD]
        rows += [f'99900000{i % 5},2024-05-01T01:{i:02d}:00,42.1,130.2,1,2,"SIM\n\nTWO"', f'999,"open {i}']
    path = tmp_path / "a.csv"
    path.write_bytes(table(*rows))
    whole = ais.read([path])
    assert whole.files[0].n_accepted == 24
    assert whole.files[0].n_rejected == {"field_count": 12, "header_repeat": 12, "unclosed_quote": 12}
    for size in (1, 7, 64, 100, 333):
        monkeypatch.setattr(lines, "BLOCK_BYTES", size)
        monkeypatch.setattr(lines, "AHEAD_BYTES", max(size, 40))
        cut = ais.read([path])
        assert cut.positions.equals(whole.positions), size
        assert cut.rejects.equals(whole.rejects), size
        assert cut.files == whole.files, size
