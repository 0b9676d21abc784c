"""The command line: words in, one line per problem out, an exit status that a script can rely on.

stdout carries data only; stages, notes and errors go to stderr. Nothing here computes: commands ask `job`, `explain`,
`routes`, `tables` and the report, and say what came back.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ghostships import __version__, answers, cli_nightly, cli_review, cli_whatif
from ghostships.errors import GhostshipsError, UsageError
from ghostships.terminal import LogFormat, aligned, as_json, bar, log, parse_time, stage, start_log, visible

if TYPE_CHECKING:
    from ghostships.job import Outcome

DONE, FAILED, PARTLY, NOTHING, NEW_FLAG = 0, 1, 3, 4, 10
INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses of the contract; 2 comes with every usage error."""

_GLOBALS = "Anywhere on the line: --json, -q, -v, --log-format text|json, --version."
_FLAGS_ANYWHERE = {"--json", "-q", "--quiet", "-v", "--verbose", "--version"}

_SCENES = "Pictures looked at, empty or not; what a search offers is listed and weighs nothing. May be repeated."

app = typer.Typer(
    name="ghostships",
    help="Which ships went dark, and which silences were round trips. A flag is a reason to look, not a finding.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: ghostships demo",
)
routes_app = typer.Typer(help="The route files: ports, berths, thresholds, priors.", no_args_is_help=True)
app.add_typer(routes_app, name="routes")
cli_nightly.register(app, epilog=_GLOBALS)
cli_whatif.register(app, epilog=_GLOBALS)
cli_review.register(app, epilog=_GLOBALS)


@dataclass(frozen=True)
class Options:
    """What was said about the answer itself, before or after the command."""

    json: bool = False
    verbose: bool = False


class _Terminated(BaseException):
    """SIGTERM: everything unwinds, drafts are removed on the way."""


Out = Annotated[Path, typer.Option(help="Folder to write: new, or one that ghostships wrote.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="An output folder of `run`.", show_default=False)]
Dialect = Annotated[str | None, typer.Option(help="Read every AIS file as this dialect instead of recognising it.")]


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


def _time_option(what: str, *names: str) -> Any:
    return typer.Option(*names, help=f"{what} ISO 8601, UTC when no offset is given.", metavar="T", parser=_time)


@app.callback()
def options(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable answer on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only on stderr.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Details on stderr.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Notes on stderr as text or as JSON lines.")] = "text",
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    """Options that may stand anywhere on the line."""
    if quiet and verbose:
        raise UsageError("-q and -v were both given; right would be one of them")
    start_log(quiet=quiet, verbose=verbose, log_format=log_format)
    context.obj = Options(json, verbose)


@app.command(epilog=_GLOBALS)
def run(
    context: typer.Context,
    out: Out,
    ais: Annotated[
        list[str] | None,
        typer.Argument(metavar="AIS", help="AIS exports: files, folders or globs, dialects mixed."),
    ] = None,
    sightings: Annotated[list[str] | None, typer.Option(help="Ships seen in pictures. May be repeated.")] = None,
    scenes: Annotated[list[str] | None, typer.Option(help=_SCENES)] = None,
    vessels: Annotated[list[str] | None, typer.Option(help="Registry or watch list. May be repeated.")] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            metavar="F",
            help="Gaps or port calls of other publishers, shown beside ours; they change no probability. May be repeated.",
        ),
    ] = None,
    route: Annotated[str, typer.Option(metavar="NAME|FILE", help="Route by name, or a .toml file.")] = "najin-primorye",
    scope: Annotated[
        Literal["area", "selected"],
        typer.Option(help="`selected`: chosen ships only; then the silence of others proves nothing."),
    ] = "area",
    dialect: Dialect = None,
    from_utc: Annotated[datetime | None, _time_option("Use nothing earlier.", "--from")] = None,
    to_utc: Annotated[datetime | None, _time_option("Use nothing later.", "--to")] = None,
    as_of_utc: Annotated[datetime | None, _time_option("What counts as now.", "--as-of")] = None,
    min_gap_h: Annotated[
        float | None, typer.Option(metavar="H", help="Hours of silence that make a gap; default: the route's.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler (tcp://HOST:PORT) whose workers read the files."),
    ] = None,
    fail_on_flags: Annotated[
        bool, typer.Option("--fail-on-flags", help="Exit with 10 when a trip is newly flagged.")
    ] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Tables and map layers only.")] = False,
) -> int:
    """The main job: AIS and sightings in, tables and a report out."""
    from ghostships import job

    request = job.Request(
        ais=tuple(ais or ()),
        sightings=tuple(sightings or ()),
        scenes=tuple(scenes or ()),
        vessels=tuple(vessels or ()),
        context=tuple(others or ()),
        route=route,
        scope=scope,
        dialect=dialect,
        from_utc=from_utc,
        to_utc=to_utc,
        as_of_utc=as_of_utc,
        min_gap_h=min_gap_h,
        scheduler=scheduler,
    )
    outcome = job.work(request, out, with_report=not no_report, stage=stage, bar=bar)
    return _tell_run(context.obj, outcome, out, fail_on_flags=fail_on_flags, has_report=not no_report)


@app.command(epilog=_GLOBALS)
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo-report"),
) -> int:
    """The whole job on the shipped example of simulated ships; says what to open."""
    from ghostships import job

    outcome = job.work(job.demo_request(), out, stage=stage, bar=bar)
    return _tell_run(context.obj, outcome, out, fail_on_flags=False, has_report=True)


