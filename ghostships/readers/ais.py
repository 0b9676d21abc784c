"""AIS files in, positions and rejects out: every physical row is accepted, a duplicate, or a reject with its rule and bytes.

    path -> container, verified -> what is it? -> columns of text -> positions + rejects -> one account per file

A file that cannot be used at all is refused in its account; the others go on. Nothing here raises for bad content.
"""

from __future__ import annotations

import functools
import glob
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from ghostships import statics, tables
from ghostships.errors import FileRefused, UsageError
from ghostships.readers import containers, delimited, dialects, jsonl, lines, messages, nmea, parquet, text
from ghostships.readers.account import Closing, FileAccount, Finished, Portion, Reject, Rows, checked, narrow
from ghostships.readers.lines import Pieces
from ghostships.readers.text import Refused

SOURCE_DIGITS = 12
SKIPPED_NAMES = ("commit", "license", "licence", "readme", "notice", "changelog", "copying")


@dataclass(frozen=True)
class AisDelivery:
    """What was read from all files: `tables.POSITIONS`, `tables.REJECTS`, and one account per file."""

    positions: pl.DataFrame
    rejects: pl.DataFrame
    files: list[FileAccount]


@dataclass(frozen=True)
class Reading:
    """One stream of rows: what `inspect` shows and `read` gathers."""

    positions: pl.DataFrame
    rejects: pl.DataFrame
    account: FileAccount
    why: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def expand(paths: Sequence[str]) -> list[Path]:
    """Files named, in folders (recursively, by name) or matching a pattern, each once, in a fixed order.

    In folders, hidden files, names starting with `_` and licence, readme and commit notes are not AIS files and are left out
    (`skipped` lists them). A file named outright is always kept.

    Raises
    ------
    UsageError
        when a path or pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            matches = [p for p in _files_below(path) if not _is_aside(p, path)]
        elif path.exists() or path.is_symlink():
            matches = [path]
        else:
            # Path.glob takes no absolute pattern.
            hits = sorted(map(Path, glob.iglob(given, recursive=True))) if glob.has_magic(given) else []  # noqa: PTH207
            matches = [p for hit in hits for p in ([hit] if not hit.is_dir() else _files_below(hit))]
            matches = [p for p in matches if not _is_aside(p, p.parent)]
        if not matches:
            raise UsageError(f"{given}: no such file, folder or pattern with AIS files in it")
        found.update(dict.fromkeys(matches))
    return [*found]


def skipped(paths: Sequence[str]) -> list[Path]:
    """Files inside the given folders that `expand` leaves out because of their names."""
    folders = [Path(given) for given in paths if Path(given).is_dir()]
    return [p for folder in folders for p in _files_below(folder) if _is_aside(p, folder)]


def _files_below(folder: Path) -> list[Path]:
    return sorted((p for p in folder.rglob("*") if not p.is_dir()), key=lambda p: p.parts)


def _is_aside(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else path.parts[-1:]
    if any(part.startswith((".", "_")) for part in parts):
        return True
    stem = parts[-1].lower().split(".")[0].split("-")[0]
    return stem in SKIPPED_NAMES


def read(paths: Sequence[Path], *, dialect: str | None = None) -> AisDelivery:
    """Read AIS files of any dialects, and take out what was delivered twice.

    Raises
    ------
    UsageError
        when `dialect` is not known.
    """
    wanted = dialects.get(dialect) if dialect is not None else None
    seen: dict[str, FileAccount] = {}
    accounts: list[FileAccount] = []
    positions, rejects = [], []
    for path in paths:
        for reading in readings(path, wanted=wanted):
            account = reading.account
            first = seen.get(account.sha256)
            if first is not None and account.sha256:
                n_usable = account.n_read - sum(account.n_rejected.values())
                note = f"the same bytes as {first.path}: no new rows"
                accounts.append(
                    replace(account, n_accepted=0, n_duplicate=n_usable, notes=[*account.notes, note], n_vessels=0)
                )
                continue
            seen[account.sha256] = account
            accounts.append(account)
            positions.append(reading.positions)
            rejects.append(reading.rejects)
    everything = pl.concat(positions) if positions else tables.empty_polars(tables.POSITIONS)
    kept, n_duplicates = deduplicate(everything)
    files = [
        replace(a, n_accepted=a.n_accepted - n, n_duplicate=n)
        if a.n_accepted and (n := n_duplicates.get(a.sha256[:SOURCE_DIGITS], 0))
        else a
        for a in accounts
    ]
    for account in files:
        assert account.n_read == account.n_accepted + account.n_duplicate + sum(account.n_rejected.values()), account
    refused = pl.concat(rejects) if rejects else tables.empty_polars(tables.REJECTS)
    return AisDelivery(kept, refused.sort(*tables.REJECTS.key, "raw"), files)


def deduplicate(positions: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Keep one row of those that say the same, the one of the smallest `source_file` and `source_row`.

    Two rows say the same when every column but the source agrees. The result is in the order of the table's key.

    Returns
    -------
    positions : without duplicates
    duplicates : rows taken out, by `source_file`
    """
    # Text sorts slowly: where all keys are `mmsi:` and nine digits, the number has the same order.
    by = "vessel_key" if positions["mmsi"].null_count() else "mmsi"
    ordered = positions.sort([by, "time_utc", "source_file", "source_row"])
    moment = pl.struct(by, "time_utc")
    shared = ordered.select(
        (moment == moment.shift(1)).fill_null(False) | (moment == moment.shift(-1)).fill_null(False)
    )
    ordered = ordered.with_columns(is_shared=shared.to_series()).with_row_index("at")
    same = [name for name in tables.POSITIONS.names if name not in ("source_file", "source_row")]
    together = ordered.filter("is_shared")
    first = together.unique(subset=same, keep="first", maintain_order=True)
    lost = together.join(first.select("at"), on="at", how="anti")
    counts = dict(lost.group_by("source_file").len().sort("source_file").iter_rows())
    kept = ordered.join(lost.select("at"), on="at", how="anti", maintain_order="left") if lost.height else ordered
    return kept.select(tables.POSITIONS.names), counts


