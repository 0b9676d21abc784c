"""What the name of a delivery claims, and which deliveries are in force: a function of what has arrived, never of the order.

    series "feed"   slot 2024-03-11     slot 2024-03-12
    rank (0, 0)     a_20240311.csv      a_20240312.csv        superseded: its rows count nowhere, and stay in the store
    rank (1, 2)                         fix_20240312_v2.csv   in force

Equal rank means union: nobody said which is right, so both are taken and said. Bytes that arrived under several names make
every claim of those names; they are in force when one of the claims is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ghostships.errors import UsageError
from ghostships.nights.config import UNDECLARED, Config
from ghostships.nights.patterns import Named


@dataclass(frozen=True, order=True)
class Claim:
    """One name under which one delivery arrived. Without a start it competes with nothing."""

    name: str
    sha256: str
    source: str
    series: str
    rank: tuple[int, int]
    start_utc: datetime | None = None
    end_utc: datetime | None = None
    note: str = ""


@dataclass(frozen=True)
class InForce:
    """Who is in force. `superseded_by` names, for each delivery of which no claim is in force, the deliveries that replace it."""

    claims: tuple[Claim, ...]
    superseded_by: Mapping[str, tuple[str, ...]]
    ties: tuple[tuple[Claim, ...], ...]
    """Claims of one slot with the same rank and different bytes: all of them are in force."""

    def has(self, sha256: str) -> bool:
        """Whether the rows of this delivery count."""
        return sha256 not in self.superseded_by


def claim(name: str, sha256: str, config: Config) -> Claim:
    """What one name claims under the declared sources.

    Raises
    ------
    UsageError
        when the patterns of two sources match: the configuration must say which it is.
    """
    found: list[tuple[str, Named]] = []
    for source_name in sorted(config.sources):
        named = config.sources[source_name].names.match(name)
        if named is not None:
            found.append((source_name, named))
    if len(found) > 1:
        both = " and ".join(f"{source} ({config.sources[source].pattern})" for source, _ in found)
        raise UsageError(
            f"{config.file}: delivery {name} matches the sources {both}; right would be patterns of which one fits"
        )
    if not found or found[0][1].not_a_day is not None:
        note = f"its name fits source {found[0][0]}, but {found[0][1].not_a_day} is no day" if found else ""
        return Claim(name, sha256, UNDECLARED, UNDECLARED, (0, 0), note=note)
    source_name, named = found[0]
    source = config.sources[source_name]
    end = named.start_utc + timedelta(hours=source.slot_h) if named.start_utc else None
    rank = (source.precedence, named.version)
    return Claim(name, sha256, source_name, config.series_of(source_name), rank, named.start_utc, end)


def in_force(claims: Iterable[Claim], without_rows: Iterable[str] = ()) -> InForce:
    """Settle every slot of every series. What has no usable row, refused deliveries above all, supersedes nothing."""
    unusable = set(without_rows)
    usable = sorted(claim for claim in claims if claim.sha256 not in unusable)
    slots: dict[tuple[str, datetime], list[Claim]] = {}
    for one in usable:
        if one.start_utc is not None:
            slots.setdefault((one.series, one.start_utc), []).append(one)
    winners = {place: max(one.rank for one in rivals) for place, rivals in slots.items()}
    good = [one for one in usable if one.start_utc is None or one.rank == winners[one.series, one.start_utc]]
    alive = {one.sha256 for one in good}
    superseded: dict[str, set[str]] = {}
    for one in usable:
        if one.sha256 not in alive and one.start_utc is not None:
            by = {w.sha256 for w in slots[one.series, one.start_utc] if w.rank == winners[one.series, one.start_utc]}
            superseded.setdefault(one.sha256, set()).update(by)
    ties = []
    for place in sorted(slots):
        equal = [one for one in slots[place] if one.rank == winners[place]]
        if len({one.sha256 for one in equal}) > 1:
            ties.append(tuple(equal))
    return InForce(tuple(good), {sha: tuple(sorted(by)) for sha, by in sorted(superseded.items())}, tuple(ties))


def dialect_of(sha256: str, claims: Iterable[Claim], config: Config) -> str | None:
    """The dialect a delivery is to be read as: that of the highest ranking source that claims it."""
    own = sorted((one for one in claims if one.sha256 == sha256), key=lambda one: (one.rank, one.source))
    declared = [config.sources[one.source].dialect for one in own if one.source in config.sources]
    return next((name for name in reversed(declared) if name), None)
