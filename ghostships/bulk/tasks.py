"""The day-tasks: small values that say what to do, and functions of one of them, here or wherever the folders are seen."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from ghostships.bulk import day, delivered
from ghostships.bulk.delivered import Progress, Split
from ghostships.bulk.files import DayFiles
from ghostships.readers import dialects

Made = TypeVar("Made", Split, DayFiles)


@dataclass(frozen=True)
class Delivery:
    """Take the file `path` apart into the folder `out`."""

    path: Path
    out: Path
    dialect: str | None = None


@dataclass(frozen=True)
class Day:
    """Put the parts of a day together into the folder `out`."""

    day: date
    parts: tuple[Path, ...]
    out: Path


def split(task: Delivery, *, progress: Progress | None = None) -> Split:
    """A delivery's parts; see `delivered.split`."""
    wanted = dialects.get(task.dialect) if task.dialect is not None else None
    draft = _draft(task.out)
    try:
        found = delivered.split(task.path, draft, wanted=wanted, progress=progress)
        _publish(draft, task.out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    parts = [replace(part, files=_moved(part.files, task.out)) for part in found.parts]
    return replace(found, parts=parts, rejects=found.rejects and task.out / found.rejects.name)


def make(task: Day) -> DayFiles:
    """A day's files; see `day.make`."""
    draft = _draft(task.out)
    try:
        made = day.make(task.day, task.parts, draft)
        _publish(draft, task.out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _moved(made, task.out)


def _draft(out: Path) -> Path:
    # Two workers may do one task: each has a folder of its own until it is done.
    draft = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    draft.mkdir()
    return draft


def _publish(draft: Path, out: Path) -> None:
    """Whoever is done first wins; what the other made has the same bytes."""
    try:
        draft.rename(out)
    except OSError:
        if not out.is_dir():
            raise


def _moved(files: DayFiles, folder: Path) -> DayFiles:
    paths = {name: folder / getattr(files, name).name for name in ("positions", "hours", "statics", "lost")}
    return replace(files, **paths)
