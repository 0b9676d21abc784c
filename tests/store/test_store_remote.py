"""A store on a file system that fsspec reaches: in memory every day, on a real S3-speaking server when everything is tested."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from store_world import NOON, attempt, contents, night, one

from ghostships.errors import GhostshipsError, UsageError
from ghostships.store import Store, StoreHeld, holding, remote

_numbers = itertools.count()
LATER = timedelta(days=30)


@dataclass
class Place:
    """Somewhere to put a store, and the file system under it."""

    url: str
    cache: Path
    options: dict[str, Any] = field(default_factory=dict)

    def open(self, *, create: bool = True) -> Store:
        """As another machine would."""
        cache = self.cache / str(next(_numbers))
        return Store.open(self.url, create=create, cache=cache, storage_options=self.options)

    def at(self, path: str) -> tuple[Any, str]:
        """The file system and the full path of a file of the store."""
        fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **self.options)
        return fs, f"{root}/{path}"


@pytest.fixture
def memory(tmp_path: Path) -> Place:
    return Place(f"memory://test-{next(_numbers)}/store", tmp_path / "cache")


@pytest.fixture(scope="module")
def s3_options() -> Iterator[dict[str, Any]]:
    """A server on the loopback that speaks S3, with a bucket in it."""
    server_module = pytest.importorskip("moto.server", reason="moto's server is a development package")
    s3fs = pytest.importorskip("s3fs")
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {
            "key": "invented",
            "secret": "invented",
            "client_kwargs": {"endpoint_url": f"http://{host}:{port}", "region_name": "eu-west-1"},
        }
        # The server keeps its buckets as long as this process lives, also when the fixture is made anew.
        s3fs.S3FileSystem(**options).makedirs("ghostships-test", exist_ok=True)
        yield options
    finally:
        server.stop()


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, memory: Place, tmp_path: Path) -> Place:
    if request.param == "memory":
        return memory
    options = request.getfixturevalue("s3_options")
    return Place(f"s3://ghostships-test/{next(_numbers)}/store", tmp_path / "cache", options)


def test_a_remote_store_does_what_a_local_one_does(place: Place, tmp_path: Path) -> None:
    """Nights, an old generation, a delivery, the check, the collection: the same words, the same answers."""
    delivery = tmp_path / "delivery.csv"
    delivery.write_bytes(b"x,y\n" * 1000)
    store = place.open()
    first = night(store, 1)
    made = night(store, 2, delivery)
    other = place.open(create=False)
    assert other.current() == made and [g.seq for g in other.generations()] == [1, 2]
    assert contents(other, made) == contents(store, made) and contents(other, first)
    assert other.fetch(one(made, "gaps")).read_bytes() == b"gaps after night 2" * 70
    with other.raw(one(made, "raw")) as original:
        assert original.read() == delivery.read_bytes()
    assert list(other.check()) == [] and other.notes() == []
    assert {gone.path for gone in store.gc(datetime.now(UTC) + LATER)} >= {
        "manifests/00000001.json",
        one(first, "gaps").path,
    }
    assert store.seqs() == [2] and list(other.check()) == []


def test_the_same_night_gives_the_same_refs_here_and_there(place: Place, tmp_path: Path) -> None:
    """Where a store stands changes nothing about what is in it."""
    here = night(Store.open(tmp_path / "store", create=True), 1)
    assert night(place.open(), 1) == here


def test_a_second_writer_is_refused_and_told_who_writes(place: Place) -> None:
    """Exit status 75, naming the holder; free again when the writing has ended, however it ended."""
    one_store, other = place.open(), place.open()
    with pytest.raises(ZeroDivisionError), one_store.writing("ghostships nightly"):
        with (
            pytest.raises(StoreHeld, match=rf"ghostships nightly \(pid {os.getpid()} on ") as caught,
            other.writing("another"),
        ):
            pytest.fail("two writers at once")
        assert caught.value.exit_status == 75
        with pytest.raises(StoreHeld):
            other.gc(NOON)
        raise ZeroDivisionError
    assert night(other, 1).seq == 1


def test_creating_a_manifest_fails_when_there_is_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers that do not see each other's claims: the file system itself lets only one have the number."""
    monkeypatch.setattr(remote.RemoteWriting, "_look_around", lambda _self: None)
    with place.open().writing("one") as draft, place.open().writing("other") as late:
        first = draft.commit({"by": "one"}, [], made_utc=NOON)
        with pytest.raises(StoreHeld, match="committed generation 1 meanwhile"):
            late.commit({"by": "other"}, [], made_utc=NOON)
    assert place.open().current() == first


def test_a_remote_file_system_is_asked_whether_it_can_create_only(place: Place) -> None:
    """Both of these can: S3 by If-None-Match."""
    with place.open()._shelf.hold("test") as writing:
        assert isinstance(writing, remote.RemoteWriting) and writing._is_create_only


