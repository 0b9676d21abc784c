"""One writer at a time, and a lock that never outlives its process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from store_world import NOON, night

from ghostships.errors import GhostshipsError
from ghostships.store import Store, StoreHeld

HOLDER = """
import os, sys, time
from ghostships.store import Store
with Store.open(sys.argv[1]).writing("a run that hangs"):
    if sys.argv[2] == "with a child" and os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def test_a_second_writer_is_told_who_holds_the_store(store: Store) -> None:
    """Exit status 75 and one line with process, machine and time: for the person who finds the nightly run did not start."""
    with store.writing("ghostships nightly"), pytest.raises(StoreHeld) as caught, store.writing("another"):
        pytest.fail("two writers at once")
    assert caught.value.exit_status == 75
    words = rf"ghostships nightly \(pid {os.getpid()} on .+ since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)"
    assert re.search(words, str(caught.value)), str(caught.value)
    with store.writing("another"):
        pass


def test_collecting_garbage_needs_the_lock_too(store: Store) -> None:
    """A collection beside a writer could take what it is about to use."""
    with store.writing("ghostships nightly"), pytest.raises(StoreHeld):
        store.gc(NOON)


def test_readers_need_no_lock(store: Store) -> None:
    """An analyst opens the store while the night runs."""
    made = night(store, 1)
    with store.writing("ghostships nightly"):
        assert store.current() == made and list(store.check()) == []


def test_an_error_in_the_block_lets_go_of_the_store(store: Store) -> None:
    """A failed run leaves no lock and no unfinished files behind."""
    with pytest.raises(ZeroDivisionError), store.writing("fails") as draft:
        (draft.workspace / "half.parquet").write_bytes(b"x")
        raise ZeroDivisionError
    assert store.notes() == []
    night(store, 1)


@pytest.mark.parametrize("company", ["alone", "with a child"])
def test_the_lock_dies_with_its_process(store: Store, company: str) -> None:
    """kill -9 frees the store at once, even when a child that the run had forked lives on; no file has to be removed by hand."""
    # A group of its own, so that the child which outlives it can be ended too.
    command = [sys.executable, "-c", HOLDER, str(store.local_root), company]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreHeld, match=rf"a run that hangs \(pid {process.pid} "), store.writing("next"):
            pytest.fail("the run still lives")
        process.kill()
        process.wait()
        # The child lets go as soon as it first runs, which on a busy machine may be a moment after its birth.
        end = time.monotonic() + 20
        while True:
            try:
                assert night(store, 1).seq == 1
                break
            except StoreHeld:
                assert company == "with a child" and time.monotonic() < end
    finally:
        process.kill()
        process.wait()
        if company == "with a child":
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_a_forked_child_cannot_use_its_parents_draft(store: Store) -> None:
    """The child has no lock: using the draft there is a programming error, not a silent second writer."""
    with store.writing("parent") as draft:
        child = os.fork()
        if child == 0:
            try:
                draft.put(b"x", table="a", partition="b")
            except RuntimeError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        draft.put(b"x", table="a", partition="b")


def test_a_read_only_folder_can_be_read_and_says_why_it_cannot_be_written(store: Store) -> None:
    """A store on a read-only share is still good for reading."""
    made = night(store, 1)
    root = store.local_root
    assert root is not None
    (root / "LOCK").unlink()
    root.chmod(0o555)
    try:
        if os.access(root, os.W_OK):
            pytest.skip("root may write anywhere")
        assert Store.open(root).current() == made
        with pytest.raises(GhostshipsError, match="Permission denied"), store.writing("cannot"):
            pass
    finally:
        root.chmod(0o755)


def test_a_lock_file_with_any_words_in_it_is_no_lock(store: Store) -> None:
    """What the file says is only for the message; only the kernel's lock counts."""
    assert store.local_root is not None
    for words in (b"", b"\xff\x00 nonsense", b'{"pid": "x"}'):
        (store.local_root / "LOCK").write_bytes(words)
        start = time.monotonic()
        with store.writing("next"):
            pass
        assert time.monotonic() - start < 5
