"""A zip that is the same bytes for the same files, stands complete or not at all, and never replaces what is not ours."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ghostships.dossier.as_docx import OLDEST
from ghostships.errors import UsageError
from ghostships.terminal import visible

HASHES = "SHA256SUMS"
_COMMENT = b"ghostships dossier"
"""Stands in the zip's own comment: how we know our own."""

_BEFORE = {"explanation.json", "manifest.json", "raw_lines.json"}
"""Members of the bundles that version 0.1.0 wrote, which had no comment."""


def hash_list(members: Mapping[str, bytes]) -> bytes:
    """What `sha256sum -c` reads: one line for each file, by name."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(members.items())
    ).encode()


def refuse_foreign(target: Path) -> None:
    """Raise when the name is taken by something that is no dossier of ours, or cannot be written at all.

    Raises
    ------
    UsageError
        one line; nothing was touched.
    """
    if target.is_dir():
        raise UsageError(
            f"--bundle {visible(target)}: is a folder; right would be the name of a zip file, new or a dossier's"
        )
    if not target.parent.is_dir():
        raise UsageError(
            f"--bundle {visible(target)}: there is no folder {visible(target.parent)}; right would be one that is there"
        )
    if target.exists() and not _is_ours(target):
        raise UsageError(
            f"--bundle {visible(target)}: exists and is no dossier of ghostships; nothing was touched; give a new name or remove it"
        )


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as found:
            return found.comment == _COMMENT or set(found.namelist()) == _BEFORE
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def write(members: Mapping[str, bytes], target: Path) -> None:
    """Write the zip beside its place and rename it into it."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            with zipfile.ZipFile(file, "w") as packed:
                packed.comment = _COMMENT
                for name, content in members.items():
                    info = zipfile.ZipInfo(name, date_time=OLDEST)
                    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                    info.create_system = 3
                    packed.writestr(info, content)
            file.flush()
            os.fsync(file.fileno())
        refuse_foreign(target)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
