"""The page in a real browser: it works, it stays silent on the network, and text from outside stays text."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sample
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from window import Watched

from ghostships import job, routes, tables
from ghostships.report import page as report_page

pytestmark = pytest.mark.browser
ROUTE = routes.load()
MARK = "window.__ran=1"
# The output-injection cases of the list of bad inputs, as far as a page can meet them; BI-097 has a test of its own.
PAYLOADS = {
    "BI-094": "=HYPERLINK(\"http://evil.example/\")\t@SUM(A1)+-\r",
    "BI-095": f"</script><script>{MARK}</script>\" onmouseover=\"{MARK}\"><img src=x onerror=\"{MARK}\"><svg onload=\"{MARK}\">",
    "BI-095 frames": f"<iframe srcdoc='<script>parent.{MARK}</script>'></iframe><style>*{{display:none}}</style><!--<script>{MARK}",
    "BI-096": f"javascript:{MARK}//https://evil.example/ [x](javascript:{MARK})",
    "BI-098": "\u202e\u2066\u200b\x00\x1b[31m\x1b]8;;http://evil.example\x07\u2028\u2029[link=x]",
    "BI-099": "../../etc/CON\x00a/b",
    "BI-100": f"{{{{7*7}}}}{{0.__class__}}%n${{{MARK}}}{{{{constructor.constructor('{MARK}')()}}}}",
    "BI-101": "]]><kml>&lol;<!DOCTYPE x>",
    "BI-102": "<link rel=preload href=//evil.example/a><meta http-equiv=refresh content='0;url=//evil.example'>",
    "keys": "__proto__",
    "keys of objects": "constructor",
}  # fmt: skip


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens pages, and closes what it opened: a test that leaves pages behind slows every later one."""
    opened: list[Page] = []

    def show(made: Any, *, hash_: str = "", script: str = "", scenarios: Any = (), **size: Any) -> Watched:
        file = tmp_path / "report.html"
        html = report_page.render(made.tables, made.manifest, ROUTE, scenarios=scenarios)
        file.write_text(html, encoding="utf-8")
        watched = Watched(browser.new_page(viewport={"width": 1440, "height": 900, **size}))
        page, note = watched.page, watched.offences.append
        opened.append(page)
        page.set_default_timeout(90_000)  # a slow machine is no failure of the page
        if script:
            page.add_init_script(script)
        page.on("dialog", lambda d: (note(f"dialog {d.message}"), d.dismiss()))
        page.on("console", lambda m: note(f"console {m.type} {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: note(f"error {e}"))
        page.on(
            "request",
            lambda r: note(f"request {r.url}") if r.url != file.as_uri() and not r.url.startswith("data:") else None,
        )
        page.goto(file.as_uri() + hash_)
        page.wait_for_selector("body[data-ready]")
        return watched

    yield show
    for page in opened:
        page.close()


def go(page: Page, hash_: str) -> None:
    page.evaluate(f"location.hash = {hash_!r}")


def bits(page: Page) -> tuple[list[float], float, float]:
    rows = [t.replace("−", "-") for t in page.locator("#card td.bits").all_inner_texts()]
    total = page.locator("#card td.total").inner_text().replace("−", "-")
    return [float(r) for r in rows], float(total), float(page.locator("#card .p-from-bits").inner_text())


def names(page: Page) -> list[str]:
    return page.locator(".trip strong").all_inner_texts()


def picture(page: Page, selector: str) -> Image.Image:
    return Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")


def test_every_card_adds_up_to_the_probability_it_shows(shown: Any) -> None:
    """The rows a reader adds by hand give the total, the total gives p, and p is the table's; each bar starts where one ended."""
    made = sample.result()
    watched = shown(made)
    known = made.tables["round_trips"].dropna(subset=["p_trip"])
    assert len(known) == 6
    for trip, p in zip(known["trip_id"], known["p_trip"], strict=True):
        go(watched.page, f"#trip={trip}")
        expect(watched.page.locator("#card")).to_contain_text(trip)
        rows, total, said = bits(watched.page)
        assert sum(rows) == pytest.approx(total, abs=1e-9)
        assert said == pytest.approx(1 / (1 + 2**-total), abs=1e-6) == pytest.approx(p, abs=2e-6)
        assert watched.page.locator("#card .mismatch").count() == 0
        bars = watched.page.locator("#card .fall tbody .bar rect").evaluate_all(
            "all => all.map(r => [Number(r.getAttribute('x')), Number(r.getAttribute('width'))])"
        )
        at = None
        for (x, width), value in zip(bars, [r for r in rows if r], strict=True):
            if at is not None:
                assert (x if value > 0 else x + width) == pytest.approx(at, abs=1.3)
            at = x + width if value > 0 else x
    assert watched.offences == []


def test_evidence_that_does_not_add_up_is_called_an_error(shown: Any) -> None:
    """A card that hides a contradiction would be worse than none."""
    made = sample.result()
    made.tables["evidence"].loc[0, "bits"] += 0.5
    page = shown(made, hash_="#trip=T-0000").page
    assert "do not add up" in page.locator("#card .mismatch").inner_text()


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_hostile_text_in_every_field_stays_text(shown: Any, payload: str) -> None:
    """Whatever a ship, a source or a file calls itself: nothing runs, nothing is fetched, nothing breaks, every card opens."""
    scenario = sample.scenarios()[0] | {"name": payload, "said": [payload]}
    watched = shown(sample.poisoned(payload), scenarios=[scenario])
    page = watched.page
    # Ids are cut like names and may then look alike: a click opens the trip that was clicked, not one of the same id.
    cards = page.locator(".trip").evaluate_all(
        "all => all.map((_, i) => { const b = document.querySelectorAll('.trip')[i]; b.click();"
        " return [b.querySelector('.p').textContent, ...[...document.querySelectorAll('#card .big')].map(e => e.textContent)]; })"
    )
    assert len(cards) == 12 and all(len(card) == 2 and card[0] == card[1] for card in cards)
    opened = page.evaluate(
        """['#gaps-table td button', '#calls-table td button', '#vessels-table td button', '#map .sym[tabindex]'].map(selector => {
            const e = document.querySelector(selector);
            e.dispatchEvent(new Event('mouseover'));
            e.click();
            return document.querySelector('#card h2').textContent;
        })"""
    )
    assert opened[0] == "Silence" and opened[1].startswith("Port call") and opened[2:] == ["Ship", "Sighting"]
    page.evaluate("window.dispatchEvent(new Event('beforeprint')); window.dispatchEvent(new Event('afterprint'))")
    for narrowed in ("evil", payload[:8], ""):
        page.locator("#trip-text").fill(narrowed)
    assert page.evaluate("window.__ran") is None
    assert page.locator("main iframe, main img, main script, main link, main meta").count() == 0
    has_handler = "[...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => /^on/.test(a.name)))"
    assert page.evaluate(has_handler) is False
    hrefs = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))")
    assert all(h.startswith(("#", "https://example.org/")) for h in hrefs), hrefs
    assert watched.offences == []
    body = page.locator("body").inner_text()
    assert not set("\u202e\u2066\u200b\x00\x1b\u2028\u2029") & set(body)
    assert "{{7*7}}" in body if "7*7" in payload else True


