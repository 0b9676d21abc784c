"""The summary as Markdown (CommonMark with tables): every sign that could become markup, a link or a heading is escaped."""

from __future__ import annotations

import re

from ghostships.dossier.document import (
    SIMULATED,
    Block,
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

_SIGNS = re.compile(r"([\\`*_{}\[\]<>|~&$#!@^])")
_STARTS_BLOCK = re.compile(r"^(\d*)([-+=:.)])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
"""What renderers make links of without being asked."""


def render(document: Document) -> str:
    """The document as text, ending with one line feed."""
    parts = [f"# {escape(document.title)}", f"{escape(document.subtitle)}; as of {escape(document.as_of)}"]
    if document.is_simulated:
        parts.insert(0, f"**{escape(SIMULATED)}**")
        parts.append(f"**{escape(SIMULATED)}**")
    parts += [_block(block) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that stays text: shown as it is, never markup, a link or an entity."""
    out = _SIGNS.sub(r"\\\1", text)
    return _ADDRESS.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", out)


def _cell(pieces: Words) -> str:
    """Words inside a line, where nothing can begin a block."""
    return escape("".join(piece if isinstance(piece, str) else f"[{piece.number}]" for piece in pieces).strip())


def _said(pieces: Words) -> str:
    """Words that begin a line: a dash or a number with a full stop there would begin a list."""
    return _STARTS_BLOCK.sub(r"\1\\\2", _cell(pieces))


def _block(block: Block) -> str:
    match block:
        case Heading(title):
            return f"## {escape(title)}"
        case Paragraph(words, kind):
            said = _said(words)
            return said if kind == "plain" else f"**{said}**"
        case Bullets(items):
            return "\n".join(f"- {_said(item)}" for item in items)
        case Commands(lines):
            return _fenced("\n".join(lines))
        case Picture(member, _, shows):
            return f"![{escape(shows)}]({member})"
        case Table():
            return _table(block)
        case Sources(entries):
            return "\n\n".join(_source(entry) for entry in entries)


def _table(table: Table) -> str:
    rules = ["--:" if nth in table.numeric else "---" for nth in range(len(table.head))]
    lines = [f"**{escape(table.caption)}**", "", _row([escape(cell) for cell in table.head]), _row(rules)]
    for nth, row in enumerate(table.rows):
        cells = [_cell(cell) for cell in row]
        is_total = table.has_total and nth == len(table.rows) - 1
        lines.append(_row([f"**{cell}**" if is_total else cell for cell in cells]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _source(source: Source) -> str:
    lines = [f"**\\[{source.number}\\]**", ""]
    lines += [f"- {escape(label)}: {_cell((value,))}" for label, value in source.facts]
    raw = f"**{escape(source.instead_of_raw)}**" if source.raw is None else _fenced(source.line_shown)
    return "\n".join([*lines, "", raw])


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
