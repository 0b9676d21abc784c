"""Was it off, or did nobody hear it? Only what the traffic itself can answer."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from messages import SIM_A, at, messages, river

from ghostships import routes
from ghostships.sea import Sea
from ghostships.steps import gaps, reception

ROUTE = routes.load()
SEA = Sea(None, None)  # type: ignore[arg-type]
"""A sea nobody charted: only where ships were heard, and outside the area of the route, can a ship be."""
LAST_H = 240


def _fleet(
    *, n_ships: int = 30, every_h: int = 1, silent: range = range(0), lat: float = 42.5, missed: float = 0.0
) -> pl.DataFrame:
    """Ships lying within a few miles, heard every so many hours except when the feed is down, some hours missed at random."""
    rng = np.random.default_rng(7)
    parts = []
    for ship in range(n_ships):
        hours = [h for h in range(ship % every_h, LAST_H, every_h) if h not in silent and rng.random() >= missed]
        place = (lat + ship % 5 / 100, 132.5 + ship / 500)
        parts.append(messages(*((h + 0.5, *place) for h in hours), mmsi=799_000_100 + ship, row=1000 * (ship + 1)))
    return pl.concat(parts)


def _ship(*silences: range, lat: float = 42.5, lon: float = 132.5) -> pl.DataFrame:
    return messages(*((h + 0.5, lat, lon) for h in range(LAST_H) if not any(h in s for s in silences)))


def _judge(
    positions: pl.DataFrame, *, scope: str = "area", fastest_kn: float = 12.0, unobserved: tuple[range, ...] = ()
) -> pd.DataFrame:
    found, hours = river(positions)
    silences = gaps.find(hours, found, min_gap_h=6, as_of_utc=at(LAST_H), route=ROUTE)
    policy = {
        "min_gap_h": 6.0,
        "route": ROUTE,
        "as_of_utc": at(LAST_H),
        "fastest_kn": dict.fromkeys(silences["vessel_key"], fastest_kn),
    }
    spans = tuple((at(span.start), at(span.stop)) for span in unobserved)
    learned = reception.learn(hours, silences, waters=SEA, unobserved=spans, **policy)  # type: ignore[arg-type]
    judged = reception.judge(silences, learned, scope=scope, unobserved=spans, **policy)  # type: ignore[arg-type]
    return silences.drop(columns=["expected_heard", "p_off", "n_other_ships_heard", "state"]).merge(judged, on="gap_id")


def _mine(judged: pd.DataFrame) -> pd.Series:
    return judged[judged["vessel_key"] == f"mmsi:{SIM_A}"].iloc[0]


def test_a_ship_silent_among_ships_that_are_heard_was_probably_off() -> None:
    """The case the tool is for: everybody is heard every hour, one is not for a day."""
    row = _mine(_judge(pl.concat([_fleet(), _ship(range(100, 124))])))
    assert row.p_off > 0.95
    assert row.expected_heard > 15
    assert row.n_other_ships_heard == 30
    assert "30 other ships within 25 km" in row.because
    assert "in 24 of these 24 hours" in row.because


def test_sparse_reception_does_not_read_as_dark() -> None:
    """Where everybody is heard every nine hours, nine hours of silence mean nothing."""
    judged = _judge(_fleet(every_h=9))
    assert len(judged) > 500
    assert judged["p_off"].fillna(0).max() < 0.6


def test_silence_where_few_others_are_heard_cannot_be_judged() -> None:
    """Unknown is not dark: two others are not a receiver."""
    row = _mine(_judge(pl.concat([_fleet(n_ships=2), _ship(range(100, 124))])))
    assert pd.isna(row.p_off)
    assert row.because == "cannot say: only 2 other ships were heard within 25 km of the straight course meanwhile"


def test_an_outage_of_the_feed_voids_the_gaps_it_made() -> None:
    """BI-068: a provider's outage must void gaps, not create hundreds."""
    judged = _judge(_fleet(silent=range(100, 112)))
    assert len(judged) == 30
    assert set(judged["state"]) == {"void"}
    assert judged["p_off"].isna().all()
    assert "the feed was down in 1" in judged["because"].iloc[0]


