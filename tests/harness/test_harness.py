"""A seeded sample of the harness in `make test`, and what its own instruments must be able to see.

Every part is a process of its own (some run under the shim, all with Polars untouched before a fork). The whole of it is
`make harness`; what it found is in docs/reliability.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import disk_shim
import mutations
import pytest
from disk_model import Disk, Step

from ghostships.store import disk, folder

HERE = Path(__file__).parent
Sample = Callable[..., dict[str, int]]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """Run the short form of a part; what it counted."""

    def run(part: str) -> dict[str, int]:
        command = [sys.executable, str(HERE), part, "--share", "sample", "--results", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        result = tmp_path / f"{part}.json"
        assert result.is_file(), done.stderr[-2000:]
        told: dict[str, Any] = json.loads(result.read_bytes())
        assert told["bad"] == []
        assert done.returncode == 0
        return dict(told["counts"])

    return run


needs_compiler = pytest.mark.skipif(disk_shim.compiler() is None, reason="the shim is C: `make compiler` installs one")


@pytest.mark.slow
def test_ten_schedules_end_as_one_batch(sample: Sample) -> None:
    """P1, P4, P5, P6: whatever had arrived by each night, the tables, the books, the flags and the gaps are right in the end."""
    counts = sample("schedules")
    assert counts["schedules"] == 10
    assert counts["gaps compared by hand"] > 25
    assert counts["flags followed"] > 2


@pytest.mark.slow
@needs_compiler
def test_every_kind_of_call_may_fail_and_the_night_after_is_right(sample: Sample) -> None:
    """F1: errors and kills at sampled calls of whole nights, then the same night again; law P2."""
    errors, kills = sample("faults-errors"), sample("faults-kills")
    assert errors["ENOSPC"] == errors["EIO"] == 6
    assert kills["kills"] == 10


@pytest.mark.slow
@needs_compiler
def test_a_delivery_that_could_not_be_read_tonight_is_read_the_night_after(sample: Sample) -> None:
    """EIO on a read: nothing is taken for empty, and nothing is refused for ever."""
    assert sample("faults-reads")["reads that fail"] >= 5


@pytest.mark.slow
def test_ten_kills_at_random_moments_harm_nothing(sample: Sample) -> None:
    """F2: `kill -9` of the process of a night."""
    assert sample("kills")["kills"] == 10


@pytest.mark.slow
@needs_compiler
def test_twenty_power_losses_leave_one_whole_night(sample: Sample) -> None:
    """F3: what was not synced is lost, torn or out of order; the store and the folder show one night, and the next heals."""
    assert sample("power")["power losses"] == 20
    assert sample("looks")["kills, only read"] > 30


@pytest.mark.slow
def test_readers_beside_two_runners_see_whole_nights(sample: Sample) -> None:
    """F4 and P3: two timers, two readers, one store; the second runner ends with 75 and names the first."""
    counts = sample("readers")
    assert min(counts["nights"], counts["readings"], counts["refusals with status 75"]) > 0


@pytest.mark.slow
def test_real_limits_end_in_one_line_and_heal(sample: Sample) -> None:
    """F5: a file system that is full, a limit on the size of files."""
    assert sample("limits")["file-size limit: the night failed"] > 0


@pytest.mark.slow
def test_damage_anywhere_in_a_store_of_nights_is_found(sample: Sample) -> None:
    """F6: bits and cuts, over every kind of file that nights make."""
    counts = sample("damage")
    assert counts["damages to the store"] == 100
    assert counts["kinds of files"] > 10


@pytest.mark.slow
def test_one_ship_the_future_and_the_surroundings_move_nothing(sample: Sample) -> None:
    """P7, P8, P9 on whole nights."""
    counts = sample("laws")
    assert counts["P7: gaps of other ships"] > 3
    assert counts["P8: worlds with rows from the future"] == 3


@pytest.mark.slow
def test_two_hundred_mutated_files_are_read_or_refused(sample: Sample) -> None:
    """F8: accidents to every dialect, packed and unpacked."""
    counts = sample("files")
    assert counts["mutated files"] == 200
    assert min(counts["read"], counts["refused"]) > 20


@pytest.mark.parametrize("one", mutations.MUTATIONS, ids=lambda one: one.what)
def test_a_mutation_of_the_mutation_check_can_still_be_made(one: mutations.Mutation) -> None:
    """When a safeguard is rewritten, its mutation must be too: else the check would check nothing."""
    assert one.old in (mutations.CHECKOUT / "ghostships" / one.file).read_text(encoding="utf-8")


# --- what publishing promises, step by step --------------------------------------------------------------------------------------


def test_publishing_syncs_every_file_before_the_link_is_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, their folders, the folder of folders; the swap; the folder of the link: for whoever opens `out` after a crash."""
    called: list[tuple[str, Path]] = []

    def noting(name: str, function: Callable[..., None]) -> Callable[..., None]:
        def step(*args: Any) -> None:
            called.append((name, Path(args[-1])))
            function(*args)

        return step

    for name in disk.MUTATIONS:
        monkeypatch.setattr(disk, name, noting(name, getattr(disk, name)))
    out = tmp_path / "out"
    with folder.drawing(out, 1) as built:
        (built / "figures").mkdir(parents=True)
        for name in ("gaps.parquet", "figures/one.png"):
            (built / name).write_bytes(b"x")
    called.clear()
    folder.show(out, built)
    swap = called.index(("rename", out))
    before = set(called[:swap])
    for path in (built / "gaps.parquet", built / "figures/one.png"):
        assert ("fsync_file", path) in before
    for path in (built / "figures", built, built.parent):
        assert ("fsync_folder", path) in before
    assert ("fsync_folder", tmp_path) in called[swap:]


