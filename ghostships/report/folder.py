"""The output folder: built beside its place, renamed into it when complete, checked against its own report.

.NAME.draft-PID/   tables -> hashes -> report.html, layers -> manifest.json (last)
       |  swapped with NAME in one step where the system can, else by two renames
       v
     NAME/         complete or absent; the old one is removed only after the new one stands
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.errors import GhostshipsError, UsageError
from ghostships.report import figures, geo, kml, page, parquet, workbook
from ghostships.reviews import ledger
from ghostships.routes import Route

MANIFEST = "manifest.json"
REPORT = "report.html"
LAYERS = "ghostships.gpkg"
TRIPS_KML = "trips.kml"
WORKBOOK = "flags.xlsx"
FIGURES = figures.FOLDER
MARK = "ghostships"
"""The key of `manifest.json` that says a folder is ours."""

_OURS = {
    MANIFEST,
    REPORT,
    LAYERS,
    TRIPS_KML,
    WORKBOOK,
    FIGURES,
    "revisions.parquet",
    f"{tables.CONTEXT.name}.parquet",
    *(f"{t.name}.parquet" for t in tables.PUBLIC),
}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Arguments of renameat2(2), linux/fcntl.h and linux/fs.h."""


class Tables(Protocol):
    """What is published: `pipeline.Result` is one."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]: ...
    @property
    def rejects(self) -> pl.DataFrame: ...


@dataclass(frozen=True)
class Check:
    """One file of the folder against the hash that the report carries."""

    file: str
    status: Literal["verified", "missing", "mismatch"]
    expected_sha256: str
    found_sha256: str | None


def publish(
    result: Tables,
    manifest: dict[str, Any],
    out: Path,
    *,
    route: Route,
    with_report: bool = True,
    with_layers: bool = True,
    more: Callable[[Path], None] | None = None,
    after: Path | None = None,
) -> dict[str, Any]:
    """Write the whole folder, or nothing; returns the manifest as written.

    Parameters
    ----------
    manifest : everything but `tables` and `files`, which are added here; must have the key `ghostships` (the version)
    more : writes further files of ours (figures) into the draft before it is published
    after : an older folder in another place that this one follows; its decisions are drawn into the page. Default: `out`

    What an analyst put into an older folder of ours (reviews, named scenarios) is carried over.

    Raises
    ------
    UsageError
        when `out` exists and is not a folder of ours; nothing is touched then.
    GhostshipsError
        when writing fails (disk full, say); the old folder still stands, the draft is gone.
    """
    assert MARK in manifest, f"a manifest needs the key {MARK!r}"
    target = out.resolve()
    refuse_foreign(target, shown=out)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(target)
        draft = target.parent / f".{target.name}.draft-{os.getpid()}"
        draft.mkdir()
    except OSError as error:
        raise GhostshipsError(f"{out}: cannot make the output folder: {error.strerror}") from error
    try:
        with _ends_on_signal():
            kept = ledger.as_far_as_read(after or target)
            written = _fill(
                draft,
                result,
                manifest,
                route,
                with_report=with_report,
                with_layers=with_layers,
                more=more,
                decided=kept,
            )
            # What is decided while the page is drawn is not on it, but it is kept.
            with ledger.held(target):
                if target.is_dir():
                    _carry_over(target, draft)
                _sync(draft)
                refuse_foreign(target, shown=out)
                _swap(draft, target)
    except OSError as error:
        raise GhostshipsError(f"{out}: cannot write the output folder: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return written


def refuse_foreign(target: Path, *, shown: Path | None = None) -> None:
    """Raise UsageError when something that is not ours is in the place of the output folder."""
    shown = shown or target
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise UsageError(f"{shown}: is a file; --out must name a folder that does not exist or that ghostships wrote")
    if not is_ours(target):
        raise UsageError(
            f"{shown}: exists and has no {MANIFEST} of ghostships in it; nothing was touched; give a new name or remove it"
        )


def is_ours(folder: Path) -> bool:
    """Whether the folder holds a manifest that ghostships wrote."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and MARK in found


