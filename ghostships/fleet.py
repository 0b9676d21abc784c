"""The same tasks on one machine or on a Dask cluster: which of the two can be told from nothing but the time it took.

A task is a small value (a day, a delivery, paths) and the function that does it is pure but for its files: it reads from and
writes to storage that all workers share, writes aside and renames, names what it writes by content, and returns something
small (paths, hashes, counts). Then doing it twice, on a worker that dies on the way, or after nobody waits for it any more,
changes nothing that anybody can see; and who did it leaves no trace in the bytes, provided that all have the same versions.

    parts = fleet.run(split, deliveries, scheduler=address, name=lambda d: d.path)

Nothing here knows ships. Dask is imported only where a scheduler is named: `pip install 'ghostships[cluster]'`.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from ghostships.errors import GhostshipsError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

Task = TypeVar("Task")
Result = TypeVar("Result")
Progress = Callable[[int, int, str], None]
"""Told after each task: how many are done, how many there are, the name of the one just done."""

PACKAGES = ("ghostships", "polars", "pyarrow")
"""What decides the bytes of a day file. With Python's minor version (its Unicode tables) they must be the same everywhere."""

CONNECT_S = 5.0
"""How long a scheduler may take to answer. On a local network it takes 15 ms; a wrong address should not cost a coffee."""

WORKERS_S = 60.0
"""How long to wait while there is no worker at all: one that crashed is back in about 5 s, one from a batch queue is not."""

_LOOK_S = 1.0
"""How often the number of workers is looked at, and at most how long an interrupt waits."""

_ANSWER_S = 60.0
"""How long a scheduler that was there may take over one question. One with 100 000 tasks still answers within a second."""

_SCHEMES = ("tcp", "tls")

log = logging.getLogger(__name__)


def run(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    scheduler: str | None = None,
    name: Callable[[Task], str] = str,
    progress: Progress | None = None,
    storage: str | None = None,
    code: Callable[[], str] | None = None,
    connect_timeout_s: float = CONNECT_S,
    workers_timeout_s: float = WORKERS_S,
) -> list[Result]:
    """Do the tasks and return their results in the order of the tasks.

    Without a scheduler they are done in this process, one after the other: Polars uses all cores for each, and memory stays
    that of one task. With one they are done by its workers, at most as many at a time as these have threads, so that neither
    the scheduler nor a worker ever holds a backlog.

    Parameters
    ----------
    function
        of one task; importable by the workers, idempotent, its results small (see the module).
    scheduler
        `tcp://HOST:PORT` or `tls://HOST:PORT` of a Dask scheduler. Whoever reaches a plain `tcp` scheduler can run code on
        its workers: keep it inside a trusted network, or use `tls` with the certificates of Dask's own configuration.
    name
        what an error message and `progress` call a task.
    storage
        the folder (absolute: workers run elsewhere) or fsspec URL that the tasks write to; before any task is sent every
        worker must read a file put there.
    code
        a fingerprint of the code that does the tasks, importable by the workers: it must come out the same there. Two
        checkouts may bear one version number.
    connect_timeout_s, workers_timeout_s
        how long the scheduler may take to answer, and how long there may be no worker at all [s].

    Raises
    ------
    UsageError
        the address is none, or Dask is not installed.
    GhostshipsError
        nobody answers there; a worker has other versions or does not see `storage`; the scheduler went away; all workers
        did; or every worker that took one task died of it. How many must die is the scheduler's own setting
        `distributed.scheduler.allowed-failures` (3, so the fourth is the last).
    Exception
        what the first task in order that failed raised, as if it had run here. No other task is begun after a failure.

    Limits: a task that a worker is busy with cannot be stopped. After an interrupt or an error the waiting ones are
    cancelled, the busy ones run to their end, and nobody takes their results.
    """
    if scheduler is None:
        return _one_after_the_other(function, tasks, name, progress)
    with _connected(scheduler, connect_timeout_s) as client:
        crew = _Crew(client, scheduler, workers_timeout_s, code)
        crew.wait_for_workers()
        crew.demand_versions()
        if storage is not None:
            crew.demand_storage(storage)
        return crew.do(function, tasks, name, progress)


