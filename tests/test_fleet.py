"""One machine or a cluster: the same results, the same bytes, whatever dies on the way.

The cluster is real: a Dask scheduler and its workers as processes of their own, on loopback, on ports the system picks.
Tasks find their way by files in the test's folder: `busy-*` says who does what, `gate` lets them finish.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from ghostships import fleet
from ghostships.cli import main
from ghostships.errors import FileRefused, GhostshipsError, UsageError

PATIENCE_S = 60.0
"""How long a test waits for something that takes a second or two: a busy machine is not a defect."""


# --- tasks, done here and on workers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    """One unsorted Parquet to sort, and where the result and the marks go."""

    source: Path
    out: Path
    marks: Path | None = None
    waits: bool = False


def sort_day(day: Day) -> tuple[str, int]:
    """Sort a Parquet and write it under its content's name: aside, then renamed. Returns name and rows."""
    begin(day)
    aside = day.out / f".aside-{os.getpid()}-{threading.get_ident()}-{day.source.stem}"
    frame = pl.read_parquet(day.source).sort("ship", "time")
    frame.write_parquet(aside)
    name = hashlib.sha256(aside.read_bytes()).hexdigest() + ".parquet"
    aside.rename(day.out / name)
    return name, frame.height


def begin(day: Day) -> None:
    """Leave a mark that says which process is at it, and wait at the gate when told to."""
    if day.marks is None:
        return
    (day.marks / f"busy-{day.source.stem}-{os.getpid()}").touch()
    while day.waits and not (day.marks / "gate").exists():
        time.sleep(0.02)


def refuse(n: int) -> int:
    """The even ones work; the odd ones are refused, the later the sooner."""
    if n % 2:
        time.sleep(1.0 - n / 10)
        raise FileRefused(f"day{n}.csv", "truncated", f"ends in row {n}")
    return n


def fail_on_the_first(day: Day) -> None:
    """The first day fails at once; the others take their time."""
    begin(day)
    if day.source.stem == "day0":
        raise ValueError("this day")
    time.sleep(0.5)


def divide(n: int) -> int:
    """Fail as a defect would."""
    return 1 // n


def die(n: int) -> int:
    """Task 2 kills its worker, as the kernel does when memory is gone."""
    if n == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


# --- a cluster -------------------------------------------------------------------------------------------------------


@dataclass
class Cluster:
    """A scheduler and its workers; every process is ended by its own id."""

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, python_path: str = "") -> subprocess.Popen[bytes]:
        """Start a worker and wait until the scheduler knows it."""
        worker = start(
            self.folder,
            [
                "distributed.cli.dask_worker",
                self.address,
                "--nthreads=1",
                "--no-nanny",
                "--memory-limit=0",
                "--death-timeout=60",
                f"--local-directory={self.folder}",
            ],
            python_path,
        )
        self.workers.append(worker)
        n_alive = sum(w.poll() is None for w in self.workers)
        await_that(lambda: self.n_workers() >= n_alive)
        return worker

    def n_workers(self) -> int:
        """How many workers the scheduler knows at this moment."""
        from distributed import Client

        with Client(self.address, timeout=PATIENCE_S, set_as_default=False) as client:
            return len(client.nthreads())


def start(folder: Path, words: list[str], python_path: str = "", **settings: str) -> subprocess.Popen[bytes]:
    """Start one process of the cluster, without a dashboard, on loopback; it can import this module."""
    paths = [p for p in (python_path, str(Path(__file__).parent)) if p]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *words, "--host=127.0.0.1", "--no-dashboard", "--dashboard-address=127.0.0.1:0"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "DASK_TEMPORARY_DIRECTORY": str(folder)} | settings,
            stdout=log,
            stderr=log,
        )


