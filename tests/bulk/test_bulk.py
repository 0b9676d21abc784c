"""Deliveries taken apart and put together again: the same rows make the same days, however they came, in little memory too."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import deliveries
import polars as pl
import pytest
import zstandard
from deliveries import csv_of, everything, little_memory, made_of, rows, split, told, without_source, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ghostships import tables
from ghostships.bulk import delivered, tasks
from ghostships.bulk.delivered import Split
from ghostships.bulk.files import DayFiles
from ghostships.bulk.traffic import of_days
from ghostships.readers import ais, containers
from ghostships.steps import days
from ghostships.traffic import Traffic

NAMES = ("positions", "hours", "statics", "lost")


def hashes(made: Sequence[DayFiles]) -> list[tuple[str, ...]]:
    """The bytes of every file of every day, as hashes."""
    return [tuple(hashlib.sha256(getattr(one, name).read_bytes()).hexdigest() for name in NAMES) for one in made]


PACKED = {
    "ais.csv.gz": lambda data: gzip.compress(data, mtime=0),
    "ais.csv.zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    "ais.zip": lambda data: zipped(("first.csv", csv_of(rows(20, seed=8))), ("ais.csv", data)),
}


# --- one delivery ---


@pytest.mark.parametrize("ids", [False, True])
def test_a_delivery_makes_the_days_that_its_rows_make_in_memory(tmp_path: Path, ids: bool) -> None:
    """The disk is only a place to wait: hours, static data, rows nobody believes and positions are those of all rows in memory,
    by the reader and the summary alone; so it is for ships known by ids of their own."""
    data = csv_of(rows(80, ids=ids), head=deliveries.OWN if ids else deliveries.HEAD)
    (tmp_path / "a.csv").write_bytes(data)
    wanted = Traffic.of_positions(deliveries.read([tmp_path / "a.csv"]))
    assert wanted.lost.height > 1
    assert wanted.hours["vessel_key"].str.starts_with("id:").all() == ids
    for name, flush in (("whole", 10**6), ("runs", 25)):
        with little_memory(flush=flush):
            found, made = made_of(tmp_path / name, ("a.csv", data))
            parts = split(tmp_path / f"{name}-parts", "a.csv", data).parts
        assert len(made) == 3
        assert_frame_equal(found.hours, wanted.hours)
        assert_frame_equal(found.lost, wanted.lost)
        assert_frame_equal(told(found), told(wanted))
        assert_frame_equal(everything(found), everything(wanted))
        # A part is a day already, had nothing else been delivered.
        assert hashes([part.files for part in parts]) == hashes(made)


def test_every_table_on_disk_obeys_its_declaration(tmp_path: Path) -> None:
    """Whoever reads the files of a day finds what `tables` promises, and static data numbered from 0 in every day."""
    with little_memory():
        _, made = made_of(tmp_path, ("a.csv", csv_of(rows(200))))
    declared = (tables.POSITIONS, tables.VESSEL_HOURS, tables.STATICS, tables.LOST)
    for one in made:
        for name, table in zip(NAMES, declared, strict=True):
            frame = pl.read_parquet(getattr(one, name), hive_partitioning=False).select(table.names)
            assert frame.height > 0 or name == "lost"
            kept, broken = tables.check(frame.cast(table.polars_schema), table)  # type: ignore[arg-type]
            assert broken.is_empty() and kept.height == frame.height
            assert frame.select(pl.struct(table.key).is_duplicated().any()).item() is False
        said = pl.read_parquet(one.statics)["said"]
        assert said.to_list() == list(range(len(said)))
        assert one.accepted == {pl.read_parquet(one.positions)["source_file"][0]: pl.read_parquet(one.positions).height}


def test_how_much_waits_in_memory_changes_no_byte(tmp_path: Path) -> None:
    """Runs on the disk, ranges of ships and row groups of another night's settings must give the same files."""
    data, found = csv_of(rows(120)), []
    for number, (flush, ranges, at_once) in enumerate(((10**6, 64, 10**6), (10, 5, 4), (37, 2, 50), (1, 9, 1))):
        with little_memory(flush=flush, ranges=ranges, at_once=at_once):
            taken = split(tmp_path / str(number), "a.csv", data)
        found.append((hashes([part.files for part in taken.parts]), taken.accounts[0].n_duplicate))
        assert not [p for p in (tmp_path / str(number) / "a.csv.parts").iterdir() if p.is_dir()], "runs left behind"
    assert found[0][1] > 10
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("order", ["mixed", "by ship"])
def test_rows_of_one_day_never_wait_in_memory_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """A file larger than memory must pass: what waits is bounded by the settings and not by the file, and so is what is put in
    order at once, here and when several parts become a day."""
    waiting, at_once = [], []
    take, make = delivered._Taken.take, days.make

    def watched(self: delivered._Taken, portion: object) -> None:
        take(self, portion)  # type: ignore[arg-type]
        waiting.append(sum(rows.height for one in self.days.values() for rows in one.rows))

    def counted(messages: pl.DataFrame, contents: pl.DataFrame) -> days.Day:
        at_once.append(messages.height)
        return make(messages, contents)

    monkeypatch.setattr(delivered._Taken, "take", watched)
    monkeypatch.setattr(days, "make", counted)
    told = rows(600, ships=60, days=1)
    data = csv_of(sorted(told) if order == "by ship" else told)
    with little_memory(flush=120, ranges=20, at_once=60, block=2000):
        made_of(tmp_path, ("a.csv", data), ("b.csv", data.replace(b"SIM", b"SYM")))
    assert len(waiting) > 20
    # Waiting: less than a flush, and the block that makes it one. At once: a range, and one more ship or cut of the runs, which
    # are ten times smaller than the day but never quite even.
    assert max(waiting) < 120 + 2000 / 40
    assert sum(at_once) > 2 * 1200
    assert max(at_once) < 60 + 660 / 4


