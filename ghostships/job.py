"""The main job: files in, tables and a report folder out. What `ghostships run` and `ghostships.run(...)` both are.

Everything that can be wrong with the request is found before anything is read, everything that can be wrong with a file before
anything is written, and the folder appears complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

import geopandas
import pandas as pd
import platformdirs

from ghostships import context as contexts
from ghostships import fleet, intake, pipeline, program, routes, tables
from ghostships.bulk.delivered import Progress
from ghostships.errors import FileRefused, NothingUsable, UsageError
from ghostships.intake import Intake
from ghostships.readers import ais, dialects
from ghostships.report import folder as report_folder
from ghostships.report import page, parquet
from ghostships.reviews import ledger
from ghostships.routes import Route
from ghostships.sea import Sea
from ghostships.terminal import iso, parse_time, plain, visible

Scope = Literal["area", "selected"]
Stage = Callable[[str], AbstractContextManager[None]]
Bar = Callable[[str, int], AbstractContextManager[Progress | None]]


@dataclass(frozen=True)
class Request:
    """What was asked, as the user gave it; `check` says whether it can be done at all."""

    ais: tuple[str, ...] = ()
    sightings: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    vessels: tuple[str, ...] = ()
    route: str = "najin-primorye"
    scope: Scope = "area"
    dialect: str | None = None
    from_utc: datetime | None = None
    to_utc: datetime | None = None
    as_of_utc: datetime | None = None
    min_gap_h: float | None = None
    scheduler: str | None = None
    context: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Outcome(Mapping[str, pd.DataFrame]):
    """The tables by name, and what a reader must be told. Tables with a place are GeoDataFrames (WGS84).

    Attributes
    ----------
    manifest : what `manifest.json` holds
    warnings : sentences
    refused : whole files that could not be used, with the reason
    new_flags : trips flagged now that the folder replaced did not flag
    result : the tables as the pipeline made them
    """

    tables: dict[str, pd.DataFrame]
    manifest: dict[str, Any]
    refused: tuple[FileRefused, ...]
    new_flags: tuple[str, ...]
    result: pipeline.Result = field(repr=False)

    @property
    def warnings(self) -> list[str]:
        """What a reader must be told before the tables are believed."""
        return list(self.result.warnings)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise KeyError(f"no table {name!r}; known tables: {', '.join(self.tables)}")
        return self.tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def flagged(self) -> pd.DataFrame:
        """The flagged trips, the most probable first."""
        trips = self.tables["round_trips"]
        found = trips[trips["is_flagged"].astype(bool)]
        return found.sort_values(["p_trip", "trip_id"], ascending=[False, True], kind="stable")

    def trajectories(self) -> Any:
        """The believed tracks, thinned for the map, as a movingpandas `TrajectoryCollection`: one trajectory per segment.

        Segments of fewer than two points have none. Coordinates are WGS84, times UTC without a zone, as movingpandas wants them.
        """
        # Imported here: a run itself does not need it.
        import movingpandas

        tracks = self.tables["tracks"]
        kept = tracks[tracks.groupby("segment_id")["time_utc"].transform("size") > 1]
        frame = kept.assign(time_utc=kept["time_utc"].dt.tz_localize(None))
        return movingpandas.TrajectoryCollection(
            frame,
            traj_id_col="segment_id",
            obj_id_col="vessel_key",
            t="time_utc",
            x="lon_deg",
            y="lat_deg",
            crs="epsg:4326",
        )

    def summary(self, out: Path | None, *, has_report: bool) -> dict[str, Any]:
        """The manifest and the counts a person asks for first."""
        gaps, calls = self.tables["gaps"], self.tables["port_calls"]
        shown = (
            "trip_id",
            "vessel_key",
            "vessel_name",
            "p_trip",
            "tier",
            "dark_start_utc",
            "dark_end_utc",
            "weakest_link",
        )
        return {
            **{key: value for key, value in self.manifest.items() if key != "route"},
            "route": {key: value for key, value in self.manifest["route"].items() if key != "settings"},
            "gaps": {
                "all": len(gaps),
                "open": int((gaps["state"] == "open").sum()),
                "void": int((gaps["state"] == "void").sum()),
            },
            "port_calls": dict(sorted(Counter(calls["kind"]).items())),
            "flagged_trips": [plain(row) for row in self.flagged[list(shown)].to_dict("records")],
            "new_flags": list(self.new_flags),
            "refused": [str(refused) for refused in self.refused],
            "out": None if out is None else str(out),
            "open": str(out / report_folder.REPORT) if out is not None and has_report else None,
        }


def _quietly(_what: str) -> AbstractContextManager[None]:
    return nullcontext()


def _without_bar(_what: str, _n_bytes: int) -> AbstractContextManager[Progress | None]:
    return nullcontext()


def run(
    ais: Iterable[str | Path] = (),
    out: str | Path | None = None,
    *,
    sightings: Iterable[str | Path] = (),
    scenes: Iterable[str | Path] = (),
    vessels: Iterable[str | Path] = (),
    context: Iterable[str | Path] = (),
    route: str | Path = "najin-primorye",
    scope: Scope = "area",
    dialect: str | None = None,
    from_utc: datetime | str | None = None,
    to_utc: datetime | str | None = None,
    as_of_utc: datetime | str | None = None,
    min_gap_h: float | None = None,
    scheduler: str | None = None,
    report: bool = True,
) -> Outcome:
    """The tables of one job, by name; the same as `ghostships run`, from a notebook.

    Parameters
    ----------
    ais, sightings, scenes, vessels
        files, folders or globs; one path may be given without a list
    context
        gaps and port calls of other publishers, shown beside ours; they change no probability
    out
        folder to write, as `ghostships run --out`; None writes nothing and only returns the tables
    from_utc, to_utc, as_of_utc
        datetimes with a zone, or ISO 8601 text (UTC when no offset is given)
    scheduler
        address of a Dask scheduler (`tcp://...`) whose workers see the files and the folder of `out`
    report
        False leaves `report.html` out of the folder

    Raises
    ------
    GhostshipsError
        with one line for the user and the exit status the command would have had.
    """
    request = Request(
        ais=_paths(ais),
        sightings=_paths(sightings),
        scenes=_paths(scenes),
        vessels=_paths(vessels),
        context=_paths(context),
        route=str(route),
        scope=scope,
        dialect=dialect,
        from_utc=_time("from_utc", from_utc),
        to_utc=_time("to_utc", to_utc),
        as_of_utc=_time("as_of_utc", as_of_utc),
        min_gap_h=min_gap_h,
        scheduler=scheduler,
    )
    return work(request, None if out is None else Path(out), with_report=report)


def work(
    request: Request,
    out: Path | None,
    *,
    with_report: bool = True,
    stage: Stage = _quietly,
    bar: Bar = _without_bar,
) -> Outcome:
    """Do the job: check the request, read every file, run the river, publish the folder (when `out` is given).

    Raises
    ------
    UsageError
        for what is wrong with the request, before anything is read
    NothingUsable
        when no file had a usable row; nothing is written then
    """
    route = routes.load(request.route)
    settings = _settings(request, route)
    files = _files(request)
    flagged_before: set[str] = set()
    if out is not None:
        _check_out(out, request)
        flagged_before = _flagged_in(out)
    with _work_folder(request, out) as work:
        n_bytes = sum(path.stat().st_size for path in files["ais"] if path.is_file())
        with bar(f"reading {sum(map(len, files.values()))} files", n_bytes) as progress:
            read = intake.read(
                files["ais"],
                sighting_files=files["sightings"],
                scene_files=files["scenes"],
                vessel_files=files["vessels"],
                context_files=files["context"],
                dialect=request.dialect,
                route=route,
                work=work,
                scheduler=request.scheduler,
                progress=progress,
            )
        if read.traffic.is_empty and not any(entry.accepted for entry in read.entries) and read.sightings.empty:
            raise NothingUsable(_why_nothing(read))
        given = pipeline.Inputs(read.traffic, read.rejects, read.sightings, read.scenes, read.registry)
        sea = Sea.of(route.area, platformdirs.user_cache_path("ghostships") / "sea")
        with stage("finding gaps, port calls and round trips"):
            result = pipeline.run(given, settings, sea)
        result = replace(result, rejects=read.settle(result.rejects))
    result = replace(result, warnings=[*read.warnings, *result.warnings])
    result, facts = contexts.put_beside(result, read.context) if read.has_context else (result, [])
    manifest = _manifest(request, settings, read, result) | ({"context": facts} if read.has_context else {})
    if out is not None:
        with stage(f"writing {out}"):
            manifest = report_folder.publish(result, manifest, out, route=route, with_report=with_report)
    frames = {name: _with_points(frame, tables.ALL[name]) for name, frame in result.tables.items()}
    frames["rejects"] = tables.to_pandas(result.rejects, tables.REJECTS)
    trips = result.tables["round_trips"]
    flagged = trips.loc[trips["is_flagged"].astype(bool), "trip_id"]
    new = tuple(sorted(set(flagged) - flagged_before))
    return Outcome(frames, manifest, read.refused, new, result)


def demo_request() -> Request:
    """The shipped example: simulated ships and pictures on a real coast.

    Raises
    ------
    UsageError
        when the package was installed without it.
    """
    # Inside an installed package it lies beside the modules, in a checkout among the fixtures.
    for folder in (Path(__file__).parent / "demo", Path(__file__).parents[1] / "fixtures" / "demo"):
        if folder.is_dir():
            return request_of_folder(folder)
    raise UsageError(
        "the example is not in this installation; right would be a checkout, or a wheel with ghostships/demo"
    )


def request_of_folder(folder: Path) -> Request:
    """The request whose inputs are the files of a simulation: `ais.*`, `sightings.*`, `scenes.*`, `vessels.*`.

    Raises
    ------
    UsageError
        when there is no AIS file among them.
    """
    found = {
        name: tuple(map(str, sorted(folder.glob(f"{name}.*")))) for name in ("ais", "sightings", "scenes", "vessels")
    }
    if not found["ais"]:
        raise UsageError(f"{folder}: no ais.* in it; right would be a folder written by `ghostships simulate`")
    return Request(found["ais"], found["sightings"], found["scenes"], found["vessels"])


def redraw(folder: Path, *, scenarios: Sequence[Mapping[str, Any]] = ()) -> bool:
    """Draw report, figures, layers and workbook of a folder again, from tables, manifest and decisions; says whether bytes changed.

    Parameters
    ----------
    scenarios : kept "what if" answers to show beside the base, as plain data (`scenarios.Scenario.as_dict`)

    Raises
    ------
    UsageError
        when it is not a folder of ours, or a table does not have its recorded hash.
    """
    frames, manifest = report_folder.read(folder)
    route = Route(**manifest["route"]["settings"], sha256=manifest["route"]["sha256"])
    said = {key: value for key, value in manifest.items() if key != "files"}
    drawn = page.render(frames, said, route, scenarios=scenarios, decided=ledger.as_far_as_read(folder)).encode()
    path = folder / report_folder.REPORT
    is_other = report_folder.draw_again(folder, frames, manifest, route)
    if not is_other and path.is_file() and path.read_bytes() == drawn:
        return False
    manifest["files"] = {**manifest.get("files", {}), report_folder.REPORT: hashlib.sha256(drawn).hexdigest()}
    _replace(path, drawn)
    _replace(folder / report_folder.MANIFEST, (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode())
    return True


def _replace(path: Path, content: bytes) -> None:
    """Put new content in place of a file at once: a reader sees the old or the new, never half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _work_folder(request: Request, out: Path | None) -> Iterator[Path]:
    """Where the days of the AIS files stand while they are needed: beside `out` where a cluster must see them."""
    beside = None
    if request.scheduler is not None:
        if out is None:
            raise UsageError("a scheduler needs --out: its workers put the days beside it")
        beside = out.resolve().parent
        beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ghostships-", dir=beside, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _settings(request: Request, route: Route) -> pipeline.Settings:
    """The request as the pipeline takes it, once it makes sense."""
    if request.scope not in get_args(Scope):
        raise UsageError(f"--scope: {request.scope!r} is neither 'area' nor 'selected'")
    if request.dialect is not None:
        dialects.get(request.dialect)
    if request.scheduler is not None:
        fleet.check_address(request.scheduler)
    min_gap_h = route.policy.min_gap_h if request.min_gap_h is None else request.min_gap_h
    # Written so that NaN is refused too.
    if not 1 <= min_gap_h <= 8760:
        raise UsageError(f"--min-gap-h: {min_gap_h:g} h is outside 1 to 8760 h; an hour is the shortest policy")
    if request.from_utc and request.to_utc and request.from_utc >= request.to_utc:
        raise UsageError(f"--from {iso(request.from_utc)} is not before --to {iso(request.to_utc)}")
    if request.from_utc and request.as_of_utc and request.from_utc >= request.as_of_utc:
        raise UsageError(f"--from {iso(request.from_utc)} is not before --as-of {iso(request.as_of_utc)}")
    return pipeline.Settings(
        route=route,
        min_gap_h=float(min_gap_h),
        scope=request.scope,
        from_utc=request.from_utc,
        to_utc=request.to_utc,
        as_of_utc=request.as_of_utc,
    )


