"""The page as text: size, safety of what is embedded, and the runs in which something is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time

import pandas as pd
import pytest
import sample

from ghostships import routes, tables
from ghostships.report import page, text, tracks

ROUTE = routes.load()


def data_of(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


def render(made: sample.Result) -> str:
    return page.render(made.tables, made.manifest, ROUTE)


def test_the_same_tables_give_the_same_page() -> None:
    """Equal runs must give equal bytes: an auditor compares hashes."""
    assert render(sample.result()) == render(sample.result())


def test_row_order_does_not_reach_the_page() -> None:
    """Tracks and evidence arrive in any order from a parallel run; the page must not show it."""
    made, shuffled = sample.result(), sample.result()
    for name in ("tracks", "evidence", "reach", "matches", "scenes", "throughput"):
        shuffled.tables[name] = shuffled.tables[name].sample(frac=1, random_state=3)
    assert render(made) == render(shuffled)


def test_only_the_hashed_script_and_style_may_run() -> None:
    """The policy names exactly one script and one style, by the hash of what stands in the page, and allows no fetching."""
    html = render(sample.result())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        blocks = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert len(blocks) == 1
        found = base64.b64encode(hashlib.sha256(blocks[0].encode()).digest()).decode()
        assert f"{rule} 'sha256-{found}'" in policy
    assert not re.search(
        r"<[^>]*\son[a-z]+=", html.split("<script>")[0].split('<script type="application/json" id="hashes">')[0]
    )


def test_a_simulated_run_says_so_in_title_and_banner_and_a_real_one_does_not() -> None:
    """A page of invented ships that loses its label is a false accusation."""
    simulated, real = render(sample.result()), render(sample.result(is_simulated=False))
    assert (
        "<title>SIMULATED: " in simulated
        and '<div class="simulated" role="note"><strong>SIMULATED</strong>' in simulated
    )
    assert "SIMULATED" not in real.split("<style>")[0] + real.split("</style>")[1].split('<script type="application')[0]


def test_evidence_of_every_trip_adds_up_to_its_probability() -> None:
    """What the card adds is what the table says, to the last digit printed."""
    data = data_of(render(sample.result()))["trips"]["columns"]
    shown = [(p, e) for p, e in zip(data["p_trip"], data["evidence"], strict=True) if p is not None]
    assert len(shown) == 6
    for p, rows in shown:
        assert 1 / (1 + 2 ** -sum(bits for _, bits, _ in rows)) == pytest.approx(p, abs=1e-6)


def test_a_missing_probability_stays_missing() -> None:
    """Null is "cannot say"; a zero or a prior in its place would be a finding nobody made."""
    data = data_of(render(sample.result()))["trips"]["columns"]
    unknown = [i for i, tier in enumerate(data["tier"]) if tier == "unattributed"]
    assert [data["p_trip"][i] for i in unknown] == [None, None, None]


@pytest.mark.parametrize(
    "payload", ["</script><script>x()</script>", "<!--<script>", "\u2028\u2029", "]]>", "{{ 7*7 }}"]
)
def test_nothing_from_outside_can_end_its_element(payload: str) -> None:
    """The embedded JSON holds no character that HTML or JavaScript reads as its end, whatever a ship calls itself."""
    html = render(sample.poisoned(payload))
    assert html.count("<script") == 3 + page._asset("leaflet/leaflet.js").count("<script")
    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(html.split('id="data">')[1].split("</script>")[0])
    assert data_of(html)["vessels"]["n"] == len(sample.result().tables["vessels"])
    assert "49" not in html.split("<title>")[1].split("</title>")[0]


def test_control_bidi_and_zero_width_characters_are_written_out() -> None:
    """A name that reads one way and is spelled another must look as it is spelled."""
    assert text.shown("A\u202eB\u200bC\x07D\ufeff") == "A⟨U+202E⟩B⟨U+200B⟩C⟨U+0007⟩D⟨U+FEFF⟩"
    assert text.shown("\ud800") == "⟨U+D800⟩"
    assert text.shown("ㅤ나진") == "⟨U+3164⟩나진"


def test_names_are_cut_by_what_a_reader_counts_as_letters() -> None:
    """64 letters with accents are 64, not 32; and stacked marks are counted, not drawn over other lines."""
    assert text.shown("e\u0301" * 64) == "e\u0301" * 64
    assert text.shown("e\u0301" * 65) == "e\u0301" * 64 + "…"
    assert text.shown("a" + "\u0301" * 20 + "b") == "a" + "\u0301" * 4 + "⟨+16 marks⟩b"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.org/a?b=1", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://example.org/\u202egpj", False),
        (' https://example.org/"onclick=', False),
    ],
)
def test_only_plain_web_addresses_become_links(address: str, kept: bool) -> None:
    """A source's address is text from outside: it may be followed, never run."""
    assert text.web_address(address) == (address if kept else None)