def test_damage_in_the_remote_store_is_found_and_never_read(place: Place) -> None:
    """One byte off: `check` names the object, `fetch` refuses it, putting the content again heals it."""
    store = place.open()
    ref = one(night(store, 1), "ports")
    fs, path = place.at(ref.path)
    fs.pipe_file(path, b"Ports" * 9)
    assert [problem.path for problem in store.check()] == [ref.path]
    for read in (place.open().fetch, place.open().read_bytes):
        with pytest.raises(GhostshipsError, match=f"{ref.path}: SHA-256 is .*, expected {ref.sha256}"):
            read(ref)
    night(store, 2)
    assert list(store.check()) == []
    fs.rm_file(path)
    for read in (place.open().fetch, place.open().read_bytes):
        with pytest.raises(GhostshipsError, match="the object is missing"):
            read(ref)


def test_a_copy_that_rotted_in_the_cache_is_fetched_again(memory: Place) -> None:
    """The cache is on somebody's laptop: it is verified as everything else is."""
    made = night(memory.open(), 1)
    cache = memory.cache / "shared"
    for _ in range(2):
        store = Store.open(memory.url, cache=cache)
        path = store.fetch(one(made, "gaps"))
        assert path.read_bytes() == b"gaps after night 1" * 70
        path.write_bytes(b"Gaps after night 1" * 70)


def claim(place: Place, holder: holding.Holder, age: timedelta) -> str:
    """Another run's claim, given some time ago."""
    fs, path = place.at(f"writers/{next(_numbers):032x}.json")
    fs.pipe_file(path, holder.encode())
    fs.store[path].created -= age
    return path


@pytest.mark.parametrize("hours, is_held", [(0.1, True), (5.9, True), (6.1, False)])
def test_a_run_on_another_machine_is_forgotten_six_hours_after_its_last_sign_of_life(
    memory: Place, hours: float, is_held: bool
) -> None:
    """Nobody can ask a machine that vanished; its claim must not block the store for ever, nor be broken too soon."""
    store = memory.open()
    path = claim(memory, holding.Holder("night elsewhere", 7, "far-away", "boot/1"), timedelta(hours=hours))
    if is_held:
        with (
            pytest.raises(StoreHeld, match=r"night elsewhere \(pid 7 on far-away since .*forgotten 6 h after"),
            store.writing("next"),
        ):
            pytest.fail("the run still lives")
        assert MemoryFileSystem().exists(path)
    else:
        assert night(store, 1).seq == 1
        assert not MemoryFileSystem().exists(path)


