"""A very small sea and its nights: a few invented ships, a week of deliveries, a real `nightly` in well under a second.

Nothing here exists: the MMSIs lie outside every country's numbers and the names say what they are.

    home/     configuration, inbox, lists        what the night reads; never changed by it
    disk/     store, out, status.json            what the night writes: the part that faults are made in
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import small_world  # noqa: E402 - a neighbour folder of the tests

from ghostships import nightly, tables  # noqa: E402
from ghostships.errors import UsageError  # noqa: E402
from ghostships.nights import audit  # noqa: E402
from ghostships.report import folder as report_folder  # noqa: E402
from ghostships.report import parquet  # noqa: E402
from ghostships.store import Store  # noqa: E402

START = datetime(2019, 3, 1, tzinfo=UTC)
N_DAYS = 6
END = START + timedelta(days=N_DAYS)
DAYS = [(START + timedelta(days=n)).date().isoformat() for n in range(N_DAYS)]
HARE = 999_000_001
"""The ship that is silent for two and a half days, while a ship of its length is pictured in the dark port."""
SILENT = (START + timedelta(days=1, hours=12), START + timedelta(days=4))
HEADER = "mmsi,timestamp,lat,lon,sog,name,length"
STEP_MIN = 90
LATER = timedelta(days=36_525)
"""From the world's time to the clock of its nights: what was written a moment ago is garbage from long ago."""

CONFIG = """
route = "route.toml"
[paths]
inbox = "inbox"
store = "{disk}/store"
out = "{disk}/out"
status = "{disk}/status.json"
sightings = "sightings"
scenes = "scenes"
vessels = "vessels"
[policy]
settle_s = 0
lookback_days = {lookback_days}
[retention]
generations = 1
garbage_days = 1
folders = {folders}
[sources.daily]
pattern = "ais_{{day}}.csv"
cadence_h = 24
series = "feed"
[sources.fixed]
pattern = "fix_{{day}}_v{{version}}.csv"
precedence = 1
series = "feed"
[sources.satellite]
pattern = "sat_*.csv*"
"""


