"""Hidden pieces of real tracks: what is hidden is gone, what is asked is known, and the scores say what happened."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ghostships import blanked, routes, sphere, tables
from ghostships.errors import NothingUsable, UsageError
from ghostships.evaluation import hidden, pieces, waters
from ghostships.evaluation.pieces import Piece
from ghostships.inference import untracked
from ghostships.steps import passing
from ghostships.traffic import Traffic
from ghostships.units import US_PER_HOUR

START = datetime(2019, 3, 1, tzinfo=UTC)
N_SHIPS, DAYS = 14, 5
FAR_AWAY = (-20.0, 60.0)
"""In the Indian Ocean: no shipped land, no port of the shipped route."""


def key(n: int) -> str:
    return f"mmsi:{799_000_001 + n}"


def us(hours: float) -> int:
    return int(START.timestamp() * 1e6) + round(hours * US_PER_HOUR)


def rows(n_ships: int = N_SHIPS, days: int = DAYS) -> pl.DataFrame:
    """Every half hour: even numbers lie at one anchorage, a cable or two apart; odd ones sail to and fro, each on its own line."""
    out = []
    for n in range(n_ships):
        for step in range(days * 48):
            hours = step / 2 + n / 60
            if n % 2:
                swing = math.sin(hours / 24 * 2 * math.pi)
                lat, lon, speed = FAR_AWAY[0] + 0.2 * n, FAR_AWAY[1] + 1.0 * swing, 8.0
            else:
                lat, lon, speed = FAR_AWAY[0] - 0.5 + 0.008 * n, FAR_AWAY[1] + 0.0004 * math.sin(hours), 0.0
            out.append(
                {
                    "vessel_key": key(n),
                    "mmsi": 799_000_001 + n,
                    "time_utc": START + timedelta(hours=hours),
                    "lat_deg": round(lat, 6),
                    "lon_deg": round(lon, 6),
                    "sog_kn": speed,
                    "vessel_name": f"SIM SHIP {n}",
                    "length_m": 80.0 + 12 * n,
                    "source_file": "f" * 12,
                    "source_row": n * 10_000 + step + 1,
                }
            )
    schema = tables.POSITIONS.polars_schema
    return pl.DataFrame([{c: r.get(c) for c in schema} for r in out], schema=schema)


@pytest.fixture(scope="module")
def positions() -> pl.DataFrame:
    return rows()


@pytest.fixture(scope="module")
def traffic(positions: pl.DataFrame) -> Traffic:
    return Traffic.of_positions(positions)


PLAN = blanked.Plan(n_pieces=16, longest_h=24, n_areas=1, n_decoys_each=8, held_out_share=0.15)


@pytest.fixture(scope="module")
def route(traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> routes.Route:
    return waters.fitting(traffic.hours, tmp_path_factory.mktemp("route"))


@pytest.fixture(scope="module")
def found(traffic: Traffic, route: routes.Route) -> blanked.Blanked:
    return blanked.of_traffic(traffic, route, seed=3, plan=PLAN, files=["small"])


def test_traffic_without_pieces_is_what_traffic_of_the_remaining_rows_is(
    positions: pl.DataFrame, traffic: Traffic
) -> None:
    """Whatever lies on disk, hidden rows are gone from hours, static data and single positions alike."""
    gone = [Piece(key(1), us(20.2), us(33.7), "piece"), Piece(key(4), us(50), us(60), "anchorage", 0)]
    left = pieces.blank(traffic, gone, [key(2)])
    at = pl.col("time_utc").dt.epoch("us")
    hide = pl.col("vessel_key") == key(2)
    for piece in gone:
        hide |= (pl.col("vessel_key") == piece.vessel_key) & at.is_between(piece.start_us, piece.end_us)
    plain = Traffic.of_positions(positions.filter(~hide))
    assert left.hours.equals(plain.hours)
    assert left.statics.drop("said").equals(plain.statics.drop("said"))
    keys = pl.DataFrame({"vessel_key": [key(n) for n in range(N_SHIPS)]})
    assert left.of_ships(keys).equals(plain.of_ships(keys))
    assert positions.height - plain.of_ships(keys).height == positions.filter(hide).height > 200


def test_pieces_lie_inside_steady_stretches_and_apart(traffic: Traffic) -> None:
    """Heard before, heard after, and no two pieces of a ship touch: every piece makes exactly one gap."""
    stretches = pieces.steady(traffic.hours, min_gap_h=6, max_speed_kn=60)
    chosen = pieces.choose(stretches, np.random.default_rng(1), n=30, shortest_h=7, longest_h=24)
    assert len(chosen) == 30
    assert len({p.vessel_key for p in chosen}) > 8
    for piece in chosen:
        own = stretches.filter(pl.col("vessel_key") == piece.vessel_key)
        assert own.filter(
            (pl.col("start_us") <= piece.start_us - US_PER_HOUR) & (pl.col("end_us") >= piece.end_us + US_PER_HOUR)
        ).height
        assert 7 * US_PER_HOUR <= piece.end_us - piece.start_us <= 24 * US_PER_HOUR
    for ship in {p.vessel_key for p in chosen}:
        own_pieces = sorted((p.start_us, p.end_us) for p in chosen if p.vessel_key == ship)
        assert all(b[0] - a[1] >= 6 * US_PER_HOUR for a, b in zip(own_pieces, own_pieces[1:], strict=False))


def test_a_stretch_ends_at_a_gap_and_at_an_impossible_step(positions: pl.DataFrame) -> None:
    """A ship silent for 8 h has two stretches; an hour in which it jumps by degrees is in none."""
    at = (pl.col("time_utc").dt.epoch("us") - us(0)) / US_PER_HOUR
    ship = positions.filter(pl.col("vessel_key") == key(1)).filter(~at.is_between(40, 48))
    jump = pl.when(at.is_between(80.0, 80.2)).then(pl.col("lat_deg") + 5).otherwise(pl.col("lat_deg"))
    found = pieces.steady(Traffic.of_positions(ship.with_columns(lat_deg=jump)).hours, min_gap_h=6, max_speed_kn=60)
    spans = [((a - us(0)) / US_PER_HOUR, (b - us(0)) / US_PER_HOUR) for _, a, b in found.iter_rows()]
    assert len(spans) == 3
    assert spans[0][1] < 40 < 48 <= spans[1][0]
    assert spans[1][1] < 80.2 < spans[2][0]


def test_an_anchorage_is_hidden_whole(traffic: Traffic) -> None:
    """All ships that lie there are hidden together, the ones that only sail past are not."""
    (area,) = pieces.anchorages(traffic.hours, np.random.default_rng(2), n=3, radius_km=9, window_h=20)
    assert float(sphere.gc_km(area.lat_deg, area.lon_deg, FAR_AWAY[0] - 0.45, FAR_AWAY[1])) < 9
    gone = pieces.of_area(area, traffic, shortest_h=7)
    assert {p.vessel_key for p in gone} == {key(n) for n in range(0, N_SHIPS, 2)}
    assert all(p.end_us - p.start_us >= 19 * US_PER_HOUR for p in gone)


def test_every_hidden_piece_becomes_a_gap_of_its_ship(found: blanked.Blanked) -> None:
    """What is asked for can be answered: each true sighting lies in a silence that the run found."""
    true = found.cases[~found.cases["kind"].isin(hidden.DECOYS)]
    assert len(true) >= 15
    assert true["silence"].notna().all()
    assert found.counts["anchorages"] == 1 and found.counts["ships_hidden_as_a_whole"] == 2


@pytest.mark.slow
def test_the_same_seed_asks_the_same_and_another_does_not(
    traffic: Traffic, route: routes.Route, found: blanked.Blanked
) -> None:
    """Scores can be repeated, and the order in which an export lists its ships changes nothing."""
    turned = Traffic.of_positions(rows().reverse())
    again = blanked.of_traffic(turned, route, seed=3, plan=PLAN, files=["small"])
    assert again.as_dict() == found.as_dict()
    pd.testing.assert_frame_equal(again.cases, found.cases)
    other = blanked.of_traffic(traffic, route, seed=4, plan=PLAN, files=["small"])
    assert not other.cases.equals(found.cases)


def test_impossible_places_are_never_put_down_to_a_silent_ship(found: blanked.Blanked) -> None:
    """Out of reach at 30 kn by 20 km: no silence may explain them."""
    own = found.cases[found.cases["kind"] == "impossible_place"]
    assert len(own) and (own["n_ships"] == 0).all() and own["is_right"].all()


def test_scores_are_those_of_the_rows(found: blanked.Blanked) -> None:
    """The shares shown are counted from the cases, decoys apart from true sightings."""
    cases = found.cases
    decoy = cases["kind"].isin(hidden.DECOYS)
    assert found.scores["decoys_refused"] == pytest.approx((cases.loc[decoy, "answer"] == "").mean(), abs=1e-6)
    first = cases.loc[~decoy, "answer"] == cases.loc[~decoy, "vessel_key"]
    assert found.scores["ranked_first"] == pytest.approx(first.mean(), abs=1e-6)
    assert (cases.loc[~decoy, "rank"] >= 1).all() and cases.loc[decoy, "rank"].isna().all()
    assert (cases["p"].between(0, 1)).all()
    assert sum(k["n"] for k in found.by_kind) == len(cases)
    text = found.as_text()
    assert all(name in text for name in found.scores)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["seed"] == 3


def test_ships_on_lines_of_their_own_are_found_again(found: blanked.Blanked) -> None:
    """Half the ships sail lines 22 km apart with lengths 12 m apart: random pieces must not be a lottery, nor decoys welcome."""
    assert found.scores["ranked_first_of_ships"] > 0.6  # type: ignore[operator]
    assert found.scores["decoys_refused"] > 0.6  # type: ignore[operator]


def test_nothing_to_hide_is_said_in_one_line(route: routes.Route) -> None:
    """A day of ships heard for two hours each holds no piece of seven hours."""
    short = rows().filter(pl.col("time_utc") < START + timedelta(hours=3))
    with pytest.raises(NothingUsable, match="no ship was heard without a gap of 6 h for 9 h"):
        blanked.of_traffic(Traffic.of_positions(short), route, seed=0, plan=PLAN, files=["short"])
    with pytest.raises(UsageError, match="--seed"):
        blanked.evaluate(["nowhere.csv"], seed=-1)
    with pytest.raises(UsageError, match="make no gap of 6 h"):
        blanked.of_traffic(Traffic.of_positions(short), route, seed=0, plan=blanked.Plan(shortest_h=5), files=["x"])


def test_a_route_is_made_where_none_fits(traffic: Traffic, route: routes.Route, tmp_path: Path) -> None:
    """The file passes the checks of every route file; where the shipped route's traffic is, that route serves."""
    assert route.name == waters.NAME
    (tmp_path / "again.toml").write_text(waters.around(traffic.hours), encoding="utf-8")
    again = routes.load(str(tmp_path / "again.toml"))
    assert again.area.lat_min_deg < FAR_AWAY[0] - 0.5 and again.area.lon_max_deg > FAR_AWAY[1] + 1
    assert not again.area.lat_min_deg <= again.dark_port.lat_deg <= again.area.lat_max_deg
    at_home = traffic.hours.with_columns(last_lat_deg=pl.lit(42.0), last_lon_deg=pl.lit(132.0))
    assert waters.fitting(at_home, tmp_path).name == "najin-primorye"


