"""Lists of sightings: what is accepted, what is refused and by which rule, in every format."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import polars as pl
import pytest
from shapely.geometry import Point

from ghostships import routes
from ghostships.errors import FileRefused
from ghostships.readers.records import ListAccount
from ghostships.readers.sightings import read_sightings

ROUTE = routes.load()
NAJIN = {"lat": 42.2295, "lon": 130.2845}


def read(folder: Path, text: str | bytes, name: str = "s.csv") -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found, rejects, books = read_sightings(path, route=ROUTE)
    assert books.rows_read == books.accepted + books.duplicate + sum(books.rejected.values())
    assert (len(found), len(rejects)) == (books.accepted, sum(books.rejected.values()))
    return found, rejects, books


def rules(folder: Path, text: str) -> list[str]:
    return read(folder, text)[1]["rule"].to_list()


def feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": geometry, "properties": {"time": "2025-02-20T02:00:00Z", **properties}}


def collection(*features: object, **more: object) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features, **more})


@pytest.mark.parametrize(
    ("row", "start", "end"),
    [
        ("NAJIN,Sentinel-1 SAR,2025-02-20", "2025-02-19T15:00:00Z", "2025-02-20T14:59:59Z"),
        ("NAJIN,Planet optical,2025-02-20", "2025-02-19T21:00:00Z", "2025-02-20T09:00:00Z"),
        ("VOSTOCHNY,Planet optical,2025-02-20", "2025-02-19T20:00:00Z", "2025-02-20T08:00:00Z"),
        ("NAJIN_OR_DUNAY,radar,2025-02-20", "2025-02-19T14:00:00Z", "2025-02-20T14:59:59Z"),
        ("NAJIN,,2025-02-20", "2025-02-19T15:00:00Z", "2025-02-20T14:59:59Z"),
    ],
)
def test_a_date_alone_is_that_local_day_at_the_port(tmp_path: Path, row: str, start: str, end: str) -> None:
    """BI-132: UTC+9 at Najin, UTC+10 in Primorye, daylight for optical pictures, the union for an open port."""
    (found,) = read(tmp_path, f"port,sensor,date\n{row}\n")[0].to_dict("records")
    assert (found["start_utc"], found["end_utc"]) == (pd.Timestamp(start), pd.Timestamp(end))


@pytest.mark.parametrize("text", ["NAJIN_OR_DUNAY", "Najin or Dunai", "DUNAY|NAJIN"])
def test_an_uncertain_port_is_one_port_left_open(tmp_path: Path, text: str) -> None:
    """However it is written, it is the same statement."""
    assert read(tmp_path, f"port,time\n{text},2025-02-20T02:00:00Z\n")[0]["port"].to_list() == ["DUNAY|NAJIN"]


def test_places_name_ports_and_berths_only_as_far_as_they_are_exact(tmp_path: Path) -> None:
    """A 50 m place at the pier names the pier; a gazetteer point or a 3 km place names the port only."""
    text = "id,time,lat,lon,position_sigma_m\na,2025-02-20T02:00:00Z,42.229,130.284,50\n"
    text += "b,2025-02-20T02:00:00Z,42.229,130.284,3000\n"
    found = read(tmp_path, text + "c,2025-02-20T02:00:00Z,42.2271,130.2826,\nd,2025-02-20T02:00:00Z,41.0,131.0,\n")[0]
    assert found["port"].tolist()[:3] == ["NAJIN"] * 3
    assert found["berth"].fillna("").tolist() == ["NAJIN_PIER2", "", "", ""]
    assert found["position_sigma_m"].tolist()[2] == 6000
    assert pd.isna(found["port"][3])


def test_a_missing_or_zero_place_error_is_the_sensors_and_is_said(tmp_path: Path) -> None:
    """BI-134: never treated as exact."""
    text = "id,time,lat,lon,position_sigma_m,sensor\na,2025-02-20T02:00:00Z,41,131,,SAR\nb,2025-02-20T02:00:00Z,41,131,0,Planet\n"
    found, _, books = read(tmp_path, text)
    assert found["position_sigma_m"].tolist() == [300, 50]
    assert any("position error not given" in note for note in books.notes)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2025-02-20T02:00:00Z,130.28,42.22,,,", "lat_lon_swapped"),
        ("2025-02-20T02:00:00Z,95,10,,,", "lat_deg_range"),
        ("2025-02-20T02:00:00Z,42,500,,,", "lon_deg_range"),
        ("2025-02-20T02:00:00Z,42,,,,", "lat_and_lon_together"),
        ("2025-02-20T02:00:00Z,nan,130,,,", "lat_deg_number"),
        ("2025-02-20T02:00:00Z,4_2,130,,,", "lat_deg_number"),
        ("2025-02-20T02:00:00Z,,,,,", "sighting_has_a_place"),
        ("20/02/2025,,,NAJIN,,", "start_utc_format"),
        ("2025-02-30,,,NAJIN,,", "date_format"),
        ("2025-02-20T25:00:00Z,,,NAJIN,,", "start_utc_format"),
        (",,,NAJIN,,", "time_missing"),
        ("2025-02-20,,,ZHOUSHAN,,", "local_day_at_unknown_place"),
        ("2025-02-20,,,NAJIN,9161004,", "imo_check_digit"),
        ("2025-02-20,,,NAJIN,,spaceship", "kind_value"),
        ("2025-02-20,,,NAJIN", "column_count"),
        ("2025-02-20,,,NAJIN,,,,", "column_count"),
    ],
)
def test_a_bad_row_is_refused_by_name_and_kept_with_its_bytes(tmp_path: Path, row: str, rule: str) -> None:
    """Nothing is repaired in silence, and the good row beside it stays."""
    found, rejects, _ = read(tmp_path, f"time,lat,lon,port,imo,kind\n{row}\n2025-02-20,,,NAJIN,9161003,absent\n")
    assert rejects.rows() == [(rejects["file_sha256"][0], 2, rule, row)]
    assert found["observation_type"].to_list() == ["absent"]


def test_equal_rows_count_once_and_contradicting_ids_not_at_all(tmp_path: Path) -> None:
    """A repeated row is a duplicate; two statements under one id cannot be told apart, so neither is used."""
    head = "sighting_id,port,date,length_m\n"
    found, _, books = read(tmp_path, f"{head}A,NAJIN,2025-02-20,110\nA,NAJIN,2025-02-20,110\n")
    assert (len(found), books.duplicate) == (1, 1)
    assert rules(tmp_path, f"{head}A,NAJIN,2025-02-20,110\nA,NAJIN,2025-02-20,150\n") == ["sighting_id_twice"] * 2


def test_ids_made_up_for_rows_without_one_do_not_depend_on_their_order(tmp_path: Path) -> None:
    """Reordering the input changes nothing but row numbers."""
    rows = ["NAJIN,2025-02-20,110", "NAJIN,2025-02-21,115"]
    one = read(tmp_path, "\n".join(["port,date,length_m", *rows]))[0]
    other = read(tmp_path, "\n".join(["port,date,length_m", *rows[::-1]]))[0]
    pd.testing.assert_frame_equal(
        one.drop(columns=["source_row", "source"]), other.drop(columns=["source_row", "source"])
    )


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "scene_id,timestamp,lat,lon,presence_score,length_m,mmsi,matching_score",
            "X,2025-02-20 02:00:00 UTC,42.2295,130.2845,0.9,110,,",
        ),
        (
            "event_id,event_type,start_time,latitude,longitude,estimated_length,satellite_name",
            "e,sar,2025-02-20T02:00:00+00:00,42.2295,130.2845,110,S1A",
        ),
        (
            "detect_lat,detect_lon,vessel_length_m,scene_id",
            "42.2295,130.2845,110,S1A_IW_GRDH_1SDV_20250220T020000_20250220T020000_0_0_0",
        ),
        (
            "ID;Latitude;Longitude;Acquisition Time;Ship length (m)",
            "k;42.2295;130.2845;2025-02-20T11:00:00+09:00;110",
        ),
    ],
    ids=["gfw", "skylight", "xview3", "ksat"],
)  # fmt: skip
def test_exports_of_the_usual_suppliers_are_read(tmp_path: Path, header: str, row: str) -> None:
    """Same ship, same instant, same place, under each supplier's column names."""
    (found,) = read(tmp_path, f"{header}\n{row}\n")[0].to_dict("records")
    assert found["start_utc"] == pd.Timestamp("2025-02-20T02:00:00Z")
    assert (found["port"], found["length_m"], found["observation_type"]) == ("NAJIN", 110, "vessel")


