"""GeoPackage and KML: what a GIS or a globe shows."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import defusedxml.ElementTree
import geopandas
import pyarrow.parquet as pq
import pyogrio
import pytest
import sample
import shapely

from ghostships import tables
from ghostships.report import geo, kml, parquet

KML = "{http://www.opengis.net/kml/2.2}"
GX = "{http://www.google.com/kml/ext/2.2}"
FEATURE_ORDER = ["name", "visibility", "open", "description", "TimeSpan", "TimeStamp", "styleUrl", "Style"]
"""Children of a KML feature before its geometry or features (OGC 07-147r2, AbstractFeatureGroup), as far as we write them."""


def test_layers_hold_every_row_at_its_place(tmp_path: Path) -> None:
    """QGIS sees the same gaps, sightings, calls and trips as the tables, and a line only where a gap has ended."""
    made = sample.result()
    geo.write_layers(made.tables, tmp_path / "x.gpkg")
    counts = {
        name: len(pyogrio.read_dataframe(tmp_path / "x.gpkg", layer=name)) for name in geo_layers(tmp_path / "x.gpkg")
    }
    # Tracks are cut at silences, so that no line crosses one: six ships heard in pieces, eighteen others in one.
    n_tracks = counts.pop("tracks")
    assert counts == {"gaps_lines": 7, "gaps": 8, "sightings": 15, "port_calls": 9, "round_trips": 12}
    tracks = pyogrio.read_dataframe(tmp_path / "x.gpkg", layer="tracks")
    assert n_tracks == len(tracks) > tracks["segment_id"].nunique() == 24
    silences = made.tables["gaps"].dropna(subset=["end_utc"])
    for gap in silences.to_dict("records"):
        of_hull = tracks[tracks["segment_id"] == gap["segment_id"]]
        assert ((of_hull["end_utc"] <= gap["start_utc"]) | (of_hull["start_utc"] >= gap["end_utc"])).all(), gap[
            "gap_id"
        ]
    trips = pyogrio.read_dataframe(tmp_path / "x.gpkg", layer="round_trips")
    assert trips["p_trip"].isna().sum() == made.tables["round_trips"]["p_trip"].isna().sum()
    assert trips.geometry.iloc[0].coords[0] == (130.2826, 42.2271)


def geo_layers(path: Path) -> list[str]:
    return [name for name, kind in pyogrio.list_layers(path) if kind is not None]


def test_styles_are_there_and_no_real_time_is(tmp_path: Path) -> None:
    """The layers open styled, and equal runs are equal files: the time in them is a fixed one."""
    geo.write_layers(sample.result().tables, tmp_path / "x.gpkg")
    database = sqlite3.connect(tmp_path / "x.gpkg")
    try:
        assert {row[0] for row in database.execute("SELECT last_change FROM gpkg_contents")} == {geo.FIXED_TIME}
        styled = {row[0] for row in database.execute("SELECT f_table_name FROM layer_styles")}
        contents = {row[0] for row in database.execute("SELECT table_name FROM gpkg_contents")}
        assert styled == contents - {"layer_styles"}
        for layer, qml in database.execute("SELECT f_table_name, styleQML FROM layer_styles"):
            root = defusedxml.ElementTree.fromstring(qml)
            assert root.tag == "qgis"
            fields = {row[1] for row in database.execute(f'PRAGMA table_info("{layer}")')}
            temporal = root.find("temporal")
            assert temporal.attrib["enabled"] == "1" and temporal.attrib["mode"] == "2"
            assert {temporal.attrib["startField"], temporal.attrib["endField"]} <= fields
            assert {alias.attrib["field"] for alias in root.iter("alias")} <= fields
            attribute = root.find("renderer-v2").attrib.get("attr")
            assert attribute is None or attribute in fields
            numbers = [symbol.attrib["name"] for symbol in root.iter("symbol")]
            assert {c.attrib["symbol"] for c in root.iter("category")} <= set(numbers)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        assert version == 10300  # GeoPackage 1.3, which QGIS 3.22 knows
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        database.close()


def test_empty_tables_give_empty_layers(tmp_path: Path) -> None:
    """A run that found nothing still gives layers, so that a QGIS project does not break."""
    geo.write_layers(sample.empty().tables, tmp_path / "x.gpkg")
    assert len(geo_layers(tmp_path / "x.gpkg")) == 6
    kml.write(sample.empty().tables, tmp_path / "x.kml", is_simulated=False)
    assert defusedxml.ElementTree.parse(tmp_path / "x.kml").getroot().tag == KML + "kml"


def test_names_that_xml_cannot_hold_are_shown_in_the_kml(tmp_path: Path) -> None:
    """A control character or a tag in a ship's name neither breaks the file nor becomes part of it."""
    made = sample.poisoned("\x00\x0b\ufffe<Placemark>&\u202e")
    kml.write(made.tables, tmp_path / "x.kml", is_simulated=True)
    root = defusedxml.ElementTree.parse(tmp_path / "x.kml").getroot()
    names = [e.text for e in root.iter(KML + "name")]
    assert any(n.startswith("SIMULATED: ⟨U+0000⟩⟨U+000B⟩⟨U+FFFE⟩<Placemark>&⟨U+202E⟩SIM SEVER") for n in names)
    # One folder per trip, and one each for flagged trips, others and tracks.
    assert len(list(root.iter(KML + "Folder"))) == 12 + 3
    descriptions = [e.text for e in root.iter(KML + "description")]
    assert any("&lt;Placemark&gt;&amp;" in d for d in descriptions), "a globe reads descriptions as HTML"
    assert not any("<" in d for d in descriptions)


