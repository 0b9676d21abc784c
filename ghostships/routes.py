"""Route files: a coast, its ports and berths, policies, priors, detection probabilities and loads, each with its source.

A route file is TOML. `najin-primorye` ships inside the package; users write their own for any coast. Everything tunable that
the analysis uses has its one default here or in the route file; nothing below is changed while a run is on.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ghostships.errors import UsageError

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Lat = Annotated[float, Field(ge=-90, le=90)]
Lon = Annotated[float, Field(ge=-180, le=180)]


class _Frozen(BaseModel):
    # Strict: a number in quotes is a slip of the pen, not a number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _tuples(cls, data: Any) -> Any:
        """TOML and JSON have lists where these models have tuples, which stay as they are."""
        if not isinstance(data, dict):
            return data
        return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


class Berth(_Frozen):
    """A pier or berth of a port. `in_trade` is false for berths whose ships belong to another trade (coal, say)."""

    id: str
    name: str
    lat_deg: Lat
    lon_deg: Lon
    radius_m: Positive = 350
    use: str = ""
    in_trade: bool = True
    quay_m: Positive | None = None
    """Length of quay along which a ship can lie; null where it is not known."""
    quay_deg: Annotated[float, Field(ge=0, lt=180)] | None = None
    """Direction of the quay, from north; null where it is not known."""
    aliases: tuple[str, ...] = ()
    source: str = ""


class Port(_Frozen):
    """A port of the route. The roadstead is a point in water from which sea distances are measured."""

    id: str
    name: str
    country: str = ""
    role: Literal["dark", "counterpart", "alternative"]
    lat_deg: Lat
    lon_deg: Lon
    roadstead_lat_deg: Lat
    roadstead_lon_deg: Lon
    radius_km: Positive = 5
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)]
    min_stay_h: Positive = 6
    aliases: tuple[str, ...] = ()
    locodes: tuple[str, ...] = ()
    """UN/LOCODEs, `RU VVO`: what ships are asked to send as their destination (IMO SN.1/Circ.244/Rev.1)."""
    berths: tuple[Berth, ...] = ()
    source: str = ""


class Area(_Frozen):
    """The box that the sea grid covers [degrees]."""

    lat_min_deg: Lat
    lat_max_deg: Lat
    lon_min_deg: Lon
    lon_max_deg: Lon

    @model_validator(mode="after")
    def _ordered(self) -> Area:
        if self.lat_min_deg >= self.lat_max_deg or self.lon_min_deg >= self.lon_max_deg:
            raise ValueError("area is empty: each minimum must be below its maximum")
        return self


class Policy(_Frozen):
    """Thresholds that are choices, printed in every report."""

    min_gap_h: Annotated[float, Field(ge=1, le=8760)] = 6
    flag_threshold: Probability = 0.5
    max_speed_kn: Positive = 60


class Sensor(_Frozen):
    """What a sensor does to a ship. `matches` are lower-case words looked for in the sensor text of a sighting or scene."""

    id: str
    kind: Literal["optical", "radar", "other"]
    matches: tuple[str, ...]
    length_ratio: Positive = 1.0
    length_sigma_m: Positive
    position_sigma_m: Positive
    p_detect_berth: Probability
    p_detect_roads: Probability
    p_detect_sea: Probability
    false_alarms_per_scene: Positive = 0.05
    """Detections at the berths of a port that are no ship at all, per picture."""
    needs_daylight: bool
    source: str = ""


class DestinationShares(_Frozen):
    """How often trips declare each kind of destination across the silence; only their proportions count.

    The kinds are those of `inference.declared`, the first that holds.
    """

    dark: Positive = 0.02
    """Names the dark port."""
    as_declared: Positive = 0.08
    """Names another port than where it vanished, and turns up there."""
    elsewhere: Positive = 0.25
    """Names another port, and turns up at a third."""
    changed: Positive = 0.2
    unchanged: Positive = 0.45


class Priors(_Frozen):
    """What is believed before the data of a run; levels marked "learned" are updated from it (empirical Bayes)."""

    p_off: Probability
    p_trip: Probability
    """Share of feasible silences that hold a call at the dark port; learned."""
    p_trip_strength: Positive
    """How many silences the prior level is worth."""
    habit_strength: Positive
    """How many of a ship's own silences the level of the trade is worth."""
    watch_list_bits: float
    stay_median_h: Positive
    stay_log_sd: Positive
    stay_max_h: Positive
    before_mean_h: Positive
    """Mean time lost between vanishing and arriving, beyond the fastest passage."""
    between_mean_h: Positive
    """Mean time between leaving the dark port and the next arrival there, beyond the fastest way home and back."""
    p_another_call: Probability
    unknown_hulls_per_day: Positive
    """Calls at a port by hulls that no silence in the data explains; learned where scenes are given."""
    unknown_hull_strength_days: Positive
    p_name_correct: Probability
    trade_length_min_m: Positive
    trade_length_max_m: Positive
    hull_length_sd_m: Positive
    """Spread of lengths of unknown hulls around the middle of the trade's range."""
    near_home_nm: Positive
    """A silence that starts or ends within this distance of a counterpart port is "near home"."""
    p_near_home_if_trip: Probability
    p_same_place_if_trip: Probability
    p_cargo_if_trip: Probability
    p_size_if_trip: Probability
    p_deeper_if_trip: Probability
    p_lighter_if_trip: Probability
    p_home_port_if_trip: Probability = 0.9
    """Share of trips whose last, or next, port heard is a counterpart port."""
    far_from_home_nm: Positive = 150
    """A silence that ends away from home ends "far from home" beyond this distance of every counterpart port."""
    p_far_if_trip: Probability = 0.15
    """Of the trips that end away from home, those that end far from it."""
    p_registry_differs_if_trip: Probability = 0.05
    """Share of trips made by ships that send another length, name or kind than their registry holds."""
    p_stacks_changed_if_trip: Probability = 0.7
    """Share of trips during which container stacks at the dark port are seen to change, where they are looked at."""
    destination_if_trip: DestinationShares = DestinationShares()
    p_visit_counterpart: Probability
    """Share of silences with a dark stay at a counterpart port."""
    dark_hulls_per_1000_km2: Positive
    """Hulls without a transponder in a picture of the open sea."""
    source: str = ""


