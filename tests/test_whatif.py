"""What if this sighting is wrong? The answer must be what a run on the other list would have given, and change nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small_world

from ghostships import job, rerun, routes, scenarios, tables, whatif
from ghostships.cli import main
from ghostships.errors import GhostshipsError, UsageError
from ghostships.steps import calls

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
SECOND = "SIM.2=b,vessel,2019-03-04,NAJIN,,,121,8,WorldView-2,,,other\n"
"""Another publisher on the same day: one look with the first. Its id has the marks that `--set` is taken apart by."""


@dataclass
class Said:
    """What one command line answered."""

    status: int
    out: str
    err: str


class Shell:
    """Runs command lines in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object) -> Said:
        self.capsys.readouterr()
        status = main([str(word) for word in words])
        return Said(status, *self.capsys.readouterr())

    def ask(self, *words: object) -> dict[str, Any]:
        """The answer of `whatif out ... --json`."""
        said = self("whatif", "out", *words, "--json", "-q")
        assert said.status == 0, said.err
        told: dict[str, Any] = json.loads(said.out)
        return told


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The small sea with two statements on the silent ship, and the folder of one run on it."""
    folder = small_world.write(tmp_path_factory.mktemp("whatif"))
    with (folder / "sightings.csv").open("a", encoding="utf-8") as file:
        file.write(SECOND)
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["run", *INPUTS, "--out", "out", "-q"]) == 0
        yield folder
    finally:
        os.chdir(here)


@pytest.fixture
def copy(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that world, as the current folder."""
    folder = tmp_path / "copy"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    return folder


def _hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _published(folder: Path) -> pd.Series:
    """The trip of the silent ship."""
    trips = pd.read_parquet(folder / "round_trips.parquet")
    (row,) = [row for _, row in trips[trips["vessel_key"] == f"mmsi:{small_world.SILENT_MMSI}"].iterrows()]
    return row


def _run_on(folder: Path, sightings: str, *, scenes: str | None = None) -> dict[str, Any] | None:
    """The trip of the silent ship as a run on other lists gives it: the truth that no line of `whatif` had a hand in."""
    (folder / "other.csv").write_text(sightings, encoding="utf-8")
    if scenes is not None:
        (folder / "other-scenes.csv").write_text(scenes, encoding="utf-8")
    words = [{"sightings.csv": "other.csv"}.get(w, w) for w in INPUTS]
    words = [{"scenes.csv": "other-scenes.csv"}.get(w, w) if scenes is not None else w for w in words]
    assert main(["run", *words, "--out", "other", "--no-report", "-q"]) == 0
    trips = pd.read_parquet(folder / "other" / "round_trips.parquet")
    rows = trips[trips["vessel_key"] == f"mmsi:{small_world.SILENT_MMSI}"].to_dict("records")
    assert len(rows) < 2
    return {**rows[0], "call_ids": list(rows[0]["call_ids"])} if rows else None


def _agree(told: dict[str, Any] | None, truth: dict[str, Any] | None) -> bool:
    """Whether an answer says of a trip exactly what the run says; None: both list it no longer."""
    if told is None or truth is None:
        return told is truth
    return all(
        told[name] == truth[name] for name in ("trip_id", "p_trip", "tier", "is_flagged", "call_ids", "n_sightings")
    )


def _only_trip(told: dict[str, Any]) -> dict[str, Any]:
    """The silent ship's trip in an answer."""
    (trip,) = [
        one
        for one in told["answer"]["trips"]
        if (one["before"] or one["after"])["vessel_key"] == f"mmsi:{small_world.SILENT_MMSI}"
    ]
    found: dict[str, Any] = trip
    return found


# --- the command ----------------------------------------------------------------------------------------------------------


