"""F2 and F4: real processes. `kill -9` at any moment of a night, and readers beside two runners at once.

Processes are forked from a server that has imported everything and computed nothing (Polars does not survive a fork once its
threads run), so that a night begins in milliseconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import night_world
from faults import SCENARIOS, Bench, Tally
from night_world import DAYS, END, START, Place

from ghostships.errors import GhostshipsError
from ghostships.store import Draft, Store, StoreHeld

GRACE_S = 120.0


def processes() -> Any:
    """Where new processes come from: a server with everything imported and no thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kills", "schedules"])
    return context


# --- F2 ----------------------------------------------------------------------------------------------------------------------


def _one_night(folder: Path, as_of: datetime, tell: Connection) -> None:
    commit = Draft.commit

    def committing(self: Draft, *args: Any, **more: Any) -> Any:
        tell.send("commits")
        return commit(self, *args, **more)

    Draft.commit = committing  # type: ignore[method-assign]
    tell.send("begun")
    Place.again(folder).night(as_of)


def killed_at_random(folder: Path, *, n: int, seed: int, tally: Tally) -> None:
    """Kill the process of a night at a random moment; read, run again, compare."""
    rng, context = random.Random(seed), processes()
    for which, scenario in enumerate(SCENARIOS):
        bench = Bench(folder / f"scenario-{which}", scenario, None)
        share = n // 2 if which else n - n // 2
        bench.reset(bench.expected.before)
        took_s, rest_s = _undisturbed(context, bench)
        for number in range(share):
            bench.reset(bench.expected.before)
            # Every other one where most is at stake: from the commit to the end.
            is_late = number % 2 == 1
            after_s = rng.uniform(0, rest_s if is_late else took_s)
            _killed(context, bench, after="commits" if is_late else "begun", seconds=after_s)
            tally.n["kills"] += 1
            tally.n[f"killed {_how_far(bench)}"] += 1
            since = "the commit began" if is_late else "the night began"
            what = f"{scenario.name}: kill -9 number {number}, {after_s:.3f} s after {since}"
            tally.say(what, bench.as_read(set()) + bench.heals())


def _undisturbed(context: Any, bench: Bench) -> tuple[float, float]:
    """How long a night takes in a process of its own, and how long from the commit on."""
    bench.reset(bench.expected.before)
    process, mine = _started(context, bench)
    began = time.monotonic()
    _heard(mine, "commits")
    committed = time.monotonic()
    process.join(GRACE_S)
    assert process.exitcode == 0, f"the night ended with {process.exitcode}"
    ended = time.monotonic()
    return ended - began, ended - committed


def _killed(context: Any, bench: Bench, *, after: str, seconds: float) -> None:
    """One night in a process of its own that is killed so long after it said something."""
    process, mine = _started(context, bench)
    if after != "begun":
        _heard(mine, after)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):  # it was done
        os.kill(process.pid, signal.SIGKILL)
    process.join(GRACE_S)
    assert process.exitcode in (0, -signal.SIGKILL), f"the night ended with {process.exitcode}"
    mine.close()


def _started(context: Any, bench: Bench) -> tuple[Any, Connection]:
    mine, its = context.Pipe(duplex=False)
    process = context.Process(target=_one_night, args=(bench.place.folder, bench.scenario.as_of, its))
    process.start()
    its.close()
    _heard(mine, "begun")
    return process, mine


def _heard(mine: Connection, what: str) -> None:
    assert mine.poll(GRACE_S), f"the night never said that it {what}"
    said = mine.recv()
    assert said == what, said


def _how_far(bench: Bench) -> str:
    """What had become true when the process died."""
    place, (_, night) = bench.place, bench.expected.nights
    try:
        if night_world.told_night(place.status_file) == night:
            return "when all was done"
        if night_world.shown_night(place.out) == night:
            return "before the status was written"
        if night_world.drawn(place.store_root) == night:
            return "between commit and publication"
    except (GhostshipsError, OSError, ValueError):
        return "in a state that cannot be read"
    return "before the commit"