def test_a_name_of_a_megabyte_and_a_tower_of_marks_stay_small(shown: Any, tmp_path: Path) -> None:
    """BI-097: what is too long is cut where it is shown, and the page stays as small and as wide as it was."""
    made = sample.result()
    plain = report_page.render(made.tables, made.manifest, ROUTE)
    for name in ("round_trips", "vessels"):
        long = made.tables[name]["vessel_name"].astype(object)
        long.iloc[0], long.iloc[2] = "W" * 1_000_000, "a" + "\u0301" * 10_000
        made.tables[name]["vessel_name"] = long.astype("str")
    watched = shown(made, hash_="#trip=T-0000")
    assert len((tmp_path / "report.html").read_text()) < len(plain) + 2_000
    assert watched.page.locator("#card h3.name").inner_text() == "W" * 64 + "…"
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert any("⟨+9996 marks⟩" in name for name in names(watched.page))
    assert watched.offences == []


def test_the_bidi_override_is_visible(shown: Any) -> None:
    """The reader sees that a name plays tricks."""
    assert "⟨U+202E⟩SIM SEVER" in shown(sample.poisoned("\u202e")).page.locator(".trip").first.inner_text()


@pytest.mark.parametrize("missing", ["everything", "ais", "sightings", "trips"])
def test_the_page_opens_when_something_is_missing(shown: Any, missing: str) -> None:
    """Pictures only, silences only, nothing at all: no script error, and the card says why it is empty."""
    made = sample.empty() if missing == "everything" else sample.result()
    for name in {
        "ais": ["gaps", "reach", "tracks"],
        "sightings": ["sightings", "scenes", "port_calls", "matches"],
        "trips": ["round_trips", "evidence"],
    }.get(missing, []):
        made.tables[name] = tables.empty_pandas(tables.ALL[name])
    watched = shown(made)
    assert watched.offences == []
    if missing in ("everything", "trips"):
        assert "No trips in this run" in watched.page.locator("#card").inner_text()


