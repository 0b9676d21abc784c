"""A window of Debian's chromium that talks to nobody by itself, and everything in it that a page must not do."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Watched:
    """A page and everything it did that it must not do."""

    page: Page
    offences: list[str] = field(default_factory=list)
