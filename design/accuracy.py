"""How often the answers are right: scores many simulated worlds and hidden pieces of real tracks, and writes `docs/accuracy.md`.

    python design/accuracy.py score WORK default:1-10 none:1-10 rare:1-3     one process per world; what is scored already is kept
    python design/accuracy.py blank WORK SEEDS AIS...                        hidden pieces of real exports, one process per seed
    python design/accuracy.py write WORK docs/accuracy.md --made "22 November 2026, 2 cores"

Every world is simulated (unless it lies in WORK already), run as a user would run it, scored by `ghostships.evaluate`, and set
beside what an oracle could have answered (`ghostships.evaluation.oracle`). A result is a JSON file in WORK/results that names the
code that made it: after a change of code it is made again. The page holds every result that is there; none is left out. What the
page says in words is in `accuracy_notes.md`.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghostships import blanked, program
from ghostships.evaluate import WANTED, evaluate, outcomes, read_tables, read_truth
from ghostships.evaluation import oracle, scoring
from ghostships.simulate import preset, simulate

SCORES = (
    ("right_attribution", "right"),
    ("right_attribution_of_ships", "ships"),
    ("right_attribution_of_none", "none"),
    ("ece", "ECE"),
    ("calibration_gap", "gap"),
    ("log_loss_skill", "skill"),
    ("trip_precision", "precision"),
    ("trip_recall", "recall"),
    ("trip_ap", "AP"),
    ("trip_ece", "trip ECE"),
    ("trip_log_loss_skill", "trip skill"),
    ("flags_per_60_days", "flags"),
    ("false_flags_per_60_days", "false flags"),
)
DEVELOPED_ON = {("default", 1), ("default", 2), ("none", 1)}
"""Looked at while the method was built; all other worlds were only scored."""

SURE_FROM = 0.8
"""Who wants to abstain unless sure, abstains below this."""

NOTES = Path(__file__).with_name("accuracy_notes.md")


def worlds(wanted: Iterable[str]) -> list[tuple[str, int]]:
    """`default:1-3` and `none:2` as scenarios and seeds, in the order given, each once."""
    out: list[tuple[str, int]] = []
    for text in wanted:
        name, _, seeds = text.partition(":")
        preset(name)
        first, _, last = seeds.partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise SystemExit(f"{text}: right would be SCENARIO:SEED or SCENARIO:FIRST-LAST")
        out += [(name, seed) for seed in range(int(first), int(last or first) + 1)]
    return list(dict.fromkeys(out))


def score(work: Path, wanted: Sequence[str]) -> None:
    """Score each world in a process of its own; a failure ends the run and leaves what was scored."""
    code = program.thinking()["code"]
    for name, seed in worlds(wanted):
        path = _result(work, name, seed)
        if _made_by(path) == code:
            say(f"{path.name}: scored already")
            continue
        subprocess.run([sys.executable, __file__, "one", str(work), f"{name}:{seed}"], check=True)
        say(_line(json.loads(path.read_text(encoding="utf-8"))))


def one(work: Path, name: str, seed: int) -> None:
    """Simulate, run and score one world."""
    code, scenario = program.thinking()["code"], preset(name)
    folder, out = work / f"{name}{seed}", work / f"out_{name}{seed}"
    is_ours = not (folder / "scenario.json").is_file()
    if is_ours:
        simulate(folder, seed=seed, scenario=scenario)
    lists = [f"--{kind}={folder / kind}.csv" for kind in ("sightings", "scenes", "vessels")]
    command = [sys.executable, "-m", "ghostships", "run", str(folder / "ais.csv.gz"), *lists, "--out", str(out), "-q"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    told = evaluate(folder, out).as_dict() | {
        "oracle": oracle.bound(folder, out),
        "stated": _stated(folder, out),
        "cost": {
            "wall_s": round(wall, 1),
            "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
            "peak_mib": round(after.ru_maxrss / 1024),
        },
        "code": code,
    }
    _keep(_result(work, name, seed), told)
    shutil.rmtree(out)
    if is_ours:
        shutil.rmtree(folder)


def _stated(folder: Path, out: Path) -> dict[str, list[tuple[float, bool]]]:
    """Every probability that was stated, and whether it was right: answers at the dark port, candidate trips."""
    found = outcomes(read_truth(folder), read_tables(out))
    asked, trips = found.asked, found.candidates
    return {
        "answers": list(zip(asked["p"].round(6).tolist(), asked["is_right"].tolist(), strict=True)),
        "trips": list(zip(trips["p"].round(6).tolist(), trips["is_supported"].tolist(), strict=True)),
    }


def blank(work: Path, seeds: str, files: Sequence[str]) -> None:
    """Hidden pieces of each export and seed."""
    first, _, last = seeds.partition("-")
    code = program.thinking()["code"]
    for file in files:
        for seed in range(int(first), int(last or first) + 1):
            path = work / "results" / f"blanked-{Path(file).name}-{seed:03d}.json"
            if _made_by(path) == code:
                say(f"{path.name}: scored already")
                continue
            found = blanked.evaluate([file], seed=seed)
            _keep(path, found.as_dict() | {"code": code})
            say(f"{path.name}: {found.scores}")


def _result(work: Path, name: str, seed: int) -> Path:
    return work / "results" / f"{name}-{seed:03d}.json"


def _keep(path: Path, told: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def _made_by(path: Path) -> str | None:
    return json.loads(path.read_text(encoding="utf-8"))["code"] if path.is_file() else None


def write(work: Path, page: Path, made: str) -> None:
    """The page, from every result in WORK and the notes."""
    read = [json.loads(p.read_text(encoding="utf-8")) for p in sorted((work / "results").glob("*.json"))]
    simulated, real = [r for r in read if "oracle" in r], [r for r in read if "by_kind" in r]
    if not simulated:
        raise SystemExit(f"{work / 'results'}: no results; right would be `accuracy.py score` first")
    codes = {r["code"] for r in read}
    notes = NOTES.read_text(encoding="utf-8").split("<!-- tables -->")
    head = [notes[0].rstrip("\n"), "", f"Made by `design/accuracy.py`: {made}; code {', '.join(sorted(codes))}.", ""]
    if len(codes) > 1:
        head += ["**These results are of different states of the code: score again what is old.**", ""]
    body = [*_medians(simulated), *_oracle(simulated), *_pooled(simulated), *_worst(simulated)]
    body += [*_per_seed(simulated), *_real(real)]
    page.write_text("\n".join([*head, *body, notes[1].strip("\n")]) + "\n", encoding="utf-8")
    say(f"{page}: {len(simulated)} worlds, {len(real)} exports with hidden pieces")


def _by_scenario(results: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for result in sorted(results, key=lambda r: (r["scenario"] != "default", r["scenario"], r["seed"])):
        out.setdefault(result["scenario"], []).append(result)
    return out


def _medians(results: Sequence[dict[str, Any]]) -> list[str]:
    titles = [title for _, title in SCORES]
    lines = [
        "## Medians over seeds, and the worst seed",
        "",
        "| world | judge | seeds | " + " | ".join(titles) + " |",
        "|---|---|---|" + "---|" * len(titles),
    ]
    for name, own in _by_scenario(results).items():
        for judge in ("run", "by_hand"):
            cells = [_spread([r[judge].get(key) for r in own], key) for key, _ in SCORES]
            lines.append(f"| {name} | {judge.replace('_', ' ')} | {len(own)} | " + " | ".join(cells) + " |")
    asked = [WANTED.get(key, "").replace("<", "&lt;").replace(">", "&gt;") for key, _ in SCORES]
    return [*lines, "| | wanted | | " + " | ".join(asked) + " |", ""]


def _spread(values: Sequence[float | None], key: str) -> str:
    """Median, and the worst in brackets where there are several."""
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    is_cost = "ece" in key or "flags" in key
    worst = max(known) if is_cost else max(known, key=abs) if key == "calibration_gap" else min(known)
    shown = _shown(statistics.median(known), key)
    return shown if len(known) == 1 else f"{shown} ({_shown(worst, key)})"


def _oracle(results: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "## How far the data itself goes",
        "",
        "The oracle is told what no judge is: which sightings are one stay, all lengths, who trades and how often each",
        "hull calls. Medians over seeds; *promised* is what its own probabilities expect, *out of question* the share of",
        "sightings of ships that no silence covers.",
        "",
        "| world | right: run | oracle | promised | ships: run | oracle | none: run | oracle | out of question |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, own in _by_scenario(results).items():

        def pair(key: str, rows: Sequence[dict[str, Any]] = own) -> list[str]:
            return [_spread([r[side].get(key) for r in rows], "") for side in ("run", "oracle")]

        right, ships, none = (pair(f"right_attribution{tail}") for tail in ("", "_of_ships", "_of_none"))
        promised = _spread([r["oracle"]["expected_right"] for r in own], "ece")
        lost = [
            r["oracle"]["n_out_of_question"] / r["oracle"]["n_sightings"] if r["oracle"]["n_sightings"] else None
            for r in own
        ]
        cells = [*right, promised, *ships, *none, _spread(lost, "ece")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _pooled(results: Sequence[dict[str, Any]]) -> list[str]:
    """Stated against true over all seeds of a world together: one seed has too few answers to tell a fault from chance."""
    lines = ["## Do stated probabilities mean what they say?", ""]
    lines += [
        "All seeds of a world together, development seeds left out where there are others. *by chance*: the ECE that perfectly",
        "right probabilities of as many answers would show (mean of 200 draws). *sure*: the share of answers with p of at least",
        f"{SURE_FROM:g}, for who wants to abstain from all others, and how many of them are right.",
        "",
        "| world | what | n | ECE | by chance | gap (.2 to .95) | skill | sure | right of them |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    curves: list[str] = []
    for name, own in _by_scenario(results).items():
        unseen = [r for r in own if (name, r["seed"]) not in DEVELOPED_ON] or own
        for what in ("answers", "trips"):
            pairs = [tuple(pair) for r in unseen for pair in r.get("stated", {}).get(what, [])]
            if not pairs:
                continue
            p, right = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs], dtype=bool)
            rng = np.random.default_rng(1)
            chance = [scoring.expected_calibration_error(p, rng.random(len(p)) < p) or 0.0 for _ in range(200)]
            sure = p >= SURE_FROM
            cells = [
                _shown3(scoring.expected_calibration_error(p, right)),
                _shown3(float(np.mean(chance))),
                _shown3(scoring.calibration_gap(p, right)),
                _shown(scoring.log_loss_skill(p, right), ""),
                f"{sure.mean():.0%}",
                f"{right[sure].mean():.3f}" if sure.any() else "-",
            ]
            lines.append(f"| {name} | {what} | {len(p)} | " + " | ".join(cells) + " |")
            if name == "default":
                curves += ["", f"Stated and true share, {name}, {what}, ten bins of equal count:", ""]
                curves += ["| stated | true | 95 % interval | n |", "|---|---|---|---|"]
                for b in scoring.reliability(p, right, n_bins=10):
                    span = f"{b['low']:.3f} to {b['high']:.3f}"
                    curves.append(f"| {b['mean_p']:.3f} | {b['share_right']:.3f} | {span} | {b['n']} |")
    return [*lines, *curves, ""]


def _shown3(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _worst(results: Sequence[dict[str, Any]]) -> list[str]:
    """Which worlds are farthest from what is wanted: that is where to look."""
    lines = ["## Farthest from what is wanted", ""]
    for key, title in SCORES:
        if key not in WANTED:
            continue
        sign, limit = WANTED[key].split()
        known = [(r["run"][key], f"{r['scenario']} seed {r['seed']}") for r in results if r["run"].get(key) is not None]
        if key == "false_flags_per_60_days":
            known = [(v, w) for v, w in known if w.startswith("none ")]
        if not known:
            continue
        met = [v >= float(limit) if sign == ">=" else v <= float(limit) for v, _ in known]
        ordered = sorted(known, reverse=sign == "<=")
        named = ", ".join(f"{w} {_shown(v, key)}" for v, w in ordered[:3])
        lines.append(f"- {title}: wanted {WANTED[key]}, met in {sum(met)} of {len(known)} worlds; worst {named}")
    return [*lines, ""]


def _per_seed(results: Sequence[dict[str, Any]]) -> list[str]:
    titles = [title for _, title in SCORES]
    lines = [
        "## Every seed",
        "",
        "Seeds marked * were looked at while the method was built; the others were only scored (see the end of the page).",
        "",
    ]
    lines += [
        "| world | judge | " + " | ".join(titles) + " | oracle right | wall s | CPU s | peak MiB |",
        "|---|---|" + "---|" * (len(titles) + 4),
    ]
    for name, own in _by_scenario(results).items():
        for r in own:
            star = "*" if (name, r["seed"]) in DEVELOPED_ON else ""
            cost, best = r["cost"], _shown(r["oracle"]["right_attribution"], "")
            last = {
                "run": f"{best} | {cost['wall_s']:.0f} | {cost['cpu_s']:.0f} | {cost['peak_mib']}",
                "by_hand": "| | |",
            }
            for judge, end in last.items():
                cells = " | ".join(_shown(r[judge].get(key), key) for key, _ in SCORES)
                lines.append(f"| {name}, seed {r['seed']}{star} | {judge.replace('_', ' ')} | {cells} | {end} |")
    return [*lines, ""]


def _real(results: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "## Hidden pieces of real tracks",
        "",
        "Pieces of real exports were hidden and had to be found again (`ghostships evaluate --blank`): their positions with",
        "noise became the sightings, among decoys. Medians over seeds, the worst in brackets; *by hand* puts each on the",
        "silent ship whose even straight course passes nearest.",
        "",
    ]
    if not results:
        return [*lines, "Nothing was scored.", ""]
    keys = [*results[0]["scores"]]
    lines += [
        "| export | judge | seeds | " + " | ".join(k.replace("_", " ") for k in keys) + " |",
        "|---|---|---|" + "---|" * len(keys),
    ]
    by_file: dict[str, list[dict[str, Any]]] = {}
    for r in sorted(results, key=lambda r: (r["files"], r["seed"])):
        by_file.setdefault(", ".join(r["files"]), []).append(r)
    for name, own in by_file.items():
        for judge in ("scores", "by_hand"):
            cells = [_spread([r[judge].get(k) for r in own], "ece" if k == "mean_rank" else k) for k in keys]
            lines.append(
                f"| {name} | {'run' if judge == 'scores' else 'by hand'} | {len(own)} | " + " | ".join(cells) + " |"
            )
    lines += ["", "| export | sightings | n | right | 95 % interval |", "|---|---|---|---|---|"]
    for name, own in by_file.items():
        for kind in dict.fromkeys(k["kind"] for r in own for k in r["by_kind"]):
            rows = [k for r in own for k in r["by_kind"] if k["kind"] == kind]
            n, right = sum(k["n"] for k in rows), round(sum(k["n"] * k["share_right"] for k in rows))
            low, high = scoring.interval(right, n)
            lines.append(f"| {name} | {kind.replace('_', ' ')} | {n} | {right / n:.2f} | {low:.2f} to {high:.2f} |")
    told = dict.fromkeys(note for r in results for note in r["notes"])
    return [*lines, "", *(f"- {note}" for note in told if " of " not in note), ""]


def _line(told: dict[str, Any]) -> str:
    scores = ", ".join(f"{title} {_shown(told['run'].get(key), key)}" for key, title in SCORES)
    return f"{told['scenario']}:{told['seed']}: {scores}; oracle {_shown(told['oracle']['right_attribution'], '')}"


def _shown(value: float | None, key: str) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.0f}" if "flags" in key else f"{value:.2f}"


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """The words of the command line."""
    parser = argparse.ArgumentParser(description="Scores for docs/accuracy.md")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("score", "one"):
        command = commands.add_parser(name)
        command.add_argument("work", type=Path)
        command.add_argument("worlds", nargs="+", metavar="SCENARIO:SEED")
    command = commands.add_parser("blank")
    command.add_argument("work", type=Path)
    command.add_argument("seeds")
    command.add_argument("files", nargs="+")
    command = commands.add_parser("write")
    command.add_argument("work", type=Path)
    command.add_argument("page", type=Path)
    command.add_argument("--made", required=True, help="when and on what machine")
    given = parser.parse_args()
    if given.command == "score":
        score(given.work, given.worlds)
    elif given.command == "one":
        one(given.work, *worlds(given.worlds)[0])
    elif given.command == "blank":
        blank(given.work, given.seeds, given.files)
    else:
        write(given.work, given.page, given.made)


if __name__ == "__main__":
    main()
