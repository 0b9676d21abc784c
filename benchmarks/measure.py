"""Whole commands as processes, in turn, several rounds: CPU, wall time and peak memory of each; medians and ranges.

A command is started afresh each time, so that starting Python and importing libraries counts. Commands that are compared take
turns within a round, and each round begins with the next one, so that a machine that slows down slows all of them. CPU seconds
are user and system time of the process and of all its children, from the kernel's own account (`wait4`). Nothing is asserted
about times. Linux only.

The process that measures must stay small: the kernel counts a parent's size at the moment of the fork as the child's.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.05


@dataclass(frozen=True)
class Command:
    """One thing to measure. `before` prepares a round, `check` reads its output and says how it was; neither is measured."""

    name: str
    words: Sequence[str]
    before: Callable[[], None] | None = None
    check: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Sample:
    """One run. `peak_mib`: resident memory of all its processes together, with pages of mapped files; `peak_own_mib`: without."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    peak_own_mib: float
    output: str
    said: str


class Failed(RuntimeError):
    """A command ended with another status than 0."""


def run(command: Command) -> Sample:
    """Run the command once.

    Raises
    ------
    Failed
        with the last lines the command said.
    """
    if command.before is not None:
        command.before()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen([*map(str, command.words)], stdin=subprocess.DEVNULL, stdout=out, stderr=said)
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.done.set()
        watch.join()
        out.seek(0)
        said.seek(0)
        output = out.read().decode("utf-8", "replace")
        if process.returncode:
            last = said.read().decode("utf-8", "replace").strip().splitlines()[-5:]
            raise Failed(f"{command.name} ended with {process.returncode}: {' / '.join(last)}")
    return Sample(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        max(usage.ru_maxrss / 1024, watch.peak_kib / 1024),
        watch.peak_own_kib / 1024,
        output,
        command.check(output) if command.check is not None else "",
    )


class _Watch(threading.Thread):
    """Adds up the memory of a process and its descendants, twenty times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.done = pid, threading.Event()
        self.peak_kib, self.peak_own_kib = 0, 0

    def run(self) -> None:
        while not self.done.wait(SAMPLE_EVERY_S):
            whole = own = 0
            for pid in _family(self.pid):
                resident, files = _memory_kib(pid)
                whole += resident
                own += resident - files
            self.peak_kib, self.peak_own_kib = max(self.peak_kib, whole), max(self.peak_own_kib, own)


def _family(pid: int) -> list[int]:
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        for task in _listed(Path(f"/proc/{found[-1]}/task")):
            try:
                todo += map(int, (task / "children").read_text().split())
            except OSError:
                continue
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:
        return []


def _memory_kib(pid: int) -> tuple[int, int]:
    """Resident pages, and those of them that belong to files [KiB]; zero for a process that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS:", "RssFile:"))}
    return int(values.get("VmRSS", 0)), int(values.get("RssFile", 0))


def alternate(commands: Sequence[Command], *, rounds: int) -> dict[str, list[Sample]]:
    """Every command `rounds` times, in turn; each round begins with the next command."""
    samples: dict[str, list[Sample]] = {command.name: [] for command in commands}
    for nth in range(rounds):
        at = nth % len(commands)
        for command in [*commands[at:], *commands[:at]]:
            samples[command.name].append(run(command))
    return samples


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, and in brackets the least and the largest."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def cpu_s(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.cpu_s for sample in samples)


def table(
    commands: Sequence[Command], samples: dict[str, list[Sample]], *, yardsticks: Sequence[str] = ()
) -> list[str]:
    """A Markdown table: one row per command, one column of CPU ratios per yardstick."""
    ratios = "".join(f" x {name} |" for name in yardsticks)
    lines = [
        f"| | CPU [s] |{ratios} wall [s] | peak [GiB] | without mapped files [GiB] | answer |",
        "|---|---:|" + "---:|" * (len(yardsticks) + 3) + "---|",
    ]
    for command in commands:
        runs = samples[command.name]
        ratio = "".join(f" {cpu_s(runs) / cpu_s(samples[name]):.2f} |" for name in yardsticks)
        said = "; ".join(dict.fromkeys(run.said for run in runs))  # one sentence unless rounds differ
        peaks = [max(getattr(run, name) for run in runs) / 1024 for name in ("peak_mib", "peak_own_mib")]
        lines.append(
            f"| {command.name} | {spread([run.cpu_s for run in runs])} |{ratio} {spread([run.wall_s for run in runs])} "
            f"| {peaks[0]:.2f} | {peaks[1]:.2f} | {said} |"
        )
    return lines
