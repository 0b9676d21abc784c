"""Distances around land, snapping, cells, and the cache that keeps them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghostships import sea_courses, sea_grid
from ghostships.routes import Area
from ghostships.sea import Place, Sea, geodesic_km, land_polygons
from ghostships.sea_grid import mercator_lat, mercator_y
from ghostships.sphere import cell, cell_centre, cell_expr, gc_km, gc_nm_expr

JAPAN_SEA = Area(lat_min_deg=34.5, lat_max_deg=43.6, lon_min_deg=127, lon_max_deg=142)
PETER_THE_GREAT = Area(lat_min_deg=41.5, lat_max_deg=43.5, lon_min_deg=129.5, lon_max_deg=133.5)
NAJIN = Place("NAJIN", 42.2001, 130.355)
DUNAY = Place("DUNAY", 42.8413, 132.375)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sea")


@pytest.fixture(scope="module")
def sea(cache_dir: Path) -> Sea:
    """The Sea of Japan: a few seconds, once."""
    return Sea.of(JAPAN_SEA, cache_dir)


@pytest.fixture(scope="module")
def bay(cache_dir: Path) -> Sea:
    """Peter the Great Gulf: small enough to be built again and again."""
    return Sea.of(PETER_THE_GREAT, cache_dir)


def oracle(path: Path) -> Iterator[tuple[Place, float, float, float]]:
    """Starts, ends and distances [km] of the published or precomputed table, whichever of the two column styles it has."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines):
        suffix = "_deg" if "from_lat_deg" in row else ""
        km = row.get("distance_km") or row.get("visibility_graph_km")
        if km:
            start = Place(row["from"], float(row[f"from_lat{suffix}"]), float(row[f"from_lon{suffix}"]))
            yield start, float(row[f"to_lat{suffix}"]), float(row[f"to_lon{suffix}"]), float(km)


def assert_reproduces(sea: Sea, path: Path) -> None:
    """Fields within 1.5 % or 3 km, the tolerance method.md 4 builds its "impossible" on; the graph within 2.5 % or 5 km.

    The graph only tells how far apart the ends of a silence are; no verdict rests on it.
    """
    pairs = list(oracle(path))
    assert len(pairs) >= 15
    for start, lat, lon, km in pairs:
        by_field = float(sea.distance_km(start, lat, lon))
        by_graph = float(sea.between_km(start.roadstead_lat_deg, start.roadstead_lon_deg, lat, lon))
        assert abs(by_field - km) <= max(0.015 * km, 3.0), (start.id, lat, lon, km, by_field)
        assert abs(by_graph - km) <= max(0.025 * km, 5.0), (start.id, lat, lon, km, by_graph)


@pytest.mark.slow
def test_distances_around_land_agree_with_a_visibility_graph(sea: Sea, fixtures: Path) -> None:
    """Analysts read "impossible" off these distances: they must agree with an independent method, by field and by graph."""
    assert_reproduces(sea, fixtures / "sea_distances.csv")


@pytest.mark.slow
@pytest.mark.real
def test_distances_around_land_agree_with_the_shared_oracle(sea: Sea, shared: Path) -> None:
    """The copy in fixtures must not be kinder than the table it was taken from."""
    assert_reproduces(sea, shared / "facts" / "sea_distances.csv")


def test_the_way_from_najin_to_wonsan_is_longer_than_the_great_circle(sea: Sea) -> None:
    """Musudan headland is in the way: 427.1 km by the visibility graph, 414.9 km over the hills."""
    assert float(sea.distance_km(NAJIN, 39.191, 127.445)) > 425 > float(gc_km(42.2001, 130.355, 39.191, 127.445)) + 9