# --- F4 ----------------------------------------------------------------------------------------------------------------------


def _until(stop: Any, job: Callable[[], dict[str, int]], answers: Connection, bad: list[str]) -> None:
    counts: dict[str, int] = {}
    answers.send("begun")
    while not stop.is_set():
        for name, n in job().items():
            counts[name] = counts.get(name, 0) + n
    answers.send((counts, bad[:20]))


def _runner(folder: Path, number: int, stop: Any, answers: Connection) -> None:
    """Nights without end, each with another as-of, so that each has something to publish."""
    place, bad = Place.again(folder), list[str]()
    rng = random.Random(number)

    def job() -> dict[str, int]:
        try:
            place.night(START + timedelta(days=rng.randint(3, len(DAYS))))
            return {"nights": 1}
        except StoreHeld as error:
            if error.exit_status != 75 or "(pid " not in str(error):
                bad.append(f"the refusal does not name the holder: {error}")
            time.sleep(0.02)
            return {"refusals with status 75": 1}
        except Exception as error:  # noqa: BLE001 - whatever it is, two timers must not meet it
            bad.append(f"runner: {type(error).__name__}: {error}")
            return {"failures": 1}

    _until(stop, job, answers, bad)


def _reader(folder: Path, stop: Any, answers: Connection) -> None:
    """Open what is current, read all of it; the published folder likewise. Never wait, never be told a half."""
    place, bad, newest = Place.again(folder), list[str](), [0]
    seen: set[int] = set()

    def job() -> dict[str, int]:
        try:
            store = Store.open(place.store_root)
            shown = night_world.shown_night(place.out)
            current = store.current()
            assert current is not None
            for ref in current.refs:
                store.read_bytes(ref)
            if current.seq < newest[0]:
                bad.append(f"generation {current.seq} after {newest[0]}")
            newest[0] = current.seq
            seen.add(current.seq)
            named = set(current.payload["outcome"]["tables"].values())
            if not named <= {ref.path for ref in current.refs}:
                bad.append(f"generation {current.seq} names tables that it does not have")
            if shown is None or shown > current.payload["outcome"]["drawn"]:
                bad.append(f"night {shown} is shown, the store has {current.payload['outcome']['drawn']}")
            bad.extend(night_world.wrong_with_folder(place.out))
            night_world.told_night(place.status_file)
        except Exception as error:  # noqa: BLE001 - a reader must never meet any
            bad.append(f"reader: {type(error).__name__}: {error}")
        return {"readings": 1}

    _until(stop, job, answers, bad)
    assert seen or bad


def readers_beside_runners(folder: Path, *, seconds: float, tally: Tally) -> None:
    """Two runners and two readers on one store for so long."""
    context = processes()
    place = Place(folder / "place", folders=5)
    for day in DAYS:
        place.put(f"ais_{day}.csv", night_world.of_day(day))
    place.night(END)
    stop = context.Event()
    started = []
    for target, args in ((_runner, (1,)), (_runner, (2,)), (_reader, ()), (_reader, ())):
        mine, its = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(place.folder, *args, stop, its))
        process.start()
        started.append((process, mine))
    # Starting a process takes seconds on a busy machine: the time counts from where all of them work.
    for _, mine in started:
        _heard(mine, "begun")
    time.sleep(seconds)
    stop.set()
    for process, answers in started:
        assert answers.poll(GRACE_S), "a process did not end"
        counts, bad = answers.recv()
        process.join(GRACE_S)
        tally.n.update(counts)
        tally.bad += bad
    for name in ("nights", "refusals with status 75", "readings"):
        if not tally.n[name]:
            tally.bad.append(f"no {name}: nothing was proved")
    tally.n["generations"] = len(Store.open(place.store_root).seqs())
    tally.bad += night_world.wrong_with_store(place.store_root) + night_world.wrong_with_folder(place.out)
