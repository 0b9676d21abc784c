"""One generation as bytes: canonical JSON that carries its own SHA-256, so that no changed bit goes unnoticed.

manifests/00000007.json   {"format":1,"generation":{...,"parent":6,"parent_sha256":"..."},"sha256":"..."}
                                         |                                                    |
                                         +--------- SHA-256 of its canonical JSON ------------+

The file must be, byte for byte, what `encode` writes: a flipped blank is damage as much as a flipped digit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from ghostships.errors import GhostshipsError

FORMAT = 1
"""Number of this layout of a manifest; a higher one was written by a newer version."""
FOLDER = "manifests"
MANIFEST_NAME = re.compile(r"(\d{8})\.json")
OBJECT_PATH = re.compile(
    r"(?!manifests/|writers/)[A-Za-z0-9][\w.=-]*/(?:[A-Za-z0-9][\w.=-]*/)?[0-9a-f]{64}(?:\.[a-z0-9]+)+", re.ASCII
)
"""`table/partition/sha256.suffix` or `raw/sha256.zst`: the only names of objects, and all that is ever collected."""
_WORD = re.compile(r"[A-Za-z0-9][\w.=-]*", re.ASCII)
_SUFFIX = re.compile(r"(?:\.[a-z0-9]+)+", re.ASCII)
_RESERVED = {"manifests", "writers"}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class DamagedManifest(GhostshipsError):
    """A manifest has a name, but not the content it was written with."""


class Damaged(ValueError):
    """The bytes are not those of a manifest as it was written: torn, changed, or of another format. Internal to the store."""


@dataclass(frozen=True, order=True)
class Ref:
    """One object of a generation.

    `path` is relative to the store's root, `sha256` and `n_bytes` are those of the object as stored. `n_rows` is null where rows
    mean nothing. A raw delivery is stored compressed and named after its original bytes: `original_sha256`,
    `original_n_bytes`; both are null for everything else.
    """

    path: str
    sha256: str
    n_bytes: int
    n_rows: int | None = None
    original_sha256: str | None = None
    original_n_bytes: int | None = None

    @property
    def table(self) -> str:
        """The first part of the path: `positions`, `rejects`, `raw`."""
        return PurePosixPath(self.path).parts[0]

    @property
    def partition(self) -> str:
        """The second part of the path, `2024-03-01`, say; empty for raw deliveries."""
        parts = PurePosixPath(self.path).parts
        return parts[1] if len(parts) == 3 else ""


@dataclass(frozen=True)
class Generation:
    """One committed state of the store: all its objects, and what the caller wanted remembered.

    `refs` are sorted by path. `sha256` is the checksum of the manifest. `parent` is null for the first generation only.
    """

    seq: int
    parent: int | None
    parent_sha256: str | None
    made_utc: datetime
    note: str
    payload: dict[str, Any]
    refs: tuple[Ref, ...]
    sha256: str

    @property
    def n_refs(self) -> int:
        """How many objects the generation has."""
        return len(self.refs)

    def table(self, name: str) -> tuple[Ref, ...]:
        """The objects of one table, sorted by path: one day after the other."""
        return tuple(ref for ref in self.refs if ref.table == name)


def file_name(seq: int) -> str:
    """Path of a manifest inside the store."""
    return f"{FOLDER}/{seq:08d}.json"


def object_name(table: str, partition: str, sha256: str, suffix: str) -> str:
    """Path of an object inside the store.

    Raises
    ------
    ValueError
        when a part has letters that are not safe in every file system and URL. Names never come from the data.
    """
    for what, word in (("table", table), ("partition", partition)):
        if not _WORD.fullmatch(word) or word in _RESERVED:
            raise ValueError(f"{what} {word!r} cannot be a name in the store; letters, digits and _ . = - only")
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError(f"suffix {suffix!r} cannot be a name in the store; it should look like .parquet")
    return f"{table}/{partition}/{sha256}{suffix}"


def encode(
    seq: int,
    parent: Generation | None,
    payload: dict[str, Any],
    refs: Iterable[Ref],
    *,
    made_utc: datetime,
    note: str,
) -> bytes:
    """The bytes of a manifest. The same arguments give the same bytes, in whatever order refs and keys come.

    Raises
    ------
    ValueError
        when a time has no zone, the payload is not JSON (NaN included), or two refs claim one path with different content.
    """
    if made_utc.tzinfo is None:
        raise ValueError("made_utc has no time zone; give it in UTC")
    ordered = sorted(set(refs), key=lambda ref: (ref.path, ref.sha256))
    for one, other in zip(ordered, ordered[1:], strict=False):
        if one.path == other.path:
            raise ValueError(f"{one.path}: two refs of one generation disagree about this object: {one} and {other}")
    generation = {
        "seq": seq,
        "parent": parent.seq if parent else None,
        "parent_sha256": parent.sha256 if parent else None,
        "made_utc": made_utc.astimezone(UTC).isoformat(timespec="microseconds"),
        "note": note,
        "payload": payload,
        "refs": [{key: value for key, value in asdict(ref).items() if value is not None} for ref in ordered],
    }
    checksum = hashlib.sha256(_canonical(generation)).hexdigest()
    return _canonical({"format": FORMAT, "generation": generation, "sha256": checksum}) + b"\n"


def decode(data: bytes, *, seq: int) -> Generation:
    """The generation in the bytes of a manifest, every bit of which has been checked.

    Raises
    ------
    Damaged
        with one clause that says what is wrong.
    """
    try:
        document = json.loads(data)
        generation, recorded, number = document["generation"], document["sha256"], document["format"]
        canonical = _canonical(generation)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged("is torn or is not JSON as it was written") from error
    if number != FORMAT:
        raise Damaged(f"has format {number!r}, this version reads {FORMAT}")
    checksum = hashlib.sha256(canonical).hexdigest()
    if checksum != recorded or data != _canonical(document) + b"\n":
        raise Damaged(f"does not have the checksum that it records ({str(recorded)[:12]}, found {checksum[:12]})")
    try:
        found = Generation(
            seq=int(generation["seq"]),
            parent=generation["parent"],
            parent_sha256=generation["parent_sha256"],
            made_utc=datetime.fromisoformat(generation["made_utc"]),
            note=generation["note"],
            payload=generation["payload"],
            refs=tuple(Ref(**ref) for ref in generation["refs"]),
            sha256=recorded,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("lacks a field of a generation") from error
    if found.seq != seq:
        raise Damaged(f"is generation {found.seq} under the name of {seq}")
    for ref in found.refs:
        if not OBJECT_PATH.fullmatch(ref.path) or not _SHA256.fullmatch(ref.sha256):
            raise Damaged(f"names an object that cannot be one of the store's: {ref.path[:80]!r}")
    return found


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")
