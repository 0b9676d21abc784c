"""P1, P4, P5, P6: random schedules of deliveries against one batch, against `ghostships run`, and against counting by hand.

A schedule is a small world cut into deliveries that arrive in any order: days, the same bytes under other names, the same rows in
other files and containers, corrections of corrections, rows from the future, rows nobody can use, broken files that are mended,
files that the provider takes away again. What had arrived by each night is what varies; what has arrived in the end is the same.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import math
import random
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import night_world
import pandas as pd
import zstandard
from faults import Tally
from night_world import DAYS, END, HARE, N_DAYS, START, Place, csv

import ghostships
from ghostships import tables
from ghostships.errors import NothingUsable

MIN_GAP = timedelta(hours=6)
COMPARED_WITH_RUN = (
    "gaps",
    "reach",
    "port_calls",
    "matches",
    "evidence",
    "round_trips",
    "throughput",
    "sightings",
    "scenes",
)
"""Tables that `ghostships run` on the files in force must make too. (Its rejects and counts of rows are those of other books.)"""
Line = tuple[datetime, int, str]
BROKEN = b"this is\nno export\n"


@dataclass
class Arrival:
    """One file, and the night before which it arrives. `leaves`: the night after which the provider has taken it away."""

    name: str
    data: bytes
    night: int
    leaves: int | None = None


@dataclass
class Schedule:
    """What arrives when; `lines` are the rows in force in the end, by hand: nothing of ours has read them."""

    seed: int
    nights: list[datetime]
    arrivals: list[Arrival] = field(default_factory=list)
    lines: set[str] = field(default_factory=set)
    in_force: set[str] = field(default_factory=set)
    n_kinds: Counter[str] = field(default_factory=Counter)

    def deliver(self, place: Place, *, by_night: int | None) -> None:
        """Put what arrives before this night (None: all there ever was) into the inbox."""
        for one in self.arrivals:
            if by_night is None or one.night == by_night:
                (place.inbox / one.name).write_bytes(one.data)
            elif one.leaves == by_night:
                (place.inbox / one.name).unlink(missing_ok=True)


def world(rng: random.Random) -> list[Line]:
    """Positions of a few ships, each silent now and then."""
    lines: list[Line] = []
    for number in range(rng.randint(3, 5)):
        mmsi = HARE + number
        silent = [night_world.SILENT] if number == 0 else []
        for _ in range(rng.randint(0, 2)):
            first = START + timedelta(hours=rng.uniform(6, 24 * N_DAYS - 12))
            silent.append((first, first + timedelta(hours=rng.uniform(3, 30))))
        step = timedelta(minutes=rng.choice([60, 90, 120]))
        time = START + timedelta(minutes=number + 1)
        while time < END:
            if not any(first < time < last for first, last in silent):
                turn = (time - START) / timedelta(days=1) * 2 * math.pi
                lat = 42.62 + 0.004 * number + 0.01 * math.sin(turn)
                lon = 132.95 + 0.01 * number + 0.01 * math.cos(turn)
                name = "SIM HARE" if number == 0 else f"SIM SHIP {number}"
                length = 118 if number == 0 else 80 + 9 * number
                lines.append((time, mmsi, f"{mmsi},{time:%Y-%m-%dT%H:%M:%SZ},{lat:.5f},{lon:.5f},0.7,{name},{length}"))
            time += step
    return lines


def make(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(seed)
    lines = world(rng)
    n_nights = rng.randint(2, 4)
    schedule = Schedule(
        seed, sorted(START + timedelta(days=rng.randint(1, N_DAYS)) for _ in range(n_nights - 1)) + [END]
    )

    def arrive(kind: str, name: str, data: bytes, *, night: int | None = None, may_leave: bool = True) -> int:
        when = rng.randrange(n_nights) if night is None else night
        leaves = rng.randint(when + 1, n_nights) if may_leave and rng.random() < 0.2 else None
        schedule.arrivals.append(Arrival(name, data, when, leaves))
        schedule.n_kinds[kind] += 1
        return when

    def add(name: str, chosen: list[str]) -> None:
        schedule.in_force.add(name)
        schedule.lines |= set(chosen)

    for day in DAYS:
        own = [line for time, _, line in lines if f"{time:%Y-%m-%d}" == day]
        versions = {f"ais_{day}.csv": (0, own)}
        broken = rng.random() < 0.15
        when = arrive(
            "day", f"ais_{day}.csv", csv(rng.sample(own, len(own)) if rng.random() < 0.5 else own), may_leave=not broken
        )
        if broken and when:
            arrive(
                "broken, mended later",
                f"ais_{day}.csv",
                BROKEN,
                night=rng.randrange(when),
                may_leave=False,
            )
        for version in rng.sample([1, 2, 10], rng.choice([0, 0, 0, 1, 2])):
            fixed = _corrected(rng, lines, day, own)
            name = f"fix_{day}_v{version}.csv"
            versions[name] = (version, fixed)
            arrive("correction", name, csv(fixed))
        best = max(versions, key=lambda name: versions[name][0])
        add(best, versions[best][1])
        if rng.random() < 0.2:
            # A copy of the file in force, under a name that says nothing.
            arrive(
                "same bytes, other name",
                f"copy of {day}.csv",
                next(a.data for a in schedule.arrivals if a.name == best and len(a.data) > 30),
            )
            schedule.in_force.add(f"copy of {day}.csv")
    for number in range(rng.randint(0, 3)):
        first = START + timedelta(hours=rng.uniform(0, 24 * N_DAYS - 24))
        some = [line for time, _, line in lines if first <= time < first + timedelta(hours=rng.uniform(10, 60))]
        some = rng.sample(some, rng.randint(len(some) // 2, len(some))) if some else []
        bad: list[str] = []
        if rng.random() < 0.4:
            bad.append("999000002,no time at all,42.6,132.9,0.7,SIM SHIP 1,89")
        if rng.random() < 0.4:
            late = END + timedelta(days=rng.uniform(0.1, 40))
            bad.append(f"{HARE},{late:%Y-%m-%dT%H:%M:%SZ},42.62000,132.95000,0.7,SIM HARE,118")
            schedule.n_kinds["row from the future"] += 1
        if not some:
            continue
        name, data = _packed(rng, f"sat_{number}.csv", csv([*some, *bad]))
        arrive("overlapping", name, data)
        add(name, some)
    rng.shuffle(schedule.arrivals)
    return schedule


def _corrected(rng: random.Random, lines: list[Line], day: str, own: list[str]) -> list[str]:
    """Another account of a day: fewer rows, moved rows, or the silent ship heard after all."""
    kind = rng.choice(["fewer", "moved", "heard"])
    if kind == "fewer":
        return rng.sample(own, max(1, len(own) * 3 // 4))
    if kind == "moved":
        # Six miles, no more: a leap would make two hulls of a ship, and its gaps could not be counted by hand.
        return [line.replace(",42.6", ",42.7") if line.startswith(str(HARE + 1)) else line for line in own]
    other = [line for time, ship, line in lines if ship == HARE + 1 and f"{time:%Y-%m-%d}" == day]
    return own + [line.replace(str(HARE + 1), str(HARE)).replace("SIM SHIP 1", "SIM HARE") for line in other]


def _packed(rng: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    match rng.choice(["", "", ".gz", ".zst", ".zip"]):
        case ".gz":
            return f"{name}.gz", gzip.compress(data, mtime=0)
        case ".zst":
            return f"{name}.zst", zstandard.ZstdCompressor(write_checksum=True).compress(data)
        case ".zip":
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo("rows.csv"), data)
            return f"{name}.zip".replace(".csv.zip", ".csv.zip"), out.getvalue()
        case _:
            return name, data


def _unpacked(name: str, data: bytes) -> bytes:
    """The original bytes, by the standard library and zstandard alone."""
    if name.endswith(".gz"):
        return gzip.decompress(data)
    if name.endswith(".zst"):
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(archive.namelist()[0])
    return data


# --- one schedule ------------------------------------------------------------------------------------------------------------


def check(folder: Path, seed: int, *, whole: bool, with_run: bool, tally: Tally) -> None:
    """Play one schedule and say everything that is wrong with it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    schedule = make(seed)
    words: list[str] = []
    with contextlib.nullcontext() if whole else night_world.core_only():
        place = Place(folder / "nights")
        flags: dict[str, str] = {}
        for number, as_of in enumerate(schedule.nights):
            schedule.deliver(place, by_night=number)
            with contextlib.suppress(NothingUsable):
                place.night(as_of)
                tally.n["nights"] += 1
                flags |= _flags(place)
                words += [f"night {number}: {one}" for one in night_world.wrong_with_folder(place.out)]
        batch = Place(folder / "batch")
        schedule.deliver(batch, by_night=None)
        for one in schedule.arrivals:  # of a file that was broken first, the mended one lies there in the end
            if one.data != BROKEN:
                (batch.inbox / one.name).write_bytes(one.data)
        batch.night(END)
    here, there = night_world.published(place.out), night_world.published(batch.out)
    # What says from which files it was made differs from delivery to delivery: the manifest, the page, the figures' source lines.
    kept = [n for n in here.keys() | there.keys() if n not in ("revisions.parquet", "manifest.json", "report.html")]
    kept = [n for n in kept if not n.startswith("figures/")]
    words += [f"P1: {n} is not in both" for n in sorted(here.keys() ^ there.keys()) if n.startswith("figures/")]
    words += [f"P1: {name} differs from the batch" for name in sorted(kept) if here.get(name) != there.get(name)]
    if not kept:
        words.append("P1: nothing was published")
    words += night_world.wrong_with_store(place.store_root) + night_world.wrong_with_folder(place.out)
    words += _rows(place, schedule) + _history(place, schedule, flags) + _gaps(place, schedule)
    if with_run:
        words += _run(place, schedule)
        tally.n["compared with `run`"] += 1
    tally.n["schedules"] += 1
    tally.n["whole command" if whole else "without page and layers"] += 1
    for kind, n in schedule.n_kinds.items():
        tally.n[f"deliveries: {kind}"] += n
    tally.n["gaps compared by hand"] += len(night_world.table(place.out, tables.GAPS))
    tally.n["flags followed"] += len(flags)
    tally.n["schedules in which a flag went or moved"] += len(set(flags)) > 0 and set(flags) != set(_flags(place))
    tally.say(f"schedule {seed}", words)
    shutil.rmtree(folder)


