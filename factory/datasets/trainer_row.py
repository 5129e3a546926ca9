"""What becomes of one row of a training set on its way to another trainer: traces, system message, gold, columns."""

from __future__ import annotations

import json
from typing import Any, Literal

from factory.verification.code_tests import read_suite
from schemas import AnswerKind

Reasoning = Literal["tags", "field", "none"]
"""Where the trace goes: between think tags in the text, in a field `reasoning_content`, or nowhere."""
Row = dict[str, Any]

NAMES = ("problem_id", "source", "licence")
"""What every row carries where the trainer leaves further columns alone."""


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Take apart what `render_completion` put together: (reasoning or None, answer); nothing follows a cut trace."""
    if not text.startswith("<think>\n"):
        return None, text
    reasoning, _, answer = text.removeprefix("<think>\n").partition("\n</think>\n\n")
    return reasoning, answer


def is_cut(message: Row) -> bool:
    """True for a reply that ended while it reasoned."""
    text = message["content"]
    return bool(text.startswith("<think>\n") and "\n</think>\n\n" not in text)


def place_reasoning(message: Row, reasoning: Reasoning) -> Row:
    """An assistant's message with its trace where it is wanted.

    A cut trace stays in the text: a template closes what it finds in `reasoning_content`.
    """
    if reasoning == "tags" or (reasoning == "field" and is_cut(message)):
        return message
    trace, answer = split_reasoning(message["content"])
    found = {"role": message["role"], "content": answer}
    return found | ({"reasoning_content": trace} if reasoning == "field" else {})


def prepare(row: Row, reasoning: Reasoning, system: str | None) -> Row:
    """A row of one of our sets with the trace and the system message as they are wanted.

    Args:
        row: a row of COMPLETION, PREFERENCE or RL_PROMPT.
        reasoning: see `Reasoning`.
        system: the system message; empty for none, None for the one that is there.
    """
    prompt = row["prompt"]
    if system is not None:
        prompt = [m for m in prompt if m["role"] != "system"]
        prompt = [*([{"role": "system", "content": system}] if system else []), *prompt]
    replies = {
        name: [place_reasoning(m, reasoning) for m in row[name]]
        for name in ("completion", "chosen", "rejected")
        if name in row
    }
    return row | {"prompt": prompt} | replies


def code_pairs(row: Row) -> dict[str, Any] | None:
    """The unit tests of a code problem as `inputs` and `outputs` (and `fn_name`), or None when they are programs."""
    try:
        suite = read_suite(json.loads(row.get("metadata") or "{}"))
    except ValueError:
        return None
    if suite is None or not suite.scripts:
        return None
    return {"inputs": [given for given, _ in suite.scripts], "outputs": [want for _, want in suite.scripts]}


def is_code(row: Row) -> bool:
    """True for a row whose gold are unit tests."""
    return bool(row["answer_kind"] == AnswerKind.CODE.value)


def gold(row: Row) -> str:
    """The gold as text: tests as JSON, everything else as it is."""
    return json.dumps(code_pairs(row)) if is_code(row) else str(row["answer"])


def boxed(row: Row) -> str:
    """The gold in a box, as rewards read it that look for one."""
    return f"\\boxed{{{row['answer']}}}"


def named(row: Row) -> Row:
    """Where the row comes from, in columns of their own."""
    return {name: row.get(name) or "" for name in NAMES}


def dialogue(row: Row) -> Row:
    """Prompt and answer as one list of messages."""
    return {"messages": row["prompt"] + row["completion"], **named(row)}


def question(row: Row) -> str:
    """The user's message."""
    return str(row["prompt"][-1]["content"])


def llama_factory_pair(row: Row) -> Row:
    """The prompt, and two single messages after it."""
    return {
        "messages": row["prompt"],
        "chosen": row["chosen"][0],
        "rejected": row["rejected"][0],
        **named(row),
    }


def whole_pair(row: Row) -> Row:
    """Two whole dialogues."""
    both = {name: row["prompt"] + row[name] for name in ("chosen", "rejected")}
    return {**both, **named(row)}


def swift_pair(row: Row) -> Row:
    """The dialogue that is right, and the one that is wrong."""
    return {
        "messages": row["prompt"] + row["chosen"],
        "rejected_messages": row["prompt"] + row["rejected"],
        **named(row),
    }


def verl_prompt(row: Row) -> Row:
    """With a data source that verl has a reward for; ours stands in `extra_info`."""
    about = {"index": row["problem_id"], "source": row["source"], "licence": row.get("licence") or ""}
    return {
        "data_source": "apps" if is_code(row) else "lighteval/MATH",
        "prompt": row["prompt"],
        "ability": "code" if is_code(row) else "math",
        "reward_model": {"style": "rule", "ground_truth": gold(row)},
        "extra_info": about,
    }


def skyrl_prompt(row: Row) -> Row:
    """For the environment that the export brings."""
    return {
        "prompt": row["prompt"],
        "env_class": "boxed",
        "reward_spec": {"method": "rule", "ground_truth": gold(row)},
        **named(row),
    }


def nemo_gym_prompt(row: Row) -> Row:
    """For the agent whose server grades this kind of answer."""
    agent = {"math": "math_with_judge", "choice": "mcqa", "code": "code_gen"}[row["answer_kind"]]
    graded: Row = {"expected_answer": row["answer"] or "", "question": question(row)}
    if row["answer_kind"] == AnswerKind.CHOICE.value:
        options = [{chr(65 + i): text} for i, text in enumerate(row.get("choices") or ())]
        graded |= {"options": options, "grading_mode": "strict_single_letter_boxed"}
    if is_code(row):
        graded = {"verifier_metadata": {"unit_tests": code_pairs(row)}}
    return {
        "responses_create_params": {"input": row["prompt"]},
        **graded,
        "agent_ref": {"type": "responses_api_agents", "name": f"{agent}_simple_agent"},
        **named(row),
    }


def openai_pair(row: Row) -> Row:
    """As OpenAI's preference fine-tuning reads it."""
    return {
        "input": {"messages": row["prompt"]},
        "preferred_output": row["chosen"],
        "non_preferred_output": row["rejected"],
    }