def versions(code: Callable[[], str] | None = None) -> dict[str, str]:
    """What must be the same everywhere for the same bytes to come out: Python's minor version, `PACKAGES`, the code."""
    found = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}"} | {p: metadata.version(p) for p in PACKAGES}
    return found | ({"code": code()} if code else {})


def _one_after_the_other(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    name: Callable[[Task], str],
    progress: Progress | None,
) -> list[Result]:
    results = []
    for task in tasks:
        results.append(function(task))
        if progress:
            progress(len(results), len(tasks), name(task))
    return results


# --- on the worker ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Done(Generic[Result]):
    result: Result


@dataclass(frozen=True)
class _Refused:
    """A `GhostshipsError` taken apart: it may be built from other arguments than pickle would hand it."""

    kind: type[GhostshipsError]
    arguments: tuple[object, ...]
    details: dict[str, Any]

    def error(self) -> GhostshipsError:
        error = self.kind.__new__(self.kind)
        error.args, error.__dict__ = self.arguments, dict(self.details)
        return error


def _attempt(
    function: Callable[[Task], Result], task: Task, wanted: dict[str, str], code: Callable[[], str] | None
) -> _Done[Result] | _Refused:
    """Do one task on a worker, which may have joined after the others were asked for their versions."""
    from distributed import get_worker

    try:
        if problem := _difference(get_worker().address, versions(code), wanted):
            raise GhostshipsError(problem)
        return _Done(function(task))
    except GhostshipsError as error:
        return _Refused(type(error), error.args, dict(error.__dict__))


def _sees(path: str, token: bytes) -> bool:
    """Whether this worker reads `token` in that file."""
    import fsspec

    filesystem, inside = fsspec.core.url_to_fs(path)
    try:
        return bool(filesystem.cat_file(inside) == token)
    except FileNotFoundError:
        return False


# --- on this side ----------------------------------------------------------------------------------------------------


