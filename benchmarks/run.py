"""Runs the benchmarks and writes `benchmarks/results.md`.

    python benchmarks/run.py [SECTION ...] [--rounds 5] [--rows 10000000] [--day FILE.csv] [--work FOLDER] [--note TEXT]

Without names: every section but `100m`, which needs 12 GB of disk, and `growth`, which takes a quarter of an hour a round: these
are run on request. A section that is run replaces its own part of the results and leaves the others; each says when, on what and
with which versions it was measured. Data go into
the folder `--work` and stay there, or into a temporary one that is removed. `--day` takes a day that `bulk_day.py` wrote before.
What a later section measures of the program itself is named in `ours.py`.

Figures of one machine; nothing fails because something was slow. Exit status 1 if a section could not be measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import measure
import ours
import river
from measure import Command

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
PEERS = HERE / "peers"
SEED = 1
ROWS_PER_VESSEL = 500
NIGHTS = 365
NIGHT_ROWS = 20_000
"""Rows of each day already in the store: a route's worth, not a nation's, so that a year can be stored in minutes."""
SAMPLE_SHIPS = 100
THINKING_DAYS = (30, 60, 120)
GROWTH_DAYS = (60, 180, 600)
"""One, three and ten times the gaps and sightings."""
SCHEMA, TEXT = "parse: schema", "parse: text"


@dataclass(frozen=True)
class Settings:
    work: Path
    rounds: int
    rows: int
    day: Path | None

    def a_day(self) -> Path:
        """The bulk day; made where it is not there yet."""
        return self.day or self.make(f"day-{self.rows}", rows=self.rows)

    def make(self, name: str, *, rows: int, days: int = 1, split: bool = False) -> Path:
        """A file of the generator's, with its truth beside it; with `split` the path that only the truth has."""
        path = self.work / f"{name}-{SEED}.csv"
        if not path.with_suffix(".json").exists():
            vessels = max(10, rows // ROWS_PER_VESSEL)
            words = [HERE / "bulk_day.py", path, "--rows", rows, "--vessels", vessels, "--days", days, "--seed", SEED]
            _once([sys.executable, *words, *(["--split"] if split else [])])
        return path

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder beside the data that is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.work, prefix="out-") as folder:
            yield Path(folder)


def _once(words: Sequence[object]) -> None:
    measure.run(Command("preparation", [str(word) for word in words]))


def _truth(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def _judged(truth: dict[str, Any]) -> Callable[[str], str]:
    """Whether an answer in JSON says what the generator knows."""

    def check(output: str) -> str:
        answer = json.loads(output.strip().splitlines()[-1])
        compared = [name for name in ("good", "vessels", "vessel_hours", "gaps", "gap_seconds") if name in answer]
        wrong = [f"{name} {answer[name]}, true {truth[name]}" for name in compared if answer[name] != truth[name]]
        if wrong:
            return "WRONG: " + "; ".join(wrong)
        return f"right: {answer['gaps']} gaps" if "gaps" in answer else f"{answer.get('rows', '?')} rows"

    return check


def _peer(name: str, script: str, *words: object, truth: dict[str, Any]) -> Command:
    return Command(name, [sys.executable, str(PEERS / script), *map(str, words)], check=_judged(truth))


def _parses(files: Sequence[Path], truth: dict[str, Any]) -> list[Command]:
    return [
        _peer(SCHEMA, "polars_parse.py", "schema", *files, truth=truth),
        _peer(TEXT, "polars_parse.py", "text", *files, truth=truth),
    ]


def _bulk(name: str, files: Sequence[Path], folder: Path, truth: dict[str, Any], *, keep_raw: bool = False) -> Command:
    """Our bulk job into a fresh folder each round, its answer compared with the truth."""
    target = folder / re.sub(r"\W+", "-", name)
    words = ours.bulk(files, target, keep_raw=keep_raw)

    def afresh() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)

    def check(_: str) -> str:
        answer = ours.bulk_answer(target)
        return _judged(truth)(json.dumps(answer)) if answer else "not compared"

    return Command(name, words, before=afresh, check=check)


