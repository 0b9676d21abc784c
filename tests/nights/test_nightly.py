"""Nights over a small world: late, duplicate, corrected and missing files, interruptions, and the batch they must equal."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import small_world
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghostships import cli_nightly, nightly, program, tables
from ghostships.errors import GhostshipsError, NothingUsable, UsageError
from ghostships.nights import audit, originals, status
from ghostships.report import parquet
from ghostships.store import Store, StoreHeld
from ghostships.store import folder as published

pytestmark = pytest.mark.slow

CONFIG = """
route = "route.toml"
[paths]
inbox = "inbox"
store = "store"
out = "out"
sightings = "sightings"
scenes = "scenes"
vessels = "vessels"
[policy]
settle_s = 0
lookback_days = 30
fail_on_flags = true
[sources.daily]
pattern = "ais_{day}.csv"
cadence_h = 24
series = "feed"
[sources.fixed]
pattern = "fix_{day}_v{version}.csv"
precedence = 1
series = "feed"
"""
DAYS = [(small_world.START + timedelta(days=n)).date().isoformat() for n in range(small_world.DAYS)]
END = small_world.START + timedelta(days=small_world.DAYS)
HARE = str(small_world.SILENT_MMSI)


class Place:
    """A folder with a configuration, an inbox, lists and nothing else yet."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.out = folder / "out"
        self.file = folder / "ghostships.toml"
        self.inbox.mkdir(parents=True)
        small_world.write(folder / "world")
        shutil.move(folder / "world" / "route.toml", folder / "route.toml")
        for role in ("sightings", "scenes", "vessels"):
            (folder / role).mkdir()
            shutil.move(folder / "world" / f"{role}.csv", folder / role)
        self.file.write_text(config, encoding="utf-8")

    def put(self, day: str, name: str | None = None, rows: list[str] | None = None) -> str:
        """Deliver a day; the SHA-256 of the delivery."""
        chosen = _of_day(day) if rows is None else rows
        content = ("\n".join([small_world.HEADER, *chosen]) + "\n").encode()
        (self.inbox / (name or f"ais_{day}.csv")).write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def night(self, as_of: datetime = END, **more: Any) -> nightly.Night:
        return nightly.run(self.file, now_utc=as_of + timedelta(hours=2), as_of_utc=as_of, **more)

    def hashes(self) -> dict[str, str]:
        """What is published, by file; revisions tell of the nights and are left out, and so is the manifest that names them."""
        return {
            path.relative_to(self.out.resolve()).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.out.resolve().rglob("*"))
            if path.is_file() and path.suffix == ".parquet" and path.stem != "revisions"
        }

    def revisions(self) -> pd.DataFrame:
        return parquet.read_table(self.out / "revisions.parquet", tables.REVISIONS)

    def status(self) -> dict[str, Any]:
        return status.read(self.folder / "status.json")


def _of_day(day: str) -> list[str]:
    return [row for row in small_world.rows() if row.split(",")[1].startswith(day)]


def _heard_after_all(day: str) -> list[str]:
    """The day as a correction has it: the silent ship was heard all the time, where another one was."""
    rows = _of_day(day)
    other = str(small_world.SILENT_MMSI + 1)
    return rows + [row.replace(other, HARE) for row in rows if row.startswith(other)]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One night over everything: the oracle."""
    place = Place(tmp_path_factory.mktemp("batch"))
    for day in DAYS:
        place.put(day)
    place.night()
    return place


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The same deliveries over four nights: one late, two out of order, one twice; and what each night said."""
    place = Place(tmp_path_factory.mktemp("nights"))
    told = []
    for as_of, days in ((4, [3, 0]), (6, [2, 4, 5]), (7, [6])):
        for number in days:
            place.put(DAYS[number])
        told.append(place.night(small_world.START + timedelta(days=as_of)))
    missing = json.loads((place.out / "manifest.json").read_bytes())
    late = place.put(DAYS[1])
    place.put(DAYS[3], "again.csv")
    told.append(place.night())
    return SimpleNamespace(place=place, told=told, missing=missing, late=late)


