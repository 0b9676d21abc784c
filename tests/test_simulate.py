"""The simulator: its files agree with its truth, its ships stay afloat, and what is silent is silent."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import polars as pl
import pytest

from ghostships import routes
from ghostships.errors import UsageError
from ghostships.sea_grid import geodesic_km, land_polygons
from ghostships.simulate import PRESETS, Simulated, preset, simulate
from ghostships.simulation import waters
from ghostships.simulation.hulls import imo_number, launch
from ghostships.simulation.journeys import travel

SMALL = PRESETS["default"].changed(
    name="small", days=16, n_ships=30, n_traders=3, n_lookalikes=4, n_coal_ships=1, trips_per_month=12.0
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """One small world for all tests here."""
    return simulate(tmp_path_factory.mktemp("worlds") / "small", seed=5, scenario=SMALL)


@pytest.fixture(scope="module")
def heard(world: Simulated) -> pl.DataFrame:
    """The AIS file as a plain table."""
    return pl.read_csv(world.folder / "ais.csv.gz", infer_schema_length=None).with_columns(
        at=pl.col("time_utc").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC").cast(pl.Datetime("us", "UTC"))
    )


def truth(world: Simulated, name: str) -> pl.DataFrame:
    return pl.read_parquet(world.folder / "truth" / f"{name}.parquet")


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(world: Simulated, tmp_path: Path) -> None:
    """Who repeats an experiment gets it again, to the byte."""
    again = simulate(tmp_path / "again", seed=5, scenario=SMALL)
    assert digest(again.folder) == digest(world.folder)
    other = simulate(tmp_path / "other", seed=6, scenario=SMALL)
    assert digest(other.folder)["ais.csv.gz"] != digest(world.folder)["ais.csv.gz"]


def test_more_pictures_do_not_move_a_ship(world: Simulated, tmp_path: Path) -> None:
    """Each part of a world has its own seed, so that two scenarios can be compared."""
    other = simulate(tmp_path / "more", seed=5, scenario=SMALL.changed(optical_per_day=3.0))
    assert digest(other.folder)["ais.csv.gz"] == digest(world.folder)["ais.csv.gz"]
    assert other.n_scenes > world.n_scenes


def test_the_counts_told_are_the_rows_in_the_files(world: Simulated, heard: pl.DataFrame) -> None:
    """What `simulate` says is what lies there."""
    told = json.loads((world.folder / "scenario.json").read_text())["counts"]
    assert told["n_positions"] == world.n_positions == len(heard)
    assert told["n_sightings"] == len(pl.read_csv(world.folder / "sightings.csv")) == len(truth(world, "sightings"))
    assert told["n_scenes"] == len(pl.read_csv(world.folder / "scenes.csv"))
    assert told["n_trips"] == len(truth(world, "trips"))
    assert told["n_ships"] == 30 == heard["simulated_mmsi"].n_unique()


def test_the_trips_asked_for_are_made(world: Simulated) -> None:
    """12 a month over 16 days, by three ships: 6.4 trips, rounded; one may be cut off by the end of the data."""
    assert 5 <= world.n_trips <= 7
    assert truth(world, "trips")["vessel_key"].n_unique() <= 3


@pytest.mark.slow
def test_none_means_no_trip_at_all(tmp_path: Path) -> None:
    """The world without trips still has dark ships, and hulls without a transponder at the dark port."""
    quiet = simulate(tmp_path / "none", seed=5, scenario=SMALL.changed(name="none", trips_per_month=0.0))
    assert quiet.n_trips == 0
    assert "trip" not in set(truth(quiet, "silences")["cause"])
    assert truth(quiet, "calls").filter(pl.col("vessel_key").is_null()).height > 0
    assert quiet.n_silences > 0


def test_a_silent_transponder_says_nothing(world: Simulated, heard: pl.DataFrame) -> None:
    """No position lies inside a silence of its ship, wrong clocks aside (2 in 100 000 rows)."""
    silences = truth(world, "silences")
    keyed = heard.with_columns(vessel_key=pl.format("mmsi:{}", "simulated_mmsi"))
    inside = keyed.join(silences, on="vessel_key").filter(
        (pl.col("at") > pl.col("start_utc")) & (pl.col("at") < pl.col("end_utc"))
    )
    assert len(silences.filter(pl.col("cause") == "trip")) > 3
    assert len(inside) <= 3
    clean = simulate(world.folder.parent / "clean", seed=5, scenario=SMALL.changed(dirty_share=0.0))
    spoken = pl.read_csv(clean.folder / "ais.csv.gz", infer_schema_length=None).with_columns(
        at=pl.col("time_utc").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
        vessel_key=pl.format("mmsi:{}", "simulated_mmsi"),
    )
    within = spoken.join(silences, on="vessel_key").filter(
        (pl.col("at") > pl.col("start_utc")) & (pl.col("at") < pl.col("end_utc"))
    )
    assert len(within) == 0


def test_a_trip_lies_inside_its_silence_and_the_silence_is_long(world: Simulated) -> None:
    """A dark call is dark from the first line to the last."""
    trips = truth(world, "trips")
    closed = trips.filter(
        ~pl.col("is_open") & (pl.col("off_utc") > pl.lit("2019-03-01").str.to_datetime(time_zone="UTC"))
    )
    assert len(closed) > 0
    assert (closed["off_utc"] < closed["arrival_utc"]).all()
    assert (closed["departure_utc"] < closed["on_utc"]).all()
    stays = (trips["departure_utc"] - trips["arrival_utc"]).dt.total_hours()
    assert stays.min() >= 17 and stays.max() <= 112


def test_no_ship_is_heard_on_land(heard: pl.DataFrame) -> None:
    """Every true place is afloat by the shipped coast itself, not by the simulator's mask; the dirt put in on purpose is not."""
    clean = heard.filter(pl.col("lat_deg") < 90)
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(clean["lon_deg"], clean["lat_deg"]), crs="EPSG:4326")
    land = land_polygons((125.0, 31.0, 147.0, 49.0))[["geometry"]].set_crs("EPSG:4326", allow_override=True)
    ashore = gpd.sjoin(points, land, predicate="within").index.nunique()
    assert ashore <= len(clean) * SMALL.dirty_share * 0.08


