"""Every flipped bit and every cut in a store is found by `check` (F6)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from store_world import night

from ghostships.store import Store

pytestmark = pytest.mark.slow


def damage(path: Path, rng: random.Random) -> str:
    """Flip one bit of a file, or cut it short."""
    data = bytearray(path.read_bytes())
    if rng.random() < 0.25:
        keep = rng.randrange(len(data))
        path.write_bytes(data[:keep])
        return f"{path.name} cut to {keep} of {len(data)} bytes"
    bit = rng.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return f"bit {bit} of {path.name} flipped"


def undetected(tmp_path: Path, n: int) -> list[str]:
    """What `check` did not find, of so many damages to objects, manifests, hint and mark."""
    delivery = tmp_path / "delivery.csv"
    delivery.write_bytes(b"999000001,2019-03-03T00:00:00Z,42.62,132.96\n" * 40)
    whole = tmp_path / "whole"
    store = Store.open(whole, create=True)
    for number in (1, 2, 3):
        made = night(store, number, delivery)
    files = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file() and path.name != "LOCK"]
    assert len(files) == 13, "seven objects, one delivery, three manifests, hint and mark"
    rng, missed = random.Random(6), []
    for number in range(n):
        # Every kind of file comes up, the large ones no more often than the small.
        path = whole / files[number % len(files)]
        before = path.read_bytes()
        what = damage(path, rng)
        hurt = Store.open(whole)
        if not list(hurt.check()):
            missed.append(what)
        if path.name in {"CURRENT", "ghostships-store.json"}:
            assert hurt.current() == made, f"{what}: readers depend on neither"
        path.write_bytes(before)
        assert list(hurt.check()) == [], f"{what}: found although it was undone"
    return missed


def test_five_hundred_of_five_hundred_damages_are_found(tmp_path: Path) -> None:
    """Every flipped bit and every cut: for whoever must swear that the evidence is as it was written."""
    assert undetected(tmp_path, 500) == []


def test_a_manifest_under_another_name_is_found(tmp_path: Path) -> None:
    """Files swapped by hand carry valid checksums, but not the right number."""
    store = Store.open(tmp_path / "store", create=True)
    night(store, 1)
    night(store, 2)
    folder = tmp_path / "store/manifests"
    (folder / "00000001.json").write_bytes((folder / "00000002.json").read_bytes())
    assert [p.path for p in store.check()] == ["manifests/00000001.json"]


def test_a_parent_replaced_by_another_history_is_found(tmp_path: Path) -> None:
    """Each generation names its parent's checksum: a whole manifest of another store does not fit in."""
    for name in ("one", "other"):
        store = Store.open(tmp_path / name, create=True)
        night(store, 1 if name == "one" else 4)
        night(store, 2)
    source, target = tmp_path / "other/manifests/00000001.json", tmp_path / "one/manifests/00000001.json"
    target.write_bytes(source.read_bytes())
    found = {(p.path, p.what) for p in Store.open(tmp_path / "one").check()}
    assert ("manifests/00000002.json", "the parent is not the one it was made from") in found


def test_a_missing_object_is_named_once_with_its_hash(tmp_path: Path) -> None:
    """For whoever restores it from a backup."""
    store = Store.open(tmp_path / "store", create=True)
    night(store, 1)
    ref = night(store, 2).table("ports")[0]
    (tmp_path / "store" / ref.path).unlink()
    (problem,) = store.check()
    assert (problem.path, problem.what, problem.expected) == (ref.path, "the object is missing", ref.sha256)
