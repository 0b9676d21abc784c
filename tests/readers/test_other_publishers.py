"""Gap events, port calls, pictures and watch lists in the shapes of those who publish them: small files of invented ships.

What each must become was worked out by hand from the fixtures in `fixtures/lists`; where each shape was read is in its README.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import shapely

from ghostships import routes, tables
from ghostships.errors import FileRefused
from ghostships.readers import events, inspect, records, registry, scenes, shapes
from ghostships.readers.records import ListAccount
from ghostships.steps import vessels

ROUTE = routes.load()
LISTS = Path(__file__).resolve().parents[2] / "fixtures" / "lists"


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def closed(account: ListAccount, rejects: pl.DataFrame) -> dict[str, int]:
    """The rules broken; the books must balance, and every refused row must be there with its bytes."""
    assert account.rows_read == account.accepted + account.duplicate + sum(account.rejected.values())
    assert rejects.height == sum(account.rejected.values())
    assert all(rejects["raw"])
    return account.rejected


def told(path: Path) -> tuple[list[dict[str, object]], dict[str, int], ListAccount]:
    found, rejects, account = events.read_events(path, route=ROUTE)
    return found.sort_values("start_utc").to_dict("records"), closed(account, rejects), account


def listed(path: Path) -> tuple[dict[str, dict[str, object]], dict[str, int], ListAccount]:
    found, rejects, account = registry.read_registry(path)
    return {str(row["vessel_name"]): row for row in found.to_dict("records")}, closed(account, rejects), account


# --- events ---------------------------------------------------------------------------------------------------------------


def test_events_of_global_fishing_watch_are_gaps_and_port_calls(tmp_path: Path) -> None:
    """A closed gap with its judgement in their words, an open one without an end, a visit at a port of the route."""
    (gap, call, open_gap), broken, account = told(LISTS / "gfw_events.json")
    assert (gap["kind"], gap["mmsi"], gap["start_utc"], gap["end_utc"]) == (
        "gap",
        799000001,
        utc("2019-03-03 00:00"),
        utc("2019-03-05 11:00"),
    )
    assert (gap["lat_deg"], gap["lon_deg"]) == (42.61, 132.96), "where it was last heard, not the event's middle"
    assert gap["note"] == "the publisher's judgement of intentional disabling: true"
    assert (open_gap["publisher_id"], pd.isna(open_gap["end_utc"])) == ("sim-gap-2", True)
    assert (call["kind"], call["port"], call["place"]) == ("port_call", "VOSTOCHNY", "VOSTOCHNY")
    assert broken == {"context_ends_after_it_starts": 1, "kind_value": 1, "mmsi_number": 1}
    assert any("6 of 12 items" in note for note in account.notes), "one page is not the answer"


def test_the_published_table_of_disabling_events_is_read(tmp_path: Path) -> None:
    """Welch et al.: one row a gap; a repeated row counts once, three broken ones are named, the good ones stay."""
    rows, broken, account = told(LISTS / "gfw_disabling.csv")
    assert [(r["kind"], r["mmsi"], r["start_utc"], r["end_utc"]) for r in rows] == [
        ("gap", 799000001, utc("2019-03-03 00:00"), utc("2019-03-05 12:00")),
        ("gap", 799000002, utc("2019-03-20 06:30"), utc("2019-03-21 06:30")),
    ]
    assert account.duplicate == 1
    assert broken == {"lat_deg_range": 1, "mmsi_number": 1, "start_utc_format": 1}


def test_arrivals_and_departures_are_put_together_only_where_they_belong_together() -> None:
    """Hand-worked: one whole call, an arrival that another arrival follows, a whole call, a departure before everything."""
    rows, broken, account = told(LISTS / "marinetraffic_moves.csv")
    assert [(r["mmsi"], r["port"], r["start_utc"], r["end_utc"]) for r in rows[:3]] == [
        (799000001, "VOSTOCHNY", utc("2019-03-08 02:00"), utc("2019-03-09 03:30")),
        (799000002, "NAKHODKA", utc("2019-03-15 03:00"), pd.NaT),
        (799000002, "NAKHODKA", utc("2019-03-25 03:00"), utc("2019-03-27 03:00")),
    ]
    assert (pd.isna(rows[3]["start_utc"]), rows[3]["end_utc"]) == (True, utc("2019-03-02 03:00"))
    assert [str(r["source_row"]).rpartition(":")[2] for r in rows] == ["2", "5", "6", "4"]
    assert [str(r["end_source_row"]).rpartition(":")[2] for r in rows] == ["3", "nan", "7", "nan"]
    assert (account.accepted, account.duplicate) == (6, 1)
    assert broken == {"column_count": 1, "imo_check_digit": 1, "move_value": 1}
    assert all(pd.isna(r["imo"]) for r in rows if r["mmsi"] == 799000002), "an IMO number of 0 is none"


@pytest.mark.parametrize("name", ["marinetraffic_calls.csv", "vesselfinder.json", "kpler.csv"])
def test_other_tables_of_port_calls_say_the_same_call(name: str) -> None:
    """The same stay at Vostochny under each publisher's column names."""
    rows, _, _ = told(LISTS / name)
    one = next(r for r in rows if 799000001 in (r["mmsi"], 0) or r["imo"] == 7990008)
    assert (one["kind"], one["port"]) == ("port_call", "VOSTOCHNY")
    assert (one["start_utc"], one["end_utc"]) == (utc("2019-03-08 02:00"), utc("2019-03-09 03:30"))


