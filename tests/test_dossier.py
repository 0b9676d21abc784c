"""The dossier: what a third party holds in hand must be complete, the same in every format, checkable, and harmless to open."""

from __future__ import annotations

import csv
import hashlib
import html.parser
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt
from PIL import Image
from rocrate.rocrate import ROCrate

from ghostships import explain, routes, tables
from ghostships.cli import main
from ghostships.dossier import as_html, as_markdown, bundle, document, rows
from ghostships.errors import GhostshipsError, UsageError
from ghostships.report import folder as report_folder

sys.path.append(str(Path(__file__).parent / "report"))
import sample

SIMULATED = "SIMULATED DATA: no ship in it exists"
MARK = "window.__ran=1"
# The output-injection cases of the list of bad inputs, as far as a document can meet them.
PAYLOADS = (
    "=HYPERLINK(\"http://evil.example/\")",
    "\t@SUM(A1)+-\r",
    f"</script><script>{MARK}</script>\" onmouseover=\"{MARK}\"><img src=x onerror=\"{MARK}\">",
    f"<iframe srcdoc='<script>parent.{MARK}</script>'></iframe><style>*{{display:none}}</style><!--",
    f"javascript:{MARK} [x](javascript:{MARK}) ![x](http://evil.example/a.png) <http://evil.example>",
    "\u202e\u2066\u200b\x00\x1b[31m\x1b]8;;http://evil.example\x07\u2028\u2029\ufffe[link=x]",
    "../../etc/CON\x00a/b",
    "{{7*7}}{0.__class__}%n${7*7}",
    "]]><kml>&lol;<!DOCTYPE x>",
    "`|`a | b\n\n# heading\n- * 1. ~~x~~ **y** www.evil.example",
    "x;=cmd|'/c calc'!A0;\uff1d1+1",
)  # fmt: skip
OURS = {"gap_id", "trip_id", "call_id", "match_id", "segment_id", "subject_id", "finding_id", "gap_ids", "call_ids"}
KEPT = OURS | {
    "port",
    "dark_port",
    "origin_port",
    "destination_port",
    "start_port",
    "end_port",
    "wkt",
    "since",
    "source_row",
}
KEPT |= {"start_source", "end_source", "sources", "continues_call_id"}
HOSTILE_NAME = "=a`|<b>$(x) [l](u).csv"
MEMBER = re.compile(r"(dossier\.(html|md|docx)|[a-z]+/[a-z_]+\.(csv|parquet|json|txt|toml)|explanation\.json|SHA256SUMS"
                    r"|ro-crate-metadata\.json|figures/T-[0-9a-f]+\.(png|svg))")  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder `out` whose every text from outside is hostile, and the two original files that it names."""
    folder = tmp_path_factory.mktemp("dossier") / "private-folder"
    folder.mkdir()
    return _write(folder, _hostile)


@pytest.fixture(scope="module")
def packed(world: Path) -> Path:
    """The dossier of its most probable trip, unpacked."""
    return _dossier(world, "T-0000", world / "trip.zip")


@pytest.fixture
def copy(world: Path, tmp_path: Path) -> Path:
    """The same world, to break. Its manifest still names the files of the first one, so the files are renamed in it."""
    folder = tmp_path / "copy"
    shutil.copytree(world, folder)
    path = folder / "out" / report_folder.MANIFEST
    manifest = json.loads(path.read_bytes())
    for one in manifest["inputs"]:
        one["path"] = str(folder / Path(one["path"]).name)
    path.write_text(json.dumps(manifest))
    return folder


def _hostile(place: int, row: int, value: str) -> str:
    # By the letters of the value, so that the same id is the same everywhere.
    return (
        f"{PAYLOADS[sum(map(ord, value)) % len(PAYLOADS)] if value else PAYLOADS[(place + row) % len(PAYLOADS)]}{value}"
    )


def _write(
    folder: Path, text: Callable[[int, int, str], str] | None, *, is_simulated: bool = True, figure: bool = False
) -> Path:
    """The small made-up result of the report's tests, with original files that have the lines it names."""
    made = sample.result(is_simulated=is_simulated)
    _add_up(made.tables)
    lines = {}
    for role, name, n in (("ais", HOSTILE_NAME, 1000), ("sightings", "sight.csv", 400)):
        raw = "".join(f'{row},"{PAYLOADS[0][1:11]}<b>`{row}`|\\u202e"\n' for row in range(2, n + 1))
        (folder / name).write_text(f"row,what\n{raw}", encoding="utf-8")
        lines[role] = {
            "role": role, "path": str(folder / name), "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "bytes": (folder / name).stat().st_size, "dialect": "plain", "encoding": "utf-8", "rows_read": n, "accepted": n - 3,
            "duplicate": 1, "rejected": {"x": 2}, "notes": [], "refused": None,
        }  # fmt: skip
    prefixes = {sample.FILE: lines["ais"]["sha256"][:12], sample.SIGHTINGS_FILE: lines["sightings"]["sha256"][:12]}
    for name, frame in made.tables.items():
        for place, column in enumerate(tables.ALL[name].columns):
            values = frame[column.name]
            if column.dtype not in ("str", "list[str]") or column.values:  # noqa: PD011
                continue
            change = _changer(column.name, place, prefixes, text)
            if column.dtype == "str":
                changed = [None if pd.isna(v) and not text else change(row, v) for row, v in enumerate(values)]
                frame[column.name] = pd.Series(changed, dtype="str")
            else:
                frame[column.name] = pd.Series([[change(0, v) for v in many] for many in values], dtype=object)
    route = routes.load()
    manifest = made.manifest | {
        "inputs": list(lines.values()),
        "route": {"name": route.name, "title": route.title, "given": route.name, "sha256": route.sha256,
                  "settings": route.model_dump(mode="json", exclude={"sha256"})},
        "as_of_utc": "2031-09-25T12:00:00Z",
        "libraries": {"numpy": np.__version__},
        "placebo": [{"what": PAYLOADS[2], "n_runs": 3, "flags_median": 1.0, "flags_max": 2, "flags_here": 1, "because": "x"}],
        "warnings": [PAYLOADS[9]] if text else [],
    }  # fmt: skip
    more = _draw if figure else None
    report_folder.publish(made, manifest, folder / "out", route=route, with_report=False, with_layers=False, more=more)
    return folder


