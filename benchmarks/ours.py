"""What is measured of `ghostships`: the one place that knows its command lines.

Every function gives the words of a command, or None where this version of the program has no such command yet; the results
then say so.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

PROGRAM = [sys.executable, "-m", "ghostships"]


def bulk(files: Sequence[Path], folder: Path) -> list[str] | None:
    """The bulk job: read, validate, de-duplicate, order, store, summarise, find gaps of six hours.

    `folder` is new and empty for each run; the store and everything else must go into it.
    """
    return None


def bulk_answer(folder: Path) -> dict[str, int]:
    """What the bulk job found, under the names of the generator's truth (`good`, `duplicates`, `vessels`, `vessel_hours`, `gaps`).

    Read from what the job left in `folder`; names that cannot be told are left out.
    """
    return {}


def nightly(config: Path, as_of: date) -> list[str] | None:
    """One scheduled run, at the start of a day, over what is new in the inbox of this configuration."""
    words = [*PROGRAM, "nightly", "--config", str(config), "--as-of", f"{as_of}T00:00:00Z"]
    known = subprocess.run([*PROGRAM, "nightly", "--help"], capture_output=True, check=False).returncode == 0
    return words if known else None
