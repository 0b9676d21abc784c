"""The published case: what 74 published sightings say by themselves, and that the answers follow from the rows.

Truth comes from the publications: each expectation names the rows and what was printed about them.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from ghostships import routes, tables
from ghostships.readers.sightings import read_sightings
from ghostships.steps import calls, throughput, voyages

ROUTE = routes.load()
Row = dict[str, str]


@dataclass(frozen=True)
class Case:
    """Everything that the sightings alone give."""

    sightings: pd.DataFrame
    port_calls: pd.DataFrame
    trips: pd.DataFrame
    evidence: pd.DataFrame
    counts: pd.DataFrame

    def call(self, sighting: str) -> pd.Series:
        """The call that holds a sighting."""
        mine = self.port_calls[[sighting in ids for ids in self.port_calls["sighting_ids"]]]
        assert len(mine) == 1, f"{sighting} is in {len(mine)} calls"
        return mine.iloc[0]

    def together(self, *sightings: str) -> bool:
        """True when all are in one call, which holds nothing else."""
        return set(self.call(sightings[0])["sighting_ids"]) == set(sightings)

    def trip(self, sighting: str) -> pd.Series:
        """The voyage whose call at the dark port holds a sighting."""
        wanted = self.call(sighting)["call_id"]
        return self.trips[[wanted in ids for ids in self.trips["call_ids"]]].iloc[0]


def published(fixtures: Path) -> list[Row]:
    with (fixtures / "published" / "sightings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def analyse(rows: list[Row], folder: Path) -> Case:
    """Write the rows as a user would, read them and go through every step that needs no transponder."""
    path = folder / "sightings.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found, rejects, books = read_sightings(path, route=ROUTE)
    assert len(rejects) == 0
    assert books.rows_read == books.accepted == len(rows)
    grouped = calls.group(found, ROUTE)
    scenes = tables.empty_pandas(tables.SCENES)
    port_calls = calls.find(grouped, scenes, route=ROUTE)
    trips, evidence = voyages.trips(port_calls, grouped, route=ROUTE)
    counts = throughput.estimate(port_calls, grouped, scenes, trips, route=ROUTE)
    return Case(grouped, port_calls, trips, evidence, counts)


@pytest.fixture(scope="module")
def rows(fixtures: Path) -> list[Row]:
    return published(fixtures)


@pytest.fixture(scope="module")
def case(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Case:
    return analyse(rows, tmp_path_factory.mktemp("published"))


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def beside(case: Case, start: str, end: str) -> pd.DataFrame:
    rows = case.counts[(case.counts["period_start"] == start) & (case.counts["period_end"] == end)]
    return rows[rows["definition"].str.startswith("seen beside")]


def test_inner_then_outer_berth_in_february_2025_is_one_call_with_a_berth_shift(case: Case) -> None:
    """VOA printed one 110 m ship at the inner side on 20 February and at the outer on the 21st: one ship, not two."""
    assert case.together("S064", "S065")
    call = case.call("S064")
    assert call["berths"] == ["NAJIN_PIER2", "NAJIN_PIER2_OUTER"]
    assert call["length_m"] == 110
    assert call["n_sightings"] == 2
    assert "berth shift" in call["because"]


def test_nobody_is_named_for_20_and_21_february_2025(case: Case) -> None:
    """No publication names that ship: no table may."""
    trip = case.trip("S064")
    assert trip["tier"] == "unattributed"
    assert pd.isna(trip["vessel_name"])
    assert pd.isna(trip["vessel_key"])
    assert pd.isna(trip["p_trip"])
    assert pd.isna(case.call("S064")["vessel_name"])
    assert trip["trip_id"] not in set(case.evidence["subject_id"])


def test_january_and_february_2025_hold_three_calls_where_the_press_counts_four(case: Case) -> None:
    """RFA's four movements times 600 are 2 400 containers; the same pictures hold three stays and four berth positions."""
    (row,) = beside(case, "2025-01-01", "2025-02-21").to_dict("records")
    assert row["n_calls"] == 3
    for part in ("3 calls seen, 4 movements claimed", "4 x 600 = 2400 containers", "berth positions, a shift", "1800"):
        assert part in row["assumptions"]


def test_voa_counts_of_2025_come_out_when_the_berth_shift_counts_as_a_ship(case: Case) -> None:
    """VOA printed 6 ships of 2025 to 9 March and 5 since 20 January: one more than the stays, both times."""
    for start, stays, printed in (("2025-01-01", 5, 6), ("2025-01-20", 4, 5)):
        (row,) = beside(case, start, "2025-03-09").to_dict("records")
        assert row["n_calls"] == stays
        assert f"{printed} ships claimed" in row["assumptions"]
        assert "berth positions, a shift" in row["assumptions"]