# --- the instruments --------------------------------------------------------------------------------------------------------------


def _step(op: str, *fields: object) -> Step:
    return Step(op, tuple(field if isinstance(field, bytes) else str(field).encode() for field in fields))


def test_the_model_of_the_disk_loses_what_was_not_synced_and_nothing_else(tmp_path: Path) -> None:
    """A file synced under a name that is not: the name may go, the bytes may not; the other way round, the bytes may."""
    import random

    root = tmp_path / "root"
    root.mkdir()
    model = Disk(root)
    for step in (
        _step("o", root / "a", 1, 1, 0),
        _step("w", 1, 0, b"synced"),
        _step("f", 1),
        _step("o", root / "b", 2, 1, 0),
        _step("w", 2, 0, b"not synced"),
        _step("f", root.stat().st_ino),
        _step("r", root / "a", root / "c"),
    ):
        model.apply(step)
    assert model.tree() == {"b": b"not synced", "c": b"synced"}
    seen = set()
    for seed in range(200):
        after = tmp_path / str(seed)
        after.mkdir()
        model.lay_out_after_power_loss(after, random.Random(seed))
        found = {path.name: path.read_bytes() for path in after.iterdir()}
        assert found.get("a", b"synced") == found.get("c", b"synced") == b"synced"
        assert "b" in found
        seen.add((*sorted(found), found["b"]))
    assert {names[:-1] for names in seen} == {("a", "b"), ("b", "c"), ("a", "b", "c"), ("b",)}
    assert {names[-1] for names in seen} >= {b"", b"not synced"}


@needs_compiler
def test_the_shim_sees_and_spoils_what_libraries_do_behind_pythons_back(tmp_path: Path) -> None:
    """pyarrow and SQLite write from C: their calls are recorded, counted and made to fail like all others."""
    script = """
import errno, sqlite3, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import pyarrow as pa, pyarrow.parquet as pq
from disk_model import Disk, journal, tree_of
from disk_shim import FAIL, Shim
root, log, shim = Path(sys.argv[2]), Path(sys.argv[3]), Shim()
model = Disk(root)
def work():
    pq.write_table(pa.table({"x": [1, 2, 3]}), root / "a.parquet")
    base = sqlite3.connect(root / "b.sqlite")
    base.execute("create table t (x)"); base.commit(); base.close()
    (root / "c").mkdir(); (root / "c" / "d").write_text("x"); (root / "c" / "d").rename(root / "e")
with shim.armed(root, journal=log): work()
for step in journal(log): model.apply(step)
assert model.tree() == tree_of(root), "the record does not explain the disk"
n = shim.n_steps
assert n > 20, n
failed = 0
for at in range(n):
    for path in sorted(root.rglob("*"), reverse=True): path.rmdir() if path.is_dir() else path.unlink()
    try:
        with shim.armed(root, at=at, action=FAIL, code=errno.ENOSPC): work()
    except Exception: failed += 1
print(n, failed)
assert failed > n // 2
"""
    root = tmp_path / "root"
    root.mkdir()
    library = disk_shim.build(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script, str(HERE), str(root), str(tmp_path / "log")],
        env=disk_shim.environment(library),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
