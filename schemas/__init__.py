"""The tables that flow through the factory: one module a table, the only place where a column is first named."""

from schemas.difficulty import DIFFICULTY, Band
from schemas.dropped import DROPPED
from schemas.problem import PROBLEM, AnswerKind, Level
from schemas.response import RESPONSE, ResponseStatus
from schemas.table import Column, TableSchema
from schemas.training import COMPLETION, MESSAGES, PREFERENCE, RL_PROMPT
from schemas.verdict import LABELLED, VERDICT, VERDICT_COLUMNS, Verdict

TABLES = {
    t.name: t
    for t in (PROBLEM, RESPONSE, VERDICT, LABELLED, DIFFICULTY, COMPLETION, PREFERENCE, RL_PROMPT, DROPPED)
}

__all__ = [
    "COMPLETION",
    "DIFFICULTY",
    "DROPPED",
    "LABELLED",
    "MESSAGES",
    "PREFERENCE",
    "PROBLEM",
    "RESPONSE",
    "RL_PROMPT",
    "TABLES",
    "VERDICT",
    "VERDICT_COLUMNS",
    "AnswerKind",
    "Band",
    "Column",
    "Level",
    "ResponseStatus",
    "TableSchema",
    "Verdict",
]