class _Crew:
    """The workers of one scheduler, seen from here."""

    def __init__(self, client: Client, address: str, workers_timeout_s: float, code: Callable[[], str] | None) -> None:
        self._client, self._address, self._patience_s = client, address, workers_timeout_s
        self._code, self._versions = code, versions(code)
        self._n_threads = 0
        self._looked = self._last_seen = time.monotonic()

    def wait_for_workers(self) -> None:
        """Come back when there is a worker."""
        while not self._look(at_once=True):
            time.sleep(0.1)

    def demand_versions(self) -> None:
        """Refuse a cluster that could write other bytes than this machine."""
        packages = {name: version for name, version in self._versions.items() if name != "code"}
        with self._scheduler_is_there():
            # Dask's own question first: it is answered where nothing of ours is installed.
            found = self._client.get_versions(packages=list(PACKAGES))["workers"]
        for worker in sorted(found):
            there: dict[str, str | None] = dict(found[worker]["packages"])
            there["python"] = ".".join((there["python"] or "").split(".")[:2])
            if problem := _difference(worker, there, packages):
                raise GhostshipsError(problem)
        if self._code:
            for worker, said in self._ask(self._code):
                if problem := _difference(worker, packages | {"code": said}, self._versions):
                    raise GhostshipsError(problem)

    def demand_storage(self, folder: str) -> None:
        """Refuse a cluster whose workers would write where we do not read."""
        import fsspec

        token = secrets.token_hex(8)
        filesystem, inside = fsspec.core.url_to_fs(folder)
        filesystem.makedirs(inside, exist_ok=True)
        filesystem.pipe_file(f"{inside}/.seen-{token}", token.encode())
        try:
            seen = self._ask(_sees, f"{folder}/.seen-{token}", token.encode())
        finally:
            filesystem.rm_file(f"{inside}/.seen-{token}")
        for worker, sees in seen:
            if not sees:
                raise GhostshipsError(
                    f"{worker}: does not see what this machine writes in {folder}; "
                    "right would be a folder or URL that every worker shares"
                )

    def _ask(self, question: Callable[..., Any], *arguments: object) -> list[tuple[str, Any]]:
        """What each worker answers, in the order of their addresses."""
        with self._scheduler_is_there():
            answers = self._client.run(question, *arguments, on_error="return")
        for worker in sorted(answers):
            if isinstance(answers[worker], BaseException):
                raise GhostshipsError(
                    f"worker {worker} cannot say what it was asked before the work ({_one_line(answers[worker])}); "
                    f"right would be {_wanted()}"
                )
        return sorted(answers.items())

    def do(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        name: Callable[[Task], str],
        progress: Progress | None,
    ) -> list[Result]:
        """The results in order. Of several failures the first in order of the tasks is raised, whichever came first."""
        # Never the key of an earlier run: a cluster may still know that one's result, but not whether its files are there.
        key = f"{getattr(function, '__name__', 'task')}-{secrets.token_hex(8)}"
        ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        flying: dict[Future[Any], int] = {}
        results: dict[int, Result] = {}
        failed: dict[int, Exception] = {}
        begun = 0
        try:
            while len(results) < len(tasks):
                while begun < len(tasks) and len(flying) < self._n_threads and not failed:
                    with self._scheduler_is_there():
                        future = self._client.submit(
                            _attempt,
                            function,
                            tasks[begun],
                            self._versions,
                            self._code,
                            key=f"{key}-{begun}",
                            pure=False,
                        )
                    flying[future] = begun
                    begun += 1
                    future.add_done_callback(ended.put)
                if failed and not any(place < min(failed) for place in flying.values()):
                    raise failed[min(failed)]
                try:
                    future = ended.get(timeout=_LOOK_S)
                except queue.Empty:
                    self._look()
                    continue
                self._look()
                place = flying[future]
                outcome = self._outcome(future, name(tasks[place]))
                if outcome is None:
                    future.add_done_callback(ended.put)
                    continue
                del flying[future]
                if isinstance(outcome, Exception):
                    failed[place] = outcome
                    continue
                results[place] = outcome.result
                if progress:
                    progress(len(results), len(tasks), name(tasks[place]))
        finally:
            # Whoever waits is cancelled: after an interrupt as after an error. Nothing is left here after success.
            for future in flying:
                future.release()
        return [results[place] for place in range(len(tasks))]

    def _outcome(self, future: Future[Any], name: str) -> _Done[Any] | Exception | None:
        """What became of a task; None while its result is on its way again because the worker that had it is gone."""
        from distributed import CancelledError, KilledWorker

        if future.status == "error":
            error = future.exception(timeout=CONNECT_S)
            if isinstance(error, KilledWorker):
                return GhostshipsError(
                    f"{name}: {error.allowed_failures + 1} workers died while they did it, the last was "
                    f"{error.last_worker.address}; mostly it is memory: right would be workers with more of it, one thread each"
                )
            if isinstance(error, ModuleNotFoundError):
                return GhostshipsError(f"{name}: a worker has no module {error.name!r}; right would be {_wanted()}")
            if isinstance(error, Exception):
                error.add_note(f"while a worker of {self._address} did {name}")
                return error
            return GhostshipsError(f"{name}: a worker of {self._address} gave up: {_one_line(error)}")
        try:
            outcome = future.result(timeout=_LOOK_S)
        except TimeoutError:
            return None
        except (OSError, CancelledError):
            raise GhostshipsError(self._gone()) from None
        return outcome.error() if isinstance(outcome, _Refused) else outcome

    def _look(self, *, at_once: bool = False) -> int:
        """How many threads the workers have; asked again about once a second, because workers come and go."""
        now = time.monotonic()
        if at_once or now - self._looked >= _LOOK_S:
            with self._scheduler_is_there():
                self._n_threads = sum(self._client.nthreads(callback_timeout=_ANSWER_S).values())
            self._looked = now
            if self._n_threads:
                self._last_seen = now
            elif now - self._last_seen > self._patience_s:
                raise GhostshipsError(
                    f"{self._address}: no worker there for {self._patience_s:g} s; "
                    f"right would be at least one: dask worker {self._address} --nthreads 1"
                )
        return self._n_threads

    @contextmanager
    def _scheduler_is_there(self) -> Iterator[None]:
        from distributed.client import ClosedClientError

        try:
            yield
        except (OSError, ClosedClientError):
            raise GhostshipsError(self._gone()) from None

    def _gone(self) -> str:
        return (
            f"{self._address}: the scheduler went away or dropped the work; nothing half done is visible: "
            "right would be to start it again and repeat the command"
        )