def _flags(place: Place) -> dict[str, str]:
    trips = night_world.table(place.out, tables.ROUND_TRIPS)
    flagged = trips[trips["is_flagged"].astype(bool)]
    return dict(zip(flagged["trip_id"], flagged["vessel_key"].astype(str), strict=True))


def _rows(place: Place, schedule: Schedule) -> list[str]:
    """P4 from the raw bytes: lines counted by hand equal the books, and the rows in force are those accepted, each once."""
    words = []
    entries = [one for one in json.loads((place.out / "manifest.json").read_bytes())["inputs"] if one["role"] == "ais"]
    by_delivery = {one["delivery"]: one for one in entries}
    accepted = 0
    for data, name in {a.data: a.name for a in schedule.arrivals}.items():
        if data == BROKEN:
            continue
        n_lines = len(_unpacked(name, data).splitlines()) - 1
        entry = by_delivery.get(hashlib.sha256(data).hexdigest())
        if entry is None:
            words.append(f"P4: {name} is in no book")
            continue
        parts = entry["accepted"] + entry["duplicate"] + entry["superseded"] + sum(entry["rejected"].values())
        if not n_lines == entry["rows_read"] == parts:
            words.append(f"P4: {name} has {n_lines} lines, {entry['rows_read']} read, {parts} in the books")
        accepted += entry["accepted"]
    if accepted != len(schedule.lines):
        words.append(f"P4: {len(schedule.lines)} different lines are in force, {accepted} rows were accepted")
    return words


