"""One decision: who judged which trip when, how, why, and what was shown to them. A line of JSON, with an id made of its content.

The id is `D-` and the first 32 hexadecimal digits of the SHA-256 of the compact JSON list of all values in the order of `FIELDS`
(UTF-8, the probability as text with six decimals). The page computes the same. A line whose id does not fit was damaged or edited.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

FORMAT = 1
"""Number of this layout of a line."""
VERDICTS = ("confirm", "reject", "unsure")
TIERS = ("seen", "inferred", "pictures_only", "unattributed")

LONGEST_NOTE = 2000
LONGEST_REVIEWER = 80
LONGEST_TRIP_ID = 200
LONGEST_VESSEL = 1000
"""In characters (code points)."""
LONGEST_LINE_BYTES = 65536
"""More than a full note takes when every character is escaped; whatever is longer is no decision."""

_ID_DIGITS = 32
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN_OF_A_VALUE = 40


class NotADecision(ValueError):
    """A line that cannot be used; the message says why, in plain ASCII."""


@dataclass(frozen=True)
class Decision:
    """One decision of one reviewer about one trip.

    Attributes
    ----------
    time_utc : when it was made, by the clock of the reviewer's machine
    reviewer, note : as typed; untrusted text
    p_trip, tier, is_flagged, vessel, dark_start_utc, dark_end_utc : what was shown of the trip; times to the second
    trip_sha256 : hash of the trip's row and evidence as shown (`digests.of_trips`)
    round_trips_sha256 : hash of the table that the page was drawn from; None where the page did not carry one
    is_simulated : whether the ships were invented
    """

    time_utc: datetime
    reviewer: str
    trip_id: str
    verdict: str
    note: str
    p_trip: float | None
    tier: str
    is_flagged: bool
    vessel: str | None
    dark_start_utc: str | None
    dark_end_utc: str | None
    trip_sha256: str
    round_trips_sha256: str | None
    is_simulated: bool

    @cached_property
    def id(self) -> str:
        """`D-` and a hash of everything the decision says."""
        said = self._values()
        values = [f"{self.p_trip:.6f}" if key == "p_trip" and value is not None else value for key, value in said]
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        return "D-" + hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]

    @property
    def order(self) -> tuple[datetime, str]:
        """By time, then by id: the same in whatever order files were merged."""
        return self.time_utc, self.id

    def as_record(self) -> dict[str, Any]:
        """The decision as it is written."""
        return {"id": self.id, **dict(self._values())}

    def as_line(self) -> bytes:
        """One line of `decisions.jsonl`, in plain ASCII, so that nothing in it can steer a terminal."""
        return json.dumps(self.as_record(), ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"

    def _values(self) -> list[tuple[str, Any]]:
        return [("format", FORMAT)] + [
            (name, written(self.time_utc) if name == "time_utc" else getattr(self, name)) for name in FIELDS[1:]
        ]


FIELDS = ("format", *(field.name for field in fields(Decision)))
"""The keys of a line beside `id`, in the order in which they make it."""


def written(time: datetime) -> str:
    """A time as a line has it: UTC, with microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(line: bytes) -> Decision:
    """The decision of one line.

    Raises
    ------
    NotADecision
        saying what is wrong with the line.
    """
    if len(line) > LONGEST_LINE_BYTES:
        raise NotADecision(f"is longer than {LONGEST_LINE_BYTES} bytes")
    try:
        told = json.loads(line.decode("utf-8"), object_pairs_hook=_once)
    except NotADecision:
        raise
    except (ValueError, RecursionError):
        raise NotADecision("is not JSON, or was cut short") from None
    if not isinstance(told, dict):
        raise NotADecision("is not a JSON object")
    return of_record(told)


