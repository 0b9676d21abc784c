"""What other publishers say, beside what we found: which rows agree, what each lacks, and that no probability ever knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small_world

from ghostships import context, explain, intake, job, routes, tables
from ghostships.answers import of_explanation
from ghostships.errors import UsageError
from ghostships.report import folder as report_folder

NOW = pd.Timestamp("2019-03-31", tz="UTC")


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def frame(table: tables.Table, *rows: dict[str, Any]) -> pd.DataFrame:
    """Rows with what they say; everything else is missing, 0 or empty as its column allows."""
    empty = {"str": "", "int64": 0, "float64": 0.0, "bool": False, "time": NOW, "list[str]": []}
    filled = [
        {
            c.name: row.get(c.name, None if c.nullable and c.dtype != "list[str]" else empty[c.dtype])
            for c in table.columns
        }
        for row in rows
    ]
    return tables.to_pandas(pd.DataFrame(filled, columns=table.names), table)


def said(kind: str, start: str | None, end: str | None, **more: Any) -> dict[str, Any]:
    times = {"start_utc": utc(start) if start else None, "end_utc": utc(end) if end else None}
    return {"context_id": f"X-{kind}-{start}-{end}", "kind": kind, "publisher": "THEY", **times, **more}


def gap(name: str, start: str, end: str | None, key: str = "mmsi:799000001", state: str = "closed") -> dict[str, Any]:
    times = {"start_utc": utc(start), "end_utc": utc(end) if end else None}
    return {"gap_id": name, "vessel_key": key, **times, "is_open": end is None, "state": state}


SHIPS = frame(
    tables.VESSELS,
    {"vessel_key": "mmsi:799000001", "all_mmsi": ["799000001"], "all_imo": ["7990008"]},
    {"vessel_key": "mmsi:799000002", "all_mmsi": ["799000002"], "all_imo": ["7990010"]},
    {"vessel_key": "mmsi:799000009", "all_mmsi": ["799000009"], "all_imo": ["7990008"]},
)
GAPS = frame(
    tables.GAPS,
    gap("G-A", "2019-03-03 00:00", "2019-03-05 12:00"),
    gap("G-B", "2019-03-10 00:00", "2019-03-10 08:00"),
    gap("G-C", "2019-03-28 00:00", None, state="open"),
    gap("G-OTHER", "2019-03-03 00:00", "2019-03-05 12:00", key="mmsi:799000002"),
)
CALLS = frame(
    tables.PORT_CALLS,
    {
        "call_id": "C-A",
        "port": "NAJIN",
        "vessel_key": "mmsi:799000001",
        "arrival_not_before_utc": utc("2019-03-03 06:00"),
        "arrival_not_after_utc": utc("2019-03-04 00:00"),
        "departure_not_before_utc": utc("2019-03-04 06:00"),
        "departure_not_after_utc": None,
    },
)


def beside(*rows: dict[str, Any], gaps: pd.DataFrame = GAPS) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    found = context.beside(frame(tables.CONTEXT, *rows), gaps, CALLS, SHIPS, as_of_utc=NOW.to_pydatetime())
    return found.rows.to_dict("records"), found.facts


@pytest.mark.parametrize(
    ("row", "agrees", "hours", "by"),
    [
        (said("gap", "2019-03-03 06:00", "2019-03-05 18:00", mmsi=799000001), "G-A", 54.0, "MMSI"),
        (said("gap", "2019-03-03 06:00", "2019-03-05 18:00", imo=7990010), "G-OTHER", 54.0, "IMO"),
        (said("gap", "2019-03-05 12:00", "2019-03-06 00:00", mmsi=799000001), None, None, "MMSI"),
        (said("gap", "2019-03-29 00:00", None, mmsi=799000001), "G-C", 48.0, "MMSI"),
        (said("gap", "2019-03-03 06:00", "2019-03-05 18:00", mmsi=799000777), None, None, None),
        (said("gap", "2019-03-03 06:00", "2019-03-05 18:00", vessel_name="SIM HARE"), None, None, None),
        (said("port_call", "2019-03-03 00:00", "2019-03-03 08:00", mmsi=799000001, port="NAJIN"), "C-A", 2.0, "MMSI"),
        (said("port_call", "2019-03-04 01:00", None, mmsi=799000001, port="NAJIN"), "C-A", 0.0, "MMSI"),
        (said("port_call", "2019-03-04 01:00", None, mmsi=799000001, port="DUNAY"), None, None, "MMSI"),
        (said("picture", "2019-03-04 01:00", "2019-03-04 01:00", port="NAJIN"), None, None, None),
    ],
    ids=["mmsi", "imo", "touching", "open", "stranger", "name-only", "call", "arrival-only", "other-port", "picture"],
)
def test_agreement_is_the_same_ship_and_time_in_common(
    row: dict[str, Any], agrees: str | None, hours: float | None, by: str | None
) -> None:
    """Hours counted by hand; a name links nothing; an end that touches a start has nothing in common; open lasts until now."""
    (found,), _ = beside(row)
    assert (found["agrees_with"] if isinstance(found["agrees_with"], str) else None) == agrees
    assert (None if pd.isna(found["overlap_h"]) else found["overlap_h"]) == hours
    assert (found["matched_by"] if isinstance(found["matched_by"], str) else None) == by


def test_one_row_may_agree_with_several_of_ours() -> None:
    """A publisher that hears less sees one silence where we see two: the longer is named first, the other is not lost."""
    (found,), _ = beside(said("gap", "2019-03-02 00:00", "2019-03-11 00:00", mmsi=799000001))
    assert (found["agrees_with"], found["overlap_h"], found["agrees_also_with"]) == ("G-A", 60.0, ["G-B"])


def test_a_call_that_others_put_into_a_silence_says_so() -> None:
    """They have it at another port while we hear nothing: it agrees with no call of ours, and names the silence."""
    (found,), _ = beside(said("port_call", "2019-03-03 10:00", "2019-03-04 11:00", mmsi=799000001, port="DUNAY"))
    assert (pd.isna(found["agrees_with"]), found["in_gap_id"]) == (True, "G-A")


def test_two_numbers_that_mean_two_ships_are_not_one() -> None:
    """MMSI of one, IMO of another: the MMSI links, and the contradiction is told."""
    (found,), _ = beside(said("gap", "2019-03-03 06:00", "2019-03-05 18:00", mmsi=799000002, imo=7990008))
    assert (found["vessel_key"], found["agrees_with"]) == ("mmsi:799000002", "G-OTHER")
    assert "another ship" in found["matched_by"]
    (found,), _ = beside(said("gap", "2019-03-03 06:00", "2019-03-05 18:00", imo=7990008))
    assert (found["vessel_key"], found["agrees_with"]) == ("mmsi:799000001", "G-A"), (
        "one IMO under two MMSIs: both looked at"
    )


def test_what_a_publisher_lacks_is_asked_only_where_it_could_have_it() -> None:
    """Of the ships and the time that its rows cover, and not of what is shorter than all it lists, or void here."""
    gaps = pd.concat([GAPS, frame(tables.GAPS, gap("G-VOID", "2019-03-12 00:00", "2019-03-14 00:00", state="void"))])
    rows = [
        said("gap", "2019-03-01 00:00", "2019-03-01 12:00", mmsi=799000001),
        said("gap", "2019-03-20 00:00", "2019-03-21 12:00", mmsi=799000001),
    ]
    _, (fact,) = beside(*rows, gaps=gaps)
    assert (fact["n_rows"], fact["n_agree"], fact["n_ours_compared"]) == (2, 0, 1)
    assert fact["lacks"] == ["G-A"], (
        "not G-B (8 h, they list from 12 h), G-C (begins later), G-OTHER (not their ship), G-VOID"
    )
    _, (fact,) = beside(*rows, said("gap", "2019-03-04 00:00", "2019-03-07 00:00", mmsi=799000001), gaps=gaps)
    assert fact["lacks"] == []


def test_archives_are_named_where_a_picture_would_tell() -> None:
    """Only at that port and in that time, and only when a catalogue was searched at all."""
    asked = [{"port": "NAJIN", "start_utc": "2019-03-04T00:00:00Z", "end_utc": "2019-03-04T06:00:00Z", "bits": 0.4}]
    offers = frame(
        tables.CONTEXT,
        said("picture", "2019-03-04 05:00", "2019-03-04 05:00", port="NAJIN;POSYET", publisher_id="S-IN"),
        said("picture", "2019-03-04 05:01", "2019-03-04 05:01", port="DUNAY", publisher_id="S-ELSEWHERE"),
        said("picture", "2019-03-04 07:00", "2019-03-04 07:00", port="NAJIN", publisher_id="S-LATER"),
    )
    assert context.archive(asked, offers) == [{**asked[0], "archive": ["S-IN"]}]
    assert context.archive(asked, offers.iloc[:0]) == asked


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_world.write(tmp_path_factory.mktemp("world"))
    events = [
        {
            "id": "g-1",
            "type": "gap",
            "start": "2019-03-03T00:00:00.000Z",
            "end": "2019-03-05T11:00:00.000Z",
            "vessel": {"ssvid": str(small_world.SILENT_MMSI), "name": "SIM \u202eERAH <script>"},
            "position": {"lat": 42.6, "lon": 132.9},
            "gap": {"intentionalDisabling": True},
        }
    ]
    (folder / "gaps.json").write_text(json.dumps({"total": 1, "entries": events}), encoding="utf-8")
    items = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"OFFER-{day}",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[130.2, 42.1], [130.5, 42.1], [130.5, 42.4], [130.2, 42.4], [130.2, 42.1]]],
            },
            "properties": {"datetime": f"2019-03-{day:02d}T03:00:00Z", "platform": "sentinel-2a", "eo:cloud_cover": 0},
        }
        for day in range(1, 7)
    ]
    (folder / "stac.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")
    return folder


def ask(world: Path, **more: Any) -> job.Outcome:
    given = {name: world / f"{name}.csv" for name in ("sightings", "scenes", "vessels")}
    given |= {name: more.pop(name) for name in list(given) if name in more}
    return job.run(world / "ais.csv", route=world / "route.toml", **given, **more)


def test_no_probability_knows_what_others_say(world: Path, tmp_path: Path) -> None:
    """With and without their rows, and with a month of offered pictures: every other table is the same, to the last bit."""
    folder = tmp_path / "out"
    told = ask(world, out=folder, context=world / "gaps.json", scenes=[world / "scenes.csv", world / "stac.json"])
    assert sorted(told["context"]["kind"].value_counts().items()) == [("gap", 1), ("picture", 6)]
    before = {table.name: (folder / f"{table.name}.parquet").read_bytes() for table in tables.PUBLIC}
    found, manifest = report_folder.read(folder)
    assert {fact["publisher"] for fact in manifest["context"]} == {"Global Fishing Watch", "STAC catalogue"}
    assert manifest["inputs"][-1]["role"] == "context"
    assert any("stac.json" in warning and "weigh nothing" in warning for warning in told.warnings), "nobody is misled"
    assert all(check.status == "verified" for check in report_folder.verify(folder))
    assert len(found["context"]) == 7

    explained = explain.explain(folder, told["round_trips"]["trip_id"].iloc[0])
    assert explained.agrees
    lines = explain.raw_lines(folder, explained)
    text = "\n".join(of_explanation(explained, lines))
    assert "other publishers say (in none of the sums above)" in text
    assert "59 h in common" in text
    assert "\u202e" not in text
    assert '"id": "g-1"' in text, "the original object, from the file whose hash still fits"

    plain = ask(world, out=folder)
    assert "context" not in plain
    assert not (folder / "context.parquet").exists(), "what is not given any more does not stay behind"
    for table in tables.PUBLIC:
        assert (folder / f"{table.name}.parquet").read_bytes() == before[table.name], table.name


def test_context_may_be_a_folder_or_a_pattern(world: Path) -> None:
    """Exports come by the dozen; what is not there is an error before anything is read."""
    there = job.Request(ais=(str(world / "ais.csv"),), context=(str(world / "gap*.json"),))
    assert job._files(there)["context"] == [world / "gaps.json"]
    with pytest.raises(UsageError, match="--context: .*no such file"):
        job._files(job.Request(ais=(str(world / "ais.csv"),), context=(str(world / "nothing.json"),)))


def test_the_same_export_twice_counts_once(world: Path, tmp_path: Path) -> None:
    """Two deliveries that overlap: equal rows once, and an offered picture that a list says was looked at is a scene."""
    again = json.loads((world / "stac.json").read_text())
    again["features"] = again["features"][:2]
    again["features"][0]["properties"]["ghostships:looked"] = True
    (tmp_path / "again.json").write_text(json.dumps(again), encoding="utf-8")
    copy = json.loads((world / "gaps.json").read_text())
    (tmp_path / "copy.json").write_text(json.dumps(copy, indent=1), encoding="utf-8")
    found = intake.read(
        [],
        sighting_files=(),
        scene_files=[world / "stac.json", tmp_path / "again.json"],
        vessel_files=(),
        context_files=[world / "gaps.json", tmp_path / "copy.json"],
        dialect=None,
        route=routes.load(),
    )
    assert found.scenes["scene_id"].to_list() == ["OFFER-1"]
    assert sorted(found.context["publisher_id"]) == ["OFFER-2", "OFFER-3", "OFFER-4", "OFFER-5", "OFFER-6", "g-1"]
    for one in found.entries:
        assert one.rows_read == one.accepted + one.duplicate + sum(one.rejected.values())
    counts = {Path(one.path).name: (one.accepted, one.duplicate) for one in found.entries}
    # Which of two equal files counts is decided by the smaller hash; together they say one gap, six pictures.
    assert sorted((counts["gaps.json"], counts["copy.json"])) == [(0, 1), (1, 0)]
    assert sum(counts[name][0] for name in ("stac.json", "again.json")) == 6
    assert sum(counts[name][1] for name in ("stac.json", "again.json")) == 2
