"""F5: limits that are real: a file system that is full, a limit on the size of files, a folder that cannot be written."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import SCENARIOS, Bench, Tally

from ghostships.errors import GhostshipsError

HERE = Path(__file__).parent
FILE_LIMITS = tuple(2**n for n in range(6, 18))
"""Bytes, from too small for anything to large enough for nearly everything."""


@contextmanager
def small_disk(at: Path, *, kib: int) -> Iterator[bool]:
    """A file system of so many KiB on a folder; yields False where mounting is not allowed."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", at], capture_output=True)
    if done.returncode:
        yield False
        return
    try:
        yield True
    finally:
        # A night that failed in the middle may have left a file open until its error is forgotten.
        gc.collect()
        if subprocess.run(["umount", at], capture_output=True).returncode:
            subprocess.run(["umount", "--lazy", at], check=True)


def _again(at: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", at], check=True)


def _fails(bench: Bench, what: str, tally: Tally) -> None:
    """One night under the limit: it fails in one line, or comes through."""
    try:
        bench.place.night(bench.scenario.as_of)
        tally.n[f"{what}: the night went on"] += 1
    except (GhostshipsError, OSError) as error:
        tally.n[f"{what}: the night failed"] += 1
        if "\n" in str(error):
            tally.bad.append(f"{what}: says {error}")
    except Exception as error:  # noqa: BLE001 - an internal error is what must not be
        tally.bad.append(f"{what}: {type(error).__name__}: {error}")


def full_disk(folder: Path, *, every_kib: int, tally: Tally) -> None:
    """A small file system, full at another point each time; then there is room, and the night is run again."""
    bench = Bench(folder / "full", SCENARIOS[1], None)
    need = sum(len(data) for data in bench.expected.after.values() if isinstance(data, bytes)) // 1024
    before = sum(len(data) for data in bench.expected.before.values() if isinstance(data, bytes)) // 1024
    bench.place.wipe()
    for kib in range(before + every_kib, 3 * need, every_kib):
        with small_disk(bench.place.disk, kib=64 * 2**10) as is_mounted:
            if not is_mounted:
                tally.n["full disk: mounting is not allowed here"] += 1
                return
            _fill(bench)
            used = sum(p.stat().st_blocks * 512 for p in bench.place.disk.rglob("*")) // 1024
            _again(bench.place.disk, f"size={used + kib - before}k")
            _fails(bench, "full disk", tally)
            read = bench.as_read(set())
            _again(bench.place.disk, f"size={64 * 2**10}k")
            tally.say(f"full disk: {kib - before} KiB left", read + bench.heals())
    with small_disk(bench.place.disk, kib=64 * 2**10):
        _fill(bench)
        _again(bench.place.disk, "ro")
        _fails(bench, "read-only file system", tally)
        read = bench.as_read(set())
        _again(bench.place.disk, "rw")
        tally.say("read-only file system", read + bench.heals())


def _fill(bench: Bench) -> None:
    """What was there before, on a file system that was just mounted (it cannot be wiped: it is the folder)."""
    for name, what in bench.expected.before.items():
        path = bench.place.disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            path.mkdir(exist_ok=True)
        elif isinstance(what, str):
            path.symlink_to(what)
        else:
            path.write_bytes(what)


def file_size_limit(folder: Path, *, limits: tuple[int, ...], tally: Tally) -> None:
    """`ulimit -f`: no file may grow past the limit. The night runs in a process of its own."""
    bench = Bench(folder / "limit", SCENARIOS[0], None)
    for n_bytes in limits:
        bench.reset(bench.expected.before)
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run(
            [
                sys.executable,
                HERE,
                "night",
                bench.place.folder,
                "--limit",
                str(n_bytes),
                "--as-of",
                bench.scenario.as_of.isoformat(),
            ],
            env=environment,
            capture_output=True,
            text=True,
        )
        what = f"files of at most {n_bytes} bytes"
        tally.n["file-size limit: the night failed" if done.returncode else "file-size limit: the night went on"] += 1
        words = [] if done.returncode in (0, 1) else [f"ended with {done.returncode}: {done.stderr[-300:]}"]
        tally.say(what, words + bench.as_read(set()) + bench.heals())


def limited(n_bytes: int) -> None:
    """Put the limit on this process."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