@contextmanager
def cluster_of(n_workers: int, folder: Path, **settings: str) -> Iterator[Cluster]:
    """A scheduler with so many workers of one thread each."""
    folder.mkdir(exist_ok=True)
    known = folder / "scheduler.json"
    scheduler = start(folder, ["distributed.cli.dask_scheduler", "--port=0", f"--scheduler-file={known}"], **settings)
    cluster = Cluster(folder, "", scheduler)
    try:
        await_that(lambda: known.exists() and known.stat().st_size > 0)
        cluster.address = pl.read_json(known)["address"].item()
        for _ in range(n_workers):
            cluster.add_worker()
        yield cluster
    finally:
        for process in (*cluster.workers, scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers that nothing is done to."""
    with cluster_of(2, tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def await_that(true: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "what the test waits for did not happen"
        time.sleep(0.05)


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Do something in the background; what fails there fails here."""
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failed, failed


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    """Seven days of three invented ships, rows in no order."""
    folder = tmp_path / "days"
    folder.mkdir()
    paths = []
    for n in range(7):
        times = [(k * 7919 + n) % 5000 for k in range(5000)]
        frame = pl.DataFrame({"time": times, "ship": [f"SIM {t % 3}" for t in times], "n": n})
        frame.write_parquet(folder / f"day{n}.parquet")
        paths.append(folder / f"day{n}.parquet")
    return paths


def folder_of(path: Path) -> Path:
    """The folder, made."""
    path.mkdir()
    return path


def visible(folder: Path) -> dict[str, bytes]:
    """What a reader of the folder sees: every file but those still aside."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if not p.name.startswith(".")}


def one_line(error: BaseException) -> str:
    """The message, which is one line."""
    text = str(error)
    assert text and "\n" not in text
    return text


def the_same_everywhere() -> str:
    """A fingerprint of the code, as it should be."""
    return hashlib.sha256(Path(fleet.__file__).read_bytes()).hexdigest()


def another_everywhere() -> str:
    """A fingerprint that differs between any two processes."""
    return str(os.getpid())


def nothing(n: int) -> int:
    """Do nothing."""
    return n


# --- one machine -----------------------------------------------------------------------------------------------------


def test_without_a_scheduler_tasks_are_done_here_one_after_the_other() -> None:
    """The analyst with a laptop: results and progress in the order of the tasks, in this very process."""
    told: list[tuple[int, int, str]] = []
    results = fleet.run(
        lambda n: (n, os.getpid()), [3, 1, 2], name=lambda n: f"day {n}", progress=lambda *said: told.append(said)
    )
    assert results == [(3, os.getpid()), (1, os.getpid()), (2, os.getpid())]
    assert told == [(1, 3, "day 3"), (2, 3, "day 1"), (3, 3, "day 2")]


def test_without_a_scheduler_dask_is_never_imported() -> None:
    """Who did not install the extra, and who does not want to wait for it."""
    code = "import sys; from ghostships import fleet; fleet.run(str, [1]); sys.exit('dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "localhost:8786", "tcp://", "tcp://host", "tcp://host:x", "http://host:1", "tcp://h:1/x"],
)
def test_what_is_no_address_is_said_in_one_line(address: str) -> None:
    """Whoever mistypes it: a usage error that shows the right form, before anything is tried."""
    with pytest.raises(UsageError, match="right would be tcp://HOST:PORT") as caught:
        fleet.run(nothing, [1], scheduler=address)
    one_line(caught.value)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the plain package: the line says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'ghostships\[cluster\]'") as caught:
        fleet.run(nothing, [1], scheduler="tcp://127.0.0.1:1")
    one_line(caught.value)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_scheduler_that_does_not_answer_is_said_within_seconds(answer: bytes | None) -> None:
    """A closed port, a silent server, another kind of server: nobody waits for half a minute, and there is no traceback."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = other.accept()
                    caller.sendall(answer or b"")
                    callers.append(caller)

        callers: list[socket.socket] = []
        server = threading.Thread(target=serve)
        if answer is not None:
            other.listen()
            server.start()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(GhostshipsError, match="no Dask scheduler answers") as caught:
            fleet.run(nothing, [1], scheduler=address, connect_timeout_s=0.5)
        assert time.monotonic() - begun < 5.0
        assert address in one_line(caught.value)
        if answer is not None:
            other.shutdown(socket.SHUT_RDWR)
            server.join()
        for caller in callers:
            caller.close()


# --- a cluster -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cluster_gives_the_bytes_of_one_machine(two: Cluster, days: list[Path], tmp_path: Path) -> None:
    """Whoever compares tables made here and there: the same results in the same order, the same files, byte for byte."""
    here, there, marks = (folder_of(tmp_path / name) for name in ("here", "there", "marks"))
    alone = fleet.run(sort_day, [Day(day, here) for day in days])
    told: list[tuple[int, int]] = []
    together = fleet.run(
        sort_day,
        [Day(day, there, marks) for day in days],
        scheduler=two.address,
        storage=str(there),
        progress=lambda done, of, _: told.append((done, of)),
    )
    assert together == alone
    assert visible(there) == visible(here)
    assert sorted(there.iterdir()) == sorted(there / name for name in visible(there)), "the probe is gone"
    assert told == [(n, 7) for n in range(1, 8)]
    workers = {int(mark.name.rsplit("-", 1)[1]) for mark in marks.iterdir()}
    assert workers == {worker.pid for worker in two.workers}, "both workers had something to do"


@pytest.mark.slow
def test_the_same_tasks_again_are_done_again(two: Cluster, days: list[Path], tmp_path: Path) -> None:
    """Whoever deleted the outputs: a cluster that remembers earlier results must not answer from memory."""
    out = folder_of(tmp_path / "out")
    first = fleet.run(sort_day, [Day(days[0], out)], scheduler=two.address)
    (out / first[0][0]).unlink()
    assert fleet.run(sort_day, [Day(days[0], out)], scheduler=two.address) == first
    assert list(visible(out)) == [first[0][0]]


@pytest.mark.slow
def test_two_runs_at_once_do_not_meet(two: Cluster, days: list[Path], tmp_path: Path) -> None:
    """Two analysts on one cluster, same function, other tasks: each gets the results of his own."""
    ours, theirs = (folder_of(tmp_path / name) for name in ("ours", "theirs"))
    found: list[list[tuple[str, int]]] = []

    def also() -> None:
        found.append(fleet.run(sort_day, [Day(day, theirs) for day in reversed(days)], scheduler=two.address))

    with meanwhile(also):
        found.append(fleet.run(sort_day, [Day(day, ours) for day in days], scheduler=two.address))
    assert found[0] == found[1][::-1]
    assert len(set(found[0])) == len(days)
    assert visible(ours) == visible(theirs)


@pytest.mark.slow
def test_the_first_refusal_in_order_is_raised_as_it_was(two: Cluster) -> None:
    """Whoever reads the error: the one that one machine would show, whole, though a later task failed sooner."""
    with pytest.raises(FileRefused) as alone:
        fleet.run(refuse, list(range(1, 10, 2)))
    with pytest.raises(FileRefused) as together:
        fleet.run(refuse, list(range(1, 10, 2)), scheduler=two.address)
    assert str(together.value) == str(alone.value) == "day1.csv: ends in row 1"
    assert vars(together.value) == vars(alone.value)


@pytest.mark.slow
def test_a_defect_in_a_task_comes_out_as_itself(two: Cluster) -> None:
    """The maintainer: the exception is the one that was raised there, and says in which task."""
    with pytest.raises(ZeroDivisionError) as caught:
        fleet.run(divide, [1, 0], scheduler=two.address, name=lambda n: f"day {n}")
    assert any("day 0" in note for note in caught.value.__notes__)


@pytest.mark.slow
def test_nothing_is_begun_after_a_failure(two: Cluster, days: list[Path], tmp_path: Path) -> None:
    """Whoever pays for the cluster: a year is not computed for a run that has failed on its first day."""
    marks = folder_of(tmp_path / "marks")
    with pytest.raises(ValueError, match="this day"):
        fleet.run(fail_on_the_first, [Day(day, tmp_path, marks) for day in days], scheduler=two.address)
    assert fleet.run(nothing, list(range(4)), scheduler=two.address) == [0, 1, 2, 3]
    assert len(list(marks.iterdir())) == 2, "the one that failed and the one beside it"


@pytest.mark.slow
def test_workers_that_do_not_share_the_storage_get_no_task(two: Cluster, days: list[Path], tmp_path: Path) -> None:
    """Whoever forgot to mount the folder: said before the first task, instead of results that are nowhere."""
    out, marks = folder_of(tmp_path / "out"), folder_of(tmp_path / "marks")
    # fsspec's memory file system is a storage that every process has for itself.
    with pytest.raises(GhostshipsError, match="does not see what this machine writes in memory://work") as caught:
        fleet.run(sort_day, [Day(days[0], out, marks)], scheduler=two.address, storage="memory://work")
    one_line(caught.value)
    assert not list(marks.iterdir())


@pytest.mark.slow
def test_an_interrupt_cancels_what_waits(two: Cluster, days: list[Path], tmp_path: Path) -> None:
    """Whoever presses Ctrl-C: it ends at once, no further task begins, and what a worker was at is harmless."""
    out, marks = folder_of(tmp_path / "out"), folder_of(tmp_path / "marks")

    def press() -> None:
        await_that(lambda: len(list(marks.iterdir())) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts what runs in its background with Ctrl-C ignored; the test means a run that hears it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with meanwhile(press), pytest.raises(KeyboardInterrupt):
            fleet.run(sort_day, [Day(day, out, marks, waits=True) for day in days], scheduler=two.address)
    finally:
        signal.signal(signal.SIGINT, before)
    (marks / "gate").touch()
    # The cluster is free again once this is through; had anything waited, it would have been begun before.
    assert fleet.run(nothing, list(range(4)), scheduler=two.address) == [0, 1, 2, 3]
    assert len([m for m in marks.iterdir() if m.name.startswith("busy")]) == 2
    for name, content in visible(out).items():
        assert name == hashlib.sha256(content).hexdigest() + ".parquet"


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(days: list[Path], tmp_path: Path) -> None:
    """Whoever runs on machines that are taken away: a worker dies in the middle of a task, the result is the same."""
    here, there, marks = (folder_of(tmp_path / name) for name in ("here", "there", "marks"))
    alone = fleet.run(sort_day, [Day(day, here) for day in days])
    with cluster_of(2, tmp_path / "cluster") as cluster:
        victim = cluster.workers[0]

        def kill() -> None:
            await_that(lambda: any(mark.name.endswith(f"-{victim.pid}") for mark in marks.iterdir()))
            victim.kill()
            victim.wait()
            (marks / "gate").touch()

        with meanwhile(kill):
            tasks = [Day(day, there, marks, waits=True) for day in days]
            together = fleet.run(sort_day, tasks, scheduler=cluster.address)
    assert together == alone
    assert visible(there) == visible(here)
    begun = sorted(mark.name.split("-")[1] for mark in marks.iterdir() if mark.name.startswith("busy"))
    assert len(begun) == 8 and len(set(begun)) == 7, "the victim's task was begun twice, the others once"


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_named(tmp_path: Path) -> None:
    """Whoever has a day too large for the workers: the line says which, instead of killing the whole cluster for it."""
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with cluster_of(3, tmp_path / "cluster", **settings) as cluster:
        with pytest.raises(GhostshipsError, match="^day 2: 2 workers died while they did it") as caught:
            fleet.run(die, [1, 2, 3], scheduler=cluster.address, name=lambda n: f"day {n}")
        one_line(caught.value)
        assert sum(worker.poll() is None for worker in cluster.workers) == 1


@pytest.mark.slow
def test_a_worker_with_other_versions_gets_no_task(days: list[Path], tmp_path: Path) -> None:
    """Whoever promises equal bytes: a cluster that could write others is refused, by worker and version, before any task
    is sent; and a worker of that kind that joins later stops the run instead of writing."""
    out, marks = folder_of(tmp_path / "out"), folder_of(tmp_path / "marks")
    # The name and version are all that is asked for; what pip wrote about the real one stands behind it on the path.
    other = folder_of(tmp_path / "other")
    folder_of(other / "polars-0.0.7.dist-info").joinpath("METADATA").write_text("Name: polars\nVersion: 0.0.7\n")
    with cluster_of(1, tmp_path / "cluster") as cluster:

        def join_late() -> None:
            await_that(lambda: len(list(marks.iterdir())) == 1)
            cluster.add_worker(str(other))
            time.sleep(2.5)
            (marks / "gate").touch()

        said = rf"worker tcp://\S+ has polars 0\.0\.7 \(here {pl.__version__}\)"
        tasks = [Day(day, out, marks, waits=True) for day in days]
        with meanwhile(join_late), pytest.raises(GhostshipsError, match=said) as caught:
            fleet.run(sort_day, tasks, scheduler=cluster.address)
        one_line(caught.value)
        began = {int(mark.name.rsplit("-", 1)[1]) for mark in marks.iterdir() if mark.name.startswith("busy")}
        assert began == {cluster.workers[0].pid}, "the other one never did any"

        for mark in marks.iterdir():
            mark.unlink()
        with pytest.raises(GhostshipsError, match=said) as caught:
            fleet.run(sort_day, [Day(day, out, marks) for day in days], scheduler=cluster.address)
        one_line(caught.value)
        assert not list(marks.iterdir()), "no task was sent, to the right worker neither"


@pytest.mark.slow
def test_workers_with_other_code_of_the_same_version_get_no_task(
    two: Cluster, days: list[Path], tmp_path: Path
) -> None:
    """Whoever runs two checkouts of one version number: the code itself is compared, not only what it calls itself."""
    out, marks = folder_of(tmp_path / "out"), folder_of(tmp_path / "marks")
    tasks = [Day(day, out, marks) for day in days]
    with pytest.raises(
        GhostshipsError, match=r"^worker tcp://\S+ has code \d+ \(here \d+\); equal bytes need"
    ) as caught:
        fleet.run(sort_day, tasks, scheduler=two.address, code=another_everywhere)
    one_line(caught.value)
    assert not list(marks.iterdir())
    assert len(fleet.run(sort_day, tasks, scheduler=two.address, code=the_same_everywhere)) == len(days)


@pytest.mark.slow
def test_a_scheduler_that_dies_is_one_line_and_nothing_half_done(days: list[Path], tmp_path: Path) -> None:
    """Whoever loses the cluster's head in the middle: told at once, and whoever reads the folder sees whole files only."""
    out, marks = folder_of(tmp_path / "out"), folder_of(tmp_path / "marks")
    tasks = [Day(days[0], out, marks)] + [Day(day, out, marks, waits=True) for day in days[1:]]
    with cluster_of(2, tmp_path / "cluster") as cluster:
        killed: list[float] = []

        def behead() -> None:
            await_that(lambda: len(list(marks.iterdir())) == 3)
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            killed.append(time.monotonic())

        with meanwhile(behead), pytest.raises(GhostshipsError, match="the scheduler went away") as caught:
            fleet.run(sort_day, tasks, scheduler=cluster.address)
        assert time.monotonic() - killed[0] < 15.0
        assert cluster.address in one_line(caught.value)
        assert len(visible(out)) == 1
        (marks / "gate").touch()
        time.sleep(1.0)
    for name, content in visible(out).items():
        assert name == hashlib.sha256(content).hexdigest() + ".parquet"


@pytest.mark.slow
def test_a_scheduler_that_hangs_is_given_up(days: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever's scheduler stands still without closing its connections: the run ends with the same line."""
    out, marks = folder_of(tmp_path / "out"), folder_of(tmp_path / "marks")
    monkeypatch.setattr(fleet, "_ANSWER_S", 1.0)
    with cluster_of(1, tmp_path / "cluster") as cluster:

        def hang() -> None:
            await_that(lambda: len(list(marks.iterdir())) == 1)
            cluster.scheduler.send_signal(signal.SIGSTOP)

        with meanwhile(hang), pytest.raises(GhostshipsError, match="the scheduler went away") as caught:
            fleet.run(sort_day, [Day(day, out, marks, waits=True) for day in days], scheduler=cluster.address)
        one_line(caught.value)
        (marks / "gate").touch()


@pytest.mark.slow
def test_a_cluster_without_workers_is_said_after_a_while(tmp_path: Path) -> None:
    """Whoever started the scheduler only, or whose last worker died: not a wait without end."""
    with cluster_of(0, tmp_path / "cluster") as cluster:
        with pytest.raises(GhostshipsError, match="no worker there for 0.5 s; right would be") as caught:
            fleet.run(nothing, [1], scheduler=cluster.address, workers_timeout_s=0.5)
        one_line(caught.value)
        cluster.add_worker()
        with pytest.raises(GhostshipsError, match="no worker there for 1 s"):
            fleet.run(die, [2], scheduler=cluster.address, workers_timeout_s=1.0)


@pytest.mark.slow
def test_a_run_on_a_cluster_writes_the_same_folder_also_when_a_worker_dies(tmp_path: Path, fixtures: Path) -> None:
    """The promise of `--scheduler`, with the real command: every byte of the folder, whoever read the files."""
    text = gzip.decompress((fixtures / "demo" / "ais.csv.gz").read_bytes()).decode()
    head, *rows = text.splitlines(keepends=True)
    folder = tmp_path / "ais"
    folder.mkdir()
    for n in range(6):
        # Every file has rows of every day, and some that another file has too: days are made of several parts.
        (folder / f"{n}.csv").write_text("".join([head, *rows[n::6][:3000], *rows[: 50 * n]]))
    words = ["run", str(folder), "--no-report", "--out"]
    assert main([*words, str(tmp_path / "here")]) == 0
    with cluster_of(2, tmp_path / "cluster") as cluster:
        assert main([*words, str(tmp_path / "there"), "--scheduler", cluster.address]) == 0
        victim = threading.Timer(1.0, cluster.workers[0].kill)
        victim.start()
        assert main([*words, str(tmp_path / "killed"), "--scheduler", cluster.address]) == 0
        victim.join()
    here = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    for name in ("there", "killed"):
        assert {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} == here
