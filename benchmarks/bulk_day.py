"""Write a day of AIS as a national archive delivers it: ten million rows, interleaved by time, with everything that goes wrong.

    python benchmarks/bulk_day.py OUT.csv [--rows 10_000_000] [--vessels 20_000] [--days 1] [--split] [--seed 1]
                                          [--start 2024-06-14] [--also gz zst zip]

Has the columns of MarineCadastre.gov. All ships are invented (`SIM ...`). Beside `OUT.csv` appears `OUT.json`: how many rows
were written, how many of them are good, duplicates or broken (by kind), and how many silences of at least six hours the good
rows have, so that whoever reads the file can be judged. With `--split` there is one file per day (`OUT-2024-06-14.csv`, ...),
each with its own JSON, and `OUT.json` is the truth of all of them together.

The truth is unambiguous on purpose. A broken row is a damaged copy of a good row that is also there: whoever keeps what is
left of it, or drops it, finds the same silences and the same set of (ship, time). Within a ship no two good rows share a
second. The same arguments give the same bytes. Memory depends on the number of ships, not on rows or days.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pack
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HEADER = (
    "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,"
    "VesselType,Status,Length,Width,Draft,Cargo,TransceiverClass"
)
DAY_S = 86_400
GAP_S = 6 * 3_600
SLICE_ROWS = 250_000
"""Rows made at a time: about 300 MB of text and columns."""

DUPLICATE_SHARE = 0.01
BROKEN_SHARE = 0.005
LONG_SILENCE_SHARE = 0.08
"""Ships that fall silent for 6 to 14 hours on a day; as many again do for 1 to 5.9 hours, which no threshold of 6 may count."""
SPARE = 1.15
"""Messages made for each one written: silences and lost messages take the rest."""
MAX_LATE_S = 120
"""Duplicates and damaged copies come up to two minutes after the row they repeat."""

# Numbers per country code: mostly American, as in the archive; the rest flags that call there.
COUNTRIES = ((366, 14), (367, 26), (368, 20), (338, 20), (369, 3), (316, 5), (538, 4), (636, 4), (311, 2), (477, 2))
# Open water off the United States: south, north, west, east [deg], weight.
WATERS = (
    (27.0, 29.2, -94.5, -88.5, 30),
    (24.0, 27.0, -86.0, -83.0, 8),
    (31.0, 35.0, -78.0, -74.5, 12),
    (38.0, 40.3, -73.5, -70.0, 14),
    (47.2, 48.4, -126.5, -124.9, 10),
    (32.5, 37.0, -124.5, -121.8, 12),
    (54.0, 57.5, -146.0, -137.0, 6),
    (44.5, 47.3, -87.0, -85.8, 4),
    (18.8, 21.0, -160.5, -157.0, 4),
)


@dataclass
class Truth:
    """What is in one file. Every row is good, a duplicate or broken; the header line is no row."""

    rows: int = 0
    good: int = 0
    duplicates: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    n_broken: int = 0
    vessels: int = 0
    gaps: int = 0
    """Steps of six hours or more between two good rows of a ship in this file; what follows its last row is not among them."""
    gap_seconds: int = 0
    vessel_hours: int = 0
    first_utc: str = ""
    last_utc: str = ""
    seed: int = 0
    bytes: int = 0


# ------------------------------------------------------------------------------------------------ damage, one line at a time


def _cell(at: int, value: str) -> Callable[[list[str]], list[str]]:
    return lambda cells: [*cells[:at], value, *cells[at + 1 :]]


def _place(lat: str, lon: str) -> Callable[[list[str]], list[str]]:
    return lambda cells: [*cells[:2], lat, lon, *cells[4:]]


DAMAGE: dict[str, Callable[[list[str]], list[str]]] = {
    "mmsi_empty": _cell(0, ""),
    "mmsi_letters": lambda cells: [cells[0][:4] + "X" + cells[0][5:], *cells[1:]],
    "mmsi_short": lambda cells: [cells[0][:7], *cells[1:]],
    "mmsi_long": lambda cells: [cells[0] + "77", *cells[1:]],
    "mmsi_spreadsheet": lambda cells: [f"{int(cells[0]):.2E}", *cells[1:]],
    "mmsi_default": _cell(0, "000000000"),
    "time_empty": _cell(1, ""),
    "time_text": _cell(1, "yesterday"),
    "time_impossible": lambda cells: [cells[0], cells[1][:8] + "32T25:61:00", *cells[2:]],
    "time_1970": _cell(1, "1970-01-01T00:00:00"),
    "place_91_181": _place("91.0", "181.0"),
    "lat_over_90": lambda cells: [*cells[:2], "97.31416", *cells[3:]],
    "lon_over_180": lambda cells: [*cells[:3], "-200.5", *cells[4:]],
    "place_empty": _place("", ""),
    "lat_text": _cell(2, "unknown"),
    "ragged_short": lambda cells: cells[:3],
    "ragged_short_later": lambda cells: cells[:11],
    "ragged_long": lambda cells: [*cells, "A", "5.0"],
    "header_again": lambda _: HEADER.split(","),
}
"""Kinds of broken rows, equally frequent. `place_91_181` is what a transponder sends that does not know its place: the ship was
heard, the row has no position. `mmsi_default` is a number that nobody programmed."""


# --------------------------------------------------------------------------------------------------------------- the fleet


@dataclass(frozen=True)
class Fleet:
    """One entry per ship: what it is, where it sails, how often it is heard; silences have a row per ship and a column per day."""

    mmsi: Ints
    static: pl.Series
    dimensions: pl.Series
    interval_s: Floats
    phase_s: Floats
    lat_deg: Floats
    lon_deg: Floats
    lat_swing_deg: Floats
    lon_swing_deg: Floats
    turn_per_s: Floats
    cycle_s: Floats
    under_way_s: Floats
    is_class_b: npt.NDArray[np.bool_]
    silent_from_s: Floats
    silent_to_s: Floats


def fleet(*, vessels: int, rows_per_day: int, days: int, seed: int) -> Fleet:
    """Invent the ships. A third are moored, a third under way, a third both in turn; class B is heard half as often."""
    rng = np.random.default_rng([seed, 0])
    numbers = _numbers(vessels, rng)
    kind = rng.integers(0, 3, vessels)
    is_class_b = rng.random(vessels) < 0.3
    cycle_s = rng.uniform(6, 20, vessels) * 3_600
    under_way_s = cycle_s * np.choose(kind, [0.0, 1.0, 0.5])
    # Downsampled to about a minute under way and three at anchor, then stretched so that the day has as many rows as wanted.
    pace = np.choose(kind, [180.0, 65.0, 100.0]) * np.where(is_class_b, 2.0, 1.0) * rng.uniform(0.8, 1.2, vessels)
    interval_s = pace * (DAY_S / pace).sum() / (rows_per_day * SPARE)
    if interval_s.min() < 3:
        raise SystemExit(
            f"{rows_per_day} rows a day are too many for {vessels} vessels: some would report every second"
        )
    water = rng.choice(len(WATERS), vessels, p=np.array([w[4] for w in WATERS]) / sum(w[4] for w in WATERS))
    boxes = np.array([w[:4] for w in WATERS])[water]
    lat_deg = rng.uniform(boxes[:, 0], boxes[:, 1])
    lon_deg = rng.uniform(boxes[:, 2], boxes[:, 3])
    # Back and forth along an ellipse at up to 5 to 19 knots (60 nm to a degree).
    swing = rng.uniform(0.05, 0.6, vessels)
    bearing = rng.uniform(0, 2 * np.pi, vessels)
    silent_from = np.full((vessels, days), np.inf)
    silent_to = np.full((vessels, days), -np.inf)
    for day in range(days):
        draw = rng.random(vessels)
        length = (
            np.where(draw < LONG_SILENCE_SHARE, rng.uniform(6.05, 14, vessels), rng.uniform(1, 5.9, vessels)) * 3_600
        )
        begin = day * DAY_S + rng.uniform(0, DAY_S, vessels)
        chosen = draw < 2 * LONG_SILENCE_SHARE
        silent_from[chosen, day] = begin[chosen]
        silent_to[chosen, day] = (begin + length)[chosen]
    return Fleet(
        mmsi=numbers,
        static=pl.Series(_static(numbers, is_class_b, rng)),
        dimensions=pl.Series(_dimensions(is_class_b, rng)),
        interval_s=interval_s,
        phase_s=rng.uniform(0, 1, vessels) * interval_s,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        lat_swing_deg=swing * np.cos(bearing),
        lon_swing_deg=swing * np.sin(bearing) / np.cos(np.radians(lat_deg)),
        turn_per_s=rng.uniform(5, 19, vessels) / 60 / 3_600 / swing,
        cycle_s=cycle_s,
        under_way_s=under_way_s,
        is_class_b=is_class_b,
        silent_from_s=silent_from,
        silent_to_s=silent_to,
    )


def _numbers(vessels: int, rng: np.random.Generator) -> Ints:
    """Distinct MMSIs: the last five or six digits are drawn, the first three say the country."""
    weights = np.array([w for _, w in COUNTRIES], float)
    country = rng.choice(len(COUNTRIES), vessels, p=weights / weights.sum())
    numbers = np.empty(vessels, np.int64)
    for i, (mid, _) in enumerate(COUNTRIES):
        mine = np.flatnonzero(country == i)
        numbers[mine] = mid * 1_000_000 + 100_000 + rng.choice(900_000, len(mine), replace=False)
    return numbers


def _static(numbers: Ints, is_class_b: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[str]:
    """`VesselName,IMO,CallSign,VesselType` of each ship. IMO numbers check and begin with 2, as no known ship's does."""
    letters = np.array(list("ABCDEFGHIJKLMNOPRSTUVW"))
    words = ["".join(row) for row in letters[rng.integers(0, len(letters), (len(numbers), 5))]]
    types = rng.choice([30, 31, 36, 37, 52, 60, 70, 80, 90], len(numbers))
    imo = rng.choice(100_000, len(numbers), replace=len(numbers) > 100_000) + 200_000
    lines = []
    for i, (number, word) in enumerate(zip(numbers, words, strict=True)):
        digits = f"{imo[i]:06d}"
        check = sum(int(d) * w for d, w in zip(digits, range(7, 1, -1), strict=True)) % 10
        has_imo = not is_class_b[i] and types[i] >= 60
        lines.append(
            f"SIM {word} {number % 1000:03d},{f'IMO{digits}{check}' if has_imo else ''},S{word[:2]}{number % 10_000:04d},{types[i]}"
        )
    return lines


