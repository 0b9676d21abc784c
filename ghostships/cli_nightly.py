"""`ghostships nightly` and `ghostships store check|show|gc`: words in, plain lines out, as in `cli`.

`register` adds the commands to the program; `cli` calls it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ghostships.errors import GhostshipsError, UsageError
from ghostships.terminal import aligned, as_json, iso, log, parse_time, stage, visible

if TYPE_CHECKING:
    from ghostships.nightly import Night
    from ghostships.store import Generation, Store

DONE, FAILED = 0, 1

store_app = typer.Typer(help="The store of the nightly run: verify it, list it, clear it.", no_args_is_help=True)


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


Configured = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="The configuration, ghostships.toml.", show_default=False)
]
_AS_OF = typer.Option(
    "--as-of",
    metavar="T",
    parser=_time,
    help="What counts as now; default: the start of the UTC day. ISO 8601, UTC when no offset is given.",
)


def register(app: typer.Typer, *, epilog: str) -> None:
    """Add the commands of this module to the program."""
    app.command(epilog=epilog)(nightly)
    for command in (check, show, gc):
        store_app.command(epilog=epilog)(command)
    app.add_typer(store_app, name="store")


def nightly(context: typer.Context, config: Configured, as_of_utc: Annotated[datetime | None, _AS_OF] = None) -> int:
    """The scheduled run: new deliveries from the inbox, store, tables, report, status.json."""
    from ghostships import nightly as nights

    night = nights.run(
        config,
        now_utc=datetime.now(UTC),
        as_of_utc=as_of_utc,
        clock=lambda: datetime.now(UTC),
        stage=stage,
    )
    for warning in night.facts["warnings"]:
        log.warning("warning: %s", visible(warning, limit=1000))
    for refused in night.facts["refused"]:
        log.error("refused: %s", visible(refused, limit=1000))
    if context.obj.json:
        typer.echo(as_json({**night.facts, "exit_status": night.exit_status, "status": str(night.status)}))
    else:
        typer.echo("\n".join(_of_night(night)))
    return night.exit_status


def _of_night(night: Night) -> list[str]:
    """What a night did, in a few lines."""
    facts = night.facts
    came = facts["deliveries"]
    rows: list[tuple[object, ...]] = [
        ("as of", facts["as_of_utc"]),
        (
            "deliveries",
            f"{came['new']} new ({came['refused']} refused), {came['duplicate']} duplicate, {came['left']} left for the next "
            f"night; {came['all']} in the store, {came['superseded']} of them superseded",
        ),
        ("days", f"{came['days_made']} made, {came['days_all']} in the store"),
        ("rows", ", ".join(f"{n} {name}" for name, n in facts["rows"].items())),
        (
            "flagged trips",
            f"{facts['n_flagged']} ({len(facts['new_flags'])} new); a flag is a reason to look, not a finding",
        ),
    ]
    rows += [("source " + one["source"], _source(one)) for one in facts["sources"]]
    lines = aligned(rows, limit=1000)
    lines += aligned(
        [(one["trip_id"], one["change"], one["reason"]) for one in facts["changes"]],
        indent="  ",
    )
    if not facts["has_changed"]:
        lines.append("nothing changed: what is published stands")
    lines.append(
        f"open {visible(night.out / 'report.html')}; generation {facts['generation']}; status in {visible(night.status)}"
    )
    return lines


def _source(one: dict[str, Any]) -> str:
    owed = [missing for missing in one["missing"] if missing["state"] != "awaited"]
    state = f"STALE: {len(owed)} deliveries owed" if one["is_stale"] else "fresh" if one["cadence_h"] else "no cadence"
    return f"{one['n_deliveries']} deliveries, newest heard {one['newest_heard_utc'] or 'never'}, {state}"


def _store(config: Path) -> tuple[Store, Any]:
    from ghostships.nights import config as configuring
    from ghostships.store import Store

    settings = configuring.load(config)
    return Store.open(settings.store, storage_options=settings.storage or None), settings


def check(context: typer.Context, config: Configured) -> int:
    """Read everything in the store and verify every hash and all row accounts."""
    from ghostships.nights import audit

    store, _ = _store(config)
    with stage(f"reading all of {visible(store.shown)}"):
        problems = [*store.check(), *audit.problems(store)]
        notes = store.notes()
    if context.obj.json:
        typer.echo(as_json({"problems": [vars(one) for one in problems], "notes": [vars(one) for one in notes]}))
    else:
        said: list[tuple[str, ...]] = [
            (one.path, one.what, f"expected {one.expected}", f"found {one.found}") for one in problems
        ]
        said += [(one.path, f"note: {one.what}", one.found) for one in notes]
        typer.echo(
            "\n".join([*aligned(said), *([] if problems else [f"{visible(store.shown)}: all is as it was written"])])
        )
    if problems:
        first = problems[0]
        raise GhostshipsError(
            f"{visible(store.shown)}/{visible(first.path)}: {first.what}; {len(problems)} problems; restore from a backup, "
            "or from the inbox with a new store"
        )
    return DONE


def show(context: typer.Context, config: Configured) -> int:
    """The generations, newest last, and what each changed."""
    store, _ = _store(config)
    found = store.generations()
    facts = [_generation(one, before) for one, before in zip(found, [None, *found], strict=False)]
    if context.obj.json:
        typer.echo(as_json(facts))
        return DONE
    typer.echo(
        "\n".join(
            aligned(
                [
                    (
                        one["generation"],
                        one["made_utc"],
                        f"as of {one['as_of_utc'] or 'nothing yet'}",
                        f"{one['deliveries']} deliveries (+{one['deliveries_new']})",
                        f"{one['days']} days ({one['days_changed']} changed)",
                        f"{one['flagged']} flagged",
                        f"{one['revisions']} revisions",
                    )
                    for one in facts
                ]
            )
            or [f"{visible(store.shown)}: no generation yet"]
        )
    )
    return DONE


def _generation(one: Generation, before: Generation | None) -> dict[str, Any]:
    payload = one.payload
    old = before.payload if before else {"deliveries": {}, "days": {}}
    outcome = payload.get("outcome", {})
    return {
        "generation": one.seq,
        "made_utc": iso(one.made_utc.replace(microsecond=0)),
        "as_of_utc": payload.get("thought", {}).get("as_of_utc"),
        "night": outcome.get("drawn"),
        "deliveries": len(payload["deliveries"]),
        "deliveries_new": len(set(payload["deliveries"]) - set(old["deliveries"])),
        "days": len(payload["days"]),
        "days_changed": sum(1 for day, made in payload["days"].items() if old["days"].get(day) != made),
        "flagged": outcome.get("n_flagged", 0),
        "revisions": outcome.get("tables_rows", {}).get("revisions", 0),
        "objects": one.n_refs,
        "sha256": one.sha256,
    }


def gc(context: typer.Context, config: Configured) -> int:
    """Drop generations past their retention and what nothing references any more."""
    store, settings = _store(config)
    keep = settings.retention
    gone = store.gc(datetime.now(UTC), keep_days=keep.garbage_days, keep_generations=keep.generations)
    if context.obj.json:
        typer.echo(as_json([vars(one) for one in gone]))
    else:
        total = sum(one.n_bytes for one in gone)
        typer.echo(
            "\n".join([*aligned([(one.path, one.why) for one in gone]), f"{len(gone)} files, {total} bytes removed"])
        )
    return DONE