def test_a_browser_that_cannot_unpack_still_shows_trips_and_evidence(shown: Any) -> None:
    """List, card and tables never wait for coast and tracks; a browser without the means for those says so."""
    watched = shown(sample.result(), script="delete window.DecompressionStream")
    assert "cannot unpack the coast and the tracks" in watched.page.locator("#readout").inner_text()
    assert watched.page.locator(".trip").count() == 12 and watched.page.locator("#card .fall").count() == 1
    assert watched.offences == []


def test_a_link_opens_what_it_names_and_a_dead_one_says_so(shown: Any) -> None:
    """Analysts mail links; one that leads nowhere must not show another ship in silence."""
    page = shown(sample.result(), hash_="#trip=T-0002").page
    assert "SIM OLAF" in page.locator("#card").inner_text()
    assert page.locator(".trip[aria-current=true]").count() == 1
    for hash_, head, said in (
        ("#gap=G-0003", "Silence", "SIM LASTOCHKA" if sample.SILENCES[3][0] == 3 else "SIM VOSTOK 7"),
        ("#call=C-3", "Port call", "SIM BARGE 3"),
        ("#sighting=O-x0", "Sighting", "No ship seen"),
        ("#sighting=O-30", "Sighting", "Part of the call C-3"),
        ("#vessel=mmsi:999000103", "Ship", "Silences: 2"),
    ):
        go(page, hash_)
        expect(page.locator("#card h2")).to_contain_text(head, ignore_case=True)
        assert said in page.locator("#card").inner_text()
        assert page.locator(".trip[aria-current=true]").count() == 0
    go(page, "#trip=T-gone")
    expect(page.locator("#trip-count")).to_contain_text("not in this report")


def test_the_list_filters_by_tier_text_flag_ship_and_time(shown: Any) -> None:
    """Counts in the line above the list are those of the list."""
    page = shown(sample.result()).page
    count = page.locator("#trip-count")
    assert page.locator(".trip").count() == 12
    page.locator("#only-flagged").check()
    assert page.locator(".trip").count() == 3 and "3 of 12 trips, 3 flagged" in count.inner_text()
    page.locator("input[name=tier][value=inferred]").uncheck()
    assert page.locator(".trip").count() == 2
    page.locator("#only-flagged").uncheck()
    page.locator("#trip-text").fill("barge 4")
    assert page.locator(".trip").count() == 1
    page.locator("#more-filters summary").click()
    page.locator("#trip-clear").click()
    assert page.locator(".trip").count() == 12
    options = page.locator("#trip-ship option").all_inner_texts()
    assert options[0] == "all" and "SIM VOSTOK 7 (2)" in options and options[-1] == "ship not known (3)"
    page.locator("#trip-ship").select_option(label="SIM VOSTOK 7 (2)")
    assert names(page) == ["SIM VOSTOK 7", "SIM VOSTOK 7"]
    page.locator("#trip-ship").select_option(label="all")
    # The silences that touch 11 September 2031, hours 72 to 96 after the start, and the call seen in it.
    page.locator("#trip-from").fill("2031-09-11")
    page.locator("#trip-to").fill("2031-09-11")
    touched = [0, 2, 5]
    assert [s for s in touched if sample.SILENCES[s][1] < 96 and sum(sample.SILENCES[s][1:3]) > 72] == touched
    assert sorted(names(page)) == ["SIM LASTOCHKA", "SIM OLAF", "SIM SEVER"]
    assert page.locator("#narrowed").inner_text() == " (2 set)"


def test_the_list_is_sorted_as_asked_and_what_is_unknown_comes_last(shown: Any) -> None:
    """A ship without a probability is not a ship with a low one."""
    made = sample.result()
    page = shown(made).page
    sort, p = page.locator("#trip-sort"), page.locator(".trip .p")
    sort.select_option("p")
    values = [float(v.split()[-2]) if "%" in v else None for v in p.all_inner_texts()]
    known = [v for v in values if v is not None]
    assert known == sorted(known, reverse=True) and values == known + [None] * 6
    sort.select_option("ship")
    assert (
        names(page)[:3] == ["SIM BARGE 3", "SIM BARGE 4", "SIM BARGE 5"] and names(page)[-3:] == ["Ship not known"] * 3
    )
    sort.select_option("silence")
    assert names(page)[0] == "SIM LASTOCHKA"  # 97 h, the longest
    starts = [s[1] for s in sample.SILENCES]
    sort.select_option("first")
    assert names(page)[0] == "SIM BARGE 3" and min(sample.CALL_HOURS) == 20.0 < min(starts)
    assert page.locator(".trip.flagged").count() == 3


