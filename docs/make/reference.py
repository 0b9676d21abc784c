"""The reference pages, from the program itself: `python docs/make/reference.py` fills the made parts of every page.

Meanings of route keys come from the docstrings in `ghostships/routes.py`; those without one from `route_words.toml` beside
this file. A key with neither stops the build.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import blocks
import typer
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.cli import get_docs_for_click

from ghostships import cli, errors, routes, tables
from ghostships.nights import config as nights
from ghostships.readers import dialects
from ghostships.store import StoreHeld


def commands() -> str:
    """Every command with its arguments, options and help, as typer itself writes them."""
    program = typer.main.get_command(cli.app)
    text = get_docs_for_click(obj=program, ctx=typer.Context(program, info_name="ghostships"), name="ghostships")
    # Typer's own lists of commands cut the sentences short; the index above has them whole.
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)
    # The page has its own title, and says once what may stand anywhere on the line and that --help is there.
    text = text.replace("# `ghostships`\n", "## `ghostships`\n", 1).replace("```console\n$ ", "```text\n")
    unwanted = ("* `--help`: Show this message and exit.", f"{cli._GLOBALS}")
    text = "\n".join(line.rstrip() for line in text.splitlines() if line.strip() not in unwanted)
    text = text.replace("**Options**:\n\n\n", "").replace("  [required]", " **Required.**")
    return re.sub(r"\n{3,}", "\n\n", text)


def command_index() -> str:
    """One line for each command, with its place on the page."""
    rows = ["| command | does |", "|---|---|"]
    for name, command in leaves(typer.main.get_command(cli.app), "ghostships"):
        rows.append(f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(command.help or '')} |")
    return "\n".join(rows)


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The commands that do something, with the words that call them."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
    for word, sub in (inner or {}).items():
        yield from leaves(sub, f"{name} {word}")


_STATUS_WORDS = {
    cli.DONE: ("done, with or without flags; rejected rows alone are no failure", "read the answer"),
    cli.FAILED: (
        "failure: disk full, out of memory, evidence or hashes that do not agree",
        "the line on stderr says what; nothing half-written is left",
    ),
    errors.UsageError.exit_status: (
        "the command line, the route file or the settings are wrong; nothing was read or written",
        "the line names the word or key, and what would be right",
    ),
    cli.PARTLY: (
        "done, but a whole file was refused, or a delivery is overdue",
        "which and why is on stderr and in the manifest (`status.json` of a night)",
    ),
    cli.NOTHING: (
        "no file had a usable row; nothing was written",
        "`ghostships inspect FILE` says what is wrong with it",
    ),
    cli.NEW_FLAG: (
        "only with `--fail-on-flags`: done, and a trip is flagged that the replaced folder did not flag",
        "look at it; a flag is a reason to look",
    ),
    StoreHeld.exit_status: ("another run holds the store", "try again later; the line says who holds it"),
    cli.INTERRUPTED: ("stopped by Ctrl-C", "run again; nothing is half-written"),
    cli.TERMINATED: ("stopped by SIGTERM", "run again; nothing is half-written"),
}


def exit_statuses() -> str:
    """Every status a command can end with, in order."""
    kinds = (errors.UsageError, errors.FileRefused, errors.NothingUsable, StoreHeld)
    there = {cli.DONE, cli.FAILED, cli.PARTLY, cli.NOTHING, cli.NEW_FLAG, cli.INTERRUPTED, cli.TERMINATED}
    there |= {kind.exit_status for kind in kinds}
    rows = ["| status | means | then |", "|---:|---|---|"]
    return "\n".join(rows + [f"| {n} | {_STATUS_WORDS[n][0]} | {_STATUS_WORDS[n][1]} |" for n in sorted(there)])


def output_tables() -> str:
    """The Parquet files of an output folder, from the tables that declare them."""
    rows = ["| file | one row | has a place |", "|---|---|---|"]
    for table in tables.PUBLIC:
        place = "yes (GeoParquet)" if table.place else ""
        rows.append(f"| `{table.name}.parquet` | {table.row} ([columns](../tables.md#{table.name})) | {place} |")
    return "\n".join(rows)


def nightly_settings() -> str:
    """Every key of `ghostships.toml`."""
    return nights.reference()


def dialect_list() -> str:
    """The dialects that the program knows, with the source of each."""
    rows = ["| name | what it is | where its meaning is from |", "|---|---|---|"]
    for name, dialect in dialects.all_dialects().items():
        rows.append(f"| `{name}` | {_cell(dialect.title)} | {_cell(dialect.source)} |")
    return "\n".join(rows)


# Route files ----------------------------------------------------------------------------------------------------------

_UNITS = (
    ("_per_1000_km2", "per 1000 km2"),
    ("_per_scene", "per picture"),
    ("_per_day", "per day"),
    ("_strength_days", "days"),
    ("_days", "days"),
    ("_bits", "bits"),
    ("_deg", "degrees"),
    ("_km", "km"),
    ("_nm", "nautical miles"),
    ("_kn", "knots"),
    ("_h", "hours"),
    ("_m", "metres"),
)
"""The unit is the end of the name; a key called `kn` is in knots."""


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads((Path(__file__).parent / "route_words.toml").read_text(encoding="utf-8"))


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The strings that stand under the fields of a model in its source."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = " ".join(below.value.value.split())
    return found


def _meaning(model: type[BaseModel], key: str) -> str:
    text = _docstrings(model).get(key) or _words().get(model.__name__, {}).get(key)
    if not text:
        raise KeyError(f"{model.__name__}.{key} has no docstring in routes.py and no words in route_words.toml")
    start = text[:1].lower() if text[1:2].islower() or text[1:2] == " " else text[:1]
    return start + text[1:].removesuffix(".")


def _unit(key: str) -> str:
    return next((unit for end, unit in _UNITS if key.endswith(end) or key == end[1:]), "")


def _inner(annotation: Any) -> Any:
    """An annotation without `| None`, tuples and what pydantic adds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _inner(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _inner(next(one for one in get_args(annotation) if one is not type(None)))
    if origin is tuple:
        return _inner(get_args(annotation)[0])
    return annotation


def _kind(annotation: Any) -> str:
    """A type in the words of TOML."""
    origin, inner = get_origin(annotation), _inner(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in get_args(annotation) if one is not type(None)))
    is_model = isinstance(inner, type) and issubclass(inner, BaseModel)
    if origin is tuple:
        return "tables" if is_model else f"list of {_kind(inner)}s"
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(annotation))
    words = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return "table" if is_model else words[annotation]


