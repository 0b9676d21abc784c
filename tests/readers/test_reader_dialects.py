"""Every dialect reads its few real-shaped lines, ugly ones included, and loses none of them without a rule."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ghostships import tables
from ghostships.errors import UsageError
from ghostships.readers import ais, dialects
from ghostships.readers.inspect import inspect


@dataclass(frozen=True)
class Story:
    """One fixture and what a person counts in it by eye."""

    file: str
    dialect: str
    n_read: int
    n_accepted: int
    n_duplicate: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


STORIES = [
    Story(
        "marinecadastre.csv", "marinecadastre", 6, 2, 1, {"field_count": 1, "mmsi_not_nine_digits": 1, "null_island": 1}
    ),
    Story("marinecadastre_2025.csv", "marinecadastre_2025", 3, 2, 0, {"time_format": 1}),
    Story("noaa_extract.csv", "noaa_extract", 43, 41, 0, {"coord_missing": 1, "coord_range": 1}),
    Story("dma.csv", "dma", 5, 3, 0, {"header_repeat": 1, "mmsi_not_nine_digits": 1}),
    Story("marinetraffic.csv", "marinetraffic", 3, 2, 0, {"mmsi_not_nine_digits": 1}),
    Story("exactearth.csv", "exactearth", 3, 2, 0, {"time_format": 1}),
    Story("spire.csv", "spire", 3, 2, 0, {"time_no_zone": 1}),
    Story("gfw_messages.csv", "gfw_messages", 3, 2, 0, {"coord_missing": 1}),
    Story("gfw_messages.jsonl", "gfw_messages", 5, 2, 0, {"coord_missing": 2, "json_format": 1}),
    Story("pelagos.csv", "pelagos", 4, 2, 0, {"time_default": 1, "time_magnitude": 1}),
    Story("ieee_baltic.csv", "ieee_baltic", 1, 1),
    Story("kystverket.csv", "kystverket", 2, 2),
    Story("aisstream.jsonl", "aisstream", 2, 2),
    Story("plain.csv", "plain", 4, 2, 1, {"id_missing": 1}),
    Story(
        "nmea.nmea",
        "nmea",
        10,
        4,
        0,
        {
            "nmea_checksum": 1,
            "nmea_fragment": 1,
            "no_receive_time": 1,
            "own_ship": 1,
            "tag_block_checksum": 1,
            "time_magnitude": 1,
        },
    ),
]


def one(folder: Path, file: str, dialect: str | None = None) -> tuple[pl.DataFrame, ais.FileAccount]:
    delivery = ais.read([folder / "dialects" / file], dialect=dialect)
    return delivery.positions, delivery.files[0]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.file)
def test_a_dialect_accounts_for_every_row(story: Story, fixtures: Path) -> None:
    """An analyst can add up accepted, duplicate and rejected rows and get what is in the file."""
    positions, account = one(fixtures, story.file)
    assert account.refused is None
    assert account.dialect == story.dialect
    assert (account.n_read, account.n_accepted, account.n_duplicate) == (
        story.n_read,
        story.n_accepted,
        story.n_duplicate,
    )
    assert account.n_rejected == story.rejected
    assert positions.columns == tables.POSITIONS.names
    assert dict(positions.schema) == tables.POSITIONS.polars_schema
    assert tables.check(positions, tables.POSITIONS)[1].is_empty()


def test_every_dialect_has_a_story() -> None:
    """A dialect nobody wrote lines for is a dialect nobody tried."""
    told = {story.dialect for story in STORIES} | {"plain_day_first", "plain_month_first", "ghostships-simulated"}
    assert set(dialects.all_dialects()) == told


def test_marinecadastre_values_mean_what_they_say(fixtures: Path) -> None:
    """102.3 kn, course 360 and heading 511 are "not available"; a test IMO number names no ship."""
    positions, _ = one(fixtures, "marinecadastre.csv")
    first, second = positions.sort("mmsi").rows(named=True)
    assert (first["sog_kn"], first["cog_deg"], first["heading_deg"]) == (12.3, None, None)
    assert (first["imo"], first["vessel_name"], first["call_sign"]) == (9074729, "SIM ALPHA", "SIM1")
    assert (first["ship_type"], first["nav_status"], first["length_m"], first["draught_m"]) == (70, 0, 120.0, 6.5)
    assert first["time_utc"] == datetime(2024, 5, 1, tzinfo=UTC)
    assert (first["source_row"], second["source_row"]) == (2, 4)
    assert (second["sog_kn"], second["imo"], second["length_m"], second["draught_m"]) == (None, None, None, None)
    assert (second["vessel_name"], second["ais_class"]) == ("SIM BRAVO, THE SECOND", "B")


def test_danish_latitude_91_is_a_ship_heard_without_a_place(fixtures: Path) -> None:
    """The message ends the silence; it must not put the ship at the pole. Dates are day-first although no row proves it."""
    positions, account = one(fixtures, "dma.csv")
    third = positions.row(by_predicate=pl.col("mmsi") == 999000003, named=True)
    assert (third["lat_deg"], third["lon_deg"]) == (None, None)
    assert third["time_utc"] == datetime(2023, 2, 1, 0, 0, 11, tzinfo=UTC)
    assert (third["vessel_name"], third["imo"], third["destination"]) == ('SIM "THE" GUARD', 9074729, "SIM PORT")
    second = positions.row(by_predicate=pl.col("mmsi") == 999000002, named=True)
    assert (second["ais_class"], second["ship_type"], second["nav_status"]) == ("B", 70, None)
    assert second["vessel_name"] == "SIM BRAVO"
    assert any("day-first, as the dialect declares" in note for note in account.notes)


def test_marinetraffic_speed_is_in_tenths_only_where_the_values_are_whole(fixtures: Path, tmp_path: Path) -> None:
    """123 in SPEED is 12.3 kn; the same header with 12.3 in it is another export, in knots."""
    positions, account = one(fixtures, "marinetraffic.csv")
    assert positions.sort("time_utc")["sog_kn"].to_list() == [12.3, None]
    assert any("sog_kn was multiplied by 0.1" in note for note in account.notes)
    other = tmp_path / "knots.csv"
    other.write_text(
        "MMSI,LAT,LON,SPEED,COURSE,HEADING,STATUS,TIMESTAMP\n999000001,42.1,130.2,12.3,93,90,0,2024-05-01T00:00:00\n"
    )
    delivery = ais.read([other])
    assert delivery.files[0].dialect == "plain"
    assert delivery.positions["sog_kn"].to_list() == [12.3]


def test_static_messages_carry_the_ship_and_no_place(fixtures: Path) -> None:
    """Type 5 of exactEarth, aisstream and NMEA gives name, IMO, length and draught."""
    for file in ("exactearth.csv", "aisstream.jsonl", "nmea.nmea"):
        positions, _ = one(fixtures, file)
        row = positions.row(by_predicate=pl.col("imo").is_not_null(), named=True)
        assert (row["mmsi"], row["imo"], row["length_m"], row["draught_m"]) == (999000001, 9074729, 120.0, 6.5), file
        assert (row["destination"], row["ship_type"], row["call_sign"]) == ("SIM PORT", 70, "SIM1"), file
        assert (row["lat_deg"], row["lon_deg"], row["ais_class"]) == (None, None, "A"), file


def test_zoned_times_are_converted_and_naive_ones_beside_them_refused(fixtures: Path) -> None:
    """09:00+09:00 is midnight UTC; a row without a zone among them is nobody's guess."""
    positions, _ = one(fixtures, "spire.csv")
    assert positions["time_utc"].to_list() == [
        datetime(2024, 5, 1, tzinfo=UTC),
        datetime(2024, 5, 1, 0, 0, 0, 500_000, tzinfo=UTC),
    ]