def test_a_processing_time_is_not_taken_for_the_time_of_the_picture(tmp_path: Path) -> None:
    """BI-137: the scene's name is cross-checked, and a column of processing times is never a time."""
    scene = "S1A_IW_GRDH_1SDV_20250220T020000_20250220T020025_0_0_0"
    assert rules(tmp_path, f"time,lat,lon,scene_id\n2025-02-20T09:00:00Z,42,131,{scene}\n") == [
        "time_contradicts_scene_id"
    ]
    with pytest.raises(FileRefused, match="no column with the time"):
        read(tmp_path, "processing_time,lat,lon\n2025-02-20T09:00:00Z,42,131\n")


def test_points_without_a_usable_geometry_are_refused(tmp_path: Path) -> None:
    """BI-144, BI-143: null, empty and collected geometries are rows refused; a height is dropped and said."""
    bad = [None, {"type": "Point", "coordinates": []}, {"type": "GeometryCollection", "geometries": []}]
    text = collection(feature({"type": "Point", "coordinates": [130.2845, 42.2295, 7]}), *(feature(g) for g in bad))
    found, rejects, books = read(tmp_path, text, "s.geojson")
    assert len(found) == 1
    assert set(rejects["rule"]) <= {"geometry_type", "geometry_coordinates"}
    assert len(rejects) == 3
    assert any("heights" in note for note in books.notes)