def test_a_call_that_is_only_expected_is_none() -> None:
    """Kpler lists forecasts with an ETA and no start: nobody was there yet."""
    rows, broken, account = told(LISTS / "kpler.csv")
    assert broken == {"only_expected": 1}
    assert [r["vessel_name"] for r in rows] == ["SIM HARE", "SIM OTTER"]
    assert any("never linked" in note for note in account.notes), "SIM OTTER has a name and no number"


def test_local_times_alone_are_not_taken_for_utc(tmp_path: Path) -> None:
    """A table of local times is refused by name, not moved by ten hours in silence."""
    text = "MMSI,MOVE_TYPE,PORT_NAME,TIMESTAMP_LT\n799000001,0,VOSTOCHNY,2019-03-08T12:00:00\n"
    (tmp_path / "moves.csv").write_text(text)
    with pytest.raises(FileRefused, match="time"):
        events.read_events(tmp_path / "moves.csv", route=ROUTE)


def test_the_order_of_rows_changes_no_call(tmp_path: Path) -> None:
    """Reordering the export changes row numbers and nothing else."""
    lines = (LISTS / "marinetraffic_moves.csv").read_text().splitlines()[:7]
    own = ["source_row", "end_source_row"]
    made = []
    for n, order in enumerate((lines, [lines[0], *reversed(lines[1:])])):
        (tmp_path / f"{n}.csv").write_text("\n".join(order) + "\n")
        made.append(events.read_events(tmp_path / f"{n}.csv", route=ROUTE)[0].drop(columns=own))
    pd.testing.assert_frame_equal(*made)


# --- pictures -------------------------------------------------------------------------------------------------------------


def pictures(path: Path) -> tuple[scenes.Scenes, dict[str, int]]:
    found = scenes.read(path, route=ROUTE)
    assert found.account.accepted == len(found.looked) + len(found.offered)
    return found, closed(found.account, found.rejects)


@pytest.mark.parametrize(
    ("name", "n"),
    [("stac.json", 2), ("copernicus_odata.json", 2), ("copernicus_opensearch.json", 1), ("planet.json", 2)],
)
def test_a_search_result_is_not_a_look(name: str, n: int) -> None:
    """That a picture exists does not say that the berth in it was empty: it is no scene, and somebody is told how to say more."""
    found, _ = pictures(LISTS / name)
    assert len(found.offered) == n
    assert set(found.offered["kind"]) == {"picture"}
    assert not set(found.looked["scene_id"]) & set(found.offered["publisher_id"])
    assert any("ghostships:looked" in note for note in found.account.notes)


