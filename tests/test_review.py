"""Reviews: a decision told to be kept is kept, whatever crashes or is replaced; nobody else can make one; no number moves by it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

REPORT_TESTS = str(Path(__file__).parent / "report")
if REPORT_TESTS not in sys.path:
    sys.path.insert(0, REPORT_TESTS)

import sample  # noqa: E402

from ghostships import job, review, review_server, routes, tables  # noqa: E402
from ghostships.cli import main  # noqa: E402
from ghostships.errors import GhostshipsError, NothingUsable, UsageError  # noqa: E402
from ghostships.nights import revisions  # noqa: E402
from ghostships.report import folder as report_folder  # noqa: E402
from ghostships.reviews import decision, digests, ledger, standing, tally  # noqa: E402
from ghostships.reviews.decision import Decision  # noqa: E402

ROUTE = routes.load()
NOW = datetime(2024, 10, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOSTILE = '</script><img src=x onerror=alert(1)>\u202e\x1b[31m\n"'
SHA = "0" * 64


def publish(out: Path, made: sample.Result | None = None, *, with_report: bool = True) -> Path:
    """A folder as `run` leaves it, of the made-up sea: twelve trips, three of them flagged."""
    made = made or sample.result()
    made.manifest["route"]["settings"] = ROUTE.model_dump(mode="json", exclude={"sha256"})
    report_folder.publish(made, made.manifest, out, route=ROUTE, with_layers=False, with_report=with_report)
    return out


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("review") / "out")


@pytest.fixture
def out(published: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be reviewed."""
    return Path(shutil.copytree(published, tmp_path / "out"))


def made(
    trip_id: str = "T-0000", verdict: str = "confirm", *, by: str = "Anna", after_s: float = 0, **more: Any
) -> Decision:
    told = {
        "time_utc": NOW + timedelta(seconds=after_s),
        "reviewer": by,
        "trip_id": trip_id,
        "verdict": verdict,
        "note": "",
        "p_trip": 0.75,
        "tier": "seen",
        "is_flagged": True,
        "vessel": "SIM SEVER",
        "dark_start_utc": "2031-09-10T10:00:00Z",
        "dark_end_utc": None,
        "trip_sha256": SHA,
        "round_trips_sha256": None,
        "is_simulated": True,
    }
    return Decision(**{**told, **more})


def data_of(page: str) -> dict[str, Any]:
    """What the page knows of reviews."""
    block = page.split('<script type="application/json" id="review-data">')[1].split("</script>")[0]
    told: dict[str, Any] = json.loads(block)
    return told


# --- one decision ------------------------------------------------------------------------------------------------------------


def test_the_id_is_the_hash_that_the_documentation_says() -> None:
    """Whoever holds a line can check it without this program: SHA-256 of the compact JSON list of its values."""
    values = [1, "2024-10-01T12:00:00.123456Z", "Ä", "T-0000", "confirm", "é\n", "0.750000", "seen", True, "SIM SEVER"]
    values += ["2031-09-10T10:00:00Z", None, SHA, None, True]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    assert made(by="Ä", note="é\n").id == "D-" + hashlib.sha256(text).hexdigest()[:32]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)


