"""The command line: what a person and a script can rely on. Runs in this process, on a small invented sea."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pandas as pd
import pytest
import small_world

import ghostships
from ghostships import explain, job, tables, terminal
from ghostships.cli import main
from ghostships.errors import NothingUsable, UsageError


@dataclass
class Said:
    """What one command line answered."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


class Shell:
    """Runs command lines in this process, in a folder of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object) -> Said:
        self.capsys.readouterr()
        status = main([str(word) for word in words])
        return Said(status, *self.capsys.readouterr())


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The small sea, and the output folder `out` of one run on it. Tests that change something copy it."""
    folder = small_world.write(tmp_path_factory.mktemp("world"))
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["run", *INPUTS, "--out", "out", "-q"]) == 0
        yield folder
    finally:
        os.chdir(here)


INPUTS = (
    "ais.csv",
    "--sightings",
    "sightings.csv",
    "--scenes",
    "scenes.csv",
    "--vessels",
    "vessels.csv",
    "--route",
    "route.toml",
)


@pytest.fixture
def copy(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world to break, as the current folder."""
    folder = tmp_path / "copy"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    return folder


def _hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def _trip(folder: Path) -> dict[str, object]:
    trips = pd.read_parquet(folder / "round_trips.parquet")
    return {str(k): v for k, v in trips[trips["is_flagged"]].iloc[0].items()}


def test_a_run_says_what_it_found_and_what_to_open(copy: Path, shell: Shell) -> None:
    """The analyst's first run: counts, the flagged ship, where every row went, the file to open; all data on stdout."""
    said = shell("run", *INPUTS, "--out", "again")
    assert said.status == 0
    assert "open again/report.html" in said.out
    assert small_world.SILENT_NAME in said.out
    assert "SIMULATED" in said.out
    assert all(line.startswith("ghostships: ") for line in said.lines)


def test_every_row_read_is_accounted_for(world: Path) -> None:
    """Law P4 on the page: rows read = accepted + duplicate + rejected, for every input; and all raw bytes of rejects are kept."""
    manifest = json.loads((world / "out" / "manifest.json").read_text())
    assert [i["role"] for i in manifest["inputs"]] == ["ais", "sightings", "scenes", "vessels"]
    for one in manifest["inputs"]:
        assert one["rows_read"] == one["accepted"] + one["duplicate"] + sum(one["rejected"].values()), one["path"]
        assert one["sha256"] == hashlib.sha256((world / one["path"]).read_bytes()).hexdigest()
    assert manifest["inputs"][0]["rows_read"] == len((world / "ais.csv").read_text().splitlines()) - 1
    rejects = pd.read_parquet(world / "out" / "rejects.parquet")
    assert len(rejects) == sum(sum(i["rejected"].values()) for i in manifest["inputs"]) > 0
    physical = (world / "ais.csv").read_text().splitlines()
    assert all(raw == physical[row - 1] for row, raw in zip(rejects["row"], rejects["raw"], strict=True))
    assert set(rejects["file_sha256"]) <= {i["sha256"] for i in manifest["inputs"]}


def test_the_manifest_says_everything_the_contract_lists(world: Path) -> None:
    """For whoever must defend a flag a year later: route, scope, as-of, thresholds, tables with hashes, simulated or not."""
    manifest = json.loads((world / "out" / "manifest.json").read_text())
    assert manifest["ghostships"] == ghostships.__version__
    assert manifest["route"]["sha256"] == hashlib.sha256((world / "route.toml").read_bytes()).hexdigest()
    assert manifest["scope"] == "area"
    assert manifest["thresholds"]["min_gap_h"] == 6
    assert manifest["is_simulated"] is True
    assert manifest["as_of_utc"].endswith("Z")
    assert {t.name for t in tables.PUBLIC} == set(manifest["tables"])
    for name, told in manifest["tables"].items():
        file = world / "out" / f"{name}.parquet"
        assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert told["rows"] == len(pd.read_parquet(file))


def test_the_same_input_gives_the_same_bytes(copy: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another time zone, a replaced folder: every file of the output has the same bytes."""
    monkeypatch.setenv("TZ", "Asia/Vladivostok")
    time.tzset()
    try:
        before = _hashes(copy / "out")
        assert shell("run", *INPUTS, "--out", "out").status == 0
        assert _hashes(copy / "out") == before
    finally:
        monkeypatch.undo()
        time.tzset()


def test_json_is_one_document_on_stdout_and_nothing_else(copy: Path, shell: Shell) -> None:
    """For a script: `--json` anywhere on the line, the answer parses, notes stay on stderr."""
    said = shell("run", *INPUTS, "--out", "again", "--json")
    answer = json.loads(said.out)
    assert answer["gaps"]["all"] == 1
    assert [t["vessel_name"] for t in answer["flagged_trips"]] == [small_world.SILENT_NAME]
    assert answer["open"] == str(Path("again") / "report.html")
    assert json.loads(shell("--json", "tables", "gaps").out) == json.loads(shell("tables", "--json", "gaps").out)


@pytest.mark.slow
def test_quiet_says_nothing_and_json_notes_are_json_lines(copy: Path, shell: Shell) -> None:
    """For a log collector: `-q` silences stages, `--log-format json` makes every line of stderr an object."""
    assert shell("run", *INPUTS, "--out", "a", "-q").err == ""
    said = shell("run", *INPUTS, "--out", "b", "--log-format", "json")
    assert said.lines
    assert all({"time", "level", "message"} <= set(json.loads(line)) for line in said.lines)
    said = shell("run", "nothing-here.csv", "--out", "c", "--log-format=json")
    assert said.status == 2
    assert json.loads(said.lines[-1])["level"] == "error"


def test_a_new_flag_ends_with_10_only_when_asked_and_only_once(copy: Path, shell: Shell) -> None:
    """For a nightly script: 10 where a flag is new, 0 where the folder replaced had flagged the same trip already."""
    asked = ("run", *INPUTS, "--out", "new", "--fail-on-flags")
    assert shell(*asked).status == 10
    assert shell(*asked).status == 0


def test_no_report_leaves_the_page_out(copy: Path, shell: Shell) -> None:
    """Tables and layers only; the answer names no page to open."""
    said = shell("run", *INPUTS, "--out", "again", "--no-report")
    assert said.status == 0
    assert not (copy / "again" / "report.html").exists()
    assert (copy / "again" / "gaps.parquet").is_file()
    assert "open " not in [line[:5] for line in said.out.splitlines()]


def test_explain_adds_the_evidence_up_to_exactly_the_probability_shown(world: Path, shell: Shell) -> None:
    """Every row of the table, for trip, call, sighting, gap and match: the bits sum to the p that its table has."""
    trip = _trip(world / "out")
    matches = pd.read_parquet(world / "out" / "matches.parquet")
    subjects = [trip["trip_id"], trip["gap_ids"][0], trip["call_ids"][0], "SIM-1", *matches["match_id"]]  # type: ignore[index]
    for subject in subjects:
        said = shell("explain", world / "out", subject, "--json")
        assert said.status == 0, said.err
        told = json.loads(said.out)
        assert all(one["agrees"] for one in told["sums"])
    added = json.loads(shell("explain", world / "out", trip["trip_id"], "--json").out)["sums"][0]
    by_hand = sum(row["bits"] for row in added["evidence"])
    assert added["p_shown"] == trip["p_trip"] == pytest.approx(1 / (1 + 2**-by_hand), abs=5e-7)
    assert added["weakest_link"] == trip["weakest_link"]


def test_explain_fails_loudly_when_the_evidence_does_not_add_up() -> None:
    """The check can fail: half a bit more and the sum is not what the table says."""
    assert explain.add([0.1] * 10) == (1.0, round(2 / 3, 6))
    assert explain.add([100.0])[1] == round(1 / (1 + 2**-30), 6)
    evidence = {
        "T-1": pd.DataFrame(
            {"subject_id": "T-1", "rank": [0, 1], "factor": ["prior", "x"], "bits": [-1.0, 2.0], "because": ""}
        )
    }
    right, wrong = (explain._sum("T-1", "", p, evidence) for p in (0.666667, 0.7))
    assert right.agrees
    assert not wrong.agrees
    assert "without x (+2.000 bits)" in str(right.weakest)


def test_raw_shows_the_very_lines_behind_a_trip(world: Path, shell: Shell) -> None:
    """The two positions around the silence and the line of the sighting, with file, row and SHA-256, as they stand in the files."""
    said = shell("explain", world / "out", _trip(world / "out")["trip_id"], "--raw", "--json")
    lines = json.loads(said.out)["raw_lines"]
    assert {line["path"] for line in lines} == {"ais.csv", "sightings.csv"}
    for line in lines:
        assert line["raw"] == (world / line["path"]).read_text().splitlines()[line["row"] - 1]
        assert line["sha256"] == hashlib.sha256((world / line["path"]).read_bytes()).hexdigest()


def test_raw_refuses_a_file_that_changed_since_the_run(copy: Path, shell: Shell) -> None:
    """A line of another file is no evidence: one character more and nothing is shown."""
    with (copy / "ais.csv").open("a") as file:
        file.write("\n")
    said = shell("explain", "out", _trip(copy / "out")["trip_id"], "--raw")
    assert said.status == 1
    assert said.out == ""
    assert "ais.csv: the file changed since the run" in said.lines[-1]


@pytest.mark.slow
def test_raw_finds_lines_in_a_compressed_file(copy: Path, shell: Shell) -> None:
    """Line numbers are those of the unpacked text, the hash that of the file as delivered."""
    (copy / "ais.csv.gz").write_bytes(gzip.compress((copy / "ais.csv").read_bytes(), mtime=0))
    assert shell("run", "ais.csv.gz", *INPUTS[1:], "--out", "packed").status == 0
    said = shell("explain", "packed", _trip(copy / "packed")["trip_id"], "--raw", "--json")
    first = json.loads(said.out)["raw_lines"][0]
    assert first["raw"] == (copy / "ais.csv").read_text().splitlines()[first["row"] - 1]
    assert first["sha256"] == hashlib.sha256((copy / "ais.csv.gz").read_bytes()).hexdigest()


def test_a_bundle_can_be_sent_and_is_the_same_bytes_each_time(copy: Path, shell: Shell) -> None:
    """For a second analyst: rows, sums, original lines and manifest in one zip."""
    trip = _trip(copy / "out")["trip_id"]
    for name in ("one.zip", "two.zip"):
        assert shell("explain", "out", trip, "--bundle", name).status == 0
    assert (copy / "one.zip").read_bytes() == (copy / "two.zip").read_bytes()
    with zipfile.ZipFile(copy / "one.zip") as archive:
        assert {"dossier.html", "dossier.md", "dossier.docx", "run/manifest.json"} <= set(archive.namelist())
        assert json.loads(archive.read("explanation.json"))["subject_id"] == trip
        rows = {(line["file"], line["row"]) for line in json.loads(archive.read("lines/lines.json"))}
        # Both ends of the silence, the sighting, and the pictures of the port in that time.
        assert {name for name, _ in rows} == {"ais.csv", "sightings.csv", "scenes.csv"}
        assert len([name for name, _ in rows if name == "ais.csv"]) == 2
    assert not list(copy.glob(".*tmp"))


def test_an_unknown_id_names_the_nearest(world: Path, shell: Shell) -> None:
    """A half-copied id is the usual mistake."""
    trip = str(_trip(world / "out")["trip_id"])
    said = shell("explain", world / "out", trip[:6])
    assert said.status == 2
    assert trip in said.lines[-1]


def test_the_report_is_drawn_again_from_the_tables_alone(copy: Path, shell: Shell) -> None:
    """Without the inputs, the same bytes; a damaged page is put right; --verify finds a changed table."""
    page = (copy / "out" / "report.html").read_bytes()
    for name in ("ais.csv", "sightings.csv", "route.toml"):
        (copy / name).unlink()
    assert "the same bytes" in shell("report", "out").out
    (copy / "out" / "report.html").write_text("cut")
    assert shell("report", "out").status == 0
    assert (copy / "out" / "report.html").read_bytes() == page
    assert shell("report", "out", "--verify").status == 0
    (copy / "out" / "tracks.parquet").write_bytes(b"PAR1 something else")
    said = shell("report", "out", "--verify")
    assert said.status == 1
    assert "tracks.parquet" in said.lines[-1]
    assert shell("report", "out").status == 2


def test_inspect_says_what_a_file_is_and_writes_nothing(copy: Path, shell: Shell) -> None:
    """Dialect and why, rows, ships, span; the folder is untouched."""
    before = _hashes(copy)
    (one,) = json.loads(shell("inspect", "ais.csv", "--json").out)
    assert one["n_vessels"] == 12
    assert one["n_rows"] == one["n_usable"] == len((copy / "ais.csv").read_text().splitlines()) - 1
    assert one["why"]
    said = shell("inspect", "ais.csv", "route.toml")
    assert said.status == 3
    assert "refused: route.toml" in said.err
    assert shell("inspect", "route.toml").status == 4
    assert _hashes(copy) == before


def test_routes_and_tables_answer_from_the_package(shell: Shell, tmp_path: Path) -> None:
    """What ships inside: names, the file itself, every column; unknown names list the known ones."""
    assert "najin-primorye" in shell("routes", "list").out
    text = shell("routes", "show", "najin-primorye").out
    (tmp_path / "mine.toml").write_text(text)
    assert shell("routes", "check", tmp_path / "mine.toml").status == 0
    told = shell("tables")
    assert all(f"\n{table.name} (" in "\n" + told.out for table in tables.ALL.values())
    said = shell("tables", "gapz")
    assert (said.status, "known tables: " in said.err) == (2, True)
    said = shell("routes", "show", "kerch")
    assert (said.status, "najin-primorye" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-12", "2024-03-12T00:00:00Z"),
        ("2024-03-12T06:30", "2024-03-12T06:30:00Z"),
        ("2024-03-12T06:30Z", "2024-03-12T06:30:00Z"),
        ("2024-03-12T15:30+09:00", "2024-03-12T06:30:00Z"),
    ],
)
def test_times_are_utc_when_no_offset_is_given(text: str, utc: str) -> None:
    """Contract: ISO 8601, UTC when no offset; an offset is honoured."""
    assert terminal.iso(terminal.parse_time(text)) == utc


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "nothing to work on"),
        (("ais.csv", "--from", "12/03/2024"), "2024-03-12T06:30 (UTC)"),
        (("ais.csv", "--from", "2019-03-05", "--to", "2019-03-02"), "is not before --to"),
        (("ais.csv", "--min-gap-h", "0.5"), "outside 1 to 8760"),
        (("ais.csv", "--min-gap-h", "nan"), "outside 1 to 8760"),
        (("ais.csv", "--scope", "all"), "selected"),
        (("ais.csv", "--dialect", "klingon"), "known: "),
        (("ais.csv", "--route", "kerch"), "najin-primorye"),
        (("ais.csv", "--sightings", "none.csv"), "none.csv"),
        (("none.csv",), "none.csv"),
        (("ais.csv", "--scheduler", "tcp://x"), "tcp://HOST:PORT"),
        (("ais.csv", "-q", "-v"), "-q and -v"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_2(copy: Path, shell: Shell, words: Sequence[str], what: str) -> None:
    """Usage errors say what would be right; nothing is written, and nothing read for hours first."""
    said = shell("run", *words, "--out", "new")
    assert said.status == 2
    assert len(said.lines) == 1
    assert what in said.lines[0]
    assert said.out == ""
    assert not (copy / "new").exists()


def test_a_folder_that_is_not_ours_is_never_touched(copy: Path, shell: Shell) -> None:
    """Somebody's photographs in the place of --out stay where they are; so do the inputs themselves."""
    (copy / "mine").mkdir()
    (copy / "mine" / "photo.jpg").write_bytes(b"x")
    for out in ("mine", "."):
        said = shell("run", *INPUTS, "--out", out)
        assert (said.status, len(said.lines)) == (2, 1), said.err
    assert _hashes(copy / "mine") == _hashes(copy / "mine")
    assert [p.name for p in (copy / "mine").iterdir()] == ["photo.jpg"]
    (copy / "in").mkdir()
    shutil.copy(copy / "ais.csv", copy / "in")
    said = shell("run", "in", *INPUTS[1:], "--out", "in/report")
    assert said.status == 2
    assert "the next run would read it as AIS" in said.lines[-1]


def test_our_own_mistakes_are_one_line_without_a_traceback(
    copy: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback is a bug: it is shown with -v only. Disk full, no memory and signals have their own words and status."""

    def fails_with(error: BaseException) -> Said:
        def broken(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(job.pipeline, "run", broken)
        return shell("run", *INPUTS, "--out", "new")

    said = fails_with(ZeroDivisionError("x\x1b[31m"))
    assert (said.status, "Traceback" in said.err) == (1, False)
    assert "internal error: ZeroDivisionError" in said.lines[-1]
    assert "\x1b" not in said.err
    assert "Traceback" in shell("run", *INPUTS, "--out", "new", "-v").err
    said = fails_with(OSError(28, "No space left on device", "new"))
    assert (said.status, said.lines[-1]) == (1, "ghostships: new: disk full: no space left on device")
    said = fails_with(MemoryError())
    assert (said.status, "out of memory" in said.lines[-1]) == (1, True)
    assert fails_with(KeyboardInterrupt()).status == 130
    assert not (copy / "new").exists()


def test_nothing_in_the_input_can_steer_the_terminal(copy: Path, shell: Shell) -> None:
    """Names from AIS are hostile: escape sequences, bidi overrides and markup reach the screen as visible text."""
    name = "SIM \x1b[31m\u202eEVIL[link=x]"
    for file in ("ais.csv", "vessels.csv", "sightings.csv"):
        text = (copy / file).read_text().replace(small_world.SILENT_NAME, name)
        (copy / file).write_text(text)
    said = shell("run", *INPUTS, "--out", "new")
    assert said.status == 0
    everything = said.out + said.err + shell("explain", "new", "SIM-1", "--raw").out
    assert "\x1b" not in everything
    assert "\u202e" not in everything
    assert "[link=x]" in everything


def test_a_damaged_file_beside_a_good_one_ends_with_3(copy: Path, shell: Shell) -> None:
    """The run goes on with the others, and says which file was refused and why, on screen and in the manifest."""
    packed = gzip.compress((copy / "ais.csv").read_bytes(), mtime=0)
    (copy / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    said = shell("run", "cut.csv.gz", *INPUTS, "--out", "new", "--fail-on-flags")
    assert said.status == 3
    assert any("refused: cut.csv.gz" in line and "truncated" in line for line in said.lines)
    inputs = json.loads((copy / "new" / "manifest.json").read_text())["inputs"]
    assert [i["refused"] is not None for i in inputs if i["path"] == "cut.csv.gz"] == [True]


def test_what_two_sighting_files_both_say_counts_once(copy: Path, shell: Shell) -> None:
    """A list delivered twice changes nothing; two lists that contradict each other under one id are both refused there."""
    text = (copy / "sightings.csv").read_text()
    (copy / "again.csv").write_text(text + text.splitlines()[1].replace("SIM-1", "SIM-2").replace("118", "95") + "\n")
    (copy / "other.csv").write_text(text.replace("118", "140"))
    run = ("run", *INPUTS, "--sightings")
    assert shell(*run, "again.csv", "--out", "twice").status == 0
    inputs = [
        i for i in json.loads((copy / "twice" / "manifest.json").read_text())["inputs"] if i["role"] == "sightings"
    ]
    assert sorted((i["accepted"], i["duplicate"]) for i in inputs) in ([(0, 1), (2, 0)], [(1, 0), (1, 1)])
    assert set(pd.read_parquet(copy / "twice" / "sightings.parquet")["sighting_id"]) == {"SIM-1", "SIM-2"}
    assert shell(*run, "other.csv", "--out", "clash").status == 0
    inputs = [
        i for i in json.loads((copy / "clash" / "manifest.json").read_text())["inputs"] if i["role"] == "sightings"
    ]
    assert [i["rejected"] for i in inputs] == [{"sighting_id_twice": 1}] * 2
    rejects = pd.read_parquet(copy / "clash" / "rejects.parquet")
    assert sorted(rejects.loc[rejects["rule"] == "sighting_id_twice", "raw"]) == sorted(
        (copy / name).read_text().splitlines()[1] for name in ("sightings.csv", "other.csv")
    )


def test_pictures_alone_are_enough(copy: Path, shell: Shell) -> None:
    """Contract: no AIS gives calls, named voyages and throughput from pictures alone."""
    said = shell("run", *INPUTS[1:], "--out", "pictures")
    assert said.status == 0
    assert len(pd.read_parquet(copy / "pictures" / "port_calls.parquet")) == 1
    assert len(pd.read_parquet(copy / "pictures" / "gaps.parquet")) == 0


def test_the_python_call_does_the_same_as_the_command(copy: Path) -> None:
    """From a notebook: the same tables, those with a place as GeoDataFrames, longitude first."""
    outcome = ghostships.run(
        "ais.csv",
        "from-python",
        sightings=["sightings.csv"],
        scenes=["scenes.csv"],
        vessels=["vessels.csv"],
        route="route.toml",
    )
    assert _hashes(copy / "from-python") == _hashes(copy / "out")
    assert set(outcome) == {t.name for t in tables.PUBLIC}
    gaps = outcome["gaps"]
    assert isinstance(gaps, geopandas.GeoDataFrame)
    assert gaps.crs == "EPSG:4326"
    assert (gaps.geometry.x == gaps["start_lon_deg"]).all()
    assert list(outcome.flagged["vessel_name"]) == [small_world.SILENT_NAME]
    with pytest.raises(KeyError, match="known tables"):
        outcome["gapz"]
    with pytest.raises(UsageError, match="ISO 8601"):
        ghostships.run("ais.csv", from_utc="yesterday")
    (copy / "empty.csv").write_text("")
    with pytest.raises(NothingUsable, match="empty.csv"):
        ghostships.run("empty.csv", route="route.toml")


def test_the_version_needs_no_command(shell: Shell) -> None:
    """One word a bug report can quote."""
    assert shell("--version").out == f"ghostships {ghostships.__version__}\n"


@pytest.mark.slow
def test_a_process_that_is_told_to_stop_leaves_nothing_half_written(copy: Path) -> None:
    """SIGTERM in the middle of a run: status 143, one line, no folder and no draft."""
    code = (
        "import os, signal, sys\n"
        "from ghostships import job, cli\n"
        "def stop(*a, **k): os.kill(os.getpid(), signal.SIGTERM); __import__('time').sleep(5)\n"
        "job.report_folder.geo.write_layers = stop\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *INPUTS, "--out", "stopped"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in done.stderr
    assert "SIGTERM" in done.stderr.splitlines()[-1]
    assert not [p.name for p in copy.iterdir() if "stopped" in p.name]


@pytest.mark.slow
def test_a_closed_pipe_is_no_traceback(copy: Path) -> None:
    """`ghostships tables | head -1` ends quietly."""
    done = subprocess.run(
        f"{sys.executable} -m ghostships tables | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "positions" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_the_demo_runs_without_arguments_and_says_what_to_open(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first command anybody tries."""
    monkeypatch.chdir(tmp_path)
    said = shell("demo")
    assert said.status == 0, said.err
    assert "open demo-report/report.html" in said.out
    assert (tmp_path / "demo-report" / "report.html").is_file()
    assert "SIMULATED" in said.out


def test_the_log_is_not_shown_twice_after_several_commands(shell: Shell, copy: Path) -> None:
    """Handlers are replaced, not added: for whoever calls `main` from their own program."""
    shell("tables", "gaps")
    shell("tables", "gaps")
    assert len(logging.getLogger("ghostships").handlers) == 1