def test_an_outage_inside_a_long_silence_does_not_void_it() -> None:
    """A ship silent for two days about an outage of 8 hours was silent when others were heard."""
    judged = _judge(pl.concat([_fleet(silent=range(100, 108)), _ship(range(84, 132))]))
    row = _mine(judged)
    assert row.state == "closed"
    assert row.p_off > 0.9
    assert set(judged[judged["vessel_key"] != row.vessel_key]["state"]) == {"void"}


def test_an_export_of_chosen_ships_says_nothing_about_reception() -> None:
    """--scope selected: there are no other ships, so p_off and E are null, never the prior."""
    judged = _judge(pl.concat([_fleet(silent=range(100, 112)), _ship(range(150, 180))]), scope="selected")
    assert judged["p_off"].isna().all()
    assert judged["expected_heard"].isna().all()
    assert "void" not in set(judged["state"])


def test_the_quietest_course_counts_only_hours_near_where_it_was_heard() -> None:
    """A ship that could have sailed out of what is known is credited with that: E falls with its speed, never below zero."""
    world = pl.concat(
        [
            _fleet(),
            _fleet(n_ships=12, every_h=9, lat=44.0).with_columns(
                mmsi=pl.col("mmsi") + 100, vessel_key=pl.col("vessel_key") + "0"
            ),
            _ship(range(100, 148)),
        ]
    )
    slow, middling, fast = (_mine(_judge(world, fastest_kn=kn)).expected_heard for kn in (1.0, 6.0, 20.0))
    assert slow > middling > fast >= 0


def test_a_longer_silence_in_the_same_place_is_never_less_suspicious() -> None:
    """More silent hours where everybody is heard can only add to E."""
    lengths = [8, 16, 32, 64]
    found = [_mine(_judge(pl.concat([_fleet(), _ship(range(100, 100 + n))]), fastest_kn=1.0)) for n in lengths]
    expected = [row.expected_heard for row in found]
    assert expected == sorted(expected)
    assert [row.p_off for row in found] == sorted(row.p_off for row in found)


def test_messages_of_the_same_number_from_elsewhere_forbid_a_verdict() -> None:
    """The transponder, or somebody with its number, was on: silence of this track proves nothing."""
    second = messages(*((h + 0.6, 35.0, 129.0) for h in range(LAST_H)), row=90_000)
    row = _mine(_judge(pl.concat([_fleet(), _ship(range(100, 124)), second])))
    assert pd.isna(row.p_off)
    assert "came from another track in 24 hours" in row.because


def test_judging_does_not_depend_on_the_order_of_rows() -> None:
    """P9: the same numbers to the last digit."""
    world = pl.concat([_fleet(missed=0.2), _ship(range(100, 124))])
    pd.testing.assert_frame_equal(_judge(world), _judge(world.sample(fraction=1, shuffle=True, seed=3)))


def test_no_data_gives_an_empty_answer() -> None:
    """A run without AIS goes through the same river."""
    assert _judge(_ship().clear()).empty


@pytest.mark.slow
@pytest.mark.real
def test_four_ships_heard_by_satellite_cannot_be_called_dark(shared: Path) -> None:
    """A year of sparse satellite AIS of four ships over several oceans: thousands of hours unheard, and no verdict on any."""
    with gzip.open(shared / "data/pelagos/raw_1_3_10k_points.csv.gz") as file:
        raw = pl.read_csv(file.read())
    base = messages((0, 0.1, 0.1))
    positions = pl.concat(
        [
            base.join(raw.select("mmsi", "timestamp", "latitude", "longitude").with_row_index("i"), how="cross").select(
                pl.format("mmsi:{}", pl.col("mmsi_right").cast(pl.Int64)).alias("vessel_key"),
                pl.col("mmsi_right").cast(pl.Int64).alias("mmsi"),
                pl.from_epoch("timestamp").dt.cast_time_unit("us").dt.replace_time_zone("UTC").alias("time_utc"),
                pl.col("latitude").round(7).alias("lat_deg"),
                pl.col("longitude").round(7).alias("lon_deg"),
                *[
                    n
                    for n in base.columns
                    if n not in ("vessel_key", "mmsi", "time_utc", "lat_deg", "lon_deg", "source_row")
                ],
                (pl.col("i").cast(pl.Int64) + 1).alias("source_row"),
            )
        ]
    ).select(base.columns)
    found, hours = river(positions.filter(pl.col("lat_deg").is_between(-90, 90)))
    silences = gaps.find(hours, found, min_gap_h=6, as_of_utc=None, route=ROUTE)
    assert len(silences) > 100
    learned = reception.learn(hours, silences, min_gap_h=6, route=ROUTE, as_of_utc=None, waters=SEA)
    judged = reception.judge(silences, learned, min_gap_h=6, route=ROUTE, scope="area", as_of_utc=None)
    assert judged["p_off"].isna().all()


