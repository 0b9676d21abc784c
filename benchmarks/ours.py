"""What is measured of `ghostships`: the one place that knows its command lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

PROGRAM = [sys.executable, "-m", "ghostships"]
BULK_JOB = [sys.executable, str(Path(__file__).with_name("bulk_job.py"))]


def bulk(files: Sequence[Path], folder: Path, *, keep_raw: bool = False) -> list[str]:
    """The bulk job: read, validate, de-duplicate, order, store, summarise, find gaps of six hours.

    `folder` is new and empty for each run; the store and everything else goes into it. `keep_raw` keeps the original bytes too.
    """
    return [*BULK_JOB, str(folder), *map(str, files), *(["--raw"] if keep_raw else [])]


def bulk_answer(folder: Path) -> dict[str, int]:
    """What the bulk job found, under the names of the generator's truth; names that cannot be told are left out."""
    found: dict[str, int] = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return {name: found[name] for name in ("vessels", "vessel_hours", "gaps")}


def nightly(config: Path, as_of: date) -> list[str]:
    """One scheduled run, at the start of a day, over what is new in the inbox of this configuration."""
    return [*PROGRAM, "nightly", "--config", str(config), "--as-of", f"{as_of}T00:00:00Z"]
