"""A finished folder, thought again: its inputs found, verified and read as they were read then, so that "what if" can be asked.

manifest.json --> files of that SHA-256 (or what the store of the nightly run keeps) --listen--> silences --judge--> tables
                                                                                      the same as published, or nothing is said
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import platformdirs

from ghostships import intake, pipeline, program, tables
from ghostships.errors import FileRefused, GhostshipsError
from ghostships.inference.looks import Apart
from ghostships.readers import ais, records, sightings
from ghostships.report import folder as report_folder
from ghostships.routes import Route
from ghostships.sea import Sea
from ghostships.terminal import parse_time, visible
from ghostships.traffic import Traffic

Listed = Mapping[str, Any]
"""One entry of `inputs` in a manifest."""
Restore = Callable[[Path, Listed, Listed, Path], Path | None]
"""Folder, its manifest, the entry of an input in it, a free name -> the bytes of that input as kept elsewhere, or None."""
Kept = Callable[[Path, Listed], Traffic | None]
"""Folder, its manifest -> the traffic behind it as a store keeps it, or None where the inputs are files."""
Stage = Callable[[str], AbstractContextManager[None]]


class RuleBroken(ValueError):
    """A changed sighting that the reader refuses; the message is the rule's name."""


def quietly(_what: str) -> AbstractContextManager[None]:
    """A stage of which nothing is said."""
    return nullcontext()


def not_kept(*_: object) -> None:
    """Every input is a file."""


@dataclass(frozen=True)
class Again:
    """A folder whose tables were made again from its inputs, and are the published ones.

    Attributes
    ----------
    base : the public tables, as published
    warnings : what judging them said
    """

    base: dict[str, pd.DataFrame]
    warnings: list[str]
    heard: pipeline.Heard
    route: Route
    sea: Sea

    def judge(
        self, seen: pd.DataFrame, scenes: pd.DataFrame, *, apart: Apart = frozenset()
    ) -> tuple[dict[str, pd.DataFrame], list[str]]:
        """The tables that other sightings and scenes would have given, and the sentences that go with them."""
        judged = pipeline.judge(self.heard, seen, scenes, route=self.route, sea=self.sea, apart=apart)
        return judged.finished(), judged.warnings


@dataclass(frozen=True)
class Opened:
    """A folder whose inputs were found and verified; its lists are read, its traffic is not yet.

    Attributes
    ----------
    published : the public tables, as they lie in the folder
    read : sightings and scenes as they were read, before any of them was grouped, and the vessel lists
    lists : the sighting lists on disk, by the hash prefix that `source_row` names
    stored : the traffic, where a store keeps it
    """

    folder: Path
    manifest: dict[str, Any]
    published: dict[str, pd.DataFrame]
    route: Route
    read: intake.Intake
    lists: dict[str, Path]
    ais_files: list[Path]
    stored: Traffic | None
    work: Path
    stage: Stage

    def with_fields(self, sighting_id: str, fields: Mapping[str, str]) -> pd.DataFrame:
        """One row of `tables.SIGHTINGS`: a sighting as if its line had said something else in these columns.

        The whole line is read again by the reader itself, so that what depends on a field (the local day on the port, the
        berth on the place) follows it. A new `date` replaces the times of the line.

        Raises
        ------
        RuleBroken
            when the reader would have refused the line.
        """
        seen = self.read.sightings
        (old,) = seen[seen["sighting_id"] == sighting_id].to_dict("records")
        prefix, _, number = str(old["source_row"]).rpartition(":")
        found = records.read(self.lists[prefix])
        names = records.matched(found.columns, sightings.ALIASES)
        record = next(row for row in found.rows if row.row == int(number))
        said = {names[k]: v for k, v in record.fields.items() if k in names}
        if fields.get("date"):
            said |= {"start_utc": "", "end_utc": ""}
        said |= {**fields, "sighting_id": sighting_id}
        # Where no source is given the reader names the line: it must go on naming the original one.
        said["source"] = said.get("source") or str(old["source_row"])
        file = self.work / "line.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, fieldnames=list(sightings.ALIASES), restval="")
            writer.writeheader()
            writer.writerow(said)
        try:
            rows, rejects, _ = sightings.read_sightings(file, route=self.route)
        except FileRefused as refused:
            raise RuleBroken(refused.rule) from refused
        if rejects.height:
            raise RuleBroken(str(rejects["rule"][0]))
        return rows.assign(source_row=old["source_row"])

    def again(self) -> Again:
        """Listen to the traffic and judge, as the run did.

        Raises
        ------
        GhostshipsError
            when this program makes other tables of the same inputs.
        """
        heard_then = self.stored
        if heard_then is None:
            dialect = self.manifest["asked"].get("dialect")
            nothing: dict[str, Any] = {"sighting_files": (), "scene_files": (), "vessel_files": ()}
            with self.stage(f"reading {len(self.ais_files)} AIS files again"):
                read = intake.read(self.ais_files, dialect=dialect, route=self.route, work=self.work, **nothing)
            heard_then = read.traffic
        lists = self.read
        given = pipeline.Inputs(heard_then, lists.rejects, lists.sightings, lists.scenes, lists.registry)
        sea = Sea.of(self.route.area, platformdirs.user_cache_path("ghostships") / "sea")
        with self.stage("finding gaps, port calls and round trips as published"):
            heard = pipeline.listen(given, _settings(self.manifest, self.route), sea)
            judged = pipeline.judge(heard, lists.sightings, lists.scenes, route=self.route, sea=sea)
            base = judged.finished()
        _refuse_other(self, base)
        return Again({**self.published, **base}, judged.warnings, heard, self.route, sea)


