"""Deliveries come back byte for byte, or not at all."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from store_world import NOON

from ghostships.errors import GhostshipsError
from ghostships.store import Ref, Store, raw


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def keep(store: Store, path: Path) -> Ref:
    """A delivery kept and committed."""
    with store.writing("keeps") as draft:
        ref = draft.keep_raw(path)
        draft.commit({}, [ref], made_utc=NOON)
    return ref


@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=random.Random(1).randbytes(3 * 2**20))
@example(data=b"a,b\n" * 2**20)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_a_kept_delivery_comes_back_byte_for_byte(store: Store, tmp_path: Path, data: bytes) -> None:
    """`explain --raw` prints the original lines: whatever came, empty files included."""
    path = tmp_path / "delivery"
    path.write_bytes(data)
    ref = keep(store, path)
    assert (ref.path, ref.original_n_bytes) == (f"raw/{hashlib.sha256(data).hexdigest()}.zst", len(data))
    with store.raw(ref) as original:
        assert original.read() == data
    restored = tmp_path / "restored"
    restored.unlink(missing_ok=True)
    store.restore_raw(ref, restored)
    assert restored.read_bytes() == data
    assert list(store.check()) == []


def test_the_stored_form_is_a_plain_zstd_file(store: Store, tmp_path: Path) -> None:
    """Anybody can unpack it with the `zstd` command, without us."""
    path = tmp_path / "delivery.csv"
    path.write_bytes(b"MMSI,TIME\n" * 500)
    stored = store.fetch(keep(store, path)).read_bytes()
    assert zstandard.ZstdDecompressor().decompressobj().decompress(stored) == path.read_bytes()
    assert len(stored) < 200


def test_keeping_the_same_delivery_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    """Deterministic: the same bytes give the same ref, under whatever name they come."""
    (tmp_path / "a.csv").write_bytes(b"x,y\n" * 1000)
    (tmp_path / "b.csv").write_bytes(b"x,y\n" * 1000)
    assert keep(store, tmp_path / "a.csv") == keep(store, tmp_path / "b.csv")


def test_a_delivery_that_grew_while_it_was_read_is_refused(store: Store, tmp_path: Path) -> None:
    """Row numbers refer to the bytes that were read: other bytes must not be kept in their name."""
    path = tmp_path / "delivery.csv"
    path.write_bytes(b"one line\n")
    read = hashlib.sha256(b"one").hexdigest()
    with store.writing("keeps") as draft, pytest.raises(GhostshipsError, match="changed while it was read") as caught:
        draft.keep_raw(path, expected_sha256=read)
    assert str(caught.value).startswith(str(path)) and store.notes() == []


def test_another_version_of_zstd_does_not_disown_what_older_generations_know(store: Store, tmp_path: Path) -> None:
    """The compressed bytes may differ from version to version: the ones that were committed stay, and stay valid."""
    path = tmp_path / "delivery.csv"
    path.write_bytes(b"x,y\n" * 1000)
    before = raw.LEVEL
    raw.LEVEL = 19
    try:
        first = keep(store, path)
    finally:
        raw.LEVEL = before
    second = keep(store, path)
    assert second == first and list(store.check()) == []


@pytest.mark.parametrize(
    "change, words", [("cut", "ends before"), ("longer", "goes on after"), ("other", "unpacks to SHA-256")]
)
def test_a_stored_delivery_that_was_changed_is_never_unpacked_as_whole(
    store: Store, tmp_path: Path, change: str, words: str
) -> None:
    """Even with a ref that vouches for the changed bytes: to the end of the frame (whose last bytes are its own checksum), not
    beyond, and the original's SHA-256 must come out."""
    path = tmp_path / "delivery.csv"
    path.write_bytes(random.Random(2).randbytes(5000))
    ref = keep(store, path)
    stored = store.fetch(ref).read_bytes()
    other = zstandard.ZstdCompressor().compress(b"forged")
    forged = {"cut": stored[:-3], "longer": stored + b"x", "other": other}[change]
    with store.writing("forges") as draft:
        stand_in = draft.put(forged, table="raw", partition="forged", suffix=".zst")
    wrong = Ref(stand_in.path, stand_in.sha256, stand_in.n_bytes, None, ref.original_sha256, ref.original_n_bytes)
    with pytest.raises(GhostshipsError, match=words):
        store.raw(wrong)


def test_only_deliveries_can_be_unpacked(store: Store) -> None:
    """A table is not a delivery; the message says so."""
    with store.writing("x") as draft:
        ref = draft.put(b"x", table="ports", partition="all")
    with pytest.raises(GhostshipsError, match="not a kept delivery"):
        store.raw(ref)


def test_a_rotten_copy_is_replaced_when_the_delivery_comes_again(store: Store, tmp_path: Path) -> None:
    """Delivered again, the original heals what the disk has spoilt."""
    path = tmp_path / "delivery.csv"
    path.write_bytes(b"x,y\n" * 1000)
    stored = store.fetch(keep(store, path))
    stored.write_bytes(stored.read_bytes()[:-3] + b"abc")
    assert len(list(store.check())) == 1
    keep(store, path)
    assert list(store.check()) == []
