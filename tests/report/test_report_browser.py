"""The page in a real browser: it works, it stays silent on the network, and text from outside stays text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sample
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ghostships import routes, tables
from ghostships.report import page as report_page

pytestmark = pytest.mark.browser
CHROMIUM = "/usr/bin/chromium"
ROUTE = routes.load()
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MARK = "window.__ran=1"
PAYLOADS = [
    f"</script><script>{MARK}</script>",
    f'"><img src=x onerror="{MARK}"><svg onload="{MARK}">',
    f"<iframe srcdoc='<script>parent.{MARK}</script>'></iframe><style>*{{display:none}}</style>",
    f"javascript:{MARK}//https://evil.example/",
    f"__proto__${{{MARK}}}{{{{constructor.constructor('{MARK}')()}}}}",
    f"\u202e\u2066\u200b\x00\x1b[31m\u2028\u2029<!--<script>{MARK}",
    "constructor",
]


@dataclass
class Watched:
    """A page and everything it did that it must not do."""

    page: Page
    offences: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert shutil.which("chromium"), "chromium is missing; `make chromium` installs it"
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


def open_(browser: Browser, folder: Path, made: sample.Result, *, hash_: str = "", **size: Any) -> Watched:
    file = folder / "report.html"
    file.write_text(report_page.render(made.tables, made.manifest, ROUTE), encoding="utf-8")
    watched = Watched(browser.new_page(viewport={"width": 1440, "height": 900, **size}))
    page, note = watched.page, watched.offences.append
    page.set_default_timeout(90_000)  # a slow machine is no failure of the page
    page.on("dialog", lambda d: (note(f"dialog {d.message}"), d.dismiss()))
    page.on("console", lambda m: note(f"console {m.type} {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: note(f"error {e}"))
    page.on(
        "request",
        lambda r: note(f"request {r.url}") if r.url != file.as_uri() and not r.url.startswith("data:") else None,
    )
    page.goto(file.as_uri() + hash_)
    page.wait_for_selector("#card *")
    page.wait_for_timeout(150)
    return watched


def bits(page: Page) -> tuple[list[float], float, float]:
    rows = [t.replace("−", "-") for t in page.locator("#card td.bits").all_inner_texts()]
    total = page.locator("#card td.total").inner_text().replace("−", "-")
    return [float(r) for r in rows], float(total), float(page.locator("#card .p-from-bits").inner_text())


def test_every_card_adds_up_to_the_probability_it_shows(browser: Browser, tmp_path: Path) -> None:
    """The rows a reader adds by hand give the total, the total gives p, and p is the table's."""
    made = sample.result()
    watched = open_(browser, tmp_path, made)
    known = made.tables["round_trips"].dropna(subset=["p_trip"])
    assert len(known) == 6
    for trip, p in zip(known["trip_id"], known["p_trip"], strict=True):
        watched.page.evaluate(f"location.hash = '#trip={trip}'")
        expect(watched.page.locator("#card")).to_contain_text(trip)
        rows, total, shown = bits(watched.page)
        assert sum(rows) == pytest.approx(total, abs=1e-9)
        assert shown == pytest.approx(1 / (1 + 2**-total), abs=1e-6) == pytest.approx(p, abs=2e-6)
        assert watched.page.locator("#card .mismatch").count() == 0
    assert watched.offences == []


def test_evidence_that_does_not_add_up_is_called_an_error(browser: Browser, tmp_path: Path) -> None:
    """A card that hides a contradiction would be worse than none."""
    made = sample.result()
    made.tables["evidence"].loc[0, "bits"] += 0.5
    watched = open_(browser, tmp_path, made, hash_="#trip=T-0000")
    assert "do not add up" in watched.page.locator("#card .mismatch").inner_text()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_in_every_field_stays_text(browser: Browser, tmp_path: Path, payload: str) -> None:
    """Whatever a ship, a source or a file calls itself: nothing runs, nothing is fetched, nothing breaks, every card opens."""
    watched = open_(browser, tmp_path, sample.poisoned(payload))
    page = watched.page
    for i in range(page.locator(".trip").count()):
        page.locator(".trip").nth(i).click()
        assert page.locator("#card .verdict").count() == 1
    page.locator("#gaps-table td button").first.click()
    page.locator("#calls-table td button").first.click()
    page.evaluate("window.dispatchEvent(new Event('beforeprint')); window.dispatchEvent(new Event('afterprint'))")
    for marker in page.locator(".leaflet-marker-icon").all()[:6]:
        marker.dispatch_event("mouseover")
    assert page.evaluate("window.__ran") is None
    assert page.locator("main iframe, main img, main script").count() == 0
    assert (
        page.evaluate("[...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => /^on/.test(a.name)))")
        is False
    )
    hrefs = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))")
    assert all(h.startswith(("#", "https://example.org/")) for h in hrefs), hrefs
    assert watched.offences == []
    shown = page.locator("body").inner_text()
    assert not set("\u202e\u2066\u200b\x00\x1b\u2028\u2029") & set(shown)


def test_the_bidi_override_is_visible(browser: Browser, tmp_path: Path) -> None:
    """The reader sees that a name plays tricks."""
    watched = open_(browser, tmp_path, sample.poisoned("\u202e"))
    assert "⟨U+202E⟩SIM SEVER" in watched.page.locator(".trip").first.inner_text()


