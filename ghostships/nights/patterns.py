"""Patterns of file names that say what a delivery covers: `ais_{day}_v{version}.csv.zst`.

    *  any characters but "/"      **  any characters      ?  one character but "/"
    {day}      2024-03-12 or 20240312      {hour}     06 or 0630      {version}  digits, compared as a number

Everything else stands for itself. Without a "/" the pattern is that of the file's name, whatever folder it lies in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

PLACES = {
    "day": r"(?P<day>\d{4}-\d{2}-\d{2}|\d{8})",
    "hour": r"(?P<hour>\d{2}(?:[0-5]\d)?)",
    "version": r"(?P<version>\d+)",
}
_PIECES = re.compile(r"\{([^{}]*)\}|(\*\*)|(\*)|(\?)|([^*?{]+|\{)")


@dataclass(frozen=True)
class Named:
    """What a file name says: the start of the time covered (null without `{day}`), and the version (0 without one)."""

    start_utc: datetime | None
    version: int
    not_a_day: str | None = None
    """Text that stands where the day should be and is none: 2024-02-30, say."""


@dataclass(frozen=True)
class Pattern:
    """One pattern, compiled."""

    text: str
    regex: re.Pattern[str]
    has_day: bool
    has_hour: bool

    @staticmethod
    @cache
    def of(text: str) -> Pattern:
        """The pattern of this text.

        Raises
        ------
        ValueError
            for a place holder that is not known or stands twice, or an hour without a day.
        """
        regex, used = "", list[str]()
        for match in _PIECES.finditer(text):
            place, deep, wide, one, plain = match.groups()
            if place is not None:
                if place not in PLACES:
                    raise ValueError(
                        f"pattern {text!r} has an unknown place holder {{{place}}}; known ones: "
                        + ", ".join(f"{{{name}}}" for name in PLACES)
                    )
                if place in used:
                    raise ValueError(f"pattern {text!r} has {{{place}}} twice; right would be once")
                used.append(place)
                regex += PLACES[place]
            elif deep:
                regex += ".*"
            elif wide:
                regex += "[^/]*"
            elif one:
                regex += "[^/]"
            else:
                regex += re.escape(plain)
        if "hour" in used and "day" not in used:
            raise ValueError(f"pattern {text!r} has {{hour}} but no {{day}}; right would be both")
        return Pattern(text, re.compile(regex, re.DOTALL), "day" in used, "hour" in used)

    def match(self, name: str) -> Named | None:
        """What a name below the inbox says (parts joined by "/"), or None when it is not of this pattern."""
        found = self.regex.fullmatch(name if "/" in self.text else name.rpartition("/")[2])
        if found is None:
            return None
        groups = found.groupdict()
        version = int(groups.get("version") or 0)
        if groups.get("day") is None:
            return Named(None, version)
        text = groups["day"].replace("-", "") + (groups.get("hour") or "").ljust(4, "0")
        try:
            return Named(datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC), version)
        except ValueError:
            return Named(None, version, not_a_day=" ".join(filter(None, (groups["day"], groups.get("hour")))))