def test_ships_keep_a_speed_that_ships_keep(heard: pl.DataFrame) -> None:
    """Between two clean messages nobody is faster than a ship: misplaced and misdated rows are the only exceptions."""
    steps = heard.filter(pl.col("lat_deg") < 90).sort("simulated_mmsi", "at")
    lat, lon = steps["lat_deg"].to_numpy(), steps["lon_deg"].to_numpy()
    nm = geodesic_km(lat[:-1], lon[:-1], lat[1:], lon[1:]) / 1.852
    hours = np.diff(steps["at"].to_physical().to_numpy()) / 3.6e9
    same = np.diff(steps["simulated_mmsi"].to_numpy()) == 0
    fast = (nm > 0.5) & (nm > 20 * hours) & same
    assert fast.sum() <= 2 * len(heard) * SMALL.dirty_share * 0.1 + 4


def test_every_sighting_agrees_with_its_truth(world: Simulated) -> None:
    """A sighting lies in its scene's frame, give or take its error, and its length scatters about the true one."""
    seen = pl.read_csv(world.folder / "sightings.csv", infer_schema_length=None)
    scenes = pl.read_csv(world.folder / "scenes.csv", infer_schema_length=None)
    joined = seen.join(truth(world, "sightings"), on="sighting_id", suffix="_true").join(
        scenes, on="scene_id", suffix="_scene"
    )
    assert len(joined) == len(seen)
    assert (joined["time"] == joined["time_scene"]).all()
    assert (joined["lat_deg"] - joined["lat_min"]).min() > -0.02
    assert (joined["lat_max"] - joined["lat_deg"]).min() > -0.02
    optical = joined.filter(pl.col("sensor") == "simulated optical")
    error = (optical["length_m"] - optical["true_length_m"]).to_numpy()
    assert abs(np.median(error)) < 3
    assert 4 < error.std() < 16
    assert set(joined["source"]) == {"simulated"}


def test_a_dark_sighting_is_of_a_ship_that_is_silent_then(world: Simulated) -> None:
    """The state told in the truth is the state of the transponder at the time of the picture."""
    seen = (
        pl.read_csv(world.folder / "sightings.csv", infer_schema_length=None)
        .select("sighting_id", at=pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))
        .join(truth(world, "sightings"), on="sighting_id")
    )
    silent = (
        seen.join(truth(world, "silences"), on="vessel_key")
        .filter((pl.col("start_utc") < pl.col("at")) & (pl.col("at") < pl.col("end_utc")))["sighting_id"]
        .unique()
    )
    dark = seen.filter(pl.col("state") == "dark")["sighting_id"]
    assert len(dark) > 5
    assert set(dark) == set(silent)
    assert seen.filter(pl.col("state").is_in(["clutter", "small_craft", "no_transponder"]))[
        "vessel_key"
    ].null_count() == len(seen.filter(pl.col("state").is_in(["clutter", "small_craft", "no_transponder"])))