_YARDSTICK = (
    "`parse: schema` lets the CSV parser of Polars make the times, `parse: text` reads them as text and makes them afterwards; "
    "both keep four typed columns and nothing else."
)


def _about(path: Path, truth: dict[str, Any]) -> str:
    return (
        f"`{path.name}`: {truth['rows']:,} rows, {truth['bytes'] / 1e9:.2f} GB, {truth['vessels']:,} vessels, "
        f"{truth['duplicates']:,} duplicates, {truth['n_broken']:,} broken rows, {truth['gaps']:,} gaps."
    )


# --------------------------------------------------------------------------------------------------------------- sections


def parse(settings: Settings) -> list[str]:
    """The yardstick: a lenient Polars parse of four columns, nothing else"""
    day = settings.a_day()
    truth = _truth(day)
    commands = _parses([day], truth)
    samples = measure.alternate(commands, rounds=settings.rounds)
    return [_about(day, truth), _YARDSTICK, "", *measure.table(commands, samples)]


def bulk(settings: Settings) -> list[str]:
    """The bulk job: read, validate with every reject, de-duplicate, order, store, summarise, gaps of 6 h"""
    day = settings.a_day()
    truth = _truth(day)
    with settings.folder() as folder:
        job = _bulk("ghostships, bulk job", [day], folder, truth)
        kept = _bulk("ghostships, bulk job and the original kept", [day], folder, truth, keep_raw=True)
        commands = [*_parses([day], truth), job, kept]
        samples = measure.alternate(commands, rounds=settings.rounds)
    return [_about(day, truth), _YARDSTICK, "", *measure.table(commands, samples, yardsticks=(SCHEMA, TEXT))]


def parts(settings: Settings) -> list[str]:
    """Our summaries and gaps alone: no store, no rejects"""
    day = settings.a_day()
    truth = _truth(day)
    ours_alone = Command(
        "ghostships, summaries and gaps", [sys.executable, str(HERE / "parts.py"), str(day)], check=_judged(truth)
    )
    plain = _peer("plain Polars, summaries and gaps", "polars_gaps.py", day, truth=truth)
    commands = [*_parses([day], truth), ours_alone, plain]
    samples = measure.alternate(commands, rounds=settings.rounds)
    runs = [json.loads(sample.output)["cpu_s"] for sample in samples[ours_alone.name]]
    steps = [f"{step} {statistics.median(run[step] for run in runs):.1f} s" for step in runs[0]]
    return [
        _about(day, truth),
        _YARDSTICK,
        "",
        *measure.table(commands, samples, yardsticks=(SCHEMA, TEXT)),
        "",
        f"CPU by step: {', '.join(steps)}.",
    ]


def compressed(settings: Settings) -> list[str]:
    """Compressed input: no more than unpacking and the same job"""
    day = settings.a_day()
    truth = _truth(day)
    packed = {kind: settings.work / f"{day.name}.{kind}" for kind in ("zst", "gz", "zip")}
    for kind, path in packed.items():
        if not path.exists():
            _once([sys.executable, HERE / "pack.py", day, kind, path])
    unpack = [
        Command(f"unpack {kind} alone", [sys.executable, str(PEERS / "decompress.py"), str(path)])
        for kind, path in packed.items()
    ]
    with settings.folder() as folder:
        plain = _bulk("ghostships, plain", [day], folder, truth)
        jobs = [_bulk(f"ghostships, {kind}", [path], folder, truth) for kind, path in packed.items()]
        commands = [*unpack, plain, *jobs]
        samples = measure.alternate(commands, rounds=settings.rounds)
    sizes = ", ".join(f"{kind} {path.stat().st_size / 1e9:.2f} GB" for kind, path in packed.items())
    lines = [_about(day, truth), f"Packed: {sizes}.", "", *measure.table(commands, samples), ""]
    base = measure.cpu_s(samples["ghostships, plain"])
    for kind in packed:
        alone, whole = (measure.cpu_s(samples[name]) for name in (f"unpack {kind} alone", f"ghostships, {kind}"))
        lines.append(
            f"- {kind}: {whole:.1f} s of CPU; unpacking and the plain job are {alone:.1f} + {base:.1f} = {alone + base:.1f} s"
        )
    return lines