class TopSpeed(_Frozen):
    """Practical top speed assumed for a ship that has not reported enough speeds itself."""

    length_below_m: Positive
    kn: Positive


class Load(_Frozen):
    """One scenario of containers per call: never mixed with another as draws."""

    id: str
    containers: Annotated[int, Field(gt=0)]
    source: str


class Claim(_Frozen):
    """A published count, shown beside the tool's own and never used by it."""

    period_start: str = ""
    period_end: str
    metric: str
    value: float
    unit: str
    source: str
    source_url: str = ""
    note: str = ""


class Route(_Frozen):
    """A route: a dark port, its counterpart ports and everything that the analysis assumes about them."""

    name: str
    title: str
    area: Area
    dark_port_id: str
    ports: tuple[Port, ...]
    policy: Policy
    sensors: tuple[Sensor, ...]
    priors: Priors
    top_speeds: tuple[TopSpeed, ...]
    loads: tuple[Load, ...] = ()
    claims: tuple[Claim, ...] = ()
    sha256: str = ""

    @model_validator(mode="after")
    def _known_ports(self) -> Route:
        ids = [p.id for p in self.ports]
        if len(set(ids)) != len(ids):
            raise ValueError(f"port ids must be unique; found {', '.join(ids)}")
        if self.dark_port_id not in ids:
            raise ValueError(f"dark_port_id {self.dark_port_id!r} is not a port; known ports: {', '.join(ids)}")
        if not any(s.id == "default" for s in self.sensors):
            raise ValueError("a sensor with id 'default' is needed for sightings whose sensor is not listed")
        return self

    @cached_property
    def dark_port(self) -> Port:
        return self.port(self.dark_port_id)

    def port(self, port_id: str) -> Port:
        """The port of this id.

        Raises
        ------
        UsageError
            naming the ports that exist.
        """
        for port in self.ports:
            if port.id == port_id:
                return port
        raise UsageError(f"route {self.name}: no port {port_id!r}; known ports: {', '.join(p.id for p in self.ports)}")

    def find_port(self, text: str) -> Port | None:
        """The port whose id, name or alias this is, whatever its case; None when there is none."""
        wanted = text.strip().casefold()
        for port in self.ports:
            if wanted in {port.id.casefold(), port.name.casefold(), *(a.casefold() for a in port.aliases)}:
                return port
        return None

    def find_berth(self, port: Port, text: str) -> Berth | None:
        """The berth whose id or name this is, or one of whose aliases the text contains; None when there is none.

        The longest alias found wins, so that "Pier 2 outer side" is not taken for "Pier 2".
        """
        wanted = text.strip().casefold()
        best: tuple[int, Berth] | None = None
        for berth in port.berths:
            for alias in (berth.id, berth.name, *berth.aliases):
                found = alias.casefold()
                if (found == wanted or found in wanted) and (best is None or len(found) > best[0]):
                    best = (len(found), berth)
        return best[1] if best else None

    def sensor(self, text: str | None) -> Sensor:
        """The sensor whose words the text contains, else the one called `default`."""
        wanted = (text or "").casefold()
        for sensor in self.sensors:
            if any(word in wanted for word in sensor.matches):
                return sensor
        return next(s for s in self.sensors if s.id == "default")

    def default_top_speed_kn(self, length_m: float | None) -> float:
        """Practical top speed for a length, or the fastest listed when the length is not known (the generous choice)."""
        if length_m is None or length_m != length_m:
            return max(s.kn for s in self.top_speeds)
        fitting = [s.kn for s in self.top_speeds if length_m < s.length_below_m]
        return fitting[0] if fitting else self.top_speeds[-1].kn