def _tell_run(options: Options, outcome: Outcome, out: Path, *, fail_on_flags: bool, has_report: bool) -> int:
    """What a run found, and the status it ends with."""
    for warning in outcome.warnings:
        log.warning("warning: %s", visible(warning, limit=1000))
    for refused in outcome.refused:
        log.error("refused: %s", visible(refused, limit=1000))
    if options.json:
        typer.echo(as_json(outcome.summary(out, has_report=has_report)))
    else:
        typer.echo("\n".join(answers.of_run(outcome, out, has_report=has_report)))
    if outcome.refused:
        return PARTLY
    return NEW_FLAG if fail_on_flags and outcome.new_flags else DONE


@app.command(epilog=_GLOBALS)
def inspect(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="AIS exports or lists: files, folders or globs.")],
    dialect: Dialect = None,
) -> int:
    """What a file is: dialect and why, columns, rows, span, what would be rejected. Writes nothing.

    AIS exports, and the lists of other publishers: gap events, port calls, pictures that catalogues offer, watch lists.
    """
    from ghostships.readers import ais
    from ghostships.readers import inspect as looking

    found = [one for path in ais.expand(files) for one in looking.inspect_all(path, dialect=dialect)]
    if context.obj.json:
        typer.echo(as_json([asdict(one) for one in found]))
    else:
        typer.echo("\n\n".join("\n".join(answers.of_inspection(one)) for one in found))
    for one in found:
        if one.refused:
            log.error("refused: %s: %s", visible(one.path), visible(one.refused, limit=1000))
    if not any(one.n_usable for one in found):
        return NOTHING
    return PARTLY if any(one.refused for one in found) else DONE


