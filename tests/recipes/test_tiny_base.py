"""The shipped base: made from true text, no more than single steps, and the one that its manifest describes."""

import json
import random
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from factory.config.train import StudentSection  # noqa: E402
from factory.run.parts import MANIFEST  # noqa: E402
from recipes.tiny_base import make  # noqa: E402
from train.stage import model_digest  # noqa: E402
from train.student import build_tokenizer, loaded  # noqa: E402

FOLDER = Path(make.__file__).parent
LINE = re.compile(r"(\d)([+*-])(\d)=(\d)")


@pytest.fixture(scope="module")
def base():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = StudentSection(model="tiny_base").checkpoint
    return loaded(AutoModelForCausalLM, where, None).eval(), loaded(AutoTokenizer, where, None)


@pytest.mark.parametrize("begun", [0.0, 0.9])
def test_documents_hold_true_lines_and_never_more_than_two_that_are_learned(begun):
    rng, seen = random.Random(7), set()
    for _ in range(2_000):
        kind, pieces = make.document(rng, begun)
        seen.add(kind)
        text = "".join(part for part, _ in pieces)
        asked = text.split("<|end|>")[0]
        named = re.search(r"mod(?:ulo)? (\d+)", asked)
        for left, op, right, result in LINE.findall(text):
            value = make.apply(op, int(left), int(right))
            assert (value - int(result)) % int(named[1]) == 0, text
        learned = "".join(part for part, is_learned in pieces if is_learned)
        if kind == "two lines":
            assert 1 <= len(LINE.findall(learned)) <= 2
            assert "box" not in text and "</think>" not in text
        assert ("box" in learned) == (kind == "one step")
    assert seen == {"facts", "repeat", "copy", "one step", "two lines"}


def test_the_manifest_describes_the_weights():
    manifest = json.loads((FOLDER / MANIFEST).read_text("utf-8"))
    assert manifest["digest"] == model_digest(FOLDER)
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 8_000_000


def test_the_base_knows_steps_and_no_chains(base):
    model, tokenizer = base
    knows = make.known(model.train(), tokenizer)
    assert min(knows.values()) > 0.95
    asked = [f"<|user|>mod 9: {n} +2 *4 -3 *5<|end|><|assistant|>" for n in range(9)]
    ids = tokenizer(asked, return_tensors="pt", add_special_tokens=False)
    said = tokenizer.batch_decode(
        model.eval().generate(**ids, max_new_tokens=60, do_sample=False)[:, ids["input_ids"].shape[1] :]
    )
    assert all(len(LINE.findall(text)) <= 2 and "box" not in text for text in said), said


@pytest.mark.long
def test_two_makings_are_the_same():
    torch.manual_seed(1)
    first, second = (make.train(2)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["shipped", "built"])
def test_a_sign_is_one_token_wherever_it_stands(base, kind):
    tokenizer = base[1] if kind == "shipped" else build_tokenizer(["3 +2 *4", "3+2=5"] * 9, 300)
    inside, alone = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("3 +2", "3+2"))
    assert [i for i in inside if i not in tokenizer(" ", add_special_tokens=False)["input_ids"]] == alone
