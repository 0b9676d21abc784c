"""The documents say what is there: every command, table, option and exit status, and the examples run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import small_world
import typer.main

import ghostships
from ghostships import cli, errors, tables
from ghostships.cli import main
from ghostships.store import StoreHeld

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")


def _commands() -> dict[str, set[str]]:
    """Every command of the program with its long options."""
    found: dict[str, set[str]] = {}

    def walk(command: object, name: str) -> None:
        inner = getattr(command, "commands", None)
        if inner:
            for word, sub in inner.items():
                walk(sub, f"{name} {word}".strip())
        else:
            found[name] = {o for p in command.params for o in p.opts if o.startswith("--")}  # type: ignore[attr-defined]

    walk(typer.main.get_command(cli.app), "")
    return found


COMMANDS = _commands()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    """A command nobody can find does not exist: for the new user."""
    assert f"| `ghostships {name}` |" in README


def test_the_readme_names_no_command_or_option_that_is_not_there() -> None:
    """A promise in the README is kept by the program."""
    named = set(re.findall(r"\| `ghostships ([a-z]+(?: [a-z]+)?)` \|", README))
    assert named == set(COMMANDS)
    options = set(re.findall(r"`(--[a-z][a-z-]+)", README))
    everywhere = {"--json", "--log-format", "--version", "--help", "--install-completion"}
    assert options <= set().union(*COMMANDS.values()) | everywhere


def test_the_page_of_tables_is_fresh() -> None:
    """`make docs` was run after the last change of a table: the page is what the code declares."""
    assert (CHECKOUT / "docs" / "tables.md").read_text(encoding="utf-8") == tables.describe(), "run `make docs`"


@pytest.mark.parametrize("name", tables.ALL)
def test_every_table_and_column_is_described(name: str) -> None:
    """What one row is, and what every column means: for whoever opens the Parquet file."""
    table = tables.ALL[name]
    assert table.row
    assert all(column.meaning.strip() for column in table.columns)
    assert f"## {name}\n" in (CHECKOUT / "docs" / "tables.md").read_text(encoding="utf-8")


def test_every_exit_status_is_in_the_readme() -> None:
    """For whoever writes the script around it."""
    statuses = {cli.DONE, cli.FAILED, cli.PARTLY, cli.NOTHING, cli.NEW_FLAG, cli.INTERRUPTED, cli.TERMINATED}
    statuses |= {kind.exit_status for kind in (errors.UsageError, errors.FileRefused, errors.NothingUsable, StoreHeld)}
    listed = README[README.index("| exit status |") :].split("\n\n")[0]
    told = {int(n) for line in listed.splitlines() for n in re.findall(r"\d+", line.split("|")[1])}
    assert told == statuses


def test_the_architecture_page_names_every_module() -> None:
    """The picture of the house has every room: for the next maintainer."""
    words = set(re.findall(r"[a-z_]+", ARCHITECTURE))
    modules = [p for p in (CHECKOUT / "ghostships").rglob("*.py") if not p.stem.startswith("__")]
    inside = {"simulation", "inference", "report"}
    rooms = {p.stem for p in modules if p.parent.name not in inside} | inside
    assert not rooms - words


def test_documents_link_to_files_that_exist() -> None:
    """A dead link is a broken promise. The picture of the report is drawn at release."""
    for page in (CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))):
        for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_changelog_has_this_version() -> None:
    """Keep a Changelog: what is installed is described."""
    assert f"## [{ghostships.__version__}]" in (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_once_and_fit_a_page() -> None:
    """`NNN-title.md`, each with context, choice and what would change our mind."""
    found = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))
    assert found
    numbers = [p.name[:3] for p in found]
    assert len(set(numbers)) == len(numbers)
    for page in found:
        text = page.read_text(encoding="utf-8")
        assert re.match(r"\d{3}-[a-z0-9-]+\.md$", page.name)
        for part in ("Context", "Choice", "What would change our mind"):
            assert part in text, f"{page.name} has no {part!r}"


@pytest.fixture
def analyst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the README's examples are about, filled with the small invented sea."""
    world = small_world.write(tmp_path / "world")
    desk = tmp_path / "desk"
    (desk / "ais").mkdir(parents=True)
    import gzip

    (desk / "ais" / "2024-03.csv.gz").write_bytes(gzip.compress((world / "ais.csv").read_bytes(), mtime=0))
    for name, target in (("sightings", "sightings"), ("scenes", "scenes"), ("vessels", "watchlist")):
        (desk / f"{target}.csv").write_bytes((world / f"{name}.csv").read_bytes())
    monkeypatch.chdir(desk)
    return desk


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_examples_of_the_readme_run(analyst: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every `ghostships` line of the README, in order, as a reader would paste it; TRIP_ID is the first flagged trip."""
    ran = []
    for block in _blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words or not words[0].endswith("ghostships"):
                continue
            words = [str(p) for w in words[1:] for p in (sorted(Path().glob(w)) if "*" in w else [w])]
            if "TRIP_ID" in words:
                import pandas as pd

                trips = pd.read_parquet(analyst / "report-2024-03" / "round_trips.parquet")
                words = [
                    trips["trip_id"][0] if w == "TRIP_ID" else "report-2024-03" if w == "demo-report" else w
                    for w in words
                ]
            assert main(words) == 0, capsys.readouterr().err
            ran.append(words[0])
    assert ran == ["inspect", "run", "explain"]


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(analyst: Path) -> None:
    """The notebook's four lines, as they stand."""
    (block,) = _blocks("python")
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert (analyst / "report-2024-03" / "report.html").is_file()
    assert type(names["outcome"]).__name__ == "Outcome"
