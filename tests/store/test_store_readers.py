"""A reader always sees exactly one complete generation, whatever the writers do or suffer (F2 and F4 in small; law P3)."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from store_world import NOON, night

from ghostships.store import Store, StoreHeld

TABLES = ("positions", "gaps", "ports")


def write_generations(root: Path, writer: int, n: int) -> None:
    """Commit so many generations; all tables of one say the same word."""
    store, done = Store.open(root), 0
    while done < n:
        try:
            with store.writing(f"writer {writer}") as draft:
                word = b"writer %d, night %d. " % (writer, done)
                refs = [draft.put(word * 500, table=table, partition="all") for table in TABLES]
                draft.commit({"word": word.decode()}, refs, made_utc=NOON)
                done += 1
        except StoreHeld:
            time.sleep(0.001)


def read_generation(store: Store) -> int:
    """What a reader sees now must be one word throughout; its number."""
    generation = store.current()
    if generation is None:
        return 0
    assert [ref.table for ref in generation.refs] == sorted(TABLES)
    for ref in generation.refs:
        assert store.read_bytes(ref) == generation.payload["word"].encode() * 500
        assert store.fetch(ref).read_bytes().startswith(generation.payload["word"].encode())
    return generation.seq


def forked(root: Path, writer: int, n: int) -> int:
    """A writer in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            write_generations(root, writer, n)
            os._exit(0)
        finally:
            os._exit(1)
    return child


def test_readers_beside_two_writers_see_whole_generations_in_order(tmp_path: Path) -> None:
    """Four readers in two threads each look again and again while two processes publish: never a mixture, never backwards."""
    root, n = tmp_path / "store", 10
    Store.open(root, create=True)
    children = [forked(root, writer, n) for writer in (1, 2)]
    seen: dict[int, list[int]] = {0: [], 1: []}
    errors: list[BaseException] = []

    def look(reader: int) -> None:
        store = Store.open(root)
        try:
            while not seen[reader] or seen[reader][-1] < 2 * n:
                seen[reader].append(read_generation(store))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look, args=(reader,), daemon=True) for reader in seen]
    for thread in threads:
        thread.start()
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    for thread in threads:
        thread.join(timeout=60)
    assert codes == [0, 0] and errors == []
    for numbers in seen.values():
        assert numbers == sorted(numbers) and numbers[-1] == 2 * n
    store = Store.open(root)
    assert list(store.check()) == [] and len(store.generations()) == 2 * n
    assert {g.payload["word"] for g in store.generations()} == {
        f"writer {writer}, night {number}. " for writer in (1, 2) for number in range(n)
    }, "every commit that returned is there, once"


def test_readers_in_threads_of_the_writing_process_see_whole_generations(tmp_path: Path) -> None:
    """The review server reads in the process that also publishes."""
    root = tmp_path / "store"
    store = Store.open(root, create=True)
    writers = [threading.Thread(target=write_generations, args=(root, writer, 8)) for writer in (1, 2)]
    for writer in writers:
        writer.start()
    numbers = [0]
    while any(writer.is_alive() for writer in writers):
        numbers.append(read_generation(store))
    assert numbers == sorted(numbers) and read_generation(store) == 16


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_writer_killed_at_a_random_moment_harms_nobody(tmp_path: Path, seed: int) -> None:
    """kill -9 while it writes as fast as it can, five times over: whole for readers, free for the next run."""
    rng, root = random.Random(seed), tmp_path / "store"
    store, before = Store.open(root, create=True), 0
    for _ in range(5):
        child = forked(root, seed, 10_000)
        end = time.monotonic() + rng.uniform(0.0, 0.15)
        while time.monotonic() < end:
            before = max(before, read_generation(store))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = read_generation(store)
        assert found >= before and list(store.check()) == []
        assert night(store, 1).seq == found + 1
        with store.writing("as before") as draft:
            refs = [draft.put(b"x" * 500, table=table, partition="all") for table in TABLES]
            draft.commit({"word": "x"}, refs, made_utc=NOON)
