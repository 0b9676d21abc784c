"""One gap, sighting, call, match or trip: its evidence added up again, the weakest link, the original lines behind it.

Works from an output folder alone; the original files are opened only for the lines themselves, and only when their SHA-256
is still the one in the manifest. What is shown is read from the tables, except the sum, which is added anew: the check.
"""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ghostships import intake, tables
from ghostships.errors import GhostshipsError, UsageError
from ghostships.readers import ais, containers, records
from ghostships.report import folder as report_folder
from ghostships.tables import Table
from ghostships.terminal import plain, visible

Kind = Literal["gap", "sighting", "call", "match", "trip"]
Row = dict[str, Any]

MAX_BITS = 30.0
"""The sum is clipped to this before it becomes a probability (contract, table `evidence`)."""

_SUBJECTS: dict[Kind, tuple[Table, str]] = {
    "gap": (tables.GAPS, "p_off"),
    "trip": (tables.ROUND_TRIPS, "p_trip"),
    "match": (tables.MATCHES, "p_match"),
    "sighting": (tables.SIGHTINGS, ""),
    "call": (tables.PORT_CALLS, ""),
}


@dataclass(frozen=True)
class Sum:
    """The evidence of one subject, added again. `p_shown` is what its table says; null where the data cannot say."""

    subject_id: str
    what: str
    p_shown: float | None
    evidence: tuple[Row, ...]
    bits: float | None
    p_added: float | None
    agrees: bool
    weakest: str | None


@dataclass(frozen=True)
class RawLine:
    """One original line (or record of a binary file), from a file whose SHA-256 was verified first."""

    role: str
    path: str
    sha256: str
    row: int
    raw: str


@dataclass(frozen=True)
class Explanation:
    """Everything the folder knows about one subject: rows by table, sums, and where its lines came from."""

    subject_id: str
    kind: Kind
    rows: dict[str, list[Row]]
    sums: tuple[Sum, ...]
    sources: dict[str, str]

    @property
    def agrees(self) -> bool:
        """True when every sum gives exactly the probability shown."""
        return all(one.agrees for one in self.sums)

    def as_dict(self) -> Row:
        """The explanation as plain data, for `--json` and the dossier."""
        return {
            "subject_id": self.subject_id,
            "kind": self.kind,
            "rows": self.rows,
            "sums": [
                {
                    "subject_id": one.subject_id,
                    "what": one.what,
                    "p_shown": one.p_shown,
                    "bits": one.bits,
                    "p_added": one.p_added,
                    "agrees": one.agrees,
                    "weakest_link": one.weakest,
                    "evidence": list(one.evidence),
                }
                for one in self.sums
            ],
            "sources": self.sources,
        }


def explain(folder: Path, subject_id: str) -> Explanation:
    """Everything the folder knows about one gap, sighting, call, match or trip.

    Raises
    ------
    UsageError
        when the folder holds no such id; names the nearest that exist.
    """
    found, _ = report_folder.read(folder)
    kind = _kind(found, subject_id, folder)
    rows = _related(found, kind, subject_id)
    rows["context"] = _said_by_others(found, rows)
    evidence = {str(key): group for key, group in found["evidence"].groupby("subject_id", sort=True)}
    sums = [_gap_sum(row, evidence) for row in rows["gaps"]] if kind in ("gap", "match", "trip") else []
    sums += [_match_sum(row, found["matches"], evidence) for row in rows["matches"]] if kind != "gap" else []
    sums += [_trip_sum(row, evidence) for row in rows["round_trips"]] if kind in ("trip", "call") else []
    own = [one for one in sums if one.subject_id == subject_id]
    return Explanation(
        subject_id,
        kind,
        {name: part for name, part in rows.items() if part},
        tuple(own + [one for one in sums if one.subject_id != subject_id]),
        _sources(rows),
    )