# --- many deliveries ---


def partition(drawn: st.DataObject, lines_: list[str]) -> list[list[str]]:
    """The rows in any order, over one to four files, some of them in more than one."""
    shuffled = drawn.draw(st.permutations(lines_))
    n = drawn.draw(st.integers(1, 4))
    files: list[list[str]] = [[] for _ in range(n)]
    for number, line in enumerate(shuffled):
        mask = drawn.draw(st.integers(1, 2**n - 1)) if number % 5 == 0 else 1 << (number % n)
        for k in range(n):
            if mask >> k & 1:
                files[k].append(line)
    return [one for one in files if one]


@settings(max_examples=3)
@given(st.data(), st.integers(0, 10**6), st.booleans())
def test_any_files_with_the_same_rows_make_the_same_days(
    tmp_path_factory: pytest.TempPathFactory, drawn: st.DataObject, seed: int, is_little: bool
) -> None:
    """Law: how rows were spread over files, in which order, and how often, is no fact about ships. Only the columns that name
    files and rows may differ; what was said more than once is counted as duplicate, once each time."""
    folder = tmp_path_factory.mktemp("any")
    told_once = rows(30, seed=seed, days=2, ships=3)
    with little_memory(flush=10 if is_little else 10**6, at_once=10 if is_little else 10**6):
        one, _ = made_of(folder / "one", ("a.csv", csv_of(told_once)))
        files = partition(drawn, told_once)
        splits = [split(folder / "many", f"{n}.csv", csv_of(own)) for n, own in enumerate(files)]
        made = deliveries.days_of(folder / "many", [part for found in splits for part in found.parts])
        many = of_days(made)
    assert without_source(many.hours) == without_source(one.hours)
    assert_frame_equal(told(many), told(one))
    assert without_source(many.lost) == without_source(one.lost)
    assert without_source(everything(many)) == without_source(everything(one))
    read = sum(found.accounts[0].n_read for found in splits)
    assert read == sum(len(own) for own in files)
    kept = sum(n for day in made for n in day.accepted.values())
    assert kept == len(set(told_once))
    within_files = sum(found.accounts[0].n_duplicate for found in splits)
    assert within_files == sum(len(own) - len(set(own)) for own in files)
    # Of rows that say the same, that of the smallest file and row is kept.
    source = {hashlib.sha256(csv_of(own)).hexdigest()[:12]: own for own in files}
    first: dict[str, tuple[str, int]] = {}
    for name in sorted(source):
        for number, line in enumerate(source[name], start=2):
            first.setdefault(line, (name, number))
    lost_too = pl.concat([everything(many).select(deliveries.SOURCE), many.lost.select(deliveries.SOURCE)])
    assert sorted(lost_too.rows()) == sorted(first.values())


