"""Garbage goes, and nothing that anybody may still want."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_world import NOON, age, contents, night, one

from ghostships.errors import GhostshipsError
from ghostships.store import Generation, Store

LATER = timedelta(days=30)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def now() -> datetime:
    """The clock by which the file system dates files."""
    return datetime.now(UTC)


def test_only_what_the_current_generation_needs_is_left_in_the_end(store: Store) -> None:
    """Superseded manifests, replaced tables and orphans go; the current generation stays whole."""
    old_gaps = one(night(store, 1), "gaps")
    made = night(store, 2)
    with store.writing("given up") as draft:
        orphan = draft.put(b"orphan", table="positions", partition="2024-01-01")
    root = store.local_root
    assert root is not None
    removed = {gone.path: gone.why for gone in store.gc(now() + LATER)}
    assert removed == {
        "manifests/00000001.json": "superseded generation",
        old_gaps.path: "needed by no generation",
        orphan.path: "needed by no generation",
    }
    assert {p.relative_to(root).as_posix() for p in root.rglob("*.parquet")} == {ref.path for ref in made.refs}
    assert not (root / "positions/2024-01-01").exists(), "an empty partition goes too"
    assert store.seqs() == [2] and list(store.check()) == [] and store.notes() == []


def test_nothing_young_goes(store: Store) -> None:
    """A superseded generation stays a week, and so does an object that nobody needs: someone may be about to use it."""
    night(store, 1)
    night(store, 2)
    with store.writing("given up") as draft:
        draft.put(b"orphan", table="positions", partition="2024-01-01")
    assert store.gc(now() + timedelta(days=6.9)) == []
    assert store.gc(now() - LATER) == [], "a clock that runs behind removes nothing"
    assert len(store.gc(now() + timedelta(days=7.1), keep_generations=2)) == 1, "the orphan only"
    assert len(store.gc(now() + LATER, keep_days=60)) == 0


def test_a_reader_has_a_week_from_the_moment_its_generation_was_superseded(store: Store) -> None:
    """Pinned while current, however old it was by then: for the analyst who opens the store after a fortnight without runs."""
    pinned = night(store, 1)
    age(store, 14)
    with store.writing("runs again at last") as draft:
        draft.commit({}, [], made_utc=now())
    assert store.gc(now() + timedelta(days=6)) == []
    assert contents(store, pinned)
    assert {gone.path for gone in store.gc(now() + timedelta(days=8))} >= {
        "manifests/00000001.json",
        pinned.refs[0].path,
    }


def test_an_old_orphan_that_is_used_again_stays(store: Store) -> None:
    """The race of collector and writer: the lock keeps them apart, and what is used again is young again."""
    with store.writing("given up") as draft:
        ref = draft.put(b"used again", table="positions", partition="2024-01-01")
    age(store, 100)
    with store.writing("uses it again") as draft:
        assert draft.put(b"used again", table="positions", partition="2024-01-01") == ref
    assert store.gc(now()) == [], "put again an instant ago, though not committed yet"
    age(store, 100)
    with store.writing("uses it again") as draft:
        draft.put(b"used again", table="positions", partition="2024-01-01")
        draft.commit({}, [ref], made_utc=NOON)
    age(store, 100)
    assert store.gc(now()) == [] and list(store.check()) == []


def test_what_killed_runs_left_is_removed_and_foreign_files_are_not(store: Store) -> None:
    """Unfinished files go at once, for the lock says that their owner is dead; a README of the administrator stays."""
    root = store.local_root
    assert root is not None
    (root / ".drafts/99999-1").mkdir(parents=True)
    (root / ".drafts/99999-1/put-1").write_bytes(b"half a fi")
    (root / "README").write_text("mine")
    (root / "positions/notes").mkdir(parents=True)
    (root / "positions/notes/mine.txt").write_text("mine")
    assert {note.what for note in store.notes()} == {"left by a run that has ended or still writes", "not of the store"}
    assert [(gone.path, gone.why) for gone in store.gc(now() + LATER)] == [
        (".drafts/99999-1/put-1", "left by a run that was killed")
    ]
    assert (root / "README").exists() and (root / "positions/notes/mine.txt").exists()


def test_nothing_is_removed_while_a_kept_manifest_is_damaged(store: Store) -> None:
    """What a damaged manifest needs is not known; it may be restored from a backup yet."""
    night(store, 1)
    night(store, 2)
    path = (store.local_root or Path()) / "manifests/00000002.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(GhostshipsError, match=r"manifests/00000002\.json.*nothing was removed"):
        store.gc(now() + LATER)
    path.write_bytes(whole)
    assert list(store.check()) == []


def test_a_damaged_manifest_goes_when_it_would_have_gone_whole(store: Store) -> None:
    """Damage in a generation that is long superseded does not stop collections for ever."""
    for number in (1, 2, 3):
        night(store, number)
    ((store.local_root or Path()) / "manifests/00000002.json").write_bytes(b"")
    store.gc(now() + LATER)
    assert store.seqs() == [3] and list(store.check()) == []


def test_a_full_disk_does_not_stop_the_collection(store: Store) -> None:
    """Making room must not need room: only removals, no new file."""
    from store_world import FULL, patched, raises

    night(store, 1)
    night(store, 2)
    fail = raises(FULL)
    with (
        patched("write_new", lambda *_: fail()),
        patched("mkdir", lambda *_: fail()),
        patched("write_over", lambda *_: fail()),
    ):
        assert len(store.gc(now() + LATER)) == 2


@dataclass
class Pin:
    """A reader that took a generation while it was current."""

    generation: Generation
    at_day: float


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.sets(st.integers(0, 5), max_size=4)),
        st.tuples(st.just("give up"), st.sets(st.integers(0, 5), max_size=3)),
        st.tuples(st.just("wait"), st.integers(1, 9)),
        st.tuples(st.just("collect"), st.integers(1, 3)),
        st.tuples(st.just("pin"), st.none()),
    ),
    max_size=14,
)


@given(steps=STEPS)
@settings(max_examples=25)
def test_no_sequence_of_runs_and_collections_takes_what_a_reader_may_want(steps: list[tuple[str, object]]) -> None:
    """Whatever order things happen in: the current generation is whole, pinned ones are for 7 days, kept ones are by the rule.

    The days of the files are set to a calendar of our own; a generation must stay while its successor is less than 7 days old,
    and the newest few in any case.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "store")
        store, day = Store.open(root, create=True), 0.0
        pins: list[Pin] = []
        committed: dict[int, tuple[float, set[int]]] = {}

        def date_new_files() -> None:
            for path in root.rglob("*"):
                if path.is_file() and path.stat().st_mtime < (NOON + timedelta(days=900)).timestamp():
                    dated = (NOON + timedelta(days=1000 + day)).timestamp()
                    os.utime(path, (dated, dated))

        for step, detail in steps:
            if step == "wait":
                assert isinstance(detail, int)
                day += detail
            elif step == "pin" and (current := store.current()):
                pins.append(Pin(current, day))
            elif step in {"commit", "give up"}:
                assert isinstance(detail, set)
                with store.writing("a run") as draft:
                    refs = [draft.put(b"%d" % n, table="positions", partition=f"day-{n}") for n in sorted(detail)]
                    if step == "commit":
                        made = draft.commit({}, refs, made_utc=NOON + timedelta(days=1000 + day))
                        committed[made.seq] = (day, detail)
            elif step == "collect":
                assert isinstance(detail, int)
                store.gc(NOON + timedelta(days=1000 + day), keep_generations=detail)
                expected = {
                    seq for seq in committed if seq > max(committed) - detail or committed[seq + 1][0] >= day - 7
                }
                assert set(store.seqs()) == expected
            date_new_files()
            assert list(store.check()) == []
            found = store.current()
            assert (found.seq if found else None) == max(committed, default=None)
            for pin in pins:
                if day - pin.at_day <= 7:
                    contents(store, pin.generation)
        store.gc(NOON + timedelta(days=9000))
        left = {path.parent.name for path in root.rglob("*.parquet")}
        assert left == {f"day-{n}" for n in (committed[max(committed)][1] if committed else ())}
