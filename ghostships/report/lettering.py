"""Letters for figures: how wide a text is, where it is cut or broken, which characters the font lacks, and the outlines to fill.

matplotlib lays out each text anew for every format, which took two thirds of the time of a figure. Here every letter is measured
and outlined once; a text is then a row of outlines, the same in PNG and SVG, and nothing in it can be taken for a formula.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.path import Path as Outline

from ghostships.report import text

_FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
"""DejaVu ships with matplotlib, so that a figure has the same letters, and the same bytes, on every machine."""

UNIT_PT = 100.0
"""Size at which letters are read; without hinting they scale linearly."""


def drawable(words: object, *, limit: int = text.SENTENCE_GRAPHEMES, bold: bool = False) -> str:
    """The text as `text.shown` makes it, and what the font has no glyph for written out in the same way."""
    known = _letters(bold)
    return "".join(c if ord(c) in known else f"⟨U+{ord(c):04X}⟩" for c in text.shown(words, limit=limit))


def width_pt(words: str, size_pt: float, *, bold: bool = False) -> float:
    """How far the text reaches [points of 1/72 inch]; kerning is ignored, which errs by less than a letter a line."""
    return sum(_advance(c, bold) for c in words) * size_pt / UNIT_PT


def fit(words: str, space_pt: float, size_pt: float, *, bold: bool = False) -> str:
    """The text if there is space for it, else as much as fits and an ellipsis that shows the cut."""
    if width_pt(words, size_pt, bold=bold) <= space_pt:
        return words
    kept = words
    while kept and width_pt(kept + "…", size_pt, bold=bold) > space_pt:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def wrap(words: str, space_pt: float, size_pt: float, *, lines: int) -> list[str]:
    """The text in at most so many lines; the last is cut visibly when it does not hold the rest."""
    out: list[str] = []
    left = words.split(" ")
    while left and len(out) < lines - 1:
        n = 1
        while n < len(left) and width_pt(" ".join(left[: n + 1]), size_pt) <= space_pt:
            n += 1
        line = " ".join(left[:n])
        if width_pt(line, size_pt) > space_pt:
            break
        out.append(line)
        left = left[n:]
    if left:
        out.append(fit(" ".join(left), space_pt, size_pt))
    return out or [""]


def outline(words: str, *, bold: bool = False) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Vertices and codes of the text at `UNIT_PT`, starting at the origin, upwards positive; marks overlap their letter."""
    vertices, codes, x = [np.empty((0, 2))], [np.empty(0, dtype=np.uint8)], 0.0
    for letter in words:
        glyph = outline_of(letter, bold)
        vertices.append(glyph[0] + (x, 0.0))
        codes.append(glyph[1])
        x += _advance(letter, bold)
    return np.concatenate(vertices), np.concatenate(codes)


def advances(words: str, *, bold: bool = False) -> list[tuple[str, float]]:
    """Each letter with where it starts at `UNIT_PT`."""
    out, x = [], 0.0
    for letter in words:
        out.append((letter, x))
        x += _advance(letter, bold)
    return out


@cache
def outline_of(letter: str, bold: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Vertices and codes of one letter at `UNIT_PT`."""
    face = _face(bold)
    face.load_char(ord(letter), LoadFlags.NO_HINTING)
    vertices, codes = face.get_path()
    return np.asarray(vertices, dtype=np.float64), np.asarray(codes, dtype=np.uint8)


@cache
def svg_of(letter: str, bold: bool) -> str:
    """The same as SVG path data, downwards positive and in whole units: at 7 points a unit is a thousandth of a millimetre."""
    vertices, codes = outline_of(letter, bold)
    out, at = [], 0
    signs = {Outline.MOVETO: ("M", 1), Outline.LINETO: ("L", 1), Outline.CURVE3: ("Q", 2), Outline.CURVE4: ("C", 3)}
    while at < len(codes):
        if codes[at] == Outline.CLOSEPOLY:
            out.append("Z")
            at += 1
            continue
        sign, n = signs[codes[at]]
        out.append(sign + " ".join(f"{x * 10:.0f} {-y * 10:.0f}" for x, y in vertices[at : at + n]))
        at += n
    return "".join(out)


@cache
def _face(bold: bool) -> FT2Font:
    face = FT2Font(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / _FILES[bold]))
    face.set_size(UNIT_PT, 72)
    return face


@cache
def _letters(bold: bool) -> frozenset[int]:
    return frozenset(_face(bold).get_charmap())


@cache
def _advance(letter: str, bold: bool) -> float:
    return float(_face(bold).load_char(ord(letter), LoadFlags.NO_HINTING).linearHoriAdvance) / 65536