def _files(request: Request) -> dict[str, list[Path]]:
    """Every file named, by role; all of them are there, or nothing is begun."""
    if not request.ais and not request.sightings:
        raise UsageError("nothing to work on; right would be AIS files, or --sightings FILE, or both")
    found = {"ais": ais.expand(request.ais) if request.ais else []}
    for role, given in (("sightings", request.sightings), ("scenes", request.scenes), ("vessels", request.vessels)):
        for text in given:
            if not Path(text).exists():
                raise UsageError(f"--{role}: {visible(text)}: no such file")
            if Path(text).is_dir():
                raise UsageError(
                    f"--{role}: {visible(text)}: is a folder; right would be a file (the option may be repeated)"
                )
        found[role] = [Path(text) for text in given]
    try:
        found["context"] = ais.expand(request.context)
    except UsageError as error:
        raise UsageError(f"--context: {str(error).replace(' with AIS files in it', '')}") from None
    return found


def _check_out(out: Path, request: Request) -> None:
    """Refuse a place that cannot be written before hours are spent on what goes into it."""
    report_folder.refuse_foreign(out, shown=out)
    target = out.resolve()
    for text in request.ais:
        folder = Path(text)
        if folder.is_dir() and target.is_relative_to(folder.resolve()):
            raise UsageError(
                f"--out {out}: lies inside the input folder {visible(text)}; the next run would read it as AIS"
            )
    for text in (*request.ais, *request.sightings, *request.scenes, *request.vessels, *request.context):
        if Path(text).is_file() and Path(text).resolve().is_relative_to(target):
            raise UsageError(
                f"--out {out}: holds the input {visible(text)}, which would be replaced; give another folder"
            )


