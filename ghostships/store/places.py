"""From what a user writes to the place meant, and whether a store stands there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostships.errors import UsageError
from ghostships.store import holding, manifests
from ghostships.store.local import DRAFTS, LocalShelf
from ghostships.store.shelf import Shelf

MARK_NAME = "ghostships-store.json"
MARK = b'{"format":1,"ghostships":"store"}\n'
"""The file that says a folder is a store, and its only content in this format."""

_NOTHING = {DRAFTS, holding.LOCK, manifests.FOLDER, "writers", "lost+found"}
"""What a folder may hold and still be new: traces of a creation that was cut short, and those of a fresh disk."""


def place(root: str | Path, *, cache: Path | None = None, storage_options: Mapping[str, Any] | None = None) -> Shelf:
    """The shelf for a local folder, a `file://` URL or any fsspec URL."""
    text = str(root)
    if text.startswith("file://"):
        return LocalShelf(Path(text.removeprefix("file://")))
    if isinstance(root, Path) or "://" not in text:
        if not text.strip():
            raise UsageError("the store has no place: give a folder or a URL such as s3://bucket/prefix")
        return LocalShelf(Path(root))
    from ghostships.store.remote import RemoteShelf  # the network stack is for those who need it

    return RemoteShelf(text, cache=cache, storage_options=storage_options)


def recognise(shelf: Shelf, *, create: bool) -> None:
    """Return when a store stands there, or has just been made.

    Raises
    ------
    UsageError
        when there is none, or one of a newer version; says what was found.
    """
    try:
        mark = shelf.read(MARK_NAME)
    except (FileNotFoundError, NotADirectoryError):
        mark = None
    if mark == MARK:
        return
    if mark is not None:
        _refuse_newer(shelf, mark)
    # A mark that was lost or damaged does not make the generations unreadable; `check` reports it.
    has_generations = bool(shelf.entries(manifests.FOLDER))
    if has_generations and not create:
        return
    names = shelf.names()
    if names is None and not create:
        raise UsageError(f"{shelf.shown}: there is no store here, nothing at all; `ghostships nightly` makes one")
    foreign = sorted(set(names or ()) - _NOTHING - {MARK_NAME})
    if not has_generations and foreign:
        shown = ", ".join(repr(name) for name in foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise UsageError(f"{shelf.shown}: is not a store and not empty: it holds {shown}; nothing was touched")
    if not create:
        raise UsageError(f"{shelf.shown}: is an empty folder, not a store; `ghostships nightly` makes one")
    shelf.begin(MARK_NAME, MARK)


def _refuse_newer(shelf: Shelf, mark: bytes) -> None:
    try:
        document = json.loads(mark)
        is_newer = document["ghostships"] == "store" and document["format"] > manifests.FORMAT
    except (ValueError, KeyError, TypeError):
        return
    if is_newer:
        raise UsageError(
            f"{shelf.shown}: the store has format {document['format']}, this version reads {manifests.FORMAT}; "
            "use a newer ghostships, or restore the mark if `store check` of an older one passed"
        )
