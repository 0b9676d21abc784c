"""The finished manual asks nobody for anything: a hook of MkDocs that fails the build over one asset from elsewhere.

Links that a reader clicks may lead anywhere; what a page loads by itself may not.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

_LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "form": ("action",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
"""Attributes that a browser follows without being asked (HTML standard, fetching of resources)."""
_ELSEWHERE = re.compile(r"(?:^|[\s,])(?:[a-z][a-z0-9+.-]*:)?//|^(?:https?|ftp|wss?):", re.IGNORECASE)
_IN_STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")\s]+)""", re.IGNORECASE)


class _Assets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in _LOADS.get(tag, ()) and _ELSEWHERE.search(value.strip()):
                self.found.append(f"<{tag} {name}> {value}")
            if name == "style":
                self.found += [f"style of <{tag}> {url}" for url in _IN_STYLE.findall(value)]

    def handle_data(self, data: str) -> None:
        if self.rawdata and self.cdata_elem == "style":
            self.found += [f"<style> {url}" for url in _IN_STYLE.findall(data)]


def from_elsewhere(site: Path) -> list[str]:
    """Every asset of the pages and style sheets below `site` that would be fetched from another place."""
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = _Assets()
        parser.feed(page.read_text(encoding="utf-8"))
        found += [f"{page.relative_to(site)}: {one}" for one in parser.found]
    for sheet in sorted(site.rglob("*.css")):
        found += [f"{sheet.relative_to(site)}: {url}" for url in _IN_STYLE.findall(sheet.read_text(encoding="utf-8"))]
    return found


def on_post_build(*, config: Any) -> None:
    """Called by MkDocs when the site stands."""
    found = from_elsewhere(Path(config["site_dir"]))
    if found:
        raise PluginError(f"the manual would load {len(found)} assets from elsewhere; the first: {found[0]}")