def _changer(
    name: str, place: int, prefixes: dict[str, str], text: Callable[[int, int, str], str] | None
) -> Callable[[int, Any], Any]:
    def change(row: int, value: Any) -> Any:
        value = None if pd.isna(value) else str(value)
        if name in KEPT or (name == "source" and value and value.partition(":")[0] in prefixes):
            prefix = (value or "").partition(":")[0]
            return value and value.replace(prefix, prefixes.get(prefix, prefix), 1)
        return text(place, row, value or "") if text and (value or name not in ("vessel_key",)) else value

    return change


def _add_up(found: dict[str, pd.DataFrame]) -> None:
    """Give every silence and match of the sample the evidence that its probability needs."""
    rows: list[dict[str, Any]] = []
    matches = found["matches"]
    for frame, key, p in (
        (found["gaps"], "gap_id", "p_off"),
        (matches[matches["hypothesis"] != "none"], "match_id", "p_match"),
    ):
        for place, row in frame.iterrows():
            if pd.notna(row[p]):
                bits = round(float(np.log2(row[p] / (1 - row[p]))), 3)
                rows.append(
                    {"subject_id": row[key], "rank": 0, "factor": "all", "bits": bits, "because": "made for the test"}
                )
                (found["gaps"] if key == "gap_id" else matches).at[place, p] = sample.p_of([bits])
    for place, row in matches[matches["hypothesis"] == "none"].iterrows():
        others = matches[(matches["sighting_id"] == row["sighting_id"]) & (matches["hypothesis"] != "none")]
        matches.at[place, "p_match"] = round(1 - others["p_match"].sum(), 6)
    found["evidence"] = pd.concat([found["evidence"], sample.frame(tables.EVIDENCE, rows)], ignore_index=True)