def test_an_unknown_probability_is_said_and_lines_are_not_called_paths(tmp_path: Path) -> None:
    """The globe carries the same cautions as the page."""
    kml.write(sample.result().tables, tmp_path / "x.kml", is_simulated=False)
    text = (tmp_path / "x.kml").read_text(encoding="utf-8")
    assert "ship not known, p cannot say" in text
    assert "straight line between the places last and next heard, not a path" in text
    assert "SIMULATED" not in text


def written(tmp_path: Path, *, is_simulated: bool = True) -> object:
    kml.write(sample.result().tables, tmp_path / "x.kml", is_simulated=is_simulated)
    return defusedxml.ElementTree.parse(tmp_path / "x.kml").getroot()


def test_children_stand_in_the_order_of_the_kml_schema(tmp_path: Path) -> None:
    """Strict readers refuse a KML whose children are out of order; every style that is used is there, and nothing is fetched."""
    root = written(tmp_path)
    for feature in root.iter():
        if feature.tag in (KML + "Document", KML + "Folder", KML + "Placemark"):
            places = [
                FEATURE_ORDER.index(c.tag.removeprefix(KML))
                for c in feature
                if c.tag.removeprefix(KML) in FEATURE_ORDER
            ]
            assert places == sorted(places), feature.find(KML + "name").text
            rest = [c.tag.removeprefix(KML) for c in feature][len(places) :]
            allowed = (
                {"Point", "LineString", GX + "Track"} if feature.tag == KML + "Placemark" else {"Folder", "Placemark"}
            )
            assert set(rest) <= allowed and (feature.tag != KML + "Placemark" or len(rest) == 1)
    styles = {"#" + s.attrib["id"] for s in root.iter(KML + "Style")}
    assert {u.text for u in root.iter(KML + "styleUrl")} <= styles
    assert not list(root.iter(KML + "href")) and not list(root.iter(KML + "NetworkLink"))
    for style in root.iter(KML + "Style"):
        order = [KML + n for n in ("IconStyle", "LabelStyle", "LineStyle", "PolyStyle", "BalloonStyle")]
        assert [order.index(c.tag) for c in style] == sorted(order.index(c.tag) for c in style)


def test_a_globe_can_play_every_silence_sighting_and_track(tmp_path: Path) -> None:
    """Silences and windows have spans, pictures an instant, tracks a time per place; all as in the tables, and never reversed."""
    root = written(tmp_path)
    gap = sample.result().tables["gaps"].set_index("gap_id").loc["G-0000"]
    spans = {tuple(child.text for child in span) for span in root.iter(KML + "TimeSpan")}
    assert tuple(f"{gap[c]:%Y-%m-%dT%H:%M:%SZ}" for c in ("start_utc", "end_utc")) in spans
    silences = [
        m.find(KML + "TimeSpan") for m in root.iter(KML + "Placemark") if m.find(KML + "LineString") is not None
    ]
    assert silences and all(span[0].text < span[1].text for span in silences)
    instants = {stamp.find(KML + "when").text for stamp in root.iter(KML + "TimeStamp")}
    seen = sample.result().tables["sightings"].set_index("sighting_id").loc["O-00"]
    assert f"{seen['start_utc']:%Y-%m-%dT%H:%M:%SZ}" in instants
    found = list(root.iter(GX + "Track"))
    assert found
    for track in found:
        times = [w.text for w in track.iter(KML + "when")]
        assert len(times) == len(list(track.iter(GX + "coord"))) > 1 and times == sorted(set(times))
    # No track of that ship has times on both sides of its silence.
    start, end = (f"{gap[c]:%Y-%m-%dT%H:%M:%SZ}" for c in ("start_utc", "end_utc"))
    for mark in root.iter(KML + "Placemark"):
        times = [w.text for w in mark.iter(KML + "when")]
        if "SIM SEVER, AIS heard" in mark.find(KML + "name").text:
            assert times[-1] <= start or times[0] >= end


