"""The bulk job as the nightly run does it, alone: files -> parts by day -> store, committed -> gaps of six hours and more.

`bulk_job.py FOLDER FILE ... [--raw]` leaves a store in FOLDER and what was found in FOLDER/answer.json. With `--raw` the original
bytes are kept as well, compressed, as a night does.
"""

# ruff: noqa: E402 - memory is settled before Polars is loaded, as the command does.
from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from ghostships import allocation

allocation.settle()

import polars as pl

from ghostships import routes
from ghostships.bulk import day, delivered
from ghostships.bulk.files import DayFiles
from ghostships.bulk.traffic import of_days
from ghostships.readers.account import FileAccount
from ghostships.steps import clean, days, gaps, segments
from ghostships.store import Draft, Ref, Store

MIN_GAP_H = 6.0
SHIPS_AT_ONCE = 2_500


def main(folder: Path, files: list[Path], *, keep_raw: bool) -> None:
    store = Store.open(folder / "store", create=True)
    refs: list[Ref] = []
    accounts: list[FileAccount] = []
    parts: dict[date, list[delivered.Part]] = {}
    work = folder / "work"
    with store.writing("benchmark") as draft:
        for number, path in enumerate(files):
            out = work / f"{number:04d}"
            out.mkdir(parents=True)
            found = delivered.split(path, out)
            accounts += found.accounts
            for part in found.parts:
                parts.setdefault(part.day, []).append(part)
            if found.rejects is not None:
                refs.append(draft.put(found.rejects, table="rejects", partition="deliveries"))
            if keep_raw:
                refs.append(draft.keep_raw(path))
        made = [_day(one, own, work) for one, own in sorted(parts.items())]
        for files_of_day in made:
            refs += _put(draft, files_of_day)
        books = [{"path": a.path, "read": a.n_read, "rejected": dict(a.n_rejected)} for a in accounts]
        draft.commit({"books": books}, refs, made_utc=datetime(2024, 1, 1, tzinfo=UTC))
    (folder / "answer.json").write_text(json.dumps(_answer(made, accounts)), encoding="utf-8")


def _day(one: date, own: list[delivered.Part], work: Path) -> DayFiles:
    if len(own) == 1:
        return own[0].files
    out = work / one.isoformat()
    out.mkdir()
    return day.make(one, [part.path for part in own], out)


def _put(draft: Draft, made: DayFiles) -> list[Ref]:
    kinds = {"positions": made.positions, "hours": made.hours, "statics": made.statics, "lost": made.lost}
    return [draft.put(path, table=kind, partition=made.day.isoformat()) for kind, path in kinds.items()]


def _answer(made: list[DayFiles], accounts: list[FileAccount]) -> dict[str, int]:
    """What the generator's truth knows; numbers that are nobody's make no gaps. Range of ships by range of ships."""
    hours_of_days = pl.scan_parquet([one.hours for one in made])
    keys = hours_of_days.select(pl.col("vessel_key").unique().sort()).collect()["vessel_key"].to_list()
    found = {"vessels": 0, "vessel_hours": 0, "gaps": 0, "suspects": 0}
    route = routes.load()
    max_speed_kn = route.policy.max_speed_kn
    for start in range(0, len(keys), SHIPS_AT_ONCE):
        some = keys[start : start + SHIPS_AT_ONCE]
        traffic = of_days(made, ships=(some[0], some[-1]))
        ships = traffic.without(clean.set_aside(traffic.hours).select("mmsi"))
        suspects = segments.suspects(ships.hours, max_speed_kn=max_speed_kn)
        hulls, hours = segments.find(
            ships.hours, ships.of_ships(suspects), summarise=days.summarise, max_speed_kn=max_speed_kn
        )
        silences = gaps.find(hours, hulls, min_gap_h=MIN_GAP_H, as_of_utc=None, route=route)
        found["vessels"] += int(ships.hours["vessel_key"].n_unique())
        found["vessel_hours"] += ships.hours.height
        found["gaps"] += int((silences["state"] == "closed").sum())
        found["suspects"] += suspects.height
    return {
        "rows": sum(account.n_read for account in accounts),
        "duplicates": sum(account.n_duplicate for account in accounts),
        "rejected": sum(sum(account.n_rejected.values()) for account in accounts),
        **found,
    }


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--raw"]
    main(Path(words[0]), [Path(word) for word in words[1:]], keep_raw="--raw" in sys.argv)
