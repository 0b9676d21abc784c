"""The page as text: size, safety of what is embedded, and the runs in which something is missing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import sample

from ghostships import routes, scenarios, tables
from ghostships.cli import main
from ghostships.errors import UsageError
from ghostships.report import chart, folder, packed, page, text, tracks

ROUTE = routes.load()


def data_of(html: str) -> dict:
    """The page's JSON; columns that hold each text once are written out."""
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])
    for table in data.values():
        columns = table.get("columns", {}) if isinstance(table, dict) else {}
        for name, values in columns.items():
            if isinstance(values, dict):
                columns[name] = [values["of"][k] for k in values["at"]]
    return data


def packed_of(html: str) -> dict:
    """Coast and tracks, unpacked after the description in `packed`: pieces of rings, and pieces of points per ship."""
    text_ = re.search(r'<script type="text/plain" id="packed">(.*?)</script>', html, re.DOTALL)[1]
    numbers, value, shift = [], 0, 0
    for byte in gzip.decompress(base64.b64decode(text_)):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(-((value + 1) // 2) if value % 2 else value // 2)
            value = shift = 0
    left = iter(numbers)

    def points(width: int) -> list[tuple[int, ...]]:
        rows = [[next(left) for _ in range(width)] for _ in range(next(left))]
        return list(zip(*(itertools.accumulate(column) for column in zip(*rows, strict=True)), strict=True))

    def ships() -> dict[int, list[list[tuple[int, ...]]]]:
        return {next(left): [points(3) for _ in range(next(left))] for _ in range(next(left))}

    out = {
        "land": [[points(2) for _ in range(next(left))] for _ in range(next(left))],
        "full": ships(),
        "context": ships(),
    }
    assert next(left, None) is None
    return out


def render(made: sample.Result) -> str:
    return page.render(made.tables, made.manifest, ROUTE)


@cache
def usual() -> str:
    """The page of the made-up run, drawn once for all tests that only read it."""
    return render(sample.result())


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
    html = usual()
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
    simulated, real = usual(), render(sample.result(is_simulated=False))
    assert (
        "<title>SIMULATED: " in simulated
        and '<aside class="simulated" aria-label="Simulated data"><strong>SIMULATED</strong>' in simulated
    )
    assert "SIMULATED" not in real.split("<style>")[0] + real.split("</style>")[1].split('<script type="application')[0]


def test_evidence_of_every_trip_adds_up_to_its_probability() -> None:
    """What the card adds is what the table says, to the last digit printed."""
    data = data_of(usual())["trips"]["columns"]
    shown = [(p, e) for p, e in zip(data["p_trip"], data["evidence"], strict=True) if p is not None]
    assert len(shown) == 6
    for p, rows in shown:
        assert 1 / (1 + 2 ** -sum(bits for _, bits, _ in rows)) == pytest.approx(p, abs=1e-6)


def test_a_missing_probability_stays_missing() -> None:
    """Null is "cannot say"; a zero or a prior in its place would be a finding nobody made."""
    data = data_of(usual())["trips"]["columns"]
    unknown = [i for i, tier in enumerate(data["tier"]) if tier == "unattributed"]
    assert [data["p_trip"][i] for i in unknown] == [None, None, None]


@pytest.mark.parametrize(
    "payload", ["</script><script>x()</script>", "<!--<script>", "\u2028\u2029", "]]>", "{{ 7*7 }}"]
)
def test_nothing_from_outside_can_end_its_element(payload: str) -> None:
    """The embedded JSON holds no character that HTML or JavaScript reads as its end, whatever a ship calls itself."""
    html = render(sample.poisoned(payload))
    assert html.count("<script") == 5 + page._asset("leaflet/leaflet.js").count("<script")
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
    html = render(made)
    silences = {}
    for gap in made.tables["gaps"].itertuples():
        end = gap.end_utc.timestamp() if gap.end_utc is not pd.NaT else float("inf")
        silences.setdefault(gap.vessel_key, []).append((gap.start_utc.timestamp(), end))
    keys, checked = data_of(html)["vessels"]["columns"]["vessel_key"], 0
    for vessel, pieces in packed_of(html)["full"].items():
        for piece in pieces:
            times = [t for t, _, _ in piece]
            for start, end in silences[keys[vessel]]:
                checked += 1
                assert not any(a <= start and b >= end for a, b in zip(times, times[1:], strict=False))
    assert checked > 10


def test_track_points_come_back_to_a_metre_and_a_second() -> None:
    """The short numbers in the page stand for the positions in the table."""
    made = sample.result()
    html = render(made)
    row = data_of(html)["vessels"]["columns"]["vessel_key"].index("mmsi:999000101")
    first = packed_of(html)["full"][row][0]
    table = made.tables["tracks"].query("vessel_key == 'mmsi:999000101'").iloc[:14]
    for (seconds, lat, lon), known in zip(first, table.itertuples(), strict=False):
        assert seconds == int(known.time_utc.timestamp())
        assert (lat / 1e5, lon / 1e5) == pytest.approx((known.lat_deg, known.lon_deg), abs=6e-6)


def test_the_other_ships_keep_their_times_to_the_minute() -> None:
    """Who else was heard at a moment is read off the map: their points must be where and when they were."""
    made = sample.result()
    html = render(made)
    row = data_of(html)["vessels"]["columns"]["vessel_key"].index("mmsi:999000305")
    (piece,) = packed_of(html)["context"][row]
    table = made.tables["tracks"].query("vessel_key == 'mmsi:999000305'").sort_values("time_utc")
    assert len(piece) == len(table) == 30 and data_of(html)["timed"] is True
    for (minutes, lat, lon), known in zip(piece, table.itertuples(), strict=True):
        assert 0 <= known.time_utc.timestamp() - minutes * 60 < 60
        assert (lat / 1e4, lon / 1e4) == pytest.approx((known.lat_deg, known.lon_deg), abs=6e-5)


def test_too_many_points_are_thinned_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot hold every track says whose it left out; the table still has them."""
    monkeypatch.setattr(tracks, "FULL_POINTS", 100)
    html = render(sample.result())
    full = packed_of(html)["full"]
    left_out = 4 - len(full)  # four ships have a trip
    assert 0 < left_out < 4
    assert f"Too many track points for one page: {left_out} ships with a trip in the list are shown as context" in html
    assert sum(len(piece) for pieces in full.values() for piece in pieces) <= 100


def test_too_many_points_of_others_are_simplified_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where context had to be simplified the page says by how much, and draws no ship at a moment."""
    monkeypatch.setattr(tracks, "CONTEXT_POINTS", 400)
    html = render(sample.result())
    context = packed_of(html)["context"]
    assert sum(len(piece) for pieces in context.values() for piece in pieces) <= 400
    assert data_of(html)["timed"] is False
    assert re.search(r"Tracks of \d+ ships are faint context, simplified to 0\.\d+ degrees", html)


@pytest.mark.parametrize("numbers", [[], [0], [-1, 1, 63, 64, -64, -65], [2_000_000_000, -(2**53)]])
def test_packed_numbers_come_back(numbers: list[int]) -> None:
    """Times since 1970 do not fit into 32 bits, and differences have both signs."""
    raw = gzip.decompress(base64.b64decode(packed.text([np.array(numbers, dtype=np.int64)])))
    found, value, shift = [], 0, 0
    for byte in raw:
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            found.append(-((value + 1) // 2) if value % 2 else value // 2)
            value = shift = 0
    assert found == numbers


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
    assert packed_of(html)["land"] == [] and "No coastline here." in html
    assert packed_of(render(made))["land"] != [] and "No coastline here." not in render(made)


COUNT = {"source": "ghostships", "n_calls_low": None, "n_calls": None, "n_calls_high": None}


def test_a_month_without_a_number_has_no_mark() -> None:
    """Null is "cannot say": a bar of height zero would be a count nobody made; a counted zero is one."""
    drawn = chart.months(
        [
            {**COUNT, "period_start": "2031-08", "period_end": "2031-08", "definition": "seen"},
            {**COUNT, "period_start": "2031-09", "period_end": "2031-09", "definition": "seen", "n_calls": 0.0},
            {**COUNT, "period_start": "2031-10", "period_end": "2031-10", "definition": "estimated", "n_calls": 8.0,
             "n_calls_low": 6.0, "n_calls_high": 10.0},
        ]
    )  # fmt: skip
    assert [c["period"] for c in drawn["columns"]] == ["2031-08", "2031-09", "2031-10"]
    none, zero, eight = (column["marks"][0] for column in drawn["columns"])
    assert none["y"] is None and zero["y"] == drawn["zero"]
    # Ten at the top, zero at the bottom: eight lies four fifths of the way up, its interval two tenths to either side.
    high = drawn["zero"] - drawn["ticks"][-1]["y"]
    assert drawn["ticks"][-1]["said"] == "10"
    assert [(drawn["zero"] - eight[k]) / high for k in ("low", "y", "high")] == pytest.approx([0.6, 0.8, 1.0], abs=0.01)
    assert chart.months([]) is None


def test_a_claim_stands_beside_what_pictures_carry_in_the_same_time() -> None:
    """A claim of another time or publisher must never be paired with this one; "at least" has no upper end."""
    span = {"period_start": "2031-08", "period_end": "2031-10-14"}
    claim = {
        **COUNT,
        **span,
        "source": "Gazette",
        "definition": "claimed: trips_min",
        "n_calls": 5.0,
        "n_calls_low": 5.0,
    }
    other = {**claim, "source": "Herald", "n_calls": 10.0, "n_calls_high": 10.0, "n_calls_low": 10.0}
    seen = {**COUNT, **span, "definition": "seen beside the claim of Gazette: trips_min", "n_calls": 3.0}
    late = {**seen, "period_end": "2031-12", "n_calls": 9.0}
    drawn = chart.claims([claim, other, seen, late, {**claim, "source": "Silent", "n_calls": None}])
    first, second = drawn["lines"]
    assert first["label"] == "trips · Gazette" and first["is_open"] and not second["is_open"]
    assert second["seen"] is None
    left, right = drawn["ticks"][0]["x"], drawn["ticks"][-1]["x"]
    assert [(first[k] - left) / (right - left) for k in ("claimed", "seen")] == pytest.approx([0.5, 0.3], abs=0.01)
    assert chart.claims([seen]) is None


def test_the_chart_is_drawn_and_its_table_stays() -> None:
    """Who cannot see the drawing reads the same numbers in the table."""
    html = usual()
    assert html.count('<figure class="chart">') == 2
    assert 'role="img" aria-label="Calls by month, 2031-09 to 2031-09; the numbers are in the table below."' in html
    section = html.split('id="throughput-section"')[1].split("</section>")[0]
    assert "9 to 16" in section and ">12</td>" in section


def test_scenarios_stand_beside_the_trips_they_touch() -> None:
    """An answer compared with other tables than these is listed as such, and is on no card."""
    made = sample.result()
    html = page.render(made.tables, made.manifest, ROUTE, scenarios=sample.scenarios())
    data = data_of(html)
    assert data["scenarios"] == ["no-pictures"]
    assert data["trips"]["columns"]["scenarios"][0] == [
        [0, ["no longer flagged", "other probability"], 0.41, False, "lost O-00 (dropped); bits: sighting -5.200"]
    ]
    assert data["trips"]["columns"]["scenarios"][1] == [[0, ["vanishes"], None, False, "lost O-10 (dropped)"]]
    assert not any(data["trips"]["columns"]["scenarios"][2:])
    section = html.split('id="scenarios-section"')[1].split("</section>")[0]
    assert section.count("Compared with other tables than these") == 1 and "3 → 1" in section
    assert 'id="scenarios-section"' not in render(made)


@pytest.mark.parametrize(
    "broken",
    [{}, {"name": "x", "said": [], "is_current": True, "answer": {}}, {**sample.scenarios()[0], "is_current": "yes"}],
)
def test_a_scenario_that_cannot_be_read_is_said_and_stops_nothing(broken: dict) -> None:
    """Somebody edited the file by hand: the page is drawn without it and says so."""
    made = sample.result()
    html = page.render(made.tables, made.manifest, ROUTE, scenarios=[broken, *sample.scenarios()])
    assert "cannot be read." in html and data_of(html)["scenarios"] == ["no-pictures"]


def test_a_folder_of_an_older_version_still_has_a_page() -> None:
    """Tables and manifest keys that came later are missing there: drawn without them."""
    made = sample.result()
    old = {name: frame for name, frame in made.tables.items() if name != "identities"}
    html = page.render(old, {"ghostships": "0.0.1"}, ROUTE)
    assert data_of(html)["identities"]["n"] == 0 and data_of(html)["trips"]["n"] == 12


def test_report_draws_the_scenarios_kept_since_the_page_was_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`whatif` asks about a finished folder: `report` then shows the answer, until the tables are others."""
    made = sample.result()
    route = {"name": ROUTE.name, "sha256": ROUTE.sha256, "settings": ROUTE.model_dump(mode="json", exclude={"sha256"})}
    out = tmp_path / "out"
    manifest = folder.publish(made, made.manifest | {"route": route}, out, route=ROUTE, with_layers=False)
    assert 'id="scenarios-section"' not in (out / "report.html").read_text()
    base = {name: manifest["tables"][name]["sha256"] for name in scenarios._RESTS_ON}
    (out / "scenarios").mkdir()
    for told, rests_on in zip(sample.scenarios(), (base, {**base, "matches": "0" * 64}), strict=True):
        document = {"format": 1, "changes": {}, "is_simulated": True, **told, "base": rests_on}
        (out / "scenarios" / f"{told['name']}.json").write_text(json.dumps(document))
    (out / "scenarios" / "broken.json").write_text("{")
    for expected in ("other bytes than before", "the same bytes"):
        assert main(["report", str(out)]) == 0
        said = capsys.readouterr()
        assert expected in said.out and "broken.json" in said.err
    html = (out / "report.html").read_text()
    assert data_of(html)["scenarios"] == ["no-pictures"] and "of-last-week" in html
    assert json.loads((out / "manifest.json").read_text())["files"]["report.html"] == folder.sha256(out / "report.html")


def test_a_folder_written_before_a_table_and_a_column_were_known_is_drawn_again(tmp_path: Path) -> None:
    """An analyst's folder of last year: what it cannot have is empty; what its manifest lists must still be there."""
    made = sample.result()
    route = {"name": ROUTE.name, "sha256": ROUTE.sha256, "settings": ROUTE.model_dump(mode="json", exclude={"sha256"})}
    out = tmp_path / "out"
    folder.publish(made, made.manifest | {"route": route}, out, route=ROUTE, with_layers=False)
    (out / "identities.parquet").unlink()
    with pytest.raises(UsageError, match=r"identities\.parquet: the table is missing"):
        folder.read(out)
    sightings = pq.read_table(out / "sightings.parquet")
    pq.write_table(sightings.drop_columns(["note"]), out / "sightings.parquet")
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["tables"]["identities"]
    manifest["tables"]["sightings"]["sha256"] = folder.sha256(out / "sightings.parquet")
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert main(["report", str(out)]) == 0
    frames, _ = folder.read(out)
    assert len(frames["identities"]) == 0 and frames["sightings"]["note"].isna().all()
    assert data_of((out / "report.html").read_text())["sightings"]["n"] == len(made.tables["sightings"])


def test_changes_since_last_night_are_told_and_no_change_is_told_too() -> None:
    """A night whose flags all stand says so; a run that compares with nothing has no such section."""
    made = sample.result()
    row = {
        "trip_id": "T-old", "now_trip_id": "T-0000", "vessel_name": "SIM <b>SEVER", "vessel_key": None,
        "dark_start_utc": "2031-09-10T10:00:00Z", "dark_end_utc": None, "change": "withdrawn",
        "because": "late_data: heard after all",
    }  # fmt: skip
    sections = []
    for changes in ([row], [], None):
        html = page.render(made.tables, {**made.manifest, "changes": changes}, ROUTE)
        sections.append(
            html.split('id="changes-section"')[1].split("</section>")[0] if "changes-section" in html else None
        )
    told, none, without = sections
    assert (
        "T-old, now T-0000" in told and "SIM &lt;b&gt;SEVER" in told and "still silent" in told and "late_data" in told
    )
    assert "No flag changed." in none and without is None


def test_the_feed_is_down_while_silences_are_void() -> None:
    """The lane says of how many ships a silence is void, from the first to the last of them."""
    made = sample.result()
    (void,) = made.tables["gaps"].query("state == 'void'").itertuples()
    assert data_of(render(made))["void"] == [[int(void.start_utc.timestamp()), 1], [int(void.end_utc.timestamp()), 0]]


@pytest.mark.slow
def test_sixty_days_of_130_ships_stay_under_three_megabytes() -> None:
    """The page is mailed and opened on laptops: 130 ships, 200 000 track points and 3 000 silences must fit."""
    made = sample.large(n_ships=130, n_points=200_000, n_gaps=3_000)
    begun = time.process_time()
    html = render(made)
    assert len(html.encode()) < 3_000_000
    assert data_of(html)["gaps"]["n"] == 3_000 + len(sample.SILENCES)
    assert time.process_time() - begun < 60  # a guard against quadratic work, not a measurement
