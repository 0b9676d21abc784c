"""AIS files in, positions and rejects out: every physical row is accepted, a duplicate, or a reject with its rule and bytes.

    path -> container, verified -> what is it? -> columns of text -> positions + rejects -> one account per file

A file that cannot be used at all is refused in its account; the others go on. Nothing here raises for bad content.
"""

from __future__ import annotations

import glob
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused, UsageError
from ghostships.readers import containers, dialects, jsonl, messages, nmea, parquet, text, times
from ghostships.readers.text import Refused

SOURCE_DIGITS = 12
SKIPPED_NAMES = ("commit", "license", "licence", "readme", "notice", "changelog", "copying")
SWAPPED_SHARE = 0.05
"""Share of latitudes beyond 90 degrees from which a file's columns are taken to be swapped, if swapping would fit."""
_HEADER_LIKE = ("field_count", "mmsi_format", "time_format", "id_format")


@dataclass(frozen=True)
class FileAccount:
    """What became of one file: `n_read == n_accepted + n_duplicate + sum(n_rejected.values())`, always.

    `path` is as given, `archive!index:member` inside a zip of several; `n_read` is counted from the bytes. `refused` says why
    nothing, or nothing after some row, was used.
    """

    path: str
    sha256: str
    n_bytes: int
    dialect: str = ""
    encoding: str = ""
    n_read: int = 0
    n_accepted: int = 0
    n_duplicate: int = 0
    n_rejected: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    span_start_utc: datetime | None = None
    span_end_utc: datetime | None = None
    n_vessels: int = 0
    refused: str | None = None


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


def readings(path: Path, *, wanted: dialects.Dialect | None = None) -> Iterator[Reading]:
    """Every stream of rows of one file: one, or one per member of a zip. A file that is refused is one reading without rows."""
    try:
        contents = containers.read_bytes(path)
    except FileRefused as refusal:
        yield _refused(FileAccount(refusal.path, _hash_of(path), _size_of(path)), refusal.message)
        return
    several = len(contents.members) > 1
    # A licence or readme packed beside the data is no delivery, as in a folder.
    members = [m for m in contents.members if not several or not _is_aside(Path(m.name.partition(":")[2]), Path())]
    for member in members or contents.members:
        sha256 = hashlib.sha256(member.data).hexdigest() if several else contents.sha256
        notes = [
            *contents.notes,
            *([f"member {member.name} of an archive with SHA-256 {contents.sha256}"] if several else []),
        ]
        account = FileAccount(
            f"{contents.path}!{member.name}" if several else contents.path,
            sha256,
            len(member.data) if several else contents.n_bytes,
            notes=notes,
        )
        try:
            yield _stream(member.data, account, wanted)
        except Refused as refusal:
            yield _refused(account, str(refusal))


def raw_lines(path: Path, source_file: str, rows: Iterable[int]) -> dict[int, str]:
    """The original bytes (escaped) behind source rows, for whoever must show them; rows not there are left out.

    `source_file` is the hash prefix of the file, or of a member of it.
    """
    contents = containers.read_bytes(path)
    for member in contents.members:
        hashes = (contents.sha256, hashlib.sha256(member.data).hexdigest())
        if not any(sha256.startswith(source_file) for sha256 in hashes):
            continue
        if jsonl.is_msgpack(member.data[:2]):
            records = jsonl.read_msgpack(member.data, wanted=None)
            return {row: records.raw(row) for row in rows if 1 <= row <= records.n_read}
        if member.data.startswith(b"PAR1"):
            records = parquet.read(member.data, wanted=None)
            return {row: records.raw(row) for row in rows if 1 <= row <= records.n_read}
        lines = text.decode(member.data).data.split(b"\n")
        return {row: containers.escape(lines[row - 1]) for row in rows if 1 <= row <= len(lines)}
    return {}


