"""One night: inbox -> deliveries -> touched days -> tables -> generation -> published folder -> `status.json`, in that order.

    objects of the store     seen by nobody yet; a kill here leaves garbage that is collected later
    manifest                 the commit: the night has happened
    out -> new folder        a link, swapped at once; a kill before it is made good by the next night
    status.json              last

Nothing is carried from night to night but what has arrived: tables are made from the set of deliveries, the configuration and the
as-of, so that late, duplicate, corrected and missing files need no case of their own. Revisions alone know what was before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs
import polars as pl
import pyarrow.parquet as pq

from ghostships import context as contexts
from ghostships import pipeline, routes, tables
from ghostships.bulk import traffic
from ghostships.errors import GhostshipsError, NothingUsable, UsageError
from ghostships.nights import accounts, arriving, books, changes, config, freshness, revisions, status, taking, telling
from ghostships.nights.arriving import Lists, Said, Stage
from ghostships.nights.books import Books, Delivery
from ghostships.nights.config import Config
from ghostships.readers import dialects
from ghostships.report import folder as report_folder
from ghostships.report import parquet
from ghostships.reviews import ledger
from ghostships.routes import Route
from ghostships.sea import Sea
from ghostships.store import Draft, Store, StoreHeld
from ghostships.store import folder as published
from ghostships.store.local import DRAFTS, remove_tree
from ghostships.terminal import iso, log, visible

REVISIONS = tables.REVISIONS.name
DONE, FAILED, PARTLY, NEW_FLAG, INTERRUPTED, TERMINATED = 0, 1, 3, 10, 130, 143
"""Exit statuses of the contract."""

CLEARED_EVERY = 7
"""Generations beyond those kept that make it worth looking for garbage: a week of nights."""


def _quietly(_what: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Night:
    """What became of a night. `facts` is `last_success` of `status.json`, without its times."""

    exit_status: int
    facts: dict[str, Any]
    out: Path
    status: Path


def run(
    file: Path,
    *,
    now_utc: datetime,
    as_of_utc: datetime | None = None,
    clock: Callable[[], datetime] | None = None,
    stage: Stage = _quietly,
) -> Night:
    """Do the scheduled run that a configuration describes.

    Parameters
    ----------
    file : the configuration, `ghostships.toml`
    now_utc : the time at the start
    as_of_utc : what counts as now in the analysis; default: the start of the UTC day of `now_utc`
    clock : the time at the end, for `status.json`; default: `now_utc`

    Raises
    ------
    UsageError
        for what is wrong with the configuration or the folders it names; nothing is changed then but `status.json`.
    StoreHeld
        when another run holds the store (exit status 75); nothing is changed.
    NothingUsable
        when no delivery of the look-back window has a usable row and nothing was seen; the books of what arrived are kept.
    GhostshipsError
        for any other failure: the published folder is the old one or the new one, whole, and the next night goes on from the
        last generation that was committed.
    """
    settings = config.load(file)
    ended = clock or (lambda: now_utc)
    try:
        night = _night(settings, now_utc, as_of_utc or _midnight(now_utc), stage)
        status.succeeded(
            settings.status, night.facts, started_utc=now_utc, finished_utc=ended(), exit_status=night.exit_status
        )
        return night
    except StoreHeld:
        # The status belongs to the run that holds the store.
        raise
    except BaseException as error:
        message, code = _said(error)
        with suppress(OSError):
            status.failed(settings.status, message, started_utc=now_utc, finished_utc=ended(), exit_status=code)
        raise


def _night(settings: Config, now_utc: datetime, as_of_utc: datetime, stage: Stage) -> Night:
    asked = _checked(settings, as_of_utc)
    store = Store.open(settings.store, create=True, storage_options=settings.storage or None)
    said = Said(_skipped(store))
    if _is_due(store, settings.retention.generations):
        keep = settings.retention
        try:
            gone = store.gc(now_utc, keep_days=keep.garbage_days, keep_generations=keep.generations)
            log.debug("%d files of no use were removed from %s", len(gone), visible(store.shown))
        except StoreHeld:
            raise
        except GhostshipsError as error:
            said.warnings.append(str(error))
    with store.writing("ghostships nightly") as draft:
        return _Run(settings, asked, store, draft, now_utc, as_of_utc, stage, said).work()


def _skipped(store: Store) -> list[str]:
    """Generations newer than the one this night goes on from: their manifests are damaged."""
    current = store.current()
    newer = [seq for seq in store.seqs() if current is None or seq > current.seq]
    goes_on = f"goes on from generation {current.seq}" if current else "begins anew"
    return [f"{store.shown}: the manifest of generation {seq} is damaged; this night {goes_on}" for seq in newer]


def _is_due(store: Store, keep: int) -> bool:
    """Whether to clear the store: when a week of generations has piled up, or a killed run has left unfinished files.

    Looking through all generations takes about a second once a year of days is in them: too long for every night.
    """
    drafts = store.local_root / DRAFTS if store.local_root else None
    has_leftovers = drafts is not None and drafts.is_dir() and any(drafts.iterdir())
    return has_leftovers or len(store.seqs()) >= keep + CLEARED_EVERY


def _checked(settings: Config, as_of_utc: datetime) -> pipeline.Settings:
    """Everything that can be wrong with the request, before anything is read."""
    for name, folder in (("inbox", settings.inbox), *((role, settings.lists(role)) for role in arriving.ROLES)):
        if folder is not None and not folder.is_dir():
            raise UsageError(
                f"{settings.file}: paths, {name}: {visible(folder)} is not a folder; make it, or correct the path"
            )
    for name, source in sorted(settings.sources.items()):
        try:
            if source.dialect is not None:
                dialects.get(source.dialect)
        except UsageError as error:
            raise UsageError(f"{settings.file}: sources, {name}, dialect: {error}") from error
    published.shown(settings.out)
    route = routes.load(settings.route_given)
    min_gap_h = route.policy.min_gap_h if settings.policy.min_gap_h is None else settings.policy.min_gap_h
    return pipeline.Settings(route=route, min_gap_h=float(min_gap_h), scope=settings.scope, as_of_utc=as_of_utc)


@dataclass
class _Run:
    """One night, while the store is held."""

    config: Config
    settings: pipeline.Settings
    store: Store
    draft: Draft
    now_utc: datetime
    as_of_utc: datetime
    stage: Stage
    said: Said

    def __post_init__(self) -> None:
        self.route: Route = self.settings.route
        self.shelf = taking.Shelf.of(self.store, self.draft)
        # The window begins with a whole day, so that no day is cut.
        self.from_utc = _midnight(self.as_of_utc) - timedelta(days=self.config.policy.lookback_days)

    def work(self) -> Night:
        """From the inbox to the published folder; see the module for the order in which things become true."""
        config_, before, said, stage = self.config, self._books(), self.said, self.stage
        announced = self._announced()
        looked = arriving.look(config_, before, said, now_utc=self.now_utc, stage=stage)
        now = arriving.deliveries(self.shelf, config_, before, looked, said, as_of=self.as_of_utc.date(), stage=stage)
        made = arriving.made_claims(now.arrivals, config_)
        forced = arriving.forced(now, made)
        now = now.with_(in_force=frozenset(s for s, one in now.deliveries.items() if one.parts and forced.has(s)))
        now = now.with_(days=arriving.days(self.shelf, now, stage=stage))
        lists = arriving.lists(self.shelf, config_, before, said, route=self.route, now_utc=self.now_utc, stage=stage)
        facts = {sha256: one.facts for sha256, one in now.deliveries.items()}
        fresh = freshness.measure(config_, made, facts, as_of_utc=self.as_of_utc, from_utc=self.from_utc)
        kept = accounts.keep(now, made, forced, inbox=config_.paths.inbox, from_day=self.from_utc.date())
        lasting = [*telling.ties(forced), *telling.stale(fresh)]
        thought = changes.thought(
            now.with_(lists=lists.files),
            config_,
            self.settings,
            fresh,
            [*(one.as_dict() for one in kept), *lists.entries],
            lasting,
            from_utc=self.from_utc,
        )
        now = now.with_(lists=lists.files, thought=thought)
        is_new = thought != dict(before.thought)
        if not self._window(now) and lists.read.sightings.empty:
            # What arrived is remembered, what was published stands.
            self._commit(before, now.with_(thought=before.thought))
            why = "".join(f"; {one}" for one in said.refused)
            raise NothingUsable(f"{config_.paths.inbox}: no delivery has a usable row since {iso(self.from_utc)}{why}")
        if is_new or published.shown(config_.out) != before.outcome.get("drawn"):
            night = self.draft.seq if is_new else int(before.outcome["drawn"])
            history = self._history(before)
            causes = changes.causes(before, now, made, forced) if is_new else None
            now = self._publish(before, now, night, causes, history, lists, kept, fresh, lasting)
        else:
            self._commit(before, now)
        return self._told(before, now, announced, telling.deliveries(before, now, forced, looked.left), fresh)

    def _books(self) -> Books:
        base = self.draft.base
        if base is None:
            return Books()
        try:
            return books.of_payload(base.payload)
        except (KeyError, TypeError, ValueError) as error:
            raise GhostshipsError(
                f"{self.store.shown}: generation {base.seq} is not one of `ghostships nightly`, or of a newer version ({error}); "
                "nothing was changed; upgrade, or choose another [paths] store"
            ) from error

    def _announced(self) -> int:
        """The night up to which flags were told in `status.json`: told twice, when that is lost, is better than never."""
        told = (status.read(self.config.status).get("last_success") or {}).get("night")
        return told if isinstance(told, int) else 0

    def _history(self, before: Books) -> pd.DataFrame:
        path = before.outcome.get("tables", {}).get(REVISIONS)
        return (
            tables.empty_pandas(tables.REVISIONS)
            if path is None
            else parquet.read_table(self.shelf.fetch(path), tables.REVISIONS)
        )

    def _window(self, now: Books) -> list[taking.StoredDay]:
        return [
            taking.StoredDay(day, self.shelf, one.objects)
            for day, one in sorted(now.days.items())
            if day >= self.from_utc.date()
        ]

    def _think(
        self, now: Books, lists: Lists, kept: list[accounts.Account], fresh: list[freshness.Freshness]
    ) -> pipeline.Result:
        """The river over the days of the look-back window; afterwards the books of every delivery are final."""
        settings = replace(self.settings, unobserved=freshness.unobserved(fresh))
        used = sorted({one.delivery.rejects for one in kept if one.delivery.rejects and one.superseded == 0})
        refused = [pl.read_parquet(self.shelf.fetch(path)) for path in used]
        rejects = pl.concat([lists.read.rejects, *refused]).unique().sort(*tables.REJECTS.key, "raw")
        read = lists.read
        given = pipeline.Inputs(traffic.of_days(self._window(now)), rejects, read.sightings, read.scenes, read.registry)
        sea = Sea.of(self.route.area, platformdirs.user_cache_path("ghostships") / "sea")
        result = pipeline.run(given, settings, sea)
        work = self.shelf.folder("originals")
        found: dict[str, Path | None] = {}

        def original(delivery: Delivery) -> Path | None:
            if delivery.sha256 not in found:
                path = work / delivery.sha256
                found[delivery.sha256] = taking.original(self.shelf, delivery, path) if delivery.raw else None
            return found[delivery.sha256]

        settled = accounts.settle(kept, result.rejects, original)
        remove_tree(work)
        return replace(result, rejects=settled)

    def _publish(
        self,
        before: Books,
        now: Books,
        night: int,
        causes: revisions.Causes | None,
        history: pd.DataFrame,
        lists: Lists,
        kept: list[accounts.Account],
        fresh: list[freshness.Freshness],
        lasting: list[str],
    ) -> Books:
        """Think, build the folder aside, commit, show it. Without causes the tables of the last night are drawn again."""
        with self.stage("finding gaps, port calls and round trips"):
            result = self._think(now, lists, kept, fresh)
            result = replace(result, warnings=[*lasting, *lists.read.warnings, *result.warnings])
        if causes is not None:
            history = revisions.compare(
                history,
                result.tables["round_trips"],
                causes,
                night=night,
                as_of_utc=self.as_of_utc,
                from_utc=self.from_utc,
                gaps=result.tables["gaps"],
                speaks_of=lambda prefix, row: taking.speaks_of(self.shelf, now, prefix, row),
            )
        result, facts = contexts.put_beside(result, lists.read.context) if lists.read.has_context else (result, [])
        said = telling.manifest(
            self.settings,
            self.config,
            result,
            kept,
            lists.entries,
            fresh,
            night=night,
            from_utc=self.from_utc,
            changes=revisions.for_page(history, night),
            sightings=lists.read.sightings,
        )
        work = self.shelf.folder("revisions")
        file = work / f"{REVISIONS}.parquet"
        n_rows = parquet.write_table(history, tables.REVISIONS, file)
        said |= {"context": facts} if lists.read.has_context else {}
        said[REVISIONS] = {"rows": n_rows, "sha256": report_folder.sha256(file)}
        said["renamed"] = revisions.renamed(history)
        with self.stage(f"writing {visible(self.config.out)}"), published.drawing(self.config.out, night) as built:
            report_folder.publish(
                result,
                said,
                built,
                route=self.route,
                more=lambda draft: _copy(file, draft / file.name),
                after=self.config.out,
            )
            if self.config.out.is_dir():
                report_folder._carry_over(self.config.out.resolve(), built)
            stored = {
                table.stem: self.shelf.put(
                    table, table=table.stem, partition="published", n_rows=pq.read_metadata(table).num_rows
                )
                for table in sorted(built.glob("*.parquet"))
            }
            flagged = result.tables["round_trips"]["is_flagged"].astype(bool)
            now = now.with_(
                outcome={
                    "drawn": night,
                    "tables": stored,
                    "remembered": changes.remembered(now) if causes is not None else before.outcome["remembered"],
                    "warnings": list(result.warnings),
                    "rows": telling.rows(kept),
                    "n_flagged": int(flagged.sum()),
                    "tables_rows": {name: self.shelf.refs[path].n_rows for name, path in stored.items()},
                }
            )
            now = self._commit(before, now)
            # Reviewers go on while the night is drawn and committed: what they decided since is taken along.
            with ledger.held(self.config.out):
                ledger.carry(self.config.out, built)
                published.show(self.config.out, built, keep=self.config.retention.folders)
        return now

    def _commit(self, before: Books, now: Books) -> Books:
        """Make the books true, unless they say what is true already."""
        now = now if now.outcome else now.with_(outcome=before.outcome)
        told = now.as_payload()
        if self.draft.base is not None and _lasting(told) == _lasting(before.as_payload()):
            return now
        refs = [self.shelf.refs[path] for path in sorted(now.objects)]
        self.draft.commit(told, refs, made_utc=self.now_utc, note=f"night as of {iso(self.as_of_utc)}")
        return now

    def _told(
        self, before: Books, now: Books, announced: int, arrived: dict[str, int], fresh: list[freshness.Freshness]
    ) -> Night:
        history = self._history(now)
        changed = revisions.since(history, announced)
        is_flag = changed["change"].isin(["flagged", "returned"])
        flags = sorted(set(changed.loc[is_flag, "now_trip_id"]) & revisions.current(history))
        stale = telling.stale(fresh)
        code = PARTLY if self.said.refused or stale else DONE
        if code == DONE and flags and self.config.policy.fail_on_flags:
            code = NEW_FLAG
        generation = self.draft.base
        facts = {
            "as_of_utc": iso(self.as_of_utc),
            "generation": generation.seq if generation else None,
            "night": now.outcome["drawn"],
            "has_changed": now.outcome["drawn"] != before.outcome.get("drawn"),
            "out": str(self.config.out),
            "deliveries": arrived,
            "rows": now.outcome["rows"],
            "tables": now.outcome["tables_rows"],
            "n_flagged": now.outcome["n_flagged"],
            "new_flags": flags,
            "changes": [
                {"trip_id": t, "change": c, "reason": r}
                for t, c, r in zip(changed["trip_id"], changed["change"], changed["reason"], strict=True)
            ],
            "sources": telling.sources(fresh),
            "stale": stale,
            "refused": self.said.refused,
            "warnings": [*self.said.warnings, *now.outcome["warnings"]],
        }
        return Night(code, facts, self.config.out, self.config.status)


def _lasting(books: dict[str, Any]) -> dict[str, Any]:
    """The books, as they are written, without what only spares work: times and numbers of files in the inbox."""
    return {key: value for key, value in books.items() if key != "seen"}


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _said(error: BaseException) -> tuple[str, int]:
    """One line and the exit status that a failure ends with."""
    if isinstance(error, GhostshipsError):
        return str(error), error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C", INTERRUPTED
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part), FAILED
    if isinstance(error, MemoryError):
        return "out of memory", FAILED
    if isinstance(error, Exception):
        return f"internal error: {type(error).__name__}: {' '.join(str(error).split())[:500]}", FAILED
    return "stopped by a signal", TERMINATED
