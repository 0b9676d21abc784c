"""All of a dossier together: gathered, told, drawn in three formats, described, hashed and packed."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from ghostships import program, tables
from ghostships.dossier import archive, as_docx, as_html, as_markdown, crate, rows, telling
from ghostships.dossier.case import Case, file_name, gather
from ghostships.errors import GhostshipsError
from ghostships.explain import Explanation, RawLine, Restore
from ghostships.report import folder as report_folder
from ghostships.report import text
from ghostships.terminal import as_json, visible

_SUMMARIES = {
    "dossier.html": "the summary as a page without script; opens in any browser, prints on A4",
    "dossier.md": "the same summary as Markdown",
    "dossier.docx": "the same summary for a word processor",
}


def write(
    folder: Path,
    told: Explanation,
    target: Path,
    *,
    restore: Restore | None = None,
    with_originals: bool = True,
) -> None:
    """Write the dossier of one explained subject; the same folder and inputs give the same bytes.

    Parameters
    ----------
    restore : finds inputs that a store keeps, as for `explain --raw`
    with_originals : False opens no original file; the dossier says on its first page that it lacks their lines

    Raises
    ------
    GhostshipsError
        when an original file, a table or a figure is not what the manifest says, or the evidence does not add up.
    UsageError
        when `target` is taken by something that is no dossier.
    """
    archive.refuse_foreign(target)
    if not told.agrees:
        raise GhostshipsError(
            f"{visible(folder)}: the evidence does not add up; no dossier is made of it; run the job again"
        )
    case = gather(folder, told, restore=restore, with_originals=with_originals)
    enclosed = _enclosed(case, (folder / report_folder.MANIFEST).read_bytes())
    meaning = {
        **_SUMMARIES,
        **{name: what for name, (what, _) in enclosed.items()},
        archive.HASHES: "SHA-256 of every other file, for `sha256sum -c`",
    }
    listed = (*sorted(meaning.items()), (crate.METADATA, "all files described for machines (RO-Crate 1.1)"))
    document = telling.tell(case, tuple((name, what) for name, what in listed if name not in _SUMMARIES))
    as_of = datetime.fromisoformat(str(case.manifest["as_of_utc"])).astimezone(UTC)
    members = {
        "dossier.html": as_html.render(document).encode(),
        "dossier.md": as_markdown.render(document).encode(),
        "dossier.docx": as_docx.render(document, made=as_of),
        **{name: content for name, (_, content) in enclosed.items()},
    }
    members[crate.METADATA] = crate.describe(case, document, members, meaning)
    members[archive.HASHES] = archive.hash_list(members)
    archive.write(members, target)


def _enclosed(case: Case, manifest: bytes) -> dict[str, tuple[str, bytes]]:
    """Every file that is no summary: what it is, and its bytes."""
    found: dict[str, tuple[str, bytes]] = {
        "explanation.json": ("rows and sums as `ghostships explain --json` gives them", _json(case.told.as_dict())),
        "run/manifest.json": ("the manifest of the run, as it stands in the output folder", manifest),
        "run/versions.json": (
            "versions of the run, and of the program that wrote this dossier",
            _json(_versions(case)),
        ),
        "route/settings.json": ("the route as the run understood it", _json(case.route.settings)),
    }
    if case.route.text is not None:
        found["route/route.toml"] = (
            "the route file as used; its SHA-256 is the one of the run",
            case.route.text.encode(),
        )
    for member, content in case.figures.items():
        found[member] = ("figure: map, timeline and evidence; UTC", content)
    for name, frame in sorted(case.frames.items()):
        if len(frame):
            what = tables.ALL[name].row
            found[f"tables/{name}.csv"] = (f"{what}; for reading", rows.as_csv(frame[tables.ALL[name].names]))
            found[f"tables/{name}.parquet"] = (f"{what}; exact", rows.as_parquet(name, frame))
    if case.has_originals:
        found["lines/lines.json"] = ("the original lines with file, row and SHA-256", _json(_lines(case)))
        found["lines/lines.txt"] = ("the same as plain text", _lines_text(case))
    return dict(sorted(found.items()))


def _json(value: object) -> bytes:
    return (as_json(value) + "\n").encode()


def _versions(case: Case) -> Mapping[str, object]:
    ran = {"ghostships": case.manifest["ghostships"], **(case.manifest.get("libraries") or {})}
    now = program.thinking()
    return {
        "run": ran,
        "dossier": {
            **now,
            "jinja2": metadata.version("jinja2"),
            "python": platform.python_version(),
            "python-docx": metadata.version("python-docx"),
        },
        "difference": program.difference(ran, {key: value for key, value in now.items() if key != "code"}),
    }


def _ordered(case: Case) -> list[RawLine]:
    return sorted(case.lines.values(), key=lambda line: (line.sha256, line.row))


def _lines(case: Case) -> list[dict[str, object]]:
    return [
        {"file": text.sentence(file_name(line.path)), "sha256": line.sha256, "row": line.row, "raw": line.raw}
        for line in _ordered(case)
    ]


def _lines_text(case: Case) -> bytes:
    """One block a line. `raw` is printable ASCII already; file names are made visible."""
    said = [
        f"file {text.sentence(file_name(line.path))}\nSHA-256 {line.sha256}\nrow {line.row}\n{line.raw}\n"
        for line in _ordered(case)
    ]
    return "\n".join(said).encode()