def six_days(settings: Settings) -> list[str]:
    """One to six such days: memory flat, time linear"""
    whole = settings.make(f"six-{settings.rows}", rows=settings.rows, days=6, split=True)
    files = sorted(whole.parent.glob(f"{whole.stem}-*.csv"))
    assert len(files) == 6, files
    with settings.folder() as folder:
        found = []
        for n in (1, 2, 3, 6):
            truth = _truth(whole if n == 6 else files[0])
            job = _bulk(f"{n} day{'s' * (n > 1)}", files[:n], folder, truth)
            if n not in (1, 6):  # only the truth of one day and that of all six are written down
                job = Command(job.name, job.words, before=job.before)
            found.append(job)
        samples = measure.alternate(found, rounds=settings.rounds)
    per_day = [f"{measure.cpu_s(samples[job.name]) / int(job.name.split()[0]):.1f} s of {job.name}" for job in found]
    return [
        f"{settings.rows:,} rows a day, a file a day.",
        "",
        *measure.table(found, samples),
        "",
        f"CPU for each day: {', '.join(per_day)}.",
    ]


def hundred_million(settings: Settings) -> list[str]:
    """A hundred million rows in one file"""
    rows = 10 * settings.rows
    if not (settings.work / f"ten-days-{settings.rows}-{SEED}.json").exists():
        needed, free = 2.2 * 120 * rows, shutil.disk_usage(settings.work).free
        if free < needed:
            raise measure.Failed(f"{settings.work}: {free / 1e9:.0f} GB free, needs about {needed / 1e9:.0f} GB")
    path = settings.make(f"ten-days-{settings.rows}", rows=settings.rows, days=10)
    truth = _truth(path)
    with settings.folder() as folder:
        job = _bulk(f"ghostships, {truth['rows']:,} rows", [path], folder, truth)
        commands = [*_parses([path], truth), job]
        samples = measure.alternate(commands, rounds=settings.rounds)
    return [_about(path, truth), "", *measure.table(commands, samples, yardsticks=(SCHEMA, TEXT))]


def nights(settings: Settings) -> list[str]:
    """A night on top of 365 stored days, and the same night on an empty store"""
    last = date(2024, 6, 14) + timedelta(days=NIGHTS)  # the generator begins on 14 June
    year = settings.make(f"year-{NIGHT_ROWS}", rows=NIGHT_ROWS, days=NIGHTS + 1, split=True)
    new = year.with_name(f"{year.stem}-{last}.csv")
    old = sorted(p for p in year.parent.glob(f"{year.stem}-*.csv") if p != new)
    assert len(old) == NIGHTS and new.exists(), (len(old), new)
    with settings.folder() as folder:
        stored, empty = folder / "stored", folder / "empty"
        for place, files in ((stored, old), (empty, [])):
            config = _nightly_config(place)
            for file in files:
                shutil.copy(file, place / "inbox" / file.name)
            if files:
                _once(ours.nightly(config, last))
        commands = []
        for name, place in ((f"night after {NIGHTS} days", stored), ("night on an empty store", empty)):
            kept = folder / f"{place.name}-kept"
            place.rename(kept)
            words = ours.nightly(place / "nightly.toml", last + timedelta(days=1))
            commands.append(Command(name, words, before=_restored(kept, place, new)))
        samples = measure.alternate(commands, rounds=settings.rounds)
    more = measure.cpu_s(samples[commands[0].name]) - measure.cpu_s(samples[commands[1].name])
    return [
        f"{NIGHT_ROWS:,} rows a day; the night brings day {NIGHTS + 1}.",
        "",
        *measure.table(commands, samples),
        "",
        f"On top of the day's own cost: {more:.1f} s of CPU.",
    ]