@settings(max_examples=2)
@given(st.permutations(range(4)), st.integers(0, 99))
def test_parts_in_any_order_and_twice_make_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], seed: int
) -> None:
    """A day is a pure function of its rows with their sources: which worker was done first leaves no trace in its files."""
    folder = tmp_path_factory.mktemp("order")
    lines_ = rows(40, seed=seed, days=1)
    with little_memory():
        parts = [p for k in range(4) for p in split(folder, f"{k}.csv", csv_of(lines_[k::4])).parts]
        first = deliveries.days_of(folder, parts)
        again = deliveries.days_of(folder, [*(parts[k] for k in order), parts[order[0]]])
    whole = deliveries.days_of(folder, parts)
    assert hashes(first) == hashes(again)
    # Row groups of another size are other bytes, but the same rows.
    assert_frame_equal(pl.read_parquet(first[0].positions), pl.read_parquet(whole[0].positions))


def test_a_zip_of_several_is_its_members_side_by_side(tmp_path: Path) -> None:
    """Every member is a delivery of its own: accounts by member, and the days of the same files unpacked."""
    lines_ = rows(60)
    members = [(f"{k}.csv", csv_of(lines_[k::3])) for k in range(3)]
    with little_memory():
        plain, made = made_of(tmp_path / "plain", *members)
        taken = split(tmp_path / "zip", "all.zip", zipped(*members, ("README.txt", b"about")))
        packed = deliveries.days_of(tmp_path / "zip", taken.parts)
    assert [account.path.partition("!")[2] for account in taken.accounts] == ["0:0.csv", "1:1.csv", "2:2.csv"]
    assert [account.n_read for account in taken.accounts] == [len(lines_[k::3]) for k in range(3)]
    assert hashes(packed) == hashes(made)
    assert_frame_equal(of_days(packed).hours, plain.hours)


@pytest.mark.parametrize("name", ["ais.jsonl", "ais.parquet"])
def test_other_formats_make_the_same_days(tmp_path: Path, name: str) -> None:
    """Records that are read whole go the same way to the days as lines that are not."""
    told = rows(80)
    records = pl.read_csv(csv_of(told), schema_overrides={"timestamp": pl.String})
    out = io.BytesIO()
    (records.write_ndjson if name.endswith("jsonl") else records.write_parquet)(out)
    with little_memory():
        found, _ = made_of(tmp_path / "other", (name, out.getvalue()))
        wanted, _ = made_of(tmp_path / "lines", ("a.csv", csv_of(told)))
    assert without_source(found.hours) == without_source(wanted.hours)
    assert without_source(everything(found)) == without_source(everything(wanted))
    assert found.lost.height == wanted.lost.height
    assert_frame_equal(deliveries.told(found), deliveries.told(wanted))


