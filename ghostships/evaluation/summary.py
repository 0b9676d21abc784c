"""The judge's folder: every score, two figures, and what each factor is worth, as JSON and as a page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ghostships.errors import UsageError
from ghostships.evaluation import ablation, drawing, scoring

if TYPE_CHECKING:
    from ghostships.evaluate import Outcomes, Scores

SCORES = "scores.json"
PAGE = "summary.md"


def curves(found: Outcomes) -> dict[str, Any]:
    """The points of the figures: reliability of the answers at the dark port and of the trips, precision over recall."""
    asked, trips = found.asked, found.candidates
    p, right = trips["p"].to_numpy(dtype=float), trips["is_supported"].to_numpy(dtype=bool)
    answers = (asked["p"].to_numpy(dtype=float), asked["is_right"].to_numpy(dtype=bool))
    return {
        "reliability_of_sightings": scoring.reliability(*answers, n_bins=10),
        "reliability_of_trips": scoring.reliability(p, right, n_bins=10),
        "precision_recall": scoring.precision_recall(p, right, reached=found.reached or 0.0),
    }


def worth(found: Outcomes, given: Mapping[str, pd.DataFrame]) -> dict[str, list[dict[str, Any]]]:
    """What each factor is worth, for the trips and for the sightings at the dark port (`ablation`)."""
    return {
        "trips": ablation.of_trips(found.candidates, given["evidence"], reached=found.reached or 0.0),
        "sightings": ablation.of_sightings(found.asked, given["matches"], given["evidence"]),
    }


def check_folder(out: Path) -> None:
    """Refuse a place that holds something else before anything is computed for it.

    Raises
    ------
    UsageError
        naming the folder.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / SCORES).is_file())):
        raise UsageError(f"{out}: holds something that is not a judge's folder; give a new or an empty one")


def write(out: Path, scores: Scores, found: Outcomes, given: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write the folder and return its files. Equal tables give equal bytes.

    `given` holds `matches` and `evidence` of the run, `found` what came of comparing them with the truth.
    """
    check_folder(out)
    points, factors = curves(found), worth(found, given)
    out.mkdir(parents=True, exist_ok=True)
    told = scores.as_dict() | {"curves": points, "ablation": factors}
    panels = [
        ("Who is in the picture", points["reliability_of_sightings"]),
        ("Was it a round trip", points["reliability_of_trips"]),
    ]
    names = drawing.reliability(out, panels)
    names += drawing.precision_recall(
        out,
        points["precision_recall"],
        ap=_number(scores.run["trip_ap"]),
        flagged=_point(scores.run),
        by_hand=_point(scores.by_hand),
    )
    (out / PAGE).write_text(_page(scores, factors), encoding="utf-8")
    (out / SCORES).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return [out / name for name in (PAGE, SCORES, *names)]


def _point(side: Mapping[str, Any]) -> tuple[float, float] | None:
    precision, recall = _number(side["trip_precision"]), _number(side["trip_recall"])
    return None if precision is None or recall is None else (precision, recall)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _page(scores: Scores, factors: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    lines = [
        f"# Scores on simulated world {scores.scenario}, seed {scores.seed}",
        "",
        "No ship, position or picture in it is real. Made by `ghostships evaluate --out`.",
        "",
        "```",
        scores.as_text().rstrip("\n"),
        "```",
        "",
        "![Stated probability against the share that is right](reliability.png)",
        "",
        "![Precision over recall of the round trips](precision_recall.png)",
    ]
    titles = {
        "trips": ("Round trips without each factor", ("ap", "log_loss", "ece")),
        "sightings": (
            "Sightings at the dark port without each factor",
            ("right_attribution", "log_loss", "ece"),
        ),
    }
    for what, (title, columns) in titles.items():
        lines += [
            "",
            f"## {title}",
            "",
            "Levels and habits were learned with the factor in place. `n`: rows in which it says anything.",
            "",
            "| without | n | " + " | ".join(c.replace("_", " ") for c in columns) + " |",
            "|---|---|" + "---|" * len(columns),
        ]
        for row in factors[what]:
            cells = ["-" if row[c] is None else f"{row[c]:.3f}" for c in columns]
            lines.append(f"| {row['factor']} | {row['n_rows']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
