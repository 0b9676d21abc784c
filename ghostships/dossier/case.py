"""What a dossier is made of: the rows about one subject, the original lines behind them, and the route as it was used.

More is gathered here than `explain` shows: every hypothesis about every sighting that may be the subject's, and every picture
of the port in that time, with a ship or without. What speaks against a claim belongs into the dossier as well.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
import shapely

from ghostships import context, routes, tables
from ghostships import explain as explaining
from ghostships.errors import GhostshipsError, UsageError
from ghostships.explain import Explanation, RawLine, Restore, Row, Sum
from ghostships.report import folder as report_folder
from ghostships.terminal import plain

OWN_ID = re.compile(r"[A-Z]-[0-9a-f]{4,40}")
"""Ids that we made ourselves. Only these ever become part of a file name or of a command; a sighting's id comes from outside."""


@dataclass(frozen=True)
class RouteUsed:
    """The route of the run. `text` is its file, where that can still be had and has the hash of the run."""

    settings: Row
    sha256: str
    text: str | None
    why_no_text: str = ""

    def port(self, port_id: str | None) -> str:
        """The name of a port; of `A|B` both."""
        names = {one["id"]: one["name"] for one in self.settings.get("ports", [])}
        return " or ".join(str(names.get(one, one)) for one in (port_id or "?").split("|"))


@dataclass(frozen=True)
class Case:
    """Everything that the summary may speak of. `lines` is by `<file SHA-256 prefix>:<row>`."""

    told: Explanation
    manifest: Row
    frames: dict[str, pd.DataFrame]
    lines: dict[str, RawLine]
    has_originals: bool
    route: RouteUsed
    figures: dict[str, bytes]
    why_no_figure: str
    no_scene_list: bool = False
    pictures: dict[str, list[str]] = field(default_factory=dict)
    said_by_others: dict[str, str] = field(default_factory=dict)

    def rows(self, name: str) -> list[Row]:
        """The rows of one table as plain values."""
        return [{str(key): plain(value) for key, value in row.items()} for row in self.frames[name].to_dict("records")]

    @property
    def own(self) -> Row:
        """The subject's own row."""
        table, key = _TABLE_OF[self.told.kind]
        return next(row for row in self.rows(table) if row[key] == self.told.subject_id)

    def sum_of(self, subject_id: str) -> Sum | None:
        """The evidence of one subject, added again, if it has any."""
        return next((one for one in self.told.sums if one.subject_id == subject_id), None)


_TABLE_OF = {
    "gap": ("gaps", "gap_id"),
    "trip": ("round_trips", "trip_id"),
    "match": ("matches", "match_id"),
    "sighting": ("sightings", "sighting_id"),
    "call": ("port_calls", "call_id"),
}


def gather(folder: Path, told: Explanation, *, restore: Restore | None, with_originals: bool) -> Case:
    """The whole case, every original file verified before a line of it is used.

    Parameters
    ----------
    restore : finds inputs that a store keeps, as for `explain --raw`
    with_originals : False opens no input at all; the dossier then says so on its first page

    Raises
    ------
    GhostshipsError
        when an original file or a figure is not what the manifest says.
    """
    found, manifest = report_folder.read(folder)
    frames, pictures = _rows_about(found, told, manifest)
    sources = dict(told.sources)
    for name, key, column in (("sightings", "sighting_id", "source_row"), ("scenes", "scene_id", "source_row")):
        for row_id, source in zip(frames[name][key], frames[name][column], strict=True):
            sources[f"{name.removesuffix('s')} {row_id}"] = source
    for gap_id, start, end in zip(
        frames["gaps"]["gap_id"], frames["gaps"]["start_source"], frames["gaps"]["end_source"], strict=True
    ):
        sources[f"{gap_id} last heard"] = start
        if isinstance(end, str):
            sources[f"{gap_id} heard again"] = end
    for finding, rows in zip(frames["identities"]["finding_id"], frames["identities"]["sources"], strict=True):
        sources |= {f"{finding} line {nth}": source for nth, source in enumerate(rows, start=1)}
    lines: dict[str, RawLine] = {}
    if with_originals:
        try:
            for line in explaining.raw_lines(folder, replace(told, sources=sources), restore=restore):
                lines[f"{line.sha256[:12]}:{line.row}"] = line
        except GhostshipsError as error:
            # Nothing else can be wrong with these than what this option is for; other kinds of error keep their own words.
            if type(error) is GhostshipsError:
                raise GhostshipsError(f"{error}; or --no-originals, for a dossier that says it lacks them") from error
            raise
    figures, why_no_figure = _figures(folder, told, manifest)
    return Case(
        told,
        manifest,
        frames,
        lines,
        with_originals,
        _route(manifest),
        figures,
        why_no_figure,
        found["scenes"].empty,
        pictures,
        {row["context_id"]: context.sentence(row) for row in told.rows.get("context", [])},
    )


