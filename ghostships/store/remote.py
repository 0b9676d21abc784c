"""A store on any file system that fsspec reaches, `s3://bucket/prefix` first of all.

    writers/<token>.json   a claim, kept alive while its run writes: announce first, then look around
    manifests/<seq>.json   created with "only if there is none" where the file system offers that (S3: If-None-Match)

Two runs that begin at once see each other's claims and at least one withdraws: this needs no more than that what was written is
listed from then on. A claim whose last sign of life is `LEASE_S` old, by the clock of the file system, is dead; so is one of a
process of this very machine that has ended. Objects are written under their final names (S3 shows a file only when it is
complete) and named by their content, so writing one again does no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import platformdirs

from ghostships.errors import GhostshipsError, UsageError
from ghostships.store import disk, holding
from ghostships.store.holding import Holder, StoreHeld
from ghostships.store.local import remove_tree
from ghostships.store.shelf import BLOCK_BYTES, Entry, Mismatch, Removed, digest

CLAIMS = "writers"
LEASE_S = 6 * 3600.0
"""A silent writer is taken for dead after this [s]. A night takes minutes; a machine that vanished blocks one night at most."""
RENEW_S = 300.0
"""A claim is renewed, at the next thing the writer does, when its last sign of life is this old [s]."""
_WHEN = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
"""What file systems call the time of writing in `info`: S3, Azure, Google, local, SFTP, memory."""


_given_up: set[str] = set()
"""Claims of this process that could not be withdrawn when their writing ended."""


class RemoteShelf:
    """A folder of a remote file system as a place for a store, with a local folder of verified copies."""

    def __init__(
        self, url: str, *, cache: Path | None = None, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.shown = urlunsplit((parts.scheme, host, parts.path, "", "")).rstrip("/")
        try:
            fsspec: Any = importlib.import_module("fsspec")
            # No listing may come from a memory of how things were; no state may be shared with other users of the library.
            self.fs, root = fsspec.core.url_to_fs(
                url, use_listings_cache=False, skip_instance_cache=True, **dict(storage_options or {})
            )
        except ImportError as error:
            extra = (
                "pip install 'ghostships[s3]'" if parts.scheme in {"s3", "s3a"} else f"install what it names: {error}"
            )
            raise UsageError(f"{self.shown}: a store at {parts.scheme}:// needs another package; {extra}") from error
        except ValueError as error:
            raise UsageError(f"{self.shown}: is no place for a store: {error}") from error
        self.root: str = root.rstrip("/")
        name = hashlib.sha256(self.shown.encode()).hexdigest()[:16]
        self.cache = cache or Path(platformdirs.user_cache_dir("ghostships")) / "store" / name
        self._verified: set[tuple[str, str, int, int]] = set()

    def begin(self, path: str, data: bytes) -> None:
        with self.explained("make the store"):
            self.fs.pipe_file(self.at(path), data)

    def names(self) -> list[str] | None:
        with self.explained("list the folder"):
            try:
                found = self.fs.ls(self.root, detail=False)
            except FileNotFoundError:
                return None
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in found)

    def leftovers(self) -> list[Entry]:
        return self.entries(CLAIMS)

    def entries(self, folder: str = "") -> list[Entry]:
        with self.explained("list the store"):
            found = self.fs.find(self.at(folder) if folder else self.root, detail=True)
        entries = [
            Entry(name.removeprefix(self.root).lstrip("/"), int(about["size"]), _modified(about))
            for name, about in found.items()
            if about["type"] == "file"
        ]
        return sorted(entry for entry in entries if folder == CLAIMS or not entry.path.startswith(f"{CLAIMS}/"))

    def read(self, path: str) -> bytes:
        with self.explained(f"read {path}"):
            return bytes(self.fs.cat_file(self.at(path)))

    def size(self, path: str) -> int | None:
        with self.explained(f"look at {path}"):
            try:
                return int(self.fs.info(self.at(path))["size"])
            except FileNotFoundError:
                return None

    def digest(self, path: str) -> tuple[int, str]:
        summed, n_bytes = hashlib.sha256(), 0
        with self.explained(f"read {path}"), self.fs.open(self.at(path), "rb", block_size=8 * BLOCK_BYTES) as file:
            while block := file.read(BLOCK_BYTES):
                summed.update(block)
                n_bytes += len(block)
        return n_bytes, summed.hexdigest()

    def fetch(self, path: str, sha256: str) -> Path:
        """A copy in the cache folder, downloaded aside and verified before it gets its name, and again once per process."""
        target = self.cache / path
        if target.exists():
            about = target.stat()
            seen = (path, sha256, about.st_size, about.st_mtime_ns)
            if seen in self._verified or digest(target)[1] == sha256:
                self._verified.add(seen)
                return target
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with self.explained(f"fetch {path}"), self.fs.open(self.at(path), "rb", block_size=8 * BLOCK_BYTES) as file:
                disk.write_new(aside, iter(lambda: file.read(BLOCK_BYTES), b""))
            found = digest(aside)[1]
            if found != sha256:
                raise Mismatch(found)
            disk.rename(aside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                disk.unlink(aside)
            raise
        return target

    @contextmanager
    def hold(self, doing: str) -> Iterator[RemoteWriting]:
        writing = RemoteWriting(self, holding.myself(doing))
        try:
            yield writing
        finally:
            writing.close()

    def at(self, path: str) -> str:
        """The full path of a file of the store, for the file system."""
        return f"{self.root}/{path}"

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn whatever a remote file system raises into one line; a missing or an existing file stays what it is.

        Broad on purpose: network libraries raise dozens of their own types, none of which a user should see as a traceback.
        """
        try:
            yield
        except (GhostshipsError, FileNotFoundError, FileExistsError, Mismatch):
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:300] or type(error).__name__
            raise GhostshipsError(f"{self.shown}: cannot {doing}: {words}") from error


