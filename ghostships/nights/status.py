"""`status.json`: what a monitor reads. Written last and at once; a failure never hides the last success.

{"last_run": {...this run, whatever became of it...}, "last_success": {...the newest run that published...}}
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ghostships.store import disk
from ghostships.terminal import iso, plain

FORMAT = 1


def read(path: Path) -> dict[str, Any]:
    """The status as it stands; empty when there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def succeeded(
    path: Path, facts: Mapping[str, Any], *, started_utc: datetime, finished_utc: datetime, exit_status: int
) -> dict[str, Any]:
    """Record a night that did its work (also one with exit status 3 or 10), and return what was written.

    Raises
    ------
    OSError
        when it cannot be written; the old status stands then.
    """
    run = {
        "started_utc": iso(started_utc),
        "finished_utc": iso(finished_utc),
        "exit_status": exit_status,
        "error": None,
    }
    return _write(path, {"format": FORMAT, "last_run": run, "last_success": {**facts, **run}})


def failed(
    path: Path, error: str, *, started_utc: datetime, finished_utc: datetime, exit_status: int
) -> dict[str, Any]:
    """Record a night that did not: the last success stays readable beside the failure. Raises as `succeeded`."""
    run = {
        "started_utc": iso(started_utc),
        "finished_utc": iso(finished_utc),
        "exit_status": exit_status,
        "error": error,
    }
    return _write(path, {"format": FORMAT, "last_run": run, "last_success": read(path).get("last_success")})


def _write(path: Path, value: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = plain(value)
    data = (json.dumps(written, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n").encode()
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(aside)
    try:
        disk.write_new(aside, [data])
        disk.fsync_file(aside)
        disk.rename(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(aside)
        raise
    disk.fsync_folder(path.parent)
    return written
