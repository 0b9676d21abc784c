"""`ghostships review`: words in, plain lines out, as in `cli`.

`register` adds the command to the program; `cli` calls it.
"""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ghostships.errors import UsageError
from ghostships.terminal import aligned, as_json, log, visible

if TYPE_CHECKING:
    from ghostships.review import Listing
    from ghostships.reviews.decision import Decision
    from ghostships.reviews.standing import Standing
    from ghostships.reviews.tally import Band, Tally

DONE, PARTLY = 0, 3

_WORDS = {"confirm": "confirmed", "reject": "rejected", "unsure": "unsure", "disagree": "REVIEWERS DISAGREE"}


def register(app: typer.Typer, *, epilog: str) -> None:
    """Add the command of this module to the program."""
    app.command(epilog=epilog)(review)


def review(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="An output folder of `run` or `nightly`.", show_default=False)
    ],
    more_files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="More files for --import.", show_default=False)
    ] = None,
    reviewer: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides; default: your login.")] = None,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address, open no browser.")] = False,
    import_: Annotated[
        list[Path] | None,
        typer.Option("--import", metavar="FILE...", help="Add the decisions of others; serve nothing."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all decisions into a new file; serve nothing.")
    ] = None,
    list_kept: Annotated[
        bool, typer.Option("--list", help="List what was decided, and the count; serve nothing.")
    ] = False,
) -> int:
    """The report on 127.0.0.1 with confirm / reject / unsure; decisions are kept in DIR/decisions.jsonl."""
    asked = [name for name, on in (("--import", import_), ("--export", export), ("--list", list_kept)) if on]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} were both given; right would be one after the other")
    if more_files and not import_:
        raise UsageError(f"{visible(more_files[0])}: one DIR is reviewed at a time; right would be --import FILE...")
    if asked and (reviewer is not None or port or no_open):
        raise UsageError(f"{asked[0]} serves nothing; right would be {asked[0]} without --reviewer, --port, --no-open")
    if import_:
        return _import(context.obj.json, folder, [*import_, *(more_files or ())])
    if export is not None:
        return _export(context.obj.json, folder, export)
    if list_kept:
        return _list(context.obj.json, folder)
    return _serve(
        context.obj.json, folder, (reviewer if reviewer is not None else _login()).strip(), port, is_opened=not no_open
    )


def _serve(as_data: bool, folder: Path, reviewer: str, port: int, *, is_opened: bool) -> int:
    from ghostships import review_server
    from ghostships.reviews import ledger

    with review_server.serving(folder, reviewer=reviewer, clock=lambda: datetime.now(UTC), port=port) as server:
        if as_data:
            typer.echo(as_json({"address": server.address, "folder": str(folder), "reviewer": reviewer}))
        else:
            typer.echo(server.address)
        log.info(
            "%s decides; kept in %s; whoever has the address can decide too; Ctrl-C ends it",
            visible(reviewer),
            visible(folder / ledger.NAME),
        )
        with ExitStack() as stack:
            if is_opened and _has_screen():
                stack.enter_context(review_server.shown_in_browser(server.address))
            try:
                server.run()
            finally:
                log.info("`ghostships report %s` draws what was decided into the page", visible(folder))
    return DONE


def _has_screen() -> bool:
    """Whether a browser has somewhere to open; without a screen a text browser would take the terminal."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise UsageError("--reviewer: this system has no name for you; right would be --reviewer NAME") from None


def _import(as_data: bool, folder: Path, files: list[Path]) -> int:
    from ghostships import review as reviewing

    merged = reviewing.take_over(folder, files, now_utc=datetime.now(UTC))
    for line in merged.refused:
        log.error("refused: %s", visible(line, limit=1000))
    facts = {"added": len(merged.added), "already_there": merged.n_known, "refused": len(merged.refused)}
    if as_data:
        typer.echo(as_json({**facts, "refusals": list(merged.refused)}))
    else:
        typer.echo(", ".join(f"{n} {name.replace('_', ' ')}" for name, n in facts.items()))
    return PARTLY if merged.n_unusable_files else DONE


def _export(as_data: bool, folder: Path, to: Path) -> int:
    from ghostships import review as reviewing

    n = reviewing.give(folder, to)
    typer.echo(as_json({"file": str(to), "decisions": n}) if as_data else f"{visible(to)}: {n} decisions")
    return DONE


def _list(as_data: bool, folder: Path) -> int:
    from ghostships import review as reviewing
    from ghostships.reviews import ledger

    found = reviewing.listed(folder)
    for line in found.broken:
        log.warning("warning: %s: %s", visible(folder / ledger.NAME), visible(line, limit=1000))
    if as_data:
        typer.echo(as_json(found.as_dict()))
    elif found.standings:
        typer.echo("\n".join(_of_listing(found)))
    else:
        log.info("no decision is kept in %s yet", visible(folder))
    return DONE


def _of_listing(found: Listing) -> list[str]:
    """Every trip that was judged, then the count."""
    lines = ["SIMULATED: invented ships and invented voyages"] if found.is_simulated else []
    for one in found.standings:
        gone = "" if one.is_here else "  (not listed any more)"
        lines.append(f"{visible(one.trip_id)}  {_WORDS[one.verdict]}{gone}")
        lines += aligned([_of_decision(found, one, said) for said in one.latest], indent="  ", limit=3000)
    return [*lines, "", *_of_tally(found.tally)]


def _of_decision(found: Listing, one: Standing, said: Decision) -> tuple[Any, ...]:
    from ghostships.reviews import decision

    notes = [said.note] if said.note else []
    if one.is_here and not found.is_on_this_evidence(one, said):
        notes.append("[judged on other evidence than is listed now]")
    if said.trip_id != one.trip_id:
        notes.append(f"[judged as {said.trip_id}]")
    return (
        said.reviewer,
        _WORDS[said.verdict],
        decision.written(said.time_utc)[:16].replace("T", " ") + " UTC",
        f"p {_p(said.p_trip)} then, {said.tier}",
        " ".join(notes),
    )


def _of_tally(tally: Tally) -> list[str]:
    from ghostships.reviews.tally import FEWEST, LIMITS

    lines = [
        f"{tally.n_reviewed} trips judged, {tally.n_disagreed} of them with disagreement, {tally.n_unsure} unsure only, "
        f"{tally.n_without_number} without a number; {tally.n_flags_judged} of {tally.n_flags} flags listed now are judged"
        + (f"; {tally.n_other} judged in a run of the other kind, simulated or real" if tally.n_other else "")
    ]
    rows = [_of_band(band) for band in tally.bands]
    lines += aligned([("trips", "confirmed", "rejected", "stated", "share confirmed", ""), *rows], indent="  ")
    if tally.brier is not None:
        lines.append(
            f"Brier score of the flags {tally.brier:.3f}; {tally.brier_if_right:.3f} would be expected if right"
        )
    else:
        lines.append(f"Below {FEWEST} judged trips no share is given.")
    return [*lines, LIMITS]


def _of_band(band: Band) -> tuple[Any, ...]:
    share = "" if band.share is None else f"{band.share:.2f} ({band.low:.2f} to {band.high:.2f})"
    stated = "" if band.stated is None else _p(band.stated)
    return band.name, band.n_confirmed, band.n_rejected, stated, share, band.says


def _p(p: float | None) -> str:
    return "cannot say" if p is None else "over 0.99" if p > 0.99 else "under 0.01" if p < 0.01 else f"{p:.2f}"