def test_december_2023_is_read_as_printed(case: Case) -> None:
    """140 m on 17 to 19 December is one call, 100 m on 21 to 23 another; the 25th is shown as either."""
    assert case.together("S027", "S028")
    assert case.together("S029")
    assert case.together("S030")
    doubtful = case.call("S030")
    assert doubtful["continues_call_id"] == case.call("S029")["call_id"]
    assert 0.05 <= doubtful["p_continues"] < 0.5


def test_october_2024_has_two_calls_and_a_coal_ship(case: Case) -> None:
    """5 October and 25-26 October are two calls of ANGARA, each told by two publishers; 190 m at the coal pier is another trade."""
    assert case.together("S055", "S056")
    assert case.together("S057", "S058", "S059", "S060")
    assert case.call("S055")["n_sightings"] == 1
    assert case.call("S057")["n_sightings"] == 2
    assert not case.call("S061")["in_trade"]
    assert case.call("S061")["call_id"] not in {i for ids in case.trips["call_ids"] for i in ids}
    (month,) = case.counts[(case.counts["period_start"] == "2024-10") & (case.counts["definition"] == "seen")].to_dict(
        "records"
    )
    assert month["n_calls"] == 2


def test_a_picture_without_the_ship_bounds_its_departure(case: Case) -> None:
    """20 October 2023: alongside at 11:01 local, gone at 15:43; the ship of the 23rd came later."""
    call = case.call("S015")
    assert case.together("S014", "S015", "S016")
    assert call["departure_not_before_utc"] == utc("2023-10-20 02:01")
    assert call["departure_not_after_utc"] == utc("2023-10-20 06:43")
    after = case.call("S019")
    assert after["call_id"] != call["call_id"]
    assert after["arrival_not_before_utc"] == utc("2023-10-20 06:43")


def test_an_empty_berth_makes_no_call(case: Case) -> None:
    """18 February 2024: VOA printed that ship and stack were gone. Neither that nor a container stack is a call."""
    used = {i for ids in case.port_calls["sighting_ids"] for i in ids}
    other = case.sightings[case.sightings["observation_type"] != "vessel"]
    assert set(other["sighting_id"]) == {"S003", "S011", "S013", "S017", "S018", "S038", "S053", "S054", "S072"}
    assert not used & set(other["sighting_id"])


def test_lady_r_in_march_2024_is_a_voyage_from_pictures_only(case: Case) -> None:
    """Vladivostok to 7 March, Najin 10 and 12 March, Vostochny 14 March: named in every picture, no transponder."""
    trip = case.trip("S042")
    assert case.together("S042", "S043")
    assert trip["tier"] == "pictures_only"
    assert trip["vessel_name"] == "LADY R"
    assert (trip["origin_port"], trip["dark_port"], trip["destination_port"]) == ("VLADIVOSTOK", "NAJIN", "VOSTOCHNY")
    assert 0.9 < trip["p_trip"] < 1
    assert not trip["is_flagged"]
    assert trip["slack_h"] > 0


def test_an_open_port_is_one_call_and_never_two(case: Case) -> None:
    """RUSI does not say at which end MARIA joined on 12 September 2023."""
    call = case.call("S005")
    assert call["port"] == "DUNAY|NAJIN"
    september = case.counts[(case.counts["period_start"] == "2023-09") & (case.counts["definition"] == "seen")].iloc[0]
    assert (september["n_calls_low"], september["n_calls_high"]) == (0, 1)


def test_every_ship_sighting_is_in_exactly_one_call_or_said_to_be_unplaced(case: Case) -> None:
    """Nothing is lost and nothing is counted twice: 65 ships seen, one of them at a place nobody located."""
    used = [i for ids in case.port_calls["sighting_ids"] for i in ids]
    ships = set(case.sightings.loc[case.sightings["observation_type"] == "vessel", "sighting_id"])
    without = calls.unplaced(case.sightings, ROUTE)
    assert without == ["S036"]
    assert len(used) == len(set(used))
    assert set(used) | set(without) == ships


def test_the_published_imaging_effort_gives_25_to_38_calls(case: Case) -> None:
    """49 of 109 imaged days in 170 days at 2 to 3 days a stay: the published 25 to 32 lies inside."""
    (row,) = case.counts[case.counts["definition"] == "estimated from a published imaging effort"].to_dict("records")
    assert (int(row["n_calls_low"]), int(row["n_calls_high"])) == (25, 38)
    assert "170 days" in row["assumptions"]


def test_every_published_count_is_shown_once_as_published(case: Case) -> None:
    """Claims contradict each other; none may be lost, merged or changed."""
    claimed = case.counts[case.counts["definition"].str.startswith("claimed")]
    assert len(claimed) == len(ROUTE.claims)
    assert not case.counts.duplicated(list(tables.THROUGHPUT.key)).any()