def test_a_stac_item_says_when_where_and_how_cloudy(tmp_path: Path) -> None:
    """Looked at: 35 % cloud, two parts, an optical sensor. Offered: the time of taking, not its middle; which ports it covers."""
    found, broken = pictures(LISTS / "stac.json")
    (scene,) = found.looked.to_dict("records")
    assert (scene["scene_id"], scene["clear_fraction"]) == ("S2A_MSIL2A_20190305T022301_SIM", 0.65)
    assert ROUTE.sensor(scene["sensor"]).kind == "optical"
    assert shapely.from_wkt(scene["wkt"]).geom_type == "MultiPolygon"
    radar = found.offered.set_index("publisher_id").loc[
        "S1A_IW_GRDH_1SDV_20190304T090000_20190304T090025_026193_02EC5A_SIM1"
    ]
    assert (radar["start_utc"], radar["end_utc"]) == (utc("2019-03-04 09:00:00"), utc("2019-03-04 09:00:25"))
    assert radar["port"] == "NAJIN;POSYET"
    assert broken == {"footprint_across_antimeridian": 1}
    assert any("landsat-8" in note and "default" in note for note in found.account.notes)
    assert any("heights" in note for note in found.account.notes)


def test_items_one_a_line_and_a_word_for_all_of_them(tmp_path: Path) -> None:
    """JSON lines of items; one broken line loses no other; the word beside the features speaks for every picture."""
    document = json.loads((LISTS / "stac.json").read_text())
    lines = [json.dumps(item) for item in document["features"][:2]]
    (tmp_path / "items.jsonl").write_text("\n".join([lines[0], lines[1][:40], lines[1]]) + "\n")
    found, broken = pictures(tmp_path / "items.jsonl")
    assert (len(found.looked), len(found.offered), broken) == (1, 1, {"json": 1})
    document["ghostships:looked"] = True
    document["features"] = document["features"][:3]
    document["features"][2]["properties"]["ghostships:looked"] = False
    (tmp_path / "looked.json").write_text(json.dumps(document))
    found, _ = pictures(tmp_path / "looked.json")
    assert (len(found.looked), found.offered["publisher_id"].to_list()) == (2, ["LC08_SIM"])


def test_cloud_is_a_percentage_here_and_a_share_there() -> None:
    """Copernicus: 12.5 % cloud. Planet: cloud_cover 0.9 is nine tenths; where clear_percent is told, it is what counts."""
    copernicus, broken = pictures(LISTS / "copernicus_odata.json")
    assert copernicus.offered["note"].to_list()[0].endswith("87.5 % clear")
    assert broken == {"footprint_missing": 1}
    planet, broken = pictures(LISTS / "planet.json")
    notes = dict(zip(planet.offered["publisher_id"], planet.offered["note"], strict=True))
    assert notes["20190305_013000_1_0f4e"].endswith(", 55 % clear")
    assert notes["20190306_013000_1_0f4e"].endswith(", 10 % clear")
    assert broken == {"geometry_type": 1}
    assert all(ROUTE.sensor(note).kind == "optical" for note in notes.values())


def test_a_cloud_cover_that_may_be_either_is_taken_so_that_it_claims_less(tmp_path: Path) -> None:
    """A plain list whose cloud_cover never passes 1: as shares its pictures show less; named as percentages they show all."""
    head = "scene_id,time,lat_min,lon_min,lat_max,lon_max,sensor,{}\n"
    row = "{},2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,Planet,{}\n"
    (tmp_path / "a.csv").write_text(head.format("cloud_cover") + row.format("X", 0.9) + row.format("Y", 0))
    found, _ = pictures(tmp_path / "a.csv")
    assert found.looked["clear_fraction"].to_list() == [0.1, 1.0]
    assert any("taken as shares" in note for note in found.account.notes)
    (tmp_path / "b.csv").write_text(head.format("cloud_percent") + row.format("X", 0.9))
    assert pictures(tmp_path / "b.csv")[0].looked["clear_fraction"].to_list() == [0.991]