@pytest.mark.slow
def test_files_are_judged_from_the_command_and_the_folder_repeats_itself(
    tmp_path: Path, positions: pl.DataFrame
) -> None:
    """`ghostships evaluate --blank` on an ordinary export: the same seed gives the same bytes."""
    told = positions.select(
        "mmsi", timestamp="time_utc", lat="lat_deg", lon="lon_deg", sog="sog_kn", name="vessel_name", length="length_m"
    )
    export = tmp_path / "export.csv"
    told.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(export)
    digests = []
    for name in ("one", "two"):
        out = tmp_path / name
        found = blanked.evaluate([str(export)], seed=2, plan=PLAN, out=out)
        digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())})
        assert found.counts["ships"] == N_SHIPS
    assert digests[0] == digests[1]
    assert {"scores.json", "summary.md", "cases.csv", "reliability.png", "around-the-traffic.toml"} <= set(digests[0])
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="holds something"):
        blanked.evaluate([str(export)], out=taken)


def test_unknown_hulls_are_as_common_as_a_share_of_the_ships_heard(traffic: Traffic) -> None:
    """Seven ships heard every hour in one cell of 770 km2 and a share of 0.27: 2.45 per 1000 km2 above the route's level."""
    lat, lon = FAR_AWAY[0] - 0.48, FAR_AWAY[1]
    near, far = untracked.per_km2([lat, 10.0], [lon, 10.0], traffic.hours, dark_hulls_per_1000_km2=0.05)
    assert far == pytest.approx(0.05 / 1000)
    n = traffic.hours.filter(
        sphere.cell_expr(pl.col("last_lat_deg"), pl.col("last_lon_deg")) == int(sphere.cell(lat, lon))
    ).height
    span_h = DAYS * 24 + 1
    assert near == pytest.approx((0.05 + 0.27 * n / span_h / 770 * 1000) / 1000, rel=0.02)
    alone = untracked.per_km2([lat], [lon], None, dark_hulls_per_1000_km2=0.05)
    assert alone[0] == pytest.approx(5e-5)


