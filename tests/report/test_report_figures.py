"""Figures for documents: true to the tables, the same bytes every time, safe from names, legible in grey."""

from __future__ import annotations

import re
from pathlib import Path

import defusedxml.ElementTree
import numpy as np
import pandas as pd
import pytest
import sample
from PIL import Image

from ghostships import routes
from ghostships.errors import UsageError
from ghostships.report import figure_map, figure_rows, figure_story, figures, lettering

ROUTE = routes.load()
SVG = "{http://www.w3.org/2000/svg}"


def hostile(payload: str) -> sample.Result:
    """The sample with a payload in every text that a figure may show; ids, which are ours, stay."""
    made = sample.result()
    for table, columns in {
        "round_trips": ["vessel_name", "weakest_link", "origin_port"],
        "evidence": ["because", "factor"],
        "sightings": ["scene_id", "source"],
    }.items():
        for column in columns:
            made.tables[table][column] = pd.Series([payload] * len(made.tables[table]), dtype="str")
    made.manifest["inputs"] = [{**item, "path": f"in/{payload}"} for item in made.manifest["inputs"]]
    return made


def only(made: sample.Result, trip_id: str = "T-0000") -> sample.Result:
    """The same with one flagged trip: a figure takes a fifth of a second."""
    trips = made.tables["round_trips"]
    trips["is_flagged"] = trips["trip_id"] == trip_id
    return made


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's figures, as of a simulated run."""
    folder = tmp_path_factory.mktemp("drawn") / "figures"
    draw(sample.result(), folder, is_simulated=True, tables={"evidence": {"rows": 1, "sha256": "ab" * 32}})
    return folder


def draw(made: sample.Result, folder: Path, **more: object) -> list[str]:
    return figures.write(made.tables, made.manifest | more, ROUTE, folder)


def words(path: Path) -> list[str]:
    """Every text of a figure, from the labels that stand beside the outlines."""
    root = defusedxml.ElementTree.parse(path).getroot()
    return [g.attrib["aria-label"] for g in root.iter(f"{SVG}g") if "aria-label" in g.attrib]


def test_every_flagged_trip_has_a_png_and_an_svg_and_no_other_has(drawn: Path, tmp_path: Path) -> None:
    """An analyst finds the figure of a flag under the flag's own id; nothing else is drawn, and a run without flags draws none."""
    wanted = [f"{t}.{kind}" for t in ("T-0000", "T-0001", "T-0003") for kind in ("png", "svg")]
    assert sorted(p.name for p in drawn.iterdir()) == wanted
    assert draw(sample.empty(), tmp_path / "none") == [] and not (tmp_path / "none").exists()


def test_a_figure_says_what_it_is_from_what_and_that_it_is_no_finding(drawn: Path, tmp_path: Path) -> None:
    """Cut out of its report, a figure still carries caution, times, files and hashes: a court sees nothing else."""
    said = "\n".join(words(drawn / "T-0000.svg"))
    for wanted in (
        "SIM SEVER", "MMSI 999000101", "T-0000", "Consistent with a round trip", "A reason to look, not a finding",
        "not heard: straight line,", "not a path", "UTC", f"sim_ais.csv {sample.FILE}", "sim_sightings.csv dd44ee55ff66",
        "Weakest link", "ghostships", "as of", "evidence abababababab", "SIMULATED", "Najin",
    ):  # fmt: skip
        assert wanted in said, wanted
    draw(only(sample.result()), tmp_path / "real", is_simulated=False)
    assert "SIMULATED" not in "\n".join(words(tmp_path / "real" / "T-0000.svg"))


def test_the_waterfall_adds_up_to_the_probability_of_the_table(drawn: Path) -> None:
    """Whoever adds the printed bits gets the printed total, and from it the printed p; truth is the evidence table."""
    made = sample.result()
    for trip_id in ("T-0000", "T-0001", "T-0003"):
        said = words(drawn / f"{trip_id}.svg")
        bits = [int(w.replace("−", "-").replace(".", "")) for w in said if re.fullmatch(r"[+−]\d+\.\d{3}", w)]
        assert sum(bits[:-1]) == bits[-1]
        rows = made.tables["evidence"]
        wanted = rows.loc[rows["subject_id"] == trip_id, "bits"]
        assert bits[-1] == round(wanted.sum() * 1000) and len(bits) - 1 == (wanted != 0).sum()
        p = made.tables["round_trips"].set_index("trip_id").at[trip_id, "p_trip"]
        assert any(f"= {p:.6f}" in w for w in said)
        assert not any("do not add up" in w for w in said)


