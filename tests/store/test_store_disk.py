"""The few functions that change the disk keep to what they promise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ghostships.store import disk

PACKAGE = Path(disk.__file__).parent
CHANGES = {
    "unlink",
    "rename",
    "replace",
    "rmdir",
    "mkdir",
    "symlink_to",
    "hardlink_to",
    "link",
    "symlink",
    "remove",
    "utime",
    "fsync",
    "write_bytes",
    "write_text",
    "touch",
    "pwrite",
    "ftruncate",
    "rmtree",
    "copy",
    "copyfile",
    "move",
}
"""Names under which Python changes a disk."""


def test_a_name_that_is_taken_is_never_written_over(tmp_path: Path) -> None:
    """New means new: for two that race for one name."""
    taken, other = tmp_path / "taken", tmp_path / "other"
    taken.write_bytes(b"first")
    other.write_bytes(b"second")
    for act in (
        lambda: disk.write_new(taken, [b"second"]),
        lambda: disk.link_new(other, taken),
        lambda: disk.symlink_new("other", taken),
    ):
        with pytest.raises(FileExistsError):
            act()
    assert taken.read_bytes() == b"first"


def test_a_block_larger_than_one_write_arrives_whole(tmp_path: Path) -> None:
    """The system may write less than asked; every byte counts."""
    blocks = [b"ab" * 3_000_000, b"", b"c"]
    disk.write_new(tmp_path / "new", blocks)
    assert (tmp_path / "new").read_bytes() == b"".join(blocks)


def test_a_rename_replaces_what_was_there_and_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """The name itself is replaced."""
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "name").symlink_to("outside")
    (tmp_path / "new").write_bytes(b"new")
    disk.rename(tmp_path / "new", tmp_path / "name")
    assert (tmp_path / "name").read_bytes() == b"new" and (tmp_path / "outside").read_bytes() == b"outside"


def test_the_list_for_the_harness_is_complete() -> None:
    """A harness that patches what the list names sees every change: no public function is missing."""
    tree = ast.parse((PACKAGE / "disk.py").read_text(encoding="utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == list(disk.MUTATIONS)


@pytest.mark.parametrize("module", sorted(path.name for path in PACKAGE.glob("*.py") if path.name != "disk.py"))
def test_no_other_module_of_the_store_changes_the_disk_by_itself(module: str) -> None:
    """Every change goes through `disk`, or a fault there would never be tried.

    Not meant: methods of our own places and of remote file systems, text replacement, and the making of folders for the cache of
    remote objects, in which nothing is kept that cannot be fetched again.
    """
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            owner = ast.unparse(node.func.value)
            if owner not in {"disk", "writing", "self._writing"} and not owner.startswith("self.shelf.fs"):
                found.append(f"{owner}.{node.func.attr}")
    assert found == (["target.parent.mkdir"] if module == "remote.py" else [])
