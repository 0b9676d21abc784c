"""Where every row of every file went: the books of a whole intake, against a count of lines and the reader alone."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import deliveries
import polars as pl
import pytest
from deliveries import csv_of, everything, little_memory, rows, told
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ghostships import intake, routes
from ghostships.readers import ais
from ghostships.traffic import Traffic

pytestmark = pytest.mark.slow

ONE, OTHER = rows(40, days=2), rows(30, seed=2, days=2)
BAD = ["bad", "999,short,row"]
A, B = csv_of([*ONE, *BAD]), csv_of([*OTHER, *BAD[:1]])
CASES: dict[str, list[tuple[str, bytes]]] = {
    "one": [("a.csv", A)],
    "two": [("a.csv", A), ("b.csv", B)],
    "a file twice": [("a.csv", A), ("b.csv", B), ("again.csv", A)],
    "a member twice": [("a.zip", deliveries.zipped(("a.csv", A), ("again.csv", A)))],
    "a member twice beside another": [("a.zip", deliveries.zipped(("a.csv", A), ("b.csv", B), ("again.csv", A)))],
    "a member that was a file": [("a.csv", A), ("a.zip", deliveries.zipped(("again.csv", A), ("b.csv", B)))],
    "an archive twice": [(f"{n}.zip", deliveries.zipped(("a.csv", A), ("b.csv", B))) for n in "ab"],
    "other words for the same": [("a.csv", A), ("a.csv.gz", gzip.compress(A, mtime=0)), ("c.csv", A + b"\n")],
    "a ship without a number": [("a.csv", A), ("own.csv", csv_of(rows(20, ids=True), head=deliveries.OWN))],
    "a refused file": [
        ("no.csv", b"this is\nno table\n"),
        ("a.csv", A),
        ("cut.csv.gz", gzip.compress(B, mtime=0)[:-9]),
    ],
    "a file without a usable row": [("bad.csv", csv_of(BAD)), ("a.csv", A)],
}


def read(folder: Path, files: Sequence[tuple[str, bytes]]) -> tuple[intake.Intake, list[Path]]:
    """The files, written, and all of them taken in."""
    work = folder / "work"
    work.mkdir(parents=True)
    paths = [folder / name for name, _ in files]
    for path, (_, data) in zip(paths, files, strict=True):
        path.write_bytes(data)
    empty: dict[str, list[Path]] = {"sighting_files": [], "scene_files": [], "vessel_files": []}
    with little_memory(block=2000):
        found = intake.read(paths, **empty, dialect=None, route=routes.load(), work=work)  # type: ignore[arg-type]
        # Positions are fetched as long as the work folder stands.
        everything(found.traffic)
    return found, paths


def check(found: intake.Intake, paths: list[Path]) -> None:
    """Books, rows and rejects are those of the reader alone, which holds everything in memory."""
    wanted = ais.read(paths)
    books = [(e.path, e.sha256, e.rows_read, e.accepted, e.duplicate, dict(e.rejected)) for e in found.entries]
    assert books == [
        (f.path, f.sha256, f.n_read, f.n_accepted, f.n_duplicate, dict(f.n_rejected)) for f in wanted.files
    ]
    assert [bool(e.refused) for e in found.entries] == [f.refused is not None for f in wanted.files]
    for entry in found.entries:
        assert entry.rows_read == entry.accepted + entry.duplicate + sum(entry.rejected.values())
    in_memory = Traffic.of_positions(wanted.positions)
    assert_frame_equal(found.traffic.hours, in_memory.hours)
    assert_frame_equal(found.traffic.lost, in_memory.lost)
    assert_frame_equal(told(found.traffic), told(in_memory))
    assert_frame_equal(everything(found.traffic), everything(in_memory))
    accepted = sum(entry.accepted for entry in found.entries)
    assert accepted == found.traffic.hours["n_messages"].sum() + found.traffic.lost.height == wanted.positions.height
    key = ["file_sha256", "row", "rule", "raw"]
    assert_frame_equal(found.rejects.sort(key), wanted.rejects.sort(key))


@pytest.mark.parametrize("case", CASES)
def test_the_books_of_all_files_are_those_of_the_reader_alone(tmp_path: Path, case: str) -> None:
    """What was delivered twice, as a file, a member, or row by row, counts once, and never not at all."""
    found, paths = read(tmp_path, CASES[case])
    check(found, paths)
    assert found.traffic.hours["n_messages"].sum() + found.traffic.lost.height >= len(set(ONE))


def test_rows_read_are_the_lines_of_the_file(tmp_path: Path) -> None:
    """Counted from the bytes by hand."""
    found, _ = read(tmp_path, CASES["two"])
    assert [entry.rows_read for entry in found.entries] == [A.count(b"\n") - 1, B.count(b"\n") - 1]
    assert found.rejects["raw"].to_list().count("bad") == 2
    assert [entry.accepted for entry in found.entries] == [len(set(ONE)), len(set(OTHER))]


@pytest.mark.parametrize("case", ["two", "a file twice", "a member that was a file"])
def test_rows_refused_late_are_brought_back_with_their_bytes(tmp_path: Path, case: str) -> None:
    """What the analysis refuses has its line in rejects, from the right file, and leaves the count of accepted rows."""
    found, _ = read(tmp_path, CASES[case])
    before = sum(entry.accepted for entry in found.entries)
    late = found.traffic.lost.select(
        pl.col("source_file").alias("file_sha256"), pl.col("source_row").alias("row"), "rule", pl.lit("").alias("raw")
    )
    assert late.height > 1
    settled = found.settle(pl.concat([found.rejects, late]))
    assert sum(entry.accepted for entry in found.entries) == before - late.height
    raw = settled.filter(pl.col("rule") == "null_island")
    assert raw.height == late.height
    assert raw["raw"].str.contains(",0.0001,0.0002,", literal=True).all()
    lines = {entry.sha256: entry for entry in found.entries}
    assert set(raw["file_sha256"]) <= set(lines)
    for entry in found.entries:
        assert entry.rows_read == entry.accepted + entry.duplicate + sum(entry.rejected.values())


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from([*ONE, *BAD]), min_size=1, max_size=12), min_size=1, max_size=5), st.booleans()
)
def test_the_books_of_any_files_are_those_of_the_reader_alone(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[list[str]], is_packed: bool
) -> None:
    """The same for files that share rows in any way, side by side or in one archive."""
    files = [(f"{n}.csv", csv_of(own)) for n, own in enumerate(drawn)]
    given_files = [("all.zip", deliveries.zipped(*files))] if is_packed else files
    check(*read(tmp_path_factory.mktemp("books"), given_files))