class RemoteWriting:
    """The only writer of a remote store, as long as its claim lives."""

    def __init__(self, shelf: RemoteShelf, me: Holder) -> None:
        self.shelf = shelf
        self._me = me
        self._claim = f"{CLAIMS}/{uuid.uuid4().hex}.json"
        self._workspace: Path | None = None
        with shelf.explained("claim the store"):
            self._announce()
            try:
                self._look_around()
                self._is_create_only = self._probe()
            except BaseException:
                self.close()
                raise

    @property
    def workspace(self) -> Path:
        if self._workspace is None:
            self._workspace = Path(tempfile.mkdtemp(prefix="ghostships-store-"))
        return self._workspace

    def seat(self, source: Path, path: str, *, sha256: str, n_bytes: int) -> None:
        """Upload, always: over an object of the same content that makes it young, and heals one that was damaged."""
        del sha256
        self._renew()
        with self.shelf.explained(f"write {path}"):
            self.shelf.fs.put_file(str(source), self.shelf.at(path))
            found = self.shelf.size(path)
            if found != n_bytes:
                raise GhostshipsError(f"{self.shelf.shown}/{path}: {found} bytes arrived of {n_bytes}; run again")
        disk.unlink(source)

    def create(self, path: str, data: bytes) -> None:
        """Create only where the file system can; else look first, and the claim keeps all other writers away meanwhile."""
        self._renew(always=True)
        target = self.shelf.at(path)
        with self.shelf.explained(f"write {path}"):
            if self._is_create_only:
                self.shelf.fs.pipe_file(target, data, mode="create")
            elif self.shelf.fs.exists(target):
                raise FileExistsError(target)
            else:
                self.shelf.fs.pipe_file(target, data)

    def replace(self, path: str, data: bytes) -> None:
        self._renew()
        with self.shelf.explained(f"write {path}"):
            self.shelf.fs.pipe_file(self.shelf.at(path), data)

    def drop(self, paths: list[str]) -> None:
        self._renew(always=True)
        with self.shelf.explained("remove objects"):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    self.shelf.fs.rm_file(self.shelf.at(path))

    def sweep(self, wanted: set[str]) -> list[Removed]:
        """Forget local copies that no kept generation needs. Claims of the dead went when this writing began."""
        cache = self.shelf.cache
        removed = []
        for path in sorted(cache.rglob("*")) if cache.is_dir() else ():
            name = path.relative_to(cache).as_posix()
            if path.is_file() and name not in wanted:
                removed.append(
                    Removed(f"cache/{name}", path.stat().st_size, "local copy that no kept generation needs")
                )
                disk.unlink(path)
        return removed

    def close(self) -> None:
        """Withdraw the claim and remove the unfinished files, as far as either can be reached."""
        try:
            with self.shelf.explained("withdraw the claim"), contextlib.suppress(FileNotFoundError):
                self.shelf.fs.rm_file(self.shelf.at(self._claim))
        except GhostshipsError:
            # Not worth failing for: the next writing of this process knows better, others know when this process has ended.
            _given_up.add(self.shelf.at(self._claim))
        if self._workspace is not None:
            with contextlib.suppress(OSError):
                remove_tree(self._workspace)

    def _announce(self) -> None:
        self.shelf.fs.pipe_file(self.shelf.at(self._claim), self._me.encode())
        self._announced_s = time.monotonic()

    def _look_around(self) -> None:
        """Withdraw when anybody else alive has a claim; remove the claims of the dead."""
        claims = {entry.path: entry for entry in self.shelf.entries(CLAIMS)}
        if self._claim not in claims:
            raise GhostshipsError(
                f"{self.shelf.shown}: the file system does not list what was just written, so two runs could not see each other; "
                "a store needs one that does"
            )
        now_utc = claims.pop(self._claim).modified_utc
        for path, entry in claims.items():
            try:
                holder = holding.read_holder(self.shelf.read(path))
            except FileNotFoundError:
                continue
            silent_s = (now_utc - entry.modified_utc).total_seconds()
            is_dead = holder is not None and holder.is_surely_dead
            if silent_s > LEASE_S or is_dead or self.shelf.at(path) in _given_up:
                with contextlib.suppress(FileNotFoundError):
                    self.shelf.fs.rm_file(self.shelf.at(path))
                continue
            message = holding.held_message(self.shelf.shown, holder, entry.modified_utc)
            raise StoreHeld(
                f"{message}; a run that was cut off is forgotten {LEASE_S / 3600:g} h after its last sign of life"
            )

    def _probe(self) -> bool:
        """Whether creating over an existing name fails, tried on our own claim, which exists."""
        try:
            self.shelf.fs.pipe_file(self.shelf.at(self._claim), self._me.encode(), mode="create")
        except FileExistsError:
            return True
        except Exception:
            # Not offered, in whatever words the file system says so; the claims alone must do.
            return False
        return False

    def _renew(self, *, always: bool = False) -> None:
        """Give a sign of life; StoreHeld when another run has taken us for dead."""
        if not always and time.monotonic() - self._announced_s < RENEW_S:
            return
        if self.shelf.size(self._claim) is None:
            raise StoreHeld(
                f"{self.shelf.shown}: this run was silent for more than {LEASE_S / 3600:g} h and another has taken the store; "
                "nothing of this run was published; run again"
            )
        with self.shelf.explained("renew the claim"):
            self._announce()


def _modified(about: Mapping[str, Any]) -> datetime:
    """When a file was written, by the clock of its file system; far in the future, so never old, where that is not told."""
    for key in _WHEN:
        found = about.get(key)
        if isinstance(found, datetime):
            return found.astimezone(UTC) if found.tzinfo else datetime.combine(found.date(), found.time(), UTC)
        if isinstance(found, int | float):
            return datetime.fromtimestamp(found, UTC)
    return datetime(9999, 12, 31, tzinfo=UTC)
