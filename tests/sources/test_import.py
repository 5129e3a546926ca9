"""Every published layout: invented rows in its shape become the right problems and responses, cell by cell."""

from __future__ import annotations

import json

import polars as pl
import pytest

from factory.config.problems import SourceSection
from factory.errors import UsageError
from factory.sources.layouts import choose_layout
from factory.sources.row_paths import value_at
from factory.steps.imports import run

ASK = "What is 2 + 3?"
THINK = "Two and three make five."
SAY = "The answer is \\boxed{5}."
TAGGED = f"<think>\n{THINK}\n</think>\n{SAY}"
OPENTHOUGHTS = f"<|begin_of_thought|>\n\n{THINK}\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n{SAY}\n\n<|end_of_solution|>"
CHAT = [{"role": "user", "content": ASK}, {"role": "assistant", "content": TAGGED}]
SHAREGPT = [{"from": "human", "value": ASK}, {"from": "gpt", "value": TAGGED}]

# name: (layout, row, gold, responses as (reasoning, content, model, status))
ONE = (THINK, SAY, "unknown", "complete")
R1 = (THINK, SAY, "deepseek-r1", "complete")
PLAIN = (None, SAY, "unknown", "no_reasoning")
SETS: dict[str, tuple[str, dict, str | None, list[tuple]]] = {
    "OpenR1-Math-220k": (
        "openr1",
        {
            "problem": ASK,
            "solution": "Add: \\boxed{5}",
            "answer": "5",
            "problem_type": "Algebra",
            "question_type": "math-word-problem",
            "source": "olympiads",
            "uuid": "u-1",
            "generations": [TAGGED, f"<think>\n{THINK} But wait"],
            "is_reasoning_complete": [True, False],
            "correctness_math_verify": [True, False],
            "correctness_llama": None,
            "finish_reasons": ["stop", "length"],
            "messages": CHAT,
        },
        "5",
        [R1, (f"{THINK} But wait", None, "deepseek-r1", "cut_in_reasoning")],
    ),
    "Mixture-of-Thoughts": (
        "messages",
        {"messages": CHAT, "num_tokens": 12, "source": "openr1"},
        None,
        [ONE],
    ),
    "OpenThoughts-114k": (
        "sharegpt",
        {
            "system": "Think first.",
            "conversations": [{"from": "user", "value": ASK}, {"from": "assistant", "value": OPENTHOUGHTS}],
        },
        None,
        [ONE],
    ),
    "OpenThoughts-114k metadata": (
        "openthoughts-metadata",
        {
            "problem": ASK,
            "deepseek_reasoning": THINK,
            "deepseek_solution": SAY,
            "ground_truth_solution": "We add them. $\\boxed{5}$",
            "domain": "math",
            "source": "numina",
            "test_cases": None,
            "starter_code": None,
        },
        "5",
        [R1],
    ),
    "OpenThoughts3": (
        "sharegpt",
        {"difficulty": 3, "source": "x", "domain": "math", "conversations": SHAREGPT},
        None,
        [ONE],
    ),
    "s1K-1.1": (
        "s1k-1.1",
        {
            "question": ASK,
            "solution": "5",
            "cot_type": "math",
            "source_type": "own",
            "deepseek_thinking_trajectory": THINK,
            "deepseek_attempt": SAY,
            "gemini_thinking_trajectory": "Five, clearly.",
            "gemini_attempt": "5",
        },
        None,
        [R1, ("Five, clearly.", "5", "gemini-2.0-flash-thinking", "complete")],
    ),
    "s1K": (
        "s1k",
        {
            "question": ASK,
            "solution": "5",
            "thinking_trajectories": [THINK],
            "attempt": SAY,
            "source_type": "own",
        },
        None,
        [(THINK, SAY, "gemini-2.0-flash-thinking", "complete")],
    ),
    "AM-DeepSeek-R1-Distilled": (
        "am-distilled",
        {
            "messages": [
                {
                    "role": "user",
                    "content": ASK,
                    "info": {
                        "source": "orca",
                        "reference_answer": "5",
                        "test_case": None,
                        "think_content": None,
                        "answer_content": None,
                    },
                },
                {
                    "role": "assistant",
                    "content": f"<think>{THINK}</think>\n<answer>{SAY}</answer>",
                    "info": {
                        "source": None,
                        "reference_answer": None,
                        "test_case": None,
                        "think_content": THINK,
                        "answer_content": SAY,
                    },
                },
            ]
        },
        "5",
        [R1],
    ),
    "OpenMathReasoning": (
        "open-math-reasoning",
        {
            "problem": ASK,
            "generated_solution": TAGGED,
            "expected_answer": "5",
            "problem_type": "has_answer_extracted",
            "generation_model": "QwQ-32B",
            "pass_rate_72b_tir": "0.9",
            "inference_mode": "cot",
            "problem_source": "aops",
        },
        "5",
        [(THINK, SAY, "QwQ-32B", "complete")],
    ),
    "NuminaMath-1.5": (
        "columns",
        {
            "problem": ASK,
            "solution": "We add: \\boxed{5}",
            "answer": "notfound",
            "problem_type": "Algebra",
            "question_type": "math-word-problem",
            "problem_is_valid": "Yes",
            "source": "amc",
            "synthetic": False,
        },
        "5",
        [],
    ),
    "DAPO (verl)": (
        "verl",
        {
            "data_source": "math_dapo",
            "prompt": [{"role": "user", "content": ASK}],
            "ability": "MATH",
            "reward_model": {"style": "rule-lighteval/MATH_v2", "ground_truth": "5"},
            "extra_info": {"index": "a-1"},
        },
        "5",
        [],
    ),
    "DeepScaleR": ("columns", {"problem": ASK, "answer": "5", "solution": "Add."}, "5", []),
    "Big-Math": (
        "columns",
        {"problem": ASK, "answer": "5", "source": "gsm8k", "domain": ["Algebra"], "llama8b_solve_rate": 0.5},
        "5",
        [],
    ),
    "LIMO": ("columns", {"question": ASK, "solution": "Add them.", "answer": "5"}, "5", []),
    "MetaMathQA": (
        "metamath",
        {"query": ASK, "response": SAY, "original_question": "2 + 3?", "type": "GSM_Rephrased"},
        None,
        [PLAIN],
    ),
    "GSM8K": ("columns", {"question": ASK, "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}, "5", []),
    "MATH": (
        "columns",
        {"problem": ASK, "level": "Level 1", "type": "Algebra", "solution": "It is $\\boxed{5}$."},
        "5",
        [],
    ),
    "AQuA": (
        "columns",
        {"question": ASK, "options": ["A)4", "B)5", "C)6"], "rationale": "Add.", "correct": "B"},
        "B",
        [],
    ),
    "MMLU": (
        "columns",
        {"question": ASK, "choices": ["4", "5", "6", "7"], "answer": 1, "subject": "algebra"},
        "B",
        [],
    ),
    "options as an object": (
        "columns",
        {"question": ASK, "options": {"A": "four", "B": "five"}, "answer": "five", "answer_idx": "B"},
        "B",
        [],
    ),
    "RLVR": ("messages", {"messages": CHAT[:1], "ground_truth": "5", "dataset": "gsm8k"}, "5", []),
    "ShareGPT": ("sharegpt", {"id": "s", "system": "Be brief.", "conversations": SHAREGPT}, None, [ONE]),
    "Alpaca": ("alpaca", {"instruction": "What is this?", "input": "2 + 3", "output": SAY}, None, [PLAIN]),
    "TRL prompt-completion": (
        "prompt-completion",
        {"prompt": CHAT[:1], "completion": CHAT[1:]},
        None,
        [ONE],
    ),
    "TRL plain": ("prompt-completion", {"prompt": ASK, "completion": TAGGED}, None, [ONE]),
    "reasoning_content": (
        "messages",
        {
            "messages": [CHAT[0], {"role": "assistant", "content": SAY, "reasoning_content": THINK}],
            "answer": "5",
        },
        "5",
        [ONE],
    ),
    "own rows": (
        "columns",
        {"id": 7, "problem": ASK, "answer": 5, "response": TAGGED, "model": "mine"},
        "5",
        [(THINK, SAY, "mine", "complete")],
    ),
}


def write(path, rows):
    if path.suffix == ".parquet":
        pl.DataFrame(rows, strict=False).write_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def imported(folder, path, **said):
    results = run([SourceSection(path=str(path), **said)], folder / "problems", folder / "responses")
    return [
        pl.read_parquet(folder / name / "*.parquet")
        for name, _ in zip(("problems", "responses"), results, strict=False)
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".json"])
@pytest.mark.parametrize("name", SETS)
def test_a_row_of_every_layout(name, suffix, tmp_path):
    layout, row, gold, responses = SETS[name]
    path = tmp_path / f"given{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps([row], indent=2))
    else:
        write(path, [row])
    tables = imported(tmp_path, path)
    problem = tables[0].row(0, named=True)
    assert choose_layout([row], "given").name == layout
    assert problem["problem"] == ("What is this?\n2 + 3" if layout == "alpaca" else ASK)
    assert problem["answer"] == gold
    got = tables[1].select("reasoning", "content", "model", "status").rows() if len(tables) > 1 else []
    assert got == responses
    for response in tables[1].iter_rows(named=True) if len(tables) > 1 else []:
        assert response["problem_id"] == problem["id"]
        assert response["temperature"] is None and response["max_tokens"] is None and response["usd"] is None
        assert "think" not in (response["metadata"] or "")


def test_choices_of_an_object_are_options(tmp_path):
    _, row, _, _ = SETS["options as an object"]
    problems, *_ = imported(tmp_path, write(tmp_path / "given.jsonl", [row]))
    assert problems["choices"].to_list() == [["four", "five"]]


def test_one_problem_in_many_rows_keeps_every_response(tmp_path):
    rows = [{"problem": ASK, "answer": "5", "response": f"{TAGGED} {n}"} for n in range(3)]
    rows.append({"problem": ASK, "answer": "6", "response": TAGGED})
    problems, responses = imported(tmp_path, write(tmp_path / "given.jsonl", rows))
    assert problems["answer"].to_list() == ["5", "6"]
    assert problems["id"].n_unique() == 2
    assert responses["problem_id"].value_counts()["count"].sort().to_list() == [1, 3]
    assert responses["response_id"].n_unique() == 4


def test_equal_ids_of_different_problems_are_two_problems(tmp_path):
    rows = [{"id": 1, "problem": f"{ASK} {n}", "answer": n} for n in range(3)]
    problems, *_ = imported(tmp_path, write(tmp_path / "given.jsonl", rows))
    assert problems["id"].n_unique() == 3
    assert problems["problem"].to_list() == [row["problem"] for row in rows]


def test_golds_as_people_have_them(tmp_path):
    frame = pl.DataFrame(
        {"problem": [f"{ASK} {n}" for n in range(4)], "answer": [0.1, float("nan"), 2.0, None]},
        schema={"problem": pl.String, "answer": pl.Float32},
    )
    frame.write_parquet(tmp_path / "given.parquet")
    problems, *_ = imported(tmp_path, tmp_path / "given.parquet")
    assert problems["answer"].to_list() == ["0.1", None, "2", None]
    rows = [{"problem": f"{ASK} {n}", "answer": gold} for n, gold in enumerate([["1", "2"], ["3"], []])]
    problems, *_ = imported(tmp_path / "lists", write(tmp_path / "lists.jsonl", rows))
    assert problems["answer"].to_list() == ["1, 2", "3", None]


def test_a_chat_of_several_turns_is_dropped_with_its_reason(tmp_path):
    rows = [{"messages": CHAT}, {"messages": [*CHAT, *CHAT]}]
    imported(tmp_path, write(tmp_path / "given.jsonl", rows))
    dropped = pl.read_parquet(tmp_path / "problems/__dropped/*.parquet")
    assert dropped["reason"].to_list() == ["several_turns"]


@pytest.mark.parametrize(
    "chat",
    [
        json.dumps(CHAT),
        str(CHAT),
        [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in CHAT],
        [{"role": "system", "content": "Be brief."}, *CHAT],
    ],
)
def test_chats_as_people_keep_them(chat, tmp_path):
    problems, responses = imported(tmp_path, write(tmp_path / "given.jsonl", [{"messages": chat}]))
    assert problems["problem"].to_list() == [ASK]
    assert responses.select("reasoning", "content").rows() == [(THINK, SAY)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "", "it is empty"),
        ("a.json", "[]", "not_an_object|a row is a JSON object"),
        ("a.jsonl", "nonsense\n", "Expecting value"),
        ("a.csv", "problem,answer\n", "it is empty"),
        ("a.csv", "answer,x\n1,2\n", "columns: answer, x"),
        ("a.jsonl", "[" * 3000 + "]" * 3000, "holds no row"),
    ],
)
def test_what_holds_no_problem_is_one_line_and_leaves_nothing(name, content, says, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=says):
        imported(tmp_path, tmp_path / name)
    assert not (tmp_path / "problems").exists()