def _history(place: Place, schedule: Schedule, flags: dict[str, str]) -> list[str]:
    """P5: every flag ever published is current, or is listed with a reason, and with a delivery where one is to blame."""
    history = night_world.table(place.out, tables.REVISIONS)
    current = set(_flags(place))
    words = []
    for trip_id in sorted(flags):
        rows = history[(history["trip_id"] == trip_id) | (history["now_trip_id"] == trip_id)]
        if rows.empty:
            words.append(f"P5: flag {trip_id} was published and is in no revision")
            continue
        last = history[(history["trip_id"] == trip_id)]
        if trip_id not in current and last.empty:
            words.append(f"P5: flag {trip_id} went without a word")
    for row in history.to_dict("records"):
        needs = row["reason"] in ("new", "late_data", "correction", "closed") and row["change"] != "aged"
        if needs and not len(row["delivery"]) and _is_anybody_to_blame(schedule, row["as_of_utc"]):
            words.append(f"P5: {row['trip_id']} {row['change']} for {row['reason']} names no delivery")
        if row["change"] == "withdrawn" and row["reason"] not in (
            "late_data",
            "correction",
            "config",
            "upgrade",
            "closed",
            "new_data",
            "as_of",
        ):
            words.append(f"P5: {row['trip_id']} withdrawn for {row['reason']}")
    return words


