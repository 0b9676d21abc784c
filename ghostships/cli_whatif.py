"""`ghostships whatif`: words in, plain lines out, as in `cli`.

`register` adds the command to the program; `cli` calls it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ghostships import answers
from ghostships.errors import UsageError
from ghostships.terminal import as_json, log, stage, visible

DONE = 0
NOT_SAME = "--not-same"
_BETWEEN = "\x1f"
"""Stands between the two ids of a pair while the command line is taken apart; an id typed by a person has no such character."""


class _Pairs(TyperCommand):
    """A command whose `--not-same ID ID` may be repeated: Typer has options of two words, and options that repeat, not both."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The command line with both ids of a pair as one word."""
        out: list[str] = []
        left = list(args)
        while left:
            word = left.pop(0)
            if word == "--":
                out += [word, *left]
                break
            if word == NOT_SAME:
                if len(left) < 2 or any(one.startswith("--") for one in left[:2]):
                    raise UsageError(f"{NOT_SAME}: needs two sightings; right would be {NOT_SAME} S1 S2")
                word, left = f"{NOT_SAME}={left[0]}{_BETWEEN}{left[1]}", left[2:]
            out.append(word)
        return list(super().parse_args(ctx, out))


def register(app: typer.Typer, *, epilog: str) -> None:
    """Add the command of this module to the program."""
    app.command(epilog=epilog, cls=_Pairs)(whatif)


def whatif(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="An output folder of `run` or `nightly`.", show_default=False)
    ],
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Leave out a sighting, all of a port call, or a scene. May be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="ID.FIELD=V", help="Another value in a sighting; empty: none. May be repeated."),
    ] = None,
    not_same: Annotated[
        list[str] | None,
        typer.Option(NOT_SAME, metavar="ID ID", help="Two sightings are not the same hull. May be repeated."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the scenario; default: made of the changes.")] = None,
    list_kept: Annotated[bool, typer.Option("--list", help="Ask nothing; list the scenarios kept.")] = False,
) -> int:
    """What if this sighting is wrong? Every affected trip before and after; kept as a named scenario."""
    from ghostships import scenarios
    from ghostships.nights import again, originals

    if list_kept:
        if drop or set_ or not_same or name:
            raise UsageError("--list asks nothing; right would be --list alone, or the changes without it")
        found, broken = scenarios.listed(folder)
        for line in broken:
            log.warning("warning: %s", visible(line, limit=1000))
        if context.obj.json:
            typer.echo(as_json([one.as_dict() for one in found]))
        elif found:
            typer.echo("\n".join(answers.of_scenarios(found)))
        else:
            log.info("no scenario is kept in %s yet", visible(folder))
        return DONE
    scenario = scenarios.ask(
        folder,
        drop=drop or (),
        settings=set_ or (),
        not_same=[_pair(one) for one in not_same or ()],
        name=name,
        restore=originals.restore,
        kept=again.traffic,
        stage=stage,
    )
    path = folder / scenarios.FOLDER / f"{scenario.name}.json"
    if context.obj.json:
        typer.echo(as_json({**scenario.as_dict(), "kept": str(path)}))
    else:
        typer.echo("\n".join(answers.of_whatif(scenario, path)))
        log.info("ghostships report %s shows it on the page", visible(folder))
    return DONE


def _pair(word: str) -> tuple[str, str]:
    one, mark, other = word.partition(_BETWEEN)
    if not mark:
        raise UsageError(f"{NOT_SAME} {visible(word)}: needs two sightings; right would be {NOT_SAME} S1 S2")
    return one, other
