"""`ghostships.toml` -> frozen, validated settings of the nightly run. A key not known is one line that lists the known ones.

Relative paths are relative to the folder of the file, so that the run does not depend on where it was started.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ghostships.errors import UsageError
from ghostships.nights.patterns import Pattern

UNDECLARED = "undeclared"
"""Name of the implicit source of every delivery that no declared source matches: no cadence, precedence 0, a series of its own."""

Text = Annotated[str, Field(min_length=1)]


class _Frozen(BaseModel):
    # Strict: a number in quotes is a slip of the pen, not a number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Paths(_Frozen):
    """Where everything lies. Folders are made where the run writes, and must be there where it reads."""

    inbox: Text = Field(description="folder in which deliveries (AIS files) arrive; it is read, never changed")
    store: Text = Field(description="folder or fsspec URL (`s3://bucket/prefix`) of the store")
    out: Text = Field(description="the published folder: a link to the folder of the current generation")
    sightings: Text | None = Field(None, description="folder of sighting lists; what is in it counts, all of it")
    scenes: Text | None = Field(None, description="folder of lists of pictures that were looked at")
    vessels: Text | None = Field(None, description="folder of registries and watch lists")
    context: Text | None = Field(
        None,
        description="folder of gaps and port calls of other publishers, shown beside ours; no probability knows of them",
    )
    status: Text | None = Field(None, description="the status file; default: `status.json` beside `out`")


class PolicyOfNight(_Frozen):
    """Choices about what is looked at."""

    min_gap_h: Annotated[float, Field(ge=1, le=8760)] | None = Field(
        None, description="hours of silence that make a gap; default: the route's"
    )
    lookback_days: Annotated[int, Field(ge=1, le=36500)] = Field(
        365, description="days before the as-of that are weighed; older days stay in the store"
    )
    fail_on_flags: bool = Field(False, description="end with status 10 when a new flag appeared")
    settle_s: Annotated[float, Field(ge=0)] = Field(
        60,
        description="a file changed less than this many seconds ago may still be written: it waits for the next night",
    )


class Source(_Frozen):
    """One provider of deliveries, known by the names of its files."""

    pattern: Text = Field(
        description="names of its files: `*`, `?`, `**`, `{day}`, `{hour}`, `{version}`; with a `/` it is the path below the inbox"
    )
    dialect: Text | None = Field(None, description="read its files as this dialect instead of recognising it")
    cadence_h: Annotated[float, Field(gt=0, le=8784)] | None = Field(
        None, description="hours from one delivery to the next; without it nothing of this source is ever missed"
    )
    delay_h: Annotated[float, Field(ge=0)] = Field(
        0, description="hours a delivery may take after the end of its time before it is called missing"
    )
    precedence: int = Field(
        0, description="of deliveries for one slot of a series, the highest (precedence, version) is in force"
    )
    series: Text | None = Field(
        None, description="sources of one series deliver the same thing; default: the source's own name"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Source:
        pattern = Pattern.of(self.pattern)
        if self.cadence_h is not None and pattern.has_day:
            shortest = 1.0 if pattern.has_hour else 24.0
            if self.cadence_h % shortest:
                raise ValueError(
                    f"cadence_h {self.cadence_h:g} is not a whole number of {'hours' if shortest == 1 else 'days'}, "
                    f"which is what the pattern {self.pattern!r} tells apart; right would be a multiple of {shortest:g}"
                    + ("" if pattern.has_hour else ", or {hour} in the pattern")
                )
        return self

    @property
    def names(self) -> Pattern:
        """The pattern, ready to match."""
        return Pattern.of(self.pattern)

    @property
    def slot_h(self) -> float:
        """Length of the time that one delivery of this source covers, from the `{day}` (and `{hour}`) of its name [h]."""
        return self.cadence_h or (1.0 if self.names.has_hour else 24.0)


class Retention(_Frozen):
    """What is kept and for how long. Days, tables and books are kept in any case."""

    raw_days: Annotated[int, Field(ge=1)] | Literal["forever"] = Field(
        400,
        description='original files are kept until their last day is this many days before the as-of, or `"forever"`',
    )
    generations: Annotated[int, Field(ge=1)] = Field(30, description="committed states of the store that stay readable")
    garbage_days: Annotated[float, Field(ge=1)] = Field(
        7, description="what no generation needs is removed when it has lain for this many days"
    )
    folders: Annotated[int, Field(ge=1)] = Field(3, description="published folders kept, the current one included")


class Config(_Frozen):
    """All settings of a nightly run. `folder` is where the file lies, `file` its name as given."""

    route: Text = Field("najin-primorye", description="route by name, or a .toml file")
    scope: Literal["area", "selected"] = Field(
        "area", description="`selected`: chosen ships only; then the silence of others proves nothing"
    )
    paths: Paths
    policy: PolicyOfNight = PolicyOfNight()  # type: ignore[call-arg]
    sources: dict[str, Source] = Field({}, description="one table per provider, `[sources.NAME]`")
    retention: Retention = Retention()  # type: ignore[call-arg]
    storage: dict[str, Any] = Field(
        {}, description="options handed to the file system of a remote store (`endpoint_url`, say); no passwords"
    )
    folder: Path = Field(Path(), exclude=True)
    file: str = Field("", exclude=True)

    @property
    def inbox(self) -> Path:
        """Folder of deliveries."""
        return self._path(self.paths.inbox)

    @property
    def store(self) -> str | Path:
        """Folder or URL of the store."""
        return self.paths.store if "://" in self.paths.store else self._path(self.paths.store)

    @property
    def out(self) -> Path:
        """The published folder."""
        return self._path(self.paths.out)

    @property
    def status(self) -> Path:
        """The status file."""
        return self._path(self.paths.status) if self.paths.status else self.out.parent / "status.json"

    @property
    def route_given(self) -> str:
        """The route as `routes.load` takes it."""
        return str(self._path(self.route)) if self.route.endswith(".toml") else self.route

    def lists(self, role: Literal["sightings", "scenes", "vessels", "context"]) -> Path | None:
        """Folder of the lists of one role, if it was given."""
        given: str | None = getattr(self.paths, role)
        return self._path(given) if given is not None else None

    def series_of(self, name: str) -> str:
        """The series of a source; of the undeclared one, itself."""
        source = self.sources.get(name)
        return (source.series if source else None) or name

    def _path(self, text: str) -> Path:
        path = Path(text).expanduser()
        # Not resolved: a link is the admin's own choice of place.
        return path if path.is_absolute() else self.folder / path


def load(file: Path) -> Config:
    """Read and validate a configuration.

    Raises
    ------
    UsageError
        one line: which file and key, what was found, what would be right.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"{file}: cannot read the configuration: {reason}; right would be a TOML file") from error
    for own in ("folder", "file"):
        if own in data:
            raise UsageError(f"{file}: top level has an unknown key {own!r}; known keys: {', '.join(_keys(Config))}")
    try:
        found = Config(**data, folder=file.absolute().parent, file=str(file))
    except ValidationError as error:
        raise UsageError(f"{file}: {_first_problem(error)}") from error
    _check(found)
    return found


