"""How often the answers are right, on simulated worlds that nobody chose: writes the table of `docs/accuracy.md`.

    python design/accuracy.py WORK_FOLDER default:1 default:2 none:1 ...

Every world is simulated (unless it is there already), run as a user would run it, and scored by `ghostships.evaluate`. The seeds
are those given on the command line; none is left out of the table.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

from ghostships.evaluate import evaluate
from ghostships.simulate import preset, simulate

SCORES = (
    ("right_attribution", "right"),
    ("right_attribution_of_ships", "ships"),
    ("right_attribution_of_none", "none"),
    ("ece", "ECE"),
    ("trip_precision", "precision"),
    ("trip_recall", "recall"),
    ("trip_ap", "AP"),
    ("trip_ece", "trip ECE"),
    ("flags_per_60_days", "flags"),
    ("false_flags_per_60_days", "false flags"),
)


def main(work: Path, wanted: list[str]) -> None:
    """Simulate, run and score each world; print one Markdown row per world and judge."""
    titles = [title for _, title in SCORES]
    say("| world | judge | " + " | ".join(titles) + " | wall s | CPU s | peak MiB |")
    say("|---|---|" + "---|" * (len(titles) + 3))
    for world in wanted:
        name, seed = world.split(":")
        folder, out = work / f"{name}{seed}", work / f"out_{name}{seed}"
        if not (folder / "scenario.json").is_file():
            simulate(folder, seed=int(seed), scenario=preset(name))
        lists = [f"--{kind}={folder / kind}.csv" for kind in ("sightings", "scenes", "vessels")]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [
            sys.executable,
            "-m",
            "ghostships",
            "run",
            str(folder / "ais.csv.gz"),
            *lists,
            "--out",
            str(out),
            "-q",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        told = evaluate(folder, out).as_dict()
        cost = f"{wall:.0f} | {cpu:.0f} | {after.ru_maxrss / 1024:.0f}"
        for judge, last in (("run", cost), ("by hand", "| |")):
            say(
                f"| {name}, seed {seed} | {judge} | "
                + " | ".join(shown(told, key, judge) for key, _ in SCORES)
                + f" | {last} |"
            )


def shown(told: dict[str, object], key: str, judge: str) -> str:
    """One score of one judge, as the table shows it."""
    scores = told["run" if judge == "run" else "by_hand"]
    assert isinstance(scores, dict)
    value = scores.get(key)
    if value is None or value != value:
        return "-"
    return f"{value:.0f}" if "flags" in key else f"{value:.2f}"


def say(line: str) -> None:
    """One line of the table."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