def test_ids_that_are_not_mmsis_stay_with_their_file(fixtures: Path) -> None:
    """Ship 1 of one export is not ship 1 of another: the key starts with the file's hash."""
    positions, account = one(fixtures, "plain.csv")
    assert positions["vessel_key"].to_list() == [f"id:{account.sha256[:12]}:1", f"id:{account.sha256[:12]}:2"]
    assert positions["mmsi"].null_count() == 2
    assert any("day-first, decided from all rows" in note for note in account.notes)


def test_decimal_commas_are_read_where_the_whole_file_shows_them(fixtures: Path) -> None:
    """`63,4` in a file of semicolons is 63.4 degrees, and the notes say so."""
    positions, account = one(fixtures, "kystverket.csv")
    assert positions["lat_deg"].to_list() == [63.4, 63.4]
    assert positions["lon_deg"].to_list() == [10.5125, 10.55]
    assert any("decimal commas" in note for note in account.notes)


def test_nmea_times_come_from_the_tag_block_of_the_first_part(fixtures: Path) -> None:
    """A message in two parts, with another between them, is one row at the line and time of its first part."""
    positions, account = one(fixtures, "nmea.nmea")
    static = positions.row(by_predicate=pl.col("imo").is_not_null(), named=True)
    assert (static["source_row"], static["time_utc"]) == (3, datetime(2024, 5, 1, 0, 1, tzinfo=UTC))
    first = positions.row(by_predicate=pl.col("source_row") == 2, named=True)
    assert (first["lat_deg"], first["lon_deg"], first["sog_kn"], first["cog_deg"]) == (42.1, 130.2, 12.3, 93.3)
    heard = positions.row(by_predicate=pl.col("mmsi") == 999000003, named=True)
    assert heard["lat_deg"] is None
    assert any("1 sentences are later parts" in note for note in account.notes)