def test_ways_of_ships_are_learned_from_their_tracks() -> None:
    """Ships that lie at anchor between two hours are learned as lying; ships on even courses as near an even course."""
    for n, way in ((0, 0), (1, 2)):
        ship = rows().filter(pl.col("vessel_key") == key(n))
        if n:
            # Due north at 6 kn without turning.
            hours = (ship["time_utc"].dt.epoch("us").to_numpy() - us(0)) / US_PER_HOUR
            ship = ship.with_columns(lat_deg=pl.Series(-20 + hours * 0.1), lon_deg=pl.lit(60.0))
        heard = Traffic.of_positions(ship).hours.with_columns(hull=pl.lit(0))
        habits = passing.learn(heard, {key(n): 12.0})
        assert habits.n_looks > 100
        weights = habits.closed[n == 0, 2]
        share = weights[0] + weights[1] if n == 0 else weights[2]
        assert share > 0.7, (n, way, weights)
        assert weights.sum() == pytest.approx(1.0)
    assert passing.learn(None, {}).closed[True, 0] == pytest.approx(passing.PRIOR_CLOSED[True])


@pytest.mark.real
@pytest.mark.slow
def test_hidden_pieces_of_a_real_export_are_judged(shared: Path) -> None:
    """Four days of the Suez Canal, 256 ships without lengths or names: every kind of question that the file allows is asked."""
    found = blanked.evaluate([str(shared / "data" / "suez" / "boat-positions.csv")], seed=1)
    kinds = {k["kind"]: k["n"] for k in found.by_kind}
    assert kinds["piece"] >= 50 and kinds["anchorage"] >= 10 and kinds["unknown_ship"] >= 15
    assert "wrong_length" not in kinds and not found.knows_land
    assert any("no ship of the export says its length" in note for note in found.notes)
    assert (found.cases["p"].between(0, 1)).all()
