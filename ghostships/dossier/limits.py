"""What holds for the whole run and not for one case: limits, placebo, how to check, what it was made from and by which program."""

from __future__ import annotations

from typing import Any

from ghostships.dossier.case import OWN_ID, Case, file_name
from ghostships.dossier.document import Block, Bullets, Commands, Heading, Paragraph, Table, name, words

Row = dict[str, Any]

_ALWAYS = (
    "A silence is not a voyage. Receivers fail, satellites pass seldom, and a transponder may be switched off for reasons that "
    "have nothing to do with this port.",
    "The probability holds under the model and under the settings of the route file, both enclosed or named here. Another prior "
    "moves it: the first row of the evidence says which one was used.",
    "Habit and watch lists are reputation, not observation. The number without each of them is given beside the claim.",
    "Lengths and places measured in pictures have errors; a name read in a picture may be read wrongly.",
    "Sightings were taken as their sources state them. Nobody here looked at the pictures again.",
    "Times are as the files state them, in UTC; a date alone was taken as that local day at the port.",
    'Decisions of reviewers and "what if" scenarios are not enclosed: they are no evidence.',
    "A SHA-256 shows that a file is the same, not that it is true, and not who made it.",
)


def of_run(case: Case) -> list[Block]:
    """Limits that always hold, what the run warned of, and what chance alone gives."""
    manifest = case.manifest
    said = list(_ALWAYS)
    if manifest.get("scope") == "selected":
        said.append(
            'The export held chosen ships only: the silence of others proves nothing, and reception is "cannot say".'
        )
    said += [
        f"The provider delivered nothing for {start} to {end}: no silence of that time is the ship's own."
        for start, end in manifest.get("unobserved") or []
    ]
    blocks: list[Block] = [Heading("Limits"), Bullets(tuple(words(one) for one in said))]
    warnings = manifest.get("warnings") or []
    if warnings:
        blocks += [
            Paragraph(words("The run itself warned of this:"), "lead"),
            Bullets(tuple(words(one) for one in warnings)),
        ]
    else:
        blocks.append(Paragraph(words("The run gave no warnings.")))
    blocks.append(Heading("Placebo: would it say the same of anything?"))
    panel = manifest.get("placebo") or []
    if not panel:
        return [*blocks, Paragraph(words("The run has no placebo panel: there was too little to move about."))]
    head = ("what was moved", "tries", "flags, median", "flags, most", "flags here", "because")
    rows = tuple(
        (
            words(str(one.get("what"))),
            *(words(_count(one.get(key))) for key in ("n_runs", "flags_median", "flags_max", "flags_here")),
            words(str(one.get("because") or "")),
        )
        for one in panel
    )
    text = (
        "Flags of the whole run when what should matter is moved away. Where chance gives nearly as many as are flagged here, the "
        "flags rest on what is usual in the fleet, not on this place and these days."
    )
    return [*blocks, Paragraph(words(text)), Table("Placebo panel", head, rows, frozenset({1, 2, 3, 4}))]


