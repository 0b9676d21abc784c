"""A sheet of paper measured in centimetres from its upper left corner, on which a figure is laid out by hand.

Automatic layout moves things with the length of a name; a document wants every figure alike. Texts are never read as formulas.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from PIL import Image

from ghostships.report import lettering

CM_PER_INCH = 2.54
PT_PER_CM = 72 / CM_PER_INCH
WIDTH_CM, MARGIN_CM = 16.0, 0.12
"""The text block of an A4 page with usual margins: printed at this width, every letter has the size given here."""

_PAPER_CM = WIDTH_CM + 2 * MARGIN_CM

DPI = 200
PNG_LEVEL = 6
INK, QUIET, LINE = "#16212c", "#55626f", "#c9d0d7"
AIS, GAP, SEEN, BOXES, ABSENT = "#0072b2", "#c04a00", "#8b2e73", "#00704f", "#3b4650"
"""As in the page: Okabe and Ito (2008), darkened for print; shape and dash tell the same without colour."""

LAND, SEA, OUT_OF_REACH = "#efeadf", "#eef4f8", "#8d99a5"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ghostships",
    "hatch.linewidth": 0.45,
    "path.simplify": False,
}

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class _Words:
    """One line of text on the sheet: baseline start in cm, size in points."""

    x_cm: float
    y_cm: float
    words: str
    size_pt: float
    bold: bool
    colour: str


class Sheet:
    """One figure; `axes` covers it, one unit a centimetre, downwards. Texts lie over everything else."""

    def __init__(self, height_cm: float) -> None:
        self.height_cm = height_cm + 2 * MARGIN_CM
        paper = (_PAPER_CM / CM_PER_INCH, self.height_cm / CM_PER_INCH)
        self.figure = Figure(figsize=paper, dpi=DPI, facecolor="white")
        self._words: list[_Words] = []
        self.axes = self.frame(
            -MARGIN_CM, -MARGIN_CM, _PAPER_CM, self.height_cm,
            (-MARGIN_CM, self.height_cm - MARGIN_CM, _PAPER_CM - MARGIN_CM, -MARGIN_CM),
        )  # fmt: skip
        # Above the maps, which are frames of their own.
        self.axes.set_zorder(10)

    def frame(
        self, x_cm: float, y_cm: float, wide_cm: float, high_cm: float, extent: tuple[float, float, float, float]
    ) -> Axes:
        """Axes without furniture whose corners lower left and upper right are (x0, y0, x1, y1) of `extent`."""
        left, lower = x_cm + MARGIN_CM, self.height_cm - MARGIN_CM - y_cm - high_cm
        axes = self.figure.add_axes(
            (left / _PAPER_CM, lower / self.height_cm, wide_cm / _PAPER_CM, high_cm / self.height_cm)
        )
        axes.set_axis_off()
        axes.set(xlim=(extent[0], extent[2]), ylim=(extent[1], extent[3]))
        return axes

    def text(
        self,
        x_cm: float,
        y_cm: float,
        words: str,
        size_pt: float,
        *,
        bold: bool = False,
        colour: str = INK,
        align: Align = "left",
        room_cm: float | None = None,
    ) -> None:
        """One line whose baseline is at `y_cm`, cut visibly when it needs more than `room_cm`; already `drawable`."""
        if room_cm is not None:
            words = lettering.fit(words, room_cm * PT_PER_CM, size_pt, bold=bold)
        wide = lettering.width_pt(words, size_pt, bold=bold) / PT_PER_CM
        x = x_cm - {"left": 0.0, "center": wide / 2, "right": wide}[align]
        self._words.append(_Words(x, y_cm, words, size_pt, bold, colour))

    def box(
        self,
        x_cm: float,
        y_cm: float,
        wide_cm: float,
        high_cm: float,
        *,
        fill: str = "none",
        edge: str = "none",
        width_pt: float = 0.6,
        dash: Any = "-",
        alpha: float | None = None,
    ) -> None:
        """A rectangle."""
        made = Rectangle(
            (x_cm, y_cm),
            wide_cm,
            high_cm,
            facecolor=fill,
            edgecolor=edge,
            linewidth=width_pt,
            linestyle=dash,
            alpha=alpha,
        )
        self.axes.add_artist(made)

    def line(
        self,
        xs_cm: Iterable[float],
        ys_cm: Iterable[float],
        *,
        colour: str = LINE,
        width_pt: float = 0.5,
        dash: Any = "-",
        order: float = 2.0,
    ) -> None:
        """A line through points."""
        stroke(self.axes, xs_cm, ys_cm, colour=colour, width_pt=width_pt, dash=dash, order=order)

    def save(self, folder: Path, name: str) -> list[str]:
        """Write PNG and SVG without any date or program name, and return the names of the files."""
        names = [f"{name}.png", f"{name}.svg"]
        drawn = io.StringIO()
        # SVG first: its texts are written by us, once per letter; then they are added as outlines for the dots.
        FigureCanvasSVG(self.figure).print_svg(drawn, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
        body, end, _ = drawn.getvalue().rpartition("</svg>")
        (folder / names[1]).write_text(body + self._lettered() + end + "\n", encoding="utf-8", newline="\n")
        self._letter()
        canvas = FigureCanvasAgg(self.figure)
        self.figure.set_dpi(DPI)  # SVG has set its own 72
        canvas.draw()  # type: ignore[no-untyped-call]
        dots = np.asarray(canvas.buffer_rgba())[:, :, :3]  # type: ignore[no-untyped-call]
        # 256 colours are enough for flat areas and smooth letters, at a third of the bytes and less time than all of them.
        few = Image.fromarray(np.ascontiguousarray(dots)).quantize(
            256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
        palette = few.getpalette() or []
        paper = 3 * int(np.asarray(few)[0, 0])
        palette[paper : paper + 3] = [255, 255, 255]
        few.putpalette(palette)
        few.save(folder / names[0], format="PNG", dpi=(DPI, DPI), compress_level=PNG_LEVEL)
        return names

    def _letter(self) -> None:
        """All texts as one collection of outlines."""
        outlines, colours = [], []
        for w in self._words:
            vertices, codes = lettering.outline(w.words, bold=w.bold)
            if len(codes):
                scale = w.size_pt / lettering.UNIT_PT / PT_PER_CM
                outlines.append(Outline(vertices * (scale, -scale) + (w.x_cm, w.y_cm), codes))
                colours.append(w.colour)
        if outlines:
            self.axes.add_artist(PathCollection(outlines, facecolors=colours, linewidths=0, zorder=20))

    def _lettered(self) -> str:
        """All texts as SVG: each letter once, and a use of it wherever it stands; the words beside it for readers of screens."""
        letters: dict[tuple[str, bool], str] = {}
        out = []
        for w in self._words:
            scale = w.size_pt / lettering.UNIT_PT / 10
            x, y = (w.x_cm + MARGIN_CM) * PT_PER_CM, (w.y_cm + MARGIN_CM) * PT_PER_CM
            uses = []
            for letter, at in lettering.advances(w.words, bold=w.bold):
                if lettering.svg_of(letter, w.bold):
                    key = letters.setdefault((letter, w.bold), f"l{len(letters)}")
                    uses.append(f'<use xlink:href="#{key}" x="{at * 10:.0f}"/>')
            label = quoteattr(w.words)
            out.append(
                f'<g role="img" aria-label={label} fill="{w.colour}" transform="translate({x:.3f} {y:.3f}) scale({scale:.5f})">'
                f"{''.join(uses)}</g>\n"
            )
        shapes = "".join(
            f'<path id="{key}" d="{lettering.svg_of(letter, bold)}"/>\n' for (letter, bold), key in letters.items()
        )
        return f'<defs>\n{shapes}</defs>\n<g id="words">\n{"".join(out)}</g>\n'


def stroke(
    axes: Axes,
    xs: Iterable[float],
    ys: Iterable[float],
    *,
    colour: str,
    width_pt: float,
    dash: Any = "-",
    order: float = 2.0,
) -> None:
    """A line on any axes."""
    line = Line2D(
        list(xs), list(ys), color=colour, linewidth=width_pt, linestyle=dash, zorder=order, solid_joinstyle="round"
    )
    axes.add_artist(line)


def mark(axes: Axes, x: float, y: float, kind: str, size_pt: float = 6.0, *, order: float = 6.0) -> None:
    """A symbol, the same as in the page: shapes differ, so that grey prints tell as much."""
    shape, fill, edge, width = _SYMBOLS[kind]
    scale = {"D": 0.78, "s": 0.9}.get(shape, 1.0)
    looks: dict[str, Any] = {"markeredgecolor": edge, "markeredgewidth": width, "linestyle": "none", "zorder": order}
    axes.add_artist(Line2D([x], [y], marker=shape, markersize=size_pt * scale, markerfacecolor=fill, **looks))
    if kind == "absent":
        axes.add_artist(Line2D([x], [y], marker=_SLASH, markersize=size_pt * 0.75, **looks))


def area(
    axes: Axes,
    shapes: Iterable[Any],
    *,
    fill: str = "none",
    edge: str = "none",
    width_pt: float = 0.5,
    order: float = 1.0,
    hatch: str | None = None,
) -> None:
    """Polygons with their holes, as one path."""
    rings: list[Outline] = []
    for polygon in shapely.get_parts(list(shapes)):
        if polygon.geom_type == "Polygon" and not polygon.is_empty:
            turned = shapely.geometry.polygon.orient(polygon)
            rings += [Outline(shapely.get_coordinates(r), closed=True) for r in (turned.exterior, *turned.interiors)]
    if rings:
        whole = Outline.make_compound_path(*rings)
        axes.add_artist(PathPatch(whole, facecolor=fill, edgecolor=edge, linewidth=width_pt, zorder=order, hatch=hatch))


_SLASH = Outline([(-1, -1), (1, 1)])
_SYMBOLS: dict[str, tuple[str, str, str, float]] = {
    "vessel": ("D", SEEN, "white", 0.5),
    "absent": ("o", "white", ABSENT, 1.0),
    "containers": ("s", "white", BOXES, 1.2),
    "ais": ("^", AIS, "white", 0.5),
    "ship": ("D", SEEN, "white", 0.5),
    "none": ("o", "white", ABSENT, 1.0),
    "cloud": ("o", "#d3d8dd", "#8593a0", 0.8),
    "end": ("o", "white", GAP, 1.3),
    "port": ("s", INK, "white", 0.5),
}
"""Marker, fill, edge and its width [points]; a scene with a ship looks like the sighting in it."""


def style() -> Any:
    """A context in which nobody's matplotlibrc changes a figure."""
    context = mpl.rc_context()
    return _Plain(context)


class _Plain:
    """Enter: matplotlib's own defaults and ours over them. Leave: whatever was set before."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._context.__enter__()
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)

    def __exit__(self, *why: object) -> None:
        self._context.__exit__(*why)