@given(
    by=TEXTS,
    note=TEXTS | st.just(""),
    p=st.none() | st.integers(0, 10**6).map(lambda n: n / 10**6),
    time=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_decision_comes_back_as_it_was_written(by: str, note: str, p: float | None, time: datetime) -> None:
    """Any name, any note, any probability: one line of plain ASCII, and the same decision when it is read."""
    one = made(by=by, note=note, p_trip=p, time_utc=time)
    line = one.as_line()
    assert line.isascii() and line.count(b"\n") == 1 and not set(line[:-1]) & set(range(32))
    assert decision.parse(line) == one and decision.parse(line).id == one.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "maybe"}, "right would be confirm, reject or unsure"),
        ({"note": "x" * 2001}, "at most 2000 characters"),
        ({"reviewer": "  "}, "reviewer is '  '"),
        ({"reviewer": "x" * 81}, "at most 80 characters"),
        ({"note": "\ud800"}, "note is"),
        ({"p_trip": 1.5}, "from 0 to 1"),
        ({"p_trip": True}, "p_trip is True"),
        ({"p_trip": 0.1234567}, "at most six decimals"),
        ({"time_utc": "2031-10-01"}, "UTC with microseconds"),
        ({"time_utc": "2031-02-30T12:00:00.000000Z"}, "UTC with microseconds"),
        ({"trip_sha256": "0" * 63}, "64 hexadecimal digits"),
        ({"is_flagged": 1}, "true or false"),
        ({"format": 2}, "this version knows format 1"),
        ({"more": 1}, "unknown key 'more'"),
        ({"id": "D-" + "0" * 32}, "damaged or edited"),
    ],
)
def test_a_line_that_is_no_decision_says_why(change: dict[str, Any], said: str) -> None:
    """The reviewer who sent it learns what to correct; nothing of the line reaches the terminal unescaped."""
    record = {**made().as_record(), **change}
    if "id" not in change:
        del record["id"]
    with pytest.raises(decision.NotADecision) as wrong:
        decision.parse(json.dumps(record).encode())
    assert said in str(wrong.value) and str(wrong.value).isascii()


@pytest.mark.parametrize(
    "line", [b"[1]", b"{", b"null", b"\xff", b"[" * 100_000, b'{"format":1,"format":1}', b" " * 70_000, b"NaN"]
)
def test_what_is_no_record_is_refused(line: bytes) -> None:
    """Whatever the file is, reading it ends with a sentence."""
    with pytest.raises(decision.NotADecision):
        decision.parse(line)


# --- the file ----------------------------------------------------------------------------------------------------------------


def test_a_torn_last_line_loses_nothing_and_gets_nothing_glued_to_it(out: Path) -> None:
    """A crash in the middle of a line: the lines before stay, the next decision is whole, the torn one is named."""
    ledger.append(out, [made()])
    with (out / ledger.NAME).open("ab") as file:
        file.write(made("T-0001").as_line()[:-30])
    before = (out / ledger.NAME).read_bytes()
    ledger.append(out, [made("T-0002")])
    kept = ledger.read(out)
    assert {one.trip_id for one in kept.decisions} == {"T-0000", "T-0002"}
    assert [(one.line, one.what) for one in kept.broken] == [(2, "is not JSON, or was cut short")]
    assert (out / ledger.NAME).read_bytes().startswith(before)


def test_a_file_cut_anywhere_keeps_every_whole_line() -> None:
    """Power loss does not choose its byte: what was ended by a line end is read, at every cut."""
    lines = [made(after_s=n, note=HOSTILE).as_line() for n in range(3)]
    data = b"".join(lines)
    for cut in range(len(data) + 1):
        whole = data[:cut].count(b"\n")
        kept = ledger.of_bytes(data[:cut])
        # A last line that lacks nothing but its end is whole too.
        is_whole = cut < len(data) and data[cut : cut + 1] == b"\n"
        assert len(kept.decisions) == whole + is_whole
        assert len(kept.broken) <= 1


def test_the_same_decision_counts_once_and_is_added_once(out: Path) -> None:
    """Importing a file twice, or two files that share decisions, changes nothing."""
    one, two = made(), made(after_s=1)
    assert ledger.append(out, [two, one, one]) == [one, two]
    before = (out / ledger.NAME).read_bytes()
    assert ledger.append(out, [one, two]) == [] and (out / ledger.NAME).read_bytes() == before
    assert ledger.of_bytes(before + before).decisions == (one, two)