def test_hours_that_a_source_left_out_are_never_dark() -> None:
    """A delivery that did not come is not a ship that switched off: the silence is void, and says why. For the night watch."""
    told = _mine(_judge(pl.concat([_fleet(), _ship(range(100, 124))]), unobserved=(range(96, 120),)))
    assert told["state"] == "void"
    assert pd.isna(told["p_off"])
    assert (
        "a source delivered nothing for 20.5 of the 24.5 hours" in told["because"]
        or "20.5 of the 25.0" in told["because"]
    )


def test_a_silence_longer_than_what_was_left_out_is_judged_by_the_rest() -> None:
    """Two of three silent days were delivered: in those it should have been heard, in the missing one nobody expects it."""
    day = range(96, 120)
    whole = _mine(_judge(pl.concat([_fleet(), _ship(range(96, 168))])))
    rest = _mine(_judge(pl.concat([_fleet(), _ship(range(96, 168))]), unobserved=(day,)))
    assert rest["state"] == "closed"
    assert whole["expected_heard"] - rest["expected_heard"] == pytest.approx(24, abs=1.5)
    assert rest["p_off"] > 0.5


def test_a_span_elsewhere_changes_nothing_about_a_silence() -> None:
    """What was not delivered last month says nothing about this one."""
    positions = pl.concat([_fleet(), _ship(range(150, 174))])
    plain, other = _mine(_judge(positions)), _mine(_judge(positions, unobserved=(range(20, 44),)))
    assert plain["state"] == other["state"] == "closed"
    assert other["expected_heard"] == pytest.approx(plain["expected_heard"], abs=0.5)


def _also(positions: pl.DataFrame) -> pl.DataFrame:
    """The same ships once more under other numbers."""
    return positions.with_columns(mmsi=pl.col("mmsi") + 500, vessel_key=pl.format("mmsi:{}", pl.col("mmsi") + 500))


def test_the_outage_of_one_harbour_voids_its_gaps_and_no_others() -> None:
    """Two harbours 600 km apart: where the station failed nobody was listened to; elsewhere a silence is a silence."""
    judged = _judge(
        pl.concat([_fleet(), _also(_fleet(lat=37.0, silent=range(100, 112))), _ship(range(98, 116), lat=42.5)])
    )
    mine = _mine(judged)
    assert mine["state"] == "closed"
    assert mine["p_off"] > 0.9
    others = judged[judged["vessel_key"] != mine["vessel_key"]]
    assert len(others) == 30
    assert set(others["state"]) == {"void"}
    assert others["p_off"].isna().all()


def test_an_outage_in_which_a_few_are_still_heard_is_one() -> None:
    """The coast stations fail, a satellite goes on: three of thirty ships are heard each hour, and not one gap is a finding."""
    rng = np.random.default_rng(4)
    whole = _fleet()
    hour = (pl.col("time_utc") - at(0)).dt.total_seconds() // 3600
    kept = whole.with_columns(keep=pl.Series(rng.random(whole.height) < 0.1), hour=hour)
    partly = kept.filter(~pl.col("hour").is_between(100, 113) | pl.col("keep")).drop("keep", "hour")
    judged = _judge(partly)
    assert len(judged) > 15
    assert set(judged["state"]) == {"void"}