def file_name(path: str) -> str:
    """The name of an input without its folders: whose computer it lay on is no business of the reader."""
    outer, mark, inner = path.partition("!")
    return PurePath(outer.replace("\\", "/")).name + mark + inner


def _rows_about(
    found: dict[str, pd.DataFrame], told: Explanation, manifest: Row
) -> tuple[dict[str, pd.DataFrame], dict[str, list[str]]]:
    """The rows of each table that are about the subject, and the pictures of each port call's or silence's port in its time."""
    ids = {
        name: {row[key] for row in told.rows.get(name, [])}
        for name, key in (
            ("gaps", "gap_id"),
            ("sightings", "sighting_id"),
            ("port_calls", "call_id"),
            ("matches", "match_id"),
            ("round_trips", "trip_id"),
        )
    }
    matches = found["matches"]
    if told.kind == "trip":
        # Sightings that may be this silence's, although they carry none of its calls: what speaks for others is seen there.
        ids["sightings"] |= set(matches.loc[matches["gap_id"].isin(ids["gaps"]), "sighting_id"])
    ids["matches"] |= set(matches.loc[matches["sighting_id"].isin(ids["sightings"]), "match_id"])
    of_sightings = matches["match_id"].isin(ids["matches"])
    ids["port_calls"] |= set(matches.loc[of_sightings, "call_id"].dropna()) if told.kind == "trip" else set()
    frames = {
        name: found[name][found[name][tables.ALL[name].key[0]].isin(wanted)].reset_index(drop=True)
        for name, wanted in ids.items()
    }
    gap_ids = ids["gaps"]
    frames["reach"] = found["reach"][found["reach"]["gap_id"].isin(gap_ids)].reset_index(drop=True)
    subjects = {one.subject_id for one in told.sums} | gap_ids | ids["matches"] | ids["round_trips"]
    frames["evidence"] = found["evidence"][found["evidence"]["subject_id"].isin(subjects)].reset_index(drop=True)
    ships = {key for name in ("gaps", "matches", "port_calls", "round_trips") for key in frames[name]["vessel_key"]}
    ships.discard(None)
    frames["vessels"] = found["vessels"][found["vessels"]["vessel_key"].isin(ships)].reset_index(drop=True)
    own_ships = {key for name in ("gaps", "round_trips") for key in frames[name]["vessel_key"]}
    findings = found["identities"]
    concerned = findings["vessel_keys"].map(lambda keys: bool(own_ships & set(keys))).astype(bool)
    frames["identities"] = findings[concerned].reset_index(drop=True)
    pictures = _pictures(found, frames, told, manifest)
    wanted = {scene for scenes in pictures.values() for scene in scenes} | set(frames["sightings"]["scene_id"].dropna())
    frames["scenes"] = found["scenes"][found["scenes"]["scene_id"].isin(wanted)].reset_index(drop=True)
    said = {row["context_id"] for row in told.rows.get("context", [])}
    if said:
        others = found[tables.CONTEXT.name]
        frames[tables.CONTEXT.name] = others[others["context_id"].isin(said)].reset_index(drop=True)
    return frames, pictures