def test_nights_in_any_order_publish_what_one_batch_publishes(batch: Place, nights: SimpleNamespace) -> None:
    """Law P1: late, out of order and twice; every table has the same bytes as if all had come at once."""
    assert nights.place.hashes() == batch.hashes()
    assert len(batch.hashes()) == len(tables.PUBLIC)


def test_the_world_has_something_to_lose(batch: Place) -> None:
    """Equal tables prove nothing when they are empty: there is a gap, a call and a flagged trip of the silent ship."""
    trips = parquet.read_table(batch.out / "round_trips.parquet", tables.ROUND_TRIPS)
    assert list(trips.loc[trips["is_flagged"].astype(bool), "vessel_name"]) == [small_world.SILENT_NAME]


def test_a_missing_day_is_stale_unobserved_and_healed_when_it_comes(nights: SimpleNamespace) -> None:
    """The monitor is told which delivery is owed, the analysis that nobody listened; the next night knows nothing of it."""
    before, after = nights.told[2], nights.told[3]
    assert before.exit_status == 3
    span = [f"{DAYS[1]}T00:00:00Z", f"{DAYS[2]}T00:00:00Z"]
    assert nights.missing["unobserved"] == [span]
    (daily,) = [one for one in before.facts["sources"] if one["source"] == "daily"]
    assert daily["missing"] == [{"start_utc": span[0], "end_utc": span[1], "state": "missing"}]
    assert after.facts["stale"] == []
    assert json.loads((nights.place.out / "manifest.json").read_bytes())["unobserved"] == []


def test_the_same_bytes_again_are_a_duplicate_and_bring_no_row(nights: SimpleNamespace) -> None:
    """Under any name: the books count it, the tables do not know it."""
    assert nights.told[3].facts["deliveries"] | {"days_made": 0} == {
        "new": 1,
        "duplicate": 1,
        "refused": 0,
        "left": 0,
        "superseded": 0,
        "all": 7,
        "days_made": 0,
        "days_all": 7,
    }


def test_only_touched_days_are_made_again(nights: SimpleNamespace) -> None:
    """A late file costs its own day, not the store."""
    assert [one.facts["deliveries"]["days_made"] for one in nights.told] == [2, 3, 1, 1]


def test_every_row_of_every_delivery_is_accounted_for(nights: SimpleNamespace) -> None:
    """Law P4, counted from the files themselves."""
    entries = json.loads((nights.place.out / "manifest.json").read_bytes())["inputs"]
    rows = {one["path"]: one for one in entries if one["role"] == "ais"}
    assert set(rows) == {f"inbox/ais_{day}.csv" for day in DAYS if day != DAYS[3]} | {"inbox/again.csv"}
    for path, one in rows.items():
        n_lines = len((nights.place.folder / path).read_text(encoding="utf-8").splitlines()) - 1
        parts = one["accepted"] + one["duplicate"] + one["superseded"] + sum(one["rejected"].values())
        assert one["rows_read"] == n_lines == parts


def test_a_night_with_nothing_new_changes_nothing(nights: SimpleNamespace) -> None:
    """Cron fires twice: no byte, no generation and no revision more, and nobody is told of an old flag again."""
    place = nights.place
    before, generation = place.hashes(), place.status()["last_success"]["generation"]
    folder, manifest = place.out.resolve(), (place.out / "manifest.json").read_bytes()
    again = place.night()
    assert (again.exit_status, again.facts["has_changed"], again.facts["new_flags"]) == (0, False, [])
    assert place.hashes() == before
    assert (place.out.resolve(), (place.out / "manifest.json").read_bytes()) == (folder, manifest)
    assert again.facts["generation"] == generation


def test_the_store_checks_and_its_books_add_up(nights: SimpleNamespace) -> None:
    """Every hash, every row, every flag."""
    store = Store.open(nights.place.folder / "store")
    assert [*store.check(), *audit.problems(store)] == []