def _dimensions(is_class_b: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[str]:
    """`Length,Width,Draft,Cargo,TransceiverClass` of each ship; small ones leave cells empty."""
    length = np.where(is_class_b, rng.integers(8, 25, len(is_class_b)), rng.integers(20, 330, len(is_class_b)))
    draught = rng.integers(20, 140, len(is_class_b))
    return [
        f"{size}.0,{max(3, size // 6)}.0,{'' if b else deep / 10},{'' if b else '70.0'},{'B' if b else 'A'}"
        for size, deep, b in zip(length.tolist(), draught.tolist(), is_class_b.tolist(), strict=True)
    ]


# ------------------------------------------------------------------------------------------------------- a slice of time


@dataclass
class Sliced:
    """The lines of one slice in the order of the file, and the good rows behind them."""

    lines: pl.Series
    ship: Ints
    second: Ints
    n_duplicates: int
    broken: Counter[str]


def _heard(ships: Fleet, begin: int, end: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Ship and second of every message between two moments that was not inside a silence, in the order of time."""
    first = np.ceil((begin - ships.phase_s) / ships.interval_s).astype(np.int64)
    beyond = np.ceil((end - ships.phase_s) / ships.interval_s).astype(np.int64)
    counts = beyond - first
    ship = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    second = np.floor(ships.phase_s[ship] + nth * ships.interval_s[ship]).astype(np.int64)
    # A silence may have begun the day before.
    quiet = np.zeros(len(ship), np.bool_)
    day = begin // DAY_S
    for d in (day - 1, day):
        if d >= 0:
            quiet |= (second >= ships.silent_from_s[ship, d]) & (second < ships.silent_to_s[ship, d])
    ship, second = ship[~quiet], second[~quiet]
    order = np.argsort(second * 2**31 + rng.integers(0, 2**31, len(second)), kind="stable")
    return ship[order], second[order]


def _lines(ships: Fleet, ship: Ints, second: Ints, clock: pl.Series, rng: np.random.Generator) -> pl.Series:
    """One line of CSV for each message."""
    cycle, under_way = ships.cycle_s[ship], ships.under_way_s[ship]
    turns, into = np.divmod(second + ships.phase_s[ship] * 97, cycle)
    sailed_s = turns * under_way + np.minimum(into, under_way)
    moving = into < under_way
    angle = sailed_s * ships.turn_per_s[ship]
    noise = rng.normal(0, 5e-5, (2, len(ship)))
    lat = ships.lat_deg[ship] + ships.lat_swing_deg[ship] * np.sin(angle) + noise[0]
    lon = ships.lon_deg[ship] + ships.lon_swing_deg[ship] * np.sin(angle) + noise[1]
    north = ships.lat_swing_deg[ship] * np.cos(angle)
    east = ships.lon_swing_deg[ship] * np.cos(angle) * np.cos(np.radians(ships.lat_deg[ship]))
    knots = np.where(moving, np.hypot(north, east) * ships.turn_per_s[ship] * 60 * 3_600, 0.0)
    course = np.degrees(np.arctan2(east, north)) % 360
    heading = np.where(ships.is_class_b[ship], 511, np.floor(course)).astype(np.int64)
    columns = pl.DataFrame(
        {
            "mmsi": ships.mmsi[ship],
            "time": clock.gather(second % DAY_S),
            "lat": np.round(lat * 1e5) / 1e5,
            "lon": np.round(lon * 1e5) / 1e5,
            "sog": np.round(knots * 10) / 10,
            "cog": np.round(course * 10) / 10,
            "heading": heading,
            "static": ships.static.gather(ship),
            "status": np.where(ships.is_class_b[ship], "", np.where(moving, "0", "5")),
            "dimensions": ships.dimensions.gather(ship),
        }
    )
    dressed = pl.concat_str(
        "mmsi",
        "time",
        "lat",
        "lon",
        "sog",
        "cog",
        pl.format("{}.0", "heading"),
        "static",
        "status",
        "dimensions",
        separator=",",
    )
    return columns.select(line=dressed).to_series()


def _slice(ships: Fleet, begin: int, end: int, n_rows: int, clock: pl.Series, rng: np.random.Generator) -> Sliced:
    """`n_rows` lines between two moments: good rows, duplicates and damaged copies, each where it would arrive."""
    n_duplicates = int(round(n_rows * DUPLICATE_SHARE))
    n_broken = int(round(n_rows * BROKEN_SHARE))
    ship, second = _heard(ships, begin, end, rng)
    n_good = n_rows - n_duplicates - n_broken
    if len(ship) > n_good:
        kept = np.sort(rng.choice(len(ship), n_good, replace=False))
        ship, second = ship[kept], second[kept]
    lines = _lines(ships, ship, second, clock, rng)
    if not len(ship):
        return Sliced(lines, ship, second, 0, Counter())
    again = rng.integers(0, len(ship), n_duplicates)
    spoilt = rng.integers(0, len(ship), n_broken)
    names = [*DAMAGE]
    kinds = [names[k] for k in rng.integers(0, len(names), n_broken)]
    damaged = [
        ",".join(DAMAGE[kind](line.split(",")))
        for kind, line in zip(kinds, lines.gather(spoilt).to_list(), strict=True)
    ]
    everything = pl.concat([lines, lines.gather(again), pl.Series(damaged, dtype=pl.String)])
    late = rng.integers(0, MAX_LATE_S, n_duplicates + n_broken)
    arrived = np.concatenate([second, second[again] + late[:n_duplicates], second[spoilt] + late[n_duplicates:]])
    order = np.argsort(arrived, kind="stable")
    return Sliced(everything.gather(order), ship, second, n_duplicates, Counter(kinds))


# ------------------------------------------------------------------------------------------------------------- the files


class _Books:
    """Counts the truth of one file while it is written; silences are steps between good rows of one ship."""

    def __init__(self, vessels: int, seed: int) -> None:
        self.truth = Truth(seed=seed)
        self.last = np.full(vessels, -1, np.int64)
        self.hour = -1
        self.in_hour = np.zeros(vessels, np.bool_)
        self.broken: Counter[str] = Counter()
        self.first_s, self.last_s = -1, -1

    def add(self, made: Sliced) -> None:
        truth = self.truth
        truth.good += len(made.ship)
        truth.duplicates += made.n_duplicates
        self.broken += made.broken
        if not len(made.ship):
            return
        order = np.lexsort((made.second, made.ship))
        ship, second = made.ship[order], made.second[order]
        is_first = np.r_[True, ship[1:] != ship[:-1]]
        before = np.where(is_first, self.last[ship], np.r_[0, second[:-1]])
        assert not ((before == second) & (before >= 0)).any(), "two good rows of one ship in one second"
        silent_s = np.where(before >= 0, second - before, 0)
        truth.gaps += int((silent_s >= GAP_S).sum())
        truth.gap_seconds += int(silent_s[silent_s >= GAP_S].sum())
        is_last = np.r_[is_first[1:], True]
        self.last[ship[is_last]] = second[is_last]
        hour = int(second.min()) // 3_600
        if hour != self.hour:
            self.close_hour()
            self.hour = hour
        self.in_hour[ship] = True
        self.first_s = self.first_s if self.first_s >= 0 else int(second.min())
        self.last_s = int(second.max())

    def close_hour(self) -> None:
        self.truth.vessel_hours += int(self.in_hour.sum())
        self.in_hour[:] = False

    def close(self, path: Path, midnight: datetime) -> Truth:
        """The truth, written beside the file, or beside where it would be for several files together."""
        self.close_hour()
        truth = self.truth
        truth.broken = dict(sorted(self.broken.items()))
        truth.n_broken = sum(self.broken.values())
        truth.rows = truth.good + truth.duplicates + truth.n_broken
        truth.vessels = int((self.last >= 0).sum())
        truth.first_utc = (midnight + timedelta(seconds=self.first_s)).isoformat()
        truth.last_utc = (midnight + timedelta(seconds=self.last_s)).isoformat()
        path.with_suffix(".json").write_text(json.dumps(asdict(truth), indent=2) + "\n", encoding="utf-8")
        return truth


def _slices(rows_per_day: int) -> Iterator[tuple[int, int, int]]:
    """Begin and end [s of the day] and rows of each slice; slices never cross an hour, and their rows add up to the day."""
    per_hour = -(-rows_per_day // (24 * SLICE_ROWS))
    edges = [3_600 * h + 3_600 * k // per_hour for h in range(24) for k in range(per_hour)] + [DAY_S]
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        yield begin, end, rows_per_day * end // DAY_S - rows_per_day * begin // DAY_S


def _write_lines(handle: BinaryIO, lines: pl.Series) -> None:
    lines.alias("line").to_frame().write_csv(handle, include_header=False, quote_style="never")


def make(
    path: Path,
    *,
    rows: int = 10_000_000,
    vessels: int = 20_000,
    days: int = 1,
    split: bool = False,
    seed: int = 1,
    start: date = date(2024, 6, 14),
) -> list[tuple[Path, Truth]]:
    """Write the file, or one file per day when `split`, with its truth in JSON beside it; the last truth is that of all together.

    `rows` is per day, the header not counted; in tiny files silences may leave fewer rows than asked, and the truth says how many.
    """
    ships = fleet(vessels=vessels, rows_per_day=rows, days=days, seed=seed)
    midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
    done: list[tuple[Path, Truth]] = []
    books, handle, target = _Books(vessels, seed), None, path
    # Silences across midnight are in no file alone.
    together = _Books(vessels, seed) if split else None
    for day in range(days):
        this = start + timedelta(days=day)
        clock = pl.Series([f"{this}T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(DAY_S)])
        if handle is None:
            target = path.with_name(f"{path.stem}-{this}{path.suffix}") if split else path
            handle = target.open("wb")
            handle.write(HEADER.encode() + b"\n")
            books = _Books(vessels, seed)
        closes = split or day == days - 1
        for begin, end, n_rows in _slices(rows):
            rng = np.random.default_rng([seed, 1, day, begin])
            # The line cut at the end of the file is one of the rows asked for.
            is_last = closes and end == DAY_S
            made = _slice(ships, day * DAY_S + begin, day * DAY_S + end, n_rows - is_last, clock, rng)
            _write_lines(handle, made.lines)
            if is_last and len(made.ship):
                handle.write(_cut_line(ships, made, clock, rng))
                made.broken["last_line_cut"] += 1
            for account in (books, together):
                if account is not None:
                    account.add(made)
        if closes:
            handle.close()
            handle = None
            books.truth.bytes = target.stat().st_size
            if together is not None:
                together.truth.bytes += books.truth.bytes
            done.append((target, books.close(target, midnight)))
    if together is not None:
        done.append((path, together.close(path, midnight)))
    return done


def _cut_line(ships: Fleet, made: Sliced, clock: pl.Series, rng: np.random.Generator) -> bytes:
    """The last good row again, broken off inside its latitude as when a transfer ends, with no line end."""
    last = slice(len(made.ship) - 1, len(made.ship))
    cells = str(_lines(ships, made.ship[last], made.second[last], clock, rng)[0]).split(",")
    return ",".join([*cells[:2], cells[2][:4]]).encode()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows per day")
    parser.add_argument("--vessels", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--split", action="store_true", help="one file per day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=date.fromisoformat, default=date(2024, 6, 14))
    parser.add_argument("--also", nargs="*", default=[], choices=pack.KINDS, help="compressed twins")
    given: Any = parser.parse_args(words)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for path, truth in make(
        given.out,
        rows=given.rows,
        vessels=given.vessels,
        days=given.days,
        split=given.split,
        seed=given.seed,
        start=given.start,
    ):
        print(f"{path}: {json.dumps(asdict(truth))}")
        for kind in given.also if path.exists() else ():
            print(pack.twin(path, kind))


if __name__ == "__main__":
    main()