def _draw(draft: Path) -> None:
    (draft / "figures").mkdir()
    Image.new("RGB", (40, 20), "#0b5394").save(draft / "figures" / "T-0000.png")
    (draft / "figures" / "T-0000.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")


def _dossier(world: Path, subject: str, target: Path, **options: Any) -> Path:
    """Write a dossier and unpack it beside the zip."""
    bundle.write(world / "out", explain.explain(world / "out", subject), target, **options)
    folder = target.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(target) as found:
        found.extractall(folder)
    return folder


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _holds(folder: Path) -> None:
    """The hash list by the program that everyone has, the description by the library of those who wrote the standard."""
    said = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert len(said.stdout.splitlines()) == len(_files(folder)) - 1
    crate = ROCrate(str(folder))
    described = {entity.id: entity for entity in crate.data_entities}
    assert set(described) == _files(folder) - {"ro-crate-metadata.json"}
    for name, entity in described.items():
        content = (folder / name).read_bytes()
        assert int(entity["contentSize"]) == len(content), name
        if name != "SHA256SUMS":
            assert entity["sha256"] == hashlib.sha256(content).hexdigest(), name
    assert crate.metadata.version == "1.1"
    made = {one.id: one for one in crate.contextual_entities}
    results = {entity.id for entity in made["#dossier"]["result"]}
    assert results | {"run/manifest.json"} == set(described)
    assert made["#run"]["instrument"]["version"] == "0.1.0"


class _Page(html.parser.HTMLParser):
    """What a browser would see: tags, attributes, and the text of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.said: list[str] = []
        self.text = ""
        self._is_said = False
        self._is_cell = self._is_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._is_cell = ("class", "bar") not in attrs
            if self._is_cell:
                self.rows[-1].append("")
        if tag in ("p", "li", "h2"):
            self.said.append("")
            self._is_said = True
        self._is_style |= tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._is_cell &= tag not in ("td", "th")
        self._is_said &= tag not in ("p", "li", "h2")
        self._is_style &= tag != "style"

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.rows[-1][-1] += data
        if self._is_said:
            self.said[-1] += data
        if not self._is_style:
            self.text += data


def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _markdown_rows(text: str) -> list[list[str]]:
    found: list[list[str]] = []
    for token in _markdown().parse(text):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and found and token.level >= 4:
            found[-1].append("".join(part.content for part in token.children or []))
    return found


def _docx_rows(path: Path) -> list[list[str]]:
    """Cell texts, links included, which python-docx's own `text` knows as well."""
    return [[cell.text for cell in row.cells] for table in docx.Document(str(path)).tables for row in table.rows]


def test_every_file_is_listed_described_and_what_it_is_said_to_be(packed: Path) -> None:
    """For the third party and for an archive: nothing in the zip is unexplained, and `sha256sum -c` accepts it."""
    _holds(packed)
    assert all(MEMBER.fullmatch(name) for name in _files(packed)), _files(packed)
    assert {"dossier.html", "dossier.md", "dossier.docx", "run/manifest.json", "route/route.toml"} <= _files(packed)
    assert hashlib.sha256((packed / "route/route.toml").read_bytes()).hexdigest() == routes.load().sha256


def test_the_three_formats_say_the_same(packed: Path) -> None:
    """An opposing lawyer compares them: every table, row by row and cell by cell, read back by three other people's parsers."""
    read = _Page((packed / "dossier.html").read_text(encoding="utf-8"))
    marked = (packed / "dossier.md").read_text(encoding="utf-8")
    page, plain, word = read.rows, _markdown_rows(marked), _docx_rows(packed / "dossier.docx")
    assert len(page) > 60
    # Markdown has no spaces at the ends of a cell.
    assert [[cell.strip() for cell in row] for row in page] == plain
    assert [[cell.strip() for cell in row] for row in word] == plain
    # Every heading, paragraph and list item of the page, in its order; the others have captions between them.
    said = [one.strip() for one in read.said[: read.said.index("Sources") + 2]]
    assert len(said) > 40
    inline = [token.children or [] for token in _markdown().parse(marked) if token.type == "inline"]
    for other in (
        ["".join(child.content for child in children).strip() for children in inline],
        [SIMULATED, *(paragraph.text.strip() for paragraph in docx.Document(str(packed / "dossier.docx")).paragraphs)],
    ):
        left = iter(other)
        assert [one for one in said if one not in left] == []