def test_a_list_of_ones_own_may_say_what_was_not_looked_at(tmp_path: Path) -> None:
    """The contract's list holds what was looked at; a column can take single pictures out again."""
    head = "scene_id,time,lat_min,lon_min,lat_max,lon_max,sensor,looked\n"
    row = "{},2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,SAR,{}\n"
    (tmp_path / "a.csv").write_text(head + row.format("X", "") + row.format("Y", "no") + row.format("Z", "perhaps"))
    found, broken = pictures(tmp_path / "a.csv")
    assert (found.looked["scene_id"].to_list(), found.offered["publisher_id"].to_list()) == (["X"], ["Y"])
    assert broken == {"looked_value": 1}


# --- watch lists ----------------------------------------------------------------------------------------------------------


def test_ofac_as_csv_has_no_header_and_no_days() -> None:
    """Twelve columns by their places, numbers out of the remarks; a company is not a ship because its type is `-0-`."""
    ships, broken, account = listed(LISTS / "sdn.csv")
    assert (ships["SIM HARE"]["imo"], ships["SIM HARE"]["mmsi"]) == (7990008, 799000001)
    assert ships["SIM HARE"]["list"] == "OFAC [DPRK4; RUSSIA-EO14024]"
    assert pd.isna(ships["SIM HARE"]["since"])
    assert set(ships) == {"SIM HARE", "SIM MARTEN"}
    assert broken == {"imo_check_digit": 1, "not_a_ship": 2}
    assert account.rows_read == 5


def test_ofac_as_xml_has_the_day_of_the_list() -> None:
    """Published 01/25/2024, month first; a name that is markup stays a name."""
    ships, broken, _ = listed(LISTS / "sdn.xml")
    assert (ships["SIM HARE"]["imo"], ships["SIM HARE"]["mmsi"]) == (7990008, 799000001)
    assert ships["SIM HARE"]["list"] == "OFAC [DPRK4; RUSSIA-EO14024], list of 2024-01-25"
    assert "SIM <script>alert(1)</script>" in ships
    assert broken == {"not_a_ship": 1}


def test_ofac_as_advanced_xml_has_the_day_of_each_listing() -> None:
    """The only one of OFAC's files that says since when: joined over identity, profile and entry."""
    ships, broken, _ = listed(LISTS / "sdn_advanced.xml")
    assert ships["SIM HARE"] | {"source_row": ""} == {
        "mmsi": 799000001,
        "imo": 7990008,
        "vessel_name": "SIM HARE",
        "length_m": pytest.approx(float("nan"), nan_ok=True),
        "teu": pytest.approx(float("nan"), nan_ok=True),
        "list": "OFAC SDN List [DPRK4], list of 2024-01-25",
        "since": "2018-02-23",
        "source_row": "",
    }
    assert broken == {"not_a_ship": 1}


def test_the_eu_list_tells_a_ship_by_its_imo_number() -> None:
    """Entities spread over rows are put together; days are day first; an enterprise without an IMO number is no ship."""
    ships, broken, account = listed(LISTS / "eu_fsf.csv")
    assert (ships["SIM HARE"]["imo"], ships["SIM HARE"]["since"]) == (7990008, "2017-08-12")
    assert (ships["SIM OTTER"]["imo"], ships["SIM OTTER"]["since"]) == (7990010, "2018-02-23")
    assert ships["SIM HARE"]["list"] == "EU FSF [PRK], list of 2024-01-25"
    assert (account.rows_read, account.accepted, account.duplicate, broken) == (6, 2, 2, {"not_a_ship": 2})
    ships, broken, _ = listed(LISTS / "eu_fsf.xml")
    assert (ships["SIM HARE"]["imo"], ships["SIM HARE"]["since"]) == (7990008, "2017-08-12"), "the first regulation"
    assert broken == {"not_a_ship": 1}