places = st.tuples(st.floats(41.6, 43.4), st.floats(129.6, 133.4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=places, b=places, c=places)
def test_distances_behave_like_distances(
    bay: Sea, a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    """Never shorter than the geodesic, the same both ways to the last bit, and no detour is a short cut.

    The triangle has 3 % and 4 km to spare: the courses found around land are possible ones, not quite the shortest.
    """
    ab, ba, bc, ac = (float(bay.between_km(*p, *q)) for p, q in ((a, b), (b, a), (b, c), (a, c)))
    assert math.isnan(ab) == math.isnan(ba)
    if not math.isnan(ab):
        assert ab == ba
        assert ab >= 0.995 * float(geodesic_km(*a, *b))
    if not (math.isnan(ab) or math.isnan(bc)):
        assert ac <= 1.03 * (ab + bc) + 4.0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=places)
def test_a_field_and_the_graph_tell_the_same_distance(bay: Sea, a: tuple[float, float]) -> None:
    """Two unlike methods over one grid: known in the same places, and within 2 % or 8 km of each other."""
    by_field = float(bay.distance_km(NAJIN, *a))
    by_graph = float(bay.between_km(NAJIN.roadstead_lat_deg, NAJIN.roadstead_lon_deg, *a))
    assert math.isnan(by_field) == math.isnan(by_graph)
    if not math.isnan(by_field):
        assert by_field >= 0.995 * float(geodesic_km(NAJIN.roadstead_lat_deg, NAJIN.roadstead_lon_deg, *a))
        assert abs(by_field - by_graph) <= max(0.02 * by_field, 8.0)


def test_a_pair_has_the_same_distance_whatever_else_is_asked(bay: Sea) -> None:
    """Rows of one ship never change another ship: the batch must not show in the answer."""
    rng = np.random.default_rng(7)
    lat1, lat2 = rng.uniform(41.6, 43.4, (2, 60))
    lon1, lon2 = rng.uniform(129.6, 133.4, (2, 60))
    together = bay.between_km(lat1, lon1, lat2, lon2)
    alone = np.array([float(bay.between_km(*pair)) for pair in zip(lat1, lon1, lat2, lon2, strict=True)])
    assert np.isfinite(together).sum() > 10
    np.testing.assert_array_equal(together, alone)


def test_a_ship_at_the_pier_has_a_distance(bay: Sea) -> None:
    """Najin's pier is on land for the raster: it is snapped, and its roadstead is 6.7 km off in a straight line, more by sea."""
    assert not bay.is_water(42.2271, 130.2826)
    for km in (bay.distance_km(NAJIN, 42.2271, 130.2826), bay.between_km(42.2271, 130.2826, 42.2001, 130.355)):
        assert 6.68 < float(km) < 14.0


def test_far_inland_and_outside_the_area_nothing_is_known(sea: Sea, bay: Sea) -> None:
    """Unknown is not impossible: NaN for hills, for other seas, and for no position at all."""
    lat = np.array([43.30, 30.0, 52.0, np.nan, -33.0])
    lon = np.array([130.0, 32.5, 140.0, 131.0, 151.0])
    assert np.isnan(bay.distance_km(NAJIN, lat, lon)).all()
    assert np.isnan(bay.between_km(lat, lon, 42.2, 130.355)).all()
    assert not bay.is_water(lat, lon).any()
    assert bay.is_water(42.2, 130.355)


def test_a_lake_is_not_the_sea(sea: Sea) -> None:
    """Only the largest body of water is kept: no ship sails from Lake Biwa (35.3 N, 136.1 E) to Najin."""
    row, col = sea.grid.at(35.30, 136.10) if sea.grid else (0, 0)
    assert sea.grid is not None and bool(sea.grid.inside(np.asarray(row), np.asarray(col)))
    assert math.isnan(float(sea.distance_km(NAJIN, 35.30, 136.10)))


def test_an_area_without_shipped_land_answers_unknown(tmp_path: Path) -> None:
    """A route at Suez runs: every distance is null, nothing fails."""
    suez = Sea.of(Area(lat_min_deg=27, lat_max_deg=33, lon_min_deg=31, lon_max_deg=36), tmp_path)
    port = Place("SUEZ", 29.9, 32.55)
    assert suez.snap(port) is None
    assert suez.field(port) is None
    assert np.isnan(suez.distance_km(port, [29.9, 30.0], [32.55, 32.6])).all()
    assert math.isnan(float(suez.between_km(29.9, 32.55, 30.0, 32.6)))
    assert not suez.is_water(29.9, 32.55)


def test_an_area_that_sticks_out_of_the_shipped_land_is_cut(tmp_path: Path) -> None:
    """Beyond 147 E no coast is shipped: open sea there would be an invention."""
    edge = Sea.of(Area(lat_min_deg=42, lat_max_deg=43, lon_min_deg=145, lon_max_deg=149), tmp_path)
    port = Place("PACIFIC", 42.3, 146.0)
    assert np.isfinite(edge.distance_km(port, 42.3, 146.9))
    assert np.isnan(edge.distance_km(port, 42.3, 147.1))


def test_a_roadstead_on_land_is_moved_and_says_so(bay: Sea) -> None:
    """Dunay's published point is the settlement, on land: its nearest water is about a kilometre off, and that is reported."""
    snap = bay.snap(Place("DUNAY_SETTLEMENT", 42.88028, 132.3375))
    assert snap is not None
    assert 0 < snap.moved_km <= 3.0
    assert snap.moved_km == pytest.approx(float(geodesic_km(42.88028, 132.3375, snap.lat_deg, snap.lon_deg)))
    at_sea = bay.snap(NAJIN)
    assert at_sea is not None
    assert (at_sea.lat_deg, at_sea.lon_deg, at_sea.moved_km) == (42.2001, 130.355, 0.0)
    assert bay.snap(Place("KHUNCHUN", 42.87, 130.36)) is None


def test_the_cache_is_used_and_a_damaged_one_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run must not march again, and a bit flipped on disk must never become a distance."""
    lat, lon = np.array([42.84, 42.3]), np.array([132.37, 130.9])
    first = Sea.of(PETER_THE_GREAT, tmp_path).distance_km(NAJIN, lat, lon)
    files = sorted(p.name for p in tmp_path.iterdir())
    assert [name.split("-")[0] for name in files] == ["field", "water"]

    with monkeypatch.context() as patched:
        patched.setattr(sea_grid.Grid, "_march", None)
        patched.setattr(sea_grid, "_largest_water", None)
        np.testing.assert_array_equal(Sea.of(PETER_THE_GREAT, tmp_path).distance_km(NAJIN, lat, lon), first)

    for damage in (
        lambda b: b[:-8],
        lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:],
        lambda b: b"",
        lambda b: b[:32],
    ):
        for name in files:
            (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
        np.testing.assert_array_equal(Sea.of(PETER_THE_GREAT, tmp_path).distance_km(NAJIN, lat, lon), first)
        assert sorted(p.name for p in tmp_path.iterdir()) == files


def test_a_cache_folder_that_cannot_be_written_is_no_failure(tmp_path: Path, bay: Sea) -> None:
    """A file where the folder should be refuses every write, for root too; the answer must be the same."""
    (tmp_path / "taken").write_text("not a folder")
    blocked = Sea.of(PETER_THE_GREAT, tmp_path / "taken" / "cache")
    without = Sea.of(PETER_THE_GREAT, use_disk=False)
    expected = bay.distance_km(NAJIN, [42.84], [132.37])
    np.testing.assert_array_equal(blocked.distance_km(NAJIN, [42.84], [132.37]), expected)
    np.testing.assert_array_equal(without.distance_km(NAJIN, [42.84], [132.37]), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_the_graph_read_from_disk_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes in, the same bytes out, whether or not an earlier run left its graph."""
    question = (42.2271, 130.2826, 43.10, 131.88)
    fresh = float(Sea.of(PETER_THE_GREAT, tmp_path).between_km(*question))
    monkeypatch.setattr(sea_courses.Courses, "_edges", None)
    assert float(Sea.of(PETER_THE_GREAT, tmp_path).between_km(*question)) == fresh
    assert fresh > float(geodesic_km(*question)) + 1


def test_great_circles_agree_with_known_lengths() -> None:
    """A quarter of the mean-radius sphere, a known ellipsoidal degree (110.574 km at the equator), and NaN for nothing."""
    assert float(gc_km(0, 0, 90, 0)) == pytest.approx(6371.0088 * math.pi / 2)
    assert float(gc_km(0, 0, 0, 180)) == pytest.approx(6371.0088 * math.pi)
    assert float(geodesic_km(0, 0, 1, 0)) == pytest.approx(110.574, abs=0.001)
    assert math.isnan(float(gc_km(0, np.nan, 0, 1)))
    assert math.isnan(float(geodesic_km(0, 0, np.nan, 1)))


@given(st.floats(-85, 85))
def test_mercator_latitudes_come_back(lat: float) -> None:
    """The grid looks latitudes up both ways: a millimetre is 1e-8 degrees."""
    assert float(mercator_lat(mercator_y(lat))) == pytest.approx(lat, abs=1e-9)


def test_cells_are_about_equal_in_area_everywhere() -> None:
    """Reception is counted per cell: a cell at 70 N must hold as much sea as one at the equator, within 3 %."""
    lat = np.arange(-70, 70, 0.25) + 0.125
    n = np.rint(1440 * np.cos(np.radians(lat)))
    width_km = 2 * math.pi * 6371.0088 * np.cos(np.radians(lat)) / n
    assert (np.abs(width_km / width_km.mean() - 1) < 0.03).all()
    for at in (-70.0, 0.1, 42.2, 69.9):
        lons = np.linspace(-180, 180, 200_001)[:-1]
        row = math.floor((at + 90) / 0.25)
        expected = round(1440 * math.cos(math.radians(row * 0.25 - 90 + 0.125)))
        assert np.unique(cell(np.full(lons.size, at), lons)).size == expected


def test_the_edges_of_the_world_have_cells() -> None:
    """180 E is 180 W, the poles are in the outermost rows, and an unknown place is in no cell."""
    assert int(cell(10, 180)) == int(cell(10, -180))
    assert int(cell(90, 0)) // 1440 == 719
    assert int(cell(-90, 0)) // 1440 == 0
    assert cell([np.nan, 1.0], [1.0, np.nan]).tolist() == [-1, -1]
    assert np.isnan(cell_centre(-1)[0])


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_the_middle_of_a_cell_lies_in_that_cell(lat: float, lon: float) -> None:
    """What is drawn for a cell must be the cell."""
    number = cell(lat, lon)
    assert int(cell(*cell_centre(number))) == int(number)


def test_polars_and_numpy_number_the_same_cells() -> None:
    """Bulk data is numbered by Polars, courses by numpy: one different cell would make a ship unheard where it was heard."""
    rng = np.random.default_rng(3)
    rows = -90 + 0.25 * np.arange(721)
    lat = np.concatenate([rng.uniform(-90, 90, 200_000), rows, rows + 0.125, np.round(rng.uniform(-90, 90, 20_000), 2)])
    lon = np.concatenate(
        [
            rng.uniform(-180, 180, 200_000),
            np.full(721, 180.0),
            np.full(721, -180.0),
            np.round(rng.uniform(-180, 180, 20_000), 2),
        ]
    )
    lat = np.clip(lat, -90, 90)
    frame = pl.DataFrame({"lat": lat, "lon": lon}).select(cell_expr(pl.col("lat"), pl.col("lon")).alias("cell"))
    assert frame.schema["cell"] == pl.Int64()
    np.testing.assert_array_equal(frame["cell"].to_numpy(), cell(lat, lon))
    nothing = pl.DataFrame(
        {"lat": [None, 1.0, float("nan")], "lon": [1.0, None, 2.0]}, schema={"lat": pl.Float64, "lon": pl.Float64}
    )
    assert nothing.select(cell_expr(pl.col("lat"), pl.col("lon")).alias("cell"))["cell"].to_list() == [None, None, None]


def test_no_row_of_cells_is_rounded_at_a_half() -> None:
    """numpy rounds halves to even and Polars away from zero: they agree because no row comes near a half."""
    exact = 1440 * np.cos(np.radians(np.arange(720) * 0.25 - 89.875))
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-6


def test_land_for_drawing_is_simpler_and_still_land() -> None:
    """The page draws thousands of points, not eighty thousand; the islands a reader knows must stay."""
    box = (129.5, 41.5, 133.5, 43.5)
    full, simple = land_polygons(box), land_polygons(box, 0.01)
    assert 0 < simple.get_coordinates().shape[0] < 0.3 * full.get_coordinates().shape[0]
    assert simple.crs == full.crs
    assert simple.geometry.is_valid.all()
    assert set(simple.geom_type) == {"Polygon"}
    west, south, east, north = simple.total_bounds
    assert west >= 129.5 - 0.01 and south >= 41.5 - 0.01 and east <= 133.5 + 0.01 and north <= 43.5 + 0.01
    askold = simple.cx[132.30:132.40, 42.72:42.80]
    assert len(askold) >= 1
    assert land_polygons((30, 29, 33, 32)).empty


def test_the_great_circle_of_columns_is_that_of_arrays() -> None:
    """Steps in Polars and steps in NumPy must agree on how far a ship went, the pole and the date line included."""
    rng = np.random.default_rng(7)
    lat, lon = rng.uniform(-90, 90, (2, 500)), rng.uniform(-180, 180, (2, 500))
    lat[0, :3], lon[0, :3] = (90.0, -90.0, 0.0), (0.0, 180.0, -180.0)
    frame = pl.DataFrame({"a": lat[0], "b": lon[0], "c": lat[1], "d": lon[1]})
    found = frame.select(gc_nm_expr(pl.col("a"), pl.col("b"), pl.col("c"), pl.col("d"))).to_series()
    expected = gc_km(lat[0], lon[0], lat[1], lon[1]) / 1.852
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-12, atol=1e-9)


def test_a_position_at_the_pole_is_outside_the_grid_and_no_warning(sea: Sea) -> None:
    """Corrupt tracks hold latitude 90: no distance by sea, and nothing on the screen about it."""
    assert np.isnan(sea.distance_km(NAJIN, [90.0, -90.0], [130.0, 130.0])).all()
