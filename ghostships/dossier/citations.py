"""Numbers for what is cited, in order of first mention; each resolves to a file, its SHA-256, a row and the original line."""

from __future__ import annotations

from typing import Any

from ghostships.dossier.case import Case, file_name
from ghostships.dossier.document import LINE_CHARACTERS_SHOWN, Cite, Source
from ghostships.report import text

Row = dict[str, Any]

NOT_ENCLOSED = "The original line is not enclosed: the dossier was made without the original files."


class Citations:
    """Hands out numbers; `entries` are what they stand for. One line has one number, however often it is cited."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._numbers: dict[str, int] = {}
        self._about: dict[str, dict[str, str]] = {}

    def __call__(self, source: str, /, **about: object) -> Cite:
        """The number of a line, given as `<file SHA-256 prefix>:<row>`; `about` are further facts (scene, source, address)."""
        number = self._numbers.setdefault(source, len(self._numbers) + 1)
        facts = self._about.setdefault(source, {})
        facts.update({key.replace("_", " "): text.sentence(value) for key, value in about.items() if value is not None})
        return Cite(number)

    def sighting(self, row: Row) -> Cite:
        """The number of a sighting's line, with scene, publisher, address and the source's own remark."""
        return self(
            row["source_row"],
            sighting=row["sighting_id"],
            scene=row["scene_id"],
            # Without a publisher the reader names the line itself, which the entry says anyway.
            source=None if row["source"] == row["source_row"] else row["source"],
            address=row["source_url"],
            retrieved=row["retrieved_utc"],
            remark_of_the_source=row["note"],
        )

    def listed(self) -> list[tuple[str, int]]:
        """Every source with its number."""
        return sorted(self._numbers.items(), key=lambda pair: pair[1])

    def entries(self) -> tuple[Source, ...]:
        """What the numbers stand for."""
        return tuple(self._entry(source, number) for source, number in self.listed())

    def _entry(self, source: str, number: int) -> Source:
        prefix, _, row = source.rpartition(":")
        listed = next(
            (one for one in self._case.manifest["inputs"] if str(one.get("sha256", "")).startswith(prefix)), None
        )
        line = self._case.lines.get(source)
        facts = [
            ("file", text.sentence(file_name(listed["path"])) if listed else "not in the manifest of the run"),
            ("SHA-256", str(listed["sha256"]) if listed else f"{prefix}..."),
            ("row", f"{row}, counted from 1 with the header (text) or record (binary)"),
        ]
        if line is not None and len(line.raw) > LINE_CHARACTERS_SHOWN:
            facts.append(
                (
                    "length",
                    f"{len(line.raw)} characters; cut here after {LINE_CHARACTERS_SHOWN}, whole in lines/lines.json",
                )
            )
        facts += list(self._about[source].items())
        return Source(number, tuple(facts), line.raw if line else None, "" if line else NOT_ENCLOSED)