def test_declared_projections_are_converted_and_undeclared_ones_refused(tmp_path: Path) -> None:
    """BI-139, BI-138: metres with a crs become degrees; metres without one are out of range; swapped axes are named."""
    metres = {"type": "Point", "coordinates": [14503203.0, 5190817.0]}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    found = read(tmp_path, collection(feature(metres), crs=crs), "s.geojson")[0]
    assert found["port"].tolist() == ["NAJIN"]
    swapped = {"type": "Point", "coordinates": [42.2295, 130.2845]}
    rejects = read(tmp_path, collection(feature(metres), feature(swapped)), "s.geojson")[1]
    assert rejects["rule"].to_list() == ["lat_deg_range", "lat_lon_swapped"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[" * 100_000, "json_depth"),
        ('{"type":"FeatureCollection","features":[{"a":NaN}]}', "json"),
        ('{"type":"FeatureCollection","features":[{"a":1,"a":2}]}', "json"),
        ('{"type":"FeatureCollection","features":[', "json"),
        ('<!DOCTYPE k [<!ENTITY a "b">]><kml>&a;</kml>', "xml_entities"),
        ("<kml><Placemark>", "xml"),
        ("port,date\nNAJIN,2025-02-20\xff\n", "encoding"),
        ("port,port,date\nNAJIN,NAJIN,2025-02-20\n", "columns"),
        ('port,date\n"NAJIN,2025-02-20\n', "csv"),
        ("port,date\nNA\x00JIN,2025-02-20\n", "nul"),
        ("", "empty"),
        ("date,length_m\n2025-02-20,110\n", "no_place"),
    ],
)
def test_damaged_or_hostile_files_are_refused_whole(tmp_path: Path, text: str, rule: str) -> None:
    """BI-145, BI-146, BI-147 and their like: refused by name, before anything expensive happens."""
    path = tmp_path / "s.any"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FileRefused) as refused:
        read_sightings(path, route=ROUTE)
    assert refused.value.rule == rule


def test_lone_surrogates_are_refused_and_long_integers_stay_text(tmp_path: Path) -> None:
    """BI-146: no UTF-8 file can hold half a character; a note of 30 digits keeps them all."""
    point = {"type": "Point", "coordinates": [130.2845, 42.2295]}
    text = collection(feature(point, name="\ud800"), feature(point, note=10**29))
    found, rejects, _ = read(tmp_path, text, "s.geojson")
    assert rejects["rule"].to_list() == ["text_not_unicode"]
    assert found["note"].tolist() == [str(10**29)]


def test_kml_placemarks_are_read_and_links_are_not_followed(tmp_path: Path) -> None:
    """BI-147: a network link is only noted."""
    text = """<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
    <NetworkLink><Link><href>http://192.0.2.1/x.kml</href></Link></NetworkLink>
    <Placemark><name>P1</name><TimeStamp><when>2025-02-20T02:00:00Z</when></TimeStamp>
    <ExtendedData><Data name="length_m"><value>110</value></Data></ExtendedData>
    <Point><coordinates>130.2845,42.2295,0</coordinates></Point></Placemark></Document></kml>"""
    found, _, books = read(tmp_path, text, "s.kml")
    assert found[["sighting_id", "port", "length_m"]].values.tolist() == [["P1", "NAJIN", 110]]  # noqa: PD011
    assert "network links were not followed" in books.notes


