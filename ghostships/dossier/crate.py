"""`ro-crate-metadata.json`: every file of the dossier with size, hash and how it came to be, for machines (RO-Crate 1.1).

It carries no clock: `datePublished` is the as-of of the run. 1.1 is what most readers know; the term `sha256`, which its context
lacks, is declared beside it.

References
----------
RO-Crate Metadata Specification 1.1, https://w3id.org/ro/crate/1.1
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ghostships.dossier.archive import HASHES
from ghostships.dossier.case import Case, file_name
from ghostships.dossier.document import SIMULATED, Document
from ghostships.report import text

METADATA = "ro-crate-metadata.json"

_FORMATS = {
    "html": "text/html",
    "md": "text/markdown",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "png": "image/png",
    "svg": "image/svg+xml",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "txt": "text/plain",
    "toml": "application/toml",
    "": "text/plain",
}
_RIGHTS = (
    "No licence is granted with this dossier. Original lines, names and addresses belong to their publishers, and the licence of a "
    "feed or picture may forbid passing them on."
)


def describe(case: Case, document: Document, members: Mapping[str, bytes], meaning: Mapping[str, str]) -> bytes:
    """The metadata of all `members`, of the hash list that will stand beside them, and of itself.

    The hash list holds the hash of this file, so this file cannot hold the hash of the list; it holds its size.
    """
    listed = sorted([*members, HASHES])
    manifest = case.manifest
    simulated = f"{SIMULATED}. " if document.is_simulated else ""
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": document.title,
        "description": f"{simulated}Evidence about one subject of a ghostships run with its sources: a reason to look, no finding.",
        "datePublished": str(manifest["as_of_utc"]),
        "license": _RIGHTS,
        "identifier": text.shown(case.told.subject_id),
        "hasPart": [{"@id": name} for name in listed],
        "mainEntity": {"@id": "dossier.html"},
        "mentions": [{"@id": "#run"}, {"@id": "#dossier"}],
    }
    program = {
        "@id": "#ghostships",
        "@type": "SoftwareApplication",
        "name": "ghostships",
        "version": str(manifest["ghostships"]),
        "softwareRequirements": [f"{key} {value}" for key, value in sorted((manifest.get("libraries") or {}).items())],
    }
    inputs = [_input(one) for one in _once(manifest["inputs"])]
    route = {
        "@id": f"#route-{case.route.sha256[:12]}",
        "@type": "CreativeWork",
        "name": text.shown(manifest["route"]["name"]),
        "sha256": case.route.sha256,
    }
    run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "The run: inputs to tables",
        "instrument": {"@id": "#ghostships"},
        "object": [{"@id": one["@id"]} for one in [*inputs, route]],
        "result": [{"@id": "run/manifest.json"}],
    }
    made = {
        "@id": "#dossier",
        "@type": "CreateAction",
        "name": "The dossier: tables and original lines to this crate",
        "instrument": {"@id": "#ghostships"},
        "object": [{"@id": "run/manifest.json"}, *({"@id": one["@id"]} for one in inputs)],
        "result": [{"@id": name} for name in listed if name != "run/manifest.json"],
    }
    files = [_file(name, members.get(name), meaning, _size_of_hash_list(members)) for name in listed]
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    context = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
    graph: list[dict[str, Any]] = [descriptor, root, *files, program, route, *inputs, run, made]
    return (
        json.dumps({"@context": context, "@graph": graph}, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    ).encode()


def _file(name: str, content: bytes | None, meaning: Mapping[str, str], n_bytes_of_list: int) -> dict[str, Any]:
    ending = name.rpartition(".")[2] if "." in name else ""
    entity: dict[str, Any] = {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": meaning[name],
        "encodingFormat": _FORMATS[ending],
        "contentSize": str(n_bytes_of_list if content is None else len(content)),
    }
    if content is not None:
        entity["sha256"] = hashlib.sha256(content).hexdigest()
    return entity


def _size_of_hash_list(members: Mapping[str, bytes]) -> int:
    """A hash, two spaces, the name and a line feed for each file, this one among them."""
    return sum(64 + 2 + len(name.encode()) + 1 for name in [*members, METADATA])


def _once(inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Inputs by hash, in order: the same bytes handed in twice are one thing."""
    return list({one["sha256"] or one["path"]: one for one in reversed(inputs)}.values())[::-1]


def _input(one: Mapping[str, Any]) -> dict[str, Any]:
    """An input of the run, which is not in the crate: named and hashed, never a path."""
    digest = str(one["sha256"]) or hashlib.sha256(str(one["path"]).encode("utf-8", "surrogatepass")).hexdigest()
    entity = {
        "@id": f"#input-{digest[:12]}",
        "@type": "CreativeWork",
        "name": text.shown(file_name(str(one["path"])), limit=200),
        "additionalType": str(one["role"]),
        "contentSize": str(one["bytes"]),
    }
    return entity | ({"sha256": str(one["sha256"])} if one["sha256"] else {})