def test_evidence_that_does_not_add_up_is_said_in_the_figure(tmp_path: Path) -> None:
    """A figure of tables that were tampered with warns instead of printing a wrong sum."""
    made = only(sample.result())
    made.tables["evidence"].loc[0, "bits"] += 1.0
    draw(made, tmp_path)
    assert any("do not add up" in w for w in words(tmp_path / "T-0000.svg"))


def test_factors_that_count_nothing_are_named(drawn: Path) -> None:
    """What was weighed and moved nothing is not hidden: the watch list of the sample weighs 0 bits."""
    silent = next(w for w in words(drawn / "T-0000.svg") if w.startswith("Weighed and counting nothing"))
    assert "watch list" in silent


def test_equal_tables_give_equal_bytes_whatever_matplotlib_is_told(tmp_path: Path) -> None:
    """Two machines, one with an own matplotlibrc, give the same figure; no date is in either file."""
    import matplotlib as mpl

    draw(only(sample.result()), tmp_path / "a")
    with mpl.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "svg.hashsalt": None, "savefig.dpi": 30}):
        draw(only(sample.result()), tmp_path / "b")
        assert mpl.rcParams["axes.facecolor"] == "red"
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
    assert b"<dc:date>" not in (tmp_path / "a" / "T-0000.svg").read_bytes()
    assert b"tEXt" not in (tmp_path / "a" / "T-0000.png").read_bytes()


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ("$\\frac{1}{0}$ $x_", "$\\frac{1}{0}$ $x_"),
        ("</svg><script>alert(1)</script>", "</svg><script>alert(1)</script>"),
        ("\u202eevil\x1b[31m\x00", "⟨U+202E⟩evil⟨U+001B⟩[31m⟨U+0000⟩"),
        ("漢字 \U0001f6a2", "⟨U+6F22⟩⟨U+5B57⟩ ⟨U+1F6A2⟩"),
        ("../../x\nCON {0.__class__}", "../../x⟨U+000A⟩CON {0.__class__}"),
        pytest.param("W" * 100_000, "WWWWWW", marks=pytest.mark.slow),
        pytest.param("e" + "\u0301" * 10_000, "marks⟩", marks=pytest.mark.slow),
        pytest.param("{{7*7}}%n", "{{7*7}}%n", marks=pytest.mark.slow),
    ],
)
def test_hostile_names_are_shown_as_letters_and_nothing_else(tmp_path: Path, payload: str, shown: str) -> None:
    """No formula, markup, control character or path from a ship's name, and none that ends the run (BI-061, BI-095 to 100)."""
    names = draw(only(hostile(payload)), tmp_path / "figures")
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == sorted(names) and len(names) == 2
    said = words(tmp_path / "figures" / "T-0000.svg")
    assert shown in said[1 if said[0].startswith("SIMULATED") else 0]
    root = defusedxml.ElementTree.parse(tmp_path / "figures" / "T-0000.svg").getroot()
    assert not [e for e in root.iter() if e.tag.endswith("script") or any(a.lower().startswith("on") for a in e.attrib)]
    # A name that is cut says so, and stays on the paper.
    assert all(lettering.width_pt(w, 5.8) < 16.3 / 2.54 * 72 for w in said)
    with Image.open(tmp_path / "figures" / "T-0000.png") as image:
        assert image.width == 1279 or image.width == 1278


def test_a_trip_id_that_is_not_ours_names_no_file(tmp_path: Path) -> None:
    """A table written by hand must not choose where a file goes."""
    made = sample.result()
    made.tables["round_trips"]["trip_id"] = [f"../T-{n}" for n in range(len(made.tables["round_trips"]))]
    with pytest.raises(UsageError, match="is not one of ours"):
        draw(made, tmp_path / "figures")
    assert list(tmp_path.rglob("*.png")) == []