def test_many_reviewers_at_once_lose_nothing(out: Path) -> None:
    """Two servers on one folder, or a server and an import."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: ledger.append(out, [made(after_s=n, by=f"R{n % 6}")]), range(60)))
    kept = ledger.read(out)
    assert len(kept.decisions) == 60 and not kept.broken


def test_a_decision_told_to_be_kept_survives_a_run_that_replaces_the_folder(out: Path) -> None:
    """The folder is swapped under the reviewer, again and again; every decision that was acknowledged is in the last one."""
    done = threading.Event()
    kept: list[str] = []

    def decide() -> None:
        while not done.is_set():
            kept.extend(one.id for one in ledger.append(out, [made(after_s=len(kept))]))
            done.wait(0.002)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(decide)
        for _ in range(4):
            publish(out, with_report=False)
        done.set()
        working.result()
    assert len(kept) > 8
    assert {one.id for one in ledger.read(out).decisions} == set(kept)


def test_a_full_disk_is_told_and_keeps_what_was_there(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line on the disk, one line for the user; the next decision is whole again."""
    ledger.append(out, [made()])
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) < 200:
            raise OSError(28, "No space left on device")
        return write(handle, data[:200])

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        with pytest.raises(
            GhostshipsError, match=r"decisions.jsonl: the decision was not kept: No space left on device"
        ):
            ledger.append(out, [made("T-0001")])
    ledger.append(out, [made("T-0002")])
    assert {one.trip_id for one in ledger.read(out).decisions} == {"T-0000", "T-0002"}


def test_nothing_is_written_through_a_link(out: Path, tmp_path: Path) -> None:
    """A link in the place of the file could make another file grow."""
    (tmp_path / "other").write_bytes(b"")
    (out / ledger.NAME).symlink_to(tmp_path / "other")
    with pytest.raises(GhostshipsError, match="is a link"):
        ledger.append(out, [made()])
    assert (tmp_path / "other").read_bytes() == b""


# --- all of them together ------------------------------------------------------------------------------------------------------


def test_reviewers_who_contradict_each_other_are_both_kept() -> None:
    """The last word of each counts; who is unsure contradicts nobody; confirm against reject is a disagreement."""
    said = [made(verdict="confirm"), made(verdict="reject", by="Boris", after_s=1), made(verdict="unsure", by="Cho")]
    (one,) = standing.of(said, {"T-0000"}, {})
    assert one.verdict == "disagree" and [d.reviewer for d in one.latest] == ["Anna", "Boris", "Cho"]
    (one,) = standing.of([*said, made(verdict="reject", after_s=5)], {"T-0000"}, {})
    assert one.verdict == "reject" and one.n_decisions == 4 and one.latest[0].verdict == "reject"
    (one,) = standing.of([made(verdict="unsure")], {"T-0000"}, {})
    assert one.verdict == "unsure"


def test_decisions_follow_a_trip_to_its_new_id_and_stay_with_one_that_is_gone() -> None:
    """A late file moved the start of a silence, twice; ids that go round in a circle end somewhere."""
    became = {"T-a": "T-b", "T-b": "T-c", "T-x": "T-y", "T-y": "T-x"}
    said = [made("T-a"), made("T-c", "reject", by="Boris"), made("T-x"), made("T-gone")]
    found = {one.trip_id: one for one in standing.of(said, {"T-c"}, became)}
    assert found["T-c"].is_here and found["T-c"].verdict == "disagree" and found["T-c"].n_decisions == 2
    assert not found["T-gone"].is_here and not found["T-x"].is_here


def test_the_nights_remember_which_id_became_which() -> None:
    """What `revisions` calls `now_trip_id` is what decisions follow."""
    blank = {column.name: None for column in tables.REVISIONS.columns}
    row = {
        **blank,
        "as_of_utc": NOW,
        "change": "changed",
        "reason": "late_data",
        "delivery": [],
        "gap_ids": [],
        "cycle": 1,
    }
    rows = [
        {**row, "night": 1, "trip_id": "T-1", "now_trip_id": "T-1", "because": "new"},
        {**row, "night": 2, "trip_id": "T-1", "now_trip_id": "T-2", "because": "late"},
        {**row, "night": 3, "trip_id": "T-2", "now_trip_id": None, "because": "gone"},
    ]
    assert revisions.renamed(sample.frame(tables.REVISIONS, rows)) == [["T-1", "T-2"]]


