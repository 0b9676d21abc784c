"""What names claim, and which deliveries are in force: the part of law P1 that is about corrections."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostships.errors import UsageError
from ghostships.nights import claims, config
from ghostships.nights.patterns import Pattern

DAY = datetime(2024, 3, 12, tzinfo=UTC)


def _config(**sources: dict[str, object]) -> config.Config:
    paths = config.Paths(inbox="in", store="store", out="out")
    return config.Config(
        paths=paths,
        sources={name: config.Source(**values) for name, values in sources.items()},  # type: ignore[arg-type]
        folder=Path("/x"),
        file="ghostships.toml",
    )


FEED = _config(
    daily={"pattern": "ais_{day}.csv", "cadence_h": 24.0, "series": "feed"},
    fixed={"pattern": "fix_{day}_v{version}.csv", "precedence": 1, "series": "feed"},
    other={"pattern": "sat-*.csv"},
)


@pytest.mark.parametrize(
    ("pattern", "name", "start", "version"),
    [
        ("ais_{day}.csv", "ais_2024-03-12.csv", DAY, 0),
        ("ais_{day}.csv", "below/deep/ais_20240312.csv", DAY, 0),
        ("{day}T{hour}-v{version}.nmea.gz", "20240312T06-v10.nmea.gz", DAY.replace(hour=6), 10),
        ("{day}{hour}.csv", "202403120630.csv", DAY.replace(hour=6, minute=30), 0),
        ("feed/{day}/*.csv", "feed/2024-03-12/part-1.csv", DAY, 0),
        ("**/x.csv", "a/b/x.csv", None, 0),
        ("a[1].c+v", "a[1].c+v", None, 0),
    ],
)
def test_a_name_says_day_hour_and_version(pattern: str, name: str, start: datetime | None, version: int) -> None:
    """The declared shape of a name is all that tells what a delivery is for; letters of regular expressions are only letters."""
    found = Pattern.of(pattern).match(name)
    assert found is not None
    assert (found.start_utc, found.version) == (start, version)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("ais_{day}.csv", "ais_2024-03.csv"),
        ("ais_{day}.csv", "ais_2024-03-12.csv.gz"),
        ("a*.csv", "a/b.csv"),
        ("a?c", "a/c"),
    ],
)
def test_a_name_of_another_shape_does_not_match(pattern: str, name: str) -> None:
    """A star stays within one folder, and half a name is not a name."""
    assert Pattern.of(pattern).match(name) is None


def test_a_day_that_does_not_exist_is_no_slot_and_is_said() -> None:
    """2024-02-30 is a slip of the provider: the rows count, but nothing may be replaced or missed because of it."""
    found = claims.claim("ais_2024-02-30.csv", "a" * 64, FEED)
    assert (found.source, found.start_utc) == (config.UNDECLARED, None)
    assert "2024-02-30 is no day" in found.note


def test_a_name_that_fits_two_sources_stops_the_run() -> None:
    """Which precedence holds must not be chosen by the order of a file."""
    both = _config(one={"pattern": "ais_*.csv"}, two={"pattern": "ais_{day}.csv"})
    with pytest.raises(UsageError, match=r"ais_20240312\.csv matches the sources one \(ais_\*\.csv\) and two"):
        claims.claim("ais_20240312.csv", "a" * 64, both)


def _forced(*arrived: tuple[str, str], empty: tuple[str, ...] = ()) -> claims.InForce:
    return claims.in_force([claims.claim(name, sha, FEED) for name, sha in arrived], empty)


def test_the_highest_declared_precedence_is_in_force() -> None:
    """A correction replaces the slot it is for, whichever came first, and nothing else."""
    found = _forced(
        ("ais_20240312.csv", "a"), ("fix_20240312_v1.csv", "b"), ("fix_20240312_v2.csv", "c"), ("ais_20240313.csv", "d")
    )
    assert found.superseded_by == {"a": ("c",), "b": ("c",)}
    assert [found.has(sha) for sha in "abcd"] == [False, False, True, True]


def test_versions_are_numbers() -> None:
    """v10 comes after v9, which text would not say."""
    assert _forced(("fix_20240312_v9.csv", "a"), ("fix_20240312_v10.csv", "b")).superseded_by == {"a": ("b",)}


def test_equal_rank_is_the_union_and_is_said() -> None:
    """Two files of one name and different bytes: nobody declared which is right, so no row is lost, and somebody is told."""
    found = _forced(("ais_20240312.csv", "a"), ("ais_20240312.csv", "b"))
    assert found.superseded_by == {}
    assert [sorted(one.sha256 for one in tie) for tie in found.ties] == [["a", "b"]]


def test_a_delivery_without_rows_replaces_nothing() -> None:
    """A refused or empty correction must not empty the day it was meant to mend."""
    found = _forced(("ais_20240312.csv", "a"), ("fix_20240312_v1.csv", "b"), empty=("b",))
    assert found.has("a")


def test_bytes_under_two_names_count_when_one_of_them_does() -> None:
    """The same bytes for two days: replaced on one day, they still are what was delivered for the other."""
    found = _forced(("ais_20240312.csv", "a"), ("ais_20240313.csv", "a"), ("fix_20240312_v1.csv", "b"))
    assert found.has("a")


def test_a_delivery_without_a_day_is_never_replaced() -> None:
    """Without a slot there is nothing to compete for."""
    assert _forced(("sat-1.csv", "a"), ("fix_20240312_v9.csv", "b"), ("whatever.csv", "c")).superseded_by == {}


_NAMES = st.sampled_from(
    ["ais_20240312.csv", "ais_20240313.csv", "fix_20240312_v1.csv", "fix_20240312_v2.csv", "sat-1.csv", "x"]
)


@given(st.lists(st.tuples(_NAMES, st.sampled_from("abcdef")), max_size=12), st.randoms(use_true_random=False))
def test_who_is_in_force_does_not_depend_on_the_order_of_arrival(
    arrived: list[tuple[str, str]], random: object
) -> None:
    """Law P1: the same set of names and bytes, in any order and however often, gives the same deliveries in force."""
    shuffled = [*arrived, *arrived[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _forced(*set(shuffled)) == _forced(*set(arrived))
    one, other = _forced(*dict.fromkeys(arrived)), _forced(*dict.fromkeys(shuffled))
    assert (one.claims, one.superseded_by) == (other.claims, other.superseded_by)


@given(st.lists(st.tuples(_NAMES, st.sampled_from("abcdef")), max_size=12))
def test_every_slot_that_was_delivered_has_somebody_in_force(arrived: list[tuple[str, str]]) -> None:
    """Superseding never leaves a time without any delivery: what replaces is itself in force."""
    found = _forced(*set(arrived))
    for replaced, by in found.superseded_by.items():
        assert by and replaced not in by
        assert all(found.has(sha) for sha in by)