def rows(n_ships: int = 5) -> list[tuple[datetime, int, str]]:
    """Time, MMSI and line of every position: ships at anchor off one port, the first of them silent for a while."""
    out = []
    for number in range(n_ships):
        mmsi = HARE + number
        name = "SIM HARE" if mmsi == HARE else f"SIM SHIP {number}"
        for step in range(N_DAYS * 24 * 60 // STEP_MIN):
            time = START + timedelta(minutes=STEP_MIN * step + number)
            if mmsi == HARE and SILENT[0] < time < SILENT[1]:
                continue
            turn = step / 16 * 2 * math.pi
            lat = 42.62 + 0.004 * number + 0.01 * math.sin(turn)
            lon = 132.95 + 0.01 * number + 0.01 * math.cos(turn)
            length = 118 if mmsi == HARE else 80 + 9 * number
            out.append((time, mmsi, f"{mmsi},{time:%Y-%m-%dT%H:%M:%SZ},{lat:.5f},{lon:.5f},0.7,{name},{length}"))
    return out


ROWS = rows()


def of_day(day: str, *, mmsi: int | None = None) -> list[str]:
    """The lines of one day, of one ship or of all."""
    return [line for time, ship, line in ROWS if f"{time:%Y-%m-%d}" == day and mmsi in (None, ship)]


def heard_after_all(day: str) -> list[str]:
    """The day as a correction has it: the silent ship was there all the time, beside another one."""
    other = str(HARE + 1)
    return of_day(day) + [
        line.replace(other, str(HARE)).replace("SIM SHIP 1", "SIM HARE") for line in of_day(day, mmsi=HARE + 1)
    ]


def csv(lines: Iterable[str]) -> bytes:
    """A delivery."""
    return ("\n".join([HEADER, *lines]) + "\n").encode()


@dataclass
class Place:
    """A configuration with its folders. `disk` may be thrown away and laid out anew; `home` stays."""

    folder: Path
    lookback_days: int = 30
    folders: int = 2
    home: Path = field(init=False)
    disk: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home, self.disk = self.folder / "home", self.folder / "disk"
        for name in ("inbox", "sightings", "scenes", "vessels"):
            (self.home / name).mkdir(parents=True)
        self.disk.mkdir()
        small_world.write(self.folder / "world")
        for name in ("sightings", "scenes", "vessels"):
            shutil.move(self.folder / "world" / f"{name}.csv", self.home / name / f"{name}.csv")
        shutil.move(self.folder / "world" / "route.toml", self.home / "route.toml")
        shutil.rmtree(self.folder / "world")
        self.file.write_text(
            CONFIG.format(disk=self.disk.resolve(), lookback_days=self.lookback_days, folders=self.folders),
            encoding="utf-8",
        )

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.home / "ghostships.toml"

    @property
    def inbox(self) -> Path:
        """Where deliveries arrive."""
        return self.home / "inbox"

    @property
    def out(self) -> Path:
        """The published folder."""
        return self.disk / "out"

    @property
    def store_root(self) -> Path:
        """The store."""
        return self.disk / "store"

    @property
    def status_file(self) -> Path:
        """What a monitor reads."""
        return self.disk / "status.json"

    def put(self, name: str, lines: Iterable[str]) -> str:
        """Deliver lines under a name; the SHA-256 of the delivery."""
        data = csv(lines)
        path = self.inbox / name
        aside = path.with_name(f".{name}")
        aside.write_bytes(data)
        aside.replace(path)
        return hashlib.sha256(data).hexdigest()

    def night(self, as_of: datetime = END) -> nightly.Night:
        """One run of the real thing. By its clock every file is old, so that the collection has something to collect."""
        return nightly.run(self.file, now_utc=as_of + LATER, as_of_utc=as_of)

    @classmethod
    def again(cls, folder: Path) -> Place:
        """A place that stands already, in another process, say."""
        place = cls.__new__(cls)
        place.folder, place.home, place.disk = folder, folder / "home", folder / "disk"
        return place

    def wipe(self) -> None:
        """Empty the disk: nothing was ever run."""
        shutil.rmtree(self.disk)
        self.disk.mkdir()


@contextmanager
def core_only() -> Iterator[None]:
    """Nights without the page and the map layers, which are drawn from the tables alone and cost more than all the rest."""
    whole = report_folder.publish

    def tables_only(*args: Any, **more: Any) -> dict[str, Any]:
        return whole(*args, **{**more, "with_report": False, "with_layers": False})

    report_folder.publish = tables_only
    try:
        yield
    finally:
        report_folder.publish = whole


def published(out: Path) -> dict[str, str]:
    """SHA-256 of every file of a published folder; empty when there is none."""
    if not out.is_dir():
        return {}
    folder = out.resolve()
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def table_hashes(out: Path) -> dict[str, str]:
    """The same of the tables alone, without the one that tells of the nights."""
    return {
        name: sha for name, sha in published(out).items() if name.endswith(".parquet") and name != "revisions.parquet"
    }


def table(out: Path, declared: tables.Table) -> Any:
    """One published table."""
    return parquet.read_table(out / f"{declared.name}.parquet", declared)


def wrong_with_folder(out: Path) -> list[str]:
    """What a reader of the published folder would trip over: it must be whole, and its tables of one night."""
    if not os.path.lexists(out):
        return []
    folder = out.resolve()
    if not folder.is_dir():
        return [f"{out.name} leads nowhere"]
    try:
        manifest = json.loads((folder / report_folder.MANIFEST).read_bytes())
        _, _ = report_folder.read(folder)
    except Exception as error:  # noqa: BLE001 - whatever a reader trips over is what is asked
        return [f"{out.name}: {error}"]
    words = []
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file() or report_folder.sha256(path) != expected:
            words.append(f"{out.name}/{name} is not the one that the manifest names")
    for name, about in {**manifest["tables"], "revisions": manifest["revisions"]}.items():
        path = folder / f"{name}.parquet"
        if not path.is_file() or report_folder.sha256(path) != about["sha256"]:
            words.append(f"{out.name}/{name}.parquet is not the one that the manifest names")
    return words


def wrong_with_store(root: Path) -> list[str]:
    """What `store check` says: hashes, chains, row accounts, flags."""
    if not (root / "manifests").is_dir():
        return []
    try:
        store = Store.open(root)
    except UsageError as error:
        # A damaged mark of the store: the command ends with this line.
        return [str(error)]
    return [f"{one.path}: {one.what}: {one.found}" for one in (*store.check(), *audit.problems(store))]


def generation(root: Path) -> tuple[int, str] | None:
    """Number and checksum of the current generation; None when there is none."""
    if not (root / "manifests").is_dir():
        return None
    found = Store.open(root).current()
    return (found.seq, found.sha256) if found else None


def drawn(root: Path) -> int | None:
    """The night whose folder the current generation wants shown."""
    if not (root / "manifests").is_dir():
        return None
    found = Store.open(root).current()
    return found.payload["outcome"].get("drawn") if found else None


def shown_night(out: Path) -> int | None:
    """The night of the published folder."""
    if not out.is_dir():
        return None
    return int(json.loads((out / "manifest.json").read_bytes())["night"]["generation"])


def told_night(status_file: Path) -> int | None:
    """The night of the last success that the status tells of; raises when the file is there and is no JSON."""
    if not status_file.exists():
        return None
    last = json.loads(status_file.read_bytes()).get("last_success")
    return None if last is None else int(last["night"])
