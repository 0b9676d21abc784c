"""The original bytes behind a published folder: kept by the store, whatever became of the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostships.errors import GhostshipsError
from ghostships.store import Store


def store_behind(folder: Path, night: Mapping[str, Any]) -> Store:
    """The store that a published folder was made from; `night` is that entry of its manifest."""
    where = str(night["store"])
    # The folder of the configuration is known from `out`, so that both can be moved together.
    return Store.open(where if "://" in where else folder.absolute().parent / str(night["configured_at"]) / where)


def restore(folder: Path, manifest: Mapping[str, Any], listed: Mapping[str, Any], to: Path) -> Path | None:
    """The bytes of one input of a folder that `nightly` published, in a new file; None when the folder is none of those.

    Parameters
    ----------
    folder : the published folder, as the user names it (the link `out`)
    manifest : its `manifest.json`
    listed : the entry of the input in it
    to : a name that is free

    Raises
    ------
    GhostshipsError
        when the store is not where the manifest says, or keeps the bytes no longer, or they are not as they were.
    """
    night = manifest.get("night")
    if not isinstance(night, Mapping):
        return None
    store = store_behind(folder, night)
    generation = store.current()
    refs = {ref.path: ref for ref in generation.refs} if generation else {}
    raw = listed.get("raw")
    if raw not in refs:
        raise GhostshipsError(
            f"{listed['path']}: its original bytes are kept no longer in {store.shown} ([retention] raw_days); "
            "right would be the file itself, or a backup of the store"
        )
    store.restore_raw(refs[raw], to)
    return to
