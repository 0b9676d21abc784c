"""The output folder: complete or absent, never somebody else's, and checkable against its own report."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import pyarrow.parquet as pq
import pytest
import sample

from ghostships import routes, tables
from ghostships.errors import GhostshipsError, UsageError
from ghostships.report import folder, parquet

ROUTE = routes.load()


def publish(out: Path, made: sample.Result | None = None, **more: object) -> dict:
    made = made or sample.result()
    return folder.publish(made, made.manifest, out, route=ROUTE, **more)


def contents(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_everything_promised_is_in_the_folder(tmp_path: Path) -> None:
    """Every public table, the page, the layers and the manifest; nothing else stays beside it."""
    out = tmp_path / "out"
    manifest = publish(out)
    promised = {f"{t.name}.parquet" for t in tables.PUBLIC} | {
        "report.html",
        "ghostships.gpkg",
        "trips.kml",
        "flags.xlsx",
        "manifest.json",
        *(f"figures/{trip}.{kind}" for trip in ("T-0000", "T-0001", "T-0003") for kind in ("png", "svg")),
    }
    assert set(contents(out)) == promised
    assert list(tmp_path.iterdir()) == [out]
    assert json.loads((out / "manifest.json").read_bytes()) == manifest
    assert manifest["tables"]["gaps"] == {"rows": 8, "sha256": folder.sha256(out / "gaps.parquet")}


@pytest.mark.slow
def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    """Same rows in any order, same bytes out, the GeoPackage with its times included."""
    shuffled = sample.result()
    for name in shuffled.tables:
        shuffled.tables[name] = shuffled.tables[name].sample(frac=1, random_state=5)
    publish(tmp_path / "a")
    time.sleep(1.1)  # a time of writing with a resolution of seconds would show
    publish(tmp_path / "b")
    publish(tmp_path / "c", shuffled)
    a, b, c = (contents(tmp_path / n) for n in "abc")
    assert [n for n in a if a[n] != b[n]] == []
    tables_only = [n for n in a if n.endswith(".parquet")]
    assert [n for n in tables_only if a[n] != c[n]] == []


def test_tables_come_back_as_they_went(tmp_path: Path) -> None:
    """What a notebook reads is what the run found, types and nulls included."""
    made = sample.result()
    publish(tmp_path / "out")
    frames, _ = folder.read(tmp_path / "out")
    for table in tables.PUBLIC:
        before = tables.to_pandas(made.rejects if table.name == "rejects" else made.tables[table.name], table)
        assert frames[table.name].equals(before), table.name


def test_tables_with_a_place_are_geoparquet(tmp_path: Path) -> None:
    """Any GIS finds the dark port where the columns say it is, and an unknown place is null, not (0, 0)."""
    made = sample.result()
    made.tables["sightings"].loc[0, ["lat_deg", "lon_deg"]] = None
    publish(tmp_path / "out", made)
    found = geopandas.read_parquet(tmp_path / "out" / "sightings.parquet")
    assert found.crs.to_epsg() == 4326 or found.crs.to_string() == "OGC:CRS84"
    assert found.geometry.isna().sum() == 1
    known = found[found.geometry.notna()]
    assert (known.geometry.x == known["lon_deg"]).all() and (known.geometry.y == known["lat_deg"]).all()
    geo = json.loads(pq.read_schema(tmp_path / "out" / "sightings.parquet").metadata[b"geo"])
    assert geo["version"] == "1.1.0" and geo["columns"]["geometry"]["geometry_types"] == ["Point"]
    assert b"geo" not in pq.read_schema(tmp_path / "out" / "matches.parquet").metadata


def test_empty_tables_are_written_with_all_their_columns(tmp_path: Path) -> None:
    """A run that finds nothing still gives files that any reader opens."""
    publish(tmp_path / "out", sample.empty())
    frames, manifest = folder.read(tmp_path / "out")
    assert all(len(frame) == 0 and list(frame.columns) == tables.ALL[name].names for name, frame in frames.items())
    assert all(t["rows"] == 0 for t in manifest["tables"].values())
    assert len(geopandas.read_parquet(tmp_path / "out" / "gaps.parquet")) == 0


@pytest.mark.parametrize("what", ["folder", "other manifest", "broken manifest", "empty folder", "file"])
def test_a_foreign_folder_is_refused_and_not_touched(tmp_path: Path, what: str) -> None:
    """A slip in --out must never cost an analyst's files."""
    out = tmp_path / "thesis"
    if what == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        texts = {"folder": None, "other manifest": '{"name": "web app"}', "broken manifest": "{", "empty folder": None}
        if texts[what] is not None:
            (out / "manifest.json").write_text(texts[what])
        if what != "empty folder":
            (out / "chapter1.txt").write_text("years of work")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="thesis: "):
        publish(out)
    assert contents(tmp_path) == before and list(tmp_path.iterdir()) == [out]


