"""How long the river takes: a simulated scenario of 60 days through `ghostships run`, stage by stage.

    python benchmarks/river.py [SCENARIO ...]

Each scenario is simulated and analysed in processes of their own, with a cold cache of sea distances first and a warm one
after. A stage begins when the command says so on its log; wall time, processor time and the peak of the resident memory
are read from the kernel at that moment (Linux only). Prints tables in Markdown, which `run.py` puts
into the results; asserts nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Failed

SEED = 1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STEM = "ghostships"


@dataclass(frozen=True)
class Stage:
    """One stage of a process: what it said it was doing, and what that took."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(words: Sequence[str], environment: dict[str, str]) -> list[Stage]:
    """Run `ghostships` with these words and split its time at the lines it logs."""
    command = [sys.executable, "-m", _STEM, *words, "--log-format", "json"]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    assert process.stderr is not None
    stages: list[Stage] = []
    name, at, cpu = "starting", begun, 0.0
    said: list[str] = []
    for line in process.stderr:
        now = time.monotonic()
        said.append(line)
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") != "info":
            continue
        spent, peak = _spent(process.pid)
        stages.append(Stage(name, now - at, spent - cpu, peak))
        name, at, cpu = str(entry["message"]).replace(str(Path(words[-1]).parent), "..."), now, spent
        _forget_peak(process.pid)
    # After the log is closed only the answer is printed: the last figures come from the kernel's own account.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = said[-1].strip()[:300] if said else "it said nothing"
        raise Failed(f"{_STEM} {words[0]} ended with {process.returncode}: {last}")
    total_cpu = usage.ru_utime + usage.ru_stime
    stages.append(Stage(name, time.monotonic() - at, total_cpu - cpu, float("nan")))
    # Forgetting a peak makes the kernel forget it in its account too: the largest of all is the peak of the process.
    peak = max([usage.ru_maxrss / 1024, *(stage.peak_mib for stage in stages[:-1])])
    stages.append(Stage("**all**", time.monotonic() - begun, total_cpu, peak))
    return stages


def _spent(pid: int) -> tuple[float, float]:
    """Processor seconds so far, and the peak of the resident memory [MiB] since it was last forgotten."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak_kib = next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S, peak_kib / 1024


def _forget_peak(pid: int) -> None:
    """Start a new peak (proc(5), `clear_refs` 5); not allowed everywhere, and then a stage shows the peak so far."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return


def table(title: str, stages: list[Stage]) -> list[str]:
    lines = [f"### {title}", "", "| stage | wall [s] | CPU [s] | peak RSS [MiB] |", "|---|---:|---:|---:|"]
    for stage in stages:
        peak = "" if stage.peak_mib != stage.peak_mib else f"{stage.peak_mib:.0f}"
        lines.append(f"| {stage.name} | {stage.wall_s:.1f} | {stage.cpu_s:.1f} | {peak} |")
    return [*lines, ""]


def inputs(world: Path) -> list[str]:
    """The files of a simulated world as words of `ghostships run`."""
    files = [str(world / "ais.csv.gz"), "--sightings", str(world / "sightings.csv")]
    return [*files, "--scenes", str(world / "scenes.csv"), "--vessels", str(world / "vessels.csv")]


def lines(scenarios: Sequence[str]) -> list[str]:
    """Tables in Markdown of these scenarios."""
    told = ["The last stage of a process has no peak of its own; the row `all` has the peak of the whole process.", ""]
    with tempfile.TemporaryDirectory() as folder:
        for name in scenarios:
            world, out = Path(folder) / name, Path(folder) / f"{name}-out"
            cache = {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
            told += table(
                f"`{name}`: simulate", measure(["simulate", "--seed", str(SEED), "--preset", name, str(world)], cache)
            )
            counts = json.loads((world / "scenario.json").read_text(encoding="utf-8"))["counts"]
            told += [", ".join(f"{what.removeprefix('n_')} {n}" for what, n in counts.items()) + ".", ""]
            for state in ("no cached distances", "cached distances"):
                told += table(f"`{name}`: run, {state}", measure(["run", *inputs(world), "--out", str(out)], cache))
    return told


if __name__ == "__main__":
    print("\n".join(lines(sys.argv[1:] or ["default"])))
