"""What a table is: a name, a version and documented columns.

`schemas/` is the only place where a column is first named. Steps may carry further columns through untouched;
they may not rename or drop one that is declared here.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """One documented column.

    `clock` marks measured times: they differ from run to run and are left out when tables are compared byte by byte.
    """

    name: str
    type: pa.DataType
    doc: str
    required: bool = False
    clock: bool = False


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A named, versioned list of columns. The version rises when a column changes its meaning or goes."""

    name: str
    version: int
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Column names in declared order."""
        return [column.name for column in self.columns]

    @property
    def clock_names(self) -> list[str]:
        """Names of columns that hold measured times."""
        return [column.name for column in self.columns if column.clock]

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, each field carrying its doc as metadata."""
        fields = [
            pa.field(c.name, c.type, nullable=not c.required, metadata={"doc": c.doc}) for c in self.columns
        ]
        return pa.schema(fields, metadata={"table": self.name, "version": str(self.version)})

    def conform(self, table: pa.Table) -> pa.Table:
        """Put declared columns first, in order and with their types; add absent ones as nulls; keep extra columns after.

        Raises:
            pa.ArrowInvalid: a value does not fit its declared type.
        """
        arrays, fields = [], []
        for column in self.columns:
            field = pa.field(column.name, column.type)
            if column.name in table.column_names:
                arrays.append(table.column(column.name).cast(column.type))
            else:
                arrays.append(pa.nulls(table.num_rows, column.type))
            fields.append(field)
        for name in table.column_names:
            if name not in self.names:
                arrays.append(table.column(name))
                fields.append(pa.field(name, table.schema.field(name).type))
        return pa.table(arrays, schema=pa.schema(fields))

    def empty(self) -> pa.Table:
        """A table of this schema without rows."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns]).empty_table()