def test_simulated_data_says_so_in_every_layer_and_placemark(tmp_path: Path) -> None:
    """A layer copied out of the file, or one pin, still says that its ships are invented; real data never does."""
    root = written(tmp_path)
    names = [e.text for e in root.iter(KML + "name")]
    assert names and all(n.startswith("SIMULATED: ") for n in names)
    for is_simulated, said in ((True, "SIMULATED"), (False, "as delivered")):
        path = tmp_path / f"{is_simulated}.gpkg"
        geo.write_layers(sample.result().tables, path, is_simulated=is_simulated)
        for layer in geo_layers(path):
            assert set(pyogrio.read_dataframe(path, layer=layer)["data"]) == {said}, layer
    with sqlite3.connect(tmp_path / "True.gpkg") as database:
        told = [
            row[0] for row in database.execute("SELECT description FROM gpkg_contents WHERE data_type = 'features'")
        ]
    database.close()
    assert len(told) == 6 and all(t.startswith("SIMULATED data: ") for t in told)


def test_names_are_data_in_the_geopackage(tmp_path: Path) -> None:
    """A name with SQL, markup or a bidirectional character is a value of a cell, shown; the styles do not change with it."""
    geo.write_layers(sample.result().tables, tmp_path / "a.gpkg")
    geo.write_layers(sample.poisoned("'); DROP TABLE gaps;--\u202e<b>[% 1+1 %]").tables, tmp_path / "b.gpkg")
    found = pyogrio.read_dataframe(tmp_path / "b.gpkg", layer="gaps")
    assert len(found) == 8 and found["vessel_name"].iloc[0].startswith("'); DROP TABLE gaps;--⟨U+202E⟩<b>[% 1+1 %]")
    styles = []
    for name in ("a", "b"):
        database = sqlite3.connect(tmp_path / f"{name}.gpkg")
        styles.append(database.execute("SELECT f_table_name, styleQML FROM layer_styles ORDER BY id").fetchall())
        database.close()
    assert styles[0] == styles[1]


@pytest.mark.parametrize("table", [t for t in tables.PUBLIC if t.place is not None], ids=lambda t: t.name)
def test_tables_with_a_place_obey_geoparquet(tmp_path: Path, table: tables.Table) -> None:
    """GeoParquet 1.1.0: the keys it requires, types and box that are true, a column that is WKB and longitude first."""
    frame = sample.result().tables.get(table.name, tables.empty_pandas(table))
    parquet.write_table(frame, table, tmp_path / "x.parquet")
    metadata = json.loads(pq.read_schema(tmp_path / "x.parquet").metadata[b"geo"])
    assert (
        metadata["version"] == "1.1.0"
        and metadata["primary_column"] == "geometry"
        and set(metadata["columns"]) == {"geometry"}
    )
    column = metadata["columns"]["geometry"]
    assert column["encoding"] == "WKB" and column["geometry_types"] == ["Point"]
    # No `crs` means OGC:CRS84; null would mean that it is not known.
    assert "crs" not in column
    assert pq.read_schema(tmp_path / "x.parquet").field("geometry").type == "binary"
    found = geopandas.read_parquet(tmp_path / "x.parquet")
    assert found.crs.to_string() == "OGC:CRS84" and len(found) == len(frame)
    known = found[found.geometry.notna()]
    assert ("bbox" in column) == bool(len(known))
    if len(known):
        assert column["bbox"] == pytest.approx(list(known.total_bounds), abs=0)
        lat, lon = table.place
        assert (known.geometry.x == known[lon]).all() and (known.geometry.y == known[lat]).all()
        raw = pq.read_table(tmp_path / "x.parquet", columns=["geometry"])["geometry"].to_pylist()
        assert shapely.from_wkb(next(r for r in raw if r is not None)).geom_type == "Point"
