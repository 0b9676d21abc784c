"""Bad input at the command line: each a one-line message that says what and where, the right status, nothing half-written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import small_world
import zstandard

from ghostships.cli import main

Run = Callable[..., tuple[int, str, list[str]]]
LISTS = ("--sightings", "sightings.csv", "--scenes", "scenes.csv", "--route", "route.toml")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small sea, as the current folder."""
    monkeypatch.chdir(tmp_path)
    return small_world.write(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`ghostships run ... --out out`: status, stdout, lines of stderr that are not stages."""

    def command(*words: str) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main(["run", *words, "--out", "out", "-q"])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return command


def _ais(world: Path) -> list[str]:
    return (world / "ais.csv").read_text(encoding="utf-8").splitlines()


def _inputs(world: Path) -> dict[str, dict[str, object]]:
    manifest = json.loads((world / "out" / "manifest.json").read_text(encoding="utf-8"))
    return {one["path"]: one for one in manifest["inputs"]}


def _cut(packed: bytes) -> bytes:
    return packed[: len(packed) * 2 // 3]


WHOLE_FILES = {
    "a web page": (b"<!DOCTYPE html><html><body>log in</body></html>\n" * 20, "html"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, ""),
    "an empty file": (b"", "empty"),
    "a header and nothing else": (b"mmsi,timestamp,lat,lon\n", "header"),
    "no time column": (b"mmsi,lat,lon\n999000001,42.6,132.9\n", "time"),
    "no ship column": (b"timestamp,lat,lon\n2019-03-01T00:00:00Z,42.6,132.9\n", "mmsi"),
    "two latitude columns": (b"mmsi,timestamp,lat,lat,lon\n999000001,2019-03-01T00:00:00Z,42.6,42.6,132.9\n", "lat"),
}


@pytest.mark.parametrize("what", WHOLE_FILES)
def test_a_file_that_is_no_ais_ends_with_4_and_says_what_was_found(world: Path, run: Run, what: str) -> None:
    """Nothing usable at all: status 4, one line that names the file, no output folder, no draft."""
    content, word = WHOLE_FILES[what]
    (world / "bad.csv").write_bytes(content)
    before = sorted(world.iterdir())
    status, out, lines = run("bad.csv", "--route", "route.toml")
    assert status == 4, lines
    assert out == ""
    assert len(lines) == 1
    assert lines[0].startswith("ghostships: no file had a usable row: bad.csv: ")
    assert word in lines[0].lower()
    assert sorted(world.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize("what", WHOLE_FILES)
def test_the_same_file_beside_a_good_one_ends_with_3(world: Path, run: Run, what: str) -> None:
    """The good file's answer is given; the refused one is named on screen and in the manifest."""
    (world / "bad.csv").write_bytes(WHOLE_FILES[what][0])
    status, out, lines = run("bad.csv", "ais.csv", *LISTS)
    assert status == 3, lines
    assert [line for line in lines if "refused: bad.csv: " in line] == lines
    assert small_world.SILENT_NAME in out
    assert _inputs(world)["bad.csv"]["refused"]
    assert _inputs(world)["bad.csv"]["accepted"] == 0


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_archive_gives_no_row_at_all(world: Path, run: Run, suffix: str) -> None:
    """All or nothing per file: the rows before the cut would make false silences of those behind it."""
    plain = (world / "ais.csv").read_bytes()
    packed = gzip.compress(plain, mtime=0) if suffix == ".gz" else zstandard.ZstdCompressor().compress(plain)
    name = f"cut.csv{suffix}"
    (world / name).write_bytes(_cut(packed))
    status, _, lines = run(name, "--route", "route.toml")
    assert (status, len(lines)) == (4, 1)
    assert name in lines[0]
    assert "truncated" in lines[0]
    assert not (world / "out").exists()
    status, _, lines = run(name, "ais.csv", *LISTS)
    assert status == 3
    assert _inputs(world)[name]["accepted"] == 0


def test_an_unreadable_line_in_the_middle_is_a_reject_with_its_bytes(world: Path, run: Run) -> None:
    """One bad line costs one line: status 0, the books say so, `rejects` keeps row and bytes."""
    lines = _ais(world)
    bad = b"999000005,2019-03-02T00:00:00Z,\x00\xff\xfe garbage"
    data = "\n".join(lines[:1000]).encode() + b"\n" + bad + b"\n" + "\n".join(lines[1000:]).encode() + b"\n"
    (world / "ais.csv").write_bytes(data)
    status, _, said = run("ais.csv", *LISTS)
    assert (status, said) == (0, [])
    rejects = pd.read_parquet(world / "out" / "rejects.parquet")
    (found,) = rejects[rejects["row"] == 1001].to_dict("records")
    assert found["raw"] == r"999000005,2019-03-02T00:00:00Z,\x00\xff\xfe garbage"
    account = _inputs(world)["ais.csv"]
    rejected = account["rejected"]
    assert isinstance(rejected, dict)
    assert account["rows_read"] == len(lines) == int(str(account["accepted"])) + sum(rejected.values())


def test_ids_in_scientific_notation_are_refused_never_expanded(world: Path, run: Run) -> None:
    """A spreadsheet's 9.99E+08 has lost its digits: no ship may be made of it; the message names the rule and the remedy."""
    lines = _ais(world)
    spoiled = [lines[0], *(line.replace(line.split(",")[0], "9.99E+08", 1) for line in lines[1:200])]
    (world / "excel.csv").write_text("\n".join(spoiled) + "\n", encoding="utf-8")
    status, _, said = run("excel.csv", "--route", "route.toml")
    assert (status, len(said)) == (4, 1)
    assert "excel.csv" in said[0]
    assert "199 mmsi_scientific" in said[0]
    assert not (world / "out").exists()
    status, _, _ = run("excel.csv", "ais.csv", *LISTS)
    assert status == 0
    assert _inputs(world)["excel.csv"]["rejected"] == {"mmsi_scientific": 199}


def test_latitude_91_is_a_ship_that_was_heard(world: Path, run: Run) -> None:
    """91/181 means "no position": the message is accepted, ends a silence, and is no reject (ITU-R M.1371)."""
    with (world / "ais.csv").open("a", encoding="utf-8") as file:
        file.write(f"{small_world.SILENT_MMSI},2019-03-04T00:00:00Z,91.0,181.0,0.0,{small_world.SILENT_NAME},118\n")
    status, _, _ = run("ais.csv", *LISTS)
    assert status == 0
    assert not [rule for rule in dict(_inputs(world)["ais.csv"]["rejected"]) if "coord" in rule]  # type: ignore[call-overload]
    gaps = pd.read_parquet(world / "out" / "gaps.parquet")
    assert sorted(gaps["duration_h"].round(1)) == [24.0, 36.0]


def test_a_latitude_out_of_range_is_a_reject(world: Path, run: Run) -> None:
    """91.5 is no sentinel: the row is refused with the rule `coord_range`, the others stand."""
    with (world / "ais.csv").open("a", encoding="utf-8") as file:
        file.write("999000003,2019-03-04T00:10:00Z,91.5,132.9,0.0,SIM SHIP 2,98\n")
    assert run("ais.csv", *LISTS)[0] == 0
    assert dict(_inputs(world)["ais.csv"]["rejected"])["coord_range"] == 1  # type: ignore[call-overload]


def test_sightings_outside_the_ais_span_are_kept_and_said_and_prove_nothing(world: Path, run: Run) -> None:
    """A picture of another month is not a dark ship: a warning, the row in the table, no flag from it."""
    text = (world / "sightings.csv").read_text(encoding="utf-8").replace("2019-03-04", "2019-05-04")
    (world / "sightings.csv").write_text(text, encoding="utf-8")
    status, _, _ = run("ais.csv", *LISTS)
    assert status == 0
    manifest = json.loads((world / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert any("1 sighting" in warning and "outside" in warning for warning in manifest["warnings"])
    assert len(pd.read_parquet(world / "out" / "sightings.parquet")) == 1
    trips = pd.read_parquet(world / "out" / "round_trips.parquet")
    assert not trips["is_flagged"].any()


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("lat_deg = ", "lat_degg = ", ["lat_degg", "known keys", "lat_deg,"]),
        ('name = "small-world"', 'name = "small-world', ["not TOML", "line 1"]),
        ('dark_port_id = "NAJIN"', 'dark_port_id = "NAJN"', ["NAJN", "known ports", "VOSTOCHNY"]),
        ("min_gap_h = ", 'min_gap_h = "6" # ', ["min_gap_h", "'6'"]),
        ("flag_threshold = ", "flag_threshold = 7 # ", ["flag_threshold", "7"]),
    ],
)
def test_a_route_file_with_a_typo_is_a_usage_error_that_names_the_key(
    world: Path, run: Run, right: str, wrong: str, words: list[str]
) -> None:
    """Status 2 before anything is read; the message holds what was found and what would be right."""
    text = (world / "route.toml").read_text(encoding="utf-8")
    assert right in text
    (world / "route.toml").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    status, out, lines = run("ais.csv", *LISTS)
    assert (status, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith("ghostships: route.toml: ")
    assert all(word in lines[0] for word in words), lines[0]
    assert not (world / "out").exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("sighting_id,port\nS1,NAJIN\n", "time"),
        ("sighting_id,time\nS1,2019-03-04T02:00:00Z\n", "port"),
        ("sighting_id,time,port\nS1,yesterday,NAJIN\n", "none usable"),
    ],
)
def test_a_sightings_file_without_a_usable_row_ends_with_4_when_alone(
    world: Path, run: Run, text: str, word: str
) -> None:
    """Without AIS there is nothing else to work on: one line, status 4, nothing written."""
    (world / "sightings.csv").write_text(text, encoding="utf-8")
    status, _, lines = run("--sightings", "sightings.csv", "--route", "route.toml")
    assert (status, len(lines)) == (4, 1), lines
    assert "sightings.csv" in lines[0]
    assert word in lines[0].lower()
    assert not (world / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        "<html><body>log in<br></body></html>",
        "<html><body>not found</body></html>",
        '{"type": "FeatureCollection", "features": [',
    ],
)
def test_a_refused_list_beside_good_ais_ends_with_3(world: Path, run: Run, content: str) -> None:
    """A watch list that is a web page or was cut is refused by name; the gaps are found all the same."""
    (world / "vessels.csv").write_text(content, encoding="utf-8")
    status, _, lines = run("ais.csv", *LISTS, "--vessels", "vessels.csv")
    assert status == 3
    assert len(lines) == 1
    assert "vessels.csv" in lines[0]
    assert _inputs(world)["vessels.csv"]["refused"]