def test_every_format_gives_the_same_sightings(tmp_path: Path) -> None:
    """CSV, gzip, GeoJSON, GeoPackage, GeoParquet and Parquet of one table."""
    table = {
        "sighting_id": ["A", "B"],
        "time": ["2025-02-20T02:00:00Z", "2025-02-21T02:00:00Z"],
        "length_m": [110.0, None],
    }
    frame = pd.DataFrame({**table, "lat": 42.2295, "lon": 130.2845})
    text = frame.to_csv(index=False)
    geo = gpd.GeoDataFrame(table, geometry=[Point(130.2845, 42.2295)] * 2, crs="EPSG:4326")
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    geo.to_file(tmp_path / "c.geojson", driver="GeoJSON")
    geo.to_crs("EPSG:3857").to_file(tmp_path / "d.gpkg", driver="GPKG")
    geo.to_parquet(tmp_path / "e.parquet")
    frame.assign(time=pd.to_datetime(frame["time"])).to_parquet(tmp_path / "f.parquet")
    wanted = ["sighting_id", "start_utc", "end_utc", "lat_deg", "lon_deg", "length_m", "port", "berth"]
    first = None
    for path in sorted(tmp_path.iterdir()):
        found = read_sightings(path, route=ROUTE)[0][wanted]
        first = found if first is None else first
        pd.testing.assert_frame_equal(found, first, rtol=0, atol=1e-6)
    assert first is not None
    assert first["port"].tolist() == ["NAJIN", "NAJIN"]


def test_a_name_has_the_routes_trust_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    """p_name_correct is null where nobody was named."""
    text = (
        "port,date,name,p_name_correct\nNAJIN,2025-02-20,SIM ONE,\nNAJIN,2025-02-21,SIM TWO,0.6\nNAJIN,2025-02-22,,\n"
    )
    found = read(tmp_path, text)[0].sort_values("start_utc")
    assert found["p_name_correct"].fillna(-1).tolist() == [ROUTE.priors.p_name_correct, 0.6, -1]


@pytest.mark.real
def test_a_detectors_output_has_its_time_only_in_the_name_of_the_scene(shared: Path) -> None:
    """The published Sentinel-1 detections: 30 November 2021, 02:52:11 to 02:52:36."""
    found, _, books = read_sightings(shared / "data" / "predictions.csv", route=ROUTE)
    assert (books.rows_read, books.accepted) == (2, 2)
    assert set(found["start_utc"]) == {pd.Timestamp("2021-11-30T02:52:11Z")}
    assert set(found["end_utc"]) == {pd.Timestamp("2021-11-30T02:52:36Z")}
    assert found["length_m"].round().tolist() == [234, 258]
    assert set(found["sensor"]) == {"Sentinel-1"}


@pytest.mark.real
def test_the_gathered_facts_are_read_as_they_are(shared: Path) -> None:
    """65 ships, 6 containers, 2 absences, 1 transponder: as the folder's own description says."""
    found, rejects, _ = read_sightings(shared / "facts" / "sightings.csv", route=ROUTE)
    assert len(rejects) == 0
    assert found["observation_type"].value_counts().to_dict() == {"vessel": 65, "containers": 6, "absent": 2, "ais": 1}


@pytest.mark.parametrize("column", ["heading_deg", "heading", "orientation", "vessel_heading"])
def test_the_heading_of_a_hull_is_read_under_the_names_that_detectors_give_it(tmp_path: Path, column: str) -> None:
    """Degrees from north; 360 is 0. What is none (511, -1, words) is left out aloud, and the row stays."""
    rows = "\n".join(
        f"S{n},2025-02-20T02:00:00Z,41.5,131.5,{told}" for n, told in enumerate(("75.5", "360", "511", "-1", "NE", ""))
    )
    found, rejects, books = read(tmp_path, f"sighting_id,time,lat,lon,{column}\n{rows}\n")
    assert rejects.is_empty()
    told = found.set_index("sighting_id")["heading_deg"]
    assert told["S0"] == 75.5
    assert told["S1"] == 0.0
    assert told[["S2", "S3", "S4", "S5"]].isna().all()
    assert any("heading_deg" in note for note in books.notes)
