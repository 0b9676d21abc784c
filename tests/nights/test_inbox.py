"""Looking into the inbox: whole files only, each hashed once."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ghostships.nights import inbox

LATER = datetime.now(UTC) + timedelta(hours=1)


def _look(folder: Path, *, now: datetime = LATER, seen: dict[str, inbox.Seen] | None = None) -> inbox.Looked:
    return inbox.look(folder, now_utc=now, settle_s=60, seen=seen or {})


def test_whole_files_are_found_wherever_they_lie_with_their_hash(tmp_path: Path) -> None:
    """Providers push into folders of their own; the name is the path below the inbox."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.csv").write_bytes(b"2")
    (tmp_path / "one.csv").write_bytes(b"1")
    found = _look(tmp_path)
    assert [(f.name, f.sha256, f.n_bytes) for f in found.files] == [
        ("b/two.csv", hashlib.sha256(b"2").hexdigest(), 1),
        ("one.csv", hashlib.sha256(b"1").hexdigest(), 1),
    ]


@pytest.mark.parametrize("name", ["a.csv.part", "a.csv.TMP", ".a.csv", "a.csv.filepart", ".hidden/a.csv", "README.md"])
def test_what_is_not_a_finished_delivery_is_left_and_said(tmp_path: Path, name: str) -> None:
    """Half a file read tonight would be a refused delivery, or worse a short day."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    found = _look(tmp_path)
    assert found.files == []
    assert [left for left, _ in found.left] == [name]


def test_a_file_that_changed_a_moment_ago_is_left_until_it_has_settled(tmp_path: Path) -> None:
    """A provider that writes in place is not caught in the middle, nor by a clock that runs a little ahead of ours."""
    (tmp_path / "a.csv").write_bytes(b"x")
    written = datetime.fromtimestamp((tmp_path / "a.csv").stat().st_mtime, UTC)
    for offset_s in (10, -10):
        assert _look(tmp_path, now=written + timedelta(seconds=offset_s)).files == []
    assert len(_look(tmp_path, now=written + timedelta(seconds=90)).files) == 1


def test_a_file_is_hashed_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of files in the inbox must not be read every night; new bytes under the old name must."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"x")
    seen = _look(tmp_path).seen
    with monkeypatch.context() as closed:
        closed.setattr(Path, "open", lambda *_a, **_k: pytest.fail("read again"))
        assert [f.sha256 for f in _look(tmp_path, seen=seen).files] == [hashlib.sha256(b"x").hexdigest()]
    about = path.stat()
    path.write_bytes(b"y")
    # Size and time of change are the same: the time the system keeps for itself tells.
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert [f.sha256 for f in _look(tmp_path, seen=seen).files] == [hashlib.sha256(b"y").hexdigest()]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """Opening a pipe would hang the night for ever; a dangling link is said."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    found = _look(tmp_path)
    assert found.left == [("pipe.csv", "is not a regular file")]
    assert [name for name, _ in found.unreadable] == ["gone.csv"]


def test_an_inbox_that_is_not_there_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    """An unmounted share must not look like a night without deliveries."""
    with pytest.raises(FileNotFoundError):
        _look(tmp_path / "unmounted")
