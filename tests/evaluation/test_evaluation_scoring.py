"""Curves and the worth of factors: every number worked out by hand."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ghostships.evaluation import ablation, drawing, scoring

P = np.array([0.9, 0.8, 0.8, 0.6, 0.3])
RIGHT = np.array([True, True, False, True, False])


def test_precision_and_recall_step_down_the_ranking_and_ties_fall_together() -> None:
    """At .9: 1 of 1 and 1 of 3; at .8 two more of which one is right: 2 of 3; then 3 of 4; then 3 of 5."""
    found = scoring.precision_recall(P, RIGHT)
    assert [(c["threshold"], c["precision"], c["recall"]) for c in found] == [
        (0.9, 1.0, pytest.approx(1 / 3, abs=1e-6)),
        (0.8, pytest.approx(2 / 3, abs=1e-6), pytest.approx(2 / 3, abs=1e-6)),
        (0.6, 0.75, 1.0),
        (0.3, 0.6, 1.0),
    ]


def test_the_area_under_the_steps_is_the_average_precision() -> None:
    """The figure and the score must tell the same story, also when half of what is to be found has no candidate."""
    for reached in (1.0, 0.5):
        curve = scoring.precision_recall(P, RIGHT, reached=reached)
        recall = [0.0, *(c["recall"] for c in curve)]
        area = sum((b - a) * c["precision"] for a, b, c in zip(recall, recall[1:], curve, strict=False))
        assert scoring.average_precision(P, RIGHT, reached=reached) == pytest.approx(area, abs=1e-5)
    assert scoring.precision_recall(P, np.zeros(5, dtype=bool)) == []
    assert scoring.average_precision(P, np.zeros(5, dtype=bool)) == 0.0


def test_bins_of_a_reliability_diagram_hold_every_answer_once() -> None:
    """Five answers in two bins: the three lowest (.3, .6, .8) and the two highest; shares 1/3 and 1 of the sorted answers."""
    bins = scoring.reliability(P, RIGHT, n_bins=2)
    assert [b["n"] for b in bins] == [3, 2]
    assert bins[0]["mean_p"] == pytest.approx((0.3 + 0.6 + 0.8) / 3, abs=1e-6)
    assert [b["share_right"] for b in bins] == [pytest.approx(2 / 3, abs=1e-6), 0.5]
    assert all(b["low"] <= b["share_right"] <= b["high"] for b in bins)
    assert scoring.reliability(np.array([]), np.array([], dtype=bool), n_bins=5) == []


def test_calibration_leaves_out_what_is_sure_or_hopeless() -> None:
    """0.1 and 0.99 say nothing about whether 0.5 means 0.5."""
    p, right = np.array([0.1, 0.5, 0.5, 0.99]), np.array([True, True, False, False])
    assert sum(b["n"] for b in scoring.calibration(p, right)) == 2
    assert scoring.calibration_gap(p, right) == 0.0
    assert scoring.calibration_gap(np.array([0.99]), np.array([True])) is None


CANDIDATES = pd.DataFrame({"trip_id": ["t1", "t2", "t3"], "p": [0.5, 0.5, 0.5], "is_supported": [True, False, True]})
EVIDENCE = pd.DataFrame(
    [
        ("t1", "prior", -1.0),
        ("t1", "pictures", 3.0),
        ("t2", "prior", -1.0),
        ("t2", "habit", 4.0),
        ("t3", "prior", -1.0),
        ("elsewhere", "draught", 9.0),
    ],
    columns=["subject_id", "factor", "bits"],
)


def test_a_factor_is_taken_out_by_its_bits() -> None:
    """t1 has 2 bits, t2 3 (wrong), t3 -1. Ranked t2, t1, t3: AP (1/2 + 2/3) / 2. Without habit t2 falls to -1, tied with t3."""
    found = {r["factor"]: r for r in ablation.of_trips(CANDIDATES, EVIDENCE, reached=1.0)}
    assert set(found) == {ablation.EVERYTHING, "prior", "pictures", "habit"}
    assert found[ablation.EVERYTHING]["ap"] == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-6)
    assert found["habit"]["ap"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, abs=1e-6)
    # Without the pictures t1 stands at -1 with t3: t2 first (wrong), then both.
    assert found["pictures"]["ap"] == pytest.approx(2 / 3, abs=1e-6)
    p = [1 / (1 + 2.0**-b) for b in (2, 3, -1)]
    assert found[ablation.EVERYTHING]["log_loss"] == pytest.approx(
        -(math.log(p[0]) + math.log(1 - p[1]) + math.log(p[2])) / 3, abs=1e-5
    )
    assert found["habit"]["n_rows"] == 1 and found["prior"]["n_rows"] == 3
    assert ablation.of_trips(CANDIDATES, EVIDENCE, reached=0.5)[0]["ap"] == pytest.approx(7 / 24, abs=1e-6)


def test_without_a_factor_rivals_share_the_room_of_a_sighting_anew() -> None:
    """A has odds 4 against nobody, 3 bits of it by length; without length odds 1/2: "none" is the answer with 2/3."""
    matches = pd.DataFrame(
        [("m1", "s1", "dark", "A", 0.8), ("m0", "s1", "none", None, 0.2)],
        columns=["match_id", "sighting_id", "hypothesis", "vessel_key", "p_match"],
    )
    evidence = pd.DataFrame(
        [("m1", "alongside", -1.0), ("m1", "length", 3.0)], columns=["subject_id", "factor", "bits"]
    )
    truth = pd.DataFrame({"sighting_id": ["s1"], "vessel_key": ["A"]})
    found = {r["factor"]: r for r in ablation.of_sightings(truth, matches, evidence)}
    assert found[ablation.EVERYTHING]["right_attribution"] == 1.0
    assert found[ablation.EVERYTHING]["log_loss"] == pytest.approx(-math.log(0.8), abs=1e-6)
    assert found["length"]["right_attribution"] == 0.0
    assert found["length"]["log_loss"] == pytest.approx(-math.log(1 - 2 / 3), abs=1e-6)
    assert found["alongside"]["log_loss"] == pytest.approx(-math.log(8 / 9), abs=1e-6)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_figures_have_the_same_bytes_every_time_and_no_date(tmp_path: Path) -> None:
    """Who repeats an evaluation can compare the files; other numbers give other figures."""
    folders = [tmp_path / name for name in ("first", "second", "other")]
    for folder, p in zip(folders, (P, P, P / 2), strict=True):
        folder.mkdir()
        drawing.reliability(folder, [("one", scoring.reliability(p, RIGHT, n_bins=3)), ("none", [])])
        curve = scoring.precision_recall(p, RIGHT)
        drawing.precision_recall(folder, curve, ap=0.8, flagged=(1.0, 0.5), by_hand=(0.3, 0.7))
    first, second, other = map(digests, folders)
    assert first == second
    assert set(first) == {f"{n}.{e}" for n in ("reliability", "precision_recall") for e in ("png", "svg")}
    assert first["reliability.png"] != other["reliability.png"]
    svg = (folders[0] / "reliability.svg").read_text(encoding="utf-8")
    assert "dc:date" not in svg and "Matplotlib v" not in svg.split("</metadata>")[0]


def test_a_world_without_trips_is_drawn_too(tmp_path: Path) -> None:
    """An empty panel says so; it is no crash."""
    assert drawing.precision_recall(tmp_path, [], ap=None, flagged=None, by_hand=None)
    assert (tmp_path / "precision_recall.png").stat().st_size > 1000
