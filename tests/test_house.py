"""The house rules that a tool can check: sizes, names, docstrings, purity, what must never be committed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
MODULES = sorted((CHECKOUT / "ghostships").rglob("*.py"))
NAMES = [str(module.relative_to(CHECKOUT)) for module in MODULES]
LONGEST_LINES = 600
"""Above this a module tells two ideas (style guide). `tables.py` is one list of declarations."""
DECLARATIONS = {"ghostships/tables.py"}
DRAWERS = {"utils", "common", "helpers", "base", "misc"}
DISK = {"io", "os", "pathlib", "shutil", "tempfile", "urllib", "socket", "subprocess", "requests", "httpx"}


@pytest.mark.parametrize("name", [n for n in NAMES if n not in DECLARATIONS])
def test_a_module_tells_one_idea(name: str) -> None:
    """A page a stranger can read: nothing grows past 600 lines without being split."""
    n_lines = len((CHECKOUT / name).read_text(encoding="utf-8").splitlines())
    assert n_lines <= LONGEST_LINES, f"{name} has {n_lines} lines; split it"


def test_there_is_no_drawer_without_a_name() -> None:
    """A module called utils or helpers grows for ever: for whoever looks for something."""
    assert not [n for n in NAMES if Path(n).stem in DRAWERS]


@pytest.mark.parametrize("name", NAMES)
def test_every_module_and_public_name_says_what_it_is(name: str) -> None:
    """Docstrings on every module, public function and class: for the next maintainer."""
    tree = ast.parse((CHECKOUT / name).read_text(encoding="utf-8"))
    silent = [] if ast.get_docstring(tree) else ["the module itself"]
    silent += [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent, f"{name}: no docstring: {', '.join(silent)}"


@pytest.mark.parametrize(
    "name",
    [n for n in NAMES if n.startswith(("ghostships/steps/", "ghostships/inference/")) or n.endswith("/pipeline.py")],
)
def test_the_analysis_touches_no_disk_and_no_clock(name: str) -> None:
    """Steps are functions over tables: no file, no network, no "now"; for whoever must get the same answer again."""
    tree = ast.parse((CHECKOUT / name).read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & DISK, f"{name} imports {imported & DISK}"
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    called |= {
        node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    forbidden = {
        "open",
        "now",
        "today",
        "utcnow",
        "read_text",
        "write_text",
        "read_parquet",
        "write_parquet",
        "read_csv",
    }
    assert not called & forbidden, f"{name} calls {called & forbidden}"


def _text_files() -> list[Path]:
    """Everything a commit may hold, as text: the folders of the checkout that are not caches or environments."""
    kept = []
    for path in sorted(CHECKOUT.rglob("*")):
        parts = path.relative_to(CHECKOUT).parts
        if not path.is_file() or any(
            p.startswith(".") and p != ".ci" or p in ("__pycache__", "demo-report", "out") for p in parts
        ):
            continue
        if path.suffix in {".py", ".md", ".toml", ".lock", ".html", ".j2", ".js", ".css", ".csv", ".json", ""}:
            kept.append(path)
    return kept


def test_no_file_carries_a_path_of_somebodys_machine() -> None:
    """A path of one machine is wrong on every other one, and tells more than it should."""
    # Written in two pieces, so that this file does not find itself.
    machine = re.compile("(" + "|".join(re.escape(str(p)) for p in {CHECKOUT, Path.home()} if len(p.parts) > 1) + ")/")
    found = [
        str(p.relative_to(CHECKOUT))
        for p in _text_files()
        if machine.search(p.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found


def test_the_lock_holds_versions_and_hashes_but_no_address() -> None:
    """Where packages come from is for whoever installs them to say."""
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"https?:|--index-url|--find-links", lock)
    pinned = [line for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]
    assert pinned and all("==" in line for line in pinned)


def test_no_todo_is_left_without_an_issue_number() -> None:
    """What is not done is said in an issue, where somebody will find it."""
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b(?! ?\(?#\d)")
    found = [n for n in NAMES if marks.search((CHECKOUT / n).read_text(encoding="utf-8"))]
    assert not found