def read(folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """All public tables and the manifest of a published folder.

    Raises
    ------
    UsageError
        when it is not a folder of ours, or a table is missing or does not have its recorded hash.
    """
    if not is_ours(folder):
        raise UsageError(f"{folder}: is not a folder that ghostships wrote (no {MANIFEST} with the key {MARK!r})")
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    recorded = manifest.get("tables", {})
    frames: dict[str, pd.DataFrame] = {}
    for table in (*tables.PUBLIC, *(t for t in (tables.CONTEXT,) if t.name in recorded)):
        path = folder / f"{table.name}.parquet"
        if table.name not in recorded and not path.exists():
            # Written by a version that did not know this table; what its manifest lists must be there.
            frames[table.name] = tables.empty_pandas(table)
            continue
        if not path.is_file():
            raise UsageError(f"{path}: the table is missing; the folder is not complete")
        expected = recorded.get(table.name, {}).get("sha256")
        found = sha256(path)
        if found != expected:
            raise UsageError(
                f"{path}: SHA-256 is {found[:12]}, {MANIFEST} says {str(expected)[:12]}; the file was changed"
            )
        frames[table.name] = parquet.read_table(path, table)
    return frames, manifest


def write_layers(frames: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], out: Path) -> list[str]:
    """Write the files for other tools: GeoPackage, KML and workbook; returns what had to be left out, in sentences."""
    is_simulated = bool(manifest.get("is_simulated"))
    geo.write_layers(frames, out / LAYERS, is_simulated=is_simulated)
    kml.write(frames, out / TRIPS_KML, is_simulated=is_simulated)
    return workbook.write(frames, manifest, out / WORKBOOK)


def draw_again(folder: Path, frames: Mapping[str, pd.DataFrame], manifest: dict[str, Any], route: Route) -> bool:
    """Write figures, layers and workbook of a published folder anew and record them; says whether any byte changed.

    Each file is replaced at once; figures of trips that are not flagged any more go. `manifest["files"]` is brought up to date,
    writing the manifest is left to the caller, who has the page to add.
    """
    said = {key: value for key, value in manifest.items() if key != "files"}
    files: dict[str, str] = dict(manifest.get("files") or {})
    before = dict(files)
    with tempfile.TemporaryDirectory(prefix=".ghostships-", dir=folder) as name:
        aside = Path(name)
        left_out = write_layers(frames, said, aside)
        figures.write(frames, said, route, aside / FIGURES)
        made = {p.relative_to(aside).as_posix(): p for p in sorted(aside.rglob("*")) if p.is_file()}
        if any(relative.startswith(f"{FIGURES}/") for relative in made):
            (folder / FIGURES).mkdir(exist_ok=True)
        is_other = False
        for relative, path in made.items():
            files[relative] = sha256(path)
            if not (folder / relative).is_file() or sha256(folder / relative) != files[relative]:
                path.replace(folder / relative)
                is_other = True
    for relative in [r for r in files if r.startswith(f"{FIGURES}/") and r not in made]:
        (folder / relative).unlink(missing_ok=True)
        del files[relative]
    manifest["files"] = files
    manifest["warnings"] = list(dict.fromkeys([*(manifest.get("warnings") or []), *left_out]))
    return is_other or files != before


def verify(out: Path) -> list[Check]:
    """Every table against the hashes embedded in the report page; figures, layers and workbook against the manifest.

    Raises
    ------
    UsageError
        when there is no report, or it carries no hashes.
    """
    path = out / REPORT
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: cannot read the report: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        ) from error
    embedded = page.embedded_hashes(text)
    if embedded is None:
        raise UsageError(f"{path}: carries no table hashes; it is not a report of ghostships or it was cut")
    checks: list[Check] = []
    for name, expected in sorted(embedded.items()):
        file = out / f"{name}.parquet"
        if name not in tables.ALL or not file.is_file():
            checks.append(Check(f"{name}.parquet", "missing", expected, None))
            continue
        found = sha256(file)
        checks.append(Check(file.name, "verified" if found == expected else "mismatch", expected, found))
    # A table the report never heard of was added behind its back.
    unheard = sorted(t.name for t in tables.PUBLIC if t.name not in embedded and (out / f"{t.name}.parquet").exists())
    checks += [Check(f"{name}.parquet", "mismatch", "", sha256(out / f"{name}.parquet")) for name in unheard]
    return checks + _verify_drawn(out)


