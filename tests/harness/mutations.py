"""The mutation check: take one safeguard away in a copy of the package, and a named test must turn red (`mutations.toml`).

A safeguard that can be taken away unnoticed is either not needed or not tested. The checkout is never touched: each mutation is
made in a temporary copy that stands before it on the path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import Tally

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
SLOWEST_S = 400


@dataclass(frozen=True)
class Mutation:
    """One safeguard taken away: the first place of `old` in the file becomes `new`; `test` is a pytest id, or a part of this."""

    kind: str
    what: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = tuple(
    Mutation(**one) for one in tomllib.loads((HERE / "mutations.toml").read_text(encoding="utf-8"))["mutation"]
)


def check(folder: Path, *, is_long: bool, tally: Tally) -> None:
    """Make each mutation, run its test, and keep which turned red. The short form makes every eighth."""
    copy = folder / "whole"
    shutil.copytree(CHECKOUT / "ghostships", copy / "ghostships", ignore=shutil.ignore_patterns("__pycache__"))
    extra: list[dict[str, Any]] = []
    tally.extra = extra
    chosen = [one for one in MUTATIONS if _can_be_made(one, copy / "ghostships", tally)]
    if not is_long:
        chosen = chosen[::8]
    green = sorted({one.test for one in chosen})
    for test in green:
        if not _passes(copy, test):
            tally.bad.append(f"{test} is red without any mutation")
    with ThreadPoolExecutor(int(os.environ.get("HARNESS_WORKERS", "1"))) as pool:
        for one, (is_red, said) in zip(chosen, pool.map(lambda m: _is_red(folder, copy, m), chosen), strict=True):
            tally.n["mutations"] += 1
            tally.n["turned a test red" if is_red else "nobody noticed"] += 1
            extra.append(
                {"kind": one.kind, "what": one.what, "file": one.file, "test": one.test, "is_red": is_red, "said": said}
            )
            if not is_red:
                tally.bad.append(f"nobody notices: {one.what} ({one.file}, {one.test})")


def _can_be_made(one: Mutation, package: Path, tally: Tally) -> bool:
    if (package / one.file).read_text(encoding="utf-8").count(one.old) >= 1:
        return True
    tally.bad.append(f"cannot be made any more, the code has changed: {one.what} ({one.file})")
    return False


def _is_red(folder: Path, whole: Path, one: Mutation) -> tuple[bool, str]:
    """Whether the test fails with the mutation, and what it said."""
    copy = folder / re.sub(r"\W+", "-", one.what)
    shutil.copytree(whole, copy)
    try:
        file = copy / "ghostships" / one.file
        file.write_text(file.read_text(encoding="utf-8").replace(one.old, one.new, 1), encoding="utf-8")
        code, said = _run(copy, one.test)
        return code != 0, said
    finally:
        shutil.rmtree(copy)


def _passes(copy: Path, test: str) -> bool:
    return _run(copy, test)[0] == 0


def _run(copy: Path, test: str) -> tuple[int, str]:
    """Run a test on a copy of the package: its exit status and its last words."""
    command = (
        [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", test]
        if "/" in test
        else [sys.executable, str(HERE), test, "--seed", "7", "--share", "sharp"]
    )
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=SLOWEST_S)
    except subprocess.TimeoutExpired:
        return 124, f"did not end in {SLOWEST_S} s"
    lines = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if re.match(r"(FAILED|ERROR|E  )|.*(promised|not found|reader fails)", line)
    ]
    return done.returncode, " ".join(lines[:2])[:240]
