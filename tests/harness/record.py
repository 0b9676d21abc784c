"""docs/reliability.md from the results of the parts: every figure in it comes from a result file, the words are in the template."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("reliability_template.md")
ORDER = (
    ("schedules", "P1, P4, P5, P6", "random schedules against one batch"),
    ("laws", "P7, P8, P9", "one ship, the future, the surroundings"),
    ("faults-kills", "F1, P2", "killed before each call, and in the middle of each write"),
    ("faults-errors", "F1, P2", "each call fails: ENOSPC and EIO, after half of a write"),
    ("faults-reads", "F1, P2", "reads fail: EIO"),
    ("kills", "F2", "kill -9 at a random moment"),
    ("power", "F3", "power losses, read and healed"),
    ("looks", "F1, F3, P3", "many more states, only read"),
    ("readers", "F4, P3", "readers beside two runners"),
    ("limits", "F5", "full file system, file-size limit, read-only"),
    ("damage", "F6", "bit flips and cuts"),
    ("files", "F8", "mutated files"),
    ("mutations", "", "mutation check"),
)


def write(results: Path, page: Path) -> None:
    """Write the page. A part without a result is said to have none; nothing is made up for it."""
    told = {path.stem: json.loads(path.read_bytes()) for path in sorted(results.glob("*.json"))}
    text = TEMPLATE.read_text(encoding="utf-8")
    filled = {
        "summary": _summary(told),
        "counts": _counts(told),
        "mutations": _mutations(told),
        "run": _run(told),
        "bad": _bad(told),
    }
    page.write_text(re.sub(r"\{\{(\w+)\}\}", lambda m: filled[m[1]], text), encoding="utf-8")


def _summary(told: dict[str, Any]) -> str:
    lines = ["| | what | share | seed | bad | took |", "|---|---|---|---|---|---|"]
    for part, laws, what in ORDER:
        one = told.get(part)
        if one is None:
            lines.append(f"| {laws} | {what} | not run | | | |")
        else:
            lines.append(
                f"| {laws} | {what} | {one['share']} | {one['seed']} | **{one['n_bad']}** | {one['took_s'] / 60:.1f} min |"
            )
    return "\n".join(lines)


def _counts(told: dict[str, Any]) -> str:
    lines = []
    for part, laws, what in ORDER:
        if part in told:
            counts = "; ".join(f"{name}: {n}" for name, n in told[part]["counts"].items())
            lines.append(f"- **{what}**{f' ({laws})' if laws else ''}: {counts}.")
    return "\n".join(lines)


def _mutations(told: dict[str, Any]) -> str:
    one = told.get("mutations")
    if one is None or not one["extra"]:
        return "Not run."
    lines = ["| safeguard taken away | where | test | red |", "|---|---|---|---|"]
    for m in one["extra"]:
        test = f"`{m['test']}`" if "/" in m["test"] else f"part `{m['test']}`"
        lines.append(f"| {m['kind']}: {m['what']} | `{m['file']}` | {test} | {'yes' if m['is_red'] else '**NO**'} |")
    return "\n".join(lines)


def _bad(told: dict[str, Any]) -> str:
    lines = [f"- {part}: {_plain(words)}" for part, _, _ in ORDER for words in told.get(part, {}).get("bad", [])]
    return "\n".join(lines) or "None."


def _plain(words: str) -> str:
    """Without paths of the machine it ran on, and without what Markdown would read."""
    return (
        re.sub(r"/\S*?/(?=place/|home/|disk/|inbox/)", "", words)
        .replace("|", "/")
        .replace("<", "(")
        .replace(">", ")")[:400]
    )


def _run(told: dict[str, Any]) -> str:
    if not told:
        return "Nothing was run."
    first = min(one["started_utc"] for one in told.values())
    last = max(one["started_utc"] for one in told.values())
    lines = [f"Run between {first} and {last} (UTC)."]
    for key, what in (("machine", "Machine"), ("code", "Fingerprint of the code that was tried")):
        lines.append(f"{what}: {'; '.join(sorted({str(one[key]) for one in told.values()}))}.")
    versions = {f"{name} {number}" for one in told.values() for name, number in one["versions"].items()}
    lines.append(f"Versions: {', '.join(sorted(versions))}.")
    return " ".join(lines)
