"""Safeguards that could be taken away unnoticed until the mutation check tried: each has its test here."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import night_world
import pytest
from night_world import DAYS, Place

from ghostships import routes
from ghostships.errors import FileRefused
from ghostships.nights import audit, inbox
from ghostships.readers import containers
from ghostships.report import folder as report_folder
from ghostships.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

import sample  # noqa: E402 - a neighbour folder of the tests


def test_a_report_folder_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ghostships run`: every file and folder of the draft is synced before the swap, the folder above it after."""
    called: list[str] = []
    sync, swap = os.fsync, report_folder._swap

    def noting(handle: int) -> None:
        called.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        sync(handle)

    def swapping(draft: Path, target: Path) -> None:
        called.append("swap")
        wanted = {str(draft), *(str(path) for path in draft.rglob("*"))}
        assert wanted <= set(called)
        swap(draft, target)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(report_folder, "_swap", swapping)
    made = sample.empty()
    report_folder.publish(
        made,
        made.manifest,
        tmp_path / "out",
        route=routes.load("najin-primorye"),
        with_report=False,
        with_layers=False,
    )
    assert str(tmp_path.resolve()) in called[called.index("swap") :]


def test_a_delivery_that_grows_while_it_is_hashed_waits_for_the_next_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a day taken for a whole one would make everybody silent from noon on."""
    path = tmp_path / "ais.csv"
    path.write_bytes(b"first half\n")
    digest = hashlib.file_digest

    def slow(file: Any, name: str) -> Any:
        found = digest(file, name)
        with path.open("ab") as more:
            more.write(b"second half\n")
        return found

    monkeypatch.setattr(hashlib, "file_digest", slow)
    looked = inbox.look(tmp_path, now_utc=night_world.END, settle_s=0, seen={})
    assert looked.files == []
    assert [name for name, _ in looked.left] == ["ais.csv"]


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Its rows and its hash would be those of two different files."""
    path = tmp_path / "ais.csv"
    path.write_bytes(b"x" * 100)
    with pytest.raises(FileRefused, match="changed while it was read"), containers.opened(path) as found:
        (member,) = found.members
        assert b"".join(member.pieces()) == b"x" * 100
        path.write_bytes(b"y" * 101)


@pytest.mark.slow
def test_books_that_do_not_add_up_are_found(tmp_path: Path) -> None:
    """A row that is in no book: `store check` says which delivery, whoever wrote the generation."""
    place = Place(tmp_path / "place")
    for day in DAYS:
        place.put(f"ais_{day}.csv", night_world.of_day(day))
    with night_world.core_only():
        place.night()
    store = Store.open(place.store_root)
    assert list(audit.problems(store)) == []
    current = store.current()
    assert current is not None
    payload = current.payload
    sha256 = min(payload["deliveries"])
    payload["deliveries"][sha256]["streams"][0]["n_read"] += 1
    with store.writing("a run with a bug") as draft:
        draft.commit(payload, current.refs, made_utc=current.made_utc, note="wrong")
    assert {(one.path, one.what) for one in audit.problems(store)} == {
        (f"delivery {sha256[:12]}", "rows are not accounted for")
    }


def test_a_child_that_lives_on_does_not_hold_the_store(tmp_path: Path) -> None:
    """A worker forked during the night, still alive after it: the next night must not be refused."""
    store = Store.open(tmp_path / "store", create=True)
    # The child says that it lives, and goes on until it is told to end.
    (alive, lives), (end, told) = os.pipe(), os.pipe()
    with store.writing("the first"):
        child = os.fork()
        if child == 0:
            os.write(lives, b"x")
            os.read(end, 1)
            os._exit(0)
        os.read(alive, 1)
    try:
        with store.writing("the second"):
            pass
    finally:
        os.write(told, b"x")
        for number in (alive, lives, end, told):
            os.close(number)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
