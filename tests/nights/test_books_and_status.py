"""What the store remembers, and what the monitor reads."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ghostships import program
from ghostships.nights import books, status, taking
from ghostships.store import disk

NOW = datetime(2024, 3, 12, 2, tzinfo=UTC)


def _delivery() -> books.Delivery:
    stream = books.Stream("", "a" * 64, 10, "plain", "utf-8", 5, 3, 1, {"mmsi_format": 1}, ("note",))
    part = books.Part(
        date(2024, 3, 11),
        "a" * 12,
        {"positions": "positions/2024-03-11/x.parquet"},
        3,
        2,
        NOW,
        NOW + timedelta(seconds=1),
    )
    return books.Delivery("a" * 64, 10, date(2024, 3, 12), "code", None, (stream,), (part,), None, "raw/a.zst")


def test_the_books_come_back_from_json_as_they_were() -> None:
    """A generation is read by the next night: nothing may be lost or change its type on the way."""
    found = books.Books(
        arrivals=frozenset({("x.csv", "a" * 64)}),
        deliveries={"a" * 64: _delivery()},
        days={date(2024, 3, 11): books.Day(("p",), "code", {"positions": "q"}, {"a" * 12: 3})},
        lists={"vessels": {"v.csv": books.ListFile("b" * 64, None, "raw/b.zst")}},
        seen={"x.csv": (1, 2, 3, 4, "a" * 64)},
        in_force=frozenset({"a" * 64}),
        thought={"as_of_utc": "2024-03-12T00:00:00Z"},
        outcome={"drawn": 3, "tables": {"gaps": "gaps/published/y.parquet"}},
    )
    payload = json.loads(json.dumps(found.as_payload()))
    assert books.of_payload(payload) == found
    assert found.objects == {
        "positions/2024-03-11/x.parquet",
        "raw/a.zst",
        "q",
        "raw/b.zst",
        "gaps/published/y.parquet",
    }


def test_books_of_another_format_are_refused() -> None:
    """An older program must not misread what a newer one wrote."""
    with pytest.raises(ValueError, match="format 99"):
        books.of_payload({**books.Books().as_payload(), "books": 99})


@pytest.mark.parametrize(("age_days", "is_kept"), [(400, True), (401, False)])
def test_original_bytes_go_after_their_retention_and_no_day_sooner(age_days: int, is_kept: bool) -> None:
    """The last row of the file is what counts: for whoever may still be asked for the original line."""
    as_of = date(2024, 3, 11) + timedelta(days=age_days)
    assert (taking.retired(_delivery(), as_of=as_of, raw_days=400).raw is not None) == is_kept
    assert taking.retired(_delivery(), as_of=as_of, raw_days="forever").raw is not None


def test_a_failure_never_hides_the_last_success(tmp_path: Path) -> None:
    """The monitor sees both: that tonight failed and why, and what was last known to be good."""
    path = tmp_path / "status.json"
    status.succeeded(path, {"generation": 7}, started_utc=NOW, finished_utc=NOW, exit_status=3)
    status.failed(path, "disk full", started_utc=NOW, finished_utc=NOW + timedelta(days=1), exit_status=1)
    found = status.read(path)
    assert found["last_run"]["error"] == "disk full"
    assert found["last_run"]["exit_status"] == 1
    assert found["last_success"]["generation"] == 7
    assert found["last_success"]["exit_status"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_a_torn_status_does_not_stop_the_night(tmp_path: Path) -> None:
    """Whatever stands there, it is replaced."""
    path = tmp_path / "status.json"
    path.write_text('{"last_succ', encoding="utf-8")
    status.failed(path, "x", started_utc=NOW, finished_utc=NOW, exit_status=1)
    assert status.read(path)["last_success"] is None


def test_the_old_status_stands_when_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written aside, synced, renamed: a full disk leaves the old words, whole."""
    path = tmp_path / "status.json"
    status.succeeded(path, {"generation": 7}, started_utc=NOW, finished_utc=NOW, exit_status=0)
    before = path.read_bytes()

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "fsync_file", full)
    with pytest.raises(OSError, match="No space"):
        status.failed(path, "x", started_utc=NOW, finished_utc=NOW, exit_status=1)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_an_upgrade_is_named_by_what_changed() -> None:
    """The reason of a revision says which library, or that only our own code is other."""
    now = program.thinking()
    assert program.difference(now, now) == ""
    assert program.difference(now | {"polars": "0.1"}, now) == f"polars 0.1 to {now['polars']}"
    assert program.difference(now | {"code": "x"}, now) == "other code of the same version"
