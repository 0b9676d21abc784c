"""GeoPackage and KML: what a GIS or a globe shows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import defusedxml.ElementTree
import pyogrio
import sample

from ghostships.report import geo

KML = "{http://www.opengis.net/kml/2.2}"


def test_layers_hold_every_row_at_its_place(tmp_path: Path) -> None:
    """QGIS sees the same gaps, sightings, calls and trips as the tables, and a line only where a gap has ended."""
    made = sample.result()
    geo.write_layers(made.tables, tmp_path / "x.gpkg")
    counts = {
        name: len(pyogrio.read_dataframe(tmp_path / "x.gpkg", layer=name)) for name in geo_layers(tmp_path / "x.gpkg")
    }
    assert counts == {"tracks": 24, "gaps_lines": 7, "gaps": 8, "sightings": 15, "port_calls": 9, "round_trips": 12}
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
        for (qml,) in database.execute("SELECT styleQML FROM layer_styles"):
            assert defusedxml.ElementTree.fromstring(qml).tag == "qgis"
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        database.close()


def test_empty_tables_give_empty_layers(tmp_path: Path) -> None:
    """A run that found nothing still gives layers, so that a QGIS project does not break."""
    geo.write_layers(sample.empty().tables, tmp_path / "x.gpkg")
    assert len(geo_layers(tmp_path / "x.gpkg")) == 6
    geo.write_kml(sample.empty().tables, tmp_path / "x.kml", is_simulated=False)
    assert defusedxml.ElementTree.parse(tmp_path / "x.kml").getroot().tag == KML + "kml"


def test_names_that_xml_cannot_hold_are_shown_in_the_kml(tmp_path: Path) -> None:
    """A control character or a tag in a ship's name neither breaks the file nor becomes part of it."""
    made = sample.poisoned("\x00\x0b\ufffe<Placemark>&\u202e")
    geo.write_kml(made.tables, tmp_path / "x.kml", is_simulated=True)
    root = defusedxml.ElementTree.parse(tmp_path / "x.kml").getroot()
    names = [e.text for e in root.iter(KML + "name")]
    assert any(n.startswith("SIMULATED: ⟨U+0000⟩⟨U+000B⟩⟨U+FFFE⟩<Placemark>&⟨U+202E⟩SIM SEVER") for n in names)
    assert len(list(root.iter(KML + "Folder"))) == 12


def test_an_unknown_probability_is_said_and_lines_are_not_called_paths(tmp_path: Path) -> None:
    """The globe carries the same cautions as the page."""
    geo.write_kml(sample.result().tables, tmp_path / "x.kml", is_simulated=False)
    text = (tmp_path / "x.kml").read_text(encoding="utf-8")
    assert "ship not known, p cannot say" in text
    assert "straight line between the places last and next heard, not a path" in text
    assert "SIMULATED" not in text