def test_a_killed_run_of_this_machine_is_forgotten_at_once(memory: Place) -> None:
    """kill -9 frees the store for the next run here, without waiting for the lease."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    store = memory.open()
    me = holding.myself("killed")
    assert me.machine, "Linux tells boot and PID namespace"
    claim(memory, holding.Holder("killed", child, me.host, me.machine), timedelta(seconds=1))
    assert night(store, 1).seq == 1
    claim(memory, holding.Holder("another container", child, me.host, "another boot/1"), timedelta(seconds=1))
    with pytest.raises(StoreHeld, match="another container"), store.writing("next"):
        pytest.fail("its process numbers mean nothing here")


def test_a_run_that_was_taken_for_dead_cannot_commit(memory: Place) -> None:
    """It slept through its lease and another run took over: it is told so, and publishes nothing."""
    with memory.open().writing("sleeper") as draft:
        fs, folder = memory.at("writers")
        for path in fs.find(folder):
            fs.rm_file(path)
        with pytest.raises(StoreHeld, match="silent for more than 6 h and another has taken the store"):
            draft.commit({}, [], made_utc=NOON)
    assert memory.open().current() is None


class Plain(MemoryFileSystem):  # type: ignore[misc]
    """A file system that cannot create only: it overwrites, whatever is asked."""

    protocol = "plain"
    store: dict[str, Any] = {}
    pseudo_dirs: list[str] = [""]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        super().pipe_file(path, value, mode="overwrite", **kwargs)


class Forgetful(Plain):
    """A file system whose lists lag behind: what was just written is not in them."""

    protocol = "forgetful"
    store: dict[str, Any] = {}
    pseudo_dirs: list[str] = [""]

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        found = super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        return {name: about for name, about in found.items() if "/writers/" not in name}


@pytest.fixture(autouse=True)
def _invented_file_systems() -> None:
    for kind in (Plain, Forgetful):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)


def test_without_create_only_the_claims_keep_writers_apart(tmp_path: Path) -> None:
    """Any file system that lists what was written will do: one writer at a time, and no number is given twice."""
    place = Place(f"plain://test-{next(_numbers)}/store", tmp_path / "cache")
    store = place.open()
    with store._shelf.hold("test") as writing:
        assert isinstance(writing, remote.RemoteWriting) and not writing._is_create_only
    night(store, 1)
    with store.writing("one") as draft:
        with pytest.raises(StoreHeld), place.open().writing("other"):
            pytest.fail("two writers at once")
        fs, path = place.at("manifests/00000002.json")
        fs.pipe_file(path, b"taken")
        with pytest.raises(StoreHeld, match="generation 2 meanwhile"):
            draft.commit({}, [], made_utc=NOON)
    assert fs.cat_file(path) == b"taken"


def test_a_file_system_whose_lists_lag_is_refused_for_writing(tmp_path: Path) -> None:
    """Two runs there could not see each other; the message says so."""
    place = Place(f"forgetful://test-{next(_numbers)}/store", tmp_path / "cache")
    store = place.open()
    with pytest.raises(GhostshipsError, match="does not list what was just written"), store.writing("one"):
        pytest.fail("not safe")


class Broken(Exception):
    """What a network library may raise: no OSError, and on several lines."""


def test_every_single_request_may_fail(memory: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network breaks at each step once: one line, a whole generation for readers, and a re-run equals an undisturbed one."""
    called: list[str] = []
    fail_at = -1

    def breaking(name: str) -> Callable[..., Any]:
        function = getattr(MemoryFileSystem, name)

        def step(self: MemoryFileSystem, *args: Any, **kwargs: Any) -> Any:
            called.append(name)
            if len(called) - 1 == fail_at:
                raise Broken("connection\nreset")
            return function(self, *args, **kwargs)

        return step

    for name in ("pipe_file", "put_file", "rm_file", "find", "info", "cat_file", "ls"):
        monkeypatch.setattr(MemoryFileSystem, name, breaking(name))

    def job(place: Place) -> None:
        store = place.open()
        current = store.current()
        for number in (1, 2):
            if not current or current.payload["night"] < number:
                current = night(store, number)
        store.gc(datetime.now(UTC) + LATER)

    def fresh() -> Place:
        return Place(f"memory://test-{next(_numbers)}/store", memory.cache)

    undisturbed = fresh()
    job(undisturbed)
    n_steps = len(called)
    expected = undisturbed.open().current()
    assert n_steps > 50 and expected is not None
    for n in range(n_steps):
        place = fresh()
        called.clear()
        fail_at = n
        message = attempt(lambda at=place: job(at))  # type: ignore[misc]
        fail_at = -1
        assert message is None or "connection reset" in message
        if MemoryFileSystem().exists(place.at("ghostships-store.json")[1]):
            store = place.open()
            assert list(store.check()) == []
        job(place)
        found = place.open().current()
        assert found is not None and contents(place.open(), found) == contents(undisturbed.open(), expected)


def test_what_cannot_be_reached_is_said_in_one_line_without_secrets(tmp_path: Path) -> None:
    """A typing error, a missing package, a folder in use; a password in a URL is never shown."""
    for url, words in [
        ("nonsense://somewhere/store", "nonsense://somewhere/store: is no place for a store"),
        ("sftp://me:secret@somewhere/store", "sftp://somewhere/store: .*package"),
    ]:
        with pytest.raises(UsageError, match=words) as caught:
            Store.open(url, cache=tmp_path)
        assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    fs = MemoryFileSystem()
    name = f"test-{next(_numbers)}"
    fs.pipe_file(f"/{name}/thesis.doc", b"words")
    with pytest.raises(UsageError, match=r"not a store and not empty: it holds 'thesis\.doc'"):
        Store.open(f"memory://{name}", create=True, cache=tmp_path)
    with pytest.raises(UsageError, match="no store here"):
        Store.open(f"memory://{name}-not", cache=tmp_path)


def test_an_s3_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """For the night the network is down."""
    pytest.importorskip("s3fs")
    options = {
        "key": "invented",
        "secret": "invented",
        "client_kwargs": {"endpoint_url": "http://127.0.0.1:9", "region_name": "eu-west-1"},
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    with pytest.raises(GhostshipsError, match=r"s3://nowhere/store: cannot read ghostships-store\.json") as caught:
        Store.open("s3://nowhere/store", cache=tmp_path, storage_options=options)
    assert "\n" not in str(caught.value)


def test_a_holder_is_read_back_as_written_and_nonsense_is_nobody() -> None:
    """Whatever stands in a claim or lock file is only for the message."""
    me = holding.myself("a run")
    assert holding.read_holder(me.encode()) == me
    for nonsense in (b"", b"{", b"[]", json.dumps({"doing": "x"}).encode(), b"\xff"):
        assert holding.read_holder(nonsense) is None