def _count(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else "-"


def how_to_check(case: Case) -> list[Block]:
    """What a third party types, from the easiest to the whole run again."""
    manifest = case.manifest
    blocks: list[Block] = [
        Heading("How to check this without us"),
        Paragraph(words("1. Unpack the zip and see that no file of it was changed on the way:")),
        Commands(("sha256sum -c SHA256SUMS",)),
    ]
    subject = case.told.subject_id
    one = case.sum_of(subject)
    if one is not None and one.bits is not None and OWN_ID.fullmatch(subject):
        blocks += [
            Paragraph(
                words(
                    "2. Add the bits again, from the enclosed table; the sum and the probability must be those above:"
                )
            ),
            Commands(
                (
                    "python3 -c \"import csv; b = [float(r['bits']) for r in csv.DictReader(open('tables/evidence.csv', "
                    f"encoding='utf-8-sig')) if r['subject_id'] == '{subject}']; s = sum(b); "
                    "print(f'{s:+.3f} {1 / (1 + 2 ** -max(-30, min(30, s))):.6f}')\"",
                )
            ),
        ]
    else:
        blocks.append(
            Paragraph(words("2. Add the probabilities of each sighting in tables/matches.csv: they sum to 1."))
        )
    blocks += [
        Paragraph(
            words(
                "3. Get the original files from their publishers, not from us. Compare the SHA-256; look at the line (FILE and "
                "ROW from the sources below; a record of a binary file is counted from 1):"
            )
        ),
        Commands(
            (
                "sha256sum FILE",
                "sed -n 'ROWp' FILE",
                "gzip -cd FILE.gz | sed -n 'ROWp'",
                "zstd -cd FILE.zst | sed -n 'ROWp'",
            )
        ),
        Paragraph(
            words(
                f"4. Run it again with ghostships {manifest['ghostships']} and the versions of run/versions.json, with ALL files "
                'under "Made from", also those that this case does not rest on. The tables must have the SHA-256 that '
                "run/manifest.json names:"
            )
        ),
        Commands((_run(case), f"ghostships explain again {subject if OWN_ID.fullmatch(subject) else 'ID'} --raw")),
        Paragraph(
            words(
                "5. Push the weakest link and see how far the number falls (ID of a sighting, call or picture named above):"
            )
        ),
        Commands(("ghostships whatif again --drop ID",)),
    ]
    return blocks


def _run(case: Case) -> str:
    """The command of the run, with placeholders for the files: their names come from outside."""
    manifest = case.manifest
    asked = manifest.get("asked") or {}
    roles = {one["role"] for one in manifest["inputs"]}
    parts = ["ghostships run"]
    parts += ["AIS-FILES"] if "ais" in roles else []
    parts += [f"--{role} FILE" for role in ("sightings", "scenes", "vessels", "context") if role in roles]
    parts.append("--route route/route.toml" if case.route.text is not None else "--route FILE")
    parts += ["--scope selected"] if manifest.get("scope") == "selected" else []
    # Whole times only: these are our own ISO texts.
    parts += [f"--{key} {asked[f'{key}_utc']}" for key in ("from", "to") if asked.get(f"{key}_utc")]
    parts.append(f"--as-of {manifest['as_of_utc']}")
    parts.append(f"--min-gap-h {manifest['thresholds']['min_gap_h']:g}")
    parts += ["--dialect NAME"] if asked.get("dialect") else []
    return " ".join([*parts, "--out again"])


def made_from(case: Case) -> list[Block]:
    """Every input of the run, the route and the program."""
    manifest = case.manifest
    rows = tuple(
        (
            words(file_name(one["path"])),
            words(
                f"{one['role']}{', superseded: replaced by a later delivery, leave it out' if one.get('superseded') else ''}"
            ),
            words(name(one.get("dialect"))),
            words(_books(one)),
            words(one.get("refused") or one.get("sha256") or "-"),
        )
        for one in manifest["inputs"]
    )
    route = case.route
    enclosed = (
        "route/route.toml is the file as it was used"
        if route.text is not None
        else f"its text is NOT enclosed ({route.why_no_text}); route/settings.json holds what was understood from it"
    )
    libraries = ", ".join(f"{key} {value}" for key, value in sorted((manifest.get("libraries") or {}).items()))
    thresholds = ", ".join(f"{key} {value:g}" for key, value in sorted(manifest["thresholds"].items()))
    return [
        Heading("Made from"),
        Table(
            "Inputs of the run",
            (
                "file",
                "role",
                "read as",
                "rows = accepted + duplicate + rejected (+ superseded)",
                "SHA-256, or why it was refused",
            ),
            rows,
        ),
        Bullets(
            (
                words(f"Route {name(manifest['route']['name'])}, SHA-256 {route.sha256}: {enclosed}."),
                words(f"Scope {manifest.get('scope')}; as-of {manifest['as_of_utc']}; {thresholds}."),
                words(f"ghostships {manifest['ghostships']}; {libraries}."),
            )
        ),
    ]


def _books(one: Row) -> str:
    """Where the rows of an input went."""
    parts = [one.get("accepted"), one.get("duplicate"), sum((one.get("rejected") or {}).values())]
    parts += [one["superseded"]] if one.get("superseded") else []
    return f"{one.get('rows_read')} = {' + '.join(map(str, parts))}"


def contents(files: tuple[tuple[str, str], ...]) -> list[Block]:
    """The other files of the zip."""
    return [
        Heading("What else is in the zip"),
        Table("Files", ("file", "what"), tuple((words(one), words(what)) for one, what in files)),
        Paragraph(
            words(
                "CSV files are for reading in a spreadsheet: text that it could take for a formula has an apostrophe in front, and "
                "what cannot be seen is written out. The Parquet files hold the exact values."
            )
        ),
    ]