def test_the_same_folder_gives_the_same_bytes(
    world: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes it again must get the same hash, in another folder, time zone and year."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Vladivostok")
    bundle.write(world / "out", explain.explain(world / "out", "T-0000"), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (world / "trip.zip").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.zip"]
    for name in (tmp_path / "again.zip", packed / "dossier.docx"):
        with zipfile.ZipFile(name) as found:
            assert {one.date_time for one in found.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    core = docx.Document(str(packed / "dossier.docx")).core_properties
    assert core.created == core.modified == datetime(2031, 9, 25, 12, tzinfo=UTC).replace(tzinfo=core.created.tzinfo)


def test_every_number_leads_to_a_line_that_stands_in_the_file(world: Path, packed: Path) -> None:
    """The heart of it: citation -> file, SHA-256, row -> the very bytes, in the page as in the file of lines."""
    text = (packed / "dossier.md").read_text(encoding="utf-8")
    head, _, sources = text.partition("\n## Sources\n")
    cited = {int(n) for n in re.findall(r"\\\[(\d+)\\\]", head)}
    found = re.findall(
        r"\*\*\\\[(\d+)\\\]\*\*\n\n- file: (.*)\n- SHA-256: (\w+)\n- row: (\d+),(?:.*\n)+?\n(`{3,})\n(.*)\n\5", sources
    )
    assert {int(number) for number, *_ in found} == cited == set(range(1, len(found) + 1))
    by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in world.glob("*.csv")}
    assert len(by_hash) == 2
    kept = {(one["sha256"], one["row"]): one["raw"] for one in json.loads((packed / "lines/lines.json").read_bytes())}
    for _, name, digest, row, _, raw in found:
        original = by_hash[digest].read_text(encoding="utf-8").splitlines()[int(row) - 1]
        unescaped = re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), raw)
        assert unescaped == original
        assert kept[digest, int(row)] == raw
        assert re.sub(r"\\(.)", r"\1", name) == by_hash[digest].name
    page = _Page((packed / "dossier.html").read_text(encoding="utf-8"))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links == {f"#source-{n}" for n in cited}
    assert links <= {f"#{attributes.get('id')}" for _, attributes in page.tags}


def test_what_is_claimed_adds_up_by_the_command_that_the_dossier_names(packed: Path) -> None:
    """A reader types what is printed; the answer must be the sum and the probability of the card."""
    text = (packed / "dossier.md").read_text(encoding="utf-8")
    command = re.search(r"```\n(python3 -c .*)\n```", text)
    assert command is not None
    said = subprocess.run(
        ["bash", "-c", command[1].replace("python3", sys.executable)], cwd=packed, capture_output=True, text=True
    )
    told = json.loads((packed / "explanation.json").read_bytes())["sums"][0]
    assert said.stdout == f"{told['bits']:+.3f} {told['p_shown']:.6f}\n", said.stderr
    assert told["p_shown"] == pytest.approx(0.976645, abs=1e-6)
    assert "0.976645: equal" in re.sub(r"\\(.)", r"\1", text)


