"""The judge on real traffic: pieces of any AIS export are hidden, and what is known to have been there must be found again.

    export --hide pieces, anchorages, whole ships--> export that lacks them --listen--> silences
    hidden positions + noise, decoys --> sightings --judge--> matches --> whose ship stands first? are the decoys refused?

Nobody switched anything off: these are ordinary movements that only look dark. What the scores say is how well a silence and a
picture are brought together, not how often that means a voyage.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs
import polars as pl

from ghostships import intake, pipeline, routes, sphere, tables
from ghostships.errors import NothingUsable, UsageError
from ghostships.evaluation import drawing, hidden, pieces, scoring, summary, waters
from ghostships.evaluation.hidden import DECOYS, KINDS, Cases
from ghostships.readers import ais
from ghostships.routes import Route
from ghostships.sea import Sea
from ghostships.steps import clean
from ghostships.traffic import Traffic
from ghostships.units import KM_PER_NM, US_PER_HOUR

Stage = Callable[[str], AbstractContextManager[None]]
_NOBODY = ""


@dataclass(frozen=True)
class Plan:
    """How much is hidden and how many decoys stand among it; numbers are upper bounds, the result says what the tracks held."""

    n_pieces: int = 60
    shortest_h: float = 7.0
    """Longer than the shortest gap of the policy in use, so that every piece is one."""
    longest_h: float = 48.0
    n_areas: int = 3
    area_radius_km: float = 6.0
    area_window_h: float = 24.0
    held_out_share: float = 0.1
    """Share of the ships that are hidden as a whole, so that the export does not know them."""
    n_decoys_each: int = 30
    wrong_every: int = 4
    clutter_each_area: int = 3


@dataclass
class Blanked:
    """What was hidden and how it was found again. `cases` has one row per sighting, with the answer beside the truth."""

    files: list[str]
    seed: int
    route: str
    knows_land: bool
    counts: dict[str, int]
    scores: dict[str, float | int | None]
    by_hand: dict[str, float | int | None]
    by_kind: list[dict[str, Any]]
    calibration: list[scoring.Bin]
    reliability: list[scoring.Bin]
    notes: list[str]
    cases: pd.DataFrame = field(repr=False)
    gaps: pd.DataFrame = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the rows, ready for JSON."""
        kept = (
            "files",
            "seed",
            "route",
            "knows_land",
            "counts",
            "scores",
            "by_hand",
            "by_kind",
            "calibration",
            "reliability",
        )
        return {name: getattr(self, name) for name in (*kept, "notes")}

    def as_text(self) -> str:
        """A plain table for people."""
        lines = [
            f"hidden pieces of {', '.join(self.files)}, seed {self.seed}, route {self.route}",
            ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items()),
            "",
            f"{'score':<28}{'run':>9}{'by hand':>9}",
        ]
        lines += [
            f"{name:<28}{_shown(value):>9}{_shown(self.by_hand.get(name)):>9}" for name, value in self.scores.items()
        ]
        lines += ["", f"{'sightings':<18}{'n':>5}{'right':>8}   95 % interval   meaning"]
        for row in self.by_kind:
            lines.append(
                f"{row['kind']:<18}{row['n']:>5}{row['share_right']:>8.3f}   {row['low']:.3f} to {row['high']:.3f}  "
                f"{'its ship ranked first' if row['kind'] not in DECOYS else 'refused: none of these'}"
            )
        lines += ["", "top answers with p within 0.2 to 0.95:  mean p   right   95 % interval     n"]
        for b in self.calibration:
            lines.append(
                f"{'':<38}{b['mean_p']:>8.3f}{b['share_right']:>8.3f}   {b['low']:.3f} to {b['high']:.3f}{b['n']:>6}"
            )
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines) + "\n"


def _quietly(_what: str) -> AbstractContextManager[None]:
    return nullcontext()