@dataclass(frozen=True)
class Stream:
    """One stream of rows inside a file that is open. `account` says what is known before it is read."""

    account: FileAccount
    rows: Callable[[], Rows]
    position: Callable[[], int]
    """Bytes of the file on disk read so far."""


@contextmanager
def streams(path: Path, *, wanted: dialects.Dialect | None = None) -> Iterator[list[Stream]]:
    """Every stream of rows of one file: one, or one per member of a zip, to be read in the order given.

    Raises
    ------
    FileRefused
        when the file cannot be opened, and while a stream is read when its container is damaged: what it gave before is void.
    """
    with containers.opened(path) as found:
        several = len(found.members) > 1
        # A licence or readme packed beside the data is no delivery, as in a folder.
        kept = [m for m in found.members if not several or not _is_aside(Path(m.name.partition(":")[2]), Path())]
        out = []
        for member in kept or found.members:
            sha256, n_bytes = _hashed(member) if several else (found.sha256, found.n_bytes)
            inside = [f"member {member.name} of an archive with SHA-256 {found.sha256}"] if several else []
            shown = f"{found.path}!{member.name}" if several else found.path
            account = FileAccount(shown, sha256, n_bytes, notes=[*found.notes, *inside])
            out.append(Stream(account, functools.partial(_rows, member.pieces, account, wanted), found.position))
        yield out