def test_the_original_bytes_outlive_the_inbox(nights: SimpleNamespace, tmp_path: Path) -> None:
    """`explain --raw` shows the line even when the provider has cleared the inbox: the store kept the file."""
    manifest = json.loads((nights.place.out / "manifest.json").read_bytes())
    for number, listed in enumerate(manifest["inputs"]):
        file = originals.restore(nights.place.out, manifest, listed, tmp_path / str(number))
        assert file is not None
        assert hashlib.sha256(file.read_bytes()).hexdigest() == listed["sha256"]
    assert {listed["role"] for listed in manifest["inputs"]} == {"ais", "sightings", "scenes", "vessels"}


@pytest.mark.slow
def test_a_correction_replaces_its_day_and_withdraws_the_flag_with_its_name(batch: Place, tmp_path: Path) -> None:
    """The provider mends the days of the silence: the flag goes, with the reason and the file; its rows stay in the store."""
    place = Place(tmp_path / "x")
    for day in DAYS:
        place.put(day)
    first = place.night()
    assert (first.exit_status, len(first.facts["new_flags"])) == (10, 1)
    fixes = [place.put(day, f"fix_{day}_v1.csv", _heard_after_all(day)) for day in DAYS[2:4]]
    second = place.night()
    assert second.exit_status == 0
    assert second.facts["deliveries"]["superseded"] == 2
    last = place.revisions().iloc[-1]
    assert (last["change"], last["reason"]) == ("withdrawn", "correction")
    assert set(last["delivery"]) <= {sha[:12] for sha in fixes}
    assert len(last["delivery"]) > 0
    entries = json.loads((place.out / "manifest.json").read_bytes())["inputs"]
    replaced = [one for one in entries if one["role"] == "ais" and one["superseded"]]
    assert [one["path"] for one in replaced] == [f"inbox/ais_{day}.csv" for day in DAYS[2:4]]
    assert all(one["accepted"] == 0 for one in replaced)
    assert second.facts["new_flags"] == []
    page = (place.out / "report.html").read_text(encoding="utf-8")
    assert "What changed since last night" in page
    assert last["because"].split(":")[0] in page
    # The other way round: the correction came first, and gives the same tables.
    other = Place(tmp_path / "y")
    for day in DAYS[2:4]:
        other.put(day, f"fix_{day}_v1.csv", _heard_after_all(day))
    with_first_only = other.night()
    assert with_first_only.facts["n_flagged"] == 0
    for day in DAYS:
        other.put(day)
    other.night()
    assert other.hashes() == place.hashes()


