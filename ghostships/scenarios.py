"""Named scenarios of an output folder: a "what if" asked, its answer kept beside the tables, and those kept listed.

    DIR/scenarios/NAME.json   the changes, the answer, and the hashes of the tables it was compared with

Tables, report and manifest of the folder stay as they are. A later run into the same folder, and every night, carries the
scenarios over; what was compared with other tables than those there now is no longer current, and says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ghostships import rerun, tables, whatif
from ghostships.errors import GhostshipsError, UsageError
from ghostships.report import folder as report_folder
from ghostships.terminal import as_json, visible

FOLDER = "scenarios"
FORMAT = 1
"""Number of this layout of a scenario file."""
LONGEST_NAME = 80
"""Together with `.json` well below the 255 bytes that file systems allow."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.+-]{{0,{LONGEST_NAME - 1}}}")
_RESTS_ON = ("sightings", "scenes", "port_calls", "matches", "round_trips", "throughput")
"""Tables whose hashes say with what a scenario was compared."""


@dataclass(frozen=True)
class Scenario:
    """One "what if" and its answer, as `whatif.compare` gives it.

    Attributes
    ----------
    base : SHA-256 of the tables it was compared with, by name
    is_simulated : whether the folder holds invented traffic
    is_current : whether those are still the tables of the folder
    """

    name: str
    said: tuple[str, ...]
    changes: dict[str, Any]
    answer: dict[str, Any]
    base: dict[str, str]
    is_simulated: bool
    is_current: bool

    def as_dict(self) -> dict[str, Any]:
        """The scenario for `--json`."""
        return {
            "name": self.name,
            "said": list(self.said),
            "changes": self.changes,
            "base": self.base,
            "is_simulated": self.is_simulated,
            "is_current": self.is_current,
            "answer": self.answer,
        }


def ask(
    folder: Path,
    *,
    drop: Sequence[str] = (),
    settings: Sequence[str] = (),
    not_same: Sequence[tuple[str, str]] = (),
    name: str | None = None,
    restore: rerun.Restore = rerun.not_kept,
    kept: rerun.Kept = rerun.not_kept,
    stage: rerun.Stage = rerun.quietly,
) -> Scenario:
    """Judge the folder again with other sightings, compare, and keep the answer as `DIR/scenarios/NAME.json`.

    Parameters
    ----------
    drop, settings, not_same : see `whatif.understand`
    name : of the scenario; by default made of the changes
    restore, kept, stage : see `rerun.opened`

    Raises
    ------
    UsageError
        when the folder is not ours, a change makes no sense in it, or the name is taken by other changes.
    GhostshipsError
        when an input is gone or changed, or this program makes other tables of the same inputs.
    """
    published, manifest = report_folder.read(folder)
    changes = whatif.understand(published, drop=drop, settings=settings, not_same=not_same)
    chosen = _checked(name) if name is not None else _made_of(changes)
    path = folder.resolve() / FOLDER / f"{chosen}.json"
    _refuse_taken(path, chosen, changes)
    with rerun.opened(folder, restore=restore, kept=kept, stage=stage) as found:
        try:
            seen, looked = whatif.apply(changes, found.read.sightings, found.read.scenes, with_fields=found.with_fields)
        except rerun.RuleBroken as broken:
            raise UsageError(_broken(broken, changes)) from broken
        again = found.again()
        with stage("judging with other sightings"):
            after, warnings = again.judge(seen, looked, apart=changes.apart)
        answer = whatif.compare(again.base, after, changes)
        answer["notes"] += [one for one in warnings if one not in again.warnings]
    scenario = Scenario(
        chosen,
        tuple(changes.sentences()),
        changes.as_dict(),
        answer,
        _hashes(manifest),
        bool(manifest.get("is_simulated")),
        True,
    )
    _keep(path, scenario)
    return scenario


def listed(folder: Path) -> tuple[list[Scenario], list[str]]:
    """The scenarios kept with a folder, by name, and the files among them that cannot be read, with the reason.

    Raises
    ------
    UsageError
        when it is not a folder of ours.
    """
    if not report_folder.is_ours(folder):
        raise UsageError(f"{folder}: is not a folder that ghostships wrote (no {report_folder.MANIFEST} of ours in it)")
    now = _hashes(json.loads((folder / report_folder.MANIFEST).read_bytes()))
    found, broken = [], []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            found.append(_read(path, now))
        except GhostshipsError as error:
            broken.append(str(error))
    return found, broken


