"""The documents say what is there: every command, table, option and exit status, and the examples run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import small_world
import typer.main

import ghostships
from ghostships import cli, errors, tables
from ghostships.cli import main
from ghostships.store import StoreHeld

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
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


# The manual ---------------------------------------------------------------------------------------------------------


def _made(name: str) -> ModuleType:
    """One of the programs in docs/make, which make parts of the manual."""
    folder = str(DOCS / "make")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return __import__(name)


def _name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def test_the_made_parts_of_the_manual_are_fresh() -> None:
    """Commands, route keys, settings and exit statuses on the pages are those of the code: `make docs` was run."""
    blocks, reference = _made("blocks"), _made("reference")
    named = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named |= set(blocks.names(text))
        assert blocks.filled(text, reference.MAKERS) == text, f"{_name(page)} is stale: run `make docs`"
    assert named == set(reference.MAKERS), "every made part has its page"


def test_the_reference_names_every_command_option_and_route_key() -> None:
    """Counted from the program and not from the generator: nothing is left out of the reference."""
    commands = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    for name, options in COMMANDS.items():
        section = commands.split(f"## `ghostships {name}`\n")[1].split("\n## ")[0]
        assert {o for o in options if o != "--help"} <= set(re.findall(r"--[a-z-]+", section)), name
    route = (DOCS / "reference" / "route-file.md").read_text(encoding="utf-8")
    shipped = (CHECKOUT / "ghostships" / "route_files" / "najin_primorye.toml").read_text(encoding="utf-8")
    keys = set(re.findall(r"^([a-z][a-z0-9_]*) = ", shipped, re.MULTILINE))
    assert len(keys) > 60
    assert not {key for key in keys if f"| `{key}` |" not in route}


def test_a_key_that_nobody_explains_stops_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who adds a route key writes what it means: for whoever has to fill it in."""
    reference = _made("reference")
    monkeypatch.setattr(reference, "_words", lambda: {})
    with pytest.raises(KeyError, match="no docstring in routes.py and no words"):
        reference.route_file()