@pytest.mark.parametrize("is_little", [True, False])
def test_the_books_of_a_delivery_balance_with_its_bytes(tmp_path: Path, is_little: bool) -> None:
    """Rows read = accepted + duplicate + rejected, and rows read is the number of lines; every reject is on the disk with its
    bytes, and no other."""
    good, rng = rows(150), random.Random(2)
    bad = [row.replace("T", "X", 1) for row in good[:7]] + ["999,short", "999000001,2024-01-01T00:00:00Z,95,132,1,SIM,"]
    mixed = rng.sample([*good, *bad], len(good) + len(bad))
    data = csv_of(mixed)
    with little_memory(flush=10 if is_little else 10**6):
        taken = split(tmp_path, "a.csv", data)
    (account,) = taken.accounts
    assert account.n_read == data.count(b"\n") - 1 == len(mixed)
    assert account.n_accepted == len(set(good)) == sum(part.n_rows for part in taken.parts)
    assert account.n_duplicate == len(good) - len(set(good)) == sum(part.n_duplicates for part in taken.parts)
    assert account.n_rejected == {"time_format": 7, "field_count": 1, "coord_range": 1}
    assert taken.rejects is not None
    rejects = pl.read_parquet(taken.rejects)
    assert sorted(rejects["raw"]) == sorted(bad)
    assert [mixed[row - 2] for row in rejects["row"]] == rejects["raw"].to_list()
    assert set(rejects["file_sha256"]) == {hashlib.sha256(data).hexdigest()}


def test_a_file_of_two_encodings_is_read_anew_and_nothing_counted_twice(tmp_path: Path) -> None:
    """That a file is not UTF-8 shows in its middle: what was taken before is forgotten, on the disk too."""
    lines_ = rows(200)
    data = csv_of(lines_[:180]) + csv_of(lines_[180:]).split(b"\n", 1)[1].replace(b"SIM", b"S\xd8M")
    with little_memory():
        taken = split(tmp_path, "a.csv", data)
        found = of_days([part.files for part in taken.parts])
    assert taken.accounts[0].encoding == "latin-1 where not utf-8"
    assert taken.accounts[0].n_read == len(lines_)
    assert taken.accounts[0].n_accepted == found.hours["n_messages"].sum() + found.lost.height
    assert found.statics["vessel_name"].str.starts_with("SØM").any()


# --- damage, and being stopped ---