def _bounds(annotation: Any, field: FieldInfo) -> str:
    """What values may be, from the limits that the model checks."""
    limits = [*field.metadata]
    for one in (annotation, *get_args(annotation)):
        if get_origin(one) is Annotated:
            for extra in get_args(one)[1:]:
                limits += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    words = []
    for limit in limits:
        for kind, name, sign in (
            (annotated_types.Gt, "gt", ">"),
            (annotated_types.Ge, "ge", ">="),
            (annotated_types.Lt, "lt", "<"),
            (annotated_types.Le, "le", "<="),
        ):
            if isinstance(limit, kind):
                words.append(f"{sign} {getattr(limit, name):g}")
    found = ", ".join(dict.fromkeys(words))
    return "0 to 1" if found == ">= 0, <= 1" else found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default in ("", ()):
        return "none"
    if isinstance(field.default, BaseModel):
        return "as below"
    return f"`{str(field.default).lower()}`" if isinstance(field.default, bool) else f"`{field.default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _models(model: type[BaseModel], path: str, what: str) -> Iterator[tuple[type[BaseModel], str, str]]:
    """A model, then those inside it, each with its place in the file."""
    yield model, path, what
    for key, field in model.model_fields.items():
        inner = _inner(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            place = f"{path}.{key}" if path else key
            yield from _models(inner, place, "[[{}]]" if get_origin(field.annotation) is tuple else "[{}]")


_COMPUTED = {"sha256"}
"""Keys that the program adds and a file must not have."""


def route_file() -> str:
    """Every key of a route file: type, unit, what it may be, default, meaning."""
    lines: list[str] = []
    for model, path, brackets in _models(routes.Route, "", "{}"):
        title = f"`{brackets.format(path)}`" if path else "Top level"
        told = " ".join((model.__doc__ or "").replace("`", "").split())
        lines += [f"## {title}", "", told, ""]
        rows = [
            (
                f"`{key}`",
                _kind(field.annotation),
                _unit(key),
                _bounds(field.annotation, field),
                _default(field),
                _cell(_meaning(model, key)),
            )
            for key, field in model.model_fields.items()
            if not (model is routes.Route and key in _COMPUTED)
        ]
        # A column that says nothing of any key of this part is left out.
        heads = ("key", "type", "unit", "may be", "default", "meaning")
        kept = [n for n in range(len(heads)) if any(row[n] for row in rows)]
        lines += ["| " + " | ".join(heads[n] for n in kept) + " |", "|" + "---|" * len(kept)]
        lines += ["| " + " | ".join(row[n] for n in kept) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


MAKERS: dict[str, Callable[[], str]] = {
    "command-index": command_index,
    "commands": commands,
    "exit-statuses": exit_statuses,
    "output-tables": output_tables,
    "nightly-settings": nightly_settings,
    "dialect-list": dialect_list,
    "route-file": route_file,
}


def write() -> list[Path]:
    """Fill the made parts of every page; returns the pages that changed."""
    changed = []
    for page in blocks.pages():
        before = page.read_text(encoding="utf-8")
        after = blocks.filled(before, MAKERS)
        if after != before:
            page.write_text(after, encoding="utf-8")
            changed.append(page)
    return changed


if __name__ == "__main__":
    write()
