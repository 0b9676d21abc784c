"""Reviews of an output folder: decisions made, taken over from others, given to others, listed and counted.

Nothing here changes a table, a probability or the report; `ghostships report DIR` draws what was decided into the page.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from ghostships import scenarios
from ghostships.errors import GhostshipsError, NothingUsable, UsageError
from ghostships.report import folder as report_folder
from ghostships.report import page
from ghostships.report.text import shown
from ghostships.reviews import decision, digests, for_page, ledger, standing
from ghostships.reviews.decision import Decision
from ghostships.reviews.ledger import Broken, Ledger
from ghostships.reviews.standing import Standing
from ghostships.reviews.tally import Tally
from ghostships.routes import Route
from ghostships.terminal import iso, visible

CLOCKS_DIFFER = timedelta(days=1)
"""How far ahead of ours the clock of another reviewer may be; a decision from the far future would count as the last for ever."""


class Stale(GhostshipsError):
    """The trip is not, or no longer, what the reviewer saw."""


@dataclass(frozen=True, eq=False)
class Desk:
    """A folder as it was when it was opened.

    Attributes
    ----------
    manifest_sha256 : tells whether a run or a night has replaced the folder since
    trip_sha256 : what is judged, by trip
    """

    folder: Path
    tables: dict[str, pd.DataFrame]
    manifest: dict[str, Any]
    manifest_sha256: str
    trip_sha256: dict[str, str]

    @property
    def route(self) -> Route:
        """The route of the run."""
        return Route(**self.manifest["route"]["settings"], sha256=self.manifest["route"]["sha256"])

    @property
    def is_simulated(self) -> bool:
        """Whether the ships are invented."""
        return bool(self.manifest.get("is_simulated"))

    def drawn(self, kept: Ledger, *, served: dict[str, str] | None = None) -> str:
        """The report page with these decisions, and with the scenarios kept now, as `ghostships report` draws it."""
        said = {key: value for key, value in self.manifest.items() if key != "files"}
        asked = (
            [one.as_dict() for one in scenarios.listed(self.folder)[0]]
            if (self.folder / scenarios.FOLDER).is_dir()
            else []
        )
        return page.render(self.tables, said, self.route, scenarios=asked, decided=kept, served=served)


@dataclass(frozen=True)
class Listing:
    """All that was decided on the trips of a folder, and the count."""

    standings: tuple[Standing, ...]
    broken: tuple[Broken, ...]
    tally: Tally
    trip_sha256: dict[str, str]
    is_simulated: bool

    def as_dict(self) -> dict[str, Any]:
        """The list for `--json`."""
        return {
            "is_simulated": self.is_simulated,
            "trips": [
                {
                    "trip_id": one.trip_id,
                    "is_listed": one.is_here,
                    "verdict": one.verdict,
                    "n_decisions": one.n_decisions,
                    "latest": [
                        {**said.as_record(), "is_on_this_evidence": self.is_on_this_evidence(one, said)}
                        for said in one.latest
                    ],
                }
                for one in self.standings
            ],
            "broken": [vars(one) for one in self.broken],
            "tally": self.tally.as_dict(),
        }

    def is_on_this_evidence(self, one: Standing, said: Decision) -> bool:
        """Whether the decision was made on the row and the evidence that the tables hold now."""
        return self.trip_sha256.get(one.trip_id) == said.trip_sha256


@dataclass(frozen=True)
class Merged:
    """What came of files of decisions: those added, how many were there already, and the lines that were refused, in words."""

    added: tuple[Decision, ...]
    n_known: int
    refused: tuple[str, ...]
    n_unusable_files: int


def opened(folder: Path) -> Desk:
    """The folder, its tables checked against their hashes.

    Raises
    ------
    UsageError
        when it is not a folder of ours, or a table was changed.
    """
    while True:
        before = manifest_sha256(folder)
        frames, manifest = report_folder.read(folder)
        # A night may have put another folder in its place while this one was read.
        if manifest_sha256(folder) == before:
            break
    ids = frames["round_trips"]["trip_id"]
    made = digests.of_trips(frames["round_trips"], frames["evidence"])
    return Desk(folder, frames, manifest, before, dict(zip(ids, made, strict=True)))


def manifest_sha256(folder: Path) -> str:
    """The hash of the manifest as it stands; empty without one."""
    try:
        return hashlib.sha256((folder / report_folder.MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return ""


def decide(
    desk: Desk,
    *,
    trip_id: str,
    trip_sha256: str,
    verdict: str,
    note: str,
    reviewer: str,
    now_utc: datetime,
) -> Decision:
    """Keep one decision on a trip as it was shown; it is on the disk when this returns.

    Raises
    ------
    Stale
        when there is no such trip, or its evidence is not what the reviewer saw.
    UsageError
        when verdict, note or reviewer are none.
    """
    now = desk.trip_sha256.get(trip_id)
    if now is None:
        raise Stale(f"{visible(trip_id)}: no such trip in this report any more; reload the page")
    if now != trip_sha256:
        raise Stale(
            f"{visible(trip_id)}: its evidence is not what the page showed any more; reload the page and look again"
        )
    trips = desk.tables["round_trips"]
    (row,) = trips[trips["trip_id"] == trip_id].to_dict("records")
    who = next((row[name] for name in ("vessel_name", "vessel_key") if isinstance(row[name], str) and row[name]), None)
    record = {
        "format": decision.FORMAT,
        "time_utc": decision.written(now_utc),
        "reviewer": reviewer,
        "trip_id": trip_id,
        "verdict": verdict,
        "note": note,
        "p_trip": None if pd.isna(row["p_trip"]) else round(float(row["p_trip"]), 6),
        "tier": row["tier"],
        "is_flagged": bool(row["is_flagged"]),
        "vessel": None if who is None else shown(who),
        "dark_start_utc": _second(row["dark_start_utc"]),
        "dark_end_utc": _second(row["dark_end_utc"]),
        "trip_sha256": trip_sha256,
        "round_trips_sha256": desk.manifest["tables"]["round_trips"]["sha256"],
        "is_simulated": desk.is_simulated,
    }
    try:
        made = decision.of_record(record)
    except decision.NotADecision as wrong:
        raise UsageError(f"the decision was not kept: {wrong}") from None
    ledger.append(desk.folder, [made])
    return made


def take_over(folder: Path, files: Sequence[Path], *, now_utc: datetime) -> Merged:
    """Add the decisions of other files to those of the folder: each once, by id; nothing is overwritten.

    Raises
    ------
    UsageError
        when the folder is not ours.
    NothingUsable
        when no file has a decision in it that can be used; nothing is changed then.
    """
    _refuse_foreign(folder)
    found: dict[str, Decision] = {}
    refused: list[str] = []
    n_unusable = 0
    for file in files:
        try:
            read = ledger.read_file(file)
        except UsageError as error:
            refused.append(str(error))
            n_unusable += 1
            continue
        wrong = list(read.broken)
        good = {one.id: one for one in read.decisions if one.time_utc <= now_utc + CLOCKS_DIFFER}
        refused += [f"{visible(file)}: {one}" for one in wrong]
        refused += [
            f"{visible(file)}: {one.id}: its time {decision.written(one.time_utc)} lies in the future"
            for one in read.decisions
            if one.id not in good
        ]
        n_unusable += not good
        found |= good
    if not found:
        raise NothingUsable("no file had a usable decision" + "".join(f"; {one}" for one in refused[:5]))
    added = ledger.append(folder, found.values())
    return Merged(tuple(added), len(found) - len(added), tuple(refused), n_unusable)


def give(folder: Path, to: Path) -> int:
    """Write all good decisions of a folder into a new file, by time, and say how many.

    Raises
    ------
    UsageError
        when the folder is not ours, or the name is taken.
    """
    _refuse_foreign(folder)
    kept = ledger.read(folder)
    if os.path.lexists(to):
        raise UsageError(f"{visible(to)}: exists; nothing was touched; right would be a new name")
    draft = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(b"".join(one.as_line() for one in kept.decisions))
        draft.replace(to)
    except OSError as error:
        raise GhostshipsError(f"{visible(to)}: cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return len(kept.decisions)


def listed(folder: Path) -> Listing:
    """All decisions by trip, and the count.

    Raises
    ------
    UsageError
        when it is not a folder of ours, or the file cannot be read.
    """
    desk = opened(folder)
    kept = ledger.read(folder)
    found = standing.of(kept.decisions, desk.trip_sha256, standing.renamed(desk.manifest))
    tally = for_page.count(desk.tables, desk.manifest, kept)
    return Listing(tuple(found), kept.broken, tally, desk.trip_sha256, desk.is_simulated)


def _refuse_foreign(folder: Path) -> None:
    if not report_folder.is_ours(folder):
        raise UsageError(
            f"{visible(folder)}: is not a folder that ghostships wrote (no {report_folder.MANIFEST} of ours in it)"
        )


def _second(time: Any) -> str | None:
    """A time to the second, as the page has it."""
    if pd.isna(time):
        return None
    return iso(pd.Timestamp(math.floor(time.timestamp()), unit="s", tz="UTC").to_pydatetime())
