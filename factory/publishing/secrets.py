"""Finding keys and tokens in text that is about to be published. Messages name the place, never the secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

KINDS = {
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "API key": r"\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}",
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "AWS secret key": r"(?i)aws_secret_access_key\W{1,5}[A-Za-z0-9/+=]{40}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "Slack token": r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    "NVIDIA API key": r"\bnvapi-[A-Za-z0-9_-]{30,}",
    "Groq API key": r"\bgsk_[A-Za-z0-9]{40,}",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password in an address": r"[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{1,64}:[^\s/:@]{3,64}@[A-Za-z0-9]",
}
"""Kinds of secrets and the patterns that find them (each maker's documented prefix)."""
SECRET_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
MIN_LENGTH = 12


def own_secrets() -> dict[str, str]:
    """Values of this process's environment variables that hold keys, by variable name."""
    return {k: v for k, v in os.environ.items() if SECRET_NAMES.search(k) and len(v) >= MIN_LENGTH}


def patterns() -> dict[str, str]:
    """Every kind of secret with its pattern, own environment included."""
    return KINDS | {f"value of ${name}": re.escape(value) for name, value in own_secrets().items()}


def secrets_in_text(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of every secret in a text."""
    kinds = {kind: re.compile(pattern) for kind, pattern in patterns().items()}
    for number, line in enumerate(text.splitlines(), start=1):
        yield from ((number, kind) for kind, pattern in kinds.items() if pattern.search(line))


def secrets_in_rows(path: Path, columns: list[str], identifier: str) -> Iterator[tuple[str, str, str]]:
    """Row id, column and kind of secrets in a Parquet file, first of each column and kind; streams.

    Args:
        path: a Parquet file.
        columns: columns to search; lists of messages and structs are searched whole.
        identifier: column that names the row.
    """
    kinds = patterns()
    anything = "|".join(f"(?:{pattern})" for pattern in kinds.values())
    frame = pl.scan_parquet(path)
    for column in columns:
        text = as_text(frame.collect_schema()[column], pl.col(column))
        hits = frame.select(identifier, text.alias("text")).filter(pl.col("text").str.contains(anything))
        for row_id, found in hits.head(1).collect(engine="streaming").iter_rows():
            kind = next(kind for kind, pattern in kinds.items() if re.search(pattern, found))
            yield str(row_id), column, kind


def as_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """One string a row: the text itself, or the texts of a list of messages joined by line breaks."""
    if isinstance(dtype, pl.List):
        inner = dtype.inner
        element = pl.element()
        if isinstance(inner, pl.Struct):
            element = pl.concat_str(
                [element.struct.field(f.name) for f in inner.fields], separator="\n", ignore_nulls=True
            )
        return column.list.eval(element).list.join("\n", ignore_nulls=True)
    return column.cast(pl.String)


def text_columns(schema: pl.Schema) -> list[str]:
    """Columns that can hold text."""
    return [name for name, dtype in schema.items() if isinstance(dtype, pl.String | pl.List)]
