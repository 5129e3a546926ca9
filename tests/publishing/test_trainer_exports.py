"""`factory export`: every format's rows against the sets they were made of, cell by cell, and all that can go wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trl
from datasets import load_dataset
from pyarrow.dataset import dataset as pa_dataset

from benchmarks.exports import tokenizer
from factory.config.trainers import Trainer
from factory.datasets.render import render_completion
from factory.datasets.trainer_configs import COMMANDS, CONFIGS
from factory.datasets.trainer_files import boxed
from factory.datasets.trainer_formats import FORMATS
from factory.datasets.trainer_row import split_reasoning
from factory.datasets.trainer_template import check_template
from factory.errors import UsageError
from factory.publishing.trainer_exports import export_sets, find_sets
from schemas import COMPLETION
from tests.publishing.trainer_rows import GOLDS, SETS, SYSTEM, completions, read_set, write_set
from tests.support.cli import run_factory

TABLES = {"sft": "completion", "preference": "preference", "rl": "rl_prompt"}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    base = tmp_path_factory.mktemp("sets")
    return {name: write_set(base / name, name) for name in SETS}


def rows_of(out, name):
    path = next((out / name).glob("train-*"))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return pq.read_table(path).to_pylist()


def possible():
    for name, form in FORMATS.items():
        for each, table in TABLES.items():
            if table in form.shapes:
                yield name, each


@pytest.mark.parametrize(("name", "each"), possible())
def test_no_row_and_no_letter_is_lost(name, each, sets, tmp_path):
    """Prompt, reply and gold of every row stand in the exported row, each as it was."""
    done, left_out, files = export_sets(sets[each], tmp_path / "out", name)
    found = rows_of(tmp_path / "out", each)
    assert done[each].manifest["rows_in"] == len(read_set(each)) and not left_out
    made = read_set(each, FORMATS[name].shapes[TABLES[each]].grades)
    assert len(found) == len(made) == done[each].manifest["rows_out"]
    for row, source in zip(found, made, strict=True):
        text = json.dumps(row, ensure_ascii=False)
        inside = lambda value: json.dumps(value, ensure_ascii=False)[1:-1]  # noqa: E731
        for message in source["prompt"]:
            assert inside(message["content"]) in text
        for column in ("completion", "chosen", "rejected"):
            if column in source:
                reasoning, answer = split_reasoning(source[column][0]["content"])
                assert inside(answer) in text and inside(reasoning) in text
        if each == "rl" and source["answer"]:
            assert inside(source["answer"]) in text
    assert f"# {each}" in files["HOW_TO_TRAIN.md"]


def test_every_format_says_what_it_does_with_every_table():
    for name, form in FORMATS.items():
        for table in TABLES.values():
            assert (table in form.shapes) != (table in form.why_not), (name, table)
            assert (table in form.shapes) == ((name, table) in COMMANDS), (name, table)
    assert set(CONFIGS) <= set(COMMANDS)
    assert get_args(Trainer) == tuple(FORMATS)


@pytest.mark.parametrize("each", ["sft", "preference"])
def test_reasoning_goes_where_it_is_wanted(each, sets, tmp_path):
    column = "completion" if each == "sft" else "chosen"
    for how in ("tags", "field", "none"):
        done, _, _ = export_sets(sets[each], tmp_path / how, "trl", reasoning=how)
        cut = each == "preference" and how == "none"
        assert done[each].manifest["dropped"] == ({"cut_before_its_answer": 1} if cut else {})
        made = [row for row in read_set(each) if not cut or row["problem_id"] != "p4"]
        for row, source in zip(rows_of(tmp_path / how, each), made, strict=True):
            if row["problem_id"] == "p4" and each == "preference":
                assert row["rejected"][0]["content"] == "<think>\ncut 4"  # a template would close it
            message, text = row[column][0], source[column][0]["content"]
            reasoning, answer = split_reasoning(text)
            if how == "tags":
                assert message == {"role": "assistant", "content": text}
            else:
                assert message["content"] == answer
                assert message.get("reasoning_content") == (reasoning if how == "field" else None)


@pytest.mark.parametrize(
    ("reasoning", "content"),
    [("a\n\n</b>", "c"), (None, "c"), ("a", ""), ("<think", "x\n</think>\n\ny"), (None, "")],
)
def test_split_undoes_render(reasoning, content):
    assert split_reasoning(render_completion(reasoning, content)) == (reasoning, content)
    assert split_reasoning(render_completion("open", None, cut=True)) == ("open", "")


@pytest.mark.parametrize(("system", "there"), [(None, SYSTEM), ("", None), ("Be brief.", "Be brief.")])
def test_the_system_message_is_a_choice(system, there, sets, tmp_path):
    export_sets(sets["sft"], tmp_path / "out", "openai", system=system)
    for i, row in enumerate(rows_of(tmp_path / "out", "sft")):
        found = [m["content"] for m in row["messages"] if m["role"] == "system"]
        assert found == ([there] if there and (i % 2 or system) else [])


READERS = {
    ".parquet": {
        "polars": lambda files: pl.read_parquet(files).height,
        "pyarrow": lambda files: pa_dataset(files, format="parquet").to_table().num_rows,
        "duckdb": lambda files: duckdb.read_parquet(files).count("*").fetchall()[0][0],
        "datasets": lambda files: load_dataset("parquet", data_files=files, split="train").num_rows,
    },
    ".jsonl": {
        "polars": lambda files: pl.read_ndjson(files, infer_schema_length=None).height,
        "pyarrow": lambda files: pa_dataset(files, format="json").to_table().num_rows,
        "duckdb": lambda files: duckdb.read_json(files).count("*").fetchall()[0][0],
        "datasets": lambda files: load_dataset("json", data_files=files, split="train").num_rows,
    },
}
"""How people read files of either kind."""


@pytest.mark.parametrize(("name", "each"), possible())
def test_four_readers_and_a_folder_read_every_export_whole(name, each, sets, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    done, _, _ = export_sets(sets[each], tmp_path / "out", name)
    folder, rows = tmp_path / "out" / each, done[each].manifest["rows_out"]
    files = sorted(map(str, folder.glob("train-*")))
    counts = {reader: read(files) for reader, read in READERS[Path(files[0]).suffix].items()}
    counts["datasets, the folder"] = load_dataset(str(folder), split="train").num_rows
    assert set(counts.values()) == {rows}, counts


def test_lines_load_with_one_type_a_column(sets, tmp_path):
    """A column that is null at first and text later is refused by `datasets`."""
    for name in ("slime", "openai"):
        export_sets(sets["rl"], tmp_path / name, name)
        loaded = load_dataset(str(tmp_path / name / "rl"), split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == 12


def test_what_a_reward_cannot_grade_is_left_out_with_its_reason(sets, tmp_path):
    done, _, _ = export_sets(sets["rl"], tmp_path / "out", "verl")
    assert done["rl"].manifest["dropped"] == {
        "no_gold": 1, "no_reward_for_reasoning_gym": 1, "tests_not_in_pairs": 1
    }  # fmt: skip
    again, _, _ = export_sets(sets["rl"], tmp_path / "out", "verl")
    assert not again["rl"].made


def test_the_graders_of_ours_know_the_golds():
    for gold in [*GOLDS, "B", "Paris"]:
        assert boxed.grade(f"<think>\\boxed{{1}}</think> it is \\boxed{{{gold}}}.", gold) == 1.0
        assert boxed.grade(f"it is \\boxed{{{gold}}}, no, \\boxed{{77}}", gold) == 0.0
        assert boxed.grade(f"<think>\\boxed{{{gold}}}</think> none", gold) == 0.0
        assert boxed.grade(f"\\boxed{{{gold}", gold) == 0.0
    assert boxed.grade("\\boxed{\\frac{2}{4}}", "0.5") == 1.0
    assert boxed.grade("\\boxed{05}", "0.5") == 0.0
    assert boxed.grade("\\boxed{\\text{(b)}}", "B") == 1.0


def test_a_run_gives_all_its_sets(sets, tmp_path):
    run = tmp_path / "run"
    for name in SETS:
        write_set(run / "datasets" / name, name)
    assert {name: table for name, (table, _) in find_sets(run).items()} == TABLES
    export_sets(run / "datasets" / "sft", tmp_path / "apart", "llama-factory")
    _, left_out, one = export_sets(run / "datasets" / "preference", tmp_path / "apart", "llama-factory")
    _, left_out, all_at_once = export_sets(run, tmp_path / "whole", "llama-factory")
    assert one == all_at_once and list(left_out) == ["rl"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--for", "axolot"], "did you mean axolotl?"),
        (["--for", "llama-factory", "--reasoning", "field"], "choose tags or none"),
        (["--for", "nemo-gym"], "holds tasks for rollouts"),
    ],
)
def test_mistakes_are_one_line(words, said, sets, tmp_path):
    done = run_factory("export", sets["sft"], *words, "--out", tmp_path / "out")
    assert done.returncode == 2 and said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (tmp_path / "out" / "sft").exists()


def test_a_folder_without_sets_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no training set"):
        find_sets(tmp_path / "empty")
    pl.DataFrame({"problem": ["x"]}).write_parquet(tmp_path / "empty" / "part-0.parquet")
    with pytest.raises(UsageError, match="holds no training set"):
        find_sets(tmp_path / "empty")


def test_the_verb_prints_the_command(sets, tmp_path):
    done = run_factory("export", sets["sft"], "--for", "llama-factory", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("llamafactory-cli train sft.yaml")
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert (tmp_path / "out" / info["sft"]["file_name"]).exists()


def test_the_list_of_formats_costs_no_tokenizer():
    code = "import sys; import factory.datasets.trainer_formats; print('transformers' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


CUTS = "{% for m in messages %}{{ m.role }}: {{ m.content.split('</think>')[-1] }}\n{% endfor %}"
FIELD = "{% for m in messages %}{% if m.reasoning_content %}[{{ m.reasoning_content }}]{% endif %}{{ m.content.split('</think>')[-1] }}\n{% endfor %}"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ m.content }}{% endfor %}"
)
QUIET = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}"
ODD = "{{ bos_token.text.nothing }}{% for m in messages %}{{ m.content }}{% endfor %}"
TWICE = "{% for m in messages %}{{ m.content }}{% if '</think>' in m.content %}{{ m.content }}{% endif %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "reasoning", "said"),
    [
        (None, "tags", None),
        (None, "field", None),
        (CUTS, "tags", "another chat template"),
        (CUTS, "none", None),
        (FIELD, "tags", "use --reasoning field"),
        (FIELD, "field", None),
        (TWICE, "tags", "shows the trace 2 times"),
        (CUTS, "tags", "leaves out the trace"),
        (NO_SYSTEM, "tags", "refuses system and user: System role not supported.* --system"),
        (QUIET, "tags", "leaves out the system message.* --system"),
        (ODD, "tags", "refuses system and user: .* another chat template"),
    ],
)
@pytest.mark.parametrize("each", ["sft", "preference"])
def test_a_template_that_drops_or_doubles_the_trace_stops_the_export(
    template, reasoning, said, each, sets, tmp_path
):
    student = tokenizer()
    student.chat_template = template or student.chat_template
    student.save_pretrained(tmp_path / "student")
    words = {"reasoning": reasoning, "model": str(tmp_path / "student")}
    if said is None:
        _, _, files = export_sets(sets[each], tmp_path / "out", "trl", **words)
        assert str(tmp_path / "student") in files["HOW_TO_TRAIN.md"]
        return
    with pytest.raises(UsageError, match=said):
        export_sets(sets[each], tmp_path / "out", "trl", **words)
    assert not (tmp_path / "out").exists()


def test_a_student_without_a_tokenizer_is_one_line(sets, tmp_path):
    (tmp_path / "student").mkdir()
    with pytest.raises(UsageError, match="cannot read the tokenizer"):
        export_sets(sets["sft"], tmp_path / "out", "trl", model=str(tmp_path / "student"))


def prompts_of(*shapes):
    return [[{"role": role, "content": "x"} for role in roles] for roles in shapes]


SHIPPED = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))


@pytest.mark.parametrize("reasoning", ["tags", "field", "none"])
def test_the_templates_of_public_models_are_taken_or_refused_in_one_line(reasoning, tmp_path):
    """All that TRL ships: vision templates that want no text, some that raise, some that cut the trace."""
    said = {}
    for path in SHIPPED:
        student = tokenizer()
        student.chat_template = path.read_text("utf-8")
        student.save_pretrained(tmp_path / path.stem)
        try:
            check_template(
                tmp_path / path.stem, prompts_of(("user",), ("user", "assistant", "user")), reasoning, None
            )
            said[path.stem] = ""
        except UsageError as error:
            said[path.stem] = str(error)
    assert not any("\n" in line for line in said.values())
    shown = {"tags": ("qwen3", "qwen2_5", "phi3", "llama3_1"), "field": ("qwen3", "glm4moe")}
    assert not any(said[name] for name in shown.get(reasoning, ("qwen3", "llama3_1")))
    if reasoning == "tags":
        assert "leaves out the trace" in said["deepseek_r1_distill"]
        assert "refuses user" in said["llava_next"]
    if reasoning == "field":
        assert "use --reasoning tags" in said["phi3"]


def test_short_texts_that_stand_everywhere_are_no_fault(tmp_path):
    """The trace is the answer, and the answer a letter of the question."""
    rows = [
        {**row, "completion": [{"role": "assistant", "content": "<think>\n4\n</think>\n\n4"}]}
        for row in read_set("sft")
    ]
    schema = pa.schema([pa.field(c.name, c.type) for c in COMPLETION.columns])
    (tmp_path / "sft").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "sft" / "train-0.parquet")
    tokenizer().save_pretrained(tmp_path / "student")
    export_sets(tmp_path / "sft", tmp_path / "out", "trl", model=str(tmp_path / "student"))


USER, SAYS = [{"role": "user", "content": "2+2?"}], [{"role": "assistant", "content": "4"}]
WHOLE = {"problem_id": ["p"], "source": ["s"], "response_id": ["r"], "teacher": ["t"], "model": ["m"]}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"prompt": ["2+2?"], "completion": ["4"]}, "column prompt holds String"),
        ({"prompt": [USER], "completion": [SAYS]}, "column problem_id is missing"),
        (
            {"prompt": [USER], "completion": [SAYS], **WHOLE, "problem_id": [7]},
            "column problem_id holds Int64",
        ),
        ({"prompt": ["x"], "chosen": [USER], "rejected": [USER]}, "column prompt holds String"),
        ({"prompt": [USER], "answer": [4], "answer_kind": ["math"]}, "column problem_id is missing"),
        (
            {"prompt": [[{**USER[0], "name": "bob"}]], "completion": [SAYS], **WHOLE},
            "column prompt holds List",
        ),
        ({"messages": [USER + SAYS]}, "holds no training set"),
        ({"chosen": [USER + SAYS], "rejected": [USER + SAYS]}, "holds no training set"),
    ],
)
@pytest.mark.parametrize("name", ["openai", "openrlhf"])
def test_sets_of_others_are_refused_in_one_line(columns, said, name, tmp_path):
    (tmp_path / "set").mkdir()
    pl.DataFrame(columns).write_parquet(tmp_path / "set" / "data.parquet")
    with pytest.raises(UsageError, match=said):
        export_sets(tmp_path / "set", tmp_path / "out", name)


def test_a_cut_file_is_one_line(tmp_path):
    write_set(tmp_path / "runs" / "sft", "sft")
    path = next((tmp_path / "runs" / "sft").glob("*.parquet"))
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / path.name).write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UsageError, match="cannot read"):
        export_sets(tmp_path / "cut", tmp_path / "out", "trl")


def test_rows_without_a_text_are_left_out_with_their_reason(tmp_path):
    """None of them is written by the factory; a file that was edited may hold them."""
    rows = [
        *completions(),
        *({**completions()[0], **odd, "problem_id": f"odd{i}"} for i, odd in enumerate(ODD_ROWS)),
    ]
    schema = pa.schema([pa.field(c.name, c.type) for c in COMPLETION.columns])
    (tmp_path / "sft").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "sft" / "data.parquet")
    done, _, _ = export_sets(tmp_path / "sft", tmp_path / "out", "llama-factory")
    assert done["sft"].manifest["dropped"] == {"no_completion": 3, "no_prompt": 3}
    assert done["sft"].manifest["rows_out"] == len(completions())


ODD_ROWS = [
    {name: value}
    for name in ("prompt", "completion")
    for value in (None, [], [{"role": "user", "content": None}])
]