def _kind(found: dict[str, pd.DataFrame], subject_id: str, folder: Path) -> Kind:
    known: list[str] = []
    for kind, (table, _) in _SUBJECTS.items():
        ids = found[table.name][table.key[0]].tolist()
        if subject_id in ids:
            return kind
        known += ids
    near = [k for k in known if subject_id and k.startswith(subject_id)][:3]
    near = near or difflib.get_close_matches(subject_id, known, n=3, cutoff=0.5)
    hint = (
        f"nearest: {', '.join(map(visible, near))}"
        if near
        else "known ids are in gaps, sightings, port_calls, matches, round_trips"
    )
    raise UsageError(f"{folder}: no gap, sighting, call, match or trip has the id {visible(subject_id)!r}; {hint}")


def _related(found: dict[str, pd.DataFrame], kind: Kind, subject_id: str) -> dict[str, list[Row]]:
    """The subject's own row and those it rests on, by table, in the tables' own order.

    gap -> trips and matches that use it;  match -> its sighting and gap;  sighting -> matches, calls, gaps;
    call -> its sightings, their matches, trips, gaps;  trip -> its gaps, calls, their sightings, matches of its ship.
    """
    gaps, matches, calls, trips = found["gaps"], found["matches"], found["port_calls"], found["round_trips"]
    gap_ids: set[str] = set()
    match_ids: set[str] = set()
    sighting_ids: set[str] = set()
    call_ids: set[str] = set()
    trip_ids: set[str] = set()
    if kind == "gap":
        gap_ids = {subject_id}
        match_ids = set(matches.loc[matches["gap_id"] == subject_id, "match_id"])
        sighting_ids = set(matches.loc[matches["gap_id"] == subject_id, "sighting_id"])
        trip_ids = {t["trip_id"] for t in _rows(trips) if subject_id in t["gap_ids"]}
    elif kind == "trip":
        trip_ids = {subject_id}
        (trip,) = _rows(trips[trips["trip_id"] == subject_id])
        gap_ids, call_ids = set(trip["gap_ids"]), set(trip["call_ids"])
        sighting_ids = {s for c in _rows(calls) if c["call_id"] in call_ids for s in c["sighting_ids"]}
        own = matches["gap_id"].isin(gap_ids) | (matches["vessel_key"] == trip["vessel_key"])
        match_ids = set(matches.loc[matches["sighting_id"].isin(sighting_ids) & own.fillna(False), "match_id"])
    else:
        if kind == "call":
            call_ids = {subject_id}
            sighting_ids = {s for c in _rows(calls) if c["call_id"] == subject_id for s in c["sighting_ids"]}
            trip_ids = {t["trip_id"] for t in _rows(trips) if subject_id in t["call_ids"]}
        elif kind == "sighting":
            sighting_ids = {subject_id}
        else:
            sighting_ids = set(matches.loc[matches["match_id"] == subject_id, "sighting_id"])
        # A match is read beside the other hypotheses about the same sighting: "none of these" among them.
        match_ids = set(matches.loc[matches["sighting_id"].isin(sighting_ids), "match_id"])
        shown = matches[matches["match_id"].isin({subject_id} if kind == "match" else match_ids)]
        gap_ids = set(shown["gap_id"].dropna())
        call_ids |= set(shown["call_id"].dropna())
    return {
        "gaps": _rows(gaps[gaps["gap_id"].isin(gap_ids)]),
        "reach": _rows(found["reach"][found["reach"]["gap_id"].isin(gap_ids)]) if kind in ("gap", "trip") else [],
        "sightings": _rows(found["sightings"][found["sightings"]["sighting_id"].isin(sighting_ids)]),
        "port_calls": _rows(calls[calls["call_id"].isin(call_ids)]),
        "matches": _rows(matches[matches["match_id"].isin(match_ids)]),
        "round_trips": _rows(trips[trips["trip_id"].isin(trip_ids)]),
    }