def test_an_older_folder_of_ours_is_replaced_and_reviews_are_kept(tmp_path: Path) -> None:
    """A re-run renews every file of ours; what an analyst added stays."""
    out = tmp_path / "out"
    publish(out)
    (out / "reviews.jsonl").write_text("confirmed\n")
    (out / "scenarios").mkdir()
    (out / "scenarios" / "a.json").write_text("{}")
    (out / "figures").mkdir(exist_ok=True)
    (out / "figures" / "T-gone.svg").write_text("old")
    publish(out, sample.empty())
    assert folder.read(out)[1]["tables"]["gaps"]["rows"] == 0
    assert (out / "reviews.jsonl").read_text() == "confirmed\n" and (out / "scenarios" / "a.json").exists()
    assert not (out / "figures").exists()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("failing", [1, 7, 12, 15])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool, failing: int
) -> None:
    """Whichever write fails, the old folder stands whole (or none appears) and no draft is left."""
    out = tmp_path / "out"
    if old:
        publish(out, sample.empty())
    before = contents(tmp_path)
    real, calls = folder.sha256, []

    def full(path: Path) -> str:
        calls.append(path)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path)

    monkeypatch.setattr(folder, "sha256", full)
    with pytest.raises(GhostshipsError, match="out: cannot write the output folder: No space left on device"):
        publish(out)
    assert contents(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == (["out"] if old else [])


@pytest.mark.parametrize("limit_bytes", [2_000, 60_000, 200_000])
def test_a_real_limit_of_file_size_is_one_line_and_no_folder(tmp_path: Path, limit_bytes: int) -> None:
    """The system itself refuses the write, in Parquet, in the GeoPackage or in the page: same ending."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        with pytest.raises(GhostshipsError, match="out: cannot write the output folder: ") as caught:
            publish(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_without_a_swap_at_once_two_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network folders cannot exchange two names; the new folder stands all the same, and a failed rename brings the old back."""
    out = tmp_path / "out"
    publish(out, sample.empty())
    monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    publish(out)
    assert folder.read(out)[1]["tables"]["gaps"]["rows"] == 8 and list(tmp_path.iterdir()) == [out]
    real = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if ".draft-" in self.name:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(GhostshipsError, match="Input/output error"):
        publish(out, sample.empty())
    assert folder.read(out)[1]["tables"]["gaps"]["rows"] == 8 and list(tmp_path.iterdir()) == [out]


def test_a_draft_of_a_killed_run_is_cleared_but_not_one_of_a_running_one(tmp_path: Path) -> None:
    """`kill -9` cannot be caught: the next run sweeps up, without pulling the floor from under a neighbour."""
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead, alive, other = (
        tmp_path / n for n in (f".out.draft-{int(gone.stdout)}", f".out.draft-{os.getppid()}", ".out2.draft-1x")
    )
    for left in (dead, alive, other):
        left.mkdir()
    publish(tmp_path / "out")
    assert not dead.exists() and alive.exists() and other.exists()


@pytest.mark.slow
def test_a_terminated_run_leaves_nothing_half_written(tmp_path: Path) -> None:
    """SIGTERM in the middle of writing ends with 143 and an empty place."""
    code = (
        "import sys, os, signal, pathlib; sys.path.insert(0, sys.argv[1]); import sample\n"
        "from ghostships import routes; from ghostships.report import folder\n"
        "made = sample.result()\n"
        "stop = lambda draft: os.kill(os.getpid(), signal.SIGTERM)\n"
        "folder.publish(made, made.manifest, pathlib.Path(sys.argv[2]), route=routes.load(), more=stop)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "out")], check=False)
    assert ended.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_report_verifies_its_tables(tmp_path: Path) -> None:
    """One flipped byte, one missing table, one added table: each is named."""
    out = tmp_path / "out"
    publish(out)
    assert {c.status for c in folder.verify(out)} == {"verified"}
    assert {f"{t.name}.parquet" for t in tables.PUBLIC} <= {c.file for c in folder.verify(out)}
    data = bytearray((out / "gaps.parquet").read_bytes())
    data[40] ^= 1
    (out / "gaps.parquet").write_bytes(data)
    (out / "matches.parquet").unlink()
    bad = {c.file: c.status for c in folder.verify(out) if c.status != "verified"}
    assert bad == {"gaps.parquet": "mismatch", "matches.parquet": "missing"}
    with pytest.raises(UsageError, match=r"gaps\.parquet: SHA-256 is"):
        folder.read(out)


@pytest.mark.parametrize("damage", ["no report", "not ours", "no hashes"])
def test_a_report_that_carries_no_hashes_cannot_verify(tmp_path: Path, damage: str) -> None:
    """Silence is not "verified"."""
    publish(tmp_path / "out")
    report = tmp_path / "out" / "report.html"
    if damage == "no report":
        report.unlink()
    else:
        report.write_text(
            "<p>hello" if damage == "not ours" else report.read_text().replace('id="hashes">{', 'id="hashes">{}//')
        )
    with pytest.raises(UsageError, match=r"report\.html"):
        folder.verify(tmp_path / "out")


def test_without_a_report_there_is_none(tmp_path: Path) -> None:
    """--no-report writes tables and layers only."""
    publish(tmp_path / "out", with_report=False)
    assert not (tmp_path / "out" / "report.html").exists() and (tmp_path / "out" / "trips.kml").exists()


def test_nothing_in_the_parquet_file_tells_the_time_or_the_place(tmp_path: Path) -> None:
    """Two writes of the same table to different names at different times are the same bytes."""
    made = sample.result()
    for name in ("a.parquet", "longer-name.parquet"):
        parquet.write_table(made.tables["gaps"], tables.GAPS, tmp_path / name)
    one, two = (p.read_bytes() for p in sorted(tmp_path.iterdir()))
    assert one == two


def test_a_changed_or_added_figure_is_noticed(tmp_path: Path) -> None:
    """Figures, layers and workbook are checked like tables: who gets the folder sees which file is not the one that was written."""
    out = tmp_path / "out"
    publish(out)
    assert {c.status for c in folder.verify(out)} == {"verified"}
    assert {"flags.xlsx", "ghostships.gpkg", "trips.kml", "figures/T-0000.png"} <= {c.file for c in folder.verify(out)}
    (out / "figures" / "T-0000.png").write_bytes(b"another")
    (out / "figures" / "T-0001.svg").unlink()
    (out / "figures" / "T-9999.png").write_bytes(b"added")
    found = {c.file: c.status for c in folder.verify(out) if c.status != "verified"}
    assert found == {
        "figures/T-0000.png": "mismatch",
        "figures/T-0001.svg": "missing",
        "figures/T-9999.png": "mismatch",
    }


def test_drawing_again_mends_what_was_changed_and_drops_what_is_not_flagged(tmp_path: Path) -> None:
    """`ghostships report DIR` brings every drawn file back to what the tables say, and the manifest with it."""
    out = tmp_path / "out"
    manifest = publish(out)
    frames, _ = folder.read(out)
    assert not folder.draw_again(out, frames, dict(manifest), ROUTE)
    before = (out / "figures" / "T-0000.png").read_bytes()
    (out / "figures" / "T-0000.png").write_bytes(b"another")
    frames["round_trips"].loc[frames["round_trips"]["trip_id"] == "T-0001", "is_flagged"] = False
    changed = dict(manifest)
    assert folder.draw_again(out, frames, changed, ROUTE)
    assert (out / "figures" / "T-0000.png").read_bytes() == before
    assert not (out / "figures" / "T-0001.png").exists() and "figures/T-0001.png" not in changed["files"]
    assert not list(out.glob(".ghostships-*"))


def test_a_run_without_a_report_has_no_figures(tmp_path: Path) -> None:
    """`run --no-report` is for machines: neither page nor figures are drawn; the files for other tools are."""
    publish(tmp_path / "out", with_report=False)
    names = set(contents(tmp_path / "out"))
    assert "flags.xlsx" in names and "report.html" not in names and not any(n.startswith("figures/") for n in names)
