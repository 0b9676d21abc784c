"""The published folder: one link, swapped at once, and never anything of somebody else's."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from store_world import attempt, every_mutation, failing_at, raises

from ghostships.errors import UsageError
from ghostships.store import folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "published/out"


def publish(out: Path, seq: int, *, keep: int = 3) -> Path:
    """A folder of three files that all say the same number."""
    with folder.drawing(out, seq) as built:
        (built / "figures").mkdir(parents=True)
        for name in ("gaps.parquet", "report.html", "figures/trip.svg"):
            (built / name).write_text(str(seq))
    folder.show(out, built, keep=keep)
    return built


def said(out: Path) -> set[str]:
    """What the files of a folder say; one number when it is whole."""
    root = out.resolve()
    return {(root / name).read_text() for name in ("gaps.parquet", "report.html", "figures/trip.svg")}


def test_out_shows_the_newest_folder_and_older_ones_stay_for_a_while(out: Path) -> None:
    """A reader that opened the folder before the swap still has it, for as many nights as are kept."""
    assert folder.shown(out) is None
    for seq in (1, 2, 3, 4, 5):
        publish(out, seq)
        assert (said(out), folder.shown(out)) == ({str(seq)}, seq)
    assert out.is_symlink() and not Path(os.readlink(out)).is_absolute(), "the parent may be moved as a whole"  # noqa: PTH115
    kept = sorted(path.name for path in (out.parent / ".out.generations").iterdir())
    assert kept == ["00000003", "00000004", "00000005"]
    publish(out, 6, keep=1)
    assert [path.name for path in (out.parent / ".out.generations").iterdir()] == ["00000006"]


def test_the_same_generation_may_be_drawn_again(out: Path) -> None:
    """The report made anew from the same tables: beside the shown one, which stays whole until the swap."""
    publish(out, 7)
    with folder.drawing(out, 7) as built:
        assert said(out) == {"7"} and built.resolve() != out.resolve()
    publish(out, 7)
    assert (said(out), folder.shown(out)) == ({"7"}, 7)


def test_a_failed_drawing_changes_nothing_and_leaves_nothing(out: Path) -> None:
    """Yesterday's report still stands."""
    publish(out, 1)
    with pytest.raises(ZeroDivisionError), folder.drawing(out, 2) as built:
        built.mkdir()
        raise ZeroDivisionError
    assert said(out) == {"1"}
    assert [path.name for path in (out.parent / ".out.generations").iterdir()] == ["00000001"]


@pytest.mark.parametrize("thing", ["folder", "file", "link", "link into a folder of ours"])
def test_what_is_not_ours_is_refused_by_name_and_left_alone(out: Path, thing: str) -> None:
    """`out` given by mistake as somebody's folder: one line says what it is."""
    out.parent.mkdir()
    if thing == "folder":
        out.mkdir()
        (out / "thesis.doc").write_text("words")
    elif thing == "file":
        out.write_text("words")
    elif thing == "link":
        out.symlink_to("elsewhere")
    else:
        out.symlink_to(".out.generations/../other")
    before = sorted(path.name for path in out.parent.iterdir())
    for act in (lambda: folder.shown(out), lambda: publish(out, 1)):
        with pytest.raises(UsageError, match=f"{out}: is a (folder|file|link to somewhere else), not the link"):
            act()
    assert sorted(path.name for path in out.parent.iterdir()) == before


def test_a_reader_beside_the_swaps_always_finds_a_whole_folder(out: Path) -> None:
    """The web server that serves `out`: never missing, never of two nights."""
    publish(out, 1)
    done = threading.Event()
    seen: list[set[str]] = []

    def read() -> None:
        while not done.is_set():
            seen.append(said(out))

    reader = threading.Thread(target=read)
    reader.start()
    for seq in range(2, 22):
        publish(out, seq)
    done.set()
    reader.join()
    assert len(seen) > 20 and all(len(numbers) == 1 for numbers in seen)
    order = [int(min(numbers)) for numbers in seen]
    assert order == sorted(order)


def disturb(tmp_path: Path, stride: int) -> None:
    """Error and kill at every so many steps of three nights; look; and let the nights run again."""
    with failing_at(-1, raises(errno.EIO)) as called:
        for seq in (1, 2, 3):
            publish(tmp_path / "undisturbed/out", seq, keep=2)
    assert len(called) > 40
    for n, is_killed in ((n, is_killed) for n in range(0, len(called), stride) for is_killed in (False, True)):
        out = tmp_path / f"{n}-{is_killed}/out"
        home = out.parent / ".out.generations"

        def job(out: Path = out) -> None:
            for seq in range((folder.shown(out) or 0) + 1, 4):
                publish(out, seq, keep=2)

        if is_killed:
            child = os.fork()
            if child == 0:
                try:
                    with failing_at(n, lambda: os._exit(9)):
                        job()
                finally:
                    os._exit(1)
            os.waitpid(child, 0)
        else:
            with failing_at(n, raises(errno.ENOSPC)):
                message = attempt(job)
            assert message is None or str(out) in message
        if shown := folder.shown(out):
            assert said(out) == {str(shown)}
            older = [path for path in home.iterdir() if path.name.isdigit() and int(path.name) <= shown]
            assert all(said(path) == {str(int(path.name))} for path in older), (
                "what is half removed does not look whole"
            )
        job()
        assert said(out) == {"3"}
        publish(out, 4, keep=2)
        assert sorted(path.name for path in home.iterdir()) == ["00000003", "00000004"]
        shutil.rmtree(out.parent)


def test_a_step_of_publishing_may_fail_or_be_the_last(tmp_path: Path) -> None:
    """Error or kill: `out` is whole, old or new, and the next run publishes as if nothing had happened."""
    disturb(tmp_path, stride=5)


@pytest.mark.slow
def test_every_step_of_publishing_may_fail_or_be_the_last(tmp_path: Path) -> None:
    """The same at each step there is."""
    disturb(tmp_path, stride=1)


def test_the_link_is_swapped_only_when_all_behind_it_is_on_the_disk(out: Path) -> None:
    """Power loss: every file and folder is fsynced before the link gets its name, and the name after it."""
    steps: list[tuple[str, Path]] = []

    def wrap(name: str, function):  # type: ignore[no-untyped-def]
        def step(*args):  # type: ignore[no-untyped-def]
            steps.append((name, args[-1] if name == "rename" else args[0]))
            function(*args)

        return step

    with every_mutation(wrap):
        built = publish(out, 1)
    swap = steps.index(("rename", out))
    before, after = steps[:swap], steps[swap:]
    for path in built.rglob("*"):
        assert ("fsync_folder" if path.is_dir() else "fsync_file", path) in before
    assert ("fsync_folder", built) in before and ("fsync_folder", built.parent) in before
    assert ("fsync_folder", out.parent) in after


def test_a_folder_of_ours_survives_its_parents_being_a_link(tmp_path: Path) -> None:
    """`out` below a link to a bigger disk: the folders stand on that disk, beside `out`."""
    (tmp_path / "big").mkdir()
    (tmp_path / "link").symlink_to("big")
    publish(tmp_path / "link/out", 1)
    assert said(tmp_path / "big/out") == {"1"}
    assert (tmp_path / "big/.out.generations/00000001").is_dir()