@app.command(epilog=_GLOBALS)
def explain(
    context: typer.Context,
    folder: Folder,
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A gap, sighting, call, match or trip.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Also the original lines, from files whose hash still fits.")
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(metavar="ZIP", help="Write the dossier: all of it, for someone who has nothing else.")
    ] = None,
    no_originals: Annotated[
        bool,
        typer.Option("--no-originals", help="With --bundle: open no original; the dossier says it lacks the lines."),
    ] = False,
) -> int:
    """The evidence that adds up, its weakest link, and the lines behind it."""
    from ghostships import explain as explaining
    from ghostships.nights import originals

    if no_originals and bundle is None:
        raise UsageError("--no-originals: says what a dossier leaves out; right would be --bundle ZIP with it")
    told = explaining.explain(folder, subject_id)
    lines = explaining.raw_lines(folder, told, restore=originals.restore) if raw else []
    if bundle is not None and told.agrees:
        # Imported here: drawing a document takes libraries that no other command needs.
        from ghostships.dossier import bundle as dossier

        dossier.write(folder, told, bundle, restore=originals.restore, with_originals=not no_originals)
        log.info("wrote %s", visible(bundle))
    if context.obj.json:
        answer = told.as_dict()
        if raw:
            answer["raw_lines"] = [vars(line) for line in lines]
        typer.echo(as_json(answer))
    else:
        typer.echo("\n".join(answers.of_explanation(told, lines if raw else [])))
    if not told.agrees:
        wrong = next(one for one in told.sums if not one.agrees)
        raise GhostshipsError(
            f"{visible(folder)}: the evidence of {visible(wrong.subject_id)} gives p {wrong.p_added}, its table says "
            f"{wrong.p_shown}; they must be equal: run the job again"
        )
    return DONE


@routes_app.command("list", epilog=_GLOBALS)
def routes_list(context: typer.Context) -> int:
    """The routes that ship inside the package."""
    from ghostships import routes

    found = [routes.load(name) for name in routes.available()]
    if context.obj.json:
        typer.echo(as_json([{"name": r.name, "title": r.title, "sha256": r.sha256} for r in found]))
    else:
        typer.echo("\n".join(aligned([(r.name, r.title) for r in found])))
    return DONE


@routes_app.command("show", epilog=_GLOBALS)
def routes_show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Route by name, or a .toml file.")],
) -> int:
    """The route file itself, ready to be copied and changed; with --json as it was understood."""
    from ghostships import routes

    route = routes.load(name)
    typer.echo(as_json(route.model_dump(mode="json")) if context.obj.json else routes.source_text(name)[1].rstrip("\n"))
    return DONE


@routes_app.command("check", epilog=_GLOBALS)
def routes_check(
    context: typer.Context, file: Annotated[str, typer.Argument(metavar="FILE", help="A .toml route file.")]
) -> int:
    """Say whether a route file can be used, and what is wrong where if not."""
    from ghostships import routes

    route = routes.load(file)
    facts = {
        "name": route.name,
        "sha256": route.sha256,
        "dark_port": route.dark_port.name,
        "ports": len(route.ports),
        "berths": sum(len(port.berths) for port in route.ports),
        "sensors": len(route.sensors),
    }
    typer.echo(as_json(facts) if context.obj.json else "\n".join(aligned([("ok", file), *facts.items()])))
    return DONE


@app.command(epilog=_GLOBALS)
def report(
    context: typer.Context,
    folder: Folder,
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing; check the report against its tables.")
    ] = False,
) -> int:
    """Draw the report again from the tables and the kept scenarios, or check it against its tables."""
    from ghostships import job, scenarios
    from ghostships.report import folder as report_folder

    if not verify:
        kept, broken = scenarios.listed(folder) if (folder / scenarios.FOLDER).is_dir() else ([], [])
        for line in broken:
            log.warning("warning: %s", visible(line, limit=1000))
        has_changed = job.redraw(folder, scenarios=[one.as_dict() for one in kept])
        path = folder / report_folder.REPORT
        answer = {"report": str(path), "has_changed": has_changed}
        told = "drawn again, other bytes than before" if has_changed else "drawn again, the same bytes"
        typer.echo(as_json(answer) if context.obj.json else f"{visible(path)}: {told}")
        return DONE
    checks = report_folder.verify(folder)
    if context.obj.json:
        typer.echo(as_json([vars(check) for check in checks]))
    else:
        typer.echo("\n".join(aligned([(check.status, check.file, check.found_sha256 or "") for check in checks])))
    wrong = [check for check in checks if check.status != "verified"]
    if wrong:
        first = wrong[0]
        raise GhostshipsError(
            f"{visible(folder / first.file)}: {first.status}: written with SHA-256 {first.expected_sha256[:12]}, "
            f"found {(first.found_sha256 or 'no file')[:12]}; {len(wrong)} of {len(checks)} files differ"
        )
    return DONE