def _hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(manifest["tables"][name]["sha256"]) for name in _RESTS_ON}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name {visible(name)!r}: cannot be the name of a file; right would be up to {LONGEST_NAME} letters (a to z), "
            "digits, and _ . + -, beginning with a letter or digit"
        )
    return name


def _made_of(changes: whatif.Changes) -> str:
    """A name that tells the changes: `drop-S1+set-S2.length_m-95`. Ids come from outside: what no file name may hold goes.

    Where something was left out or cut, a hash of the changes keeps two scenarios from sharing a name.
    """
    parts = [f"drop-{one}" for one in changes.drop]
    parts += [f"set-{one.sighting_id}.{one.field}-{one.value or 'nothing'}" for one in changes.settings]
    parts += [f"not-same-{one}-{other}" for one, other in changes.not_same]
    told = "+".join(re.sub(r"[^A-Za-z0-9_.-]", "-", part) for part in parts)
    if told == "+".join(parts) and len(told) <= LONGEST_NAME:
        return told
    text = json.dumps(changes.as_dict(), sort_keys=True)
    return f"{told[: LONGEST_NAME - 9].rstrip('-.+')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _refuse_taken(path: Path, name: str, changes: whatif.Changes) -> None:
    """The same changes may be asked again; others never take the place of what was kept."""
    if not path.exists():
        return
    old = _read(path, {})
    if old.changes != changes.as_dict():
        raise UsageError(
            f"--name {visible(name)}: is kept already, for {visible('; '.join(old.said))}; right would be another name, or "
            f"removing {visible(path)}"
        )


def _read(path: Path, now: Mapping[str, str]) -> Scenario:
    wrong = f"{visible(path)}: is not a scenario of ghostships, or one of a newer version; move it away or restore it"
    try:
        told = json.loads(path.read_bytes())
        if told["format"] != FORMAT:
            raise GhostshipsError(wrong)
        return Scenario(
            path.stem,
            tuple(told["said"]),
            told["changes"],
            told["answer"],
            told["base"],
            told["is_simulated"],
            told["base"] == dict(now),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GhostshipsError(wrong) from error


def _keep(path: Path, scenario: Scenario) -> None:
    """Write the file at once: a reader sees the old answer or the new one, never half. It carries no clock and no place."""
    told = scenario.as_dict()
    del told["is_current"]
    document = {"format": FORMAT, "version": metadata.version("ghostships"), **told}
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(exist_ok=True)
        draft.write_text(as_json(document) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise GhostshipsError(f"{visible(path)}: cannot keep the scenario: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


_RIGHT = {
    "imo_number": "seven digits",
    "imo_check_digit": "seven digits whose last is the check digit",
    "kind_value": "vessel, absent, containers or ais",
    "date_format": "a day such as 2024-03-12",
    "window_ends_after_it_starts": "an end_utc that is not before start_utc; both can be set",
    "window_mixes_dates_and_times": "start_utc and end_utc both with a time, or both a day",
    "time_contradicts_scene_id": "a time within an hour of the one in the scene's name, or another scene_id",
    "lat_and_lon_together": "lat_deg and lon_deg both set, or both empty",
    "lat_lon_swapped": "latitude in lat_deg, longitude in lon_deg",
    "position_sigma_m_range": "0 to 1000000 m",
    "length_sigma_m_range": "0 to 500 m",
    "sighting_has_a_place": "a port, or lat_deg and lon_deg",
    "time_missing": "a date, or start_utc",
}


def _broken(error: rerun.RuleBroken, changes: whatif.Changes) -> str:
    """One line: which setting, which rule, and what would be right."""
    rule = str(error)
    own = [one for one in changes.settings if rule.startswith(one.field)] or list(changes.settings)
    given = ", ".join(f"{one.sighting_id}.{one.field}={one.value}" for one in own)
    right = _RIGHT.get(rule, "what a line of a sighting list may say")
    name, _, kind = rule.rpartition("_")
    column = next((c for c in tables.SIGHTINGS.columns if c.name == name), None)
    if kind == "number":
        right = "a number with a point, or nothing"
    elif kind == "format":
        right = "ISO 8601, such as 2024-03-12T06:30:00Z"
    elif kind == "range" and column is not None:
        right = _RIGHT.get(rule, f"{column.low:g} to {column.high:g} {column.unit}".rstrip())
    return f"--set {visible(given)}: the reader refuses such a line ({rule}); right would be {right}"
