"""F1 and F3: every change of the disk during real nights goes wrong once, and the power goes at any moment; then the night again.

One undisturbed night is recorded call by call (`disk_shim`), and replayed on a disk in memory (`disk_model`), which must end as the
real one did. From the record come

    kills         the disk as it was before each change, and, of each write, with half of it done
    power losses  the disk with what was not synced lost, torn or out of order

Errors (ENOSPC, EIO, half a write first) are made in the running night itself. Each time: a reader must find one whole night, the
books must never run ahead of each other, and the same night run again must leave what the undisturbed one left.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import night_world
from disk_model import Disk, Step, journal, tree_of
from disk_shim import FAIL, Shim
from night_world import DAYS, END, START, Place

from ghostships import nightly
from ghostships.errors import GhostshipsError
from ghostships.nights import status
from ghostships.store import Draft
from ghostships.store import folder as published

TOLD_ONCE = ("new_flags", "changes")
"""In `status.json`: what a monitor hears of one night and not of the next."""

Tree = dict[str, bytes | str | None]


@dataclass
class Tally:
    """How often, and what went wrong."""

    n: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    extra: list[dict[str, Any]] | None = None
    is_sharp: bool = False

    def say(self, what: str, words: Iterable[str]) -> None:
        """Keep what went wrong: one line for each state that was bad."""
        said = list(words)
        if said:
            more = f" (and {len(said) - 3} more)" if len(said) > 3 else ""
            self.bad.append(f"{what}: {'; '.join(one[:300] for one in said[:3])}{more}")

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return {"counts": dict(sorted(self.n.items())), "n_bad": len(self.bad), "bad": self.bad[:50]}


@dataclass(frozen=True)
class Scenario:
    """One night to be disturbed: what is prepared before, and its as-of."""

    name: str
    prepare: Callable[[Place], None]
    as_of: datetime


def _nothing_before(place: Place) -> None:
    for day in DAYS[:3]:
        place.put(f"ais_{day}.csv", night_world.of_day(day))


def _two_nights_before(place: Place) -> None:
    for day in (DAYS[0], DAYS[2]):
        place.put(f"ais_{day}.csv", night_world.of_day(day))
    place.night(START + timedelta(days=3))
    for day in DAYS[3:5]:
        place.put(f"ais_{day}.csv", night_world.of_day(day))
    place.night(START + timedelta(days=5))
    # Late, new, twice, corrected, with a row nobody can use; and the collection has the first night to remove.
    place.put(f"ais_{DAYS[1]}.csv", night_world.of_day(DAYS[1]))
    place.put(f"ais_{DAYS[5]}.csv", [*night_world.of_day(DAYS[5]), "999000002,not a time,42.6,132.9,0.7,SIM,90"])
    place.put("sat_again.csv", night_world.of_day(DAYS[3])[::2])
    place.put(f"fix_{DAYS[2]}_v1.csv", night_world.heard_after_all(DAYS[2]))


SCENARIOS = (
    Scenario("the first night of all", _nothing_before, START + timedelta(days=3)),
    Scenario("a night with late, corrected and double deliveries, and garbage", _two_nights_before, END),
)


@dataclass
class Expected:
    """The undisturbed night: what was before it, what is after, its record, and what it promised when."""

    before: Tree
    after: Tree
    steps: list[Step]
    seqs: tuple[int | None, int | None]
    nights: tuple[int | None, int | None]
    folders: tuple[dict[str, str], dict[str, str]]

    def promised(self, n: int) -> set[str]:
        """What had been promised to survive after so many steps."""
        return {step.text(0) for step in self.steps[:n] if step.is_mark}


class Bench:
    """A place on which one scenario is played again and again; recorded where there is a shim."""

    def __init__(self, folder: Path, scenario: Scenario, shim: Shim | None) -> None:
        self.place, self.scenario = Place(folder / "place"), scenario
        self.journal = folder / "journal"
        scenario.prepare(self.place)
        self.model = Disk(self.place.disk)
        before = tree_of(self.place.disk)
        seqs, nights = [self._seq()], [night_world.drawn(self.place.store_root)]
        folders = [night_world.published(self.place.out)]
        if shim is None:
            self.place.night(scenario.as_of)
        else:
            self.shim = shim
            with marked(shim), shim.armed(self.place.disk, journal=self.journal):
                self.place.night(scenario.as_of)
        seqs.append(self._seq())
        nights.append(night_world.drawn(self.place.store_root))
        folders.append(night_world.published(self.place.out))
        self.expected = Expected(
            before,
            tree_of(self.place.disk),
            journal(self.journal) if shim else [],
            (seqs[0], seqs[1]),
            (nights[0], nights[1]),
            (folders[0], folders[1]),
        )
        self.told = self._told()

    def followed(self) -> list[str]:
        """Whether the record tells everything: the disk in memory must end as the real one did."""
        whole = Disk.__new__(Disk)
        whole.__dict__.update(_copied(self.model))
        for step in self.expected.steps:
            whole.apply(step)
        got = whole.tree()
        names = sorted(
            n for n in got.keys() | self.expected.after.keys() if got.get(n, 0) != self.expected.after.get(n, 0)
        )
        return [f"the record does not explain {name}" for name in names]

    def reset(self, tree: Tree) -> None:
        """Have the disk hold this."""
        self.place.wipe()
        for name, what in tree.items():
            path = self.place.disk / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if what is None:
                path.mkdir(exist_ok=True)
            elif isinstance(what, str):
                path.symlink_to(what)
            else:
                path.write_bytes(what)

    # --- what must be true --------------------------------------------------------------------------------------------

    def as_read(self, promised: set[str]) -> list[str]:
        """What a reader must not find, in the middle of trouble."""
        place, expected = self.place, self.expected
        try:
            words = night_world.wrong_with_store(place.store_root) + night_world.wrong_with_folder(place.out)
            seq, night = self._seq(), night_world.drawn(place.store_root)
            shown, told = night_world.shown_night(place.out), night_world.told_night(place.status_file)
        except (GhostshipsError, OSError, ValueError, KeyError, TypeError) as error:
            return [f"a reader fails: {type(error).__name__}: {error}"]
        if seq not in expected.seqs:
            words.append(f"generation {seq} is current, of {expected.seqs}")
        if "committed" in promised and seq != expected.seqs[1]:
            words.append(f"generation {seq} is current although {expected.seqs[1]} was promised")
        if (
            night_world.published(place.out)
            not in (expected.folders[:1] if "shown" not in promised else ()) + expected.folders[1:]
        ):
            words.append(f"the folder shown is that of night {shown}, of {expected.nights}, or is neither")
        if (shown or 0) > (night or 0) or (told or 0) > (shown or 0):
            words.append(f"ahead of each other: store {night}, shown {shown}, told {told}")
        if "told" in promised and told != expected.nights[1]:
            words.append(f"night {told} is told although {expected.nights[1]} was promised")
        return words

    def heals(self, *, same_history: bool = True) -> list[str]:
        """What is different from the undisturbed night after the same night is run again."""
        expected, place = self.expected, self.place
        try:
            # Flags are told once: by the disturbed night, if it came that far, else by this one.
            is_told = night_world.told_night(place.status_file) == expected.nights[1]
            told_before = self._told() if is_told else None
            self.place.night(self.scenario.as_of)
        except Exception as error:  # noqa: BLE001 - whatever it is, the night did not heal
            return [f"the night after fails: {type(error).__name__}: {error}"]
        words = night_world.wrong_with_store(place.store_root) + night_world.wrong_with_folder(place.out)
        got, want = night_world.published(place.out), expected.folders[1]
        if not same_history:
            got, want = (
                {name: sha for name, sha in one.items() if name.endswith(".parquet") and name != "revisions.parquet"}
                for one in (got, want)
            )
        words += [f"{name} is not that of the undisturbed night" for name in sorted(_unequal(got, want))]
        if not same_history:
            return words
        told = {**self._told(), **{name: told_before[name] for name in TOLD_ONCE}} if told_before else self._told()
        words += [
            f"status.json tells {name} {told[name]}, undisturbed {self.told[name]}"
            for name in _unequal(told, self.told)
        ]
        here = _lasting(tree_of(place.disk))
        words += [
            f"{name} is not as the undisturbed night left it"
            for name in sorted(_unequal(here, _lasting(expected.after)))
        ]
        return words

    def _seq(self) -> int | None:
        found = night_world.generation(self.place.store_root)
        return found[0] if found else None

    def _told(self) -> dict[str, Any]:
        found = json.loads(self.place.status_file.read_bytes())["last_success"]
        return {
            name: found[name]
            for name in ("as_of_utc", "generation", "night", "n_flagged", "new_flags", "rows", "tables", "changes")
        }


def _lasting(tree: Tree) -> Tree:
    """The store as it lies there: without words of the lock, and without folders, of which an empty one says nothing."""
    return {
        name: what
        for name, what in tree.items()
        if name.startswith("store/") and what is not None and name != "store/LOCK"
    }


def _unequal(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name, 0) != other.get(name, 0)}


def _copied(model: Disk) -> dict[str, Any]:
    import copy

    return copy.deepcopy(model.__dict__)


@contextmanager
def marked(shim: Shim) -> Iterator[None]:
    """Put a mark into the journal whenever something has been promised to survive."""
    places: list[tuple[Any, str, str]] = [
        (Draft, "commit", "committed"),
        (published, "show", "shown"),
        (status, "succeeded", "told"),
    ]
    before = [getattr(where, name) for where, name, _ in places]

    def marking(function: Callable[..., Any], words: str) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            got = function(*args, **more)
            shim.mark(words)
            return got

        return call

    for (where, name, words), function in zip(places, before, strict=True):
        setattr(where, name, marking(function, words))
    try:
        yield
    finally:
        for (where, name, _), function in zip(places, before, strict=True):
            setattr(where, name, function)


# --- the points --------------------------------------------------------------------------------------------------------------


def first_middle_last(steps: list[Step]) -> set[int]:
    """Of each row of writes into one file the first, the middle and the last: those between are of a kind."""
    keep: set[int] = set()
    rows: dict[int, list[int]] = {}
    for n, step in enumerate(steps):
        if step.op == "w":
            rows.setdefault(step.number(0), []).append(n)
        elif step.op == "o":
            # The file number may be another file's from now on.
            keep |= _of_row(rows.pop(step.number(1), []))
        if step.op != "w" and not step.is_mark and step.op != "?":
            keep.add(n)
    for row in rows.values():
        keep |= _of_row(row)
    return keep


def _of_row(row: list[int]) -> set[int]:
    return {row[0], row[len(row) // 2], row[-1]} if row else set()


def kills(bench: Bench, *, wanted: Callable[[int], bool], tally: Tally) -> None:
    """Before each change, and in the middle of each write: read, run again, compare."""
    model = Disk.__new__(Disk)
    model.__dict__.update(_copied(bench.model))
    for n, step in enumerate(bench.expected.steps):
        if wanted(n) and not step.is_mark and step.op != "?":
            promised = bench.expected.promised(n)
            shares = (0.0, 0.5) if step.op == "w" else (0.0,)
            for share in shares:
                state = model
                if share:
                    state = Disk.__new__(Disk)
                    state.__dict__.update(_copied(model))
                    state.apply(step, share=share)
                bench.place.wipe()
                state.lay_out(bench.place.disk)
                what = f"{bench.scenario.name}: {'torn' if share else 'killed'} at step {n} ({_shown(step)})"
                tally.n["torn writes" if share else "kills"] += 1
                tally.say(what, bench.as_read(promised) + bench.heals())
        model.apply(step)


def power_losses(bench: Bench, *, n_states: int, seed: int, tally: Tally) -> None:
    """So many states that a power loss at a random moment may leave: read, run again, compare."""
    rng = random.Random(seed)
    steps = bench.expected.steps
    # Moments spread over everything that is not one more write into a draft, where most of the calls are.
    moments = sorted(first_middle_last(steps) | {len(steps)})
    chosen = sorted(rng.choice(moments) for _ in range(n_states))
    model, done = Disk.__new__(Disk), 0
    model.__dict__.update(_copied(bench.model))
    for n in chosen:
        for step in steps[done:n]:
            model.apply(step)
        done = n
        bench.place.wipe()
        model.lay_out_after_power_loss(bench.place.disk, rng)
        tally.n["power losses"] += 1
        what = f"{bench.scenario.name}: power lost after {n} steps"
        tally.say(what, bench.as_read(bench.expected.promised(n)) + bench.heals())


def looks(
    bench: Bench,
    *,
    n_power_losses: int,
    seed: int,
    every: int,
    is_sharp: bool,
    stop_at_first: bool,
    tally: Tally,
) -> None:
    """Many more states, only read and not healed: kills and torn writes at every so many points, and so many power losses.

    Where it is `is_sharp`, none of the steps that wait for the disk or give a name is left out: there a missing fsync or a rename
    in two steps would show.
    """
    rng, steps = random.Random(seed), bench.expected.steps
    points = sorted(first_middle_last(steps))
    sharp = [n for n in points if steps[n].op in "frlsx" or (n and steps[n - 1].is_mark)]
    wanted = set(sharp if is_sharp else ()) | set(points[seed % every :: every])
    moments = Counter(rng.choice(sharp) if number % 3 else rng.choice(points) for number in range(n_power_losses))
    moments[len(steps)] += 5
    model = Disk.__new__(Disk)
    model.__dict__.update(_copied(bench.model))
    for n in range(len(steps) + 1):
        promised = bench.expected.promised(n) if n in wanted or n in moments else set()
        for kind, times in (("kills, only read", int(n in wanted)), ("power losses, only read", moments[n])):
            for _ in range(times):
                bench.place.wipe()
                if kind.startswith("kills"):
                    model.lay_out(bench.place.disk)
                else:
                    model.lay_out_after_power_loss(bench.place.disk, rng)
                tally.n[kind] += 1
                tally.say(f"{bench.scenario.name}: {kind} at step {n}", bench.as_read(promised))
                if tally.bad and stop_at_first:
                    return
        if n < len(steps):
            model.apply(steps[n])


ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO}


def errors(bench: Bench, name: str, *, wanted: Callable[[int], bool], tally: Tally) -> None:
    """Let each change fail in the running night: one line for the user, readers undisturbed, right when run again."""
    # Steps of the journal that were counted by the shim: marks were not.
    counted = [n for n, step in enumerate(bench.expected.steps) if not step.is_mark and step.op != "?"]
    for at, n in enumerate(counted):
        if not wanted(n):
            continue
        bench.reset(bench.expected.before)
        words, failed = _disturbed(bench, at=at, code=ERRORS[name])
        what = f"{bench.scenario.name}: {name} at call {at} ({bench.shim.last})"
        tally.n[name] += 1
        tally.n[f"{name}: {'the night failed' if failed else 'the night went on'}"] += 1
        tally.say(what, words + bench.as_read(set() if failed else {"committed", "shown", "told"}) + bench.heals())


def read_errors(bench: Bench, *, every: int, tally: Tally) -> None:
    """Let reads fail (EIO): the night may go on without a delivery that it cannot read; the next one has it."""
    bench.reset(bench.expected.before)
    with bench.shim.armed(bench.place.disk, also=bench.place.home, reads=True):
        bench.place.night(bench.scenario.as_of)
    for at in range(0, bench.shim.n_steps, every):
        bench.reset(bench.expected.before)
        words, failed = _disturbed(bench, at=at, code=errno.EIO, reads=True)
        what = f"{bench.scenario.name}: EIO at read {at} ({bench.shim.last})"
        tally.n["reads that fail"] += 1
        tally.n[f"reads that fail: {'the night failed' if failed else 'the night went on'}"] += 1
        words += night_world.wrong_with_store(bench.place.store_root) + night_world.wrong_with_folder(bench.place.out)
        tally.say(what, words + bench.heals(same_history=False))


def _disturbed(bench: Bench, *, at: int, code: int, reads: bool = False) -> tuple[list[str], bool]:
    """One night in which one call fails; what is wrong with how it said so, and whether it failed."""
    try:
        with bench.shim.armed(bench.place.disk, also=bench.place.home, at=at, action=FAIL, code=code, reads=reads):
            bench.place.night(bench.scenario.as_of)
    except (GhostshipsError, OSError) as error:
        said, _ = nightly._said(error)
        return ([] if said and "\n" not in said else [f"says {said!r}"]), True
    except Exception as error:  # noqa: BLE001 - an internal error is what must not be
        return [f"internal error: {type(error).__name__}: {' '.join(str(error).split())[:200]}"], True
    return [], False


def _shown(step: Step) -> str:
    words = {"w": "write", "o": "open", "f": "fsync", "t": "truncate"}.get(step.op)
    return words or f"{step.op} {Path(step.text(-1) if step.op in 'rlsx' else step.text(0)).name}"


def play(folder: Path, which: int, shim: Shim, what: Callable[[Bench], None], tally: Tally) -> None:
    """One scenario on a fresh bench."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bench = Bench(folder, SCENARIOS[which], shim)
    tally.n[f"calls of scenario {which + 1}"] = sum(
        1 for step in bench.expected.steps if not step.is_mark and step.op != "?"
    )
    tally.say(bench.scenario.name, bench.followed())
    what(bench)
    shutil.rmtree(folder)
