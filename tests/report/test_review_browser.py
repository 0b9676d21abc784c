"""Reviews in a real browser: decided by keyboard, kept across a reload, exchanged as files; hostile notes stay text."""

from __future__ import annotations

import queue
import threading
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sample
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from window import Watched

from ghostships import review, review_server, routes
from ghostships.report import folder as report_folder
from ghostships.report import page as report_page
from ghostships.reviews import ledger
from ghostships.reviews.decision import Decision

pytestmark = pytest.mark.browser
ROUTE = routes.load()
NOW = datetime(2024, 10, 1, 12, tzinfo=UTC)
NOTE = 'seen\n</script><img src=x onerror="window.__ran=1">\u202eevil'
NAME = "<b>Änna</b>\u2066"


def watched(browser: Browser, allowed: str) -> Watched:
    """A new window; requests may go to addresses that begin as allowed."""
    found = Watched(browser.new_page(viewport={"width": 1440, "height": 900}))
    note = found.offences.append
    found.page.set_default_timeout(60_000)  # a slow machine is no failure of the page
    found.page.on("console", lambda m: note(f"console {m.type} {m.text}") if m.type in ("error", "warning") else None)
    found.page.on("pageerror", lambda e: note(f"error {e}"))
    found.page.on(
        "request",
        lambda r: None if r.url.startswith((allowed, "data:", "blob:", "file:")) else note(f"request {r.url}"),
    )
    return found


def axe_is_content(page: Page) -> None:
    """No violation in what reviews add to the page."""
    for part in ("#card", "#review-section", "#trips"):
        found = Axe().run(page, context=part)
        assert found.violations_count == 0, found.generate_report()


def shown(page: Page) -> str:
    """All text of the page; nothing in it may be invisible or turn the words around it."""
    text = page.locator("body").inner_text()
    assert not set("\u202e\u2066\u200b\x1b\x00") & set(text)
    assert page.evaluate("window.__ran") is None and page.locator("main img").count() == 0
    return text


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made: Any = sample.result()
    made.manifest["route"]["settings"] = ROUTE.model_dump(mode="json", exclude={"sha256"})
    report_folder.publish(made, made.manifest, tmp_path / "out", route=ROUTE, with_layers=False, with_report=False)
    return tmp_path / "out"


