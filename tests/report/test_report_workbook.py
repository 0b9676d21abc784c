"""`flags.xlsx`: numbers that are numbers, citations that lead to a row of a file, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import sample

from ghostships.report import workbook

SHEETS = ["Read me", "Flagged trips", "Evidence", "Gaps", "Sightings", "Citations"]


def made(
    path: Path, result: sample.Result | None = None, *, is_simulated: bool = True, **limits: int
) -> tuple[Any, list[str]]:
    result = result or sample.result()
    left_out = workbook.write(result.tables, result.manifest | {"is_simulated": is_simulated}, path, **limits)
    return openpyxl.load_workbook(path), left_out


def rows(book: Any, sheet: str) -> list[dict[str, Any]]:
    """Rows under the headings of a sheet's second row."""
    lines = list(book[sheet].iter_rows(min_row=2, values_only=True))
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def readme(book: Any) -> dict[str, str]:
    return {str(what): str(said) for what, said in book["Read me"].iter_rows(max_col=2, values_only=True)}


def test_every_flag_and_gap_is_there_with_its_numbers_as_numbers(tmp_path: Path) -> None:
    """An analyst sorts and sums: probabilities, hours and MMSIs are numbers, times are dates in UTC, as in the tables."""
    book, left_out = made(tmp_path / "x.xlsx")
    assert book.sheetnames == SHEETS and left_out == []
    tables = sample.result().tables
    trips = rows(book, "Flagged trips")
    flagged = tables["round_trips"].loc[lambda t: t["is_flagged"].astype(bool)].set_index("trip_id")
    assert {t["trip"] for t in trips} == set(flagged.index)
    for trip in trips:
        wanted = flagged.loc[trip["trip"]]
        assert trip["p of the trip"] == pytest.approx(wanted["p_trip"]) and trip["MMSI"] == wanted["mmsi"]
        assert trip["not heard from (UTC)"] == wanted["dark_start_utc"].tz_localize(None)
        assert isinstance(trip["not heard from (UTC)"], datetime)
    gaps = rows(book, "Gaps")
    assert len(gaps) == len(tables["gaps"])
    assert sum(g["not heard [h]"] or 0 for g in gaps) == pytest.approx(tables["gaps"]["duration_h"].sum())
    assert [g["p switched off, at least"] for g in gaps if g["gap"] == "G-0004"] == [None]


def test_the_bits_of_the_sheet_add_up(tmp_path: Path) -> None:
    """What the page adds can be added in the spreadsheet, too."""
    book, _ = made(tmp_path / "x.xlsx")
    for trip in rows(book, "Flagged trips"):
        bits = [e["bits"] for e in rows(book, "Evidence") if e["trip"] == trip["trip"]]
        assert 1 / (1 + 2 ** -sum(bits)) == pytest.approx(trip["p of the trip"], abs=2e-6)


def test_every_citation_leads_to_a_row_of_a_file(tmp_path: Path) -> None:
    """A lawyer follows [n] to file, row and whole SHA-256; every number cited exists, and every one that exists is cited."""
    book, _ = made(tmp_path / "x.xlsx")
    cited: set[int] = set()
    for sheet in ("Flagged trips", "Gaps", "Sightings"):
        for row in rows(book, sheet):
            numbers = [int(n.strip("[]")) for n in (row["citations"] or "").split()]
            assert numbers, row
            cited |= set(numbers)
    lines = {line["number"]: line for line in rows(book, "Citations")}
    assert cited == set(lines) and list(lines) == list(range(1, len(lines) + 1))
    gap = next(g for g in rows(book, "Gaps") if g["gap"] == "G-0000")
    first, second = (lines[int(n.strip("[]"))] for n in gap["citations"].split())
    assert (first["file"], first["row"], second["row"]) == ("sim_ais.csv", 100, 200)
    assert first["SHA-256 of the file"] == "aa11bb22cc33" + "0" * 52
    seen = next(line for line in lines.values() if line["what"] == "sighting O-00")
    assert (seen["file"], seen["row"], seen["scene"]) == ("sim_sightings.csv", 10, "SCENE-00")
    assert seen["URL (text, not a link)"] == "https://example.org/picture"