def test_a_night_killed_after_the_commit_is_made_good_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link was not swapped: the next night shows what was committed, makes no generation, and tells the flag."""
    place = Place(tmp_path / "x")
    for day in DAYS:
        place.put(day)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(published, "show", dies)
        with pytest.raises(KeyboardInterrupt):
            place.night()
    assert not place.out.exists()
    assert place.status()["last_run"]["exit_status"] == 130
    assert place.status()["last_success"] is None
    night = place.night()
    assert (night.facts["generation"], night.facts["night"], len(night.facts["new_flags"])) == (1, 1, 1)
    assert list(place.revisions()["change"]) == ["flagged"]


@pytest.mark.slow
def test_a_failure_before_the_commit_leaves_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk full in the middle: yesterday's folder stands, and the status says both."""
    place = Place(tmp_path / "x")
    for day in DAYS[:3]:
        place.put(day)
    place.night(small_world.START + timedelta(days=3))
    before = place.hashes()
    place.put(DAYS[3])

    def full(*_: object, **__: object) -> None:
        raise GhostshipsError("store: the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("ghostships.store.draft.Draft.commit", full)
        with pytest.raises(GhostshipsError, match="disk is full"):
            place.night(small_world.START + timedelta(days=4))
    assert place.hashes() == before
    assert place.status()["last_run"]["error"] == "store: the disk is full"
    assert place.status()["last_success"]["as_of_utc"] == f"{DAYS[3]}T00:00:00Z"
    assert place.night(small_world.START + timedelta(days=4)).facts["deliveries"]["new"] == 1


@pytest.mark.slow
def test_refused_and_unfinished_files_are_said_and_tried_again_when_they_change(tmp_path: Path) -> None:
    """A broken file does not stop the night; mended under its name it is read, and nothing of it is left."""
    place = Place(tmp_path / "x")
    place.put(DAYS[0])
    (place.inbox / f"ais_{DAYS[1]}.csv").write_bytes(b"this is\nno export\n")
    (place.inbox / "coming.csv.part").write_bytes(b"mmsi")
    as_of = small_world.START + timedelta(days=2)
    first = place.night(as_of)
    assert first.exit_status == 3
    assert first.facts["deliveries"]["refused"] == first.facts["deliveries"]["left"] == 1
    assert f"ais_{DAYS[1]}.csv" in first.facts["refused"][0]
    assert [m["state"] for m in first.facts["sources"][0]["missing"]] == ["refused"]
    place.put(DAYS[1])
    second = place.night(as_of)
    assert (second.exit_status, second.facts["refused"], second.facts["stale"]) == (0, [], [])


@pytest.mark.slow
def test_a_changed_setting_is_the_reason_of_what_it_changes(tmp_path: Path) -> None:
    """Nobody reads a stricter threshold as news about a ship."""
    place = Place(tmp_path / "x")
    for day in DAYS:
        place.put(day)
    place.night()
    place.file.write_text(CONFIG.replace("[policy]", "[policy]\nmin_gap_h = 100"), encoding="utf-8")
    place.night()
    last = place.revisions().iloc[-1]
    assert (last["change"], last["reason"], list(last["delivery"])) == ("withdrawn", "config", [])
    assert "min_gap_h 6.0 to 100.0" in last["because"]


def test_another_run_is_named_and_its_status_left_alone(batch: Place) -> None:
    """Two timers: the second does nothing, not even to the status."""
    before = (batch.folder / "status.json").read_bytes()
    with Store.open(batch.folder / "store").writing("a long night"), pytest.raises(StoreHeld, match="a long night"):
        batch.night()
    assert (batch.folder / "status.json").read_bytes() == before


def test_an_empty_inbox_has_nothing_to_say(tmp_path: Path) -> None:
    """The first night before the first delivery: status 4, nothing published, and the monitor knows."""
    place = Place(tmp_path / "x", CONFIG.replace('sightings = "sightings"\n', ""))
    with pytest.raises(NothingUsable):
        place.night()
    assert not place.out.exists()
    assert place.status()["last_run"]["exit_status"] == 4


def test_what_is_not_ours_in_the_place_of_out_is_not_touched(tmp_path: Path) -> None:
    """An analyst's own folder under the configured name survives."""
    place = Place(tmp_path / "x")
    place.out.mkdir()
    (place.out / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="out"):
        place.night()
    assert (place.out / "thesis.txt").read_text(encoding="utf-8") == "years of work"


@pytest.mark.slow
def test_what_an_analyst_put_into_the_published_folder_goes_on(tmp_path: Path) -> None:
    """Reviews outlive the night."""
    place = Place(tmp_path / "x")
    place.put(DAYS[0])
    place.night(small_world.START + timedelta(days=1))
    (place.out / "reviews.jsonl").write_text("{}\n", encoding="utf-8")
    place.put(DAYS[1])
    place.night(small_world.START + timedelta(days=2))
    assert (place.out / "reviews.jsonl").read_text(encoding="utf-8") == "{}\n"


def test_the_commands_tell_people_and_programs(nights: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """`nightly`, `store show`, `check` and `gc` on the store of the nights; the last removes nothing needed."""
    app = typer.Typer()
    cli_nightly.register(app, epilog="")

    def told(*words: str, json_wanted: bool = False) -> str:
        options = SimpleNamespace(json=json_wanted, verbose=False)
        assert app([*words, "--config", str(nights.place.file)], standalone_mode=False, obj=options) == 0
        return capsys.readouterr().out

    assert "nothing changed" in told("nightly", "--as-of", f"{END:%Y-%m-%d}")
    assert "all is as it was written" in told("store", "check")
    shown = json.loads(told("store", "show", json_wanted=True))
    assert [one["deliveries"] for one in shown] == [2, 5, 6, 7]
    assert "4 " in told("store", "show")
    assert "0 files" in told("store", "gc")


_CHOICES = st.lists(
    st.tuples(
        st.integers(0, len(DAYS) - 1),
        st.sampled_from(["plain", "plain", "plain", "again", "fixed 1", "fixed 2", "half"]),
        st.integers(0, 3),
    ),
    min_size=4,
    max_size=14,
)


def _deliver(place: Place, number: int, kind: str) -> None:
    day = DAYS[number]
    if kind == "plain":
        place.put(day)
    elif kind == "again":
        place.put(day, f"copy of {day}.csv")
    elif kind == "half":
        place.put(day, f"half {day}.csv", _of_day(day)[::2])
    else:
        place.put(day, f"fix_{day}_v{kind[-1]}.csv", _heard_after_all(day) if kind == "fixed 1" else _of_day(day)[:-30])


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_CHOICES)
def test_any_schedule_publishes_what_one_batch_publishes(
    tmp_path_factory: pytest.TempPathFactory, schedule: list[tuple[int, str, int]]
) -> None:
    """Law P1: whatever had arrived by each night, twice, corrected, in halves and out of order; the last night equals one batch."""
    nightly_run = Place(tmp_path_factory.mktemp("nights"))
    for turn in range(4):
        for number, kind, _ in (one for one in schedule if one[2] == turn):
            _deliver(nightly_run, number, kind)
        with suppress(NothingUsable):
            nightly_run.night(small_world.START + timedelta(days=2 * turn + 1))
    nightly_run.night()
    at_once = Place(tmp_path_factory.mktemp("batch"))
    for number, kind, _ in schedule:
        _deliver(at_once, number, kind)
    at_once.night()
    assert nightly_run.hashes() == at_once.hashes()
    store = Store.open(nightly_run.folder / "store")
    assert [*store.check(), *audit.problems(store)] == []


@pytest.mark.slow
def test_files_are_read_again_when_their_dialect_is_declared_otherwise(tmp_path: Path) -> None:
    """A wrong dialect in the configuration is mended in the configuration: the kept bytes are read again, inbox or no inbox."""
    place = Place(tmp_path / "x", CONFIG.replace('series = "feed"', 'series = "feed"\ndialect = "nmea"', 1))
    place.put(DAYS[0])
    place.put(DAYS[1], "undeclared.csv")
    as_of = small_world.START + timedelta(days=2)
    wrong = place.night(as_of)
    assert wrong.facts["rows"]["accepted"] == len(_of_day(DAYS[1]))
    place.file.write_text(CONFIG, encoding="utf-8")
    right = place.night(as_of)
    assert right.facts["rows"]["accepted"] == len(_of_day(DAYS[0])) + len(_of_day(DAYS[1]))


@pytest.mark.slow
def test_an_upgrade_reads_the_kept_bytes_again_and_says_what_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other code that reads files: everything whose bytes are kept is read again; what is kept no longer is named."""
    place = Place(tmp_path / "x")
    for day in DAYS[:3]:
        place.put(day)
    as_of = small_world.START + timedelta(days=3)
    place.night(as_of)
    before = place.hashes()
    for day in DAYS[:3]:
        (place.inbox / f"ais_{day}.csv").unlink()
    monkeypatch.setattr(program, "reading", lambda: "other code")
    night = place.night(as_of)
    assert night.facts["deliveries"]["days_made"] == 3
    assert not [one for one in night.facts["warnings"] if "kept no longer" in one]
    assert place.hashes() == before
    place.file.write_text(CONFIG + "[retention]\nraw_days = 2\n", encoding="utf-8")
    place.night(as_of)
    monkeypatch.setattr(program, "reading", lambda: "newer code")
    said = [one for one in place.night(as_of).facts["warnings"] if "kept no longer" in one]
    assert [one.split(":")[0] for one in said] == [f"ais_{DAYS[0]}.csv"]
    assert place.hashes() == before


@pytest.mark.slow
def test_a_damaged_manifest_is_skipped_and_the_flag_is_found_again(tmp_path: Path) -> None:
    """The newest generation is torn: the night goes on from the one before, says so, and publishes the same tables."""
    place = Place(tmp_path / "x")
    for day in DAYS[:-1]:
        place.put(day)
    place.night(END - timedelta(days=1))
    place.put(DAYS[-1])
    place.night()
    before = place.hashes()
    torn = place.folder / "store" / "manifests" / "00000002.json"
    torn.write_bytes(torn.read_bytes()[:-100])
    night = place.night()
    assert any("manifest of generation 2 is damaged" in one for one in night.facts["warnings"])
    assert night.facts["generation"] == 3
    assert place.hashes() == before


@pytest.mark.slow
def test_rows_dated_after_the_as_of_wait_and_are_rejects_until_then(tmp_path: Path) -> None:
    """Law P8: tomorrow's file is in the store, moves nothing tonight, counts tomorrow, and is on the books of both nights."""
    place = Place(tmp_path / "x")
    for day in DAYS[:3]:
        place.put(day)
    early = place.night(small_world.START + timedelta(days=2))
    n_future = sum(not row.split(",")[1].endswith("T00:00:00Z") for row in _of_day(DAYS[2]))
    assert early.facts["rows"]["rejected"] == early.facts["tables"]["rejects"] == n_future
    rejects = parquet.read_table(place.out / "rejects.parquet", tables.REJECTS)
    assert set(rejects["rule"]) == {"time_future"}
    assert set(rejects["raw"]) <= set(_of_day(DAYS[2]))
    later = place.night(small_world.START + timedelta(days=3))
    assert later.facts["rows"]["rejected"] == 0
    other = Place(tmp_path / "y")
    for day in DAYS[:3]:
        other.put(day)
    other.night(small_world.START + timedelta(days=3))
    assert other.hashes() == place.hashes()


@pytest.mark.slow
def test_generations_beyond_those_kept_are_cleared_about_once_a_week(tmp_path: Path) -> None:
    """The store of a year does not grow by a manifest a night; what is current always reads."""
    config = (
        CONFIG.replace("lookback_days = 30", "lookback_days = 3") + "[retention]\ngenerations = 1\ngarbage_days = 1\n"
    )
    place = Place(tmp_path / "x", config)
    for number, day in enumerate(DAYS, start=1):
        place.put(day)
        place.night(small_world.START + timedelta(days=number))
    later = datetime.now(UTC) + timedelta(days=30)
    for number in range(2):
        nightly.run(place.file, now_utc=later + timedelta(days=number), as_of_utc=END + timedelta(hours=number + 1))
    store = Store.open(place.folder / "store")
    assert len(store.seqs()) < len(DAYS)
    assert [*store.check(), *audit.problems(store)] == []


@pytest.mark.slow
def test_a_remote_store_holds_the_same_nights(batch: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store may be a bucket: the tables are the same, the lock holds, and the commands find it through the configuration."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = f"memory://{tmp_path.name}/store"
    place = Place(tmp_path / "x", CONFIG.replace('store = "store"', f'store = "{url}"'))
    for day in DAYS[:4]:
        place.put(day)
    place.night(small_world.START + timedelta(days=4))
    for day in DAYS[4:]:
        place.put(day)
    place.night()
    assert place.hashes() == batch.hashes()
    store = Store.open(url)
    assert [*store.check(), *audit.problems(store)] == []
    with store.writing("another night"), pytest.raises(StoreHeld, match="another night"):
        place.night()