def check_address(address: str) -> None:
    """Raise UsageError unless this can be the address of a scheduler; nobody is asked."""
    parts = urlsplit(address)
    try:
        is_address = parts.scheme in _SCHEMES and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # a port that is no number
        is_address = False
    if not is_address or parts.path or parts.query or parts.username is not None:
        raise UsageError(f"scheduler {address!r} is no address; right would be tcp://HOST:PORT or tls://HOST:PORT")


@contextmanager
def _connected(address: str, timeout_s: float) -> Iterator[Client]:
    """A client of the scheduler, closed on the way out, whose own log lines go where `-v` shows them."""
    check_address(address)
    try:
        from distributed import Client
        from distributed.versions import VersionMismatchWarning
    except ImportError as error:
        raise UsageError(
            f"a scheduler needs Dask, which is not installed here ({error}); "
            "right would be: pip install 'ghostships[cluster]'"
        ) from None
    with _dask_says_it_to(log):
        try:
            # In a thread of its own: a notebook has a running event loop in this one.
            with ThreadPoolExecutor(1) as aside:
                aside.submit(asyncio.run, _greet(address, timeout_s)).result()
            with warnings.catch_warnings():
                # Our own check is narrower in what it looks at, and refuses instead of warning.
                warnings.simplefilter("ignore", VersionMismatchWarning)
                client = Client(address, timeout=timeout_s, set_as_default=False, direct_to_workers=False)
        except Exception as error:  # whatever a server makes Dask raise that is none of Dask's
            said = "" if isinstance(error, TimeoutError) else f" ({_one_line(error)})"
            raise GhostshipsError(
                f"{address}: no Dask scheduler answers there within {timeout_s:g} s{said}; "
                "right would be the address that `dask scheduler` printed"
            ) from None
        try:
            yield client
        finally:
            client.close()


async def _greet(address: str, timeout_s: float) -> None:
    """Exchange a word with the scheduler, or raise. Dask's own timeout (2026.8) ends when the port is open: a server that
    accepts and then says nothing would hold a client for ever."""
    from distributed.core import rpc
    from distributed.security import Security

    async with asyncio.timeout(timeout_s):
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            await scheduler.identity(n_workers=0)


@contextmanager
def _dask_says_it_to(ours: logging.Logger) -> Iterator[None]:
    """Turn Dask's log lines into details of ours: what a user must know is in the one line of the error."""

    class Details(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ours.debug("dask: %s", _one_line(record.getMessage()))

    dask = logging.getLogger("distributed")
    before, propagated = dask.handlers[:], dask.propagate
    dask.handlers[:], dask.propagate = [Details()], False
    try:
        yield
    finally:
        dask.handlers[:], dask.propagate = before, propagated


def _difference(worker: str, there: Mapping[str, str | None], wanted: Mapping[str, str]) -> str | None:
    """One line about a worker that has other versions; None where all are the same."""
    other = [
        f"{name} {(there.get(name) or 'missing')[:12]} (here {wanted[name][:12]})"
        for name in wanted
        if there.get(name) != wanted[name]
    ]
    if not other:
        return None
    return f"worker {worker} has {', '.join(other)}; equal bytes need equal versions: right would be {_wanted()}"


def _wanted() -> str:
    return ", ".join(f"{package} {version}" for package, version in versions().items()) + " on every worker"


def _one_line(error: object) -> str:
    """The first line of what Dask or the system said, never more than a reader can take in."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