def _check(config: Config) -> None:
    """Refuse places that would swallow each other, and names that mean two things."""
    if UNDECLARED in config.sources:
        raise UsageError(
            f"{config.file}: sources, {UNDECLARED!r} is the name of what no source matches; give another name"
        )
    places = {"inbox": config.inbox, "out": config.out, "status": config.status}
    if isinstance(config.store, Path):
        places["store"] = config.store
    resolved = {name: path.resolve() for name, path in places.items()}
    for inner, outer in (
        ("store", "inbox"),
        ("out", "inbox"),
        ("status", "inbox"),
        ("inbox", "store"),
        ("out", "store"),
    ):
        if inner in resolved and outer in resolved and resolved[inner].is_relative_to(resolved[outer]):
            raise UsageError(
                f"{config.file}: paths, {inner} ({places[inner]}) lies in {outer} ({places[outer]}); "
                "right would be two places apart"
            )
    if resolved["status"].is_relative_to(resolved["out"]):
        raise UsageError(
            f"{config.file}: paths, status lies in out, which is replaced as a whole; right would be beside it"
        )


def _first_problem(error: ValidationError) -> str:
    """The first thing wrong, in the words of the file."""
    # A key misspelt is also a key missing: what was written says more than what was not.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"]]
    if first["type"] in ("extra_forbidden", "missing"):
        model, key = _model_at(place[:-1]), place[-1]
        where = ", ".join(place[:-1]) or "top level"
        known = f"known keys: {', '.join(_keys(model))}"
        if first["type"] == "missing":
            return f"{where} has no {key}; {known}"
        return f"{where} has an unknown key {key!r}; {known}"
    where = ", ".join(place)
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{where}: {message}" + ("" if first["type"] == "value_error" else f"; found {_found(first)}")


def _found(problem: ErrorDetails) -> str:
    text = repr(problem["input"])
    return text if len(text) <= 80 else f"{text[:80]}..."


def _model_at(place: list[str]) -> type[BaseModel]:
    if not place:
        return Config
    sections: dict[str, type[BaseModel]] = {
        "paths": Paths,
        "policy": PolicyOfNight,
        "sources": Source,
        "retention": Retention,
    }
    return sections.get(place[0], Config)


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.exclude]


def reference() -> str:
    """The table of all settings in `docs/nightly.md`, made from the declarations above."""
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    sections: list[tuple[str, type[BaseModel]]] = [
        ("", Config),
        ("paths", Paths),
        ("policy", PolicyOfNight),
        ("sources.NAME", Source),
        ("retention", Retention),
    ]
    for section, model in sections:
        for name in _keys(model):
            field = model.model_fields[name]
            if not section and name in ("paths", "policy", "sources", "retention"):
                continue
            default = "required" if field.is_required() else _shown(field.default)
            full = f"[{section}] {name}" if section else name
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{full}` | {_type(field.annotation)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    if default is None or default == {}:
        return ""
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


def _type(annotation: Any) -> str:
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if str(getattr(annotation, "__origin__", "")) == "typing.Literal":
        return " or ".join(f"`{value}`" for value in inner)
    if annotation in (str, int, float, bool):
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}[annotation.__name__]
    if getattr(annotation, "__origin__", None) is dict:
        return "table"
    return _type(inner[0]) if inner else "text"
