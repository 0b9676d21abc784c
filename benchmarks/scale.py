"""What a day costs, what Dask adds to it, and what putting many days together costs: the figures of `docs/scale.md`.

    python benchmarks/scale.py noop                            1 000 tasks that do nothing: here, one worker, two workers
    python benchmarks/scale.py days DAY.csv ... --work DIR     split and make, each file in turn: here, then by two workers
    python benchmarks/scale.py merge HOURS.parquet --work DIR  the vessel hours of 1, 10, 30 days, put together, and their silences

Prints Markdown, asserts that all ways give the same bytes and nothing about times. The cluster is a scheduler and workers on
loopback, started here and ended here; DIR gets a folder per way and should be on the disk that is to be measured. Files for
`days`: `python benchmarks/bulk_day.py OUT.csv --days 4 --split`. CPU seconds are those of the working processes. Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import measure
import polars as pl
import psutil

from ghostships import fleet

if TYPE_CHECKING:
    from ghostships.bulk.files import DayFiles

READY_S = 60.0
N_TASKS = 1_000
N_DAYS = (1, 10, 30)
"""30 days of 20 000 ships are 14 million vessel hours: as far as a machine with 8 GB goes."""


@dataclass(frozen=True)
class SplitTask:
    """One delivery, and the folder its parts go below."""

    file: Path
    work: Path


@dataclass(frozen=True)
class MakeTask:
    """One day, its parts, and the folder its files go below."""

    day: date
    parts: tuple[Path, ...]
    work: Path


@dataclass(frozen=True)
class Written:
    """One file of a day."""

    day: date
    what: str
    path: Path
    sha256: str


def nothing(n: int) -> int:
    """No work at all: what is left is the way there and back."""
    return n


def split(task: SplitTask) -> list[Written]:
    """The files of a delivery's parts, by day, in a folder that no other attempt uses."""
    from ghostships.bulk import delivered

    found = delivered.split(task.file, Path(tempfile.mkdtemp(dir=task.work)))
    assert found.parts, f"{task.file}: nothing usable in it"
    return [written for part in found.parts for written in _written(part.files)]


def make(task: MakeTask) -> list[Written]:
    """The files of a day, in a folder that no other attempt uses."""
    from ghostships.bulk import day

    return _written(day.make(task.day, list(task.parts), Path(tempfile.mkdtemp(dir=task.work))))