@contextmanager
def opened(
    folder: Path, *, restore: Restore = not_kept, kept: Kept = not_kept, stage: Stage = quietly
) -> Iterator[Opened]:
    """The folder with its inputs, verified; what is given stands as long as the block.

    Parameters
    ----------
    restore, kept : where the inputs are when they are no files; see `ghostships.nights`

    Raises
    ------
    UsageError
        when it is not a folder of ours, or a table is missing or was changed.
    GhostshipsError
        when an input is gone or changed, saying which.
    """
    published, manifest = report_folder.read(folder)
    route = Route(**manifest["route"]["settings"], sha256=manifest["route"]["sha256"])
    with tempfile.TemporaryDirectory(prefix="ghostships-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        stored = kept(folder, manifest)
        with stage(f"verifying the inputs of {visible(folder)}"):
            files = _files(folder, manifest, restore, work, wants_ais=stored is None)
        read = intake.read(
            [],
            sighting_files=files["sightings"],
            scene_files=files["scenes"],
            vessel_files=files["vessels"],
            dialect=None,
            route=route,
        )
        own = [entry for entry in read.entries if entry.role == "sightings"]
        lists = {e.sha256[: ais.SOURCE_DIGITS]: path for path, e in zip(files["sightings"], own, strict=True)}
        yield Opened(folder, manifest, published, route, read, lists, files["ais"], stored, work, stage)


def _settings(manifest: Listed, route: Route) -> pipeline.Settings:
    """What was asked then."""
    asked = {
        name: None if text is None else parse_time(text) for name, text in manifest["asked"].items() if _is_time(name)
    }
    scope: Literal["area", "selected"] = "selected" if manifest["scope"] == "selected" else "area"
    return pipeline.Settings(
        route=route,
        min_gap_h=float(manifest["thresholds"]["min_gap_h"]),
        scope=scope,
        # A night begins with whole days, which `kept` gives: nothing is cut from them.
        from_utc=None if "night" in manifest else asked["from_utc"],
        to_utc=asked["to_utc"],
        as_of_utc=asked["as_of_utc"],
        unobserved=tuple((parse_time(start), parse_time(end)) for start, end in manifest.get("unobserved", [])),
    )


def _is_time(name: str) -> bool:
    return name.endswith("_utc")


def _files(folder: Path, manifest: Listed, restore: Restore, work: Path, *, wants_ais: bool) -> dict[str, list[Path]]:
    """The files of all inputs that were used, by role, each with the bytes it had; one file may hold several inputs."""
    found: dict[str, list[Path]] = {"ais": [], "sightings": [], "scenes": [], "vessels": []}
    known: dict[Path, Sequence[str]] = {}
    for nth, listed in enumerate(manifest["inputs"]):
        if listed["refused"] and not listed["accepted"] + listed["duplicate"]:
            continue
        if listed["role"] == "context" or (listed["role"] == "ais" and not wants_ais):
            continue
        whole = intake.file_of(listed["path"])
        # The ending says how a list is read, nothing else of the name is used.
        path = restore(folder, manifest, listed, work / f"input-{nth}{whole.suffix}") or whole
        if path not in known:
            known[path] = _hashes(path, listed)
        if path not in found[listed["role"]]:
            found[listed["role"]].append(path)
        if listed["sha256"] not in known[path]:
            raise GhostshipsError(
                f"{visible(listed['path'])}: the file changed since the run: its SHA-256 is {known[path][0][:12]}..., the "
                f"manifest says {listed['sha256'][:12]}...; give back the file that was read, or run the job again"
            )
    return found


def _hashes(path: Path, listed: Listed) -> Sequence[str]:
    shown = visible(listed["path"])
    if not path.is_file():
        raise GhostshipsError(
            f"{shown}: not found from the current folder; right would be to run this where the run was started, files in place"
        )
    try:
        return ais.hashes(path)
    except FileRefused as refused:
        raise GhostshipsError(
            f"{shown}: the file changed since the run: it {refused.message}; give back the file that was read"
        ) from refused


def _refuse_other(found: Opened, made: Mapping[str, pd.DataFrame]) -> None:
    """Differences are shown between tables of one program only: the base must be what is published, to the last digit."""
    other = [
        name
        for name, frame in sorted(made.items())
        if not tables.to_arrow(frame, tables.ALL[name]).equals(tables.to_arrow(found.published[name], tables.ALL[name]))
    ]
    if not other:
        return
    then = {"ghostships": found.manifest["ghostships"], **found.manifest.get("libraries", {})}
    now = {"ghostships": metadata.version("ghostships"), **program.libraries()}
    why = program.difference(then, now) or "the code of ghostships, its versions are the same"
    raise GhostshipsError(
        f"{visible(found.folder)}: the same inputs give other tables now ({', '.join(other)}); what differs: {why}; right would "
        "be to run the job again with this version, or to ask the version that wrote the folder"
    )
