"""The configuration of the nightly run: what it accepts, and the one line that every mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostships.errors import UsageError
from ghostships.nights import config

DOCS = Path(__file__).resolve().parents[2] / "docs" / "nightly.md"
PATHS = '[paths]\ninbox = "in"\nstore = "store"\nout = "out"\n'


def _load(folder: Path, text: str) -> config.Config:
    file = folder / "ghostships.toml"
    file.write_text(text, encoding="utf-8")
    return config.load(file)


def test_three_paths_are_enough_and_lie_beside_the_file(tmp_path: Path) -> None:
    """Whoever starts gets by with inbox, store and out; cron starts in another folder than the file's."""
    found = _load(tmp_path, PATHS)
    assert (found.inbox, found.store, found.out) == (tmp_path / "in", tmp_path / "store", tmp_path / "out")
    assert found.status == tmp_path / "status.json"
    assert found.policy.lookback_days == 365
    assert found.lists("sightings") is None


def test_a_remote_store_stays_a_url(tmp_path: Path) -> None:
    """`s3://` must not become a folder called `s3:` beside the file."""
    assert _load(tmp_path, PATHS.replace('"store"', '"s3://bucket/prefix"')).store == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PATHS + 'inbocks = "x"\n', ["paths has an unknown key 'inbocks'", "inbox", "scenes"]),
        ("speed = 3\n" + PATHS, ["top level has an unknown key 'speed'", "route", "retention"]),
        (PATHS + "[policy]\nlookback = 3\n", ["policy has an unknown key 'lookback'", "lookback_days"]),
        (PATHS + '[sources.a]\npattern = "x"\ncadence = 1\n', ["sources, a has an unknown key 'cadence'", "cadence_h"]),
        (PATHS + "[sources.a]\ncadence_h = 24\n", ["sources, a has no pattern", "known keys: pattern"]),
        (PATHS.replace('out = "out"\n', ""), ["paths has no out", "known keys: inbox"]),
        (PATHS + "[policy]\nmin_gap_h = 0\n", ["policy, min_gap_h", "greater than or equal to 1", "found 0"]),
        (PATHS + '[policy]\nmin_gap_h = "6"\n', ["policy, min_gap_h", "valid number", "found '6'"]),
        ('scope = "all"\n' + PATHS, ["scope", "'area' or 'selected'", "found 'all'"]),
        (PATHS + '[sources.a]\npattern = "x_{date}"\n', ["unknown place holder {date}", "{day}, {hour}, {version}"]),
        (PATHS + '[sources.a]\npattern = "x_{day}_{day}"\n', ["{day} twice"]),
        (PATHS + '[sources.a]\npattern = "x_{hour}"\n', ["{hour} but no {day}"]),
        (PATHS + '[sources.a]\npattern = "x_{day}"\ncadence_h = 6\n', ["cadence_h 6", "multiple of 24", "{hour}"]),
        (PATHS + '[sources.undeclared]\npattern = "x"\n', ["'undeclared'", "another name"]),
        (PATHS.replace('"store"', '"in/store"'), ["store", "lies in inbox", "two places apart"]),
        (PATHS + 'status = "out/status.json"\n', ["status lies in out"]),
        ("[paths\n", ["not TOML"]),
    ],
)
def test_every_mistake_is_one_line_that_says_what_would_be_right(tmp_path: Path, text: str, words: list[str]) -> None:
    """The admin reads one line in the mail of cron and knows which key of which file to change."""
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "ghostships.toml"))
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A wrong path in the service unit is named, not traced."""
    with pytest.raises(UsageError, match=r"nowhere\.toml: cannot read the configuration"):
        config.load(tmp_path / "nowhere.toml")


def test_the_page_has_the_table_of_all_settings() -> None:
    """The reference that the admin reads is the one the program was built with."""
    assert config.reference() in DOCS.read_text(encoding="utf-8"), "put `config.reference()` into docs/nightly.md"


def test_the_example_of_the_page_can_be_used(tmp_path: Path) -> None:
    """Whoever copies the example gets a configuration that loads, with a source per table."""
    page = DOCS.read_text(encoding="utf-8")
    found = _load(tmp_path, page.split("```toml\n")[1].split("```")[0])
    assert set(found.sources) == {"daily", "corrected", "satellite"}
    assert found.series_of("corrected") == found.series_of("daily")
