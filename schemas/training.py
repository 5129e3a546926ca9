"""Training rows, in TRL's conversational formats, with provenance columns beside them.

`<think>` tags exist only here: everywhere else reasoning and answer are stored apart.
"""

from __future__ import annotations

import pyarrow as pa

from schemas.table import Column, TableSchema

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))

PROVENANCE = (
    Column("problem_id", pa.string(), "`id` of the problem.", True),
    Column("source", pa.string(), "Where the problem comes from.", True),
    Column("licence", pa.string(), "Licence stated by the source."),
    Column("domain", pa.string(), "Domain label."),
    Column("level", pa.string(), "Level label."),
)

COMPLETION = TableSchema(
    "completion",
    1,
    (
        Column("prompt", MESSAGES, "User message (and system message when the recipe has one).", True),
        Column("completion", MESSAGES, "One assistant message: `<think>` reasoning `</think>` answer.", True),
        *PROVENANCE,
        Column("response_id", pa.string(), "The response that it was made of.", True),
        Column("teacher", pa.string(), "Sampler that produced the response.", True),
        Column("model", pa.string(), "Model that produced the response.", True),
        Column("answer", pa.string(), "Gold answer."),
        Column("method", pa.string(), "Verification method."),
        Column(
            "verdict", pa.string(), "`Verdict` of the response: `correct` unless datasets.keep takes others."
        ),
        Column("shortened", pa.bool_(), "True where the reasoning was cut to a budget (datasets.shortened)."),
        Column("completion_tokens", pa.int32(), "Teacher's token count; null where the reasoning was cut."),
    ),
)
"""Rows of the midtrain and sft sets."""

PREFERENCE = TableSchema(
    "preference",
    1,
    (
        Column("prompt", MESSAGES, "User message.", True),
        Column("chosen", MESSAGES, "Assistant message verified correct.", True),
        Column("rejected", MESSAGES, "Assistant message verified incorrect.", True),
        *PROVENANCE,
        Column("chosen_response_id", pa.string(), "Response behind `chosen`.", True),
        Column("rejected_response_id", pa.string(), "Response behind `rejected`.", True),
        Column("chosen_sampler", pa.string(), "Sampler behind `chosen`.", True),
        Column("rejected_sampler", pa.string(), "Sampler behind `rejected`.", True),
        Column("chosen_tokens", pa.int32(), "Length of `chosen` in its sampler's tokens."),
        Column("rejected_tokens", pa.int32(), "Length of `rejected` in its sampler's tokens."),
        Column("pair_rule", pa.string(), "Rule that chose this pair.", True),
        Column("answer", pa.string(), "Gold answer."),
    ),
)

RL_PROMPT = TableSchema(
    "rl_prompt",
    1,
    (
        Column("prompt", MESSAGES, "User message.", True),
        Column("answer", pa.string(), "Gold answer, read by the reward; null where tests are the gold."),
        Column("answer_kind", pa.string(), "Chooses the checker.", True),
        Column("choices", pa.list_(pa.string()), "Options of a multiple-choice problem."),
        Column("metadata", pa.string(), "JSON that a checker may need (reasoning-gym entry)."),
        *PROVENANCE,
        Column("pass_rate", pa.float64(), "Posterior mean pass rate of the student."),
        Column("tokens_mean", pa.float64(), "Mean rollout length, tokens."),
        Column("tokens_cv", pa.float64(), "Coefficient of variation of rollout length."),
        Column(
            "bucket",
            pa.int32(),
            "Length bucket, 0 shortest; rows are written in training order, one of each bucket in turn.",
        ),
    ),
)
