"""Lists of pictures and of ships: accepted, refused, and accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from ghostships import routes
from ghostships.errors import FileRefused
from ghostships.readers.registry import read_registry
from ghostships.readers.scenes import read_scenes

ROUTE = routes.load()
BOX = "lat_min,lon_min,lat_max,lon_max"


def scenes(folder: Path, text: str) -> tuple[list[dict[str, object]], list[str], tuple[str, ...]]:
    path = folder / "scenes.csv"
    path.write_text(text, encoding="utf-8")
    found, rejects, books = read_scenes(path, route=ROUTE)
    assert books.rows_read == books.accepted + books.duplicate + sum(books.rejected.values())
    return found.to_dict("records"), rejects["rule"].to_list(), books.notes


def ships(folder: Path, text: str, name: str = "list.csv") -> tuple[list[dict[str, object]], list[str]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    found, rejects, books = read_registry(path)
    assert books.rows_read == books.accepted + books.duplicate + sum(books.rejected.values())
    return found.to_dict("records"), rejects["rule"].to_list()


def test_a_box_and_an_outline_are_the_same_footprint(tmp_path: Path) -> None:
    """Four sides or well-known text: the port is inside either way."""
    (box,), _, _ = scenes(tmp_path, f"scene_id,time,{BOX},sensor\nX,2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,SAR\n")
    outline = "POLYGON ((130.2 42.1, 130.4 42.1, 130.4 42.3, 130.2 42.3, 130.2 42.1))"
    (wkt,), _, _ = scenes(tmp_path, f'scene_id,time,wkt,sensor\nX,2025-02-20T02:00:00Z,"{outline}",SAR\n')
    assert shapely.from_wkt(box["wkt"]).equals(shapely.from_wkt(wkt["wkt"]))
    assert box["end_utc"] == box["start_utc"]


def test_cloud_is_told_and_its_absence_from_the_list_is_said(tmp_path: Path) -> None:
    """Radar sees through cloud; an optical picture without a clear fraction is taken as clear, with a note."""
    rows = "R,2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,SAR,,\nO,2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,Planet,,\n"
    rows += "C,2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,Planet,,40\n"
    found, _, notes = scenes(tmp_path, f"scene_id,time,{BOX},sensor,clear_fraction,cloud_cover\n{rows}")
    assert {s["scene_id"]: s["clear_fraction"] for s in found} == {"R": 1, "O": 1, "C": 0.6}
    assert sum("clear fraction not given" in note for note in notes) == 1


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("X,,42.1,130.2,42.3,130.4,", "time_missing"),
        ("X,2025-02-20T02:00:00Z,42.3,130.2,42.1,130.4,", "footprint_is_empty"),
        ("X,2025-02-20T02:00:00Z,130.2,42.1,130.4,42.3,", "lat_lon_swapped"),
        ("X,2025-02-20T02:00:00Z,42.1,130.2,,130.4,", "footprint_missing"),
        ("X,2025-02-20T02:00:00Z,42.1,130.2,42.3,130.4,1.5", "clear_fraction_range"),
    ],
)
def test_a_scene_that_cannot_be_placed_is_refused_by_name(tmp_path: Path, row: str, rule: str) -> None:
    """An empty picture of nowhere would be evidence against every ship."""
    found, broken, _ = scenes(tmp_path, f"scene_id,time,{BOX},clear_fraction\n{row}\n")
    assert (found, broken) == ([], [rule])


def test_scenes_without_time_or_footprint_are_no_scenes(tmp_path: Path) -> None:
    """The whole file is refused, with what would be right."""
    with pytest.raises(FileRefused, match="footprint"):
        scenes(tmp_path, "scene_id,time\nX,2025-02-20T02:00:00Z\n")
    with pytest.raises(FileRefused, match="time"):
        scenes(tmp_path, f"{BOX}\n42.1,130.2,42.3,130.4\n")


def test_a_registry_keeps_list_and_date(tmp_path: Path) -> None:
    """The contract's own columns; LADY R as EU Regulation 833/2014, Annex XLII lists her (2024-06-25)."""
    (ship,), _ = ships(tmp_path, "mmsi,imo,name,length_m,teu,list,since\n273212120,9161003,LADY R,,,EU,2024-06-25\n")
    assert (ship["mmsi"], ship["imo"], ship["list"], ship["since"]) == (273212120, 9161003, "EU", "2024-06-25")


def test_opensanctions_and_ofac_shapes_are_read(tmp_path: Path) -> None:
    """Entities that are not ships are refused as such, not lost; numbers are found inside remarks."""
    text = '{"caption":"SIM ONE","schema":"Vessel","datasets":["b","a"],'
    text += '"properties":{"imoNumber":["IMO9161003"],"mmsi":["999000001"]}}\n'
    text += '{"caption":"A PERSON","schema":"Person","properties":{},"datasets":["a"]}\n'
    found, broken = ships(tmp_path, text, "entities.json")
    assert [(s["vessel_name"], s["imo"], s["mmsi"], s["list"]) for s in found] == [
        ("SIM ONE", 9161003, 999000001, "OpenSanctions [a; b]")
    ]
    assert broken == ["not_a_ship"]
    remarks = "Vessel Registration Identification IMO 9161003; MMSI 999000001"
    (ship,), broken = ships(
        tmp_path, f"SDN_Name,SDN_Type,Program,Remarks\nSIM ONE,vessel,RUSSIA,{remarks}\nX,individual,RUSSIA,\n"
    )
    assert (ship["imo"], ship["mmsi"], ship["list"]) == (9161003, 999000001, "RUSSIA")
    assert broken == ["not_a_ship"]


def test_identity_numbers_are_never_repaired(tmp_path: Path) -> None:
    """A spreadsheet's number, a short one and a wrong check digit are refused; so is a row without any identity."""
    rows = ["2.73E+08,,A,", "27321212,,A,", ",9161004,A,", ",,,EU", ",,A,EU"]
    found, broken = ships(tmp_path, "\n".join(["mmsi,imo,name,list", *rows]))
    assert sorted(broken) == ["imo_check_digit", "mmsi_number", "mmsi_number", "nothing_to_match_by"]
    assert [s["vessel_name"] for s in found] == ["A"]