def _is_anybody_to_blame(schedule: Schedule, as_of: datetime) -> bool:
    """Whether something in force came for this night, or had come before with rows of the days since the night before.

    Else only time went on: a silence that nobody ended grew until it was worth a flag.
    """
    found = []
    for number, when in enumerate(schedule.nights):
        if when == as_of:
            before = schedule.nights[number - 1] if number else START
            days = {(before + timedelta(days=n)).date().isoformat() for n in range((when - before).days + 1)}
            found.append(
                any(
                    one.night == number or (one.night < number and _speaks_of(one, days))
                    for one in schedule.arrivals
                    if one.name in schedule.in_force and one.data != BROKEN
                )
            )
    return all(found)


def _speaks_of(one: Arrival, days: set[str]) -> bool:
    lines = _unpacked(one.name, one.data).decode().splitlines()[1:]
    return any(line.split(",")[1][:10] in days for line in lines)


def _gaps(place: Place, schedule: Schedule) -> list[str]:
    """P6 and more: the gaps are exactly the steps of at least the threshold between rows in force, found by hand."""
    heard: dict[int, list[datetime]] = {}
    for line in schedule.lines:
        mmsi, time, *_ = line.split(",")
        heard.setdefault(int(mmsi), []).append(datetime.fromisoformat(time))
    expected: set[tuple[int, datetime, datetime | None]] = set()
    for ship, times in heard.items():
        ordered = sorted(times)
        expected |= {(ship, a, b) for a, b in zip(ordered, ordered[1:], strict=False) if b - a >= MIN_GAP}
        if END - ordered[-1] >= MIN_GAP:
            expected.add((ship, ordered[-1], None))
    gaps = night_world.table(place.out, tables.GAPS)
    found = {
        (
            int(row["mmsi"]),
            row["start_utc"].to_pydatetime().astimezone(UTC),
            None if pd.isna(row["end_utc"]) else row["end_utc"].to_pydatetime(),
        )
        for row in gaps.to_dict("records")
    }
    words = [f"P6: a gap that the rows do not have: {one}" for one in sorted(found - expected, key=str)]
    return words + [f"P6: a gap that was not found: {one}" for one in sorted(expected - found, key=str)]


def _run(place: Place, schedule: Schedule) -> list[str]:
    """The same tables from `ghostships run` on the files in force, sources of rows aside."""
    files = []
    held = place.folder / "in force"
    held.mkdir()
    for one in schedule.arrivals:
        if one.name in schedule.in_force and one.data != BROKEN:
            (held / one.name).write_bytes(one.data)
            files.append(held / one.name)
    home = place.home
    told = ghostships.run(
        files,
        sightings=[home / "sightings" / "sightings.csv"],
        scenes=[home / "scenes" / "scenes.csv"],
        vessels=[home / "vessels" / "vessels.csv"],
        route=home / "route.toml",
        from_utc=END - timedelta(days=place.lookback_days),
        as_of_utc=END,
    )
    words = []
    for name in COMPARED_WITH_RUN:
        declared = tables.ALL[name]
        ours, theirs = (
            night_world.table(place.out, declared),
            tables.to_pandas(pd.DataFrame(told.result.tables[name]), declared),
        )
        if not ours.equals(theirs):
            words.append(f"P1: {name} is not what `ghostships run` makes of the files in force")
    return words