def _flagged_in(out: Path) -> set[str]:
    """Trips that the folder about to be replaced flags already; none when it cannot be read any more."""
    path = out / f"{tables.ROUND_TRIPS.name}.parquet"
    if not path.is_file():
        return set()
    try:
        trips = parquet.read_table(path, tables.ROUND_TRIPS)
    except (OSError, ValueError, KeyError):
        # A damaged old folder must not stop the run that replaces it: every flag then counts as new.
        return set()
    return set(trips.loc[trips["is_flagged"].astype(bool), "trip_id"])


def _why_nothing(read: Intake) -> str:
    """One line: every file, and why none of its rows could be used."""
    reasons = []
    for entry in read.entries:
        if entry.refused:
            reasons.append(str(entry.refused))
        elif entry.role in ("ais", "sightings"):
            rules = ", ".join(f"{n} {rule}" for rule, n in sorted(entry.rejected.items()))
            reasons.append(f"{entry.path}: {entry.rows_read} rows, none usable" + (f" ({rules})" if rules else ""))
    return "no file had a usable row: " + "; ".join(reasons)


def _manifest(request: Request, settings: pipeline.Settings, read: Intake, result: pipeline.Result) -> dict[str, Any]:
    """All of `manifest.json` but the tables. It carries no clock and no machine: equal input gives equal bytes."""
    route = settings.route
    bounds = _bounds(read)
    return {
        "ghostships": metadata.version("ghostships"),
        "code": program.thinking()["code"],
        "route": {
            "name": route.name,
            "title": route.title,
            "given": request.route,
            "sha256": route.sha256,
            "settings": route.model_dump(mode="json", exclude={"sha256"}),
        },
        "scope": settings.scope,
        "as_of_utc": iso(result.as_of_utc),
        "asked": {
            "from_utc": iso(request.from_utc),
            "to_utc": iso(request.to_utc),
            "as_of_utc": iso(request.as_of_utc),
            "dialect": request.dialect,
        },
        "inputs": [entry.as_dict() for entry in read.entries],
        "time_span": [iso(min(bounds)), iso(max(bounds))] if bounds else [],
        "thresholds": {
            "min_gap_h": settings.min_gap_h,
            "flag_threshold": route.policy.flag_threshold,
            "max_speed_kn": route.policy.max_speed_kn,
        },
        "warnings": list(result.warnings),
        "placebo": result.placebo,
        "look_next": result.look_next,
        "is_simulated": read.is_simulated,
        "libraries": program.libraries(),
    }