@app.command(epilog=_GLOBALS)
def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write: new, empty or an earlier simulation.")],
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The same seed gives the same files.", show_default=False)
    ],
    preset: Annotated[str, typer.Option(metavar="NAME", help="Which world; a name not known lists them.")] = "default",
    days: Annotated[int | None, typer.Option(metavar="D", help="Days to simulate instead of the preset's.")] = None,
    route: Annotated[str, typer.Option(metavar="NAME|FILE", help="Route by name, or a .toml file.")] = "najin-primorye",
) -> int:
    """Traffic with known truth: AIS, sightings, scenes and what really happened."""
    from ghostships import routes
    from ghostships import simulate as simulating

    scenario = simulating.preset(preset)
    if days is not None:
        scenario = scenario.changed(days=days)
    with stage("simulating"):
        made = simulating.simulate(out, seed=seed, scenario=scenario, route=routes.load(route))
    facts = made.as_dict()
    typer.echo(as_json(facts) if context.obj.json else "\n".join(aligned(list(facts.items()))))
    return DONE


@app.command(epilog=_GLOBALS)
def evaluate(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO|AIS...", help="A folder written by `simulate`; with --blank AIS exports."),
    ],
    tables_folder: Annotated[
        Path | None,
        typer.Option("--tables", metavar="DIR", help="Score this output folder instead of running the job."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write figures, curves and what each factor is worth.")
    ] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="Hide pieces of real AIS exports and see whether they are found again.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="With --blank: which pieces are hidden.")] = 0,
    pieces: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="With --blank: pieces to hide at most; default 60.")
    ] = None,
    route: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="With --blank: route; default: one that fits the traffic.")
    ] = None,
    dialect: Dialect = None,
) -> int:
    """The job on a simulated world, or on real tracks with pieces hidden, scored against what is known."""
    if blank:
        if tables_folder is not None:
            raise UsageError("--blank and --tables were both given; pieces are hidden before the job runs")
        return _evaluate_blanked(context.obj, paths, out, seed=seed, pieces=pieces, route=route, dialect=dialect)
    from ghostships import evaluate as judging
    from ghostships import job

    if len(paths) != 1:
        raise UsageError(f"{len(paths)} folders given; right would be one SCENARIO, or --blank AIS...")
    only_blank = {"--seed": seed or None, "--pieces": pieces, "--route": route, "--dialect": dialect}
    if given := [name for name, value in only_blank.items() if value is not None]:
        raise UsageError(f"{given[0]}: belongs to --blank, which was not given")
    scenario = Path(paths[0])
    # The truth is opened first: without it the run would be for nothing.
    judging.read_truth(scenario)
    found = tables_folder if tables_folder is not None else job.work(job.request_of_folder(scenario), None, stage=stage)
    if out is None:
        scores = judging.evaluate(scenario, found)
    else:
        scores, written = judging.write(out, scenario, found)
        for path in written:
            log.info("wrote %s", visible(path))
    typer.echo(as_json(scores.as_dict()) if context.obj.json else scores.as_text())
    return DONE


def _evaluate_blanked(
    options: Options,
    files: list[str],
    out: Path | None,
    *,
    seed: int,
    pieces: int | None,
    route: str | None,
    dialect: str | None,
) -> int:
    """Hide, judge, tell."""
    from ghostships import blanked

    plan = blanked.Plan() if pieces is None else blanked.Plan(n_pieces=pieces)
    found = blanked.evaluate(files, seed=seed, plan=plan, route=route, dialect=dialect, out=out, stage=stage)
    typer.echo(as_json(found.as_dict()) if options.json else found.as_text())
    return DONE