def test_a_trip_is_confirmed_by_keyboard_and_a_reload_shows_it(
    browser: Browser, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mouse: open what the command opens, read, Tab to the note, decide; then it is in the file and on the page."""
    opened: queue.Queue[str] = queue.Queue()
    desk = review.opened(out)
    review.decide(
        desk,
        trip_id="T-0001",
        trip_sha256=desk.trip_sha256["T-0001"],
        verdict="reject",
        note="",
        reviewer="Boris",
        now_utc=NOW,
    )
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.put(address) or True)
    with review_server.serving(out, reviewer=NAME, clock=lambda: NOW) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            found = watched(browser, server.address.split("?")[0])
            page = found.page
            with review_server.shown_in_browser(server.address):
                address = opened.get(timeout=30)
                assert "key=" not in address
                page.goto(address)
                expect(page.locator("#card .decide")).to_be_visible()
            assert page.url == server.address.split("?")[0]
            page.locator(".trip").nth(1).focus()
            page.keyboard.press("Enter")
            expect(page.locator("#card")).to_be_focused()
            # What the other one said is not read before one's own mind is made up.
            expect(page.locator(".trip").nth(1)).to_contain_text("reviewed by others")
            expect(page.get_by_text("by Boris")).to_be_hidden()
            page.get_by_label("Note").focus()
            page.keyboard.insert_text(NOTE)
            page.keyboard.press("Tab")
            expect(page.get_by_role("button", name="Confirm")).to_be_focused()
            page.keyboard.press("Enter")
            expect(page.locator(".decide .told")).to_have_text("Kept in decisions.jsonl.")
            expect(page.locator("#card .reviewed")).to_contain_text("confirmed by <b>Änna</b>⟨U+2066⟩")
            expect(page.locator("#card .reviewed h3")).to_contain_text("reviewers disagree")
            _, kept = sorted(ledger.read(out).decisions, key=lambda one: one.reviewer != "Boris")
            assert (kept.note, kept.reviewer, kept.verdict) == (NOTE, NAME, "confirm")
            page.reload()
            expect(page.locator("#card .reviewed")).to_contain_text("⟨U+202E⟩evil")
            assert "onerror=" in shown(page)
            page.locator("#not-reviewed").check()
            assert page.locator(".trip").count() == 11
            expect(page.locator("#trip-count")).to_contain_text("1 reviewed hidden")
            axe_is_content(page)
            server.stop()
            thread.join(20)
            assert found.offences == []
            page.get_by_role("button", name="Reject").click()
            expect(page.locator(".decide .told")).to_contain_text("Not kept: the server does not answer")
            page.close()
        finally:
            server.stop()
            thread.join(20)
    assert len(ledger.read(out).decisions) == 2


def test_a_file_without_a_server_makes_exports_and_imports_decisions(browser: Browser, tmp_path: Path) -> None:
    """Two people with the page by mail: each decides, the files are exchanged, both see that they disagree; nothing is fetched."""
    made = sample.result()
    file = tmp_path / "report.html"
    file.write_text(report_page.render(made.tables, made.manifest, ROUTE), encoding="utf-8")
    first, second = watched(browser, file.as_uri()), watched(browser, file.as_uri())
    for found, who, verdict in ((first, NAME, "Confirm"), (second, "Boris", "Reject")):
        page = found.page
        page.goto(file.as_uri() + "#trip=T-0000")
        expect(page.locator("#review-section")).to_contain_text("Nobody has reviewed")
        page.locator(".decide summary").click()
        page.get_by_role("button", name=verdict).click()
        expect(page.locator(".decide .told")).to_contain_text("write your name first")
        page.get_by_label("Your name").fill(who)
        page.get_by_label("Note").fill(NOTE)
        page.get_by_role("button", name=verdict).click()
        expect(page.locator(".decide .told")).to_contain_text("in this window only")
        expect(page.locator("#review .unsaved")).to_contain_text("1 decision of yours is in this window only")
    with first.page.expect_download() as download:
        first.page.get_by_role("button", name="Export all decisions").click()
    download.value.save_as(tmp_path / "anna.jsonl")
    expect(first.page.locator("#review .unsaved")).to_have_count(0)
    # What the page wrote is what Python reads, the id made of the same bytes by another implementation of SHA-256 included.
    kept = ledger.read_file(tmp_path / "anna.jsonl")
    (one,) = kept.decisions
    assert not kept.broken and (tmp_path / "anna.jsonl").read_bytes() == one.as_line()
    assert (one.reviewer, one.note, one.trip_id, one.verdict) == (NAME, NOTE, "T-0000", "confirm")
    assert one.p_trip == round(float(made.tables["round_trips"]["p_trip"][0]), 6) and one.is_simulated
    damaged = one.as_line().replace(b"T-0000", b"T-0001") + one.as_line()[:-9] + b"\n"
    (tmp_path / "anna.jsonl").write_bytes(one.as_line() + damaged)
    page = second.page
    page.get_by_label("Import decisions of others").set_input_files(tmp_path / "anna.jsonl")
    heard = page.locator("#review .told")
    expect(heard).to_contain_text("1 decision added")
    expect(heard).to_contain_text("anna.jsonl: line 2 has an id that its content does not give")
    expect(heard).to_contain_text("anna.jsonl: line 3 is not JSON, or was cut short")
    expect(page.locator("#card .reviewed h3")).to_contain_text("reviewers disagree")
    expect(page.locator("#review table")).to_contain_text("<b>Änna</b>⟨U+2066⟩ confirmed")
    shown(page)
    axe_is_content(page)
    asked: list[str] = []
    page.on("dialog", lambda d: (asked.append(d.type), d.accept()))
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator("#review-section")).to_contain_text("Nobody has reviewed")
    assert first.offences == [] and second.offences == []
    first.page.close()
    page.close()


PAYLOADS = [
    "=HYPERLINK('http://evil.example')",
    "</script><script>window.__ran=1</script>",
    '"onmouseover="window.__ran=1" x="',
    "javascript:window.__ran=1//https://evil.example/",
    "z" + "\u0301" * 70,
    "\x1b[31m\u202e\u2066\u200b\x00\u2028[link=https://evil.example]",
    "../../x/CON",
    "{{7*7}}{0.__class__}%n${window.__ran=1}",
    "]]><!--<script>window.__ran=1",
    "__proto__",
    "constructor",
]


def test_hostile_decisions_that_came_with_the_report_stay_text(browser: Browser, tmp_path: Path) -> None:
    """A merged file may hold anything in names, notes, ids and ships: it is read, counted, printed, and never runs."""
    made = sample.result()
    shown_then = {"p_trip": 0.9, "tier": "seen", "is_flagged": True, "dark_start_utc": None, "dark_end_utc": None}
    hashes = {"trip_sha256": "0" * 64, "round_trips_sha256": None, "is_simulated": True}
    said = [
        Decision(NOW, text, trip_id, verdict, note=text * 3, vessel=text, **shown_then, **hashes)
        for text, verdict in zip(PAYLOADS, ["confirm", "reject"] * len(PAYLOADS), strict=False)
        for trip_id in ("T-0000", text)
    ]
    kept = ledger.of_bytes(b"".join(one.as_line() for one in said) + b"{<img src=x onerror=window.__ran=1>\n")
    assert len(kept.decisions) == 2 * len(PAYLOADS) and len(kept.broken) == 1
    file = tmp_path / "report.html"
    file.write_text(report_page.render(made.tables, made.manifest, ROUTE, decided=kept), encoding="utf-8")
    found = watched(browser, file.as_uri())
    page = found.page
    page.goto(file.as_uri() + "#trip=T-0000")
    expect(page.locator("#card .said li")).to_have_count(len(PAYLOADS))
    expect(page.locator("#review tbody tr").filter(has_text="not listed any more")).to_have_count(len(PAYLOADS))
    expect(page.locator("#review .warnings")).to_contain_text("line 23 is not JSON, or was cut short")
    text = shown(page)
    for payload in (
        "=HYPERLINK",
        "__proto__",
        "{{7*7}}",
        "⟨U+001B⟩[31m⟨U+202E⟩",
        "⟨+66 marks⟩",
        "<script>window.__ran=1",
    ):
        assert payload in text
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint')); window.dispatchEvent(new Event('afterprint'))")
    with page.expect_download() as download:
        page.emulate_media(media="screen")
        page.get_by_role("button", name="Export all decisions").click()
    download.value.save_as(tmp_path / "again.jsonl")
    assert ledger.read_file(tmp_path / "again.jsonl").decisions == kept.decisions
    assert found.offences == []
    page.close()