def test_everything_can_be_reached_with_the_keyboard(shown: Any) -> None:
    """No mouse: skip link, list by arrows, Enter opens the card, the slider moves the moment."""
    page = shown(sample.result()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".trip").first.focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement === [...document.querySelectorAll('.trip')].pop()")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#card")).to_be_focused()
    assert "T-0001" in page.locator("#card").inner_text()
    before = page.locator("#moment-text").inner_text()
    page.locator("#moment").focus()
    page.keyboard.press("PageUp")
    assert page.locator("#moment-text").inner_text() != before
    assert "UTC" in page.locator("#moment").get_attribute("aria-valuetext")
    page.locator("#play").focus()
    page.keyboard.press("Enter")
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    page.locator(".leaflet-marker-icon[tabindex]").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card h2")).to_have_text("Sighting", ignore_case=True)


@pytest.mark.parametrize(
    ("hash_", "width"),
    [("#trip=T-0000", 1440), ("#gap=G-0004", 1440), ("#vessel=mmsi:999000102", 1440), ("#trip=T-0000", 1024)],
)
def test_axe_finds_no_barrier(shown: Any, hash_: str, width: int) -> None:
    """Who reads with a screen reader, without a mouse or without colours finds everything: all rules of axe, a card open."""
    watched = shown(sample.result(), hash_=hash_, scenarios=sample.scenarios(), width=width)
    watched.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = Axe().run(watched.page)
    assert found.violations_count == 0, found.generate_report()
    assert watched.offences == []


def test_axe_finds_no_barrier_in_the_published_case(shown: Any, fixtures: Path) -> None:
    """The same with real statements: long notes, Korean titles, links, no AIS."""
    outcome = job.work(job.Request(sightings=(str(fixtures / "published" / "sightings.csv"),)), None)
    manifest = {**outcome.manifest, "tables": {}}
    watched = shown(sample.Result(outcome.result.tables, outcome.result.rejects, manifest))
    found = Axe().run(watched.page)
    assert found.violations_count == 0, found.generate_report()
    assert watched.offences == []
    assert watched.page.locator(".chart .claimed").count() > 20


def test_the_hatching_follows_the_slider(shown: Any) -> None:
    """Early in the silence much is out of reach and is hatched; while the ship is heard nothing is."""
    page = shown(sample.result(), hash_="#trip=T-0000").page
    assert page.locator(".leaflet-reach-pane path[fill='url(#hatch)']").count() == 1
    assert re.search(r"Hatched: out of reach at 13.2 kn, at most \d+ nm", page.locator("#readout").inner_text())
    page.locator("#moment").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    assert page.locator(".leaflet-reach-pane path[fill='url(#hatch)']").count() == 0
    assert "Heard" in page.locator("#readout").inner_text()


def test_the_timeline_has_a_lane_for_everything_that_bears_on_a_silence(shown: Any) -> None:
    """Heard, not heard, feed down, call, looks with and without a ship, cloud, sightings; each mark says what it is."""
    made = sample.result()
    page = shown(made, hash_="#trip=T-0003").page  # 130 to 196 h; the void silence is at 150 h
    lanes = page.locator("#timeline .row").all_text_contents()
    assert lanes == ["AIS heard", "Not heard", "Feed down", "Looked at Najin", "Cloud then", "Sightings"]
    titles = page.evaluate("[...document.querySelectorAll('#timeline title')].map(t => t.textContent)")
    down = [t for t in titles if "feed down" in t]
    assert down == [
        "2031-09-14 06:00 to 2031-09-14 18:00 UTC: feed down or places not believed; the silences of 1 ship then are void"
    ]
    near = made.tables["scenes"].query("scene_id != 'SCENE-far'")
    low, high = sample.at(130) - pd.Timedelta(hours=10), sample.at(196) + pd.Timedelta(hours=10)
    inside = near[(near["end_utc"] >= low) & (near["start_utc"] <= high)]
    looked = [t for t in titles if t.startswith("scene ") and ("a ship was seen" in t or "no ship" in t)]
    assert len(looked) == len(inside) > 2
    assert sum("a ship was seen" in t for t in looked) == inside["scene_id"].str.match(r"SCENE-\d").sum()
    assert sum("60 % cloud" in t for t in looked) == (inside["clear_fraction"] < 0.5).sum()
    assert page.locator("#timeline > svg").get_attribute("aria-label").endswith("the feed was down for part of it.")