def test_the_count_says_nothing_below_ten_and_agrees_with_the_textbook_from_there() -> None:
    """Wilson's interval of 8 of 10 at 95 % is 0.490 to 0.943 (Brown, Cai, DasGupta 2001); nine judged trips are too few."""

    def of(n: int, n_confirmed: int, p: float) -> tally.Tally:
        said = [made(f"T-{k}", "confirm" if k < n_confirmed else "reject", p_trip=p) for k in range(n)]
        return tally.of(standing.of(said, set(), {}), is_simulated=True)

    nine = of(9, 9, 0.95).bands[-1]
    assert nine.name == "all flags" and (nine.n_confirmed, nine.n_rejected) == (9, 0)
    assert nine.says == "too few to say" and nine.share is None and nine.low is None
    assert of(9, 9, 0.95).brier is None
    ten = of(10, 8, 0.8).bands[-1]
    assert (ten.share, ten.low, ten.high, ten.says) == (0.8, 0.4902, 0.9433, "in keeping")
    assert of(10, 8, 0.97).bands[-1].says == "stated too high"
    assert of(40, 39, 0.55).bands[-1].says == "stated too low"
    # Eight of ten right at 0.8: (8 x 0.2^2 + 2 x 0.8^2) / 10.
    assert of(10, 8, 0.8).brier == of(10, 8, 0.8).brier_if_right == 0.16


def test_the_count_keeps_flags_doubts_and_the_other_kind_of_run_apart() -> None:
    """Bands by the probability that was shown; disagreement, unsure and no number are told; simulated is not mixed with real."""
    said = [
        made("T-1", p_trip=0.9), made("T-2", "reject", p_trip=0.6999), made("T-3", "unsure"),
        made("T-4"), made("T-4", "reject", by="Boris"), made("T-5", p_trip=None, is_flagged=False),
        made("T-6", p_trip=0.2, is_flagged=False), made("T-7", is_simulated=False), made("T-8", p_trip=1.0),
    ]  # fmt: skip
    found = tally.of(standing.of(said, set(), {}), is_simulated=True, flagged={"T-1", "T-2", "T-3", "T-4", "T-9"})
    assert (found.n_flags, found.n_flags_judged) == (5, 2)
    assert (found.n_reviewed, found.n_disagreed, found.n_unsure, found.n_without_number, found.n_other) == (
        7,
        1,
        1,
        1,
        1,
    )
    assert [(b.name, b.n_confirmed, b.n_rejected) for b in found.bands] == [
        ("flags, 0.5 to 0.7", 0, 1),
        ("flags, 0.9 to 1", 2, 0),
        ("all flags", 2, 1),
        ("trips not flagged", 1, 0),
    ]


# --- with the report -----------------------------------------------------------------------------------------------------------


def test_decisions_travel_with_the_report_and_change_nothing_else(out: Path) -> None:
    """A run into the same folder, and a report drawn again, show them; every table and probability keeps its bytes."""
    before = _files(out)
    said = [made(note=HOSTILE, by=HOSTILE.replace("\n", "")), made("T-gone")]
    ledger.append(out, said)
    assert job.redraw(out) and not job.redraw(out)
    shown = data_of((out / "report.html").read_text())
    assert [one["id"] for one in shown["decisions"]] == [one.id for one in sorted(said, key=lambda one: one.order)]
    assert HOSTILE not in (out / "report.html").read_text()
    drawn = (out / "report.html").read_bytes()
    publish(out)
    assert (out / "report.html").read_bytes() == drawn
    changed = {name for name, content in _files(out).items() if before.get(name) != content}
    assert changed == {"report.html", "manifest.json", ledger.NAME}
    (out / ledger.NAME).unlink()
    publish(out)
    assert _files(out) == before


