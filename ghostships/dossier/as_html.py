"""The summary as one HTML file without any script: text is escaped by the template engine, and a policy lets nothing else run.

The policy names the one style by its hash, allows pictures only from inside the file, and forbids everything else, scripts
first of all.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from ghostships.dossier.document import SIMULATED, Document

_BAR_WIDTH = 100.0
_MORE, _LESS, _TOTAL = "#c44f00", "#0072b2", "#394a59"
"""As in the figures: orange speaks for it, blue against; told apart by whoever cannot see red or green."""

_ON_EVERY_SHEET = f'@page {{ @top-center {{ content: "{SIMULATED}"; font: bold 9pt sans-serif; color: #7a1f00; }} }}\n'
"""Only on simulated data: the mark in the margin of each printed sheet."""


def render(document: Document) -> str:
    """The page as text; the same document gives the same page."""
    style = _style() + (_ON_EVERY_SHEET if document.is_simulated else "")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template().render(
        document=document,
        blocks=[(type(block).__name__, block) for block in document.blocks],
        style=style,
        simulated=SIMULATED,
        policy=f"default-src 'none'; style-src 'sha256-{hashed}'; img-src data:; base-uri 'none'; form-action 'none'",
    )


@cache
def _style() -> str:
    return (resources.files("ghostships.dossier") / "templates" / "dossier.css").read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ghostships.dossier"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    environment.filters["bar"] = _bar
    return environment.get_template("dossier.html.j2")


def _bar(bars: tuple[tuple[float, float], ...], nth: int) -> Markup:
    """One bar of a waterfall. Made of numbers alone; the same numbers stand in the cells beside it."""
    ends = [end for pair in bars for end in pair]
    low, high = min(0.0, *ends), max(0.0, *ends)
    scale = _BAR_WIDTH / ((high - low) or 1.0)
    start, end = ((value - low) * scale for value in bars[nth])
    zero = (0.0 - low) * scale
    colour = _TOTAL if nth == len(bars) - 1 else _MORE if end >= start else _LESS
    left, width = min(start, end), max(abs(end - start), 0.6)
    return Markup(
        f'<svg viewBox="0 0 {_BAR_WIDTH:g} 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="{zero:.2f}" y="0" width="0.4" height="10" fill="#8a97a3"/>'
        f'<rect x="{left:.2f}" y="2" width="{width:.2f}" height="6" fill="{colour}"/></svg>'
    )
