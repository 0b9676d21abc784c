"""`ghostships evaluate` on the command line: what belongs together, one line for what does not, JSON for scripts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ghostships import cli


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Eight ships on lines of their own in the Indian Ocean, heard every half hour for three days."""
    lines = ["mmsi,timestamp,lat,lon,sog,name,length"]
    for n in range(8):
        for step in range(3 * 48):
            day, hour, minute = 1 + step // 48, step % 48 // 2, 30 * (step % 2)
            lon = 60 + 0.6 * math.sin(step / 48 * math.pi)
            lines.append(
                f"{799000001 + n},2019-03-{day:02d}T{hour:02d}:{minute:02d}:00Z,"
                f"{-20 + 0.3 * n:.5f},{lon:.5f},6.0,SIM {n},{90 + 9 * n}"
            )
    path = tmp_path / "export.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_hidden_pieces_are_judged_from_the_command_line(
    export: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """JSON on stdout; the table for people and the figures in the folder asked for."""
    words = ["evaluate", "--blank", str(export), "--seed", "5", "--pieces", "6"]
    assert cli.main([*words, "--json", "--out", str(tmp_path / "out")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seed"] == 5 and told["counts"]["ships"] == 8
    assert sum(k["n"] for k in told["by_kind"] if k["kind"] in ("piece", "wrong_length")) <= 6
    assert (tmp_path / "out" / "reliability.png").is_file()
    text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "ranked_first" in text and "decoys_refused" in text and "refused: none of these" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one", "two"], "2 folders given; right would be one SCENARIO, or --blank AIS..."),
        (["one", "--seed", "3"], "--seed: belongs to --blank"),
        (["one", "--pieces", "3"], "--pieces: belongs to --blank"),
        (["one", "--blank", "--tables", "x"], "--blank and --tables were both given"),
        (["nowhere"], "not a folder written by `ghostships simulate`"),
        (["--blank", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_does_not_belong_together_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong command is found before anything is read: status 2, what and what would be right."""
    assert cli.main(["evaluate", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err and len(captured.err.strip().splitlines()) == 1


def test_an_export_with_nothing_to_hide_ends_with_status_four(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two hours of traffic: said in one line, not an empty table of scores."""
    lines = export.read_text(encoding="utf-8").splitlines()
    export.write_text("\n".join([lines[0], *(x for x in lines if "2019-03-01T00" in x)]) + "\n", encoding="utf-8")
    assert cli.main(["evaluate", "--blank", str(export)]) == 4
    assert "nothing to hide" in capsys.readouterr().err