def test_dropping_a_call_gives_what_a_run_without_its_lines_gives(copy: Path, shell: Shell) -> None:
    """For the analyst who doubts a picture: before is what was published, after is what the run would have said without it."""
    before = _published(copy / "out")
    (call_id,) = before["call_ids"]
    told = shell.ask("--drop", call_id)
    trip = _only_trip(told)
    text = (copy / "sightings.csv").read_text()
    header = text.splitlines()[0]
    truth = _run_on(copy, header + "\nSIM-9,containers,2019-03-04T02:00:00Z,NAJIN,,,,,,,,nobody\n")
    assert trip["before"]["p_trip"] == before["p_trip"]
    assert _agree(trip["after"], truth)
    assert trip["before"]["p_trip"] - (trip["after"] or {"p_trip": 0.0})["p_trip"] > 0.01
    assert [one["sighting_id"] for one in trip["lost"]] == ["SIM-1", "SIM.2=b"]
    assert all(one["why"] == "dropped" for one in trip["lost"])
    assert {one["sighting_id"] for one in told["answer"]["matches"]} == {"SIM-1", "SIM.2=b"}
    assert all(one["p_match_after"] is None for one in told["answer"]["matches"])
    assert told["answer"]["throughput"], "a call less is another count"
    assert any("SIM-SCENE-2 still counts" in note for note in told["answer"]["notes"])


@pytest.mark.slow
def test_a_field_set_gives_what_a_run_on_that_line_gives(copy: Path, shell: Shell) -> None:
    """No name and another length, read by the rules of the list: the same trip as when the list itself says so."""
    told = shell.ask("--set", "SIM-1.vessel_name=", "--set", "SIM-1.length=60", "--set", "SIM.2=b.length_m=61.5")
    text = (copy / "sightings.csv").read_text()
    other = text.replace(f"SIM-SCENE-2,{small_world.SILENT_NAME}", "SIM-SCENE-2,")
    other = other.replace(",118,8,", ",60,8,").replace(",121,8,", ",61.5,8,")
    assert other != text
    trip = _only_trip(told)
    assert _agree(trip["after"], _run_on(copy, other))
    assert "length_m is 60" in trip["why"]
    assert "no vessel_name" in trip["why"]


@pytest.mark.slow
def test_a_scene_goes_with_what_was_seen_in_it(copy: Path, shell: Shell) -> None:
    """A picture of the wrong day: neither its ship nor its empty berths count any more."""
    told = shell.ask("--drop", "SIM-SCENE-2")
    text, scenes = (copy / "sightings.csv").read_text(), (copy / "scenes.csv").read_text()
    keep = [line for line in scenes.splitlines() if not line.startswith("SIM-SCENE-2,")]
    truth = _run_on(
        copy,
        "\n".join(line for line in text.splitlines() if not line.startswith("SIM-1,")) + "\n",
        scenes="\n".join(keep) + "\n",
    )
    assert told["changes"]["scenes"] == ["SIM-SCENE-2"]
    trip = _only_trip(told)
    assert trip["after"] is not None, "the second look still carries it"
    assert _agree(trip["after"], truth)
    assert trip["factors"], "what the picture weighed is gone"
    assert not any("still counts" in note for note in told["answer"]["notes"])


def test_two_hulls_are_two_calls_and_nothing_else_is_said_about_them(copy: Path, shell: Shell) -> None:
    """`--not-same`: the stay of two looks is two stays of one look each; the trip rests on one of them."""
    told = shell.ask("--not-same", "SIM.2=b", "SIM-1")
    assert told["changes"]["not_same"] == [["SIM-1", "SIM.2=b"]]
    assert told["answer"]["port_calls"] == {"before": 1, "after": 2}
    trip = _only_trip(told)
    assert len(trip["before"]["sightings"]) == 2
    assert len(set(trip["after"]["sightings"])) < 2 or len(trip["after"]["call_ids"]) == 2
    assert "other sightings" in trip["change"] or "other probability" in trip["change"]


