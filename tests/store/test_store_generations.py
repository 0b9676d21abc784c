"""What a run writes is there afterwards, whole, and nothing else is."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_world import NOON, age, contents, night, one

from ghostships.errors import GhostshipsError, UsageError
from ghostships.store import Ref, Store, StoreHeld, manifests


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def test_what_was_committed_is_what_everybody_reads(store: Store, tmp_path: Path) -> None:
    """Another process opening the folder sees payload, refs and bytes exactly as given: for the next night."""
    made = night(store, 1)
    seen = Store.open(tmp_path / "store").current()
    assert seen == made
    assert seen.payload == {"night": 1} and seen.note == "1" and seen.made_utc == NOON + timedelta(days=1)
    assert store.read_bytes(one(seen, "positions")) == b"day 1" * 50
    assert store.fetch(one(seen, "gaps")).read_bytes() == b"gaps after night 1" * 70
    assert (one(seen, "positions").partition, one(seen, "positions").n_rows) == ("2024-03-01", 1)


def test_generations_form_a_chain_and_old_ones_stay_readable(store: Store) -> None:
    """A reader that pinned an older generation still gets every byte of it."""
    first = night(store, 1)
    before = contents(store, first)
    second = night(store, 2)
    assert [g.seq for g in store.generations()] == [1, 2] == store.seqs()
    assert (second.parent, second.parent_sha256, first.parent) == (1, first.sha256, None)
    assert contents(store, store.generation(1)) == before
    assert list(store.check()) == [] and store.notes() == []


def test_nothing_is_visible_before_the_commit_or_without_one(store: Store) -> None:
    """A run that stops before its commit publishes nothing; what it put is an orphan, not damage."""
    with store.writing("half a run") as draft:
        draft.put(b"x", table="positions", partition="2024-03-01")
        assert store.current() is None
    assert store.current() is None and list(store.check()) == []
    assert [note.what for note in store.notes()] == ["orphan"]


def test_the_same_content_is_stored_once_and_names_the_same_object(store: Store) -> None:
    """Content-named: a re-run puts the same bytes and gets the same ref, so that it equals the first run."""
    with store.writing("twice") as draft:
        refs = {draft.put(b"same", table="ports", partition="all") for _ in range(2)}
        outside = store.local_root.parent / "outside.parquet"  # type: ignore[union-attr]
        outside.write_bytes(b"same")
        refs.add(draft.put(outside, table="ports", partition="all"))
        assert outside.exists(), "a file from elsewhere is copied, not taken away"
        assert list(draft.workspace.iterdir()) == []
    assert len(refs) == 1


def test_an_object_that_rotted_is_healed_when_the_same_content_is_put_again(store: Store) -> None:
    """Right size, wrong bytes: putting the content again must not trust the name."""
    made = night(store, 1)
    path = store.fetch(one(made, "ports"))
    path.write_bytes(b"Ports" * 9)
    assert [problem.path for problem in store.check()] == [one(made, "ports").path]
    night(store, 2)
    assert list(store.check()) == []


def test_several_commits_in_one_writing_follow_each_other(store: Store) -> None:
    """A draft goes on after a commit, from what it committed."""
    with store.writing("two in a row") as draft:
        ref = draft.put(b"a", table="ports", partition="all")
        first = draft.commit({}, [ref], made_utc=NOON)
        second = draft.commit({"n": 2}, [ref], made_utc=NOON)
    assert (second.seq, second.parent, second.parent_sha256) == (2, 1, first.sha256)
    assert store.current() == second


def test_a_commit_refuses_an_object_that_is_not_there(store: Store) -> None:
    """A manifest never names what does not exist; the message says which object."""
    ghost = Ref(f"ports/all/{'0' * 64}.parquet", "0" * 64, 5)
    with store.writing("a mistake") as draft, pytest.raises(GhostshipsError, match=r"0000\.parquet: .*no such object"):
        draft.commit({}, [ghost], made_utc=NOON)
    assert store.current() is None


def test_a_number_taken_meanwhile_is_never_overwritten(store: Store) -> None:
    """Creating the manifest fails when the name exists: of two commits of one number, one is told that it lost."""
    with store.writing("slow") as draft:
        ref = draft.put(b"a", table="ports", partition="all")
        taken = manifests.encode(1, None, {"other": True}, [], made_utc=NOON, note="")
        (store.local_root / "manifests").mkdir(exist_ok=True)  # type: ignore[operator]
        (store.local_root / "manifests/00000001.json").write_bytes(taken)  # type: ignore[operator]
        with pytest.raises(StoreHeld, match="committed generation 1 meanwhile") as caught:
            draft.commit({}, [ref], made_utc=NOON)
    assert caught.value.exit_status == 75
    assert (store.current() or pytest.fail()).payload == {"other": True}


def test_a_file_system_without_hard_links_still_never_overwrites(store: Store) -> None:
    """exFAT and some network shares have no links: the commit works, and a taken name is still refused."""
    import errno

    from store_world import patched, raises

    with patched("link_new", lambda *_: raises(errno.EPERM)()):
        made = night(store, 1)
        assert store.current() == made
        with store.writing("late") as draft:
            (store.local_root / "manifests/00000002.json").write_bytes(b"")  # type: ignore[operator]
            with pytest.raises(StoreHeld):
                draft.commit({}, [], made_utc=NOON)


@pytest.mark.parametrize("damage", [None, b"", b"00000001 nonsense", b"00000000 " + b"0" * 64 + b" 0\n"])
def test_the_hint_is_only_a_hint(store: Store, damage: bytes | None) -> None:
    """CURRENT missing, torn or stale: readers see the newest generation, and the next run writes it again."""
    night(store, 1)
    stale = (store.local_root / "CURRENT").read_bytes()  # type: ignore[operator]
    made = night(store, 2)
    hint = store.local_root / "CURRENT"  # type: ignore[operator]
    for content in (damage, stale):
        hint.unlink() if content is None else hint.write_bytes(content)
        assert Store.open(store.local_root or "").current() == made
    assert list(store.check()) == [] and [note.what[:10] for note in store.notes()] == ["hint stale"]
    with store.writing("heals it"):
        pass
    assert store.notes() == []


@pytest.mark.parametrize("keep_bytes", [0, 1, 100, -1])
def test_a_torn_manifest_is_skipped_and_reported_and_its_number_not_given_again(store: Store, keep_bytes: int) -> None:
    """Readers go on from the newest whole generation; the damage is named; the next commit takes a new number."""
    first = night(store, 1)
    night(store, 2)
    path = store.local_root / "manifests/00000002.json"  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:keep_bytes])
    assert store.current() == first
    assert [problem.path for problem in store.damaged()] == ["manifests/00000002.json"]
    with pytest.raises(manifests.DamagedManifest, match=r"manifests/00000002\.json"):
        store.generation(2)
    third = night(store, 3)
    assert (third.seq, third.parent) == (3, 1)
    assert store.current() == third


def test_a_lost_newest_manifest_is_noticed_and_its_number_not_given_again(store: Store) -> None:
    """The hint is ahead of every manifest only when one was lost: that is damage, and history is not rewritten over it."""
    night(store, 1)
    night(store, 2)
    (store.local_root / "manifests/00000002.json").unlink()  # type: ignore[operator]
    assert [(p.path, p.what) for p in store.check()] == [("manifests/00000002.json", "the newest manifest is missing")]
    assert night(store, 3).seq == 3
    assert [(p.path, p.what) for p in store.check()] == [("manifests/00000002.json", "the manifest is missing")]


def test_a_folder_that_is_not_a_store_is_refused_by_name_and_left_alone(tmp_path: Path) -> None:
    """A typing error in `[paths] store` must not fill somebody's folder: the message says what is there."""
    (tmp_path / "thesis.doc").write_text("words")
    with pytest.raises(UsageError, match=r"not a store and not empty: it holds 'thesis\.doc'"):
        Store.open(tmp_path, create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]
    with pytest.raises(UsageError, match="cannot|no store|Not a directory|not a store"):
        Store.open(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty folder"):
        Store.open(tmp_path / "empty")
    with pytest.raises(GhostshipsError, match=r"thesis\.doc"):
        Store.open(tmp_path / "thesis.doc", create=True)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """An old program must not write into a layout that it does not know."""
    store = Store.open(tmp_path / "store", create=True)
    (tmp_path / "store/ghostships-store.json").write_text('{"format":2,"ghostships":"store"}\n')
    with pytest.raises(UsageError, match="format 2, this version reads 1"):
        Store.open(tmp_path / "store", create=True)
    assert store.current() is None


def test_a_lost_mark_does_not_hide_the_generations(tmp_path: Path) -> None:
    """One small file gone must not make years of data unreadable; it is reported, and made again by the next run."""
    made = night(Store.open(tmp_path / "store", create=True), 1)
    (tmp_path / "store/ghostships-store.json").unlink()
    store = Store.open(tmp_path / "store")
    assert store.current() == made and [p.path for p in store.check()] == ["ghostships-store.json"]
    assert list(Store.open(tmp_path / "store", create=True).check()) == []


def test_an_unknown_generation_names_those_that_exist(store: Store) -> None:
    """For whoever mistypes a number."""
    night(store, 1)
    with pytest.raises(UsageError, match="no generation 7; there are: 1"):
        store.generation(7)


def test_changed_bytes_are_never_handed_out(store: Store) -> None:
    """One bit off, anywhere, and `fetch` and `read_bytes` name the object, the expected and the found hash."""
    ref = one(night(store, 1), "positions")
    path = store.fetch(ref)
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)
    for read in (store.fetch, store.read_bytes):
        with pytest.raises(GhostshipsError, match=f"{ref.path}: SHA-256 is .*, expected {ref.sha256}"):
            read(ref)
    path.unlink()
    for read in (store.fetch, store.read_bytes):
        with pytest.raises(GhostshipsError, match=f"{ref.path}: the object is missing"):
            read(ref)


