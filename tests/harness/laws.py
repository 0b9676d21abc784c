"""P7, P8, P9 on whole nights: one ship never moves another, the future moves nothing, and nothing outside the bytes matters."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import night_world
import schedules
from faults import Tally
from night_world import DAYS, END, Place, csv

from ghostships import tables

HERE = Path(__file__).parent
GAP = [
    "gap_id",
    "vessel_key",
    "start_utc",
    "end_utc",
    "start_lat_deg",
    "start_lon_deg",
    "end_lat_deg",
    "end_lon_deg",
    "is_open",
    "start_source",
    "end_source",
]
SURROUNDINGS: tuple[dict[str, str], ...] = (
    {"TZ": "Asia/Pyongyang", "LC_ALL": "C.UTF-8"},
    {"TZ": "America/St_Johns", "PYTHONHASHSEED": "1"},
    {"PYTHONHASHSEED": "4242", "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"},
    {"POLARS_MAX_THREADS": "7", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
)


def _batch(folder: Path, files: dict[str, bytes], *, whole: bool = False) -> Place:
    shutil.rmtree(folder, ignore_errors=True)
    place = Place(folder)
    for name, data in files.items():
        (place.inbox / name).write_bytes(data)
    with contextlib.nullcontext() if whole else night_world.core_only():
        place.night(END)
    return place


def _by_day(lines: list[schedules.Line], *, without: int | None = None) -> dict[str, bytes]:
    """A file for each day and ship, so that what one ship sends leaves the bytes and row numbers of all others alone."""
    ships = sorted({mmsi for _, mmsi, _ in lines} - {without})
    files = {}
    for day in DAYS:
        for ship in ships:
            own = [line for time, mmsi, line in lines if mmsi == ship and f"{time:%Y-%m-%d}" == day]
            if own:
                files[f"sat_{ship}_{day}.csv"] = csv(own)
    return files


def one_ship_never_moves_another(folder: Path, *, n: int, seed: int, tally: Tally) -> None:
    """P7: the gaps of all other ships, before and after a ship is taken out, thinned, or sends nonsense from far away."""
    for number in range(n):
        rng = random.Random(seed * 10_000 + number)
        lines = schedules.world(rng)
        ship = rng.choice(sorted({mmsi for _, mmsi, _ in lines}))
        own = [one for one in lines if one[1] == ship]
        match rng.choice(["gone", "thinned", "elsewhere"]):
            case "gone":
                others = [one for one in lines if one[1] != ship]
            case "thinned":
                others = [one for one in lines if one[1] != ship] + rng.sample(own, len(own) // 3)
            case _:
                leaps = [
                    (
                        time + timedelta(seconds=30),
                        mmsi,
                        f"{mmsi},{time + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ},42.10000,131.00000,9.0,SIM LEAP,50",
                    )
                    for time, mmsi, _ in own[::4]
                ]
                others = lines + leaps
        found = [
            night_world.table(_batch(folder / name, _by_day(some)).out, tables.GAPS)
            for name, some in (("one", lines), ("other", others))
        ]
        one, other = (gaps[gaps["mmsi"] != ship][GAP].reset_index(drop=True) for gaps in found)
        tally.n["P7: pairs of worlds"] += 1
        tally.n["P7: gaps of other ships"] += len(one)
        if not one.equals(other):
            tally.bad.append(f"P7: world {number}: rows of {ship} moved the gaps of others")


def the_future_moves_nothing(folder: Path, *, n: int, seed: int, tally: Tally) -> None:
    """P8: rows dated after the as-of change no table but the rejects, whoever sends them and however late they are."""
    for number in range(n):
        rng = random.Random(seed * 10_000 + number)
        lines = schedules.world(rng)
        files = _by_day(lines)
        ships = sorted({mmsi for _, mmsi, _ in lines})
        future = []
        for _ in range(rng.randint(1, 40)):
            time = END + timedelta(hours=rng.choice([rng.uniform(0.01, 24), rng.uniform(24, 10_000)]))
            future.append(f"{rng.choice(ships)},{time:%Y-%m-%dT%H:%M:%SZ},42.62000,132.95000,0.7,SIM HARE,118")
        before = night_world.table_hashes(_batch(folder / "one", files).out)
        after = night_world.table_hashes(_batch(folder / "other", {**files, "sat_future.csv": csv(future)}).out)
        tally.n["P8: worlds with rows from the future"] += 1
        moved = sorted(name for name in before if before[name] != after.get(name) and name != "rejects.parquet")
        if moved or before["rejects.parquet"] == after["rejects.parquet"]:
            tally.bad.append(f"P8: world {number}: {', '.join(moved) or 'no reject'}")


def nothing_outside_the_bytes_matters(
    folder: Path, *, n_surroundings: int, n_shuffled: int, seed: int, tally: Tally
) -> None:
    """P9: other zone, language, hash seed, cores: the same bytes. Other names and order: the same tables, sources aside."""
    rng = random.Random(seed)
    lines = schedules.world(rng)
    files = {f"ais_{day}.csv": csv(line for time, _, line in lines if f"{time:%Y-%m-%d}" == day) for day in DAYS}
    base = _batch(folder / "base", files, whole=True)
    expected = night_world.published(base.out)
    for number, surrounding in enumerate(SURROUNDINGS[:n_surroundings]):
        base.wipe()
        environment = {**os.environ, **surrounding}
        environment.pop("LD_PRELOAD", None)
        done = subprocess.run(
            [sys.executable, HERE, "night", base.folder], env=environment, capture_output=True, text=True
        )
        tally.n["P9: surroundings"] += 1
        found = night_world.published(base.out)
        differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        if done.returncode or differ:
            tally.bad.append(f"P9: surrounding {number} {surrounding}: {', '.join(differ)} {done.stderr[-300:]}")
    for number in range(n_shuffled):
        other: dict[str, bytes] = {}
        for day in DAYS:
            own = [line for time, _, line in lines if f"{time:%Y-%m-%d}" == day]
            rng.shuffle(own)
            cut = rng.randrange(1, len(own))
            other[f"ais_{day}.csv"] = csv(own[:cut])
            other[f"sat_{rng.randrange(10**6)}_{day}.csv"] = csv(own[cut:])
        place = _batch(folder / "shuffled", other)
        tally.n["P9: worlds in other files and order"] += 1
        for declared in tables.PUBLIC:
            if declared.name == "rejects":
                continue
            one = _without_sources(_kept(folder, files, declared))
            two = _without_sources(night_world.table(place.out, declared))
            if not one.equals(two):
                tally.bad.append(f"P9: shuffle {number}: {declared.name} differs")


def _kept(folder: Path, files: dict[str, bytes], declared: tables.Table) -> Any:
    """The table of the world in its first files; made once."""
    kept = folder / "kept"
    if not kept.exists():
        _batch(kept, files)
    return night_world.table(kept / "disk" / "out", declared)


def _without_sources(frame: Any) -> Any:
    return frame.drop(columns=[name for name in frame.columns if name.endswith("_source") or name == "source_row"])


def one_night(folder: Path) -> None:
    """What the command `night` of the runner does: one night in this process, whatever surrounds it."""
    Place.again(folder).night(END)