@pytest.mark.slow
def test_nothing_published_changes_and_the_report_still_verifies(copy: Path, shell: Shell) -> None:
    """The scenario is the only new file; the folder is still one that is verified, explained, drawn again and replaced."""
    before = _hashes(copy / "out")
    told = shell.ask("--drop", "SIM-1", "--name", "doubt")
    after = _hashes(copy / "out")
    assert set(after) - set(before) == {"scenarios/doubt.json"}
    assert {name: after[name] for name in before} == before
    assert told["kept"] == str(Path("out") / "scenarios" / "doubt.json")
    assert shell("report", "out", "--verify").status == 0
    assert shell("report", "out").status == 0
    assert shell("explain", "out", _published(copy / "out")["trip_id"]).status == 0
    assert shell("run", *INPUTS, "--out", "out", "-q").status == 0
    assert (copy / "out" / "scenarios" / "doubt.json").is_file()
    (kept,) = json.loads(shell("whatif", "out", "--list", "--json").out)
    assert (kept["name"], kept["is_current"]) == ("doubt", True)


@pytest.mark.slow
def test_the_same_question_gives_the_same_bytes_in_any_order(copy: Path, shell: Shell) -> None:
    """For whoever compares scenarios: no clock, no place, no order of words in the kept file."""
    words = ["--drop", "SIM-1", "--set", "SIM.2=b.length_m=80"]
    shell.ask(*words, "--name", "one")
    shell.ask(*words[2:], *words[:2], "--name", "one")
    first = (copy / "out" / "scenarios" / "one.json").read_text()
    (copy / "out").rename(copy / "elsewhere")
    assert shell("whatif", "elsewhere", *words, "--name", "two", "-q").status == 0
    second = (copy / "elsewhere" / "scenarios" / "two.json").read_text()
    assert first.replace('"one"', '"two"') == second


@pytest.mark.slow
def test_a_person_reads_who_what_and_why(copy: Path, shell: Shell) -> None:
    """The text answer: the ship, both probabilities, the flag, the lost sighting, where it is kept; `--list` shows it later."""
    said = shell("whatif", "out", "--drop", "SIM-1", "--drop", "SIM.2=b")
    assert said.status == 0, said.err
    assert "what if: without sighting SIM-1; without sighting SIM.2=b" in said.out
    assert small_world.SILENT_NAME in said.out
    assert "SIMULATED" in said.out
    assert f"p {_published(copy / 'out')['p_trip']:.3f} -> " in said.out
    assert "lost SIM-1, SIM.2=b (dropped)" in said.out
    assert "matches that moved" in said.out
    (name,) = [path.stem for path in (copy / "out" / "scenarios").iterdir()]
    assert name in said.out
    listed = shell("whatif", "out", "--list")
    assert listed.status == 0
    assert name in listed.out
    assert "current" in listed.out


@pytest.mark.slow
def test_a_scenario_of_other_tables_is_no_longer_current(copy: Path, shell: Shell) -> None:
    """Sightings came in after the question: the old answer stays, and the list says that its base is gone."""
    shell.ask("--drop", "SIM-1")
    with (copy / "sightings.csv").open("a", encoding="utf-8") as file:
        file.write("SIM-3,vessel,2019-03-06T02:00:00Z,NAJIN,,,90,8,WorldView-2,SIM-SCENE-4,,simulated\n")
    assert shell("run", *INPUTS, "--out", "out", "-q").status == 0
    (kept,) = json.loads(shell("whatif", "out", "--list", "--json").out)
    assert kept["is_current"] is False
    assert "OLD" in shell("whatif", "out", "--list").out


def test_an_input_that_is_gone_or_changed_is_named(copy: Path, shell: Shell) -> None:
    """Never an answer about other bytes than those published: one line, which file, and what would be right."""
    original = (copy / "ais.csv").read_bytes()
    (copy / "ais.csv").write_bytes(original + b"\n")
    said = shell("whatif", "out", "--drop", "SIM-1", "-q")
    assert (said.status, len(said.err.splitlines())) == (1, 1)
    assert "ais.csv: the file changed" in said.err
    (copy / "ais.csv").write_bytes(original)
    (copy / "scenes.csv").unlink()
    said = shell("whatif", "out", "--drop", "SIM-1", "-q")
    assert (said.status, len(said.err.splitlines())) == (1, 1)
    assert "scenes.csv: not found" in said.err
    assert not (copy / "out" / "scenarios").exists()