def test_voiding_changes_what_is_said_of_a_gap_and_never_which_gaps_there_are() -> None:
    """Every gap goes in and comes out once, in order; an outage takes verdicts away and gives none."""
    judged = _judge(pl.concat([_fleet(silent=range(100, 112), missed=0.3), _ship(range(84, 132), range(200, 210))]))
    assert judged["gap_id"].is_unique
    assert (judged["state"] == "void").sum() >= 25
    assert judged.loc[judged["state"] == "void", "p_off"].isna().all()


def test_a_ship_with_nobody_near_is_not_judged() -> None:
    """Thirty ships elsewhere say nothing about reception where this one lies, a hundred miles off."""
    row = _mine(_judge(pl.concat([_fleet(), _ship(range(100, 160), lat=44.5)])))
    assert pd.isna(row["p_off"])
    assert row["n_other_ships_heard"] == 0


def test_the_sentence_says_what_the_messages_say() -> None:
    """For whoever has to defend it: the ships and hours of the sentence are counted again from the messages, one by one."""
    lone = _ship(range(100, 131))
    world = pl.concat([_fleet(n_ships=9, every_h=4, missed=0.4), _also(_fleet(n_ships=5, lat=36.0)), lone])
    row = _mine(_judge(world, fastest_kn=2.0))
    heard: dict[int, set[int]] = {}
    for mmsi, time_utc, lat in world.select("mmsi", "time_utc", "lat_deg").iter_rows():
        hour = int((time_utc - at(0)).total_seconds() // 3600)
        # The silence is from 99:30 to 131:30; whole hours in it are 100 to 130. The others lie within three miles, or far off.
        if mmsi != SIM_A and lat > 42 and 100 <= hour <= 130:
            heard.setdefault(hour, set()).add(mmsi)
    n_others = len(set().union(*heard.values()))
    assert row["n_other_ships_heard"] == n_others
    assert row["because"].startswith(
        f"{n_others} other ships within 25 km of the straight course were heard in {len(heard)} of these 31 hours; even on the"
        " quietest course open to it this ship should have been heard in at least "
    )
    stated = float(row["because"].split("at least ")[1].split(";")[0])
    assert row["expected_heard"] - 0.1 < stated <= row["expected_heard"]
    assert "; it was heard in 0" in row["because"]


def test_class_b_is_judged_by_class_b() -> None:
    """In one harbour class A is heard every hour, class B every five: eleven silent hours mean much of one, little of the other."""
    small = _also(_fleet(every_h=5)).with_columns(ais_class=pl.lit("B"))
    large = _fleet(n_ships=20).with_columns(ais_class=pl.lit("A"))
    silent = _ship(range(100, 112))
    as_a = _mine(_judge(pl.concat([large, small, silent.with_columns(ais_class=pl.lit("A"))]), fastest_kn=1.0))
    rare = silent.filter(pl.int_range(pl.len()) % 5 == 0).with_columns(ais_class=pl.lit("B"))
    b_world = _judge(pl.concat([large, small, rare]), fastest_kn=1.0)
    as_b = b_world[(b_world["vessel_key"] == f"mmsi:{SIM_A}") & (b_world["start_utc"] < pd.Timestamp(at(112)))].iloc[-1]
    assert as_a["p_off"] > 0.95
    assert as_b["expected_heard"] < as_a["expected_heard"] / 2
    assert not as_b["p_off"] > 0.7


def test_a_silence_longer_than_chance_allows_is_found_even_where_long_silences_are_common() -> None:
    """Everybody is heard every other hour at random; two days unheard are not chance, and the bound says so."""
    world = pl.concat([_fleet(missed=0.5), _ship(range(100, 148)).filter(pl.int_range(pl.len()) % 2 == 0)])
    judged = _judge(world, fastest_kn=1.0)
    row = judged[judged["vessel_key"] == f"mmsi:{SIM_A}"].sort_values("duration_h").iloc[-1]
    assert row["p_off"] > 0.95
    others = judged[judged["vessel_key"] != f"mmsi:{SIM_A}"]
    assert not (others["p_off"] > 0.9).any()