def test_the_annex_of_the_port_access_ban_is_a_list_without_saying_so() -> None:
    """Name, number and date of application are all that its tables have; 31 February is nobody's day."""
    ships, broken, _ = listed(LISTS / "eu_annex.csv")
    assert {name: (s["imo"], s["since"]) for name, s in ships.items()} == {
        "SIM HARE": (7990008, "2024-06-25"),
        "SIM OTTER": (7990010, "2025-02-25"),
    }
    assert {s["list"] for s in ships.values()} == {registry.ANNEX}
    assert broken == {"imo_check_digit": 1, "since_format": 1}


def test_the_day_opensanctions_first_saw_a_listing_is_not_its_day() -> None:
    """Three exports of the same ship: `since` only where a listing's own day is given, the rest said as what it is."""
    ships, _, _ = listed(LISTS / "opensanctions_targets.simple.csv")
    assert ships["SIM HARE"]["imo"] == 7990008
    assert pd.isna(ships["SIM HARE"]["since"])
    assert str(ships["SIM HARE"]["list"]).endswith("first seen there 2024-06-26")
    ships, broken, _ = listed(LISTS / "opensanctions_entities.ftm.json")
    assert ships["SIM HARE"]["since"] == "2018-02-23", "the earlier of two sanctions"
    assert ships["SIM OTTER"]["since"] == "2023-04-01", "from the sanction on a line of its own that names the ship"
    assert broken == {"json": 1, "not_a_ship": 2}
    ships, broken, _ = listed(LISTS / "opensanctions_maritime.csv")
    assert ships["SIM STOAT"]["list"] == "OpenSanctions [paris_mou_banned; risk: mare.detained]", (
        "a detention is no sanction"
    )
    assert (ships["SIM HARE"]["mmsi"], broken) == (799000001, {"not_a_ship": 1})


def test_the_screening_list_names_the_list_inside_it() -> None:
    """One file of many lists: whose it is stands in the hit."""
    ships, broken, _ = listed(LISTS / "csl.csv")
    assert str(ships["SIM HARE"]["list"]).startswith("US CSL Specially Designated Nationals")
    assert (ships["SIM HARE"]["imo"], broken) == (7990008, {"not_a_ship": 1})


@pytest.mark.parametrize(
    ("sent", "by"),
    [
        ({"imo": 7990008}, "matched by IMO 7990008"),
        ({"mmsi": 799000001}, "matched by MMSI 799000001"),
        ({"vessel_name": "Sim-Hare"}, "matched by name only"),
    ],
    ids=["imo", "mmsi", "name"],
)
def test_a_hit_says_which_list_of_which_day_since_when_and_by_what(sent: dict[str, object], by: str) -> None:
    """What stands in vessels.parquet: whoever reads it can find the entry again, and sees how weak a name alone is."""
    day = datetime(2024, 3, 1, tzinfo=UTC)
    row = {name: None for name in tables.STATICS.names} | {"day_utc": day, "said": 0, "vessel_key": "mmsi:799000777"}
    row |= {"n_messages": 1, "first_utc": day, "last_utc": day, **sent}
    statics = pl.DataFrame([row], schema=tables.STATICS.polars_schema)
    (ship,) = vessels.describe(statics, registry.read_registry(LISTS / "sdn_advanced.xml")[0]).to_dict("records")
    assert ship["watch_list_hits"] == [f"OFAC SDN List [DPRK4], list of 2024-01-25 (since 2018-02-23, {by})"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]><sdnList><sdnEntry/></sdnList>', "xml_entities"),
        ("<sdnList><sdnEntry><uid>1</uid></sdnList>", "xml"),
        ("<html><body>please log in</body></html>", "not_kml"),
        ("<sdnList><sdnEntry><uid>1</uid></sdnEntry>", "xml"),
    ],
)
def test_xml_that_is_hostile_cut_or_something_else_is_refused_whole(tmp_path: Path, text: str, rule: str) -> None:
    """Entities are never expanded; half a list is no list; a login page is named as what it is."""
    (tmp_path / "list.xml").write_text(text)
    with pytest.raises(FileRefused) as refused:
        registry.read_registry(tmp_path / "list.xml")
    assert refused.value.rule == rule