def _anchors(page: Path) -> set[str]:
    """The headings of a page as the manual names them."""
    from markdown.extensions.toc import slugify

    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = [re.sub(r"[`*]", "", head) for head in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {slugify(head, "-") for head in heads}


def test_every_link_of_the_manual_leads_somewhere() -> None:
    """Pages, headings and pictures: a link that leads nowhere costs a reader his trust in the rest."""
    seen = 0
    for page in (CHECKOUT / "README.md", *PAGES):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", re.sub(r"`[^`\n]*`", "", text)):
            if "://" in link or link.startswith("mailto:"):
                continue
            target = (page.parent / link).resolve() if link else page
            assert target.is_file() or (page.name == "README.md" and target.is_dir()), f"{_name(page)}: {link}"
            if anchor and target.suffix == ".md":
                assert anchor in _anchors(target), f"{_name(page)}: {link}#{anchor}"
            seen += 1
    assert seen > 80


def _lines_of(page: Path) -> Iterator[str]:
    """Every command line of a page that calls the program: in blocks of shell, and in the running text."""
    text = page.read_text(encoding="utf-8")
    for kind, body in re.findall(r"^```(\w+)[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if kind not in ("sh", "console"):
            continue
        for line in body.replace("\\\n", " ").splitlines():
            if kind == "sh" or line.startswith("$ "):
                yield from re.findall(r"^(?:\$ )?(?:sudo )?(?:\S*/)?(ghostships [^|;&>#]+)", line)
    running = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`(?:[^`\n]*/)?(ghostships (?:[a-z]|--)[^`\n|]*)`", running)


def test_every_command_line_of_the_manual_can_be_typed() -> None:
    """Each `ghostships ...` names a command and options that are there: for the reader who copies it."""
    anywhere = {"--json", "-q", "--quiet", "-v", "--verbose", "--log-format", "--version", "--help", "-h"}
    anywhere |= {"--install-completion"}
    n_lines = 0
    for page in (CHECKOUT / "README.md", *PAGES):
        for line in _lines_of(page):
            words = shlex.split(line.replace("'", ""))
            if len(words) < 2:
                continue
            plain = [word for word in words[1:] if not word.startswith("-")]
            two = " ".join(plain[:2])
            name = two if two in COMMANDS else next(iter(plain[:1]), "")
            groups = {one.split()[0] for one in COMMANDS}
            given = {word.split("=")[0] for word in words[1:] if re.match(r"-{1,2}[a-z]", word)}
            assert not plain or name in COMMANDS or name in groups, f"{_name(page)}: {line}"
            wrong = given - COMMANDS.get(name, set()) - anywhere
            assert not wrong, f"{_name(page)}: {line}: {wrong}"
            n_lines += 1
    assert n_lines > 60


def test_the_manual_names_no_place_of_one_machine() -> None:
    """Outputs were made somewhere; where is nobody's business, and would be wrong on every other machine."""
    for page in PAGES:
        found = re.findall(r"(?:^|[\s\"'(=])(/(?:work|tmp|home|root|Users)/[^\s`]*)", page.read_text(encoding="utf-8"))
        assert not found, f"{_name(page)}: {found[0]}"


@pytest.mark.parametrize(
    ("html", "is_found"),
    [
        ('<script src="https://cdn.example/a.js"></script>', True),
        ('<link rel="stylesheet" href="//fonts.example/css">', True),
        ('<img srcset="a.png 1x, https://example.org/b.png 2x">', True),
        ("<style>@import 'https://example.org/a.css';</style>", True),
        ('<p style="background: url(http://example.org/a.png)">', True),
        ('<a href="https://example.org/">a link to click</a>', False),
        ('<script src="../assets/a.js"></script><img src="data:image/png;base64,AAAA">', False),
    ],
)
def test_an_asset_from_elsewhere_is_found(html: str, is_found: bool, tmp_path: Path) -> None:
    """The check that keeps the manual offline sees what a browser would fetch, and leaves links to click alone."""
    (tmp_path / "index.html").write_text(f"<html><body>{html}</body></html>", encoding="utf-8")
    assert bool(_made("offline").from_elsewhere(tmp_path)) is is_found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual as `make docs` builds it: strictly, without a network."""
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(out)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
def test_the_manual_builds_strictly_and_asks_nobody(site: Path) -> None:
    """Every page is there, none warns, and no page loads anything from elsewhere."""
    built = {page.relative_to(site).with_suffix("").as_posix() for page in site.rglob("*.html")}
    assert {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES} <= built
    assert _made("offline").from_elsewhere(site) == []
    assert not list(site.rglob("*.py")), "the programs that make the manual are not part of it"


@pytest.mark.browser
def test_the_manual_opens_from_a_folder_and_its_search_finds(site: Path) -> None:
    """No server, no network: for whoever reads it on a ship or in a reading room."""
    from playwright.sync_api import expect, sync_playwright

    asked: list[str] = []
    wrong: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.locator("input[name=query]").click()
        # What is typed before the index is there is not searched for.
        expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching", timeout=30_000)
        page.locator("input[name=query]").press_sequentially("weakest link")
        expect(page.locator(".md-search-result__item").first).to_be_visible(timeout=30_000)
        browser.close()
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert not wrong


def _labels(text: str) -> list[str]:
    """First words of the lines: what stays when numbers move."""
    words = [line.split()[0] for line in text.splitlines() if line.split()]
    return [word for word in words if word.isalpha()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nothing was done yet."""
    folder = tmp_path_factory.mktemp("desk")
    _made("transcripts").set_up(folder, "checkout")
    return folder


def _walk(name: str, folder: Path) -> None:
    """Do what a page says, in its order, and look at each answer."""
    ran = list(_made("transcripts").run((DOCS / f"{name}.md").read_text(encoding="utf-8"), folder))
    assert len(ran) >= 6
    for one in ran:
        assert one.status == 0, f"{one.command}: {one.said}"
        assert one.found, f"{one.command} printed nothing"
        told, found = _labels(one.told), set(_labels(one.found))
        missing = [word for word in told if word not in found]
        assert len(missing) <= len(told) / 5, f"{one.command} no longer prints {', '.join(missing)}: `make transcripts`"


@pytest.mark.slow
def test_the_tutorial_and_the_notebook_do_what_they_say(desk: Path) -> None:
    """Every command and cell runs, in order, and answers in the form that is shown; `make transcripts` puts in new numbers.

    Numbers are not compared: another processor may draw a last digit otherwise. The tutorial makes the folder that the
    notebook reads and the reference describes.
    """
    _walk("tutorial", desk)
    _walk("how-to/notebook", desk)
    _describes_the_folder(desk / "demo-report")


def _describes_the_folder(folder: Path) -> None:
    """What lies in an output folder is described, and every key of its manifest: for whoever unpacks one without us."""
    told = (DOCS / "reference" / "output-folder.md").read_text(encoding="utf-8")
    made = {path.name + ("/" if path.is_dir() else "") for path in folder.iterdir()}
    assert not {name for name in made if f"`{name}`" not in told}
    keys = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    told = (DOCS / "reference" / "manifest.md").read_text(encoding="utf-8")
    assert not {key for key in keys if f"`{key}`" not in told}