def _bounds(read: Intake) -> list[datetime]:
    """First and last times of what was read: messages and pictures."""
    hours = read.traffic.hours
    found: list[Any] = [hours["first_heard_utc"].min(), hours["last_heard_utc"].max()]
    found += [read.sightings["start_utc"].min(), read.sightings["end_utc"].max()]
    return [pd.Timestamp(time).to_pydatetime() for time in found if time is not None and time is not pd.NaT]


def _with_points(frame: pd.DataFrame, table: tables.Table) -> pd.DataFrame:
    """The table with a geometry where it has a place, longitude before latitude (WGS84)."""
    if table.place is None:
        return frame
    lat, lon = table.place
    placed: pd.DataFrame = geopandas.GeoDataFrame(
        frame, geometry=geopandas.points_from_xy(frame[lon], frame[lat]), crs="EPSG:4326"
    )
    return placed


def _paths(given: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    return (str(given),) if isinstance(given, (str, Path)) else tuple(map(str, given))


def _time(name: str, given: datetime | str | None) -> datetime | None:
    if given is None or isinstance(given, datetime):
        if given is not None and given.tzinfo is None:
            raise UsageError(
                f"{name}: {given.isoformat()} has no zone; right would be a datetime with one, or ISO 8601 text"
            )
        return given
    try:
        return parse_time(given)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
