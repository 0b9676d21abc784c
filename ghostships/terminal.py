"""What a person sees: data on stdout, everything else on stderr, no byte of the input that could steer the terminal."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ghostships.errors import UsageError
from ghostships.report.text import shown

LogFormat = Literal["text", "json"]
log = logging.getLogger("ghostships")


def visible(value: object, *, limit: int = 200) -> str:
    """Text from the input on one line: control, bidi and zero-width characters written out, long text cut."""
    return shown(value, limit=limit)


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as UTC; without an offset it is UTC already, a date alone is its midnight.

    Raises
    ------
    UsageError
        saying what was found and what would be right.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{visible(text)!r} is not an ISO 8601 time; right would be 2024-03-12, 2024-03-12T06:30 (UTC) "
            "or 2024-03-12T15:30+09:00"
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def iso(time: datetime | None) -> str | None:
    """The time as ISO 8601 with a `Z`, whole seconds where it has no fraction; None stays None."""
    if time is None or pd.isna(time):
        return None
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: object) -> Any:
    """The value as JSON knows it: times as ISO 8601, missing values and NaN as null, lists and dicts all the way."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    item = getattr(value, "item", None)
    if callable(item):
        return plain(item())
    return str(value)


def as_json(value: object) -> str:
    """The value as indented JSON in plain ASCII, so that nothing in it can steer a terminal."""
    return json.dumps(plain(value), indent=2, ensure_ascii=True, allow_nan=False)


def aligned(rows: Iterable[Sequence[object]], *, indent: str = "", limit: int = 400) -> list[str]:
    """Rows as lines with the columns under each other; the last column is never padded."""
    texts = [[visible(cell, limit=limit) for cell in row] for row in rows]
    widths: dict[int, int] = {}
    for row in texts:
        for place, cell in enumerate(row[:-1]):
            widths[place] = max(widths.get(place, 0), len(cell))
    return [
        indent + "  ".join([cell.ljust(widths[place]) for place, cell in enumerate(row[:-1])] + row[-1:])
        for row in texts
    ]


class _JsonLines(logging.Formatter):
    """One JSON object a line, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=True)


def start_log(*, quiet: bool, verbose: bool, log_format: LogFormat) -> None:
    """Send notes to stderr: warnings and errors always, stages unless `quiet`, details when `verbose`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format == "json" else logging.Formatter("ghostships: %(message)s"))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)


def _moves() -> bool:
    """Whether stderr is a terminal on which lines may move."""
    handler = log.handlers[0] if log.handlers else None
    return (
        isinstance(handler, logging.StreamHandler)
        and handler.stream.isatty()
        and not isinstance(handler.formatter, _JsonLines)
        and log.isEnabledFor(logging.INFO)
    )


@contextmanager
def bar(what: str, n_bytes: int) -> Iterator[Callable[[Path, int, int], None] | None]:
    """As `stage`, for reading files of so many bytes in all: on a terminal with a bar, rows per second and the time left."""
    if not _moves():
        log.info("%s", what)
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    read: dict[Path, tuple[int, int]] = {}
    begun = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(visible(what)), total=max(n_bytes, 1), rows="")

        def told(path: Path, n_rows: int, n_read: int) -> None:
            read[path] = (n_rows, n_read)
            rows = sum(n for n, _ in read.values())
            rate = rows / max(time.monotonic() - begun, 1e-3)
            shown_rows = f"{rows:,} rows, {rate:,.0f} rows/s"
            progress.update(task, completed=sum(n for _, n in read.values()), rows=shown_rows)

        yield told


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say what is being done: a moving line on a terminal, a plain line of the log anywhere else."""
    if not _moves():
        log.info("%s", what)
        yield
        return
    # Imported here: off a terminal nothing of it is needed. It honours NO_COLOR and TERM=dumb by itself.
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(visible(what))):
        yield