@pytest.mark.slow
def test_other_tables_from_the_same_inputs_are_not_compared(
    copy: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the program: its answer is not set beside what another one published."""
    before = rerun.pipeline.judge

    def other(*args: Any, **more: Any) -> Any:
        judged = before(*args, **more)
        judged.tables["round_trips"] = judged.tables["round_trips"].assign(p_trip=0.123456)
        return judged

    monkeypatch.setattr(rerun.pipeline, "judge", other)
    said = shell("whatif", "out", "--drop", "SIM-1", "-q")
    assert said.status == 1
    assert "other tables now (round_trips)" in said.err
    assert "run the job again" in said.err


@pytest.mark.slow
def test_a_run_with_a_named_dialect_is_read_as_that_dialect_again(copy: Path, shell: Shell) -> None:
    """`--dialect` decides how a file is read; the manifest remembers it."""
    dialect = json.loads((copy / "out" / "manifest.json").read_text())["inputs"][0]["dialect"]
    assert shell("run", *INPUTS, "--out", "out", "--dialect", dialect, "-q").status == 0
    assert json.loads((copy / "out" / "manifest.json").read_text())["asked"]["dialect"] == dialect
    shell.ask("--drop", "SIM-1")


# --- what was asked -------------------------------------------------------------------------------------------------------


def _frames(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("sightings", "port_calls", "scenes")}


WRONG: list[tuple[list[str], str]] = [
    ([], "nothing was changed"),
    (["--drop", "SIM-7"], "nearest: SIM-1"),
    (["--drop", ""], "no sighting, port call or scene"),
    (["--set", "SIM-1.length_m"], "is not ID.FIELD=V"),
    (["--set", "SIM-1=95"], "is not ID.FIELD=V"),
    (["--set", "SIM-8.length_m=95"], "no sighting has the id 'SIM-8'"),
    (["--set", "SIM-1.size=95"], "known fields: kind, start_utc"),
    (["--set", "SIM-1.sighting_id=X"], "no field 'sighting_id'"),
    (["--set", "SIM-1.length_m=95", "--set", "SIM-1.length=96"], "given twice"),
    (["--set", "SIM-1.length_m=95", "--drop", "SIM-1"], "dropped by the same command"),
    (["--set", "SIM-1.length_m=900"], "length_m_range); right would be 1 to 500 m"),
    (["--set", "SIM-1.length_m=long"], "length_m_number); right would be a number"),
    (["--set", "SIM-1.start_utc=12/03/2019"], "start_utc_format); right would be ISO 8601"),
    (["--set", "SIM-1.imo=1234568"], "imo_check_digit); right would be seven digits"),
    (["--set", "SIM-1.end_utc=2019-03-03T00:00:00Z"], "window_ends_after_it_starts"),
    (["--set", "SIM-1.kind=boat"], "vessel, absent, containers or ais"),
    (["--not-same", "SIM-1", "SIM-1"], "same hull as itself"),
    (["--not-same", "SIM-1", "SIM-9"], "no sighting has the id 'SIM-9'"),
    (["--not-same", "SIM-1"], "needs two sightings"),
    (["--not-same", "SIM-1", "--json"], "needs two sightings"),
    (["--drop", "SIM-1", "--name", "../out"], "cannot be the name of a file"),
    (["--list", "--drop", "SIM-1"], "--list asks nothing"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG])
def test_a_wrong_question_is_one_line_that_teaches(world: Path, shell: Shell, words: list[str], said: str) -> None:
    """Status 2, one line with what would be right, nothing kept."""
    found = shell("whatif", world / "out", *words, "-q")
    assert found.status == 2, found.err
    assert len(found.err.splitlines()) == 1, found.err
    assert said in found.err
    assert not (world / "out" / "scenarios").exists()


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, shell: Shell) -> None:
    """Asking and listing alike."""
    for words in (["--drop", "S"], ["--list"]):
        found = shell("whatif", tmp_path, *words)
        assert found.status == 2
        assert "is not a folder that ghostships wrote" in found.err


def test_a_name_never_takes_the_place_of_another_question(world: Path, tmp_path: Path, shell: Shell) -> None:
    """Kept is kept: the same name for other changes is refused, and what no scenario of ours is stays untouched."""
    out = tmp_path / "out"
    shutil.copytree(world / "out", out)
    (out / "scenarios").mkdir()
    kept = {
        "format": 1,
        "said": ["without sighting SIM-1"],
        "changes": {},
        "answer": {},
        "base": {},
        "is_simulated": True,
    }
    (out / "scenarios" / "doubt.json").write_text(json.dumps(kept))
    (out / "scenarios" / "torn.json").write_text("{")
    found = shell("whatif", out, "--drop", "SIM-1", "--name", "doubt")
    assert found.status == 2
    assert "is kept already, for without sighting SIM-1" in found.err
    found = shell("whatif", out, "--drop", "SIM-1", "--name", "torn")
    assert found.status == 1
    assert "is not a scenario of ghostships" in found.err
    assert (out / "scenarios" / "torn.json").read_text() == "{"


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("SIM-1.length_m=95", ("SIM-1", "length_m", "95")),
        ("SIM-1.vessel_name=", ("SIM-1", "vessel_name", "")),
        ("SIM-1.note=a.b=c", ("SIM-1", "note", "a.b=c")),
        ("SIM.2=b.lat=42.2", ("SIM.2=b", "lat_deg", "42.2")),
        ("SIM.2=b.source_url=x.y=z", ("SIM.2=b", "source_url", "x.y=z")),
    ],
)
def test_ids_and_values_may_hold_points_and_equals_signs(world: Path, text: str, setting: tuple[str, str, str]) -> None:
    """An id is what the list says; the field is the last word before the equals sign."""
    (found,) = whatif.understand(_frames(world / "out"), settings=[text]).settings
    assert (found.sighting_id, found.field, found.value) == setting


def test_a_name_made_of_changes_tells_them_and_fits_every_disk(world: Path) -> None:
    """Plain ids are readable in it; what no file name may hold is gone, and two questions never share a name."""
    frames = _frames(world / "out")
    made = {
        text: scenarios._made_of(whatif.understand(frames, settings=[text]))
        for text in (
            "SIM-1.length_m=95",
            "SIM-1.port=A/B",
            "SIM-1.port=A|B",
            "SIM-1.note=" + "x" * 300,
            "SIM-1.note=../..",
        )
    }
    assert made["SIM-1.length_m=95"] == "set-SIM-1.length_m-95"
    assert len(set(made.values())) == len(made)
    assert all(scenarios._checked(name) == name for name in made.values())
    assert scenarios._made_of(whatif.understand(frames, drop=["SIM-1"])) == "drop-SIM-1"


# --- other sightings ------------------------------------------------------------------------------------------------------

ROUTE = routes.load()


def _sighting(sighting_id: str, day: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(tables.SIGHTINGS.names)
    start = pd.Timestamp(day, tz="UTC")
    end = start + pd.Timedelta(hours=more.pop("lasting_h", 0))
    row.update(sighting_id=sighting_id, observation_type="vessel", start_utc=start, end_utc=end, port="NAJIN")
    row.update({"sensor": "Planet optical", "source": "A", "source_row": f"0:{sighting_id}", **more})
    return row


def _table(*rows: dict[str, Any]) -> pd.DataFrame:
    return tables.to_pandas(pd.DataFrame(list(rows), columns=tables.SIGHTINGS.names), tables.SIGHTINGS)


def _apart(*pairs: tuple[str, str]) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(pair) for pair in pairs)


def _calls(seen: pd.DataFrame, apart: frozenset[frozenset[str]]) -> set[frozenset[str]]:
    grouped = calls.group(seen, ROUTE, apart=apart)
    found = calls.find(grouped, tables.empty_pandas(tables.SCENES), route=ROUTE, apart=apart)
    return {frozenset(ids) for ids in found["sighting_ids"]}


def test_two_that_are_not_one_hull_share_no_call_whoever_stands_between_them() -> None:
    """Three looks at one stay; the first and the last are two hulls: the middle one goes with one of them, never with both."""
    seen = _table(*(_sighting(name, f"2025-02-{20 + n}T02:00", length_m=110) for n, name in enumerate("abc")))
    assert _calls(seen, frozenset()) == {frozenset("abc")}
    assert _calls(seen, _apart(("c", "a"))) in ({frozenset("ab"), frozenset("c")}, {frozenset("a"), frozenset("bc")})
    assert _calls(seen, _apart(("a", "x"))) == {frozenset("abc")}


def test_two_that_are_not_one_hull_are_no_one_observation() -> None:
    """Two publishers on one ship-day: one look at one hull, unless an analyst says that they are two."""
    one = _sighting("a", "2025-02-20", lasting_h=20, length_m=110)
    other = _sighting("b", "2025-02-20", lasting_h=20, length_m=112, source="B")
    third = _sighting("c", "2025-02-20", lasting_h=20, length_m=111, source="C")
    groups = calls.group(_table(one, other, third), ROUTE)["observation_group"]
    assert len(set(groups)) == 1
    assert groups.notna().all()
    said = calls.group(_table(one, other, third), ROUTE, apart=_apart(("a", "b"))).set_index("sighting_id")
    assert said.at["a", "observation_group"] != said.at["b", "observation_group"]
    assert len(_calls(_table(one, other), _apart(("a", "b")))) == 2


def test_a_group_of_the_list_is_dissolved_when_two_of_it_are_two() -> None:
    """The list said that three rows are one hull; an analyst says that two of them are not: the tool groups them anew."""
    rows = [_sighting(n, "2025-02-20", lasting_h=20, length_m=110, source=n, observation_group="G") for n in "abc"]
    other = _sighting("d", "2025-02-20", observation_group="H")
    seen = _table(*rows, other)
    changes = whatif.Changes(not_same=(("a", "b"),))
    changed, _ = whatif.apply(changes, seen, tables.empty_pandas(tables.SCENES), with_fields=_no_field)
    assert changed["observation_group"].isna().tolist() == [True, True, True, False]
    assert seen["observation_group"].notna().all(), "the table given stays as it is"
    assert all(not {"a", "b"} <= one for one in _calls(changed, changes.apart))


def _no_field(_one: str, _fields: object) -> pd.DataFrame:
    raise AssertionError("no field was set")


# --- before and after -----------------------------------------------------------------------------------------------------


def _trip(
    trip_id: str, p: float | None, *, key: str | None = "mmsi:1", calls_: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(tables.ROUND_TRIPS.names)
    row |= {"trip_id": trip_id, "vessel_key": key, "dark_port": "NAJIN", "gap_ids": [], "call_ids": list(calls_)}
    row |= {"n_sightings": 0, "p_trip": p, "tier": "seen", "is_flagged": bool(p and p >= 0.5), "alternatives": ""}
    return {**row, "weakest_link": "", "because": "", "cycle": 1, "lat_deg": 42.0, "lon_deg": 130.0, **more}


def _call(call_id: str, *seen: str) -> dict[str, Any]:
    return {**dict.fromkeys(tables.PORT_CALLS.names), "call_id": call_id, "sighting_ids": list(seen)}


def _world(
    trips: list[dict[str, Any]], found: list[dict[str, Any]] = (), bits: list[tuple[str, str, float]] = ()
) -> dict[str, pd.DataFrame]:  # type: ignore[assignment]
    frames = {table.name: tables.empty_pandas(table) for table in tables.PUBLIC}
    evidence = [
        {"subject_id": t, "rank": n, "factor": f, "bits": b, "because": f"{f} says"} for n, (t, f, b) in enumerate(bits)
    ]
    for table, rows in ((tables.ROUND_TRIPS, trips), (tables.EVIDENCE, evidence)):
        if rows:
            frames[table.name] = tables.to_pandas(pd.DataFrame(rows, columns=table.names), table)
    if found:
        frames["port_calls"] = pd.DataFrame(found)
    return frames


NONE = whatif.Changes()


def test_a_hundredth_is_shown_and_less_is_not() -> None:
    """0.50 to 0.51 is another answer, 0.500000 to 0.509999 is not, whatever floats make of it; a flag that flips always is."""
    was = _world([_trip("T-a", 0.6), _trip("T-b", 0.6), _trip("T-c", 0.500001)])
    now = _world([_trip("T-a", 0.61), _trip("T-b", 0.609999), _trip("T-c", 0.499999)])
    told = whatif.compare(was, now, NONE)
    assert [(one["trip_id"], one["change"]) for one in told["trips"]] == [
        ("T-a", ["other probability"]),
        ("T-c", ["no longer flagged"]),
    ]
    assert told["flagged"] == {"before": 3, "after": 2}


def test_trips_that_come_and_go_are_shown_and_a_call_that_shrank_is_still_one_trip() -> None:
    """Ids of trips nobody is known for hang on their sightings: one that lost a sighting is not gone."""
    was = _world(
        [_trip("T-gone", 0.7), _trip("T-old", None, key=None, calls_=("C-1",), tier="unattributed")],
        [_call("C-1", "S1", "S2", "S3")],
    )
    now = _world(
        [_trip("T-come", 0.7, key="mmsi:2"), _trip("T-new", None, key=None, calls_=("C-2",), tier="unattributed")],
        [_call("C-2", "S2", "S3")],
    )
    told = whatif.compare(was, now, whatif.Changes({"S1": ("S1",)}))["trips"]
    assert {one["trip_id"]: one["change"] for one in told} == {
        "T-gone": ["vanishes"],
        "T-come": ["appears"],
        "T-old": ["other sightings"],
    }
    assert len(whatif.compare(was, now, NONE)["trips"]) == 2, "sightings that nobody asked about may change places"
    assert all(("listed" in one["why"]) == (one["trip_id"] != "T-old") for one in told)
    (paired,) = [one for one in told if one["trip_id"] == "T-old"]
    assert paired["after"]["trip_id"] == "T-new"
    assert paired["why"] == "lost S1 (dropped)"


def test_the_reason_names_the_factors_that_moved_the_largest_first() -> None:
    """For the card: 3 bits of pictures and half a bit of competition went; a twentieth of a bit is not worth a word."""
    was = _world(
        [_trip("T-a", 0.9)], bits=[("T-a", "prior", -1.0), ("T-a", "pictures", 5.0), ("T-a", "competition", -0.5)]
    )
    now = _world([_trip("T-a", 0.6)], bits=[("T-a", "prior", -1.05), ("T-a", "pictures", 2.0)])
    (trip,) = whatif.compare(was, now, NONE)["trips"]
    assert [(f["factor"], f["bits_before"], f["bits_after"]) for f in trip["factors"]] == [
        ("pictures", 5.0, 2.0),
        ("competition", -0.5, 0.0),
    ]
    assert trip["why"] == "bits: pictures -3.000, competition +0.500"
    was = _world([_trip("T-a", 0.5)], bits=[("T-a", "prior", -0.03), ("T-a", "habit", 0.03)])
    now = _world([_trip("T-a", 0.52)], bits=[("T-a", "prior", 0.02), ("T-a", "habit", 0.07)])
    assert whatif.compare(was, now, NONE)["trips"][0]["why"] == "bits: prior +0.050"


# --- whole worlds ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_without_a_sighting_is_the_demo_whose_list_never_had_it(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole answer on the shipped example: every trip after is the trip of a run on the shorter list, to the last digit."""
    monkeypatch.chdir(tmp_path)
    request = job.demo_request()
    assert shell("demo", "--out", "out", "-q").status == 0
    trips = pd.read_parquet("out/round_trips.parquet")
    trip = trips[trips["is_flagged"] & (trips["n_sightings"] > 0)].sort_values(["n_sightings", "trip_id"]).iloc[0]
    calls_ = pd.read_parquet("out/port_calls.parquet").set_index("call_id")
    sighting = sorted(calls_.at[trip["call_ids"][0], "sighting_ids"])[0]
    told = shell.ask("--drop", sighting)
    lines = Path(request.sightings[0]).read_text().splitlines(keepends=True)
    shorter = [line for line in lines if not line.startswith(f"{sighting},")]
    assert len(shorter) == len(lines) - 1
    Path("shorter.csv").write_text("".join(shorter))
    truth = job.run(request.ais, sightings="shorter.csv", scenes=request.scenes, vessels=request.vessels)["round_trips"]
    was = pd.read_parquet("out/round_trips.parquet").set_index("trip_id")
    now = truth.set_index("trip_id")
    shown = {one["trip_id"]: one for one in told["answer"]["trips"]}
    for trip_id in sorted(set(was.index) & set(now.index)):
        moved = abs(was.at[trip_id, "p_trip"] - now.at[trip_id, "p_trip"]) >= 0.01 - 5e-7
        assert not moved or trip_id in shown, trip_id
    for one in shown.values():
        if one["after"] is not None:
            assert one["after"]["p_trip"] == pytest.approx(
                now.at[one["after"]["trip_id"], "p_trip"], nan_ok=True, abs=1e-6
            ) or (one["after"]["p_trip"] is None and pd.isna(now.at[one["after"]["trip_id"], "p_trip"]))
        else:
            assert one["trip_id"] not in now.index
    assert shown[trip["trip_id"]]["lost"] == [{"sighting_id": sighting, "why": "dropped"}]
    assert told["answer"]["flagged"]["after"] == int(truth["is_flagged"].sum())
    assert told["answer"]["n_trips"]["after"] == len(truth)


@pytest.mark.slow
def test_a_published_night_is_asked_from_its_store_and_the_next_night_keeps_the_answer(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corrected day, and an inbox that was emptied since: what was in force that night is what is judged again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "nights"))
    from test_nightly import CONFIG, DAYS, END, Place, _heard_after_all

    # The first day lies before the window.
    place = Place(tmp_path / "place", CONFIG.replace("lookback_days = 30", f"lookback_days = {len(DAYS) - 1}"))
    for day in DAYS:
        place.put(day)
    # By the first version of a day the silent ship was heard on it; the correction takes that back.
    place.put(DAYS[3], rows=_heard_after_all(DAYS[3]))
    place.put(DAYS[3], name=f"fix_{DAYS[3]}_v2.csv")
    place.night()
    for file in place.inbox.iterdir():
        file.unlink()
    (place.folder / "sightings" / "sightings.csv").rename(place.folder / "kept-aside.csv")
    before = place.hashes()
    said = shell("whatif", place.out, "--drop", "SIM-1", "--json", "-q")
    assert said.status == 0, said.err
    told = json.loads(said.out)
    assert told["answer"]["trips"]
    assert place.hashes() == before
    (place.folder / "kept-aside.csv").rename(place.folder / "sightings" / "sightings.csv")
    place.put(DAYS[0], name="extra.csv")
    place.night(as_of=END + pd.Timedelta(days=1))
    (kept,) = json.loads(shell("whatif", place.out, "--list", "--json").out)
    assert kept["name"] == told["name"]
    shutil.rmtree(place.folder / "store")
    said = shell("whatif", place.out, "--drop", "SIM-1", "-q")
    assert said.status in (1, 2)
    assert "store" in said.err


def test_again_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    """From Python: an error of ours, never a traceback."""
    with pytest.raises(GhostshipsError), rerun.opened(tmp_path):
        pass
    with pytest.raises(UsageError):
        scenarios.listed(tmp_path)