@given(
    payload=st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            st.lists,
            max_leaves=5,
        ),
    ),
    note=st.text(),
    offset_h=st.integers(-12, 14),
)
def test_a_manifest_gives_back_what_went_in(payload: dict[str, object], note: str, offset_h: int) -> None:
    """Any JSON the caller hands over comes back the same, and the same content gives the same bytes."""
    made = NOON.astimezone(timezone(timedelta(hours=offset_h)))
    data = manifests.encode(3, None, payload, [], made_utc=made, note=note)
    found = manifests.decode(data, seq=3)
    assert (found.payload, found.note, found.made_utc) == (json.loads(json.dumps(payload)), note, NOON)
    assert manifests.encode(3, None, found.payload, found.refs, made_utc=NOON, note=note) == data


def test_a_manifest_refuses_what_it_could_not_give_back() -> None:
    """No time without a zone, no NaN, no two contents of one object: programming errors, seen at once."""
    ref = Ref(f"ports/all/{'0' * 64}.parquet", "0" * 64, 5)
    for payload, refs, made in [
        ({}, [], datetime(2026, 1, 1)),  # noqa: DTZ001 - a time without a zone is what is refused
        ({"p": float("nan")}, [], NOON),
        ({}, [ref, Ref(ref.path, ref.sha256, 6)], NOON),
    ]:
        with pytest.raises(ValueError, match=r"zone|JSON|disagree|NaN|nan"):
            manifests.encode(1, None, payload, refs, made_utc=made, note="")


@pytest.mark.parametrize(
    "table, partition, suffix",
    [
        ("../up", "a", ".parquet"),
        ("a", "b/c", ".parquet"),
        ("manifests", "a", ".json"),
        ("a", "", ".x"),
        ("a", ".drafts", ".x"),
        ("a", "b", "parquet"),
        ("a", "b", "./x"),
    ],
)
def test_no_name_leads_out_of_the_store(store: Store, table: str, partition: str, suffix: str) -> None:
    """Names from outside never become paths: only plain words do."""
    with store.writing("careless") as draft, pytest.raises(ValueError, match="cannot be a name"):
        draft.put(b"x", table=table, partition=partition, suffix=suffix)
    assert store.notes() == []


def test_a_draft_is_of_no_use_after_its_block(store: Store) -> None:
    """The lock is gone by then."""
    with store.writing("over") as draft:
        pass
    with pytest.raises(RuntimeError, match="of use inside"):
        draft.put(b"x", table="a", partition="b")


def test_time_makes_no_difference_to_reading(store: Store) -> None:
    """Nothing depends on when files were written except what is collected."""
    made = night(store, 1)
    age(store, 400)
    assert store.current() == made and list(store.check()) == []
