"""What a tired user types, through the real command line: one line that says what to do, exit 2, nothing lost.

Each row of `SLIPS` is one mistake: its kind, the command line, and words that the answer must hold. All run in one
process, in a folder with the files of `workplace`; every file there must be the same afterwards, and no other may be new.
"""

import ctypes
import json
import os
import random
import re
import shlex
import tempfile
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
import yaml
import zstandard

from factory.cli.main import main
from tests.support.marks import mostly_long

PROBLEM = {"problem": "What is 2 + 3?", "answer": "5"}
RESPONSE = {**PROBLEM, "response": "It is \\boxed{5}."}
RECIPE = {
    "name": "mine",
    "problems": {"sources": ["procedural:modular_chain?count=4&seed=1"]},
    "generate": {"teacher": "procedural", "samples": 2},
    "train": None,
}

SLIPS = [
    # The verb and its flags
    ("misspelt verb", "verfy r.jsonl --out o", "no verb verfy - did you mean verify?"),
    ("no such verb", "qqqqq", "no verb qqqqq"),
    ("verb in capitals", "Verify r.jsonl --out o", "did you mean verify?"),
    ("help on no verb", "help nothing", "no verb nothing"),
    ("misspelt flag", "verify r.jsonl --ouut o", "--ouut"),
    ("flag of another verb", "verify r.jsonl --out o --teacher x", "--teacher"),
    ("flag without its value", "verify r.jsonl --out", "--out"),
    ("switch with a value", "generate p.jsonl --out o --batch=yes", "--batch"),
    ("no out", "verify r.jsonl", "--out is missing"),
    ("no input", "verify --out o", "IN is missing"),
    ("nothing at all", "verify", "is missing"),
    ("one word too many", "status o1 o2", "o2"),
    ("recipe left out", "run", "RECIPE is missing"),
    # Files
    ("no such file", "verify nosuch.jsonl --out o", "nosuch.jsonl"),
    ("no such file, close", "verify r.json --out o", "r.json"),
    ("glob that matches nothing", "dedup *.nothing --out o", "*.nothing"),
    ("empty folder", "dedup emptydir --out o", "emptydir"),
    ("empty file", "verify empty.jsonl --out o", "empty.jsonl"),
    ("file of spaces", "dedup blank.jsonl --out o", "blank.jsonl"),
    ("empty CSV", "dedup empty.csv --out o", "empty.csv"),
    ("text called Parquet", "dedup text.parquet --out o", "text.parquet"),
    ("truncated Parquet", "dedup cut.parquet --out o", "cut.parquet"),
    ("binary", "dedup binary.jsonl --out o", "binary.jsonl"),
    ("picture", "verify picture.png --out o", "picture.png"),
    ("NUL bytes", "dedup nul.jsonl --out o", "nul.jsonl"),
    ("UTF-16", "dedup utf16.jsonl --out o", "utf16.jsonl"),
    ("deep JSON", "dedup deep.jsonl --out o", "deep.jsonl"),
    ("one line of 1 GB", "dedup huge.jsonl.zst --out o", "huge.jsonl.zst"),
    ("no read permission", "dedup secret.jsonl --out o", "secret.jsonl"),
    ("damaged gzip", "dedup broken.jsonl.gz --out o", "broken.jsonl.gz"),
    ("damaged zstd", "dedup broken.jsonl.zst --out o", "broken.jsonl.zst"),
    ("NUL in a path", "dedup 'a\0b' --out o", ""),
    ("path of 5,000 letters", f"dedup {'a' * 5_000} --out o", "aaa"),
    ("a link to itself", "dedup loop.jsonl --out o", "loop.jsonl"),
    ("a pipe", "dedup fifo.jsonl --out o", "fifo.jsonl"),
    # Columns
    ("wrong column", "dedup p.jsonl --out o --field question", "no column question"),
    ("column of lists", "dedup p.jsonl --out o --field points", "points"),
    ("no gold", "verify p.jsonl --out o", ""),
    ("misspelt problem field", "generate p.jsonl --problem-field problm --out o --teacher qwen3 --base-url http://127.0.0.1:9", "problm"),
    ("verified as responses", "pairs p.jsonl --out o", ""),
    ("reasoning of problems", "dedup p.jsonl --field reasoning --out o", "no column reasoning"),
    ("decontaminate a wrong column", "decontaminate p.jsonl --against aime24 --field text --out o", "no column text"),
    # Out
    ("out is the input", "dedup p.jsonl --out p.jsonl", "p.jsonl"),
    ("out is the input's folder", "dedup data/p.jsonl --out data", "data"),
    ("out holds other files", "dedup p.jsonl --out mine", "mine"),
    ("out is another step's", "dedup p.jsonl --out verdicts", "verdicts"),
    ("out is a file", "verify r.jsonl --out p.jsonl", "p.jsonl"),
    ("out below a file", "verify r.jsonl --out p.jsonl/o", "p.jsonl"),
    ("out without permission", "verify r.jsonl --out locked/o", "locked"),
    ("out is empty", "verify r.jsonl --out ''", "--out"),
    ("out is a link to itself", "verify r.jsonl --out loop.jsonl", "loop.jsonl"),
    ("out is a folder of links", "verify r.jsonl --out /proc/o", "/proc"),
    ("input inside out", "dedup mine/a.txt --out mine", "mine"),
    # Values
    ("word for a number", "generate p.jsonl --out o --samples four", "--samples: "),
    ("negative number", "generate p.jsonl --out o --samples -4", "--samples: "),
    ("zero", "generate p.jsonl --out o --samples 0", "--samples: "),
    ("fraction for a count", "generate p.jsonl --out o --samples 2.5", "--samples: "),
    ("nan", "generate p.jsonl --out o --temperature nan", "--temperature: "),
    ("infinite", "generate p.jsonl --out o --max-usd inf", "--max-usd: "),
    ("too hot", "generate p.jsonl --out o --temperature 5", "--temperature: "),
    ("similarity above one", "dedup p.jsonl --out o --threshold 80", "--threshold: "),
    ("nan similarity", "dedup p.jsonl --out o --threshold nan", "--threshold: "),
    ("huge number", f"generate p.jsonl --out o --samples {'9' * 5_000}", "--samples: "),
    ("one price", "generate p.jsonl --out o --price 3", "--price: "),
    ("price in words", "generate p.jsonl --out o --price cheap,dear", "--price: "),
    ("unknown choice", "generate p.jsonl --out o --truncation keeep", "did you mean keep?"),
    ("unknown engine", "verify r.jsonl --out o --engine spark", "--engine: "),
    ("prompt without a slot", "generate p.jsonl --out o --prompt hello", "{problem}"),
    ("bounds that contradict", "difficulty p.jsonl --out o --student qwen3 --low 0.9 --high 0.1", "low"),
    ("seed in words", "verify r.jsonl --out o --workers many", "--workers: "),
    ("port too high", "view run --port 99999", "--port: "),
    ("rule that is unknown", "dedup p.jsonl --out o --keep newest", "--keep: "),
    # Names
    ("unknown teacher", "generate p.jsonl --out o --teacher deepsek-r1", "did you mean deepseek-r1?"),
    ("unknown teacher, dry", "generate p.jsonl --out o --teacher deepsek-r1 --dry-run", "did you mean deepseek-r1?"),
    ("unknown teacher, estimate", "estimate p.jsonl --out o --teacher deepsek-r1", "did you mean deepseek-r1?"),
    ("unknown teacher to look up", "teachers deepsek-r1", "did you mean deepseek-r1?"),
    ("unknown judge", "verify r.jsonl --out o --judge gpt5", "no teacher called gpt5"),
    ("unknown student", "difficulty p.jsonl --out o --student qwn3", "did you mean"),
    ("unknown benchmark", "decontaminate p.jsonl --against aime42 --out o", "aime42"),
    ("unknown benchmark of eval", "eval qwen3 --benchmark aime42 --out o", "aime42"),
    ("unknown model of eval", "eval no/such/model --benchmark aime24 --out o", "no/such/model"),
    ("unknown preset of eval", "eval qwn3 --benchmark aime24 --out o", "qwn3"),
    ("unknown protocol", "eval qwen3 --benchmark aime24 --out o --protocol papr", "papr"),
    ("unknown table", "schema respons", "did you mean response?"),
    ("no against", "decontaminate p.jsonl --out o", "--against is missing"),
    ("no benchmark", "eval qwen3 --out o", "--benchmark is missing"),
    ("no student", "difficulty p.jsonl --out o", "--student is missing"),
    ("judge's option without a judge", "verify r.jsonl --out o --judge-model m", "--judge"),
    ("unknown form", "benchmarks make p.jsonl", "unknown form"),
    ("unknown source", "generate procedural:modular_chane?count=2 --teacher procedural --out o", "did you mean modular_chain?"),
    ("count that is no number", "generate procedural:modular_chain?count=many --teacher procedural --out o", "count"),
    ("half a Hub address", "generate hf://datasets/me --teacher procedural --out o", "hf://"),
    # Keys and servers
    ("no key", "generate p.jsonl --out o --teacher deepseek-r1", "DEEPSEEK_API_KEY"),
    ("key variable that is not set", "generate p.jsonl --out o --teacher qwen3 --model m --base-url https://a.example --api-key-env NOSUCHKEY", "NOSUCHKEY"),
    ("address without a scheme", "generate p.jsonl --out o --teacher vllm --model m --base-url localhost:8000", "localhost:8000"),
    ("cap without a price", "generate p.jsonl --out o --teacher vllm --model m --base-url http://127.0.0.1:9 --max-usd 5", "price"),
    ("no model", "generate p.jsonl --out o --teacher vllm --base-url http://127.0.0.1:9", "model"),
    ("judge without a key", "verify r.jsonl --out o --judge deepseek-r1", "DEEPSEEK_API_KEY"),
    ("two workers of accept", "generate p.jsonl --out o --teacher vllm --model m --accept 1 --workers 2", "--accept"),
    ("max candidates below accept", "generate p.jsonl --out o --teacher vllm --model m --accept 3 --max-candidates 1", "max_candidates"),
    # Runs and stores
    ("status of a file", "status p.jsonl", "p.jsonl"),
    ("status of nothing", "status nosuch", "nosuch"),
    ("report of no run", "report emptydir", "emptydir"),
    ("report of nothing", "report nosuch", "nosuch"),
    ("card of no run", "card emptydir", "emptydir"),
    ("card of nothing", "card nosuch", "nosuch"),
    ("view of nothing", "view nosuch", "nosuch"),
    ("why without a run", "why p-0123", "runs"),
    ("why of no run", "why p-0123 --run emptydir", "emptydir"),
    ("publish no run", "publish me/mine --run nosuch --dry-run", "nosuch"),
    ("publish to half a name", "publish mine --run emptydir --dry-run", ""),
    ("store that is a file", "generate p.jsonl --teacher vllm --model m --out o --store p.jsonl", "p.jsonl"),
    ("compare with no run", "dedup p.jsonl --out o --rethreshold", "o"),
    # Recipes
    ("no such recipe", "run quikstart", "did you mean quickstart?"),
    ("recipe is a folder", "run emptydir", "emptydir"),
    ("recipe is data", "run p.jsonl", "p.jsonl"),
    ("recipe is binary", "run binary.jsonl", "binary.jsonl"),
    ("recipe is empty", "run empty.yaml", "empty.yaml"),
    ("recipe is a list", "run list.yaml", "list.yaml"),
    ("recipe without read permission", "run secret.yaml", "secret.yaml"),
    ("recipe with tabs", "run tabs.yaml", "tabs.yaml"),
    ("recipe with a key twice", "run twice.yaml", "stands twice"),
    ("recipe of aliases", "run bomb.yaml", "bomb.yaml"),
    ("deep recipe", "run deep.yaml", "deep.yaml"),
    ("recipe with Python tags", "run tag.yaml", "tag.yaml"),
    ("recipe with NUL", "run nul.yaml", "nul.yaml"),
    ("recipe with an unknown key", "run unknown.yaml", "did you mean generate.samples?"),
    ("recipe with a wrong type", "run type.yaml", "generate.samples"),
    ("set a misspelt key", "run good.yaml --set generate.sampels=1", "did you mean samples?"),
    ("set a misspelt section", "run good.yaml --set generat.samples=1", "did you mean generate?"),
    ("set without a value", "run good.yaml --set generate.samples", "--set generate.samples"),
    ("set without a key", "run good.yaml --set =4", "--set =4"),
    ("set with open brackets", "run good.yaml --set seed=[", "--set seed=["),
    ("set below a value", "run good.yaml --set seed.x=1", "--set seed.x=1"),
    ("set a wrong type", "run good.yaml --set generate.samples=four", "--set generate.samples=four"),
    ("set an unknown teacher", "run good.yaml --set generate.teacher=deepsek-r1", "did you mean deepseek-r1?"),
    ("set an unknown benchmark", "run good.yaml --set decontamination.against=[aime42]", "aime42"),
    ("set an unknown column", "run good.yaml --set datasets.balance=[levle]", "did you mean level?"),
    ("set an unknown source", "run good.yaml --set problems.sources=[nosuch.jsonl]", "nosuch.jsonl"),
    ("name that leaves the folder", "run good.yaml --set name=../evil", "name"),
    ("until nowhere", "run good.yaml --until nowhere", "no step nowhere"),
    ("until a misspelt step", "run good.yaml --until sft-st", "did you mean sft-set?"),
    ("run into a file", "run good.yaml --out p.jsonl", "p.jsonl"),
    ("run into another's folder", "run good.yaml --out verdicts", "verdicts"),
    ("run without permission", "run good.yaml --out locked/run", "locked"),
    ("held out all", "run good.yaml --out run --set problems.held_out=9", "held_out"),
    ("until a stage of no training", "run good.yaml --until train-sft", "train-sft"),
    ("empty source list", "run good.yaml --set problems.sources=[]", "problems.sources"),
    ("empty source", 'run good.yaml --set problems.sources=[""]', "problems.sources"),
    ("import what is drawn", "import procedural:all --licence MIT --out o", "leave licence out"),
]  # fmt: skip


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """One line of 1 GB, which is 33 KB of zstd."""
    path = tmp_path_factory.mktemp("huge") / "huge.jsonl.zst"
    path.write_bytes(zstandard.compress(bytes(1 << 24)) * 64)
    return path


