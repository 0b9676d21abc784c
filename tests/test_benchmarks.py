"""The bulk day that performance is measured on: its truth must be true, or the benchmarks compare wrong answers."""

from __future__ import annotations

import gzip
import importlib
import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def bulk_day(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("bulk_day")


def _counted_by_hand(path: Path) -> dict[str, int]:
    """The file read line by line with nothing but the standard library."""
    n = {"rows": 0, "duplicates": 0, "n_broken": 0, "gaps": 0, "gap_seconds": 0, "vessel_hours": 0}
    seen: set[str] = set()
    ships: dict[str, list[datetime]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").split("\n")[1:]:
        n["rows"] += 1
        cells = line.split(",")
        try:
            is_good = len(cells) == 17 and len(cells[0]) == 9 and 201 <= int(cells[0][:3]) <= 775
            is_good = is_good and cells[0].isdigit() and abs(float(cells[2])) <= 90 and abs(float(cells[3])) <= 180
            time = datetime.strptime(cells[1] + "+0000", "%Y-%m-%dT%H:%M:%S%z") if is_good else None
        except ValueError:
            time = None
        if time is None or time.year < 2000:
            n["n_broken"] += 1
        elif line in seen:
            n["duplicates"] += 1
        else:
            seen.add(line)
            ships[cells[0]].append(time)
    for times in ships.values():
        times.sort()
        steps = [(b - a).total_seconds() for a, b in zip(times[:-1], times[1:], strict=True)]
        n["gaps"] += sum(step >= 6 * 3600 for step in steps)
        n["gap_seconds"] += int(sum(step for step in steps if step >= 6 * 3600))
        n["vessel_hours"] += len({time.replace(minute=0, second=0) for time in times})
    return {**n, "good": len(seen), "vessels": len(ships)}


def test_the_truth_of_a_bulk_day_is_what_its_lines_say(bulk_day: Any, tmp_path: Path) -> None:
    """Rows, duplicates, broken rows, ships, hours and silences, counted again by other means, silences across midnight too."""
    [(path, _)] = bulk_day.make(tmp_path / "days.csv", rows=15_000, vessels=120, days=2, seed=5)
    truth = json.loads((tmp_path / "days.json").read_text())
    counted = _counted_by_hand(path)
    assert counted == {name: truth[name] for name in counted}
    assert truth["rows"] == 30_000
    assert truth["gaps"] > 10
    assert set(truth["broken"]) == {*bulk_day.DAMAGE, "last_line_cut"}
    assert not path.read_bytes().endswith(b"\n")


def test_days_in_files_of_their_own_have_a_truth_each_and_one_together(bulk_day: Any, tmp_path: Path) -> None:
    """A silence across midnight is in no file alone: the truth of all together has more of them than the files."""
    made = bulk_day.make(tmp_path / "days.csv", rows=15_000, vessels=120, days=3, split=True, seed=5)
    *each, (_, together) = [(path, truth) for path, truth in made]
    assert [path.name for path, _ in each] == [f"days-2024-06-{day}.csv" for day in (14, 15, 16)]
    for path, truth in each:
        counted = _counted_by_hand(path)
        assert counted == {name: getattr(truth, name) for name in counted}
    assert together.good == sum(truth.good for _, truth in each)
    assert together.gaps > sum(truth.gaps for _, truth in each)


def test_the_same_arguments_give_the_same_day_and_another_seed_another(bulk_day: Any, tmp_path: Path) -> None:
    """Figures of two machines are compared on the same bytes."""
    files = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        bulk_day.make(path, rows=3_000, vessels=12, seed=seed)
    first, second, other = (path.read_bytes() for path in files)
    assert first == second != other


def test_containers_hold_the_day_unchanged(bulk_day: Any, tmp_path: Path) -> None:
    """What is measured of compressed input is measured on the same rows."""
    [(path, _)] = bulk_day.make(tmp_path / "day.csv", rows=3_000, vessels=12)
    pack = importlib.import_module("pack")
    gz, zst, packed = (pack.twin(path, kind) for kind in pack.KINDS)
    with zipfile.ZipFile(packed) as archive:
        unpacked = archive.read("day.csv")
    with zstandard.open(zst, "rb") as stream:
        assert gzip.decompress(gz.read_bytes()) == stream.read() == unpacked == path.read_bytes()


def test_the_peers_find_what_is_there(bulk_day: Any, tmp_path: Path) -> None:
    """A peer with another answer did another job, and its figures would compare nothing."""
    [(path, truth)] = bulk_day.make(tmp_path / "day.csv", rows=15_000, vessels=120, seed=3)
    expected = {name: getattr(truth, name) for name in ("good", "vessels", "vessel_hours", "gaps", "gap_seconds")}
    assert expected["gaps"]
    for script in ("polars_gaps.py", "pandas_gaps.py"):
        words = [sys.executable, str(BENCHMARKS / "peers" / script), str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == expected, script