@pytest.mark.parametrize("missing", ["everything", "ais", "sightings", "trips"])
def test_the_page_opens_when_something_is_missing(browser: Browser, tmp_path: Path, missing: str) -> None:
    """Pictures only, silences only, nothing at all: no script error, and the card says why it is empty."""
    made = sample.empty() if missing == "everything" else sample.result()
    for name in {
        "ais": ["gaps", "reach", "tracks"],
        "sightings": ["sightings", "scenes", "port_calls", "matches"],
        "trips": ["round_trips", "evidence"],
    }.get(missing, []):
        made.tables[name] = tables.empty_pandas(tables.ALL[name])
    watched = open_(browser, tmp_path, made)
    assert watched.offences == []
    if missing in ("everything", "trips"):
        assert "No trips in this run" in watched.page.locator("#card").inner_text()


def test_a_deep_link_opens_its_trip_and_a_dead_one_says_so(browser: Browser, tmp_path: Path) -> None:
    """Analysts mail links; one that leads nowhere must not show another ship in silence."""
    watched = open_(browser, tmp_path, sample.result(), hash_="#trip=T-0002")
    assert "SIM OLAF" in watched.page.locator("#card").inner_text()
    assert watched.page.locator(".trip[aria-current=true]").count() == 1
    watched = open_(browser, tmp_path, sample.result(), hash_="#trip=T-gone")
    assert "not in this report" in watched.page.locator("#trip-count").inner_text()


def test_the_list_filters_by_tier_text_and_flag(browser: Browser, tmp_path: Path) -> None:
    """Counts in the line above the list are those of the list."""
    page = open_(browser, tmp_path, sample.result()).page
    assert page.locator(".trip").count() == 12
    page.locator("#only-flagged").check()
    assert page.locator(".trip").count() == 3 and "3 of 12 trips, 3 flagged" in page.locator("#trip-count").inner_text()
    page.locator("input[name=tier][value=inferred]").uncheck()
    assert page.locator(".trip").count() == 2
    page.locator("#only-flagged").uncheck()
    page.locator("#trip-text").fill("barge 4")
    assert page.locator(".trip").count() == 1


def test_everything_can_be_reached_with_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    """No mouse: skip link, list by arrows, Enter opens the card, the slider moves the moment."""
    page = open_(browser, tmp_path, sample.result()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".trip").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#card")).to_be_focused()
    assert "T-0001" in page.locator("#card").inner_text()
    before = page.locator("#moment-text").inner_text()
    page.locator("#moment").focus()
    page.keyboard.press("PageUp")
    assert page.locator("#moment-text").inner_text() != before
    assert "UTC" in page.locator("#moment").get_attribute("aria-valuetext")


def test_the_hatching_follows_the_slider(browser: Browser, tmp_path: Path) -> None:
    """Early in the silence much is out of reach and is hatched; while the ship is heard nothing is."""
    page = open_(browser, tmp_path, sample.result(), hash_="#trip=T-0000").page
    assert page.locator(".leaflet-reach-pane path[fill='url(#hatch)']").count() == 1
    assert re.search(r"Hatched: out of reach at 13.2 kn, at most \d+ nm", page.locator("#readout").inner_text())
    page.locator("#moment").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    assert page.locator(".leaflet-reach-pane path[fill='url(#hatch)']").count() == 0
    assert "Heard" in page.locator("#readout").inner_text()


def test_circles_of_reach_are_great_circles(browser: Browser, tmp_path: Path) -> None:
    """Every drawn point lies speed times time away, by an independent formula (pyproj on the same sphere)."""
    from pyproj import Geod

    page = open_(browser, tmp_path, sample.result()).page
    script = (Path(report_page.__file__).parent / "assets/js/sphere.js").read_text()
    ring = page.evaluate(f"(() => {{ {script}; return circle([42.4, 132.2], 300); }})()")
    geod = Geod(a=6371008.8, b=6371008.8)
    far = [geod.inv(132.2, 42.4, lon, lat)[2] / 1852 for lat, lon in ring]
    assert min(far) == pytest.approx(300, abs=0.01) and max(far) == pytest.approx(300, abs=0.01)
    # Two circles whose overlap is a lens: each corner of it is within both.
    lens = page.evaluate(f"(() => {{ {script}; return overlap(circle([42, 130], 60), circle([42, 132], 60)); }})()")
    for lat, lon in lens:
        assert geod.inv(130, 42, lon, lat)[2] / 1852 < 60.2 and geod.inv(132, 42, lon, lat)[2] / 1852 < 60.2
    assert len(lens) > 20


@pytest.mark.parametrize("width", [1440, 1000, 400])
def test_nothing_runs_off_the_side(browser: Browser, tmp_path: Path, width: int) -> None:
    """Desk, small laptop, phone: the page never scrolls sideways."""
    watched = open_(browser, tmp_path, sample.result(), width=width)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.offences == []


def test_on_paper_every_page_is_marked_and_every_flag_has_its_card(browser: Browser, tmp_path: Path) -> None:
    """A printed sheet that loses "SIMULATED" is a false accusation; a flag without evidence is one too."""
    page = open_(browser, tmp_path, sample.result()).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#card .verdict.flagged, #print-cards .verdict.flagged").count() == 3
    mark = page.evaluate(
        "(() => { const s = getComputedStyle(document.body, '::after'); return [s.content, s.position]; })()"
    )
    assert mark == ['"SIMULATED"', "fixed"]
    assert page.pdf()[:5] == b"%PDF-"


@pytest.mark.slow
def test_a_large_run_opens_quickly(browser: Browser, tmp_path: Path) -> None:
    """200 000 track points and 3 000 silences; a guard against quadratic work, the figure is in docs/report.md."""
    watched = open_(browser, tmp_path, sample.large(n_ships=130, n_points=200_000, n_gaps=3_000))
    ready = watched.page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    assert ready < 10_000
    assert watched.offences == []
