"""The whole river on the shipped example: laws that every table keeps, and changes of the input that must change nothing.

Truth comes from the input files themselves, from adding up what is shown, and from running the same input told differently.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import worlds

import ghostships
from ghostships import job, pipeline, routes, sphere, tables, units
from ghostships.inference import factors
from ghostships.pipeline import Inputs, Result, Settings
from ghostships.traffic import Traffic

CUT = "2019-03-13T00:00:00Z"
"""Twelve of the example's 24 days: enough for voids, open gaps and flagged trips, and read in a second."""

TIMES = {"ais": "time_utc", "sightings": "time", "scenes": "time"}
OUTAGE = datetime(2019, 3, 6, 2, tzinfo=UTC), datetime(2019, 3, 6, 16, tzinfo=UTC)
FILE_MARKS = {"start_source", "end_source", "source_row", "file_sha256", "row"}
"""Columns that name files and rows: the only ones that may change when the input is told differently."""

Rows = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Case:
    """What was given and what came out; the positions are those of the inputs, for tests that cut or shift them."""

    positions: pl.DataFrame
    inputs: Inputs
    result: Result

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.result.tables[name]


def route() -> routes.Route:
    return worlds.demo().route


def analysed(positions: pl.DataFrame, inputs: Inputs, **settings: Any) -> Case:
    """The answer from these positions and the lists of `inputs`, whose own traffic is not looked at."""
    asked = Settings(route=route(), min_gap_h=route().policy.min_gap_h, **settings)
    given = replace(inputs, traffic=Traffic.of_positions(positions))
    return Case(positions, given, pipeline.run(given, asked, worlds.demo_sea()))


@pytest.fixture(scope="session")
def rows(fixtures: Path) -> Rows:
    """The example's files as rows of text, cut to its first half."""
    out: Rows = {}
    for name in ("ais", "sightings", "scenes", "vessels"):
        (path,) = (fixtures / "demo").glob(f"{name}.*")
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            found = list(csv.DictReader(file))
        out[name] = [r for r in found if name not in TIMES or r[TIMES[name]] < CUT]
    return out


