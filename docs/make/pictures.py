"""The pictures of the manual, taken of the real page of the demo: `python docs/make/pictures.py [DIR]`.

Needs Debian's chromium. `DIR` is a finished `demo-report`; without it one is made.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import blocks
import transcripts
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

PICTURES = blocks.DOCS / "pictures"
TRIP = "T-4537627ec0865d"
"""The trip that the tutorial takes apart: its picture has a rival."""
_WIDE = {"width": 1440, "height": 900}
_TALL = {"width": 1440, "height": 1150}
_SHEET = {"width": 900, "height": 1150}


def main(report: Path) -> None:
    """Take every picture anew."""
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport=_WIDE)
        _open(page, report, "")
        _keep("page.png", page.screenshot())
        _open(page, report, f"#trip={TRIP}")
        _keep("timeline.png", page.locator("section.time").screenshot())
        page.set_viewport_size(_TALL)
        _open(page, report, f"#trip={TRIP}")
        _keep("card.png", page.locator("#card").screenshot())
        page.set_viewport_size(_WIDE)
        with _reviewing(report) as address:
            page.goto(address)
            expect(page.locator("section.decide")).to_be_attached()
            page.wait_for_timeout(1000)
            _keep("review.png", page.locator("section.decide").screenshot())
        page.set_viewport_size(_SHEET)
        with tempfile.TemporaryDirectory() as scratch:
            page.goto(_dossier(report, Path(scratch)).as_uri())
            _keep("dossier.png", page.screenshot())
        browser.close()
    figure = report / "figures" / f"{TRIP}.png"
    if figure.is_file():
        _keep("figure.png", figure.read_bytes(), width=1600)


@contextmanager
def _reviewing(report: Path) -> Iterator[str]:
    """The address at which the report is reviewed, while it is."""
    words = [sys.executable, "-m", "ghostships", "review", str(report), "--reviewer", "mina", "--no-open"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(timeout=30)


def _dossier(report: Path, scratch: Path) -> Path:
    """The first page of the trip's dossier."""
    target = scratch / "trip.zip"
    words = [sys.executable, "-m", "ghostships", "explain", str(report), TRIP, "--bundle", str(target)]
    subprocess.run(words, check=True, capture_output=True)
    with zipfile.ZipFile(target) as packed:
        packed.extractall(scratch)
    return scratch / "dossier.html"


def _open(page: Page, report: Path, link: str) -> None:
    page.goto("about:blank")
    page.goto((report / "report.html").resolve().as_uri() + link)
    expect(page.locator("#card")).not_to_be_empty()
    # The map slides into its place.
    page.wait_for_timeout(1000)


def _keep(name: str, png: bytes, *, width: int | None = None) -> None:
    """A palette of 256 colours is enough for lines and words, and a third of the bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if width is not None and picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    picture.quantize(256, dither=Image.Dither.NONE).save(PICTURES / name, optimize=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            transcripts.set_up(Path(scratch), "demo")
            main(Path(scratch) / "demo-report")
