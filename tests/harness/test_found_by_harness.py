"""What the harness has found, each as a small case of its own, so that it is found again at once."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import night_world
import pytest
import schedules
from faults import Tally
from night_world import DAYS, END, Place

from ghostships.bulk import files as bulk_files
from ghostships.errors import GhostshipsError
from ghostships.readers import containers
from ghostships.report import geo
from ghostships.report import parquet as report_parquet
from ghostships.tables import PUBLIC


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Six days in the inbox, no night yet; nights leave out the page and the layers."""
    place = Place(tmp_path / "place")
    for day in DAYS:
        place.put(f"ais_{day}.csv", night_world.of_day(day))
    with night_world.core_only():
        yield place


def _once(function: Callable[..., Any], code: int) -> Callable[..., Any]:
    """The function, whose third call fails as the system would have it."""
    calls = []

    def call(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(code, os.strerror(code))
        return function(*args, **more)

    return call


@pytest.mark.slow
def test_a_disk_that_is_full_while_a_delivery_is_taken_does_not_refuse_the_delivery(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is at fault, not the file: the night fails, and the next has every row. (It was refused, and for ever.)"""
    with monkeypatch.context() as broken:
        broken.setattr(bulk_files.DayWriter, "add", _once(bulk_files.DayWriter.add, errno.ENOSPC))
        with pytest.raises((GhostshipsError, OSError), match="(?i)full|space"):
            place.night()
    night = place.night()
    assert (night.exit_status, night.facts["deliveries"]["new"], night.facts["refused"]) == (0, len(DAYS), [])
    assert night.facts["rows"]["accepted"] == len(night_world.ROWS)


@pytest.mark.slow
def test_a_delivery_that_cannot_be_read_tonight_is_read_when_it_can_be(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network share that stutters: said tonight, and tried again without anybody touching the file. (It was refused for ever.)"""

    def unreadable(_file: object) -> Iterator[bytes]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield b""

    with monkeypatch.context() as broken:
        plain = containers._plain
        broken.setattr(containers, "_plain", lambda file: (unreadable if _is(file, DAYS[2]) else plain)(file))
        first = place.night()
    assert first.exit_status == 3
    assert len(first.facts["refused"]) == 1
    second = place.night()
    assert (second.exit_status, second.facts["refused"]) == (0, [])
    assert second.facts["rows"]["accepted"] == len(night_world.ROWS)


def _is(file: Any, day: str) -> bool:
    """Whether an open file holds this day: it is opened by number, and has no name."""
    at = file.tell()
    file.seek(0)
    head = file.read(200)
    file.seek(at)
    return head.startswith(night_world.HEADER.encode()) and day.encode() in head


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE gpkg_ogr_contents SET feature_count = 7 WHERE table_name = 'gaps'",
        "UPDATE gpkg_contents SET min_x = NULL, min_y = NULL, max_x = NULL, max_y = NULL WHERE table_name = 'gaps'",
        "DROP TRIGGER trigger_insert_feature_count_gaps",
        "PRAGMA application_id = 0",
    ],
)
@pytest.mark.slow
def test_layers_that_gdal_did_not_finish_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """What is left when a write fails as GDAL closes a file, which it tells nobody: counts, extents and triggers are missing."""
    place = Place(tmp_path / "place")
    for day in DAYS:
        place.put(f"ais_{day}.csv", night_world.of_day(day))
    with night_world.core_only():
        place.night(END)
    frames = {
        table.name: report_parquet.read_table(place.out / f"{table.name}.parquet", table)
        for table in PUBLIC
        if table.name != "rejects"
    }
    assert len(frames["gaps"])
    finish = geo._finish

    def unfinished(path: Path, **said: object) -> None:
        finish(path, **said)
        base = sqlite3.connect(path)
        base.execute(harm)
        base.commit()
        base.close()

    geo.write_layers(frames, tmp_path / "whole.gpkg")
    monkeypatch.setattr(geo, "_finish", unfinished)
    with pytest.raises(OSError, match="finished|rows"):
        geo.write_layers(frames, tmp_path / "unfinished.gpkg")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 8])
def test_rows_that_came_before_their_day_are_named_when_it_comes(tmp_path: Path, seed: int) -> None:
    """P5: a flag appears or closes by a delivery of an earlier night, whose rows lay after the as-of. (None was named.)"""
    tally = Tally()
    schedules.check(tmp_path / "s", seed, whole=False, with_run=False, tally=tally)
    assert tally.bad == []