def available() -> list[str]:
    """Names of the route files that ship inside the package."""
    folder = resources.files("ghostships") / "route_files"
    return sorted(f.name.removesuffix(".toml").replace("_", "-") for f in folder.iterdir() if f.name.endswith(".toml"))


def source_text(name_or_path: str) -> tuple[str, str]:
    """Where a route comes from (as the user would name it) and its text."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        try:
            return str(path), path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UsageError(f"{path}: cannot read the route file: {reason}") from error
    if name_or_path not in available():
        raise UsageError(f"no route {name_or_path!r}; known routes: {', '.join(available())}; or give a .toml file")
    file = resources.files("ghostships") / "route_files" / f"{name_or_path.replace('-', '_')}.toml"
    return name_or_path, file.read_text(encoding="utf-8")


def load(name_or_path: str = "najin-primorye") -> Route:
    """Read and validate a route, by name or from a .toml file.

    Raises
    ------
    UsageError
        one line: which file and key, what was found, what would be right.
    """
    where, text = source_text(name_or_path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not TOML: {error}") from error
    if "sha256" in data:
        raise UsageError(f"{where}: key 'sha256' is computed from the file and must not be given")
    try:
        return Route(**data, sha256=hashlib.sha256(text.encode()).hexdigest())
    except (ValidationError, TypeError) as error:
        raise UsageError(f"{where}: {_first_problem(error, data)}") from error


def _first_problem(error: ValidationError | TypeError, data: dict[str, object]) -> str:
    """The first thing wrong with a route file, in the words of the file."""
    if isinstance(error, TypeError):
        return str(error)
    # A key misspelt is also a key missing: what was written says more than what was not.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    model: type[BaseModel] = Route
    at: object = data
    path: list[str] = []
    for part in first["loc"][:-1] if first["type"] in ("missing", "extra_forbidden") else first["loc"]:
        field = model.model_fields.get(str(part))
        if isinstance(part, int) and isinstance(at, list):
            at = at[part]
            named = at.get("id") if isinstance(at, dict) else None
            path[-1] = f"{path[-1]} {named!r}" if named else f"{path[-1]} number {part + 1}"
            continue
        at = at.get(part) if isinstance(at, dict) else None
        path.append(str(part))
        if field is not None:
            inner = next(
                (a for a in getattr(field.annotation, "__args__", ()) if isinstance(a, type)), field.annotation
            )
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    where, key, known = (
        ", ".join(path) or "top level",
        first["loc"][-1] if first["loc"] else "",
        sorted(model.model_fields),
    )
    if first["type"] == "missing":
        return f"{where} has no {key}; known keys: {', '.join(known)}"
    if first["type"] == "extra_forbidden":
        return f"{where} has an unknown key {key!r}; known keys: {', '.join(known)}"
    message = first["msg"].removeprefix("Value error, ")
    return message if first["type"] == "value_error" else f"{where}: {message}; found {first['input']!r}"