@pytest.mark.parametrize(
    "payload",
    [
        '=HYPERLINK("http://evil")',
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "＝1+1",
        "  =1+1",
        "\u200b=1",
        "https://evil.example",
    ],
)
def test_no_text_becomes_a_formula_in_the_workbook_or_in_a_csv_made_of_it(tmp_path: Path, payload: str) -> None:
    """BI-094: what a ship calls itself is never run, neither by Excel nor after saving as CSV; and no link can be clicked."""
    book, _ = made(tmp_path / "x.xlsx", sample.poisoned(payload))
    n_texts = 0
    for sheet in book:
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
            assert cell.data_type != "f" and cell.hyperlink is None, cell.coordinate
            if isinstance(cell.value, str):
                n_texts += 1
                out = io.StringIO()
                csv.writer(out).writerow([cell.value])
                (back,) = next(csv.reader(io.StringIO(out.getvalue())))
                assert back.strip()[:1] not in tuple("=+-@\t\r＝＋－＠"), (cell.coordinate, back)
    assert n_texts > 100
    with zipfile.ZipFile(tmp_path / "x.xlsx") as parts:
        for name in parts.namelist():
            assert b"<f>" not in parts.read(name) and b"<hyperlink" not in parts.read(name), name


def test_characters_that_cannot_be_seen_are_written_out(tmp_path: Path) -> None:
    """A name with a control or bidirectional character neither breaks the XML nor turns the line around."""
    book, _ = made(tmp_path / "x.xlsx", sample.poisoned("\x00\x0b\ufffe<b>&\u202e"))
    assert rows(book, "Flagged trips")[0]["ship"].startswith("⟨U+0000⟩⟨U+000B⟩⟨U+FFFE⟩<b>&⟨U+202E⟩")


def test_texts_and_sheets_that_do_not_fit_say_so(tmp_path: Path) -> None:
    """A spreadsheet drops rows and letters in silence; this one says which, in the cell, in the sheet and to the caller."""
    big = sample.result()
    big.tables["round_trips"]["because"] = pd.Series(["x" * 40_000] * 12, dtype="str")
    book, left_out = made(tmp_path / "x.xlsx", big)
    assert any("3 texts longer than 32767 letters are cut" in said for said in left_out)
    cell = rows(book, "Flagged trips")[0]["because"]
    assert len(cell) == 32_767 and cell.endswith("… [cut: 40000 letters, whole in the tables]")
    assert "3 texts longer" in readme(book)["LEFT OUT"]
    book, left_out = made(tmp_path / "y.xlsx", rows_limit=5)
    assert any("sheet Gaps holds 3 of 8 rows" in said for said in left_out)
    assert len(rows(book, "Gaps")) == 3 and "INCOMPLETE: 5 rows" in book["Gaps"]["A1"].value


def test_letters_outside_the_first_plane_are_counted_as_the_spreadsheet_counts_them() -> None:
    """A ship's name of emoji is two units a letter to Excel: the limit holds, and no half letter is left."""
    said, was_cut = workbook.safe("\U0001f6a2" * 20_000)
    assert was_cut and len(said.encode("utf-16-le")) // 2 <= 32_767
    assert workbook.safe("SIM SEVER") == ("SIM SEVER", False)
    assert workbook.safe("=1") == ("'=1", False)


def test_simulated_data_says_so_on_every_sheet_and_real_data_nowhere(tmp_path: Path) -> None:
    """A sheet torn from its book still says that its ships are invented."""
    book, _ = made(tmp_path / "x.xlsx")
    assert all(book[name]["A1"].value.startswith("SIMULATED") for name in SHEETS[1:]) and "SIMULATED" in readme(book)
    book, _ = made(tmp_path / "y.xlsx", is_simulated=False)
    texts = [str(c) for sheet in book for row in sheet.iter_rows(values_only=True) for c in row if c is not None]
    assert not any("SIMULATED" in t for t in texts)


def test_the_first_sheet_says_what_the_book_is(tmp_path: Path) -> None:
    """As-of, versions, zone of the times, limits and what an apostrophe means are read before a number is believed."""
    said = readme(made(tmp_path / "x.xlsx")[0])
    assert {"As of", "Made by", "Times", "Limits", "Texts", "Citations", "Left out"} <= set(said)
    assert "not a finding" in said["Limits"] and "UTC" in said["Times"] and "apostrophe" in said["Texts"]


def test_equal_tables_give_an_equal_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the clock nor the zone of the machine is in the file."""
    made(tmp_path / "a.xlsx")
    monkeypatch.setenv("TZ", "Asia/Vladivostok")
    made(tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        assert {info.date_time[:3] for info in parts.infolist()} == {(1980, 1, 1)}


def test_an_empty_run_and_a_full_disk_are_handled(tmp_path: Path) -> None:
    """Nothing found is a book with headings; a place that cannot be written is an OSError for the caller to tell."""
    book, _ = made(tmp_path / "x.xlsx", sample.empty())
    assert book.sheetnames == SHEETS and rows(book, "Gaps") == []
    with pytest.raises(OSError, match=r"x\.xlsx"):
        made(tmp_path / "no" / "x.xlsx")