READERS = {
    "gfw_events.json": lambda path: events.read_events(path, route=ROUTE),
    "stac.json": lambda path: scenes.read_scenes(path, route=ROUTE),
    "copernicus_odata.json": lambda path: scenes.read_scenes(path, route=ROUTE),
    "copernicus_opensearch.json": lambda path: scenes.read_scenes(path, route=ROUTE),
    "planet.json": lambda path: scenes.read_scenes(path, route=ROUTE),
}


def _places(node: object, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The way to every value of a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(place for key, value in inner for place in _places(value, (*at, key)))]


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_an_answer_with_something_else_in_any_place_is_refused_or_accounted_for(tmp_path: Path, name: str) -> None:
    """Services change and files are cut: whatever stands where, no row is lost without a name and nothing falls over."""
    text = (LISTS / name).read_text()
    for number, at in enumerate(_places(json.loads(text))[1::2]):
        document = json.loads(text)
        inside = document
        for key in at[:-1]:
            inside = inside[key]
        inside[at[-1]] = (None, True, [], {}, "x", 7)[number % 6]
        (tmp_path / name).write_text(json.dumps(document))
        try:
            _, rejects, account = READERS[name](tmp_path / name)
        except FileRefused:
            continue
        closed(account, rejects)


# --- recognition ----------------------------------------------------------------------------------------------------------

FILES = sorted(path for path in LISTS.iterdir() if path.suffix != ".md")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_inspect_says_what_each_is_and_how_it_is_given(path: Path) -> None:
    """`ghostships inspect FILE`: the shape, the option, and books that close; nothing is taken for AIS."""
    (one,) = inspect.inspect_all(path)
    shape = shapes.BY_NAME[one.dialect]
    assert one.refused is None
    assert f"give it with --{shape.role}" in one.title
    assert one.n_rows == one.n_usable + one.n_duplicate + sum(reject.n_rows for reject in one.rejects)
    assert one.n_usable > 0


def test_every_shape_has_a_file_and_a_source() -> None:
    """A shape without an example is a guess."""
    seen = {shape.name for path in FILES if (shape := shapes.recognise(records.read(path))) is not None}
    assert seen == set(shapes.BY_NAME)
    assert all(shape.source for shape in shapes.SHAPES)


def test_what_stands_in_a_json_file_is_kept_to_the_letter() -> None:
    """`explain --raw` shows what was published: numbers and spaces as they were."""
    raw = records.read(LISTS / "gfw_events.json").rows[2].raw.decode()
    assert raw in (LISTS / "gfw_events.json").read_text()
    assert '"durationHrs": 25.5' in raw


def test_the_page_of_dialects_names_every_shape_and_rule(pytestconfig: pytest.Config) -> None:
    """A user finds what became of a file: every shape, and every rule that a fixture breaks."""
    page = (pytestconfig.rootpath / "docs" / "dialects.md").read_text(encoding="utf-8")
    assert not [name for name in shapes.BY_NAME if f"`{name}`" not in page]
    broken = {reject.rule for path in FILES for one in inspect.inspect_all(path) for reject in one.rejects}
    general = ("_number", "_range", "_format")
    assert not [rule for rule in broken if f"`{rule}`" not in page and not rule.endswith(general)]
