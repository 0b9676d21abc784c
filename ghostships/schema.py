"""What a table is, and frames that obey one: the mechanics under `tables.py`, which declares them all.

Bulk tables travel as Polars frames, the small ones as pandas frames; both obey the same declaration. `check` splits a table into
the rows that pass and the rows that break a rule, with the rule's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import polars as pl
import pyarrow as pa

Dtype = Literal["str", "int64", "float64", "bool", "time", "list[str]"]

_POLARS: dict[str, pl.DataType] = {
    "str": pl.String(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "bool": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
    "list[str]": pl.List(pl.String()),
}
_ARROW: dict[str, pa.DataType] = {
    "str": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "list[str]": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class Column:
    """One column. `low` and `high` are inclusive; `values` lists all that may appear."""

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A rule over several columns: its name is what the user reads in `rejects`; `holds` is a Polars expression."""

    name: str
    holds: Callable[[], pl.Expr]


@dataclass(frozen=True)
class Table:
    """A declared table. `key` identifies a row and is also its sort order; `place` names the latitude and longitude columns."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    place: tuple[str, str] | None = None
    public: bool = False

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        return {column.name: _POLARS[column.dtype] for column in self.columns}

    @property
    def arrow_schema(self) -> pa.Schema:
        """Arrow schema whose fields carry unit and meaning as metadata."""
        return pa.schema(
            [
                pa.field(c.name, _ARROW[c.dtype], c.nullable, {"unit": c.unit, "meaning": c.meaning})
                for c in self.columns
            ],
            metadata={"ghostships_table": self.name, "ghostships_row": self.row},
        )


def broken_rule(table: Table) -> pl.Expr:
    """Polars expression: the name of the first rule a row breaks, null where it passes.

    Column rules are named `<column>_missing`, `<column>_not_finite`, `<column>_range`, `<column>_value`; then the table's own.
    NaN never passes a range: it is its own rule, because `nan > 90` is false.
    """
    rules: list[tuple[str, pl.Expr]] = []
    for column in table.columns:
        value = pl.col(column.name)
        if not column.nullable:
            rules.append((f"{column.name}_missing", value.is_null()))
        if column.dtype == "float64":
            rules.append((f"{column.name}_not_finite", ~value.is_finite().fill_null(True)))
        if column.low is not None:
            rules.append((f"{column.name}_range", (value < column.low).fill_null(False)))
        if column.high is not None:
            rules.append((f"{column.name}_range", (value > column.high).fill_null(False)))
        if column.values:  # noqa: PD011
            rules.append((f"{column.name}_value", ~value.is_in(list(column.values)).fill_null(True)))
    rules.extend((rule.name, ~rule.holds().fill_null(True)) for rule in table.rules)
    return pl.coalesce([pl.when(broken).then(pl.lit(name)) for name, broken in rules])


def check(frame: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those that pass and those that break a rule.

    Returns
    -------
    passed : the declared columns in declared order
    rejects : all columns of the input, with `rule` added
    """
    marked = frame.with_columns(rule=broken_rule(table))
    passed = marked.filter(pl.col("rule").is_null()).select(table.names)
    return passed, marked.filter(pl.col("rule").is_not_null())


def empty_polars(table: Table) -> pl.DataFrame:
    """The table without rows."""
    return pl.DataFrame(schema=table.polars_schema)


def to_arrow(frame: pd.DataFrame | pl.DataFrame, table: Table) -> pa.Table:
    """Declared columns, order, types and sort order, with the metadata; what is written to disk.

    Raises
    ------
    KeyError
        when a declared column is missing: a step that forgets a column is a bug, not bad input.
    """
    if isinstance(frame, pl.DataFrame):
        arrow = frame.select([pl.col(c.name).cast(_POLARS[c.dtype]) for c in table.columns]).to_arrow()
        arrow = arrow.cast(pa.schema([pa.field(c.name, _ARROW[c.dtype]) for c in table.columns]))
    else:
        arrays = [
            pa.array(_plain(frame[c.name], c.dtype), type=_ARROW[c.dtype], from_pandas=True) for c in table.columns
        ]
        arrow = pa.table(arrays, names=table.names)
    arrow = arrow.sort_by([(key, "ascending") for key in table.key])
    return pa.Table.from_arrays(arrow.columns, schema=table.arrow_schema)


def _plain(values: pd.Series, dtype: Dtype) -> pd.Series | list[object]:
    """Lists as Python lists (pandas keeps them as objects), everything else as it is."""
    if dtype == "list[str]":
        return [list(map(str, v)) if v is not None else [] for v in values]
    if dtype in ("str", "int64"):
        return [None if v is None or v is pd.NA or v != v else v for v in values.astype(object)]
    return values


def to_pandas(frame: pd.DataFrame | pl.DataFrame | pa.Table, table: Table) -> pd.DataFrame:
    """The table as pandas: `str`, `Int64`, `float64`, `boolean`, `datetime64[us, UTC]`, lists as objects; sorted by key."""
    arrow = frame if isinstance(frame, pa.Table) else to_arrow(frame, table)
    out = pd.DataFrame(index=range(arrow.num_rows))
    for column in table.columns:
        values = arrow.column(column.name)
        if column.dtype == "int64":
            out[column.name] = pd.array(values.to_pylist(), dtype="Int64")
        elif column.dtype == "bool":
            out[column.name] = pd.array(values.to_pylist(), dtype="boolean" if column.nullable else "bool")
        elif column.dtype == "list[str]":
            out[column.name] = pd.Series(values.to_pylist(), dtype=object, index=out.index)
        elif column.dtype == "time":
            out[column.name] = pd.Series(values.to_pandas(), index=out.index).astype("datetime64[us, UTC]")
        elif column.dtype == "str":
            out[column.name] = pd.Series(values.to_pylist(), dtype="str", index=out.index)
        else:
            out[column.name] = values.to_pandas().astype("float64").to_numpy()
    return out


def empty_pandas(table: Table) -> pd.DataFrame:
    """The table without rows, with pandas types."""
    return to_pandas(table.arrow_schema.empty_table(), table)


def page(declared: Iterable[Table]) -> str:
    """The tables and their columns as Markdown, public ones first."""
    lines = [
        "# Tables",
        "",
        "Made from `ghostships/tables.py` by `make docs`; do not edit. `?` marks columns that may be null. Times are",
        "`timestamp[us, UTC]`; probabilities are rounded to 1e-6, bits are in steps of 0.001.",
    ]
    for table in sorted(declared, key=lambda t: not t.public):
        kind = "in the output folder" if table.public else "inside the run"
        lines += ["", f"## {table.name}", "", f"One row: {table.row}. Key: {', '.join(table.key)}. ({kind})", ""]
        lines += ["| column | type | unit | range | meaning |", "|---|---|---|---|---|"]
        for c in table.columns:
            bounds = ", ".join(c.values) or (
                "" if c.low is None and c.high is None else f"{_bound(c.low)} to {_bound(c.high)}"
            )
            mark = "?" if c.nullable else ""
            meaning = c.meaning.replace("|", "\\|")
            lines.append(f"| `{c.name}`{mark} | {c.dtype} | {c.unit} | {bounds} | {meaning} |")
        if table.rules:
            lines += ["", "Rules: " + ", ".join(f"`{rule.name}`" for rule in table.rules) + "."]
    return "\n".join(lines) + "\n"


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