def _said_by_others(found: dict[str, pd.DataFrame], rows: dict[str, list[Row]]) -> list[Row]:
    """What other publishers say of the gaps and calls shown; none of it is in any sum."""
    if tables.CONTEXT.name not in found:
        return []
    ids = {row["gap_id"] for row in rows["gaps"]} | {row["call_id"] for row in rows["port_calls"]}
    return [
        row
        for row in _rows(found[tables.CONTEXT.name])
        if ids & {row["agrees_with"], row["in_gap_id"], *row["agrees_also_with"]}
    ]


def _rows(frame: pd.DataFrame) -> list[Row]:
    """The rows as plain Python values: null is None, times are ISO 8601."""
    return [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def add(bits: list[float]) -> tuple[float, float]:
    """The sum in bits and the probability it stands for, rounded as the tables are.

    Bits come in steps of 0.001, so they are added as whole thousandths: the order of adding cannot matter.
    """
    total = sum(round(value * 1000) for value in bits) / 1000
    clipped = max(-MAX_BITS, min(MAX_BITS, total))
    return total, round(1.0 / (1.0 + 2.0**-clipped), 6)


def _sum(subject_id: str, what: str, p_shown: float | None, evidence: dict[str, pd.DataFrame]) -> Sum:
    factors = _rows(evidence[subject_id].sort_values("rank")) if subject_id in evidence else []
    if not factors:
        return Sum(subject_id, what, p_shown, (), None, None, p_shown is None, None)
    bits, p_added = add([factor["bits"] for factor in factors])
    # Where the data cannot say (p null) the factors are shown, but there is no number that they must give.
    return Sum(
        subject_id, what, p_shown, tuple(factors), bits, p_added, p_shown in (None, p_added), _weakest(factors, bits)
    )


def _weakest(factors: list[Row], bits: float) -> str | None:
    """The factor whose removal moves the probability most; the prior is no link that could break."""
    _, p = add([bits])
    moves = [
        (abs(add([bits - factor["bits"]])[1] - p), -factor["rank"], factor)
        for factor in factors
        if factor["factor"] != "prior" and factor["bits"] != 0
    ]
    if not moves:
        return None
    _, _, factor = max(moves, key=lambda move: move[:2])
    without = f"without {factor['factor']} ({factor['bits']:+.3f} bits)"
    return f"{without} the probability would be {add([bits - factor['bits']])[1]:.6f}: {factor['because']}"


def _gap_sum(row: Row, evidence: dict[str, pd.DataFrame]) -> Sum:
    return _sum(row["gap_id"], "that the transponder was off (lower bound)", row["p_off"], evidence)


def _trip_sum(row: Row, evidence: dict[str, pd.DataFrame]) -> Sum:
    one = _sum(row["trip_id"], f"of a round trip to {row['dark_port']}", row["p_trip"], evidence)
    # The trip's own table already weighs sightings and names as well as factors; it wins over the factors alone.
    return Sum(
        one.subject_id,
        one.what,
        one.p_shown,
        one.evidence,
        one.bits,
        one.p_added,
        one.agrees,
        row["weakest_link"] or one.weakest,
    )


def _match_sum(row: Row, matches: pd.DataFrame, evidence: dict[str, pd.DataFrame]) -> Sum:
    who = row["vessel_key"] or "none of these ships"
    what = f"that sighting {row['sighting_id']} was {who} ({row['hypothesis']})"
    if row["hypothesis"] != "none" or row["match_id"] in evidence:
        one = _sum(row["match_id"], what, row["p_match"], evidence)
        # The table names a single fact; a bundle of them (the ship's history, other ships) is no link that one could check.
        return replace(one, weakest=row["weakest_link"] or one.weakest)
    others = matches[(matches["sighting_id"] == row["sighting_id"]) & (matches["match_id"] != row["match_id"])]
    p_added = round(1.0 - sum(round(p * 1_000_000) for p in others["p_match"]) / 1_000_000, 6)
    return Sum(
        row["match_id"],
        f"{what}: one minus the others",
        row["p_match"],
        (),
        None,
        p_added,
        row["p_match"] == p_added,
        None,
    )


def _sources(rows: dict[str, list[Row]]) -> dict[str, str]:
    """`role` -> `<file SHA-256 prefix>:<row>` of every line the rows rest on."""
    found = {}
    for gap in rows["gaps"]:
        found[f"{gap['gap_id']} last heard"] = gap["start_source"]
        if gap["end_source"]:
            found[f"{gap['gap_id']} heard again"] = gap["end_source"]
    for sighting in rows["sightings"]:
        found[f"sighting {sighting['sighting_id']}"] = sighting["source_row"]
    for said in rows["context"]:
        found[f"{said['context_id']} of another publisher"] = said["source_row"]
        if said["end_source_row"]:
            found[f"{said['context_id']} of another publisher, its end"] = said["end_source_row"]
    return found


Restore = Callable[[Path, Row, Row, Path], Path | None]
"""Folder, its manifest, the entry of an input in it, a free name -> the bytes of that input as kept elsewhere, or None."""


def raw_lines(folder: Path, explanation: Explanation, *, restore: Restore | None = None) -> list[RawLine]:
    """The original lines behind an explanation, every file verified against the manifest before a line of it is shown.

    `restore` finds inputs that a store keeps; all others are looked for where the manifest says.

    Raises
    ------
    GhostshipsError
        when a file is not where the manifest says, or its bytes have changed since.
    """
    manifest = json.loads((folder / report_folder.MANIFEST).read_bytes())
    inputs = manifest["inputs"]
    wanted: dict[str, list[tuple[int, str]]] = {}
    for role, source in explanation.sources.items():
        prefix, _, number = source.rpartition(":")
        wanted.setdefault(prefix, []).append((int(number), role))
    found = {}
    with tempfile.TemporaryDirectory(prefix="ghostships-") as work:
        for nth, (prefix, places) in enumerate(sorted(wanted.items())):
            listed = next((i for i in inputs if str(i.get("sha256", "")).startswith(prefix)), None)
            if listed is None:
                raise GhostshipsError(
                    f"{folder / report_folder.MANIFEST}: no input has a SHA-256 that starts with {prefix}"
                )
            # The ending says how a list is read, nothing else of the name is used.
            free = Path(work) / f"{nth}{intake.file_of(listed['path']).suffix}"
            kept = restore(folder, manifest, listed, free) if restore is not None else None
            path = kept or _verified(listed)
            raw = _raw(path, listed, [row for row, _ in places])
            for row, role in places:
                if row not in raw:
                    raise GhostshipsError(
                        f"{visible(listed['path'])}: has no row {row}, which the tables name; run the job again"
                    )
                found[role] = RawLine(role, visible(listed["path"]), listed["sha256"], row, raw[row])
    return [found[role] for role in explanation.sources]


def _raw(path: Path, listed: Row, rows: list[int]) -> dict[int, str]:
    """Original bytes, escaped, by row: a line of text, or the record of a binary file."""
    if listed["role"] == "ais":
        return ais.raw_lines(path, listed["sha256"], rows)
    return {record.row: containers.escape(record.raw) for record in records.read(path).rows if record.row in rows}


def _verified(listed: Row) -> Path:
    """The file of an input, found where the run found it and with the bytes it had."""
    path = intake.file_of(listed["path"])
    shown = visible(listed["path"])
    if not path.is_file():
        raise GhostshipsError(
            f"{shown}: not found from the current folder; right would be to run this where the run was started, files in place"
        )
    hashes = ais.hashes(path)
    if listed["sha256"] not in hashes:
        raise GhostshipsError(
            f"{shown}: the file changed since the run: its SHA-256 is {hashes[0][:12]}..., "
            f"the manifest says {listed['sha256'][:12]}...; give back the file that was read, or run the job again"
        )
    return path