def _hash_of(path: Path) -> str:
    """The hash of a refused file, so that it can be recognised when it comes again; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
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


def _stream(data: bytes, account: FileAccount, wanted: dialects.Dialect | None) -> Reading:
    if data.startswith(b"PAR1"):
        return _records(parquet.read(data, wanted=wanted), account, "parquet")
    if jsonl.is_msgpack(data[:2]):
        return _records(jsonl.read_msgpack(data, wanted=wanted), account, "msgpack")
    decoded = text.decode(data)
    account = replace(account, encoding=decoded.encoding, notes=[*account.notes, *decoded.notes])
    if (wanted is None and nmea.is_nmea(decoded.data)) or (wanted is not None and "nmea" in wanted.shapes):
        return _nmea(decoded.data, account)
    first = decoded.data.lstrip()[:1]
    if first == b"{":
        return _records(jsonl.read_lines(decoded.data, wanted=wanted), account, decoded.encoding)
    if first == b"[":
        raise Refused("json_array", "is a JSON array; JSON lines (one object per line) are read")
    return _table(decoded, account, wanted)


def _nmea(data: bytes, account: FileAccount) -> Reading:
    sentences = nmea.read(data, source_file=account.sha256[:SOURCE_DIGITS])
    account = replace(account, dialect="nmea", notes=[*account.notes, *sentences.notes])
    return _account(sentences.positions, list(sentences.rejects), sentences.n_read, account, why=sentences.why)


def _records(records: jsonl.Records, account: FileAccount, encoding: str) -> Reading:
    binding = records.binding
    dialect = binding.dialect
    tally = messages.Tally()
    plan = _plan([records.frame["time"]], dialect)
    positions, broken = messages.convert(
        records.frame, dialect, plan, source_file=account.sha256[:SOURCE_DIGITS], tally=tally
    )
    _refuse_swapped(records.frame.height, _n_swapped(records.frame, broken))
    rejects = [*records.rejects, *((row, rule, records.raw(row)) for row, rule in broken.iter_rows())]
    notes = [*account.notes, *_assumptions(plan, binding), *tally.notes()]
    if records.n_blank:
        notes.append(f"{records.n_blank} blank lines are not rows")
    account = replace(account, dialect=dialect.name, encoding=encoding, notes=notes)
    return _account(positions, rejects, records.n_read, account, binding=binding)


def _table(decoded: text.Text, account: FileAccount, wanted: dialects.Dialect | None) -> Reading:
    header = text.find_header(decoded, wanted=wanted)
    binding = _choose(decoded, header)
    dialect = binding.dialect
    plan, comma = _survey(decoded, header, binding)
    tally, counts = messages.Tally(), text.Counts()
    source = account.sha256[:SOURCE_DIGITS]
    parts: list[pl.DataFrame] = []
    rejects: list[tuple[int, str, str]] = []
    n_swapped, other_header = 0, None
    for piece in text.pieces(decoded, header, binding, counts):
        frame = _with_points(piece.frame) if comma else piece.frame
        if other_header is not None:
            rejects += [(row, "after_other_header", piece.raw(decoded.data, row)) for row in frame["row"]]
            rejects += [(row, "after_other_header", raw) for row, _, raw in piece.rejects]
            continue
        positions, broken = messages.convert(frame, dialect, plan, source_file=source, tally=tally)
        n_swapped += _n_swapped(frame, broken)
        new = [*piece.rejects, *((row, rule, piece.raw(decoded.data, row)) for row, rule in broken.iter_rows())]
        other_header = _other_header(new)
        if other_header is not None:
            cut = other_header
            late = positions.filter(pl.col("source_row") > cut)["source_row"]
            positions = positions.filter(pl.col("source_row") < cut)
            new = [
                (row, "other_header" if row == cut else rule if row < cut else "after_other_header", raw)
                for row, rule, raw in new
            ] + [(row, "after_other_header", piece.raw(decoded.data, row)) for row in late]
        parts.append(positions)
        rejects += new
    if not counts.n_read:
        raise Refused("header_only", "a header but no rows")
    _refuse_swapped(counts.n_read, n_swapped)
    notes = [*account.notes, *_assumptions(plan, binding), *tally.notes(), *_line_notes(header, counts, comma)]
    last = header.row + counts.n_lines
    if "the last line has no line end" in notes and any(
        row == last and rule == "field_count" for row, rule, _ in rejects
    ):
        notes.append("maybe truncated: the last line has no line end and too few or too many fields")
    refused = None
    if other_header is not None:
        refused = f"row {other_header} is another header; nothing from there on was used, split the file"
    account = replace(account, dialect=dialect.name, notes=notes, refused=refused)
    positions = pl.concat(parts) if parts else tables.empty_polars(tables.POSITIONS)
    return _account(positions, rejects, counts.n_read, account, binding=binding)


def _choose(decoded: text.Text, header: text.Header) -> dialects.Binding:
    """The best binding the values agree with: a dialect in tenths of a knot has no fractions."""
    for binding in header.bindings:
        checked = [name for name in binding.dialect.whole_numbers if name in binding.index]
        if not checked:
            return binding
        first = next(text.pieces(decoded, header, binding, text.Counts()), None)
        has_fraction = first is not None and any(
            first.frame[name].str.contains(r"^-?\d*\.\d*[1-9]").fill_null(False).any() for name in checked
        )
        if not has_fraction:
            return replace(binding, why=f"{binding.why}; {', '.join(checked)} has no fractions")
    return header.bindings[-1]


def _survey(decoded: text.Text, header: text.Header, binding: dialects.Binding) -> tuple[times.Plan, bool]:
    """Decide from all rows what no single row can say: order of dates, unit of numbers, decimal sign."""
    may_have_commas = header.delimiter != "," and b"," in decoded.data
    if binding.dialect.time.format != "auto" and not may_have_commas:
        return _plan([], binding.dialect), False
    few = replace(binding, index={name: binding.index[name] for name in ("time", "lat_deg", "lon_deg")})
    survey, n_comma, n_point, n_clear = times.Survey(), 0, 0, 0
    for piece in text.pieces(decoded, header, few, text.Counts()):
        survey.add(piece.frame["time"])
        if may_have_commas:
            for name in ("lat_deg", "lon_deg"):
                cells = piece.frame[name].str
                n_comma += int(cells.contains(",", literal=True).sum())
                n_point += int(cells.contains(".", literal=True).sum())
                n_clear += int(cells.contains(r"^\s*-?\d{1,3},(\d{1,2}|\d{4,})\s*$").sum())
    if n_comma and n_point:
        raise Refused("decimal_mixed", f"mixes decimal commas and points in its coordinates ({n_comma} and {n_point})")
    if n_comma and not n_clear:
        raise Refused("decimal_ambiguous", "coordinates like 1,234 may have a decimal comma or a thousands separator")
    plan = _decide(survey, binding.dialect) if binding.dialect.time.format == "auto" else _plan([], binding.dialect)
    return plan, n_comma > 0


def _plan(columns: Sequence[pl.Series], dialect: dialects.Dialect) -> times.Plan:
    if dialect.time.format != "auto":
        return times.Plan(dialect.time.format, dialect.time.zone)
    return _decide(times.survey(columns), dialect)


def _decide(survey: times.Survey, dialect: dialects.Dialect) -> times.Plan:
    if not sum(survey.n.values()):
        # No row was regular enough to show a time: whatever the plan, the rejects tell.
        return times.Plan("iso", dialect.time.zone)
    try:
        return survey.decide(zone=dialect.time.zone)
    except times.Undecided as undecided:
        raise Refused("time_undecided", str(undecided)) from undecided


def _with_points(frame: pl.DataFrame) -> pl.DataFrame:
    names = [name for name in dialects.NUMBER_FIELDS if name in frame.columns]
    return frame.with_columns(pl.col(names).str.replace(",", ".", literal=True))


def _n_swapped(frame: pl.DataFrame, broken: pl.DataFrame) -> int:
    """Rows whose latitude is impossible while the longitude could be one."""
    ranges = broken.filter(pl.col("rule") == "coord_range")
    if not ranges.height:
        return 0
    lat, lon = (pl.col(name).cast(pl.Float64, strict=False).abs() for name in ("lat_deg", "lon_deg"))
    suspects = frame.join(ranges.select("row"), on="row", how="semi").select(
        ((lat > 90) & (lat <= 180) & (lon <= 90)).sum()
    )
    return int(suspects.item())


def _refuse_swapped(n_rows: int, n_swapped: int) -> None:
    if n_swapped > SWAPPED_SHARE * n_rows:
        raise Refused(
            "lat_lon_swapped",
            f"latitude and longitude look swapped: {n_swapped} of {n_rows} latitudes are beyond 90 degrees and would fit as "
            "longitudes; rename the columns",
        )


def _other_header(rejects: Sequence[tuple[int, str, str]]) -> int | None:
    for row, rule, raw in sorted(rejects):
        folded = raw[:4096].lower()
        if rule in _HEADER_LIKE and "lat" in folded and "lon" in folded and text.is_header(raw[:4096]):
            return row
    return None


def _assumptions(plan: times.Plan, binding: dialects.Binding) -> list[str]:
    notes = []
    if plan.kind in ("dmy", "mdy"):
        how = "as the dialect declares" if binding.dialect.time.format == plan.kind else "decided from all rows"
        notes.append(f"dates are {'day' if plan.kind == 'dmy' else 'month'}-first, {how}")
    elif plan.kind.startswith("unix"):
        notes.append(f"times are numbers in {plan.kind.removeprefix('unix_')} since 1970, by their magnitude")
    if plan.kind in ("iso", "dmy", "mdy", "compact") and plan.has_naive:
        notes.append(
            f"times without a zone are {plan.zone}, as the dialect declares"
            if plan.zone
            else "times without a zone are rejects, because others have one"
            if plan.reject_naive
            else "times without a zone were taken as UTC; nothing in the file says so"
        )
    notes += [f"{name} was multiplied by {factor:g}" for name, factor in binding.dialect.scale.items()]
    if "mmsi" not in binding.index:
        notes.append("no MMSI column: ships are known by the file's own ids")
    if binding.unknown:
        shown = ", ".join(
            containers.escape(c.encode("utf-8", "replace"))[:40] or "(no name)" for c in binding.unknown[:40]
        )
        notes.append(f"columns not used: {shown}")
    return notes


def _line_notes(header: text.Header, counts: text.Counts, comma: bool) -> list[str]:
    n_aside = counts.n_blank + counts.n_comment + header.n_skipped
    notes = [f"1 header line, {n_aside} comment or blank lines are not rows"]
    if counts.n_continued:
        notes.append(f"{counts.n_continued} lines continue a quoted field of the line before")
    if counts.n_latin:
        notes.append(f"{counts.n_latin} rows have names that are not UTF-8, read as latin-1")
    if header.delimiter != ",":
        notes.append(f"delimiter is {header.delimiter!r}")
    if comma:
        notes.append("decimal commas, by all coordinates of the file")
    return notes


def _account(
    positions: pl.DataFrame,
    rejects: list[tuple[int, str, str]],
    n_read: int,
    account: FileAccount,
    *,
    binding: dialects.Binding | None = None,
    why: str = "",
) -> Reading:
    """Check what was made against the declared table, count it, and close the account."""
    passed, broken = tables.check(positions, tables.POSITIONS)
    rejects = rejects + [(int(r), str(rule), "") for r, rule in broken.select("source_row", "rule").iter_rows()]
    frame = pl.DataFrame(
        {
            "file_sha256": [account.sha256] * len(rejects),
            "row": [row for row, _, _ in rejects],
            "rule": [rule for _, rule, _ in rejects],
            "raw": [raw for _, _, raw in rejects],
        },
        schema=tables.REJECTS.polars_schema,
    )
    span = passed.select(pl.col("time_utc").min(), end=pl.col("time_utc").max()).row(0)
    counted = Counter(rule for _, rule, _ in rejects)
    account = replace(
        account,
        n_read=n_read,
        n_accepted=passed.height,
        n_rejected=dict(sorted(counted.items())),
        span_start_utc=span[0],
        span_end_utc=span[1],
        n_vessels=passed["vessel_key"].n_unique(),
    )
    return Reading(
        passed,
        frame,
        account,
        binding.why if binding else why,
        binding.known if binding else {},
        binding.unknown if binding else (),
    )