def test_an_unknown_dialect_lists_those_there_are(fixtures: Path) -> None:
    """The user sees the next keystroke."""
    with pytest.raises(UsageError, match=r"no dialect 'danish'; known: .*dma.*spire"):
        one(fixtures, "dma.csv", "danish")


def test_parquet_reads_as_its_csv_twin(fixtures: Path, tmp_path: Path) -> None:
    """The same rows give the same table whatever the container of the columns."""
    source = fixtures / "dialects" / "marinecadastre_2025.csv"
    twin = tmp_path / "twin.parquet"
    pl.read_csv(source).write_parquet(twin)
    same = [c for c in tables.POSITIONS.names if c not in ("source_file", "source_row")]
    a, b = ais.read([source]), ais.read([twin])
    assert a.positions.select(same).equals(b.positions.select(same))
    assert b.files[0].n_rejected == a.files[0].n_rejected


def test_inspect_says_which_dialect_and_why_and_what_would_be_refused(fixtures: Path) -> None:
    """Before a run, the analyst sees the file as the tool sees it."""
    seen = inspect(fixtures / "dialects" / "dma.csv")
    assert (seen.dialect, seen.n_rows, seen.n_usable, seen.n_vessels) == ("dma", 5, 3, 3)
    assert "type_of_mobile" in seen.why
    assert seen.columns["# Timestamp"] == "time"
    assert "ROT" in seen.unknown
    assert [(r.rule, r.n_rows, r.example_row) for r in seen.rejects] == [
        ("header_repeat", 1, 6),
        ("mmsi_not_nine_digits", 1, 5),
    ]
    assert "Base Station" in seen.rejects[1].example_raw


def test_the_page_on_dialects_lists_every_rule(pytestconfig: pytest.Config) -> None:
    """Whoever finds a rule in `rejects` finds it in the documentation, and nothing there is invented."""
    page = (pytestconfig.rootpath / "docs" / "dialects.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`([a-z_]+)`", page.split("## Rules of rows")[1].split("\n## ")[0]))
    code = "".join(
        (pytestconfig.rootpath / "ghostships" / "readers" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("ais", "delimited", "jsonl", "messages", "nmea", "text", "times")
    )
    known = set(re.findall(r'(?:lit\(|reject\(row, |rule = |\(row, |odd\[|\d\), |return \[\], \w+, )"([a-z_]+)"', code))
    known |= set(re.findall(r'"([a-z_]+)" if ', code)) & listed | set(re.findall(r'else "([a-z_]+)"', code)) & listed
    used = {rule for story in STORIES for rule in story.rejected}
    assert used <= listed
    assert {rule for rule in listed if f'"{rule}"' not in code} == set()
    assert {rule for rule in known if rule.split("_")[0] in ("mmsi", "id", "time", "coord", "nmea")} <= listed