def _written(files: DayFiles) -> list[Written]:
    paths = {what: getattr(files, what) for what in ("positions", "hours", "statics", "lost")}
    return [Written(files.day, what, path, _sha256(path)) for what, path in paths.items()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- a cluster on loopback -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crew:
    """Where the scheduler is and who works; without a scheduler this process does."""

    address: str | None
    workers: Sequence[psutil.Process]

    def cpu_s(self) -> float:
        """CPU seconds the workers have used so far."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self.workers)

    def peak_mib(self) -> float:
        """The most memory any one worker has had."""
        return max(_peak_mib(worker.pid) for worker in self.workers)


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextmanager
def crew_of(n_workers: int, folder: Path, imports: Callable[[], None] | None = None) -> Iterator[Crew]:
    """A scheduler and so many workers of one thread each; none: this process."""
    if not n_workers:
        yield Crew(None, [psutil.Process()])
        return
    known = folder / "scheduler.json"
    started = [_start(folder, "dask_scheduler", "--port=0", f"--scheduler-file={known}")]
    try:
        until = time.monotonic() + READY_S
        while not known.exists() or not known.stat().st_size:
            assert time.monotonic() < until, f"no scheduler; see {folder / 'log'}"
            time.sleep(0.05)
        address = str(pl.read_json(known)["address"].item())
        words = ("--nthreads=1", "--no-nanny", "--memory-limit=0", f"--local-directory={folder}")
        started += [_start(folder, "dask_worker", address, *words) for _ in range(n_workers)]
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=READY_S)
            if imports:
                client.run(imports)
        yield Crew(address, [psutil.Process(process.pid) for process in started[1:]])
    finally:
        for process in started:
            process.kill()
            process.wait()
        known.unlink(missing_ok=True)


def _start(folder: Path, what: str, *words: str) -> subprocess.Popen[bytes]:
    quiet = ["--host=127.0.0.1", "--no-dashboard", "--dashboard-address=127.0.0.1:0"]
    environment = os.environ | {"DASK_TEMPORARY_DIRECTORY": str(folder)}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{what}", *words, *quiet],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


# --- the measurements ------------------------------------------------------------------------------------------------


def noop() -> None:
    """1 000 tasks that do nothing, and one: the price of the way."""
    print("| who | one task, connecting included [ms] | 1 000 tasks, each [ms] |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for n_workers, who in ((0, "this process"), (1, "one worker"), (2, "two workers")):
            with crew_of(n_workers, Path(folder)) as crew:
                one, many = [], []
                for _ in range(5):
                    one.append(_timed(lambda crew=crew: fleet.run(nothing, [1], scheduler=crew.address)))
                for _ in range(3):
                    many.append(_timed(lambda crew=crew: fleet.run(nothing, range(N_TASKS), scheduler=crew.address)))
            print(f"| {who} | {sorted(one)[2] * 1000:.2f} | {sorted(many)[1] / N_TASKS * 1000:.4f} |")


def days(files: Sequence[Path], work: Path, rounds: int, ways: Sequence[str]) -> None:
    """Split every file and make every day, in this process and by workers in turn; the same bytes each time."""
    _import_all()
    samples: dict[str, list[Sample]] = {who: [] for who in ways}
    expected: list[tuple[date, str, str]] = []
    for nth in range(rounds):
        for who in [*ways[nth % len(ways) :], *ways[: nth % len(ways)]]:
            with tempfile.TemporaryDirectory(dir=work) as made, crew_of(CREWS[who], Path(made), _import_all) as crew:
                sample, hashes = _once(files, Path(made), crew)
            samples[who].append(sample)
            expected = expected or hashes
            assert hashes == expected, f"{who} wrote other bytes"
    print(
        "| who | split, each [s] | CPU [s] | make, each [s] | CPU [s] | all, wall [s] | all, CPU [s] | largest process [GiB] |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for who, runs in samples.items():
        columns = [
            measure.spread([value / len(files) for value in column], 2)
            for column in (
                [r.split_s for r in runs],
                [r.split_cpu_s for r in runs],
                [r.make_s for r in runs],
                [r.make_cpu_s for r in runs],
            )
        ]
        columns += [
            measure.spread([r.split_s + r.make_s for r in runs]),
            measure.spread([r.split_cpu_s + r.make_cpu_s for r in runs]),
            f"{max(r.peak_mib for r in runs) / 1024:.2f}",
        ]
        print(f"| {who} | {' | '.join(columns)} |")


CREWS = {"this process": 0, "one worker": 1, "two workers": 2}


@dataclass(frozen=True)
class Sample:
    """One run over all files."""

    split_s: float
    split_cpu_s: float
    make_s: float
    make_cpu_s: float
    peak_mib: float


def _once(files: Sequence[Path], folder: Path, crew: Crew) -> tuple[Sample, list[tuple[date, str, str]]]:
    at = {"scheduler": crew.address, "storage": str(folder)}
    clock = [(time.perf_counter(), crew.cpu_s())]
    parts = fleet.run(split, [SplitTask(file, folder) for file in files], **at)
    clock.append((time.perf_counter(), crew.cpu_s()))
    by_day: dict[date, list[Path]] = {}
    for found in parts:
        for one in found:
            if one.what == "positions":
                by_day.setdefault(one.day, []).append(one.path)
    made = fleet.run(make, [MakeTask(day, tuple(paths), folder) for day, paths in sorted(by_day.items())], **at)
    clock.append((time.perf_counter(), crew.cpu_s()))
    (split_s, split_cpu_s), (make_s, make_cpu_s) = (
        (after[0] - before[0], after[1] - before[1]) for before, after in itertools.pairwise(clock)
    )
    hashes = [(one.day, one.what, one.sha256) for found in (*parts, *made) for one in found]
    return Sample(split_s, split_cpu_s, make_s, make_cpu_s, crew.peak_mib()), hashes


def _import_all() -> None:
    """What a task imports, before it is timed: a worker does it once."""
    from ghostships.bulk import day, delivered

    assert day and delivered


def merge(hours: Path, work: Path) -> None:
    """Put a day's hours on N days in a row and find the silences of them all, each N in a process of its own."""
    day = pl.read_parquet(hours)
    times = [name for name, dtype in day.schema.items() if isinstance(dtype, pl.Datetime)]
    print("| days | rows | per row on disk [B] | CPU [s] | wall [s] | peak [GiB] | per million rows [GiB] | gaps |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=work) as made:
        n_made = n_bytes = 0
        for n_days in N_DAYS:
            for nth in range(n_made, n_days):
                file = Path(made) / f"{nth:04d}.parquet"
                day.with_columns(pl.col(times) + timedelta(days=nth)).write_parquet(file)
                n_bytes += file.stat().st_size
            n_made = n_days
            words = [sys.executable, __file__, "silences", made, str(n_days)]
            found = measure.run(measure.Command("silences", words))
            rows, peak = n_days * day.height, found.peak_mib / 1024
            print(
                f"| {n_days} | {rows} | {n_bytes / rows:.0f} | {found.cpu_s:.1f} | {found.wall_s:.1f} | {peak:.2f} "
                f"| {peak / rows * 1e6:.3f} | {found.output.strip()} |",
                flush=True,
            )


def silences(folder: Path, n_days: int) -> int:
    """How many silences of six hours the first so many days have, by the package's own steps; nobody is looked at closer."""
    from ghostships import routes, tables
    from ghostships.steps import days as steps_days
    from ghostships.steps import gaps, segments

    hours = pl.read_parquet(sorted(folder.glob("*.parquet"))[:n_days])
    nobody = pl.DataFrame(schema=tables.POSITIONS.polars_schema)
    route = routes.load()
    hulls, hull_hours = segments.find(
        hours, nobody, summarise=steps_days.summarise, max_speed_kn=route.policy.max_speed_kn
    )
    return len(gaps.find(hull_hours, hulls, min_gap_h=6.0, as_of_utc=None, route=route))


def _timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def main() -> None:
    """Read the words and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("noop")
    for name, several in (("days", "+"), ("merge", 1)):
        words = what.add_parser(name)
        words.add_argument("files", nargs=several, type=Path)
        words.add_argument("--work", type=Path, required=True)
        if name == "days":
            words.add_argument("--rounds", type=int, default=5)
            words.add_argument("--ways", nargs="+", choices=[*CREWS], default=[*CREWS])
    words = what.add_parser("silences", help="one measurement of `merge`, in a process of its own")
    words.add_argument("folder", type=Path)
    words.add_argument("n_days", type=int)
    said = parser.parse_args()
    if said.what == "silences":
        print(silences(said.folder, said.n_days))
        return
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("polars", "pyarrow", "distributed"))
    print(f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}\n")
    if said.what == "noop":
        noop()
    elif said.what == "days":
        days([file.resolve() for file in said.files], said.work, said.rounds, said.ways)
    else:
        merge(said.files[0].resolve(), said.work)


if __name__ == "__main__":
    main()