def test_evidence_adds_up_to_the_probability_of_every_voyage(case: Case) -> None:
    """The rows a reader sees sum to the log-odds, exactly to the rounding of the tables."""
    named = case.trips[case.trips["tier"] == "pictures_only"]
    assert len(named) > 5
    for trip in named.to_dict("records"):
        bits = case.evidence.loc[case.evidence["subject_id"] == trip["trip_id"], "bits"]
        assert (bits * 1000).round().sub(bits * 1000).abs().max() < 1e-9
        assert trip["p_trip"] == pytest.approx(1 / (1 + 2 ** -bits.sum()), abs=1e-6)


def test_shifting_every_date_by_a_week_changes_no_answer(case: Case, rows: list[Row], tmp_path: Path) -> None:
    """The answers rest on the rows and not on dates in the code."""
    moved = [dict(row) for row in rows]
    for row in moved:
        for name in ("start_utc", "end_utc"):
            row[name] = f"{datetime.fromisoformat(row[name]) + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    shifted = analyse(moved, tmp_path)
    for one, other in zip(ordered(case), ordered(shifted), strict=True):
        assert one["sighting_ids"] == other["sighting_ids"]
        assert one["berths"] == other["berths"]
        assert one["p_continues"] == other["p_continues"] or pd.isna(one["p_continues"])
        for name in ("arrival_not_before_utc", "departure_not_after_utc"):
            assert pd.isna(one[name]) == pd.isna(other[name])
            assert pd.isna(one[name]) or other[name] - one[name] == timedelta(days=7)
    assert list(case.trips["tier"].value_counts()) == list(shifted.trips["tier"].value_counts())


def ordered(case: Case) -> list[dict[str, object]]:
    return sorted(case.port_calls.to_dict("records"), key=lambda c: str(c["sighting_ids"]))


def test_the_order_of_the_rows_does_not_matter(case: Case, rows: list[Row], tmp_path: Path) -> None:
    """Row numbers aside, a reversed file gives the same calls, voyages and counts."""
    reverse = analyse(rows[::-1], tmp_path)
    pd.testing.assert_frame_equal(case.port_calls, reverse.port_calls)
    pd.testing.assert_frame_equal(case.trips, reverse.trips)
    pd.testing.assert_frame_equal(case.counts, reverse.counts)


def test_without_the_row_of_20_february_no_shift_is_seen(rows: list[Row], tmp_path: Path) -> None:
    """One picture less: still three calls, but the last is seen once and at one berth, and four can no longer be explained."""
    fewer = analyse([row for row in rows if row["sighting_id"] != "S064"], tmp_path)
    assert fewer.together("S065")
    assert fewer.call("S065")["berths"] == ["NAJIN_PIER2_OUTER"]
    (row,) = beside(fewer, "2025-01-01", "2025-02-21").to_dict("records")
    assert row["n_calls"] == 3
    assert "counts something else" in row["assumptions"]


def test_a_ship_of_150_m_on_21_february_is_another_ship(rows: list[Row], tmp_path: Path) -> None:
    """110 and 150 m are further apart than any error of the sensor: two hulls, four calls."""
    changed = [{**row, "length_m": "150"} if row["sighting_id"] == "S065" else row for row in rows]
    other = analyse(changed, tmp_path)
    assert other.together("S064")
    assert other.together("S065")
    (row,) = beside(other, "2025-01-01", "2025-02-21").to_dict("records")
    assert row["n_calls"] == 4
    assert "the two agree" in row["assumptions"]


def test_the_absence_on_20_october_splits_and_bounds(rows: list[Row], tmp_path: Path) -> None:
    """Without the picture of the empty berth nothing bounds the departure so closely."""
    without = analyse([row for row in rows if row["sighting_id"] != "S017"], tmp_path)
    bound = without.call("S015")["departure_not_after_utc"]
    assert pd.isna(bound) or bound > utc("2023-10-20 06:43")
    assert pd.isna(without.call("S019")["arrival_not_before_utc"])


def test_a_wrong_name_at_the_next_port_breaks_the_chain(rows: list[Row], tmp_path: Path) -> None:
    """If the ship at Vostochny on 14 March was MARIA, LADY R's next port is not known."""
    changed = [
        {**row, "vessel_name": "MARIA", "imo": "8517839"} if row["sighting_id"] in ("S044", "S045") else row
        for row in rows
    ]
    other = analyse(changed, tmp_path)
    assert other.trip("S042")["destination_port"] != "VOSTOCHNY"


@pytest.mark.real
def test_the_fixture_is_what_its_maker_makes(shared: Path, fixtures: Path, tmp_path: Path) -> None:
    """The shipped file can be made again from the gathered facts, byte for byte."""
    made = tmp_path / "sightings.csv"
    maker = fixtures.parent / "design" / "make_published.py"
    subprocess.run([sys.executable, maker, shared / "facts" / "sightings.csv", made], check=True)
    assert made.read_bytes() == (fixtures / "published" / "sightings.csv").read_bytes()