def rows_of(taken: Split) -> list[tuple[object, ...]]:
    """The rows of all parts; another byte in a file is another hash, so that is left out."""
    assert not any(account.refused for account in taken.accounts)
    return sorted((r for p in taken.parts for r in pl.read_parquet(p.path).drop("source_file").rows()), key=repr)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damage_anywhere_leaves_no_part_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    """The checksum stands at the end: rows of a damaged delivery had been on the disk already, and none may stay. Flips that the
    container does not see (a time in its header) leave the rows as they were."""
    deliveries.in_small_blocks(monkeypatch, 500, 200)
    monkeypatch.setattr(delivered, "FLUSH_ROWS", 20)
    packed = PACKED[name](csv_of(rows(100)))
    wanted = rows_of(split(tmp_path, name, packed))
    places = [*range(1, len(packed), max(1, len(packed) // 12)), len(packed) - 1, len(packed) - 5]
    n_refused = 0
    for number, at in enumerate(places):
        spoilt = packed[:at] if how == "cut" else packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
        taken = split(tmp_path / str(number), name, spoilt)
        refused = [account for account in taken.accounts if account.refused]
        if not refused:
            assert how == "flipped" and rows_of(taken) == wanted
            continue
        n_refused += 1
        assert len(taken.accounts) == len(refused) == 1
        assert not taken.parts and taken.rejects is None
        assert not [*(tmp_path / str(number) / f"{name}.parts").iterdir()]
        assert refused[0].n_bytes == len(spoilt)
        assert refused[0].sha256 == hashlib.sha256(spoilt).hexdigest()
    assert n_refused >= (len(places) if how == "cut" else 0.8 * len(places))


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKED)
def test_damage_at_any_byte_leaves_no_part_or_the_same_rows(tmp_path: Path, name: str) -> None:
    """The same for every byte of the data of a small delivery, cut there and flipped there."""
    packed = PACKED[name](csv_of(rows(5)))
    wanted = rows_of(split(tmp_path, name, packed))
    end = packed.find(b"PK\x01\x02") if name.endswith("zip") else len(packed)
    for at in range(1, end):
        cut, flipped = packed[:at], packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
        for how, spoilt in (("cut", cut), ("flipped", flipped)):
            taken = split(tmp_path / f"{how}-{at}", name, spoilt)
            if any(account.refused for account in taken.accounts):
                assert not taken.parts and not [*(tmp_path / f"{how}-{at}" / f"{name}.parts").iterdir()], (how, at)
            else:
                assert how == "flipped" and rows_of(taken) == wanted, (how, at)


def check_directory(tmp_path: Path, places: Iterable[int]) -> None:
    """Flip bytes of the directory of an archive of two, counted from its start: every row is there, or it is said which are not."""
    packed = PACKED["ais.zip"](csv_of(rows(20)))
    wanted, start = rows_of(split(tmp_path, "a.zip", packed)), packed.index(b"PK\x01\x02")
    for place in places or range(len(packed) - start):
        at = start + place
        spoilt = packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
        taken = split(tmp_path / str(place), "a.zip", spoilt)
        # A member whose name or attributes now say that it is hidden, a link or a note about the data is left out aloud.
        is_said = any("was not read" in note for account in taken.accounts for note in account.notes)
        assert is_said or any(account.refused for account in taken.accounts) or rows_of(taken) == wanted, place


def test_an_archive_that_lost_a_member_is_refused(tmp_path: Path) -> None:
    """The directory of a zip has no checksum: a longer comment (bytes 32 and 33 of an entry) takes in the entries behind it."""
    check_directory(tmp_path, [32, 33])


@pytest.mark.slow
def test_no_byte_of_the_directory_of_an_archive_loses_a_member_silently(tmp_path: Path) -> None:
    """The same for every byte."""
    check_directory(tmp_path, [])


@pytest.mark.parametrize("how", ["grown", "written over", "cut"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, how: str) -> None:
    """Somebody still copies it: half a file must not become a day."""
    path, work = tmp_path / "a.csv", tmp_path / "work"
    data = csv_of(rows(60))
    path.write_bytes(data)
    work.mkdir()

    def changed(_path: Path, _n_rows: int, _n_bytes: int) -> None:
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            with path.open("r+b") as file:
                if how == "cut":
                    file.truncate(len(data) // 2)
                else:
                    file.seek(0, 2 if how == "grown" else 0)
                    file.write(b"999000001")

    with little_memory():
        taken = delivered.split(path, work, progress=changed)
    assert [account.refused is not None and "changed" in account.refused for account in taken.accounts] == [True]
    assert not taken.parts
    assert not [*work.iterdir()]


def test_many_tiny_frames_are_read_in_their_time(tmp_path: Path) -> None:
    """Loggers append a gzip member or a zstd frame per message: 5000 of them take a second and not an hour, whole as one."""
    lines_ = rows(4600)
    for name, pack in (
        ("a.csv.gz", lambda line: gzip.compress(line, mtime=0)),
        ("a.csv.zst", zstandard.ZstdCompressor().compress),
    ):
        packed = b"".join(map(pack, [f"{deliveries.HEAD}\n".encode(), *(f"{line}\n".encode() for line in lines_)]))
        taken = split(tmp_path / name, name, packed)
        assert taken.accounts[0].refused is None
        assert taken.accounts[0].n_read == len(lines_) == 5060


class Stopped(Exception):
    """Somebody pressed the key."""


@pytest.mark.parametrize("name", ["a.csv", *PACKED])
def test_a_split_that_is_stopped_leaves_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    """What is half done is gone with its work folder, and the task leaves neither a draft nor a result that looks whole."""
    data = csv_of(rows(60))
    path, out = tmp_path / name, tmp_path / "out"
    path.write_bytes(PACKED.get(name, lambda whole: whole)(data))
    before = sorted(tmp_path.rglob("*"))
    calls = []

    def stop(_path: Path, n_rows: int, _n_bytes: int) -> None:
        calls.append(n_rows)
        if len(calls) == 5:
            raise Stopped

    with little_memory(block=300, flush=10), pytest.raises(Stopped):
        tasks.split(tasks.Delivery(path, out), progress=stop)
    assert sorted(tmp_path.rglob("*")) == before
    with little_memory():
        assert tasks.split(tasks.Delivery(path, out)).parts
        # Whoever does a task that is done keeps what is there.
        assert tasks.split(tasks.Delivery(path, out)).parts[0].path.is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "out"])


@pytest.mark.parametrize("name", ["a.csv", "ais.csv.gz", "ais.csv.zst"])
def test_progress_grows_up_to_the_size_of_the_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that goes backwards or stays short of its end is worse than none."""
    for constant in ("_READ_BYTES", "_PIECE_BYTES", "_GZIP_PIECE_BYTES", "_ZSTD_PIECE_BYTES"):
        monkeypatch.setattr(containers, constant, 100)
    data = csv_of(rows(100))
    pack = PACKED.get(name, lambda whole: whole)
    # Frames are unpacked whole, so that a file of one small frame is read at once.
    packed = b"".join(pack(data[k : k + 500]) for k in range(0, len(data), 500))
    path, work = tmp_path / name, tmp_path / "work"
    path.write_bytes(packed)
    work.mkdir()
    said: list[tuple[Path, int, int]] = []
    with little_memory(block=300):
        delivered.split(path, work, progress=lambda *given: said.append(given))
    assert {given[0] for given in said} == {path}
    n_rows, n_bytes = [given[1] for given in said], [given[2] for given in said]
    assert len(said) > 10
    assert n_rows == sorted(n_rows) and n_rows[-1] == 110
    assert n_bytes == sorted(n_bytes) and n_bytes[-1] == len(packed)
    assert n_bytes[0] < len(packed) / 2


def test_progress_of_an_archive_never_exceeds_its_size(tmp_path: Path) -> None:
    """The directory of a zip is read first and lies at its end; members follow one another."""
    path, work = tmp_path / "a.zip", tmp_path / "work"
    path.write_bytes(PACKED["ais.zip"](csv_of(rows(100))))
    work.mkdir()
    said: list[int] = []
    with little_memory(block=300):
        delivered.split(path, work, progress=lambda _path, _rows, n_bytes: said.append(n_bytes))
    assert said == sorted(said)
    assert 0 < said[0] <= said[-1] <= path.stat().st_size
    assert said[-1] > 0.8 * path.stat().st_size


@pytest.mark.slow
@settings(max_examples=60)
@given(st.data(), st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.booleans())
def test_any_files_and_any_settings_make_the_same_days(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: st.DataObject,
    seed: int,
    flush: int,
    ranges: int,
    at_once: int,
    ids: bool,
) -> None:
    """The law above with everything at once. Ships with ids of their own are ships of their file, so they stay in one."""
    folder = tmp_path_factory.mktemp("slow")
    lines_ = rows(60, seed=seed, ids=ids)
    head = deliveries.OWN if ids else deliveries.HEAD
    files = [lines_] if ids else partition(drawn, lines_)
    named = [(f"{n}.csv", csv_of(own, head=head)) for n, own in enumerate(files)]
    with little_memory(flush=flush, ranges=ranges, at_once=at_once):
        found, made = made_of(folder / "many", *named)
    wanted = Traffic.of_positions(deliveries.read([folder / "many" / name for name, _ in named]))
    assert_frame_equal(found.hours, wanted.hours)
    assert_frame_equal(found.lost, wanted.lost)
    assert_frame_equal(told(found), told(wanted))
    assert_frame_equal(everything(found), everything(wanted))
    delivery = ais.read([folder / "many" / name for name, _ in named])
    kept: dict[str, int] = {}
    for one in made:
        for source, n in one.accepted.items():
            kept[source] = kept.get(source, 0) + n
    assert kept == {a.sha256[:12]: a.n_accepted for a in delivery.files if a.n_accepted}