def test_identities_are_invented_and_well_formed(world: Simulated) -> None:
    """Nobody can take a simulated ship for a real one; the IMO numbers still pass a check of their digits."""
    ships = truth(world, "ships")
    afloat = ships.filter(pl.col("mmsi").is_not_null())
    assert afloat["mmsi"].is_between(799_000_000, 799_999_999).all()
    assert afloat["vessel_name"].str.starts_with("SIM ").all()
    assert afloat["mmsi"].n_unique() == len(afloat) and afloat["vessel_name"].n_unique() == len(afloat)
    for number in afloat["imo"].drop_nulls():
        digits = [int(d) for d in str(number)]
        assert sum(d * w for d, w in zip(digits[:6], range(7, 1, -1), strict=True)) % 10 == digits[6]
    # The check digit of the IMO circular's own example, 9074729.
    assert imo_number(907472) == 9074729


def test_lanes_are_as_long_as_two_independent_methods_say(shared_distances: dict[tuple[str, str], float]) -> None:
    """The simulator's own lanes agree with published-method distances to 2 %, most of which is room kept off the coast."""
    route = routes.load()
    sea = waters.build(route)
    for (start, end), km in shared_distances.items():
        lats, lons = sea.path(sea.moorings[start][0], sea.moorings[end][0])
        sailed = geodesic_km(lats[:-1], lons[:-1], lats[1:], lons[1:]).sum()
        assert sailed == pytest.approx(km, rel=0.02, abs=2.0), (start, end)


@pytest.mark.slow
def test_every_trip_of_a_busy_fleet_is_dark_from_line_to_line() -> None:
    """Three fleets of five at the default pace: no call of the trade is heard, whatever happened just before it."""
    route = routes.load()
    sea, busy = waters.build(route), PRESETS["default"]
    n_calls = 0
    for seed in range(3):
        fleet = [h for h in launch(busy, route, np.random.default_rng(seed)) if h.role == "trader"]
        for hull, own in zip(fleet, np.random.SeedSequence(seed).spawn(len(fleet)), strict=True):
            journey = travel(hull, busy, route, sea, 8, own)
            for call in (c for c in journey.calls if c.is_trade):
                moments = np.linspace(call.arrival_s, call.departure_s, 200)
                assert journey.is_silent(moments).all(), (seed, hull.hull_id, call)
                n_calls += 1
            assert np.all(np.diff(journey.times_s) >= 0)
    assert n_calls == 3 * 5 * 8


@pytest.fixture
def shared_distances() -> dict[tuple[str, str], float]:
    """Distances around land [km] by fast marching on a 0.8 km grid, rounded (`shared/facts/sea_distances.csv`)."""
    return {
        ("NAJIN", "DUNAY"): 180.8,
        ("NAJIN", "VOSTOCHNY"): 228.0,
        ("NAJIN", "VLADIVOSTOK"): 164.8,
        ("NAJIN", "CHONGJIN"): 68.3,
        ("NAJIN", "BUSAN"): 806.5,
        ("VLADIVOSTOK", "NIIGATA"): 840.7,
    }


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    """A wrong path must not cost anybody his files; an earlier simulation may be replaced."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a simulation"):
        simulate(tmp_path, seed=1, scenario=SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"days": 1}, "days must be at least 3; found 1"),
        ({"n_ships": 4}, "n_ships must be at least"),
        ({"named_share": 1.5}, "named_share must be within 0 and 1; found 1.5"),
        ({"trips_per_month": -1.0}, "trips_per_month must not be negative"),
        ({"n_boats": 4}, "no setting 'n_boats'; known settings: name, start_utc"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], said: str) -> None:
    """What is wrong, what was found, what would be right."""
    with pytest.raises(UsageError, match=said):
        SMALL.changed(**change)


def test_an_unknown_scenario_lists_the_known_ones() -> None:
    """Names that are not found list the names that exist."""
    with pytest.raises(UsageError, match="known scenarios: default, none, rare"):
        preset("typhoon")


@pytest.mark.slow
def test_the_shipped_example_is_what_the_simulator_makes(fixtures: Path, tmp_path: Path) -> None:
    """Nobody edits the example by hand: its own seed and scenario give its files again, and it stays small."""
    shipped = fixtures / "demo"
    told = json.loads((shipped / "scenario.json").read_text())
    again = simulate(tmp_path / "demo", seed=told["seed"], scenario=preset(told["scenario"]["name"])).folder
    for name in ("sightings.csv", "scenes.csv", "vessels.csv"):
        assert (again / name).read_bytes() == (shipped / name).read_bytes(), name
    # Compression differs between builds of zlib; what it holds must not.
    assert gzip.decompress((again / "ais.csv.gz").read_bytes()) == gzip.decompress(
        (shipped / "ais.csv.gz").read_bytes()
    )
    assert sum(p.stat().st_size for p in shipped.rglob("*") if p.is_file()) <= 3_000_000