def test_colours_stand_where_the_story_puts_them_and_survive_in_grey(drawn: Path) -> None:
    """The picture is not blank: banner, gap, AIS and sighting colours are all there, at a size fit for print at 16 cm."""
    with Image.open(drawn / "T-0000.png") as image:
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert 16.0 <= image.width / 200 * 2.54 <= 16.4
        dots = np.asarray(image.convert("RGB")).astype(int)
        grey = np.asarray(image.convert("L")).astype(int)
    for name, colour in {
        "banner": (255, 210, 74),
        "gap": (192, 74, 0),
        "AIS": (0, 114, 178),
        "seen": (139, 46, 115),
    }.items():
        close = (np.abs(dots - colour).max(axis=2) < 12).sum()
        assert close > 150, name
    assert tuple(dots[-1, 0]) == (255, 255, 255)
    assert (grey < 90).mean() > 0.02  # ink


def test_the_limit_of_reach_is_where_the_two_ways_take_all_the_time() -> None:
    """Against hand-worked spheres: from one place and back 60 nm is a circle of half a degree; with two places the ends count."""
    ring = figure_map.limit_of_reach((0.0, 130.0), (0.0, 130.0), 60.0)
    assert ring is not None
    # 30 nm is half a degree of latitude to within a tenth of a percent (a minute of arc is 1.853 km on this sphere).
    assert ring[:, 0].max() == pytest.approx(0.4997, abs=2e-4) and ring[:, 1].min() == pytest.approx(129.5003, abs=2e-4)
    line = figure_map.limit_of_reach((0.0, 130.0), (0.0, 131.0), 120.0)
    assert line is not None and line[:, 1].max() == pytest.approx(131.4993, abs=1e-3)
    assert figure_map.limit_of_reach((42.0, 130.0), (42.0, 130.0), 90_000.0) is None


def test_no_ship_can_have_been_everywhere_unless_the_figure_says_so(drawn: Path, tmp_path: Path) -> None:
    """A short silence leaves part of the map hatched as out of reach; a long one says that all of it was in reach."""
    made = only(sample.result())
    assert any("all of this map was in" in w for w in words(drawn / "T-0000.svg"))
    gaps = made.tables["gaps"]
    gaps.loc[gaps["gap_id"] == "G-0000", "end_utc"] = gaps.loc[gaps["gap_id"] == "G-0000", "start_utc"] + pd.Timedelta(
        "6h"
    )
    draw(made, tmp_path / "short")
    assert any("out of reach over the" in w for w in words(tmp_path / "short" / "T-0000.svg"))
    assert "<pattern" in (tmp_path / "short" / "T-0000.svg").read_text(encoding="utf-8")
    assert "<pattern" not in (drawn / "T-0000.svg").read_text(encoding="utf-8")


def test_a_track_is_never_drawn_across_a_silence() -> None:
    """What was heard ends where the silence starts and begins again where it ends, at the places that the gap names."""
    made = sample.result()
    story = next(s for s in figure_story.told(made.tables, made.manifest, ROUTE) if s.trip["trip_id"] == "T-0000")
    (gap,) = story.gaps
    for heard in story.heard:
        assert heard.end <= gap["start_utc"] or heard.start >= gap["end_utc"]
    before = [h for h in story.heard if h.end == gap["start_utc"]]
    assert len(before) == 1 and before[0].lon[-1] == gap["start_lon_deg"] and before[0].lat[-1] == gap["start_lat_deg"]


def test_probabilities_never_say_certain() -> None:
    """Neither 100 % nor 0 % is printed, and an unknown one is no low one."""
    assert [figure_rows.percent(p) for p in (None, 1.0, 0.0, 0.5)] == ["cannot say", "over 99 %", "under 1 %", "50 %"]


def test_texts_are_cut_visibly_and_broken_between_words() -> None:
    """What does not fit ends in an ellipsis; no word is lost before it."""
    assert lettering.fit("abc", 1000, 7) == "abc"
    cut = lettering.fit("W" * 50, 60, 7)
    assert cut.endswith("…") and lettering.width_pt(cut, 7) <= 60
    lines = lettering.wrap("one two three four five six", 40, 7, lines=2)
    assert len(lines) == 2 and lines[1].endswith("…") and " ".join(lines).startswith("one two")
