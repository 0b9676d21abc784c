"""The summary as a Word document of the same bytes each time: fixed times, fixed author, numbers that lead to their sources.

python-docx stamps every part of the file with the present moment; the parts are packed again with a fixed one.
"""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any

import docx
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from ghostships.dossier.document import (
    SIMULATED,
    Bullets,
    Commands,
    Document,
    Heading,
    Paragraph,
    Picture,
    Source,
    Sources,
    Table,
    Words,
)

OLDEST = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip can hold: a time that means nothing."""

_TEXT, _TABLE, _CODE = Pt(10), Pt(8), Pt(8)
_WIDTH_MM, _WIDEST_LETTERS = 174.0, 60
_BLUE, _RED = RGBColor(0x0B, 0x53, 0x94), RGBColor(0x7A, 0x1F, 0x00)


def render(document: Document, *, made: datetime) -> bytes:
    """The document as a .docx file; `made` is the as-of of the run and stands in its properties."""
    file = docx.Document()
    _properties(file, document, made)
    _sheet(file, document)
    file.add_heading(document.title, level=0)
    file.add_paragraph(f"{document.subtitle}; as of {document.as_of}")
    for block in document.blocks:
        match block:
            case Heading(title):
                file.add_heading(title, level=1)
            case Paragraph(words, kind):
                _say(file.add_paragraph(), words, bold=kind != "plain")
            case Bullets(items):
                for item in items:
                    _say(file.add_paragraph(style="List Bullet"), item)
            case Commands(lines):
                for line in lines:
                    _code(file, line)
            case Picture(_, png, shows):
                file.add_picture(io.BytesIO(png), width=Mm(170))
                file.add_paragraph(shows)
            case Table():
                _table(file, block)
            case Sources(entries):
                for entry in entries:
                    _source(file, entry)
    packed = io.BytesIO()
    file.save(packed)
    return _with_fixed_times(packed.getvalue())


def _properties(file: Any, document: Document, made: datetime) -> None:
    core = file.core_properties
    # Word takes at most 255 letters in a property.
    core.title, core.subject = document.title[:255], (SIMULATED if document.is_simulated else "")
    core.author = core.last_modified_by = "ghostships"
    core.comments, core.revision, core.language = "", 1, "en-GB"
    core.created = core.modified = made.replace(tzinfo=None)


def _sheet(file: Any, document: Document) -> None:
    """A4, a footer with title and page number, and on every sheet the mark of simulated data."""
    section = file.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(18)
    section.top_margin = section.bottom_margin = Mm(18)
    file.styles["Normal"].font.size = _TEXT
    footer = section.footer.paragraphs[0]
    footer.add_run(f"{document.title}, as of {document.as_of}; page ").font.size = _TABLE
    _field(footer, "PAGE")
    if document.is_simulated:
        header = section.header.paragraphs[0]
        header.alignment = WD_ALIGN_PARAGRAPH.CENTER
        run = header.add_run(SIMULATED)
        run.bold, run.font.color.rgb = True, _RED


def _field(paragraph: Any, name: str) -> None:
    """A field that the word processor fills in."""
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), name)
    run = OxmlElement("w:r")
    text = OxmlElement("w:t")
    text.text = "1"
    run.append(text)
    field.append(run)
    paragraph._p.append(field)


def _say(paragraph: Any, pieces: Words, *, bold: bool = False, size: Pt | None = None) -> None:
    for piece in pieces:
        if isinstance(piece, str):
            run = paragraph.add_run(piece)
            run.bold = bold or None
            if size is not None:
                run.font.size = size
        else:
            _link(paragraph, piece.number, size)


def _link(paragraph: Any, number: int, size: Pt | None) -> None:
    """`[n]`, which leads to the bookmark of source n."""
    link = OxmlElement("w:hyperlink")
    link.set(qn("w:anchor"), f"source_{number}")
    run = paragraph.add_run(f"[{number}]")
    run.font.color.rgb = _BLUE
    if size is not None:
        run.font.size = size
    link.append(run._r)
    paragraph._p.append(link)


def _code(file: Any, line: str) -> None:
    paragraph = file.add_paragraph()
    run = paragraph.add_run(line)
    run.font.name, run.font.size = "Courier New", _CODE


def _table(file: Any, table: Table) -> None:
    caption = file.add_paragraph()
    caption.add_run(table.caption).bold = True
    caption.paragraph_format.keep_with_next = True
    grid = file.add_table(rows=1 + len(table.rows), cols=len(table.head), style="Table Grid")
    grid.alignment = WD_TABLE_ALIGNMENT.LEFT
    grid.autofit = False
    widths = _widths(table)
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = width
    head, *body = list(grid.rows)
    # The head is told again on every sheet that the table runs over.
    head._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    for cell, text, width in zip(head.cells, table.head, widths, strict=True):
        _say(cell.paragraphs[0], (text,), bold=True, size=_TABLE)
        cell.width = width
    for nth, (row, cells) in enumerate(zip(body, table.rows, strict=True)):
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
        is_total = table.has_total and nth == len(body) - 1
        for place, (cell, pieces) in enumerate(zip(row.cells, cells, strict=True)):
            cell.width = widths[place]
            _say(cell.paragraphs[0], pieces, bold=is_total, size=_TABLE)
            if place in table.numeric:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    file.add_paragraph()


def _widths(table: Table) -> list[Mm]:
    """Widths of the columns by what stands in them: a word processor that is not asked makes all the same."""
    longest = []
    for place, head in enumerate(table.head):
        letters = [sum(len(p) if isinstance(p, str) else 4 for p in row[place]) for row in table.rows]
        longest.append(min(max([len(head), *letters]), _WIDEST_LETTERS) + 4)
    return [Mm(_WIDTH_MM * letters / sum(longest)) for letters in longest]


def _source(file: Any, source: Source) -> None:
    paragraph = file.add_paragraph()
    start, end = OxmlElement("w:bookmarkStart"), OxmlElement("w:bookmarkEnd")
    for mark in (start, end):
        mark.set(qn("w:id"), str(source.number))
    start.set(qn("w:name"), f"source_{source.number}")
    paragraph._p.append(start)
    paragraph.add_run(f"[{source.number}] ").bold = True
    paragraph._p.append(end)
    paragraph.add_run("; ".join(f"{label}: {value}" for label, value in source.facts)).font.size = Pt(9)
    if source.raw is None:
        file.add_paragraph().add_run(source.instead_of_raw).bold = True
    else:
        _code(file, source.line_shown)


def _with_fixed_times(content: bytes) -> bytes:
    """The same parts in the same order, each with the oldest time there is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w") as after:
        for one in before.infolist():
            info = zipfile.ZipInfo(one.filename, date_time=OLDEST)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            # Else the system that packs it is written into it.
            info.create_system = 3
            after.writestr(info, before.read(one))
    return packed.getvalue()