def readings(path: Path, *, wanted: dialects.Dialect | None = None) -> Iterator[Reading]:
    """Every stream of rows of one file, in memory. A file that is refused is one reading without rows."""
    out = []
    try:
        with streams(path, wanted=wanted) as found:
            for stream in found:
                try:
                    out.append(_reading(stream))
                except Refused as refusal:
                    out.append(_refused(stream.account, str(refusal)))
    except FileRefused as refusal:
        # Damage shows at the end of a container: what was read before it is not used.
        out = [_refused(FileAccount(refusal.path, hash_of(path), _size_of(path)), refusal.message)]
    yield from out


def _reading(stream: Stream) -> Reading:
    """A stream, whole."""
    parts: list[pl.DataFrame] = []
    rejects: list[Reject] = []
    given = stream.rows()
    while True:
        try:
            portion = next(given)
        except StopIteration as end:
            finished: Finished = end.value
            break
        if portion.again:
            parts, rejects = [], []
            continue
        parts.append(portion.messages)
        rejects += portion.rejects
    account = finished.account
    positions = tables.empty_polars(tables.POSITIONS)
    if any(part.height for part in parts):
        together = pl.concat(parts).with_columns(source_file=pl.lit(account.sha256[:SOURCE_DIGITS]))
        positions = statics.join(statics.said_again(together, finished.numbers), finished.contents)
    frame = rejects_frame(account.sha256, rejects)
    return Reading(positions, frame, account, finished.why, finished.columns, finished.unknown)


def rejects_frame(sha256: str, rejects: Sequence[Reject]) -> pl.DataFrame:
    """Rejects of one stream as `tables.REJECTS`."""
    return pl.DataFrame(
        {
            "file_sha256": [sha256] * len(rejects),
            "row": [row for row, _, _ in rejects],
            "rule": [rule for _, rule, _ in rejects],
            "raw": [raw for _, _, raw in rejects],
        },
        schema=tables.REJECTS.polars_schema,
    )


def raw_lines(path: Path, source_file: str, rows: Iterable[int]) -> dict[int, str]:
    """The original bytes (escaped) behind source rows, for whoever must show them; rows not there are left out.

    `source_file` is the hash prefix of the file, or of a member of it.
    """
    wanted = sorted({row for row in rows if row >= 1})
    with containers.opened(path) as found:
        for member in found.members:
            if not any(
                h.startswith(source_file) for h in (found.sha256, _hashed(member)[0] if len(found.members) > 1 else "")
            ):
                continue
            head = lines.head_of(member.pieces)
            if jsonl.is_msgpack(head[:2]) or head.startswith(b"PAR1"):
                data = b"".join(member.pieces())
                is_parquet = head.startswith(b"PAR1")
                records = parquet.read(data, wanted=None) if is_parquet else jsonl.read_msgpack(data, wanted=None)
                return {row: records.raw(row) for row in wanted if row <= records.n_read}
            return _lines_at(lines.Window(member.pieces(), lines.recognise(head)), wanted)
    return {}


def _lines_at(window: lines.Window, wanted: Sequence[int]) -> dict[int, str]:
    """Physical lines by their numbers, counted from 1; one block is in memory at a time."""
    out: dict[int, str] = {}
    row, left = 1, deque(wanted)
    while window.block and left:
        n_lines = window.block.count(b"\n")
        if left[0] < row + n_lines:
            found = window.block.split(b"\n")
            while left and left[0] < row + n_lines:
                out[left[0]] = containers.escape(found[left[0] - row])
                left.popleft()
        row += n_lines
        window.advance()
    return out


def hashes(path: Path) -> list[str]:
    """The hash of a file, and those of the files inside it where it is an archive of several.

    Raises
    ------
    FileRefused
        when it cannot be read, or is damaged.
    """
    with containers.opened(path) as found:
        inside = [_hashed(member)[0] for member in found.members] if len(found.members) > 1 else []
        return [found.sha256, *inside]


def _hashed(member: containers.MemberStream) -> tuple[str, int]:
    """Hash and size of a member of an archive."""
    digest, n_bytes = hashlib.sha256(), 0
    for piece in member.pieces():
        digest.update(piece)
        n_bytes += len(piece)
    return digest.hexdigest(), n_bytes