def test_hostile_text_stays_text_in_the_page(packed: Path) -> None:
    """No tag, attribute, link or address of theirs; no script at all; a policy that names one style and nothing else."""
    text = (packed / "dossier.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "img", "link", "object", "form", "kml", "b"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "srcdoc")], (
            tag,
            attributes,
        )
        assert attributes.get("href", "#").startswith("#")  # type: ignore[union-attr]
    (policy,) = [a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    for raw in (
        "\u202e",
        "\x1b",
        "\x00",
        "\u200b",
        "\ufffe",
        str(Path(__file__).anchor) + "private-folder",
        "/private-folder",
    ):
        assert raw not in text
    assert "⟨U+202E⟩" in text
    assert "{{7*7}}" in page.text
    assert MARK in page.text


def test_hostile_text_stays_text_in_markdown(packed: Path) -> None:
    """By a parser that allows everything: no html, link, picture, heading or code comes from a name."""
    text = (packed / "dossier.md").read_text(encoding="utf-8")
    tokens = _markdown().parse(text)
    inner = [child for token in tokens for child in token.children or []]
    assert not {token.type for token in [*tokens, *inner]} & {
        "html_block", "html_inline", "link_open", "image", "code_inline", "s_open", "em_open", "code_block", "ordered_list_open",
        "blockquote_open", "hr",
    }  # fmt: skip
    headings = [tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[0].startswith("Dossier: round trip")
    assert "heading" not in headings
    # Renderers that make links of bare addresses find none.
    shown = "\n".join(token.content for token in tokens if token.type == "inline")
    assert "http\\://evil" in shown
    assert not re.search(r"(?i)https?://|www\.", shown)


def test_hostile_text_stays_text_in_the_word_document(packed: Path) -> None:
    """It opens, leads nowhere outside, and holds nothing that XML forbids."""
    with zipfile.ZipFile(packed / "dossier.docx") as found:
        parts = {
            name: found.read(name).decode("utf-8", "replace")
            for name in found.namelist()
            if name.endswith((".xml", ".rels"))
        }
    assert not [name for name, text in parts.items() if 'TargetMode="External"' in text]
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\ufffe]", parts["word/document.xml"])
    file = docx.Document(str(packed / "dossier.docx"))
    anchors = set(re.findall(r'w:anchor="(source_\d+)"', parts["word/document.xml"]))
    assert anchors
    assert anchors == set(re.findall(r'w:name="(source_\d+)"', parts["word/document.xml"]))
    assert "SIMULATED" in file.sections[0].header.paragraphs[0].text


def test_the_tables_are_safe_to_open_and_exact_to_compute_with(world: Path, packed: Path) -> None:
    """CSV: no cell is a formula, whatever separates them. Parquet: the very rows of the folder, hostile names and all."""
    found = sorted((packed / "tables").glob("*.csv"))
    assert len(found) >= 8
    for path in found:
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))):
            for cell in row:
                is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
                assert is_number or not re.match("[\\s'\"]*[=+\\-@\uff1d]", cell) or cell.startswith("'"), (
                    path.name,
                    cell,
                )
                assert not re.search("[\x00-\x08\x1b\u202e]", cell)
                assert not re.search(";\\s*[=+@-]", cell)
        whole = pq.read_table(world / "out" / f"{path.stem}.parquet").to_pylist()
        own = pq.read_table(path.with_suffix(".parquet")).to_pylist()
        assert own
        assert all(row in whole for row in own)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("SIM HARE", "SIM HARE"),
        ("=1+1", "'=1+1"),
        (" +1", "' +1"),
        ("\"-1", "'\"-1"),
        ("\uff20x", "'\uff20x"),
        ("'quoted", "''quoted"),
        ("a;=1+1", "a;'=1+1"),
        ("a\r\n=1", "a⟨U+000D⟩⟨U+000A⟩=1"),
    ],
)  # fmt: skip
def test_a_cell_that_could_be_a_formula_gets_an_apostrophe(text: str, safe: str) -> None:
    """For whoever opens a CSV by a double click; one apostrophe taken away gives back what begins a cell."""
    assert rows.safe(text) == safe


@pytest.mark.parametrize(
    "text", [*PAYLOADS, "1. x", "12) x", "- x", "+ x", "====", "---", "# x", "> x", "\\", "a\\|b", "a@b.example"]
)
def test_markdown_gives_back_the_text_it_was_given(text: str) -> None:
    """As a paragraph and in a cell, read by another's parser: one paragraph, the same letters."""
    shown = document.words(text)
    (paragraph,) = [
        token for token in _markdown().parse(as_markdown._block(document.Paragraph(shown))) if token.type == "inline"
    ]
    assert "".join(child.content for child in paragraph.children or []) == str(shown[0]).strip()
    table = document.Table("c", ("a", "b"), ((shown, ("x",)),))
    assert _markdown_rows(as_markdown._block(table)) == [["a", "b"], [str(shown[0]).strip(), "x"]]