def _files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_file_of_decisions_that_cannot_be_read_stops_no_run(out: Path) -> None:
    """Hours of work must not end because of what lies beside it; the page says that something is there."""
    (out / ledger.NAME).mkdir()
    publish(out)
    assert "cannot be read" in data_of((out / "report.html").read_text())["broken"][0]
    with pytest.raises(UsageError, match="is not a file"):
        review.listed(out)


def test_what_was_judged_is_the_trip_and_its_evidence(out: Path) -> None:
    """A later reader can tell whether the evidence is still the one that was judged; the hash is the documented one."""
    frames, _ = report_folder.read(out)
    found = digests.of_trips(frames["round_trips"], frames["evidence"])
    assert len(set(found)) == len(frames["round_trips"]) == 12
    fresh = sample.result().tables
    assert digests.of_trips(fresh["round_trips"], fresh["evidence"]) == found
    fresh["evidence"].loc[0, "bits"] += 0.001
    other = digests.of_trips(fresh["round_trips"], fresh["evidence"])
    assert [a == b for a, b in zip(found, other, strict=True)].count(False) == 1


# --- taken over and given --------------------------------------------------------------------------------------------------------


def test_files_of_several_reviewers_merge_and_broken_lines_are_named(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Union by id; a broken line is told with file, line and reason, and costs no other; again adds nothing."""
    anna, boris = made(), made(verdict="reject", by="Boris", note=HOSTILE)
    (tmp_path / "anna.jsonl").write_bytes(b"\xef\xbb\xbf" + anna.as_line().replace(b"\n", b"\r\n") + b"\n")
    (tmp_path / "boris.jsonl").write_bytes(boris.as_line() + b"{torn\n" + anna.as_line())
    words = ["review", str(out), "--import", str(tmp_path / "anna.jsonl"), str(tmp_path / "boris.jsonl")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == "2 added, 0 already there, 1 refused\n"
    assert "boris.jsonl: line 2 is not JSON" in said.err
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) | {"refusals": 0} == {
        "added": 0,
        "already_there": 2,
        "refused": 1,
        "refusals": 0,
    }
    assert main(["review", str(out), "--list"]) == 0
    listed = capsys.readouterr()
    assert "SIMULATED" in listed.out and "T-0000  REVIEWERS DISAGREE" in listed.out and "too few to say" in listed.out
    assert "\u202e" not in listed.out and "\x1b" not in listed.out and "judged on other evidence" in listed.out
    assert main(["review", str(out), "--list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["trips"][0]["verdict"] == "disagree" and told["tally"]["n_disagreed"] == 1
    assert main(["review", str(out), "--export", str(tmp_path / "all.jsonl")]) == 0
    assert set(ledger.read_file(tmp_path / "all.jsonl").decisions) == {anna, boris}
    assert main(["review", str(out), "--export", str(tmp_path / "all.jsonl")]) == 2


def test_a_file_without_a_usable_decision_is_refused_whole(out: Path, tmp_path: Path) -> None:
    """Nothing usable at all is an error, one good file beside it is exit status 3; nothing is half done."""
    (tmp_path / "bad.jsonl").write_text("hello\n")
    (tmp_path / "good.jsonl").write_bytes(made().as_line())
    with pytest.raises(NothingUsable, match=r"bad.jsonl: line 1 is not JSON"):
        review.take_over(out, [tmp_path / "bad.jsonl", tmp_path / "absent.jsonl"], now_utc=NOW)
    assert not (out / ledger.NAME).exists()
    assert (
        main(["review", str(out), "--import", str(tmp_path / "bad.jsonl"), str(tmp_path / "good.jsonl"), "-q"]) == 0 + 3
    )


def test_a_decision_from_the_far_future_is_not_taken_over(out: Path, tmp_path: Path) -> None:
    """It would count as that reviewer's last word for ever."""
    (tmp_path / "a.jsonl").write_bytes(made(after_s=86_000).as_line() + made(after_s=200_000).as_line())
    merged = review.take_over(out, [tmp_path / "a.jsonl"], now_utc=NOW)
    assert len(merged.added) == 1 and "lies in the future" in merged.refused[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--list", "--export", "x"], "--export and --list were both given"),
        (["more"], "one DIR is reviewed at a time"),
        (["--list", "--port", "80"], "--list serves nothing"),
        (["--reviewer", " ", "--no-open"], "a name of 1 to 80 characters"),
    ],
)
def test_words_that_make_no_sense_together_are_one_line(
    out: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was found, what would be right, exit status 2."""
    assert main(["review", str(out), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_not_ours_is_not_served(tmp_path: Path) -> None:
    """Whatever else lies on the disk is nobody's business."""
    (tmp_path / "manifest.json").write_text("{}")
    with (
        pytest.raises(UsageError, match="is not a folder that ghostships wrote"),
        review_server.serving(tmp_path, reviewer="Anna", clock=lambda: NOW),
    ):
        pass


# --- the server ------------------------------------------------------------------------------------------------------------------


class Browser:
    """A browser without manners: every header can be left out or forged."""

    def __init__(self, address: str) -> None:
        self.host, self.path = address.removeprefix("http://").split("/", 1)
        self.cookie = ""

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for key, value in {"Host": self.host, "Content-Length": str(len(body)), **(headers or {})}.items():
                if value:
                    connection.putheader(key, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            self.headers = dict(answer.getheaders())
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def visit(self) -> dict[str, Any]:
        """The page by the address that was printed; what it knows of reviews."""
        status, page = self.ask("GET", f"/{self.path}")
        assert status == 200
        self.cookie = self.headers["set-cookie"].split(";")[0]
        self.known = data_of(page)
        return self.known

    def decide(self, trip: int = 0, verdict: str = "confirm", note: str = "", **forged: str) -> tuple[int, Any]:
        said = {
            "trip_id": self.known["ids"][trip],
            "trip_sha256": self.known["sha256"][trip],
            "verdict": verdict,
            "note": note,
        }
        headers = {
            "Cookie": self.cookie,
            "Origin": f"http://{self.host}",
            "Content-Type": "application/json",
            review_server.KEY_HEADER: self.known["served"]["key"],
        }
        body = forged.pop("body", json.dumps({**said, **{k: v for k, v in forged.items() if k in said}})).encode()
        status, text = self.ask(
            "POST", "/decisions", {**headers, **{k: v for k, v in forged.items() if k not in said}}, body
        )
        return status, json.loads(text) if text.startswith("{") else text


@contextmanager
def served(folder: Path, reviewer: str = "Anna") -> Iterator[Browser]:
    """A server that really listens, in a thread, and a browser that knows its address."""
    with review_server.serving(folder, reviewer=reviewer, clock=lambda: NOW) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Browser(server.address)
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive()


def test_a_decision_is_kept_and_is_there_after_a_restart(out: Path) -> None:
    """Who, when, what, why, and what was shown; a second reviewer with a server of his own sees it and may contradict."""
    with served(out) as browser:
        browser.visit()
        status, answer = browser.decide(0, "confirm", HOSTILE)
        assert status == 201 and answer["decision"]["note"] == HOSTILE
        assert answer["tally"]["n_reviewed"] == 1
    (kept,) = ledger.read(out).decisions
    trips = report_folder.read(out)[0]["round_trips"]
    assert (kept.reviewer, kept.time_utc, kept.trip_id, kept.verdict) == ("Anna", NOW, "T-0000", "confirm")
    assert (kept.p_trip, kept.tier, kept.is_flagged, kept.vessel) == (trips["p_trip"][0], "seen", True, "SIM SEVER")
    assert kept.dark_start_utc == "2031-09-10T10:00:00Z" and kept.is_simulated
    assert kept.round_trips_sha256 == report_folder.sha256(out / "round_trips.parquet")
    with served(out, "Boris") as browser:
        assert [one["id"] for one in browser.visit()["decisions"]] == [kept.id]
        assert browser.decide(0, "reject")[0] == 201
        assert len(browser.visit()["decisions"]) == 2
    (one,) = review.listed(out).standings
    assert one.verdict == "disagree" and review.listed(out).is_on_this_evidence(one, kept)


def test_whoever_lacks_the_keys_or_comes_from_elsewhere_decides_nothing(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another site, another name for 127.0.0.1, another program of the machine: refused, nothing kept, nothing told."""
    evil = "http://evil.example"
    with served(out) as browser:
        for path in ("/", "/?key=", "/?key=wrong", f"/?key={'x' * 43}"):
            assert browser.ask("GET", path)[0] == 403
        assert browser.ask("GET", "/", {"Cookie": "ghostships_review=x"})[0] == 403
        known = browser.visit()
        for host in ("evil.example", "localhost:80", "127.0.0.1", "", "[::1]"):
            status, text = browser.ask("GET", f"/{browser.path}", {"Host": host})
            assert status in (400, 421) and known["served"]["key"] not in text
        for forged in (
            {"Cookie": ""},
            {"Cookie": browser.cookie[:-1]},
            {"Origin": evil},
            {"Origin": ""},
            {"Origin": "null"},
            {review_server.KEY_HEADER: ""},
            {review_server.KEY_HEADER: "wrong"},
            {review_server.KEY_HEADER: browser.path.removeprefix("?key=")},
        ):
            assert browser.decide(**forged)[0] == 403, forged
        assert browser.decide(Host="evil.example:80")[0] == 421
        assert browser.decide(**{"Content-Type": "text/plain"})[0] == 415
        assert browser.decide(**{"Content-Type": "application/x-www-form-urlencoded"})[0] == 415
        assert browser.decide(verdict="maybe")[0] == 400
        assert browser.decide(note="x" * 2001)[0] == 400
        assert browser.decide(trip_sha256="f" * 64)[0] == 409
        assert browser.decide(trip_id="T-\u202enone")[0] == 409
        for body in ("", "{", "[]", '{"trip_id":1}', "[" * 50_000, "\x00"):
            assert browser.decide(body=body)[0] == 400, body[:20]
        assert browser.decide(body="x" * 100_000)[0] == 413
        for method, path in (
            ("GET", "/manifest.json"),
            ("GET", "/../out/manifest.json"),
            ("GET", "/decisions/"),
            ("GET", "//"),
        ):
            assert browser.ask(method, path, {"Cookie": browser.cookie})[0] == 404
        for method, path in (("PUT", "/decisions"), ("GET", "/decisions"), ("POST", "/"), ("OPTIONS", "/decisions")):
            assert browser.ask(method, path, {"Cookie": browser.cookie, "Origin": evil})[0] == 405
            assert "access-control-allow-origin" not in browser.headers
    assert not (out / ledger.NAME).exists()
    assert "evil" not in caplog.text and "\u202e" not in caplog.text


def test_every_answer_forbids_framing_caching_and_guessing(out: Path) -> None:
    """The page in somebody's frame could be clicked without being seen; the served page may ask its own server, a file nobody."""
    with served(out) as browser:
        for path in (f"/{browser.path}", "/", "/nothing"):
            browser.ask("GET", path)
            assert (
                browser.headers["cache-control"] == "no-store"
                and browser.headers["x-content-type-options"] == "nosniff"
            )
            assert "frame-ancestors 'none'" in browser.headers["content-security-policy"]
            assert browser.headers["referrer-policy"] == "no-referrer" and "server" not in browser.headers
        _, page = browser.ask("GET", f"/{browser.path}")
        for word in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert word in browser.headers["set-cookie"]
    assert "connect-src &#39;self&#39;" in page and "default-src &#39;none&#39;" in page
    assert "connect-src" not in (out / "report.html").read_text().split("<style>")[0]


def test_a_night_that_replaces_the_folder_is_noticed(out: Path) -> None:
    """The page shows a trip whose evidence is another now: refused, with the reason; after a reload it can be judged."""
    with served(out) as browser:
        browser.visit()
        other = sample.result()
        other.tables["evidence"].loc[0, "because"] = "another sentence"
        publish(out, other, with_report=False)
        status, answer = browser.decide(0)
        assert status == 409 and "reload the page" in answer["error"]
        assert browser.decide(1)[0] == 201
        browser.visit()
        assert browser.decide(0)[0] == 201
    assert {one.trip_id for one in ledger.read(out).decisions} == {"T-0000", "T-0001"}


def test_a_port_that_is_taken_is_one_line(out: Path) -> None:
    """Two people, one number."""
    with served(out) as browser:
        port = int(browser.host.split(":")[1])
        with (
            pytest.raises(GhostshipsError, match=f"--port {port}: cannot listen"),
            review_server.serving(out, reviewer="Anna", clock=lambda: NOW, port=port),
        ):
            pass


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_prints_the_address_and_ends_on_a_signal(out: Path, number: int, status: int) -> None:
    """stdout has the address and nothing else; Ctrl-C ends it as it ends every command; hostile names are written out."""
    words = [sys.executable, "-m", "ghostships", "review", str(out), "--no-open", "--reviewer", "A\u202eb"]
    # A shell that starts the tests in its background hands down a Ctrl-C that is ignored; here it must be heard.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        browser = Browser(address)
        browser.visit()
        assert browser.decide()[0] == 201
        process.send_signal(number)
        rest, said = process.communicate(timeout=30)
    assert process.returncode == status and rest == ""
    assert "\u202e" not in said and "⟨U+202E⟩" in said and "Traceback" not in said and browser.path not in said
    assert [one.reviewer for one in ledger.read(out).decisions] == ["A\u202eb"]


@pytest.mark.slow
def test_decisions_go_on_through_the_nights_under_the_new_id(tmp_path: Path) -> None:
    """Night 1 flags a silence and it is confirmed; a late file gives it another id; night 2 shows the decision on that one."""
    import small_world

    from ghostships import nightly

    world = small_world.write(tmp_path / "world")
    (tmp_path / "inbox").mkdir()
    for role in ("sightings", "scenes", "vessels"):
        (tmp_path / role).mkdir()
        shutil.move(world / f"{role}.csv", tmp_path / role)
    shutil.move(world / "route.toml", tmp_path)
    (tmp_path / "ghostships.toml").write_text(
        'route = "route.toml"\n[paths]\ninbox = "inbox"\nstore = "store"\nout = "out"\nsightings = "sightings"\n'
        'scenes = "scenes"\nvessels = "vessels"\n[policy]\nsettle_s = 0\nlookback_days = 30\n'
    )
    days = [(small_world.START + timedelta(days=n)).date().isoformat() for n in range(small_world.DAYS)]
    end = small_world.START + timedelta(days=small_world.DAYS)

    def night(*numbers: int) -> nightly.Night:
        for n in numbers:
            rows = [row for row in small_world.rows() if row.split(",")[1].startswith(days[n])]
            (tmp_path / "inbox" / f"ais_{days[n]}.csv").write_text("\n".join([small_world.HEADER, *rows]) + "\n")
        return nightly.run(tmp_path / "ghostships.toml", now_utc=end + timedelta(hours=2), as_of_utc=end)

    out = tmp_path / "out"
    night(0, 1, 3, 4, 5, 6)
    with served(out) as browser:
        known = browser.visit()
        (old,) = known["ids"]
        assert browser.decide()[0] == 201
        night(2)
        assert browser.decide()[0] == 409
    (kept,) = ledger.read(out).decisions
    shown = data_of((out / "report.html").read_text())
    (new,) = shown["ids"]
    assert new != old and kept.trip_id == old and [old, new] in shown["renamed"]
    (one,) = review.listed(out).standings
    assert one.trip_id == new and one.is_here and one.latest == (kept,)
    assert not review.listed(out).is_on_this_evidence(one, kept)
    assert not job.redraw(out)
