"""What other publishers say, in the scheduled run: published beside the tables, kept in the store, the cause of no change."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import small_world

from ghostships import explain, nightly, tables
from ghostships.nights import originals
from ghostships.report import folder as report_folder
from ghostships.report import parquet
from ghostships.store import Store

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
context = "context"
[policy]
settle_s = 0
lookback_days = 30
"""
HEAD = "gap_id,mmsi,gap_start_timestamp,gap_start_lat,gap_start_lon,gap_end_timestamp\n"
NOW = datetime(2019, 3, 8, tzinfo=UTC)


def test_context_is_published_kept_and_blamed_for_nothing(tmp_path: Path) -> None:
    """Night one has an export of gaps; night two another, and a flag that stands: its row of revisions stays the only one."""
    small_world.write(tmp_path / "world")
    for role, name in (("inbox", "ais"), ("sightings", "sightings"), ("scenes", "scenes"), ("vessels", "vessels")):
        (tmp_path / role).mkdir()
        (tmp_path / "world" / f"{name}.csv").rename(tmp_path / role / f"{name}.csv")
    (tmp_path / "world" / "route.toml").rename(tmp_path / "route.toml")
    (tmp_path / "context").mkdir()
    row = f"{{}},{small_world.SILENT_MMSI},2019-03-03 00:00:00,42.6,132.9,2019-03-05 12:00:00\n"
    (tmp_path / "context" / "one.csv").write_text(HEAD + row.format("a"), encoding="utf-8")
    (tmp_path / "ghostships.toml").write_text(CONFIG, encoding="utf-8")

    nightly.run(tmp_path / "ghostships.toml", now_utc=NOW + timedelta(hours=1), as_of_utc=NOW)
    first, manifest = report_folder.read(tmp_path / "out")
    (said,) = first["context"].to_dict("records")
    (trip,) = first["round_trips"].to_dict("records")
    assert (said["agrees_with"], said["overlap_h"]) == (trip["gap_ids"][0], 60.0)
    assert manifest["context"][0]["publisher"] == "Global Fishing Watch"
    told = explain.explain(tmp_path / "out", trip["trip_id"])
    (tmp_path / "context" / "one.csv").rename(tmp_path / "gone.csv")
    raw = explain.raw_lines(tmp_path / "out", told, restore=originals.restore)
    assert row.format("a").strip() in [line.raw for line in raw], "the line, from the bytes that the store keeps"

    (tmp_path / "context" / "two.csv").write_text(HEAD + row.format("b"), encoding="utf-8")
    night = nightly.run(tmp_path / "ghostships.toml", now_utc=NOW + timedelta(hours=2), as_of_utc=NOW)
    second, _ = report_folder.read(tmp_path / "out")
    assert second["context"]["publisher_id"].to_list() == ["b"]
    assert night.facts["has_changed"]
    assert night.facts["changes"] == []
    history = parquet.read_table(tmp_path / "out" / "revisions.parquet", tables.REVISIONS)
    assert history["reason"].to_list() == ["new"]
    assert not list(Store.open(tmp_path / "store").check())
    (tmp_path / "context" / "three.json").write_text(json.dumps({"entries": []}), encoding="utf-8")
    night = nightly.run(
        tmp_path / "ghostships.toml", now_utc=NOW + timedelta(hours=3), as_of_utc=NOW + timedelta(days=1)
    )
    assert not {one["reason"] for one in night.facts["changes"]} - {"as_of"}, "only time went on"
    assert any("three.json" in warning for warning in night.facts["warnings"]), "an empty export is said"
