"""Parts of a page that a program writes, between two comments; everything around them is written by hand.

<!-- made: NAME -->
...
<!-- end of NAME -->
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"<!-- made: (?P<name>[a-z-]+) -->\n.*?<!-- end of (?P=name) -->", re.DOTALL)


def names(text: str) -> list[str]:
    """The made parts of a page, in order."""
    return [found["name"] for found in _BLOCK.finditer(text)]


def filled(text: str, makers: Mapping[str, Callable[[], str]]) -> str:
    """The page with every made part made again.

    Raises
    ------
    KeyError
        when a part is named that nobody makes.
    """

    def one(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- made: {name} -->\n\n{makers[name]().strip()}\n\n<!-- end of {name} -->"

    return _BLOCK.sub(one, text)


def pages() -> list[Path]:
    """Every page of the manual."""
    return sorted(path for path in DOCS.rglob("*.md"))