def _nightly_config(place: Path) -> Path:
    """Folders and configuration of a nightly run: only what must be said."""
    (place / "inbox").mkdir(parents=True)
    config = place / "nightly.toml"
    paths = "\n".join(f'{name} = "{place / name}"' for name in ("inbox", "store", "out"))
    # Files copied a moment ago are taken at once; the window holds every stored day.
    policy = f"[policy]\nsettle_s = 0\nlookback_days = {NIGHTS + 10}\n"
    config.write_text(f"[paths]\n{paths}\n{policy}", encoding="utf-8")
    return config


def _restored(kept: Path, place: Path, delivery: Path) -> Callable[[], None]:
    def before() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(kept, place, symlinks=True)
        shutil.copy(delivery, place / "inbox" / delivery.name)

    return before


def thinking(settings: Settings) -> list[str]:
    """The thinking part: everything after reading, on simulated worlds of several lengths"""
    lines = [
        "Stage `finding gaps, port calls and round trips` of `ghostships run`, distances by sea already on disk; one run of each.",
        "",
        "| days | positions | gaps | sightings | wall [s] | CPU [s] | peak [MiB] |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    points: list[tuple[int, float]] = []
    with settings.folder() as folder:
        cache = {"XDG_CACHE_HOME": str(folder / "cache")}
        for days in (THINKING_DAYS[0], *THINKING_DAYS):  # the first only fills the cache
            world, out = folder / f"world-{days}", folder / f"out-{days}"
            shutil.rmtree(world, ignore_errors=True)
            shutil.rmtree(out, ignore_errors=True)
            river.measure(["simulate", "--seed", str(SEED), "--days", str(days), str(world)], cache)
            counts = json.loads((world / "scenario.json").read_text(encoding="utf-8"))["counts"]
            stages = river.measure(["run", *river.inputs(world), "--out", str(out)], cache)
            stage = next(stage for stage in stages if stage.name.startswith("finding gaps"))
            gaps = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["tables"]["gaps"]["rows"]
            points.append((gaps + counts["n_sightings"], stage.cpu_s))
            if len(points) > 1:
                lines.append(
                    f"| {days} | {counts['n_positions']:,} | {gaps:,} | {counts['n_sightings']:,} | {stage.wall_s:.1f} "
                    f"| {stage.cpu_s:.1f} | {stage.peak_mib:.0f} |"
                )
    (small, first), (large, last) = points[1], points[-1]
    power = math.log(last / first) / math.log(large / small)
    return [
        *lines,
        "",
        f"From the smallest to the largest, CPU grows with the {power:.2f}th power of gaps and sightings together.",
    ]


def growth(settings: Settings) -> list[str]:
    """Ten times the gaps and sightings: which steps of the thinking part grow faster than they do"""
    runs: list[dict[str, Any]] = []
    with settings.folder() as folder:
        for days in GROWTH_DAYS:
            world = settings.work / f"growth-{days}-{SEED}"
            if not (world / "scenario.json").exists():
                _once([*ours.PROGRAM, "simulate", "--seed", SEED, "--days", days, world])
            words = ["env", f"XDG_CACHE_HOME={folder / 'cache'}", sys.executable, str(HERE / "stages.py"), str(world)]
            if not runs:  # the first only fills the cache of distances
                _once(words)
            rounds = [json.loads(measure.run(Command("stages", words)).output) for _ in range(settings.rounds)]
            runs.append(min(rounds, key=lambda told: float(told["thinking_s"])))
    sizes = [run["gaps"] + run["sightings"] for run in runs]
    lines = [
        f"Thinking part in one process, the least of {settings.rounds} rounds each; distances by sea already on disk.",
        "",
        "| days | gaps | sightings | x both | reading CPU [s] | thinking CPU [s] | x CPU | peak [MiB] |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for days, size, run in zip(GROWTH_DAYS, sizes, runs, strict=True):
        lines.append(
            f"| {days} | {run['gaps']:,} | {run['sightings']:,} | {size / sizes[0]:.1f} | {run['reading_s']:.1f} "
            f"| {run['thinking_s']:.1f} | {run['thinking_s'] / runs[0]['thinking_s']:.1f} | {run['peak_mib']:.0f} |"
        )
    first, last = runs[0]["steps_s"], runs[-1]["steps_s"]
    lines += [
        "",
        f"| step | {' | '.join(f'{days} days [s]' for days in GROWTH_DAYS)} | x |",
        "|---|---:|---:|---:|---:|",
    ]
    for step in sorted(last, key=lambda name: -float(last[name]))[:15]:
        spent = " | ".join(f"{run['steps_s'].get(step, 0.0):.2f}" for run in runs)
        lines.append(f"| {step} | {spent} | {last[step] / max(first.get(step, 0.0), 0.01):.1f} |")
    return lines


def by_river(_: Settings) -> list[str]:
    """The river, stage by stage"""
    return river.lines(["default"])


def peers(settings: Settings) -> list[str]:
    """Others on the same file with the same answer"""
    day = settings.a_day()
    truth = _truth(day)
    commands = [*_parses([day], truth), _peer("Polars, summaries and gaps", "polars_gaps.py", day, truth=truth)]
    absent = []
    for name, module, script in (("DuckDB", "duckdb", "duckdb_gaps.py"), ("pandas", "pandas", "pandas_gaps.py")):
        if _version(module):
            commands.append(_peer(f"{name}, summaries and gaps", script, day, truth=truth))
        else:
            absent.append(f"- {name}: not installed (`pip install ghostships[bench]`)")
    with settings.folder() as folder:
        job = _bulk("ghostships, bulk job", [day], folder, truth)
        commands.append(job)
        samples = measure.alternate(commands, rounds=settings.rounds)
    lines = [
        _about(day, truth),
        "`benchmarks/peers/README.md` says what the job is; only the bulk job accounts for every rejected row and keeps a store.",
        _YARDSTICK,
        "",
        *measure.table(commands, samples, yardsticks=(SCHEMA, TEXT)),
        "",
        *absent,
    ]
    return [*lines, *_parts_of_peers(day, truth, measure.cpu_s(samples[SCHEMA]))]


def _parts_of_peers(day: Path, truth: dict[str, Any], yardstick_s: float) -> list[str]:
    """Peers of which only the heart is measured, with clean rows already in memory in the shape they want."""
    lines = []
    if _version("movingpandas"):
        script = PEERS / "movingpandas_gaps.py"
        said = measure.run(Command("movingpandas", [sys.executable, str(script), str(SAMPLE_SHIPS), str(day)])).output
        answer = json.loads(said.strip().splitlines()[-1])
        scaled = answer["cpu_s"] * truth["good"] / answer["rows"]
        same = "as there are" if answer["gaps"] == answer["gaps_in_sample"] else f"of {answer['gaps_in_sample']}"
        lines.append(
            f"- movingpandas {_version('movingpandas')}, `ObservationGapSplitter` only, on {SAMPLE_SHIPS} ships: "
            f"{answer['rows']:,} rows, {answer['cpu_s']:.1f} s of CPU, {answer['gaps']} gaps {same}. "
            f"Scaled by rows to the whole day, not measured: {scaled:.0f} s, {scaled / yardstick_s:.0f} x {SCHEMA}. "
            "It builds trajectories, which is more than asked here."
        )
    else:
        lines.append("- movingpandas: not installed")
    try:
        detector = PEERS / "pipe_gaps_detector.py"
        said = measure.run(Command("pipe-gaps", [sys.executable, str(detector), str(day)])).output
        answer = json.loads(said.strip().splitlines()[-1])
        right = "right" if answer["gaps"] == truth["gaps"] else f"true {truth['gaps']}"
        lines.append(
            f"- Global Fishing Watch's `pipe-gaps`, detector only, rows already Python dicts: {answer['cpu_s']:.1f} s of CPU, "
            f"{answer['cpu_s'] / yardstick_s:.1f} x {SCHEMA}, {answer['gaps']} gaps ({right}). It is not slow."
        )
    except measure.Failed as failure:
        why = str(failure).rpartition("not installed: ")[2]
        lines.append(
            f"- Global Fishing Watch's `pipe-gaps` (Apache-2.0): not installed ({why}). It is on no package registry and asks for "
            "pandas 2.1, so it can only be measured from a checkout on PYTHONPATH. Its makers report 3.6 s for 10 M messages for "
            "the detector alone, on their machine; a published pipeline that is not slow."
        )
    return lines


SECTIONS: dict[str, Callable[[Settings], list[str]]] = {
    "parse": parse,
    "bulk": bulk,
    "parts": parts,
    "compressed": compressed,
    "six-days": six_days,
    "100m": hundred_million,
    "nights": nights,
    "thinking": thinking,
    "growth": growth,
    "river": by_river,
    "peers": peers,
}
ON_REQUEST = ("100m", "growth")


# ----------------------------------------------------------------------------------------------------------- the results


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _stamp(settings: Settings, note: str) -> str:
    """When, on what machine, with which versions: one line."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    names = ("ghostships", "polars", "pandas", "numpy", "pyarrow", "duckdb")
    versions = ", ".join(f"{name} {_version(name) or 'not installed'}" for name in names)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"{int(memory[1]) / 2**20 if memory else 0:.0f} GiB; {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}; {versions}; seed {SEED}; rounds: {settings.rounds}."
        + (f" {note}" if note else "")
    )


INTRODUCTION = """\
# Benchmarks

Made by `make bench` (`benchmarks/run.py`). Each command is a process of its own, the commands of a table took turns, each figure
is the median of the rounds with the least and the largest in brackets; CPU is user and system time of all its processes, peak is
the largest resident memory of any round. Figures of one machine: compare ratios. Nothing is promised by them and no test
depends on them.
"""


def _write(name: str, body: Sequence[str]) -> None:
    """Put a section into the results, in the order of `SECTIONS`; the others stay as they are."""
    held = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    found = dict(re.findall(r"<!-- section (\S+) -->\n(.*?)\n<!-- end -->", held, re.DOTALL))
    found[name] = "\n".join(body).rstrip()
    blocks = [f"<!-- section {key} -->\n{found[key]}\n<!-- end -->\n" for key in SECTIONS if key in found]
    draft = RESULTS.with_suffix(".draft")
    draft.write_text("\n".join([INTRODUCTION, *blocks]), encoding="utf-8")
    draft.replace(RESULTS)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of a day")
    parser.add_argument("--day", type=Path, help="a day that bulk_day.py wrote, its JSON beside it")
    parser.add_argument("--work", type=Path, help="folder for data that is kept, instead of a temporary one")
    parser.add_argument("--note", default="", help="a sentence that the results carry")
    given = parser.parse_args(words)
    unknown = [name for name in given.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; known: {', '.join(SECTIONS)}")
    names = given.sections or [name for name in SECTIONS if name not in ON_REQUEST]
    failed = False
    with contextlib.ExitStack() as stack:
        if given.work is None:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ghostships-bench-")))
        else:
            work = given.work
            work.mkdir(parents=True, exist_ok=True)
        settings = Settings(work, given.rounds, given.rows, given.day)
        for name in [key for key in SECTIONS if key in names]:
            title = (SECTIONS[name].__doc__ or name).strip()
            print(f"{name}: {title}", file=sys.stderr, flush=True)
            try:
                body = SECTIONS[name](settings)
            except (measure.Failed, OSError) as problem:
                failed, body = (
                    True,
                    [f"Not measured: {problem}".replace(str(work), "WORK").replace(str(HERE.parent), ".")],
                )
            stamp = _stamp(settings, given.note)
            lines = [f"## {name}: {title[0].lower()}{title[1:]}", "", stamp, "", *body]
            print("\n".join(lines), flush=True)
            _write(name, lines)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