def hash_of(path: Path) -> str:
    """The hash of a refused file, so that it can be recognised when it comes again; empty where it cannot be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refused(account: FileAccount, message: str) -> Reading:
    nothing = tables.empty_polars(tables.POSITIONS), tables.empty_polars(tables.REJECTS)
    return Reading(*nothing, replace(account, refused=message))


def _rows(pieces: Pieces, account: FileAccount, wanted: dialects.Dialect | None) -> Rows:
    """The rows of a stream, whatever it is.

    Raises
    ------
    Refused
        when nothing of it can be used.
    """
    head = lines.head_of(pieces)
    source = account.sha256[:SOURCE_DIGITS]
    if head.startswith(b"PAR1"):
        return (yield from _records(parquet.read(_whole(pieces), wanted=wanted), account, "parquet"))
    if jsonl.is_msgpack(head[:2]):
        return (yield from _records(jsonl.read_msgpack(_whole(pieces), wanted=wanted), account, "msgpack"))
    encoding = lines.recognise(head)
    beginning = lines.Window(iter([head]), encoding).block
    is_nmea = (wanted is None and nmea.is_nmea(beginning)) or (wanted is not None and "nmea" in wanted.shapes)
    first = beginning.lstrip()[:1]
    if is_nmea or first == b"{":
        decoded = text.decode(_whole(pieces))
        account = replace(account, encoding=decoded.encoding, notes=[*account.notes, *decoded.notes])
        if is_nmea:
            return (yield from _nmea(decoded.data, account))
        return (yield from _records(jsonl.read_lines(decoded.data, wanted=wanted), account, decoded.encoding))
    if first == b"[":
        raise Refused("json_array", "is a JSON array; JSON lines (one object per line) are read")
    return (yield from delimited.rows(pieces, encoding, account, wanted, source_file=source))


def _whole(pieces: Pieces) -> bytes:
    return b"".join(pieces())


def _nmea(data: bytes, account: FileAccount) -> Rows:
    sentences = nmea.read(data, source_file=account.sha256[:SOURCE_DIGITS])
    account = replace(account, dialect="nmea", notes=[*account.notes, *sentences.notes])
    return (
        yield from _at_once(sentences.positions, list(sentences.rejects), sentences.n_read, account, why=sentences.why)
    )


def _records(records: jsonl.Records, account: FileAccount, encoding: str) -> Rows:
    binding = records.binding
    dialect = binding.dialect
    tally = messages.Tally()
    plan = delimited.plan_of([records.frame["time"]], dialect)
    positions, broken = messages.convert(
        records.frame, dialect, plan, source_file=account.sha256[:SOURCE_DIGITS], tally=tally
    )
    delimited.refuse_swapped(records.frame.height, delimited.count_swapped(records.frame, broken))
    rejects = [*records.rejects, *((row, rule, records.raw(row)) for row, rule in broken.iter_rows())]
    notes = [*account.notes, *delimited.assumptions(plan, binding), *tally.notes()]
    if records.n_blank:
        notes.append(f"{records.n_blank} blank lines are not rows")
    account = replace(account, dialect=dialect.name, encoding=encoding, notes=notes)
    return (yield from _at_once(positions, rejects, records.n_read, account, binding=binding))


def _at_once(
    positions: pl.DataFrame,
    rejects: list[Reject],
    n_read: int,
    account: FileAccount,
    *,
    binding: dialects.Binding | None = None,
    why: str = "",
) -> Rows:
    """A stream that was read whole: one portion, and its end."""
    closing = Closing()
    passed, refused = checked(positions)
    packed, contents = statics.part(passed)
    yield closing.count(Portion(narrow(packed), [*rejects, *refused]))
    numbers = np.arange(contents.height, dtype=np.uint32)
    return closing.close(account, contents, numbers, n_read=n_read, binding=binding, why=why)