def test_a_chat_with_tools_is_dropped_with_its_reason(tmp_path):
    tools = [CHAT[0], {"role": "assistant", "content": None}, {"role": "tool", "content": "5"}, CHAT[1]]
    imported(tmp_path, write(tmp_path / "given.jsonl", [{"messages": CHAT}, {"messages": tools}]))
    dropped = pl.read_parquet(tmp_path / "problems/__dropped/*.parquet")
    assert dropped["reason"].to_list() == ["tool_use"]


def test_an_empty_response_of_several_is_there_as_empty(tmp_path):
    row = {"problem": ASK, "answer": "5", "generations": [TAGGED, None, ""]}
    _, responses = imported(tmp_path, write(tmp_path / "given.jsonl", [row]))
    assert responses["status"].to_list() == ["complete", "empty", "empty"]


def test_a_limit_is_of_the_source_and_not_of_each_file(tmp_path):
    (tmp_path / "given").mkdir()
    for part in range(3):
        write(
            tmp_path / f"given/{part}.jsonl", [{"problem": f"{part} + {n}?", "answer": n} for n in range(4)]
        )
    problems, *_ = imported(tmp_path, tmp_path / "given", limit=6)
    assert problems["problem"].to_list() == [f"0 + {n}?" for n in range(4)] + ["1 + 0?", "1 + 1?"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_object_is_no_problem(suffix, tmp_path):
    path = write(tmp_path / f"object{suffix}", [{"problem": {"x": ASK}, "answer": "5"}])
    with pytest.raises(UsageError, match="problem holds no text in the first 1 rows"):
        imported(tmp_path, path)


def test_paths():
    row = {"a": {"b": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]}, "t": '{"c": [3, 4]}', "d.e": 5}
    assert value_at(row, "a.b[-1].v") == 2
    assert value_at(row, "a.b[*].v") == [1, 2]
    assert value_at(row, "a.b[k=y|z].v") == 2
    assert value_at(row, "t.c[1]") == 4
    assert value_at(row, "d.e") == 5
    assert value_at(row, "a.z[0].v") is None
    with pytest.raises(UsageError, match="is no path"):
        value_at(row, "a[")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"layout": "openr2"}, "did you mean openr1"),
        ({"fields": {"answr": "x"}}, "did you mean answer"),
        ({"fields": {"answer": "golden"}}, "did you mean gold_en"),
        ({"fields": {"answer": "gold_en["}}, "is no path"),
    ],
)
def test_slips_are_one_line(said, words, tmp_path):
    path = write(tmp_path / "given.jsonl", [{"frage": ASK, "gold_en": "5"}])
    with pytest.raises(UsageError) as caught:
        imported(tmp_path, path, **said)
    assert words in str(caught.value)
    assert not (tmp_path / "problems").exists()


def test_fields_say_what_no_layout_knows(tmp_path):
    path = write(
        tmp_path / "given.jsonl", [{"frage": ASK, "x": {"gold": "5"}, "antwort": [TAGGED, TAGGED + "!"]}]
    )
    with pytest.raises(UsageError, match="no column holds the problem"):
        imported(tmp_path, path)
    fields = {"problem": "frage", "answer": "x.gold", "response": "antwort[*]", "model": "our-7b"}
    problems, responses = imported(tmp_path, path, fields=fields)
    assert problems["answer"].to_list() == ["5"]
    assert responses["model"].to_list() == ["our-7b"] * 2