def of_record(told: dict[str, Any]) -> Decision:
    """The decision that a record says; its id may be missing, but must fit when it is there. Raises as `parse`."""
    if told.get("format") != FORMAT or isinstance(told.get("format"), bool):
        raise NotADecision(f"format is {_short(told.get('format'))}; this version knows format {FORMAT}")
    for key in told:
        if key not in FIELDS and key != "id":
            raise NotADecision(f"has the unknown key {_short(key)}")
    for key in FIELDS[1:]:
        if key not in told:
            raise NotADecision(f"has no {key}")
        if not _RULES[key](told[key]):
            raise NotADecision(f"{key} is {_short(told[key])}; right would be {_RIGHT[key]}")
    try:
        time = datetime.fromisoformat(told["time_utc"]).astimezone(UTC)
    except ValueError:
        raise NotADecision(f"time_utc is {_short(told['time_utc'])}; right would be {_RIGHT['time_utc']}") from None
    p = told["p_trip"]
    found = Decision(
        **{**{key: told[key] for key in FIELDS[1:]}, "time_utc": time, "p_trip": None if p is None else float(p)}
    )
    if "id" in told and told["id"] != found.id:
        raise NotADecision(f"id is {_short(told['id'])}, its content gives {found.id}: it was damaged or edited")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values for one key would be read differently by different readers."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotADecision("has a key twice")
    return found


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN_OF_A_VALUE else text[: _SHOWN_OF_A_VALUE - 3] + "..."


def is_text(value: object, *, longest: int, may_be_empty: bool = False) -> bool:
    """Whether it is text that can be written as UTF-8, of at most so many characters, and not only blanks."""
    return (
        isinstance(value, str)
        and len(value) <= longest
        and (may_be_empty or bool(value.strip()))
        and not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
    )


def _is_p(value: object) -> bool:
    if value is None:
        return True
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= 1 and round(float(value), 6) == value  # type: ignore[operator,arg-type]


def _matches(pattern: re.Pattern[str], *, may_be_null: bool) -> Callable[[object], bool]:
    return lambda value: may_be_null if value is None else isinstance(value, str) and bool(pattern.fullmatch(value))


_RULES: dict[str, Callable[[Any], bool]] = {
    "time_utc": _matches(_TIME, may_be_null=False),
    "reviewer": lambda value: is_text(value, longest=LONGEST_REVIEWER),
    "trip_id": lambda value: is_text(value, longest=LONGEST_TRIP_ID),
    "verdict": lambda value: value in VERDICTS,
    "note": lambda value: is_text(value, longest=LONGEST_NOTE, may_be_empty=True),
    "p_trip": _is_p,
    "tier": lambda value: value in TIERS,
    "is_flagged": lambda value: isinstance(value, bool),
    "vessel": lambda value: value is None or is_text(value, longest=LONGEST_VESSEL, may_be_empty=True),
    "dark_start_utc": _matches(_SECOND, may_be_null=True),
    "dark_end_utc": _matches(_SECOND, may_be_null=True),
    "trip_sha256": _matches(_SHA256, may_be_null=False),
    "round_trips_sha256": _matches(_SHA256, may_be_null=True),
    "is_simulated": lambda value: isinstance(value, bool),
}
_RIGHT = {
    "time_utc": "UTC with microseconds, 2024-03-12T06:30:00.000000Z",
    "reviewer": f"a name of at most {LONGEST_REVIEWER} characters",
    "trip_id": f"an id of at most {LONGEST_TRIP_ID} characters",
    "verdict": ", ".join(VERDICTS[:-1]) + f" or {VERDICTS[-1]}",
    "note": f"text of at most {LONGEST_NOTE} characters",
    "p_trip": "null, or a number from 0 to 1 with at most six decimals",
    "tier": ", ".join(TIERS[:-1]) + f" or {TIERS[-1]}",
    "is_flagged": "true or false",
    "vessel": "null or text",
    "dark_start_utc": "null, or UTC such as 2024-03-12T06:30:00Z",
    "dark_end_utc": "null, or UTC such as 2024-03-12T06:30:00Z",
    "trip_sha256": "64 hexadecimal digits",
    "round_trips_sha256": "null or 64 hexadecimal digits",
    "is_simulated": "true or false",
}