@app.command(epilog=_GLOBALS)
def tables(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One table; default: all of them.")] = None,
) -> int:
    """Every table and column, with unit and meaning."""
    from ghostships import tables as declared

    if name is not None and name not in declared.ALL:
        raise UsageError(f"no table {visible(name)!r}; known tables: {', '.join(declared.ALL)}")
    chosen = [declared.ALL[name]] if name is not None else list(declared.ALL.values())
    if context.obj.json:
        typer.echo(
            as_json(
                [
                    {
                        "name": table.name,
                        "row": table.row,
                        "key": list(table.key),
                        "in_output_folder": table.public,
                        "columns": [vars(column) for column in table.columns],
                        "rules": [rule.name for rule in table.rules],
                    }
                    for table in chosen
                ]
            )
        )
        return DONE
    for number, table in enumerate(chosen):
        where = "in the output folder" if table.public else "inside the run"
        typer.echo(("\n" if number else "") + f"{table.name} ({where}): {table.row}; key {', '.join(table.key)}")
        cells = [(c.name + ("?" if c.nullable else ""), c.dtype, c.unit, c.meaning) for c in table.columns]
        typer.echo("\n".join(aligned(cells, indent="  ")))
    return DONE


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _globals_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options that may stand anywhere moved before the command; `--` ends that."""
    first: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += [word, *left]
            break
        if word in _FLAGS_ANYWHERE or word.startswith("--log-format="):
            first.append(word)
        elif word == "--log-format":
            first += [word, *left[:1]]
            left = left[1:]
        else:
            rest.append(word)
    return first + rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status and never raises.

    Whatever goes wrong is one line on stderr. A traceback comes only with `-v`, and only for what is our own mistake.
    """
    words = _globals_first(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if "--version" in words:
        typer.echo(f"ghostships {__version__}")
        return DONE
    start_log(quiet=False, verbose=False, log_format="json" if _wants_json_log(words) else "text")
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _stop) if in_main_thread else None
    try:
        status = app(words, prog_name="ghostships", standalone_mode=False)
        sys.stdout.flush()
        if status == INTERRUPTED:
            # Typer turns Ctrl-C into this status without a word.
            raise KeyboardInterrupt
        return int(status or DONE)
    except BaseException as error:  # noqa: BLE001
        return _say(error, with_traceback="-v" in words or "--verbose" in words)
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)


def _wants_json_log(words: Sequence[str]) -> bool:
    return "--log-format=json" in words or ("--log-format", "json") in zip(words, words[1:], strict=False)


def _say(error: BaseException, *, with_traceback: bool) -> int:
    """One line for what went wrong, and the exit status that goes with it."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, KeyboardInterrupt):
        log.error("stopped by Ctrl-C; nothing was half-written")
        return INTERRUPTED
    if isinstance(error, _Terminated):
        log.error("stopped by SIGTERM; nothing was half-written")
        return TERMINATED
    if isinstance(error, GhostshipsError):
        log.error("%s", visible(error, limit=2000))
        return error.exit_status
    format_message = getattr(error, "format_message", None)
    if callable(format_message):
        # What Typer raises for a wrong command line. Where it only lacks a command, its help was shown already.
        if message := " ".join(str(format_message()).split()):
            log.error("%s", visible(message, limit=2000))
        return int(getattr(error, "exit_code", UsageError.exit_status))
    if isinstance(error, MemoryError):
        log.error("out of memory; give fewer files, a narrower --from/--to, or more memory")
        return FAILED
    if isinstance(error, BrokenPipeError):
        # The reader of our output has left; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if isinstance(error, OSError):
        where = f"{visible(error.filename)}: " if error.filename else ""
        full = "disk full: " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        log.error("%s%s%s", where, full, (error.strerror or str(error)).lower())
        return FAILED
    log.error(
        "internal error: %s: %s (a mistake in ghostships, not in your data; -v shows where)",
        type(error).__name__,
        visible(" ".join(str(error).split()), limit=500),
        exc_info=error if with_traceback else None,
    )
    return FAILED