def test_what_if_stands_beside_the_base_on_the_card(shown: Any) -> None:
    """Who reads a flag sees that one sighting carries it; a scenario of other tables says nothing here."""
    page = shown(sample.result(), hash_="#trip=T-0000", scenarios=sample.scenarios()).page
    rows = page.locator("#card .whatif tbody tr").all_inner_texts()
    assert len(rows) == 3 and "as published" in rows[0] and "flagged" in rows[0]
    assert rows[1].split("\t") == ["no-pictures", "41 %", "not flagged"]
    assert "lost O-00 (dropped)" in rows[2]
    go(page, "#trip=T-0001")
    expect(page.locator("#card .whatif")).to_contain_text("no such trip")
    go(page, "#trip=T-0003")
    expect(page.locator("#card")).to_contain_text("T-0003")
    assert page.locator("#card .whatif").count() == 0


def test_findings_on_identity_are_told_in_words(shown: Any) -> None:
    """A reader learns that a name or a place is doubted, of whom, and from which rows."""
    page = shown(sample.result()).page
    rows = page.locator("#identities-table tbody tr").all_inner_texts()
    assert len(rows) == 5
    assert "Two hulls under one number" in rows[0] and "SIM SEVER" in rows[0] and "sim_ais.csv, row 900" in rows[0]
    assert "71 %" in rows[1] and "May go on under another number" in rows[1]
    assert "and 3 more (14 in all)" in rows[3]
    page.locator("#identities-table a").first.click()
    expect(page.locator("#card")).to_contain_text("Two hulls under one number: two hulls 310 nm apart")


def test_circles_of_reach_are_great_circles(shown: Any) -> None:
    """Every drawn point lies speed times time away, by an independent formula (pyproj on the same sphere)."""
    from pyproj import Geod

    page = shown(sample.empty()).page
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


def pixel_of(page: Page) -> Any:
    """Where a place is on the map [pixels], from where two ports are drawn: Mercator is linear in longitude and in its own y."""

    def y(lat: float) -> float:
        return math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))

    at = {}
    for port in ROUTE.ports:
        box = page.locator(f"[data-port={port.id}]").evaluate(
            "e => { const a = e.getBoundingClientRect(), m = document.getElementById('map').getBoundingClientRect();"
            " return [a.x + a.width / 2 - m.x, a.y + a.height / 2 - m.y]; }"
        )
        at[port.id] = (port, box)
    (one, (x1, y1)), (two, (x2, y2)) = at["NAJIN"], at["VOSTOCHNY"]
    per_lon, per_y = (x2 - x1) / (two.lon_deg - one.lon_deg), (y2 - y1) / (y(two.lat_deg) - y(one.lat_deg))
    return lambda lat, lon: (x1 + (lon - one.lon_deg) * per_lon, y1 + (y(lat) - y(one.lat_deg)) * per_y)


def near(colour: tuple[int, ...], wanted: str, far: int = 12) -> bool:
    return all(abs(a - int(wanted[i : i + 2], 16)) <= far for a, i in zip(colour, (1, 3, 5), strict=True))


