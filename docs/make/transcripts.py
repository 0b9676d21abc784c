"""Every command of the manual is run, and what it answers is put under it: `python docs/make/transcripts.py [PAGE...]`.

A page that says `<!-- desk: NAME -->` has commands of its own. They run in the order of the page, in one folder:

- a block with a title (```csv title="sightings.csv") is a file of that folder, by its path there;
- a block ```console has lines that begin with `$ `; what stands below each is what it printed (stdout);
- a comment `<!-- run: ... -->` is done and not shown (a colleague's part of the story, say);
- a block ```python is a cell of one notebook; a block ```text right below it is what the cell showed.

Desks: `empty`; `checkout`; `demo`, a checkout where `make demo` was run; `package`, a checkout with a package of its own, into
which a page may put files; `suez`, with a real sample of the shared folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import blocks

CHECKOUT = blocks.DOCS.parent
SUEZ = CHECKOUT.parent / "shared" / "data" / "suez" / "boat-positions.csv"
_DESK = re.compile(r"<!-- desk: (\w+) -->")
_PART = re.compile(r"^(?:```(\w+)([^\n]*)|<!-- run:)\n(.*?)^(?:```|-->)$", re.DOTALL | re.MULTILINE)
_MARK = "\x1e"
_CELLS = """
import ast, json, sys
names = {}
for cell in json.load(sys.stdin):
    tree = ast.parse(cell)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        if value is not None:
            print(value)
    print("\\x1e")
"""


@dataclass(frozen=True)
class Ran:
    """One command of a page and what it printed."""

    command: str
    told: str
    """What the page says it prints."""
    found: str
    status: int
    said: str = ""
    """What came on stderr."""


def desk(text: str) -> str | None:
    """Which desk a page needs; None where it has no commands to run."""
    found = _DESK.search(text)
    return found[1] if found else None


def is_missing(name: str) -> str | None:
    """Why a desk cannot be set up here, if so."""
    return f"{SUEZ.name} of the shared folder is not there" if name == "suez" and not SUEZ.is_file() else None


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a console block and what stands below each; a line that ends with `\\` goes on."""
    found: list[tuple[list[str], list[str]]] = []
    goes_on = False
    for line in block.splitlines():
        if goes_on:
            found[-1][0].append(line.removeprefix("> "))
        elif line.startswith("$ "):
            found.append(([line[2:]], []))
        else:
            found[-1][1].append(line)
            continue
        goes_on = line.endswith("\\")
    return [("\n".join(command), "\n".join(told)) for command, told in found]


def set_up(folder: Path, name: str, *, report: Path | None = None) -> None:
    """Put what the desk holds into the folder; `report` is a finished `demo-report` to copy instead of making one."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "suez":
        shutil.copy(SUEZ, folder)
    if name == "package":
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / "ghostships", folder / "ghostships", ignore=unwanted)
    if name in ("checkout", "demo"):
        (folder / "fixtures").symlink_to(CHECKOUT / "fixtures", target_is_directory=True)
    if name == "demo":
        if report is not None:
            shutil.copytree(report, folder / "demo-report")
        else:
            _shell("ghostships demo --out demo-report", folder)


def run(text: str, folder: Path) -> Iterator[Ran]:
    """Run a page's commands, in its order, in a folder that is set up."""
    cells = [body for kind, title, body in _PART.findall(text) if kind == "python" and "title=" not in title]
    shown: list[str] = []
    if cells:
        done = _call([sys.executable, "-c", _CELLS], folder, given=json.dumps(cells))
        shown = [part.strip("\n") for part in done.stdout.split(_MARK)]
        if done.returncode:
            raise RuntimeError(f"a cell of the page failed: {done.stderr.strip().splitlines()[-1]}")
    n_cell = -1
    before = ""
    for kind, more, body in _PART.findall(text):
        if title := re.search(r'title="([^"]+)"', more):
            _put(folder, title[1], body)
        elif not kind:
            done = _shell(body, folder)
            if done.returncode:
                raise RuntimeError(f"what is not shown failed: {done.stderr.strip().splitlines()[-1]}")
        elif kind == "console":
            for command, told in commands(body):
                done = _shell(command, folder)
                yield Ran(command, told, _tidy(done.stdout, folder), done.returncode, done.stderr)
        elif kind == "python":
            n_cell += 1
        elif kind == "text" and before == "python":
            yield Ran(cells[n_cell], body.rstrip("\n"), _tidy(shown[n_cell], folder), 0)
        before = kind


def _put(folder: Path, name: str, body: str) -> None:
    """A file of the page into the folder, and nowhere else."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{name}: a page may write into its own folder only")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body, encoding="utf-8")


def refreshed(text: str, ran: list[Ran]) -> str:
    """The page with what its commands printed."""
    left = iter(ran)
    before = ""

    def one(found: re.Match[str]) -> str:
        nonlocal before
        kind, more, body = found[1] or "", found[2] or "", found[3]
        last, before = before, kind
        if "title=" in more:
            return found[0]
        if kind == "console":
            parts = []
            for command, _ in commands(body):
                did = next(left)
                first, *rest = command.split("\n")
                parts += [f"$ {first}", *(f"> {line}" if not line.startswith(" ") else line for line in rest)]
                parts += [did.found] if did.found else []
            return "```console" + more + "\n" + "\n".join(parts) + "\n```"
        if kind == "text" and last == "python":
            return "```text" + more + "\n" + next(left).found + "\n```"
        return found[0]

    return _PART.sub(one, text)


def _tidy(text: str, folder: Path) -> str:
    """Without the places of this machine and without blanks at the ends of lines."""
    text = text.replace(f"{folder}/", "").replace(f"{CHECKOUT}/", "")
    text = re.sub(r"/\S*?/fixtures/demo/", "fixtures/demo/", text)
    return "\n".join(line.rstrip() for line in text.rstrip("\n").splitlines())


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return _call(["bash", "-c", command], folder)


def _call(words: list[str], folder: Path, *, given: str = "") -> subprocess.CompletedProcess[str]:
    own = str(Path(sys.executable).parent)
    env = os.environ | {"PATH": f"{own}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "110", "LC_ALL": "C.UTF-8"}
    if (folder / "ghostships" / "__init__.py").is_file():
        env["PYTHONPATH"] = str(folder)
    return subprocess.run(words, cwd=folder, env=env, input=given, capture_output=True, text=True, check=False)


def main(pages: list[Path]) -> int:
    """Run the pages and write what their commands printed; ends with 1 when a command failed, whose page is left alone."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "made" / "demo-report"
        set_up(report.parent, "demo")
        for page in pages:
            text = page.read_text(encoding="utf-8")
            name = desk(text)
            if name is None or is_missing(name):
                continue
            folder = Path(scratch) / page.stem
            set_up(folder, name, report=report)
            ran = list(run(text, folder))
            wrong = [one for one in ran if one.status]
            for one in wrong:
                sys.stderr.write(f"{page.name}: status {one.status}: {one.command}\n{one.said}\n")
            # What an accident printed is no answer: the page stays as it was.
            if wrong:
                failed = 1
            else:
                page.write_text(refreshed(text, ran), encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main([Path(word) for word in sys.argv[1:]] or blocks.pages()))
