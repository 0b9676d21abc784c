"""The judge's two figures, with the same bytes every time: no dates, no random ids, no fonts but matplotlib's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ghostships.evaluation.scoring import Bin

INK, GREY, RED, BLUE = "#1b2733", "#8a949e", "#b3423a", "#1f5f8b"
_STYLE: dict[Any, Any] = {
    # Bytes must depend on the numbers alone: text as paths of the font that matplotlib brings, ids from a fixed salt.
    "svg.hashsalt": "ghostships",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "path.simplify": False,
}


def reliability(folder: Path, panels: Sequence[tuple[str, Sequence[Bin]]], *, name: str = "reliability") -> list[str]:
    """Draw stated against true share, one panel per question, and return the names of the files (PNG and SVG).

    Each point is a bin of answers with Wilson's 95 % interval; its size is their number. Honest answers lie on the diagonal.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.1 * len(panels) + 0.3, 4.6), dpi=130, layout="constrained")
        all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, bins) in zip(all_axes, panels, strict=True):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            axes.axvspan(0.2, 0.95, color="#f1f4f7", zorder=0)
            most = max((int(b["n"]) for b in bins), default=1)
            for b in bins:
                axes.plot([b["mean_p"]] * 2, [b["low"], b["high"]], color=BLUE, linewidth=1.3, zorder=2)
                axes.scatter([b["mean_p"]], [b["share_right"]], s=14 + 40 * int(b["n"]) / most, color=BLUE, zorder=3)
            total = sum(int(b["n"]) for b in bins)
            axes.set_title(f"{title} (n = {total})", fontsize=10, loc="left")
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="stated probability", ylabel="share that is right")
            axes.set_box_aspect(1)
            if not bins:
                axes.text(0.5, 0.5, "nothing to score", ha="center", va="center", color=GREY)
        return _save(figure, folder, name)


def precision_recall(
    folder: Path,
    curve: Sequence[Mapping[str, float]],
    *,
    ap: float | None,
    flagged: tuple[float, float] | None,
    by_hand: tuple[float, float] | None,
    wanted: tuple[float, float] = (0.95, 0.85),
    name: str = "precision_recall",
) -> list[str]:
    """Draw precision over recall of the trips, and return the names of the files. Points are (precision, recall)."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.0, 4.4), dpi=130, layout="constrained")
        axes = figure.subplots()
        low, left = wanted
        axes.fill_between([left, 1.0], low, 1.0, color="#cfe3cf", zorder=0, linewidth=0, label="wanted")
        if curve:
            recall = [0.0, *(c["recall"] for c in curve)]
            precision = [curve[0]["precision"], *(c["precision"] for c in curve)]
            label = "ranking" if ap is None else f"ranking, average precision {ap:.2f}"
            axes.step(recall, precision, where="pre", color=BLUE, linewidth=1.6, label=label, zorder=2)
        else:
            axes.text(0.5, 0.5, "no true trip to find", ha="center", va="center", color=GREY)
        if flagged is not None:
            axes.scatter([flagged[1]], [flagged[0]], s=42, color=BLUE, edgecolor="white", label="flagged", zorder=4)
        if by_hand is not None:
            axes.scatter([by_hand[1]], [by_hand[0]], s=42, color=RED, marker="s", label="script by hand", zorder=3)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xlabel="recall: true trips found", ylabel="precision")
        axes.set_title("Round trips", fontsize=10, loc="left")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", frameon=False, fontsize=8.5)
        return _save(figure, folder, name)


def _save(figure: Figure, folder: Path, name: str) -> list[str]:
    FigureCanvasAgg(figure)
    names = [f"{name}.png", f"{name}.svg"]
    figure.savefig(folder / names[0], metadata={"Software": None})
    figure.savefig(folder / names[1], metadata={"Date": None, "Creator": None})
    return names