@pytest.fixture
def workplace(tmp_path, monkeypatch, huge):
    """A folder with one file of each kind that may be taken for another."""
    place = tmp_path / "work"
    for name in ("emptydir", "data", "mine", "locked", "verdicts", "tmp"):
        (place / name).mkdir(parents=True)
    monkeypatch.chdir(place)
    lines = {
        "p.jsonl": {**PROBLEM, "points": [3]},
        "data/p.jsonl": PROBLEM,
        "r.jsonl": RESPONSE,
        "secret.jsonl": PROBLEM,
    }
    for name, row in lines.items():
        Path(name).write_text(json.dumps(row) + "\n")
    for name in ("empty.jsonl", "empty.csv", "empty.yaml"):
        Path(name).touch()
    Path("blank.jsonl").write_text("\n  \n\n")
    Path("text.parquet").write_text("hello\n")
    Path("binary.jsonl").write_bytes(random.Random(1).randbytes(4_000))
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    Path("nul.jsonl").write_bytes(bytes(300))
    Path("utf16.jsonl").write_bytes(json.dumps(PROBLEM).encode("utf-16"))
    Path("deep.jsonl").write_text('{"problem":' + "[" * 100_000 + "\n")
    Path("broken.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    Path("broken.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfdbroken")
    Path("huge.jsonl.zst").hardlink_to(huge)
    Path("loop.jsonl").symlink_to("loop.jsonl")
    os.mkfifo("fifo.jsonl")
    pl.DataFrame([PROBLEM]).write_parquet("cut.parquet")
    Path("cut.parquet").write_bytes(Path("cut.parquet").read_bytes()[:-20])
    Path("mine/a.txt").write_text("mine\n")
    Path("verdicts/_manifest.json").write_text('{"step": "verify"}')
    (place / "verdicts/part-00000.parquet").write_bytes(Path("cut.parquet").read_bytes())
    Path("good.yaml").write_text(yaml.safe_dump(RECIPE))
    Path("secret.yaml").write_text(yaml.safe_dump(RECIPE))
    Path("list.yaml").write_text("- a\n- b\n")
    Path("tabs.yaml").write_text("name: a\nproblems:\n\tsources: [a]\n")
    Path("twice.yaml").write_text(yaml.safe_dump(RECIPE) + "generate: {samples: 8}\n")
    bomb = ["a: &a0 [x, x]"] + [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    Path("bomb.yaml").write_text("\n".join(bomb))
    Path("deep.yaml").write_text("a: " + "[" * 10_000)
    Path("tag.yaml").write_text("name: !!python/object/apply:os.system ['touch evil']\n")
    Path("nul.yaml").write_bytes(b"name: a\0b\n")
    Path("unknown.yaml").write_text(yaml.safe_dump({**RECIPE, "samples": 3}))
    Path("type.yaml").write_text(yaml.safe_dump({**RECIPE, "generate": {"samples": "four"}}))
    for name in ("secret.jsonl", "secret.yaml"):
        Path(name).chmod(0)
    Path("locked").chmod(0o500)
    for name in [name for name in os.environ if name.endswith(("_KEY", "_TOKEN"))] + ["FACTORY_STORE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(place / "tmp"))
    monkeypatch.setenv("COLUMNS", "200")
    yield place
    Path("locked").chmod(0o700)


def run(words, monkeypatch, capfd):
    """Exit code and what was said on stderr."""
    monkeypatch.setattr("sys.argv", ["factory", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, capfd.readouterr().err


STEP = re.compile(r"\[\d+/\d+\] ")
"""A step that is named before it begins."""


def files(place):
    """Every file below a folder, by size and bytes where they are few."""
    found = {}
    for path in sorted(place.rglob("*")):
        state = path.lstat()
        small = path.is_file() and state.st_size < 1 << 20 and os.access(path, os.R_OK)
        found[str(path.relative_to(place))] = (
            state.st_mode,
            state.st_size,
            path.read_bytes() if small else b"",
        )
    return found


@contextmanager
def without_privileges():
    """Root may read and write everything: this thread gives that up (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    head, kept = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(head, kept) == 0
    fewer = type(kept)(*kept)
    fewer[0] &= ~0b110
    assert libc.capset(head, fewer) == 0
    try:
        yield
    finally:
        libc.capset(head, kept)


@pytest.mark.parametrize(("words", "said"), [pytest.param(*row[1:], id=row[0]) for row in SLIPS])
def test_a_slip_is_one_line_exit_2_and_nothing_lost(words, said, workplace, monkeypatch, capfd):
    before = files(workplace)
    with without_privileges():
        code, err = run(shlex.split(words), monkeypatch, capfd)
    lines = [line for line in err.splitlines() if not STEP.match(line)]
    assert (code, len(lines) in (1, 2)) == (2, True), err
    assert said in err
    assert "Traceback" not in err
    assert all(line.startswith("factory: ") and len(line) < 1_000 for line in lines)
    after = files(workplace)
    assert {name: after.get(name) for name in before} == before
    new = [name for name in after if name not in before and not Path(name).is_dir()]
    assert not new or (
        " --out run " in words and not any(name.endswith((".parquet", ".txt")) for name in new)
    )


COMMANDS = [
    "dedup p.jsonl --out o --field problem --threshold 0.9 --keep first",
    "generate procedural:modular_chain?count=2 --teacher procedural --samples 2 --out o --seed 3 --store s",
    "generate procedural:modular_chain?count=2 --teacher vllm --model m --base-url http://127.0.0.1:9 --dry-run --out o",
    "run good.yaml --dry-run --set generate.samples=3 --until verify --out r",
    "init p.jsonl --out new.yaml --teacher vllm --model m --samples 3 --against aime24 --licence MIT --fields answer=answer",
    "schema response --json",
    "teachers deepseek-r1",
    "status data --json",
    "why p-0123 --run data",
    "estimate p.jsonl --teacher deepseek-r1 --out o --pilot 4",
    "eval deepseek-r1 --benchmark p.jsonl --out o --samples 2 --limit 1",
]
VALUES = ["", "-1", "0", "nan", "inf", "1e999", "four", "null", "[", "{}", "p.jsonl", "nosuch", "x" * 300, "9" * 400, "a.b=c", "--", "\x1b[2J", "\udcff", "*", "~", "é"]  # fmt: skip
THINGS = [None, -1, 0, 1.5, float("nan"), "", "four", [], [1], {}, {"a": {"b": 1}}, True, "x" * 300, 10**40]


def mistyped(word, rng):
    """A word with one typing error."""
    at = rng.randrange(len(word) + 1)
    return rng.choice([word[:at] + word[at + 1 :], word[:at] + rng.choice("aeq-.=_ 9") + word[at:], word[:at] + word[at : at + 2][::-1] + word[at + 2 :], word.swapcase()])  # fmt: skip


def mistaken(words, rng):
    """A command line with one mistake."""
    words, at = list(words), rng.randrange(len(words))
    other = rng.randrange(len(words))
    match rng.choice(["typed", "typed", "value", "value", "left out", "twice", "swapped", "added"]):
        case "typed":
            words[at] = mistyped(words[at], rng)
        case "value":
            words[at] = rng.choice(VALUES)
        case "left out":
            del words[at]
        case "twice":
            words.insert(at, words[at])
        case "swapped":
            words[at], words[other] = words[other], words[at]
        case _:
            words.insert(at, rng.choice(VALUES))
    return words


def misread(recipe, rng):
    """The text of a recipe with one mistake, in its values or in its letters."""
    data = yaml.safe_load(yaml.safe_dump(recipe))
    inner = data
    while True:
        key = rng.choice(list(inner))
        if isinstance(inner[key], dict) and inner[key] and rng.random() < 0.8:
            inner = inner[key]
            continue
        break
    kind = rng.choice(["typed", "value", "value", "left out", "letters", "letters"])
    if kind == "typed":
        inner[mistyped(key, rng)] = inner.pop(key)
    elif kind == "value":
        inner[key] = rng.choice(THINGS)
    elif kind == "left out":
        del inner[key]
    text = yaml.safe_dump(data)
    if kind == "letters":
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        lines[at] = mistyped(lines[at], rng)
        text = "\n".join(lines)
    return text


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """Progress lines are not what is counted here."""
    monkeypatch.setenv("FACTORY_PROGRESS", "off")


def assert_it_is_said(code, err, what):
    lines = [line for line in err.splitlines() if not STEP.match(line)]
    assert code in (0, 2), (what, code, err)
    assert len(lines) <= 2, (what, err)
    assert code == 0 or lines, what
    assert "Traceback" not in err
    assert not list(Path("tmp").glob("factory-error*")), (what, err)


@pytest.mark.parametrize("seed", mostly_long(range(10)))
def test_a_command_line_with_one_mistake_is_never_an_error_of_ours(seed, workplace, monkeypatch, capfd):
    rng = random.Random(seed)
    for _ in range(25):
        words = mistaken(rng.choice(COMMANDS).split(), rng)
        assert_it_is_said(*run(words, monkeypatch, capfd), words)


FULL = {
    **RECIPE,
    "seed": 1,
    "budget": {"max_usd": 5.0},
    "deduplication": {"threshold": 0.9, "keep": ["answered", "first"]},
    "decontamination": {"against": ["aime24"], "drop_templates": True},
    "verify": {"workers": 1, "judge": {"preset": "openai", "model": "m", "price": [1, 2]}},
    "datasets": {"balance": ["level"], "sft_rows": 10, "prompt": "{problem}"},
    "difficulty": {"low": 0.1, "high": 0.9, "min_samples": 2, "max_samples": 4},
    "preference": {"rule": "nearest_length", "max_pairs": 3},
    "rl_prompts": {"low": 0.0, "high": 0.5},
    "evaluation": {"benchmarks": ["math500"], "stages": ["sft"]},
}


@pytest.mark.parametrize("seed", mostly_long(range(10)))
def test_a_recipe_with_one_mistake_is_never_an_error_of_ours(seed, workplace, monkeypatch, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    rng = random.Random(seed)
    for _ in range(25):
        text = misread(FULL, rng)
        Path("mistaken.yaml").write_text(text)
        assert_it_is_said(*run(["run", "mistaken.yaml", "--dry-run", "--out", "r"], monkeypatch, capfd), text)