def test_a_dossier_without_the_originals_says_so_in_every_format(copy: Path) -> None:
    """The analyst may be left with the folder alone: it still can be told, but nobody may take the lines for verified."""
    for path in copy.glob("*.csv"):
        path.unlink()
    with pytest.raises(GhostshipsError, match="not found from the current folder.*--no-originals") as refused:
        _dossier(copy, "T-0000", copy / "x.zip")
    assert "\n" not in str(refused.value)
    assert not list(copy.glob("*.zip")) or [p.name for p in copy.glob("*.zip")] == ["trip.zip"]
    folder = _dossier(copy, "T-0000", copy / "x.zip", with_originals=False)
    _holds(folder)
    assert not (folder / "lines").exists()
    word = "\n".join(paragraph.text for paragraph in docx.Document(str(folder / "dossier.docx")).paragraphs)
    for said in (
        _Page((folder / "dossier.html").read_text("utf-8")).text,
        (folder / "dossier.md").read_text("utf-8"),
        word,
    ):
        assert "THE ORIGINAL LINES ARE NOT ENCLOSED" in said
        assert "The original line is not enclosed" in said


def test_a_night_says_what_was_not_delivered_and_what_was_replaced(copy: Path) -> None:
    """A nightly folder names more: whoever runs it again must leave out what was superseded, and know when the feed was down."""
    path = copy / "out" / report_folder.MANIFEST
    manifest = json.loads(path.read_bytes())
    manifest["unobserved"] = [["2031-09-09T00:00:00Z", "2031-09-10T00:00:00Z"]]
    manifest["inputs"][1] |= {"superseded": 399, "accepted": 0}
    for key in ("refused", "dialect", "rejected"):
        del manifest["inputs"][1][key]
    path.write_text(json.dumps(manifest))
    text = (_dossier(copy, "T-0000", copy / "x.zip") / "dossier.md").read_text(encoding="utf-8")
    assert "The provider delivered nothing for 2031-09-09T00:00:00Z to 2031-09-10T00:00:00Z" in text
    assert (
        "| sight.csv | sightings, superseded: replaced by a later delivery, leave it out | - | 400 = 0 + 1 + 0 + 399 |"
        in text
    )