def _verify_drawn(out: Path) -> list[Check]:
    """Figures, layers and workbook against the manifest, and figures that it does not know; none where it cannot be read."""
    try:
        files = json.loads((out / MANIFEST).read_bytes()).get("files") or {}
    except (OSError, ValueError, RecursionError, AttributeError):
        return []
    drawn = {p.relative_to(out).as_posix() for p in sorted((out / FIGURES).glob("*")) if p.is_file()}
    known = {n for n in files if n in (LAYERS, TRIPS_KML, WORKBOOK) or n.startswith(f"{FIGURES}/") and ".." not in n}
    checks: list[Check] = []
    for name in sorted(drawn | known):
        expected = str(files.get(name, ""))
        found = sha256(out / name) if (out / name).is_file() else None
        status: Literal["verified", "missing", "mismatch"] = "verified" if found == expected else "mismatch"
        checks.append(Check(name, "missing" if found is None else status, expected, found))
    return checks


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(
    draft: Path,
    result: Tables,
    manifest: dict[str, Any],
    route: Route,
    *,
    with_report: bool,
    with_layers: bool,
    more: Callable[[Path], None] | None,
    decided: ledger.Ledger,
) -> dict[str, Any]:
    """Write every file of the folder; the manifest last."""
    frames: dict[str, pd.DataFrame | pl.DataFrame] = {**result.tables, "rejects": result.rejects}
    recorded: dict[str, dict[str, Any]] = {}
    # Context is there only when something of other publishers was handed in.
    for table in (*tables.PUBLIC, *(t for t in (tables.CONTEXT,) if t.name in frames)):
        path = draft / f"{table.name}.parquet"
        rows = parquet.write_table(frames[table.name], table, path)
        recorded[table.name] = {"rows": rows, "sha256": sha256(path)}
    written = {**manifest, "tables": recorded}
    if with_layers:
        left_out = write_layers(result.tables, written, draft)
        written["warnings"] = [*(written.get("warnings") or []), *left_out]
    if with_report:
        (draft / REPORT).write_text(page.render(result.tables, written, route, decided=decided), encoding="utf-8")
        figures.write(result.tables, written, route, draft / FIGURES)
    if more is not None:
        more(draft)
    files = (p for p in draft.rglob("*") if p.is_file() and p.suffix != ".parquet")
    written["files"] = {p.relative_to(draft).as_posix(): sha256(p) for p in sorted(files)}
    text = json.dumps(written, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False)
    (draft / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return written


def _carry_over(old: Path, draft: Path) -> None:
    """Copy what is not ours from the folder about to be replaced: an analyst's reviews must outlive a re-run."""
    for entry in sorted(old.iterdir()):
        if entry.name in _OURS or os.path.lexists(draft / entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, draft / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, draft / entry.name, follow_symlinks=False)


def _sync(folder: Path) -> None:
    """Have every file and folder on the disk before the name says that they are complete."""
    for path in [folder, *sorted(folder.rglob("*"))]:
        if path.is_symlink():
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in its place; afterwards the draft's name holds the old folder, if there was one."""
    if not target.exists():
        draft.rename(target)
    elif not _exchange(draft, target):
        old = target.parent / f".{target.name}.old-{os.getpid()}"
        target.rename(old)
        try:
            draft.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names at once (Linux); False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code))


def _clear_leftovers(target: Path) -> None:
    """Remove drafts of runs that were killed; bring back an old folder caught between two renames."""
    for kind in ("draft", "old"):
        prefix = f".{target.name}.{kind}-"
        for left in sorted(target.parent.glob(f".*.{kind}-*")):
            owner = left.name.removeprefix(prefix)
            if not left.name.startswith(prefix) or not owner.isdigit() or _is_running(int(owner)):
                continue
            if kind == "old" and not target.exists() and is_ours(left):
                left.rename(target)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _is_running(pid: int) -> bool:
    """Whether another process has this number (our own leftovers are fair game: we are only starting)."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _ends_on_signal() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exit that cleans up, unless somebody else already handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    changed = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