def test_no_line_is_drawn_across_a_silence() -> None:
    """A drawn line is read as a path; over a silence there is none to draw."""
    made = sample.result()
    data = data_of(render(made))
    silences = {}
    for gap in made.tables["gaps"].itertuples():
        end = gap.end_utc.timestamp() if gap.end_utc is not pd.NaT else float("inf")
        silences.setdefault(gap.vessel_key, []).append((gap.start_utc.timestamp(), end))
    keys, checked = data["vessels"]["columns"]["vessel_key"], 0
    for vessel, *pieces in data["tracks"]["full"]:
        for piece in pieces:
            times = pd.Series(piece[0::3]).cumsum().tolist()
            for start, end in silences[keys[vessel]]:
                checked += 1
                assert not any(a <= start and b >= end for a, b in zip(times, times[1:], strict=False))
    assert checked > 10


def test_track_points_come_back_to_a_metre_and_a_second() -> None:
    """The short numbers in the page stand for the positions in the table."""
    made = sample.result()
    data = data_of(render(made))
    key = data["vessels"]["columns"]["vessel_key"].index("mmsi:999000101")
    first = next(pieces for vessel, *pieces in data["tracks"]["full"] if vessel == key)[0]
    table = made.tables["tracks"].query("vessel_key == 'mmsi:999000101'").iloc[:14]
    lats = (pd.Series(first[1::3]).cumsum() / 1e5).iloc[:14]
    assert (lats.to_numpy() - table["lat_deg"].to_numpy()).max() < 6e-6
    assert pd.Series(first[0::3]).cumsum().iloc[3] == int(table["time_utc"].iloc[3].timestamp())


def test_too_many_points_are_thinned_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot hold every track says whose it left out; the table still has them."""
    monkeypatch.setattr(tracks, "FULL_POINTS", 100)
    html = render(sample.result())
    full = data_of(html)["tracks"]["full"]
    left_out = 4 - len(full)  # four ships have a trip
    assert 0 < left_out < 4
    assert f"Too many track points for one page: {left_out} ships with a trip in the list are shown as context" in html
    assert sum(len(piece) // 3 for _, *pieces in full for piece in pieces) <= 100


@pytest.mark.parametrize("missing", ["everything", "ais", "sightings", "trips"])
def test_a_run_without_something_still_has_a_page(missing: str) -> None:
    """Pictures only, silences only, nothing at all: the page says what is missing instead of failing."""
    made = sample.empty() if missing == "everything" else sample.result()
    gone = {
        "everything": [],
        "ais": ["gaps", "reach", "tracks"],
        "sightings": ["sightings", "scenes", "port_calls", "matches"],
        "trips": ["round_trips", "evidence"],
    }[missing]
    for name in gone:
        made.tables[name] = tables.empty_pandas(tables.ALL[name])
    html = render(made)
    assert data_of(html)["gaps"]["n"] == len(made.tables["gaps"])
    assert ("No AIS in this run." in html) == (missing in ("everything", "ais"))
    assert ("No sightings in this run." in html) == (missing in ("everything", "sightings"))


def test_outside_the_shipped_coast_the_page_says_that_it_has_none() -> None:
    """An empty map at Suez must not look like open sea."""
    moved = [p.model_copy(update={"lat_deg": 30 + i / 10, "lon_deg": 32.5}) for i, p in enumerate(ROUTE.ports)]
    area = routes.Area(lat_min_deg=29, lat_max_deg=32, lon_min_deg=32, lon_max_deg=33)
    made = sample.empty()
    html = page.render(made.tables, made.manifest, ROUTE.model_copy(update={"ports": tuple(moved), "area": area}))
    assert data_of(html)["land"] == [] and "No coastline here." in html
    assert data_of(render(made))["land"] != [] and "No coastline here." not in render(made)


@pytest.mark.slow
def test_sixty_days_of_130_ships_stay_under_three_megabytes() -> None:
    """The page is mailed and opened on laptops: 130 ships, 200 000 track points and 3 000 silences must fit."""
    made = sample.large(n_ships=130, n_points=200_000, n_gaps=3_000)
    begun = time.process_time()
    html = render(made)
    assert len(html.encode()) < 3_000_000
    assert data_of(html)["gaps"]["n"] == 3_000 + len(sample.SILENCES)
    assert time.process_time() - begun < 60  # a guard against quadratic work, not a measurement