def test_colours_lie_at_their_coordinates(shown: Any) -> None:
    """Land is land, water is water, and the gap's line joins the two places heard: the map is not shifted, swapped or mirrored."""
    made = sample.result(n_context=0)
    page = shown(made, hash_="#trip=T-0000", width=1600, height=1000).page
    page.locator("#moment").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    page.locator("#legend summary").click()
    place, image = pixel_of(page), picture(page, "#map")

    def colour(lat: float, lon: float) -> tuple[int, int, int]:
        x, y = place(lat, lon)
        return image.getpixel((round(x), round(y)))

    # The hills behind Najin and Slavyanka, Russky Island; the open Sea of Japan, and the middle of Amur Bay.
    assert all(near(colour(*at), "#f4f0e4") for at in ((42.55, 130.27), (42.97, 131.13), (42.98, 131.86)))
    assert all(near(colour(*at), "#dfe8ee") for at in ((42.12, 131.55), (42.33, 131.07), (42.90, 131.60)))
    gap = made.tables["gaps"].query("gap_id == 'G-0000'").iloc[0]
    a, b = (gap["start_lat_deg"], gap["start_lon_deg"]), (gap["end_lat_deg"], gap["end_lon_deg"])
    along = [colour(a[0] + (b[0] - a[0]) * k / 100, a[1] + (b[1] - a[1]) * k / 100) for k in range(15, 86)]
    dashes = sum(near(c, "#c04a00", 40) for c in along)
    assert 20 < dashes < 66  # dashed: neither nothing nor a path
    beside = [
        colour(a[0] + (b[0] - a[0]) * k / 100 + 0.05, a[1] + (b[1] - a[1]) * k / 100 - 0.05) for k in range(15, 86)
    ]
    assert sum(near(c, "#c04a00", 40) for c in beside) < 10


def test_every_picture_of_the_page_shows_something(shown: Any) -> None:
    """A map, a timeline or a chart that is blank looks like a result."""
    page = shown(sample.result(), hash_="#trip=T-0000").page
    for selector, wanted in (
        ("#map", ("#f4f0e4", "#dfe8ee")),
        ("#timeline", ("#0072b2", "#fbe3d6", "#8b2e73")),
        (".fall", ("#c04a00", "#0072b2")),
        (".chart >> nth=0", ("#8b2e73", "#16212c")),
        (".chart >> nth=1", ("#c04a00",)),
    ):
        colours = {c: n for n, c in picture(page, selector).getcolors(1 << 24)}
        for colour in wanted:
            assert sum(n for c, n in colours.items() if near(c, colour, 6)) > 20, (selector, colour)
    assert not page.locator("canvas").evaluate_all("all => all.every(c => c.width === 0)")


@pytest.mark.parametrize("width", [1440, 1024, 900, 400])
def test_nothing_runs_off_the_side(shown: Any, width: int) -> None:
    """Desk, small laptop, tablet, phone: the page never scrolls sideways, and no filter leaves its column."""
    watched = shown(sample.result(), width=width, height=768)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    column = watched.page.locator("#trips").bounding_box()
    for label in watched.page.locator("#trips label").all():
        if box := label.bounding_box():
            assert box["x"] + box["width"] <= column["x"] + column["width"] + 0.5
    if width == 1024:
        # List, map, card and the slider are on the first screen of a small laptop.
        for selector in ("#trip-list .trip", "#map", "#card .verdict", "#moment"):
            box = watched.page.locator(selector).first.bounding_box()
            assert box["y"] + min(box["height"], 60) <= 768, selector
    assert watched.offences == []


def test_on_paper_every_sheet_is_marked_and_every_flag_has_its_card(shown: Any) -> None:
    """A printed sheet that loses "SIMULATED" is a false accusation; a flag without evidence is one too."""
    page = shown(sample.result()).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#card .verdict.flagged, #print-cards .verdict.flagged").count() == 3
    mark = page.evaluate(
        "(() => { const s = getComputedStyle(document.body, '::after'); return [s.content, s.position]; })()"
    )
    assert mark == ['"SIMULATED"', "fixed"]
    # Lines, not pictures of lines: several readers of PDF paint a printed canvas white.
    assert page.locator("#map canvas:visible").count() == 0
    assert page.locator(".leaflet-land-pane svg path").count() > 10
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#map canvas:visible").count() > 0 and page.locator(".leaflet-land-pane svg path").count() == 0


def test_who_wants_no_motion_and_who_brings_own_colours_is_heard(shown: Any) -> None:
    """Settings of the system are followed: no animated zoom, and text in the drawings stays readable on a black page."""
    page = shown(sample.result()).page
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.locator("#map.leaflet-fade-anim, .leaflet-zoom-anim").count() == 0
    style = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e.querySelector('text')).fill]"
    assert page.locator("#timeline > svg").evaluate(style) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]


@pytest.mark.slow
def test_a_large_run_opens_quickly(shown: Any) -> None:
    """200 000 track points and 3 000 silences; a guard against quadratic work, the figure is in docs/report.md."""
    watched = shown(sample.large(n_ships=130, n_points=200_000, n_gaps=3_000))
    ready = watched.page.evaluate("performance.getEntriesByName('ghostships-ready')[0].startTime")
    assert ready < 10_000
    assert watched.offences == []
