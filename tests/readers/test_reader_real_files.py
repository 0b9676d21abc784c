"""The real files beside the checkout: rows counted by other means, and every one accounted for."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from pathlib import Path

import msgpack
import polars as pl
import pytest

from ghostships.readers import ais

pytestmark = pytest.mark.real


def n_lines(path: Path) -> int:
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return raw.count(b"\n") + (not raw.endswith(b"\n"))


def account(delivery: ais.AisDelivery, name: str) -> ais.FileAccount:
    return next(f for f in delivery.files if Path(f.path).name == name)


@pytest.mark.parametrize(
    ("file", "dialect", "n_vessels"),
    [
        ("suez/boat-positions.csv", "plain", 256),
        ("pelagos/raw_1_3_10k_points.csv.gz", "pelagos", 4),
        ("marinecadastre/noaa_test_track.csv", "noaa_extract", 1),
        ("marinecadastre/test_data_noaa_20230101.csv", "marinecadastre", None),
    ],
)
def test_tables_lose_no_line(file: str, dialect: str, n_vessels: int | None, shared: Path) -> None:
    """Lines of the file, less its header, are the rows read."""
    path = shared / "data" / file
    found = ais.read([path]).files[0]
    assert (found.refused, found.dialect, found.n_read) == (None, dialect, n_lines(path) - 1)
    if n_vessels is not None:
        assert found.n_vessels == n_vessels


def test_the_suez_export_is_day_first_and_has_22287_rows(shared: Path) -> None:
    """Published: 22 287 positions of 256 ships from 20 to 24 March 2021; repeated rows are counted, not lost."""
    found = ais.read([shared / "data" / "suez" / "boat-positions.csv"])
    raw = (shared / "data" / "suez" / "boat-positions.csv").read_bytes().splitlines()[1:]
    assert found.files[0].n_read == 22_287
    assert found.positions.height == len(set(raw))
    assert found.files[0].n_duplicate == len(raw) - len(set(raw))
    assert (found.positions["time_utc"].min(), found.positions["time_utc"].max()) == (
        datetime(2021, 3, 20, 0, 0, tzinfo=UTC),
        datetime(2021, 3, 24, 12, 52, tzinfo=UTC),
    )
    assert found.positions["lat_deg"].is_between(27, 34).all()


def test_the_gpsdio_folder_reads_whole_and_its_labelled_twin_adds_nothing(shared: Path) -> None:
    """JSON lines and msgpack by independent counts; the file with segment labels holds the same track once more."""
    folder = shared / "data" / "gpsdio_segment"
    delivery = ais.read(ais.expand([str(folder)]))
    assert {f.dialect for f in delivery.files} == {"gfw_messages"}
    for path in folder.glob("*.json"):
        assert account(delivery, path.name).n_read == n_lines(path)
    for path in folder.glob("*.msg.gz"):
        n_records = sum(1 for _ in msgpack.Unpacker(io.BytesIO(gzip.decompress(path.read_bytes()))))
        assert account(delivery, path.name).n_read == n_records
    plain, labelled = (account(delivery, name) for name in ("416000000.json", "segmented-416000000.json"))
    assert plain.n_accepted + labelled.n_accepted == plain.n_read - min(plain.n_duplicate, labelled.n_duplicate)
    assert delivery.rejects.is_empty()
    heard = delivery.positions.filter(pl.col("lat_deg").is_null() & (pl.col("mmsi") == 338013000))
    assert heard.height > 0


def test_the_nmea_streams_account_for_every_sentence(shared: Path) -> None:
    """Sentences in the file are messages read plus the later parts of messages."""
    delivery = ais.read(ais.expand([str(shared / "data" / "nmea")]))
    stream = account(delivery, "stream_example.txt")
    raw = (shared / "data" / "nmea" / "stream_example.txt").read_bytes()
    n_later_parts = int(next(n for n in stream.notes if "later parts" in n).split()[0])
    assert stream.n_read + n_later_parts == raw.count(b"\n!") + raw.startswith(b"!")
    assert stream.span_start_utc is not None and stream.span_end_utc is not None
    # The first and last $PGHP lines of the file, by eye.
    assert stream.span_start_utc.replace(microsecond=0) == datetime(2010, 6, 11, 11, 46, 10, tzinfo=UTC)
    assert stream.span_end_utc.replace(microsecond=0) == datetime(2010, 6, 11, 11, 46, 38, tzinfo=UTC)
    assert account(delivery, "spire-test.nmea").n_rejected == {"tag_block_checksum": 4}
    assert account(delivery, "ee-multiline.nmea").n_accepted == 8


def test_the_sample_heads_of_every_dialect_are_recognised(shared: Path) -> None:
    """Published samples, not lines of our own making."""
    found = {
        Path(f.path).name.split("_")[0]: f for f in ais.read(ais.expand([str(shared / "data" / "dialects")])).files
    }
    assert {name: f.dialect for name, f in found.items()} == {
        "aisstream": "aisstream",
        "dma": "dma",
        "ieee": "ieee_baltic",
        "kystverket": "nmea",
        "marinecadastre": "marinecadastre_2025",
    }
    assert all(f.refused is None and f.n_accepted for f in found.values())
    assert found["dma"].n_rejected == {"mmsi_not_nine_digits": 1}


def test_the_order_of_the_files_changes_nothing(shared: Path) -> None:
    """The same deliveries named in another order give the same tables, byte for byte."""
    paths = ais.expand([str(shared / "data" / name) for name in ("nmea", "marinecadastre", "dialects")])
    one, two = ais.read(paths), ais.read(paths[::-1])
    assert one.positions.equals(two.positions)
    assert one.rejects.equals(two.rejects)