def written(folder: Path, name: str, rows: list[dict[str, str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def files(folder: Path, rows: Rows) -> dict[str, list[Path]]:
    return {name: [written(folder, name, rows[name])] for name in rows}


def outcome(given: dict[str, list[Path]], **asked: Any) -> ghostships.Outcome:
    return ghostships.run(
        given["ais"], sightings=given["sightings"], scenes=given["scenes"], vessels=given["vessels"], **asked
    )


@pytest.fixture(scope="session")
def told(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> ghostships.Outcome:
    """The half example, from files, as a user runs it."""
    return outcome(files(tmp_path_factory.mktemp("half"), rows))


@pytest.fixture(scope="session")
def case(told: ghostships.Outcome) -> Case:
    read, cut = worlds.demo(), pd.Timestamp(CUT)
    positions = read.positions.filter(pl.col("time_utc") < cut.to_pydatetime())
    seen, looked = read.inputs.sightings, read.inputs.scenes
    inputs = Inputs(
        Traffic.of_positions(positions),
        read.inputs.rejects,
        seen[seen["end_utc"] < cut].reset_index(drop=True),
        looked[looked["end_utc"] < cut].reset_index(drop=True),
        read.inputs.registry,
    )
    return Case(positions, inputs, told.result)


@pytest.fixture(scope="module")
def whole() -> Case:
    """All 24 days."""
    return analysed(worlds.demo().positions, worlds.demo().inputs)


def assert_same(one: Result, other: Result, *, without: set[str] = FILE_MARKS) -> None:
    """Every table equal in every column but those named."""
    assert list(one.tables) == list(other.tables)
    for name, frame in one.tables.items():
        kept = [c for c in frame.columns if c not in without]
        pd.testing.assert_frame_equal(other.tables[name][kept], frame[kept], obj=name)
    said = [sorted(r.rejects.select("rule", "raw").rows()) for r in (one, other)]
    assert said[0] == said[1]
    assert one.warnings == other.warnings
    assert one.as_of_utc == other.as_of_utc


# --- laws of the tables ---


def check_sightings(case: Case) -> None:
    """Rows of a sighting: a distribution, with one "none"."""
    matches = case["matches"]
    ships = case["sightings"].query("observation_type == 'vessel'")["sighting_id"]
    assert set(matches["sighting_id"]) == set(ships)
    assert matches["p_match"].between(0, 1).all()
    millionths = (matches["p_match"] * 1e6).round().astype("int64")
    assert ((matches["p_match"] * 1e6 - millionths).abs() < 1e-4).all()
    assert set(millionths.groupby(matches["sighting_id"]).sum()) == {1_000_000}
    none = matches[matches["hypothesis"] == "none"]
    assert sorted(none["sighting_id"]) == sorted(ships)
    assert none[["vessel_key", "mmsi", "gap_id"]].isna().all().all()
    named = matches[matches["hypothesis"] != "none"]
    assert set(named["vessel_key"]) <= set(case["vessels"]["vessel_key"])
    dark = matches[matches["hypothesis"] == "dark"]
    owner = case["gaps"].set_index("gap_id")["vessel_key"]
    in_gap, not_yet = dark[dark["gap_id"].notna()], dark[dark["gap_id"].isna()]
    assert (in_gap["gap_id"].map(owner) == in_gap["vessel_key"]).all()
    # Without a silence only before the ship was ever heard.
    heard = case["vessels"].set_index("vessel_key")["first_heard_utc"]
    seen = case["sightings"].set_index("sighting_id")["start_utc"]
    assert (not_yet["sighting_id"].map(seen) <= not_yet["vessel_key"].map(heard)).all()
    assert matches[matches["hypothesis"] == "transmitting"]["gap_id"].isna().all()
    assert not matches.duplicated(["sighting_id", "hypothesis", "vessel_key", "gap_id"]).any()


def check_evidence(case: Case) -> None:
    """Bits of a subject re-add to its probability, exactly; nothing has evidence that is not shown, or none that is."""
    evidence, trips = case["evidence"], case["round_trips"]
    named = case["matches"].query("hypothesis != 'none'")
    p = {
        **dict(zip(named["match_id"], named["p_match"], strict=True)),
        **dict(zip(trips["trip_id"], trips["p_trip"], strict=True)),
        **dict(zip(case["gaps"]["gap_id"], case["gaps"]["p_off"], strict=True)),
    }
    known = {subject: value for subject, value in p.items() if value == value}
    assert set(evidence["subject_id"]) == set(known)
    assert evidence["because"].str.len().gt(0).all()
    for subject, shown in evidence.groupby("subject_id"):
        assert list(shown["rank"]) == list(range(len(shown))), subject
        thousandths = [round(bits * 1000) for bits in shown["bits"]]
        assert list(shown["bits"]) == [n / 1000 for n in thousandths], subject
        assert abs(sum(thousandths)) <= 30_000, subject
        assert factors.probability(sum(thousandths) / 1000) == known[subject], subject


def check_trips(case: Case) -> None:
    """Flags, what they rest on, and what they point at."""
    trips, gaps, evidence = case["round_trips"], case["gaps"].set_index("gap_id"), case["evidence"]
    calls = set(case["port_calls"]["call_id"])
    for trip in trips.to_dict("records"):
        assert trip["dark_port"] == route().dark_port_id
        assert str(trip["weakest_link"]).strip()
        assert set(trip["call_ids"]) <= calls
        if trip["dark_start_utc"] is not pd.NaT and trip["dark_end_utc"] is not pd.NaT:
            assert trip["dark_start_utc"] <= trip["dark_end_utc"]
        shown = evidence[evidence["subject_id"] == trip["trip_id"]].set_index("factor")["bits"]
        if trip["is_flagged"]:
            assert trip["p_trip"] >= route().policy.flag_threshold
            assert trip["tier"] in ("seen", "inferred")
            assert shown.drop(["prior", "habit", "watch_list"]).sum() > 0, "flagged on reputation alone"
        if trip["tier"] not in ("seen", "inferred"):
            assert not trip["gap_ids"]
            continue
        mine = gaps.loc[trip["gap_ids"]]
        assert (mine["vessel_key"] == trip["vessel_key"]).all()
        assert (mine["state"] != "void").all()
        assert mine["start_utc"].is_monotonic_increasing
        assert trip["dark_start_utc"] >= mine["start_utc"].iloc[0]
        lists = {"watch_list", "registry"}
        for column, without in (("p_trip_without_habit", {"habit"}), ("p_trip_without_watchlist", lists)):
            rest = sum(round(b * 1000) for f, b in shown.items() if f not in without)
            assert trip[column] == factors.probability(rest / 1000), column
    assert not trips["trip_id"].duplicated().any()


def check_calls(case: Case) -> None:
    """A sighting is in one call at most, and every call rests on sightings that exist."""
    used = Counter(i for ids in case["port_calls"]["sighting_ids"] for i in ids)
    assert set(used) <= set(case["sightings"]["sighting_id"])
    assert set(used.values()) <= {1}
    assert all(len(ids) for ids in case["port_calls"]["sighting_ids"])
    of_call = {i: c.call_id for c in case["port_calls"].itertuples() for i in c.sighting_ids}
    for row in case["matches"].itertuples():
        assert of_call.get(row.sighting_id) == (row.call_id if isinstance(row.call_id, str) else None)


def check_gaps(case: Case) -> None:
    """P6: every gap is a silence of the raw positions of at least the threshold, and every such silence is a gap.

    A number that jumps faster than any ship is more than one hull, whose silences its rows together do not show: those are left
    to the tests of `segments`.
    """
    threshold = timedelta(hours=route().policy.min_gap_h)
    placed = case.positions.drop_nulls("lat_deg").sort("vessel_key", "time_utc", "source_row")
    lat, lon, time = (placed[c].to_numpy() for c in ("lat_deg", "lon_deg", "time_utc"))
    hours = np.maximum((time[1:] - time[:-1]) / np.timedelta64(1, "h"), 0.25)
    jumps = sphere.gc_km(lat[:-1], lon[:-1], lat[1:], lon[1:]) / units.KM_PER_NM / hours > 50
    own = placed["vessel_key"].to_numpy()
    ships = set(own)
    single = ships - set(own[1:][jumps & (own[1:] == own[:-1])])
    assert len(single) >= 0.5 * len(ships)
    gaps = case["gaps"][case["gaps"]["vessel_key"].isin(single)].reset_index(drop=True)
    wanted = set()
    heard = case.positions.filter(
        (pl.col("time_utc") <= case.result.as_of_utc) & pl.col("vessel_key").is_in(list(single))
    )
    for (key,), own in heard.sort("time_utc").group_by("vessel_key"):
        wanted |= {(key, a, b) for a, b in pairwise(own["time_utc"]) if b - a >= threshold}
    closed = gaps[~gaps["is_open"].astype(bool)]
    assert (closed["duration_h"] >= route().policy.min_gap_h).all()
    found = set(zip(closed["vessel_key"], closed["start_utc"], closed["end_utc"], strict=True))
    assert found == {(k, pd.Timestamp(a), pd.Timestamp(b)) for k, a, b in wanted}
    hours = (closed["end_utc"] - closed["start_utc"]).dt.total_seconds() / 3600
    pd.testing.assert_series_equal(closed["duration_h"], hours, check_names=False)
    late = gaps[gaps["is_open"].astype(bool)]
    assert (pd.Timestamp(case.result.as_of_utc) - late["start_utc"] >= threshold).all()


LAWS = [check_sightings, check_evidence, check_trips, check_calls, check_gaps]


@pytest.mark.parametrize("law", LAWS)
def test_half_the_example_keeps_the_laws(case: Case, law: Any) -> None:
    """Every table of the contract, on twelve days of simulated traffic."""
    assert len(case["round_trips"]) and case["round_trips"]["is_flagged"].any(), "nothing to check"
    law(case)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_the_whole_example_keeps_the_laws(whole: Case, law: Any) -> None:
    """The same on all 24 days."""
    law(whole)


def test_every_table_obeys_its_declaration(case: Case) -> None:
    """Declared columns, types and ranges; keys are unique and sorted."""
    for table in tables.PUBLIC:
        if table.name == "rejects":
            continue
        frame = pl.DataFrame(pl.from_arrow(tables.to_arrow(case[table.name], table)))
        _, broken = tables.check(frame, table)
        assert broken.is_empty(), (table.name, broken.select(*table.key, "rule").rows()[:3])
        assert not case[table.name].duplicated(list(table.key)).any(), table.name


def test_every_row_of_every_file_is_accounted_for(told: ghostships.Outcome, rows: Rows) -> None:
    """P4: rows read = accepted + duplicate + rejected, and the count is that of the raw file."""
    counted = {entry["role"]: entry for entry in told.manifest["inputs"]}
    for role, lines in rows.items():
        entry = counted[role]
        assert entry["rows_read"] == len(lines)
        assert entry["accepted"] + entry["duplicate"] + sum(entry["rejected"].values()) == len(lines)


# --- told differently, the same answer ---


def test_the_days_on_disk_give_the_tables_that_all_rows_in_memory_give(told: ghostships.Outcome, case: Case) -> None:
    """The days are a way to need little memory; nobody may be able to tell from the answer that they were there. (The bytes of
    rows refused late are looked up in the files afterwards: the analysis itself does not have them.)"""
    by_days = replace(told.result, rejects=told.result.rejects.with_columns(raw=pl.lit("")))
    assert_same(by_days, analysed(case.positions, case.inputs).result)


def test_shuffled_split_and_renamed_files_give_the_same_tables(
    told: ghostships.Outcome, rows: Rows, tmp_path: Path
) -> None:
    """P9: neither the order of rows, nor files' names and number, is a fact about ships. All at once, for time's sake; the next
    test tells them apart."""
    mixed = {name: random.Random(name).sample(found, len(found)) for name, found in rows.items()}
    given = {
        name: [
            written(tmp_path / name, "zz_second", found[: len(found) // 3]),
            written(tmp_path / name, "a first", found[len(found) // 3 :]),
        ]
        for name, found in mixed.items()
    }
    assert_same(told.result, outcome(given).result)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["reversed", "split", "renamed", "twice"])
def test_each_way_to_tell_the_same_gives_the_same_tables(
    told: ghostships.Outcome, rows: Rows, tmp_path: Path, how: str
) -> None:
    """P9, one at a time; a file delivered twice adds nothing."""
    if how == "split":
        given = {n: [written(tmp_path, f"{n}{i}", found[i::2]) for i in range(2)] for n, found in rows.items()}
    elif how == "renamed":
        given = {n: [written(tmp_path, f"x {n} 2020-01-01", found)] for n, found in rows.items()}
    elif how == "reversed":
        given = {n: [written(tmp_path, n, found[::-1])] for n, found in rows.items()}
    else:
        given = {n: [written(tmp_path, f"{n}{i}", found) for i in range(2)] for n, found in rows.items()}
    assert_same(told.result, outcome(given).result)


@pytest.mark.slow
def test_time_zone_locale_and_hash_seed_do_not_change_a_byte(rows: Rows, tmp_path: Path) -> None:
    """P9: three machines, one answer: every Parquet file has the same bytes."""
    given = files(tmp_path / "in", rows)
    hashes = []
    for number, (zone, locale, seed) in enumerate(
        [("UTC", "C.UTF-8", "0"), ("Asia/Vladivostok", "C", "1"), ("America/St_Johns", "tr_TR.UTF-8", "4242")]
    ):
        out = tmp_path / f"out{number}"
        command = [
            sys.executable,
            "-m",
            "ghostships",
            "run",
            str(given["ais"][0]),
            "--out",
            str(out),
            "--no-report",
            "-q",
        ]
        for name in ("sightings", "scenes", "vessels"):
            command += [f"--{name}", str(given[name][0])]
        env = {
            **os.environ,
            "TZ": zone,
            "LC_ALL": locale,
            "PYTHONHASHSEED": seed,
            "POLARS_MAX_THREADS": str(1 + number),
        }
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        hashes.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.glob("*.parquet"))})
    assert len(hashes[0]) >= 9
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_week_later_everything_is_the_same(case: Case) -> None:
    """Every clock moved by seven days: the same durations, reach, probabilities and verdicts; only ids and dates change.

    Ids are hashes of times, and silences are gone through in the order of their ids: the joint solution stops within 1e-4 of
    its fixed point, from another side. Probabilities may differ by that; verdicts may not.
    """
    week = timedelta(days=7)
    given = case.inputs
    moved = analysed(
        case.positions.with_columns(pl.col("time_utc") + week),
        replace(
            given,
            sightings=given.sightings.assign(
                start_utc=given.sightings["start_utc"] + week, end_utc=given.sightings["end_utc"] + week
            ),
            scenes=given.scenes.assign(
                start_utc=given.scenes["start_utc"] + week, end_utc=given.scenes["end_utc"] + week
            ),
        ),
    )
    assert moved.result.as_of_utc == case.result.as_of_utc + week
    key = ["vessel_key", "start_utc"]
    was, now = (c["gaps"].sort_values(key).reset_index(drop=True) for c in (case, moved))
    ids = dict(zip(was["gap_id"], now["gap_id"], strict=True))
    assert (now["start_utc"] - was["start_utc"] == week).all()
    same = [
        "vessel_key",
        "duration_h",
        "p_off",
        "expected_heard",
        "state",
        "n_other_ships_heard",
        "start_port",
        "end_port",
    ]
    pd.testing.assert_frame_equal(now[same], was[same])

    was, now = case["reach"].assign(gap_id=case["reach"]["gap_id"].map(ids)), moved["reach"]
    was = was.sort_values(["gap_id", "port"]).reset_index(drop=True)
    same = ["gap_id", "port", "slack_h", "needs_kn", "verdict"]
    pd.testing.assert_frame_equal(now[same], was[same])

    key = ["sighting_id", "hypothesis", "vessel_key", "gap_id"]
    p_was = case["matches"].assign(gap_id=case["matches"]["gap_id"].map(ids)).set_index(key)["p_match"]
    p_now = moved["matches"].set_index(key)["p_match"]
    # A row that is zero to six digits is left out: compare with 0 there.
    assert p_was.sub(p_now, fill_value=0.0).abs().max() < 1e-3
    key = ["vessel_key", "gap", "cycle"]
    trips_was, trips_now = (
        c["round_trips"].query("tier in ('seen', 'inferred') and p_trip > 0.02") for c in (case, moved)
    )
    trips_was = trips_was.assign(gap=[ids[g[0]] for g in trips_was["gap_ids"]]).set_index(key).sort_index()
    trips_now = trips_now.assign(gap=[g[0] for g in trips_now["gap_ids"]]).set_index(key).sort_index()
    same = ["tier", "is_flagged", "n_sightings", "origin_port", "destination_port", "slack_h"]
    pd.testing.assert_frame_equal(trips_now[same], trips_was[same])
    assert (trips_now["p_trip"] - trips_was["p_trip"]).abs().max() < 1e-3
    stays = [c["port_calls"].assign(s=["|".join(i) for i in c["port_calls"]["sighting_ids"]]) for c in (case, moved)]
    was, now = (s.sort_values("s").reset_index(drop=True) for s in stays)
    same = ["s", "port", "kind", "vessel_key", "length_m", "n_sightings", "in_trade"]
    pd.testing.assert_frame_equal(now[same], was[same])


# --- with less, no more is claimed ---


def test_without_sightings_nothing_is_seen_and_no_habit_is_known(case: Case) -> None:
    """Habit comes from pictured calls alone, and a tier "seen" needs a picture."""
    blank = replace(case.inputs, sightings=case.inputs.sightings.iloc[:0], scenes=case.inputs.scenes.iloc[:0])
    blind = analysed(case.positions, blank)
    assert blind["port_calls"].empty
    assert blind["matches"].empty
    assert set(blind["round_trips"]["tier"]) <= {"inferred"}
    habit = blind["evidence"].query("factor == 'habit'")
    assert (habit["bits"] <= 0).all()
    assert (blind["round_trips"]["n_sightings"] == 0).all()
    same = ["gap_id", "start_utc", "end_utc", "state", "p_off"]
    pd.testing.assert_frame_equal(blind["gaps"][same], case["gaps"][same])
    check_evidence(blind)
    check_trips(blind)


def test_without_ais_the_calls_are_still_there_and_no_ship_is_silent(case: Case) -> None:
    """Pictures alone: calls and unattributed voyages, but nobody has gone dark who was never heard."""
    unheard = analysed(case.positions.clear(), case.inputs)
    assert unheard["gaps"].empty
    assert unheard["reach"].empty
    used = {i for ids in unheard["port_calls"]["sighting_ids"] for i in ids}
    assert used == {i for ids in case["port_calls"]["sighting_ids"] for i in ids}
    assert set(unheard["port_calls"]["kind"]) == {"unattributed"}
    assert set(unheard["matches"]["hypothesis"]) == {"none"}
    assert (unheard["matches"]["p_match"] == 1).all()
    assert not unheard["round_trips"]["is_flagged"].any()
    assert set(unheard["round_trips"]["tier"]) <= {"pictures_only", "unattributed"}


def test_with_chosen_ships_only_nothing_says_off(case: Case) -> None:
    """`--scope selected`: silence of others proves nothing, so no gap may say that a transponder was switched off."""
    chosen = analysed(case.positions, case.inputs, scope="selected")
    assert len(chosen["gaps"]) == len(case["gaps"])
    assert chosen["gaps"]["p_off"].isna().all()
    assert not set(chosen["evidence"]["subject_id"]) & set(chosen["gaps"]["gap_id"])
    transponder = chosen["evidence"].query("factor == 'transponder'")
    assert len(transponder)
    assert (transponder["bits"] == 0).all()
    assert transponder["because"].str.startswith("cannot say").all()
    check_evidence(chosen)


def test_a_feed_outage_makes_no_trip(case: Case) -> None:
    """Nobody is heard for 14 hours: silences inside are the feed's. They hold no trip and explain no picture."""
    start, end = OUTAGE
    quiet = case.positions.filter(~pl.col("time_utc").is_between(start, end))
    cut = analysed(quiet, case.inputs)
    gaps = cut["gaps"]
    slack = timedelta(hours=2)
    inside = gaps["start_utc"].between(start - slack, start) & gaps["end_utc"].between(end, end + slack)
    assert inside.sum() >= 10
    assert (gaps.loc[inside, "state"] == "void").all()
    void = set(gaps.loc[gaps["state"] == "void", "gap_id"])
    assert not void & {g for ids in cut["round_trips"]["gap_ids"] for g in ids}
    assert not void & set(cut["matches"]["gap_id"].dropna())


def test_a_row_from_the_future_moves_nothing(case: Case) -> None:
    """P8: one ship's clock is a year ahead. No gap opens or closes, and the row is a reject.

    "Now" is when two ships were last heard. The ship of the future counts as one of them, so that the very last of the
    others may be the second: "now" may move by seconds to the last true message, never beyond.
    """
    last = case.positions["time_utc"].max()
    first = case.positions.head(1)
    ahead = first.with_columns(pl.col("time_utc") + timedelta(days=365), source_row=pl.lit(10**6, pl.Int64))
    given = pl.concat([case.positions, ahead])
    future = analysed(given, case.inputs)
    assert case.result.as_of_utc <= future.result.as_of_utc <= last
    pd.testing.assert_frame_equal(
        future["gaps"],
        case["gaps"][future["gaps"].columns].assign(
            start_source=future["gaps"]["start_source"], end_source=future["gaps"]["end_source"]
        ),
    )
    extra = future.result.rejects.filter(pl.col("row") == 10**6)
    assert extra["rule"].to_list() == ["time_future"]
    without, with_it = (analysed(p, case.inputs, as_of_utc=last).result for p in (case.positions, given))
    others = with_it.rejects.filter(pl.col("row") != 10**6)
    # What is said about the refused row is new, and must be; everything else is as it was.
    assert_same(without, replace(with_it, rejects=others, warnings=without.warnings))


@pytest.mark.slow
def test_rows_of_one_ship_change_no_other_ships_gaps(whole: Case) -> None:
    """P7: take one ship away; the silences and the reach of all others stay. Only fleet-level estimates may move."""
    gone = sorted(whole["gaps"]["vessel_key"].unique())[3]
    rest = analysed(whole.positions.filter(pl.col("vessel_key") != gone), whole.inputs)
    same = ["gap_id", "vessel_key", "segment_id", "start_utc", "end_utc", "duration_h", "distance_nm", "start_port"]
    for name, columns in (("gaps", same), ("reach", ["gap_id", "port", "slack_h", "needs_kn", "verdict"])):
        was = whole[name]
        mine = set(whole["gaps"].loc[whole["gaps"]["vessel_key"] == gone, "gap_id"])
        was = was[~was["gap_id"].isin(mine)].reset_index(drop=True)
        pd.testing.assert_frame_equal(rest[name][columns], was[columns])


@pytest.mark.slow
def test_the_example_finds_its_own_trips(whole: Case, fixtures: Path) -> None:
    """The example knows its truth: most flags are true dark calls of that ship, and no ship that made none leads the list. How
    many must be found over many seeds is the business of the evaluation."""
    truth = pl.read_parquet(fixtures / "demo" / "truth" / "trips.parquet").to_pandas()

    def is_true(trip: Any) -> bool:
        mine = truth[truth["vessel_key"] == trip.vessel_key]
        return bool(((mine["off_utc"] <= trip.dark_end_utc) & (mine["on_utc"] >= trip.dark_start_utc)).any())

    flagged = whole["round_trips"].query("is_flagged").sort_values("p_trip", ascending=False)
    right = [is_true(trip) for trip in flagged.itertuples()]
    assert right[0]
    assert sum(right) > len(right) / 2


def test_the_demo_request_is_the_example(told: ghostships.Outcome) -> None:
    """`ghostships demo` runs the files these laws are held against."""
    request = job.demo_request()
    assert {Path(p).parent.name for p in request.ais} == {"demo"}
    assert told.manifest["is_simulated"]
    assert math.isclose(told.manifest["thresholds"]["min_gap_h"], route().policy.min_gap_h)