def test_a_changed_original_is_refused(copy: Path) -> None:
    """One byte more and the line is no evidence any more."""
    with (copy / "sight.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(GhostshipsError, match="the file changed since the run"):
        _dossier(copy, "T-0000", copy / "x.zip")


def test_only_a_dossier_is_replaced(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the keyboard must not cost a file; an older dossier of the same name is what one expects to be replaced."""
    precious = copy / "precious.docx"
    shutil.copy(copy / "trip" / "dossier.docx", precious)
    before = precious.read_bytes()
    words = ["explain", str(copy / "out"), "T-0000", "-q", "--bundle"]
    assert main([*words, str(precious)]) == 2
    assert "is no dossier of ghostships; nothing was touched" in capsys.readouterr().err
    assert precious.read_bytes() == before
    assert main([*words, str(copy)]) == 2
    assert main([*words, str(copy / "nowhere" / "x.zip")]) == 2
    assert main(["explain", str(copy / "out"), "T-0000", "-q", "--no-originals"]) == 2
    old = copy / "old.zip"
    with zipfile.ZipFile(old, "w") as archive:
        for name in ("explanation.json", "raw_lines.json", "manifest.json"):
            archive.writestr(name, "{}")
    for _ in range(2):
        assert main([*words, str(old)]) == 0
        with zipfile.ZipFile(old) as archive:
            assert "dossier.html" in archive.namelist()
    assert not list(copy.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["G-0000", "C-0", "M-O-00-dark", "T-0006", "T-0004"])
def test_whatever_can_be_explained_has_a_dossier(world: Path, tmp_path: Path, subject: str) -> None:
    """Silences, calls, matches, and trips of which the data cannot say how probable they are."""
    folder = _dossier(world, subject, tmp_path / "x.zip")
    _holds(folder)
    text = (folder / "dossier.md").read_text(encoding="utf-8")
    assert re.search(r"consistent with|has the probability", text)
    if subject in ("T-0006", "T-0004"):
        assert "| Probability | cannot say |" in text


def test_a_sighting_has_a_dossier_and_its_id_becomes_no_file_name(world: Path, tmp_path: Path) -> None:
    """Ids of sightings come from outside: path, markup and formula in one."""
    ids = report_folder.read(world / "out")[0]["sightings"]["sighting_id"].tolist()
    folder = _dossier(world, next(one for one in ids if "/" in one), tmp_path / "x.zip")
    _holds(folder)
    assert all(MEMBER.fullmatch(name) for name in _files(folder))


def test_evidence_that_does_not_add_up_makes_no_dossier(world: Path, tmp_path: Path) -> None:
    """Nothing that disagrees with itself leaves the house in a neat cover."""
    told = explain.explain(world / "out", "T-0000")
    wrong = replace(told, sums=(replace(told.sums[0], agrees=False), *told.sums[1:]))
    with pytest.raises(GhostshipsError, match="does not add up"):
        bundle.write(world / "out", wrong, tmp_path / "x.zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_figures_travel_with_it_and_a_changed_one_does_not(tmp_path: Path) -> None:
    """The picture of the folder is in page and document; where there is none that is said; one that was changed is refused."""
    world = _write(tmp_path, None, is_simulated=False, figure=True)
    folder = _dossier(world, "T-0000", tmp_path / "x.zip")
    _holds(folder)
    assert {"figures/T-0000.png", "figures/T-0000.svg"} <= _files(folder)
    assert '<img alt="map, timeline and evidence' in (folder / "dossier.html").read_text(encoding="utf-8")
    assert "](figures/T-0000.png)" in (folder / "dossier.md").read_text(encoding="utf-8")
    assert len(docx.Document(str(folder / "dossier.docx")).inline_shapes) == 1
    assert "SIMULATED" not in (folder / "dossier.md").read_text(encoding="utf-8").replace("SIM ", "")
    other = _dossier(world, "T-0001", tmp_path / "y.zip")
    assert (
        "has no figure of this trip" in (other / "dossier.md").read_text(encoding="utf-8")
        or not (other / "figures").exists()
    )
    (world / "out" / "figures" / "T-0000.png").write_bytes(b"another")
    with pytest.raises(UsageError, match="was changed"):
        _dossier(world, "T-0000", tmp_path / "x.zip")


def test_a_document_without_simulated_data_is_not_marked() -> None:
    """The mark means something only if real data never carries it; simulated data carries it on every printed sheet."""
    plain = document.Document("t", "s", "now", False, ())
    assert "SIMULATED" not in as_html.render(plain)
    assert "@top-center" in as_html.render(replace(plain, is_simulated=True))


@pytest.mark.browser
def test_the_page_asks_for_nothing_and_runs_nothing(packed: Path) -> None:
    """In a real browser: styled by its own sheet (the policy lets it), no request, no message, no dialog, nothing of theirs ran."""
    from playwright.sync_api import expect, sync_playwright

    offences: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1024, "height": 768})
        page.on("console", lambda message: offences.append(message.text))
        page.on("dialog", lambda dialog: (offences.append(dialog.message), dialog.dismiss()))
        file = packed / "dossier.html"
        page.on("request", lambda r: offences.append(r.url) if r.url != file.as_uri() else None)
        page.goto(file.as_uri())
        expect(page.locator("h1")).to_contain_text("Dossier: round trip")
        expect(page.locator(".simulated")).to_have_css("background-color", "rgb(122, 31, 0)")
        page.locator("a.cite").first.click()
        expect(page.locator("#source-1")).to_be_in_viewport()
        width = page.locator("html").bounding_box()
        body = page.locator("main").bounding_box()
        assert width is not None
        assert body is not None
        assert body["width"] <= width["width"]
        assert page.locator("main script, main iframe, main img").count() == 0
        browser.close()
    assert offences == []