def test_a_sightings_file_of_which_no_row_can_be_used_beside_good_ais_ends_with_3(world: Path, run: Run) -> None:
    """A wrong file is no quiet month: the gaps are found, the file is named with the rule, its rows are rejects."""
    (world / "sightings.csv").write_text("sighting_id,time,port\nS1,yesterday,VOSTOCHNY\n", encoding="utf-8")
    status, _, lines = run("ais.csv", *LISTS)
    assert status == 3
    assert len(lines) == 1
    assert "sightings.csv: 1 rows, none usable (1 " in lines[0]
    account = _inputs(world)["sightings.csv"]
    assert account["rows_read"] == 1
    assert account["refused"]
    assert len(pd.read_parquet(world / "out" / "rejects.parquet")) >= 1


def test_a_ship_seen_at_a_port_nobody_knows_is_said(world: Path, run: Run) -> None:
    """Without coordinates such a sighting is in no call: it must not vanish without a word."""
    with (world / "sightings.csv").open("a", encoding="utf-8") as file:
        columns = (world / "sightings.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
        values = {"sighting_id": "FAR-1", "port": "ZHOUSHAN", "start_utc": "2019-03-04T02:00:00Z"}
        values |= {"time": values["start_utc"], "time_utc": values["start_utc"], "end_utc": values["start_utc"]}
        file.write(",".join(values.get(name, "") for name in columns) + "\n")
    assert run("ais.csv", *LISTS)[0] == 0
    manifest = json.loads((world / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert any("FAR-1 (ZHOUSHAN)" in warning for warning in manifest["warnings"])


def test_a_ship_heard_only_after_now_is_named(world: Path, run: Run) -> None:
    """The last of several exports is lost whole when no other ship is heard as late: the loss must be on the screen."""
    with (world / "ais.csv").open("a", encoding="utf-8") as file:
        file.write("999000099,2021-03-04T00:00:00Z,42.6,132.9,0.0,SIM LATE,98\n")
    assert run("ais.csv", *LISTS)[0] == 0
    manifest = json.loads((world / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert any("mmsi:999000099" in warning and "time_future" in warning for warning in manifest["warnings"])


def test_a_list_without_rows_is_said(world: Path, run: Run) -> None:
    """A month without sightings is no error; but whoever thinks they gave some must be told."""
    (world / "sightings.csv").write_text("sighting_id,time,port\n", encoding="utf-8")
    (world / "vessels.csv").write_text("mmsi,name\nnot-a-number,\n", encoding="utf-8")
    status, _, _ = run("ais.csv", *LISTS, "--vessels", "vessels.csv")
    assert status == 0
    warnings = json.loads((world / "out" / "manifest.json").read_text(encoding="utf-8"))["warnings"]
    assert "sightings.csv: no rows in it" in warnings
    assert any(w.startswith("vessels.csv: none of its 1 rows could be used") for w in warnings)


def test_a_named_pipe_is_refused_and_not_waited_for(world: Path, run: Run) -> None:
    """A run must not hang on something that is not a file."""
    import os

    os.mkfifo(world / "pipe.csv")
    status, _, lines = run("pipe.csv", "--route", "route.toml")
    assert (status, len(lines)) == (4, 1)
    assert "not a regular file" in lines[0]