def _pictures(
    found: dict[str, pd.DataFrame], frames: dict[str, pd.DataFrame], told: Explanation, manifest: Row
) -> dict[str, list[str]]:
    """Scene ids, in order of time, of every picture that covers the port in question while the subject lasted, by port."""
    settings = manifest["route"]["settings"]
    at = {one["id"]: (one["lon_deg"], one["lat_deg"]) for one in settings.get("ports", [])}
    as_of = pd.Timestamp(manifest["as_of_utc"])
    spans: list[tuple[str, Any, Any]] = []
    if told.kind == "trip":
        (trip,) = frames["round_trips"].loc[frames["round_trips"]["trip_id"] == told.subject_id].to_dict("records")
        start = trip["dark_start_utc"]
        if pd.isna(start):
            stays = frames["port_calls"][frames["port_calls"]["call_id"].isin(set(trip["call_ids"]))]
            # A day without a time may put the last sighting before the first.
            seen = pd.concat([stays["arrival_not_after_utc"], stays["departure_not_before_utc"]])
            start, trip["dark_end_utc"] = seen.min(), seen.max()
        spans.append((str(trip["dark_port"]), start, trip["dark_end_utc"]))
    elif told.kind == "gap":
        spans += [
            (str(settings["dark_port_id"]), start, end)
            for start, end in zip(frames["gaps"]["start_utc"], frames["gaps"]["end_utc"], strict=True)
        ]
    elif told.kind == "call":
        (call,) = frames["port_calls"].loc[frames["port_calls"]["call_id"] == told.subject_id].to_dict("records")
        first, last = call["arrival_not_before_utc"], call["departure_not_after_utc"]
        first = call["arrival_not_after_utc"] if pd.isna(first) else first
        spans.append((str(call["port"]), first, call["departure_not_before_utc"] if pd.isna(last) else last))
    scenes = found["scenes"].sort_values(["start_utc", "scene_id"])
    footprints = shapely.from_wkt(scenes["wkt"].to_numpy(dtype=object), on_invalid="ignore")
    out: dict[str, list[str]] = {}
    for ports, start, end in spans:
        end = as_of if pd.isna(end) else end
        if pd.isna(start):
            continue
        for port in (one for one in ports.split("|") if one in at):
            covers = shapely.intersects_xy(footprints, *at[port])
            inside = (scenes["end_utc"] >= start) & (scenes["start_utc"] <= end)
            out[port] = scenes.loc[inside.to_numpy(dtype=bool) & covers, "scene_id"].tolist()
    return out


def _figures(folder: Path, told: Explanation, manifest: Row) -> tuple[dict[str, bytes], str]:
    """The figures of the folder by name in the zip; why there are none."""
    if told.kind != "trip":
        return {}, "Figures are drawn of trips only; this dossier is about something else."
    if OWN_ID.fullmatch(told.subject_id) is None:
        return {}, "The folder has no figure under an id of this form."
    found: dict[str, bytes] = {}
    for ending in ("png", "svg"):
        member = f"{report_folder.FIGURES}/{told.subject_id}.{ending}"
        recorded = manifest.get("files", {}).get(member)
        path = folder / member
        if recorded is None:
            continue
        content = path.read_bytes() if path.is_file() else None
        if content is None or hashlib.sha256(content).hexdigest() != recorded:
            raise UsageError(
                f"{path}: {'is missing' if content is None else 'was changed'}: the manifest says SHA-256 {recorded[:12]}; "
                "right would be the folder as it was written, or the job run again"
            )
        found[member] = content
    return found, "" if found else "The output folder has no figure of this trip."


def _route(manifest: Row) -> RouteUsed:
    """The route's settings as used, and its file when that still has the hash of the run."""
    given, sha256 = str(manifest["route"]["given"]), str(manifest["route"]["sha256"])
    settings = dict(manifest["route"]["settings"])
    try:
        _, text = routes.source_text(given)
    except UsageError:
        return RouteUsed(settings, sha256, None, "the route file is not where it was when the run was made")
    if hashlib.sha256(text.encode()).hexdigest() != sha256:
        return RouteUsed(settings, sha256, None, "the route file has changed since the run")
    return RouteUsed(settings, sha256, text)
