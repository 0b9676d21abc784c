"""The harness that proves that nothing is ever lost: `python tests/harness all --share long --results DIR`, or one part of it.

    python tests/harness PART [--share sample|long] [--seed N] [--results DIR]      run a part, write DIR/PART.json
    python tests/harness record --results DIR DOC                                   write the page from the results, nothing else
    python tests/harness night FOLDER                                               one night (the parts call this)

Ends with 1 when anything was bad.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
UNDER_SHIM = {"looks", "faults-kills", "faults-errors", "faults-reads", "power"}
"""Parts that run with the shim preloaded."""
PARTS = (
    "faults-errors",
    "faults-kills",
    "faults-reads",
    "schedules",
    "mutations",
    "kills",
    "power",
    "looks",
    "laws",
    "limits",
    "readers",
    "damage",
    "files",
)
"""The longest first."""
LIBRARIES = ("ghostships", "numpy", "pandas", "polars", "pyarrow", "pyogrio", "zstandard")

Tally = Any


def _part(name: str, share: str, seed: int, folder: Path) -> Tally:
    """Run a part; what was counted and what was bad."""
    from faults import Tally

    is_long, tally = share == "long", Tally()
    tally.is_sharp = share == "sharp"
    _PARTS[name](folder, is_long, seed, tally)
    return tally


def _schedules(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import schedules

    for number in range(500 if is_long else 10):
        # The page and the layers are drawn from the tables: every fifth schedule draws them too.
        schedules.check(
            folder / "s", seed * 1000 + number, whole=number % 5 == 0, with_run=number % 4 == 0, tally=tally
        )
        if tally.bad and tally.is_sharp:
            return


def _faults_kills(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import faults

    _each(folder, lambda bench: faults.kills(bench, wanted=_points(bench, is_long, seed, 5), tally=tally), tally)


def _faults_errors(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import faults

    def fail(bench: Any) -> None:
        for error in faults.ERRORS:
            faults.errors(bench, error, wanted=_points(bench, is_long, seed, 3), tally=tally)

    _each(folder, fail, tally)


def _faults_reads(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import faults

    del seed
    _each(folder, lambda bench: faults.read_errors(bench, every=3 if is_long else 400, tally=tally), tally)


def _power(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import faults

    n = 200 if is_long else 10
    _each(folder, lambda bench: faults.power_losses(bench, n_states=n, seed=seed, tally=tally), tally)


def _looks(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import faults

    # `sharp` is for the mutation check: every step at which something is promised, until the first harm is seen.
    n, every = (2000, 1) if is_long else (150, 20) if tally.is_sharp else (20, 40)

    def look(bench: Any) -> None:
        faults.looks(
            bench,
            n_power_losses=n,
            seed=seed,
            every=every,
            is_sharp=is_long or tally.is_sharp,
            stop_at_first=tally.is_sharp,
            tally=tally,
        )

    _each(folder, look, tally)


def _each(folder: Path, what: Callable[[Any], None], tally: Tally) -> None:
    import disk_shim
    import faults

    shim = disk_shim.Shim()
    for which in range(len(faults.SCENARIOS)):
        faults.play(folder / "bench", which, shim, what, tally)


def _points(bench: Any, is_long: bool, seed: int, n: int) -> Callable[[int], bool]:
    """All steps but writes in the middle of a row of writes into one file; a seeded sample of them in the short form."""
    import random

    import faults

    points = sorted(faults.first_middle_last(bench.expected.steps))
    chosen = set(points if is_long else random.Random(seed).sample(points, n))
    return lambda step: step in chosen


def _kills(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import kills

    kills.killed_at_random(folder, n=200 if is_long else 10, seed=seed, tally=tally)


def _readers(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import kills

    del seed
    kills.readers_beside_runners(folder, seconds=120 if is_long else 6, tally=tally)


def _limits(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import limits

    del seed
    limits.full_disk(folder, every_kib=8 if is_long else 500, tally=tally)
    limits.file_size_limit(folder, limits=limits.FILE_LIMITS if is_long else limits.FILE_LIMITS[4:6], tally=tally)


def _damage(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import damage

    damage.all_damage_is_found(folder, n=500 if is_long else 100, seed=seed, tally=tally)


def _laws(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import laws

    laws.one_ship_never_moves_another(folder, n=60 if is_long else 3, seed=seed, tally=tally)
    laws.the_future_moves_nothing(folder, n=60 if is_long else 3, seed=seed, tally=tally)
    laws.nothing_outside_the_bytes_matters(
        folder, n_surroundings=4 if is_long else 1, n_shuffled=40 if is_long else 2, seed=seed, tally=tally
    )


def _files(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import files

    files.mutated(folder, n=5000 if is_long else 200, seed=seed, tally=tally)


def _mutations(folder: Path, is_long: bool, seed: int, tally: Tally) -> None:
    import mutations

    del seed
    mutations.check(folder, is_long=is_long, tally=tally)


_PARTS: dict[str, Callable[[Path, bool, int, Tally], None]] = {
    "schedules": _schedules,
    "looks": _looks,
    "faults-kills": _faults_kills,
    "faults-errors": _faults_errors,
    "faults-reads": _faults_reads,
    "kills": _kills,
    "power": _power,
    "readers": _readers,
    "limits": _limits,
    "damage": _damage,
    "laws": _laws,
    "files": _files,
    "mutations": _mutations,
}


def _run(name: str, share: str, seed: int, results: Path | None) -> int:
    """One part in this process (in a new one under the shim, where it needs that), its result into a file."""
    if name in UNDER_SHIM and not _is_shimmed():
        return _under_shim(name, share, seed, results)
    warnings.simplefilter("ignore")  # GDAL warns of the disk that we spoil
    began, started = time.monotonic(), datetime.now(UTC)
    folder = Path(tempfile.mkdtemp(prefix="ghostships-harness-", dir=_fast_disk()))
    try:
        tally = _part(name, share, seed, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = {
        "part": name,
        "share": share,
        "seed": seed,
        **tally.as_dict(),
        "extra": getattr(tally, "extra", None),
        "started_utc": started.isoformat(timespec="seconds"),
        "took_s": round(time.monotonic() - began, 1),
        "machine": _machine(),
        "versions": {library: metadata.version(library) for library in LIBRARIES},
        "code": _code(),
    }
    if results is not None:
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{name}.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    shown = {key: told[key] for key in ("part", "share", "counts", "n_bad", "took_s", "bad")}
    sys.stdout.write(json.dumps(shown, indent=1) + "\n")
    return 1 if tally.bad else 0


def _is_shimmed() -> bool:
    import disk_shim

    return disk_shim.is_loaded()


def _under_shim(name: str, share: str, seed: int, results: Path | None) -> int:
    import disk_shim

    with tempfile.TemporaryDirectory(prefix="ghostships-shim-") as folder:
        library = disk_shim.build(Path(folder))
        words = [sys.executable, str(HERE), name, "--share", share, "--seed", str(seed)]
        words += ["--results", str(results)] if results else []
        return subprocess.run(words, env=disk_shim.environment(library)).returncode


def _fast_disk() -> str | None:
    """Memory, where there is some: thousands of fsyncs need no platter, the faults are made above it."""
    memory = Path("/dev/shm")
    return str(memory) if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30 else None


def _machine() -> str:
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return f"{os.cpu_count()} x {cpu}, Linux {platform.release()}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _code() -> str:
    """Fingerprint of the code that was tried."""
    from ghostships import program

    return str(program.thinking()["code"])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tests/harness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["all", "record", "night", *PARTS])
    parser.add_argument("where", nargs="?", type=Path)
    parser.add_argument("--share", choices=["sample", "sharp", "long"], default="sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--as-of", type=datetime.fromisoformat)
    asked = parser.parse_args()
    if asked.what == "night":
        return _night(asked)
    if asked.what == "record":
        import record

        record.write(asked.results, asked.where)
        return 0
    if asked.what != "all":
        return _run(asked.what, asked.share, asked.seed, asked.results)
    # Each part in a process of its own: none can spoil another.
    words = [sys.executable, str(HERE)]
    more = ["--share", asked.share, "--seed", str(asked.seed)]
    more += ["--results", str(asked.results)] if asked.results else []
    with ThreadPoolExecutor(asked.workers) as pool:
        return max(pool.map(lambda part: subprocess.run([*words, part, *more]).returncode, PARTS))


def _night(asked: argparse.Namespace) -> int:
    import limits
    import night_world

    from ghostships import nightly
    from ghostships.errors import GhostshipsError

    place = night_world.Place.again(asked.where)
    if asked.limit is not None:
        limits.limited(asked.limit)
    try:
        place.night(asked.as_of or night_world.END)
    except (GhostshipsError, OSError) as error:
        sys.stderr.write(nightly._said(error)[0] + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