def evaluate(
    files: Sequence[str],
    *,
    seed: int = 0,
    plan: Plan | None = None,
    route: str | None = None,
    dialect: str | None = None,
    out: Path | None = None,
    stage: Stage = _quietly,
) -> Blanked:
    """Hide pieces of AIS exports, judge sightings made from them, and score the answers.

    Parameters
    ----------
    files
        AIS exports: files, folders or globs, as `ghostships run` takes them.
    seed
        the same seed, files and versions hide the same pieces.
    route
        route by name or file; without it the shipped one where it fits, else one made around the traffic (`evaluation.waters`).
    out
        a folder for the scores, the reliability diagram, every case with its answer, and the route file if one was made.

    Raises
    ------
    UsageError
        when the seed is negative, or `out` holds something else.
    NothingUsable
        when the files hold no usable row, or no ship was heard steadily for long enough to hide anything.
    """
    if seed < 0:
        raise UsageError(f"--seed: must not be negative; found {seed}")
    plan = plan or Plan()
    if out is not None:
        summary.check_folder(out)
    paths = ais.expand(files)
    with tempfile.TemporaryDirectory(prefix=".ghostships-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        given = routes.load(route) if route is not None else None
        with stage(f"reading {len(paths)} files"):
            read = intake.read(
                paths,
                sighting_files=[],
                scene_files=[],
                vessel_files=[],
                dialect=dialect,
                route=given or routes.load(),
                work=_made(work / "days"),
            )
        if read.traffic.is_empty:
            why = "; ".join(str(refused) for refused in read.refused) or "no row in them could be used"
            raise NothingUsable(f"nothing to hide: {why}")
        used = given or waters.fitting(read.traffic.hours, work)
        with stage("hiding pieces and judging them"):
            found = of_traffic(read.traffic, used, seed=seed, plan=plan, files=[Path(f).name for f in files])
        if out is not None:
            _write(out, found, work)
        return found


def _write(out: Path, found: Blanked, work: Path) -> None:
    """The folder of a judgement: equal files and seed give equal bytes."""
    out.mkdir(parents=True, exist_ok=True)
    drawing.reliability(out, [("Who is in the picture", found.reliability)])
    pl.from_pandas(found.cases).write_csv(out / "cases.csv")
    made = work / f"{waters.NAME}.toml"
    if made.is_file():
        (out / made.name).write_bytes(made.read_bytes())
    (out / "summary.md").write_text(
        f"# Hidden pieces found again\n\n```\n{found.as_text()}```\n\n![Stated against true share](reliability.png)\n",
        encoding="utf-8",
    )
    (out / summary.SCORES).write_text(json.dumps(found.as_dict(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def of_traffic(
    traffic: Traffic, route: Route, *, seed: int, plan: Plan, files: list[str], sea: Sea | None = None
) -> Blanked:
    """The same for traffic that was read already. `sea` is that of the route's area."""
    min_gap_h = route.policy.min_gap_h
    if plan.shortest_h <= min_gap_h:
        raise UsageError(f"pieces of {plan.shortest_h:g} h make no gap of {min_gap_h:g} h; right would be longer ones")
    of_ships, of_areas, of_pieces, of_looks = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    ships = traffic.without(clean.set_aside(traffic.hours).select("mmsi"))
    stretches = pieces.steady(ships.hours, min_gap_h=min_gap_h, max_speed_kn=route.policy.max_speed_kn)
    held_out = _held_out(stretches, of_ships, plan)
    known = stretches.filter(~pl.col("vessel_key").is_in(held_out))
    areas = pieces.anchorages(
        ships.hours.filter(~pl.col("vessel_key").is_in(held_out)),
        of_areas,
        n=plan.n_areas,
        radius_km=plan.area_radius_km,
        window_h=plan.area_window_h,
    )
    blanks = [
        p for a in areas for p in pieces.of_area(a, ships, shortest_h=plan.shortest_h) if p.vessel_key not in held_out
    ]
    # A ship hidden at an anchorage is hidden nowhere else: its other pieces would touch.
    free = known.filter(~pl.col("vessel_key").is_in(sorted({p.vessel_key for p in blanks})))
    blanks += pieces.choose(free, of_pieces, n=plan.n_pieces, shortest_h=plan.shortest_h, longest_h=plan.longest_h)
    unknown = pieces.choose(
        stretches.filter(pl.col("vessel_key").is_in(held_out)),
        of_pieces,
        n=min(plan.n_decoys_each, 5 * len(held_out)),
        shortest_h=plan.shortest_h,
        longest_h=plan.longest_h,
    )
    if not blanks:
        raise NothingUsable(
            f"nothing to hide: no ship was heard without a gap of {min_gap_h:g} h for {plan.shortest_h + 2 * pieces.EDGE_H:g} h"
        )
    camera = hidden.Camera(of_looks, hidden.lengths_of(ships.statics))
    rows = pieces.rows_of(ships, blanks)
    hidden.look_at_pieces(camera, rows, wrong_every=plan.wrong_every)
    hidden.look_at_areas(camera, areas, rows, clutter_each=plan.clutter_each_area)
    hidden.look_at_unknown(camera, pieces.rows_of(ships, unknown))

    left = pieces.blank(traffic, blanks, held_out)
    given = pipeline.Inputs(
        left,
        tables.empty_polars(tables.REJECTS),
        tables.empty_pandas(tables.SIGHTINGS),
        tables.empty_pandas(tables.SCENES),
        tables.empty_pandas(tables.REGISTRY),
    )
    sea = sea or Sea.of(route.area, platformdirs.user_cache_path("ghostships") / "sea")
    heard = pipeline.listen(given, pipeline.Settings(route=route, min_gap_h=min_gap_h), sea)
    everywhere = hidden.Heard.of(ships.hours)
    hidden.look_where_nobody_can_be(camera, heard.silences, everywhere, n=plan.n_decoys_each)
    hidden.look_at_clutter(camera, everywhere, n=plan.n_decoys_each)
    cases = camera.cases()
    judged = pipeline.judge(heard, cases.sightings, given.scenes, route=route, sea=sea)
    own = _own_silence(heard.silences, cases)
    answers = _answers(judged.tables["matches"], cases).merge(own, on="sighting_id", how="left")
    by_hand = _nearest(heard.silences, cases).merge(own, on="sighting_id", how="left")
    return Blanked(
        files=files,
        seed=seed,
        route=route.name,
        knows_land=sea.grid is not None,
        counts={
            "ships": ships.hours["vessel_key"].n_unique(),
            "ships_hidden_as_a_whole": len(held_out),
            "pieces": sum(p.kind == "piece" for p in blanks),
            "anchorages": len(areas),
            "pieces_at_anchorages": sum(p.kind == "anchorage" for p in blanks),
            "gaps_after_hiding": len(heard.silences),
            "gaps_void": int((heard.silences["state"] == "void").sum()),
            "sightings": len(cases.truth),
        },
        scores=_scores(answers),
        by_hand=_scores(by_hand),
        by_kind=_by_kind(answers),
        calibration=scoring.calibration(*_stated(answers)),
        reliability=scoring.reliability(*_stated(answers), n_bins=10),
        notes=_notes(plan, answers, camera, sea, route, heard.silences),
        cases=answers,
        gaps=heard.silences,
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _held_out(stretches: pl.DataFrame, rng: np.random.Generator, plan: Plan) -> list[str]:
    """Ships to hide as a whole: some of those that were heard steadily; none where that would leave fewer than four."""
    least = round((plan.shortest_h + 2 * pieces.EDGE_H) * US_PER_HOUR)
    ships = stretches.filter(pl.col("end_us") - pl.col("start_us") > least)["vessel_key"].unique().sort().to_list()
    n = min(max(1, round(plan.held_out_share * len(ships))), max(0, len(ships) - 4))
    return sorted(ships[int(k)] for k in rng.permutation(len(ships))[:n])


def _answers(matches: pd.DataFrame, cases: Cases) -> pd.DataFrame:
    """One row per case: the top answer and its p, where its true ship stands and with which p.

    `rank` counts "none of these" too; `rank_of_ships` ranks ships alone. A true ship that is no hypothesis at all stands after all
    of them. Both are null for decoys.
    """
    rows = matches.assign(ship=matches["vessel_key"].where(matches["hypothesis"] != "none").fillna(_NOBODY).astype(str))
    by_ship = pd.DataFrame(rows.groupby(["sighting_id", "ship"])["p_match"].sum()).reset_index()
    by_ship = by_ship.sort_values(["sighting_id", "p_match", "ship"], ascending=[True, False, True], ignore_index=True)
    by_ship["rank"] = by_ship.groupby("sighting_id").cumcount() + 1
    named = by_ship[by_ship["ship"] != _NOBODY].copy()
    named["rank_of_ships"] = named.groupby("sighting_id").cumcount() + 1
    n_named = named.groupby("sighting_id").size()
    top = by_ship[by_ship["rank"] == 1].set_index("sighting_id")
    out = cases.truth.sort_values("sighting_id", ignore_index=True)
    true_ship = out["vessel_key"].fillna(_NOBODY).astype(str)
    found = out.assign(ship=true_ship).merge(
        by_ship.merge(named[["sighting_id", "ship", "rank_of_ships"]], on=["sighting_id", "ship"], how="left"),
        on=["sighting_id", "ship"],
        how="left",
    )
    n = out["sighting_id"].map(n_named).fillna(0).astype(int)
    is_ship = (true_ship != _NOBODY).to_numpy()
    return out.assign(
        n_ships=n,
        answer=out["sighting_id"].map(top["ship"]).fillna(_NOBODY).astype(str),
        p=out["sighting_id"].map(top["p_match"]).astype(float).clip(0, 1),
        p_true=found["p_match"].fillna(0.0).astype(float).clip(0, 1),
        rank=np.where(is_ship, found["rank"].fillna(n + 2), np.nan),
        rank_of_ships=np.where(is_ship, found["rank_of_ships"].fillna(n + 1), np.nan),
    ).assign(is_right=lambda d: d["answer"] == true_ship)


def _own_silence(silences: pd.DataFrame, cases: Cases) -> pd.DataFrame:
    """State of the silence that holds each sighting of a known ship (`silence`); null where none does, and for decoys."""
    seen = cases.truth.merge(
        cases.sightings[["sighting_id", "start_utc"]].rename(columns={"start_utc": "at"}), on="sighting_id"
    )
    pairs = seen[seen["vessel_key"].notna()].merge(
        silences[["vessel_key", "start_utc", "end_utc", "state"]], on="vessel_key"
    )
    held = pairs[(pairs["start_utc"] <= pairs["at"]) & (pairs["end_utc"].isna() | (pairs["end_utc"] >= pairs["at"]))]
    once = held.sort_values(["sighting_id", "start_utc"]).drop_duplicates("sighting_id")
    return once[["sighting_id", "state"]].rename(columns={"state": "silence"})


def _nearest(silences: pd.DataFrame, cases: Cases, *, speed_kn: float = 15.0) -> pd.DataFrame:
    """The script by hand: always the silent ship whose straight course, sailed evenly, passes nearest, if 15 kn get it there."""
    closed = silences[silences["end_utc"].notna()].sort_values("gap_id", ignore_index=True)
    start, end = (closed[c].astype("int64").to_numpy() for c in ("start_utc", "end_utc"))
    a_lat, a_lon, b_lat, b_lon = (
        closed[c].to_numpy(dtype=float) for c in ("start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg")
    )
    rows = []
    for s in cases.sightings.sort_values("sighting_id").to_dict("records"):
        at = s["start_utc"].value // 1000
        share = np.clip((at - start) / np.maximum(end - start, 1), 0, 1)
        away = sphere.gc_km(
            a_lat + share * (b_lat - a_lat), a_lon + share * (b_lon - a_lon), s["lat_deg"], s["lon_deg"]
        )
        to_a, to_b = (
            sphere.gc_km(lat, lon, s["lat_deg"], s["lon_deg"]) for lat, lon in ((a_lat, a_lon), (b_lat, b_lon))
        )
        reach = speed_kn * KM_PER_NM / US_PER_HOUR
        can = (start <= at) & (at <= end) & (to_a <= reach * (at - start)) & (to_b <= reach * (end - at))
        best = int(np.where(can, away, np.inf).argmin()) if can.any() else None
        ship = None if best is None else str(closed["vessel_key"].iloc[best])
        rows.append((s["sighting_id"], "none" if ship is None else "dark", ship, 1.0))
    matches = pd.DataFrame(rows, columns=["sighting_id", "hypothesis", "vessel_key", "p_match"])
    return _answers(matches, cases)


def _stated(answers: pd.DataFrame) -> tuple[scoring.Floats, scoring.Bools]:
    answered = answers[answers["p"].notna()].sort_values(["p", "sighting_id"])
    return answered["p"].to_numpy(dtype=float), answered["is_right"].to_numpy(dtype=bool)


def _scores(answers: pd.DataFrame) -> dict[str, float | int | None]:
    """The scores of one judge."""
    decoy = answers["kind"].isin(DECOYS)
    true = answers[~decoy]
    p, right = _stated(answers)
    return {
        "ranked_first": _mean(true["is_right"]),
        "ranked_first_of_ships": _mean(true["rank_of_ships"] == 1),
        "ranked_first_where_not_void": _mean(true.loc[true["silence"].isin(["closed", "open"]), "is_right"]),
        "ranked_first_at_anchorages": _mean(true.loc[true["kind"] == "anchorage", "is_right"]),
        "mean_rank": _mean(true["rank"]),
        "mean_p_of_true_ship": _mean(true["p_true"]),
        "decoys_refused": _mean(answers.loc[decoy, "is_right"]),
        "right": _mean(answers["is_right"]),
        "ece": scoring.expected_calibration_error(p, right),
        "calibration_gap": scoring.calibration_gap(p, right),
        "log_loss_skill": scoring.log_loss_skill(p, right),
    }


def _by_kind(answers: pd.DataFrame) -> list[dict[str, Any]]:
    out = []
    for kind in KINDS:
        own = answers[answers["kind"] == kind]
        if len(own):
            n_right = int(own["is_right"].sum())
            low, high = scoring.interval(n_right, len(own))
            share = {"share_right": round(n_right / len(own), 6), "low": round(low, 6), "high": round(high, 6)}
            out.append({"kind": kind, "n": len(own), **share})
    return out


def _notes(
    plan: Plan, answers: pd.DataFrame, camera: hidden.Camera, sea: Sea, route: Route, silences: pd.DataFrame
) -> list[str]:
    """What a reader of the scores must know of this export."""
    n = answers["kind"].value_counts()
    out = []
    if route.name == waters.NAME:
        out.append(
            "no route file knows these waters: one was made around the traffic, with the priors of the shipped route"
        )
    if sea.grid is None:
        out.append(
            "the shipped land does not reach here: distances are great circles, shorter than the way around land"
        )
    if not camera.lengths_m:
        out.append(
            "no ship of the export says its length: lengths decide nothing, and there are no decoys of a wrong length"
        )
    for kind, asked in (
        ("piece", plan.n_pieces),
        ("impossible_place", plan.n_decoys_each),
        ("unknown_ship", plan.n_decoys_each),
    ):
        made = int(n.get(kind, 0)) + (int(n.get("wrong_length", 0)) if kind == "piece" else 0)
        if made < asked:
            out.append(f"{made} of {asked} sightings of kind {kind} were made: the tracks hold no more")
    if not (answers["kind"] == "anchorage").any():
        out.append(f"no anchorage with {pieces.LEAST_AT_ANCHOR} ships lying still for a day could be hidden")
    if (silences["state"] == "void").any():
        out.append("silences during which the whole feed was down are void and match no sighting")
    return out


def _mean(values: pd.Series) -> float | None:
    return round(float(values.astype("float64").mean()), 6) if len(values) else None


def _shown(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.3f}"
