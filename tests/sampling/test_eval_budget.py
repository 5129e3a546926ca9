"""`factory eval` of a paid endpoint keeps to its cap, also when it is started again, and to the flags of its endpoint."""

import json

from tests.support.cli import run_factory

PRICE, CAP = (10.0, 10.0), 0.01


def evaluate(folder, server, *more):
    words = ["eval", "openai", "--model", "m", "--base-url", server.url, "--benchmark", folder / "b.jsonl"]
    words += [
        "--out",
        folder / "out",
        "--samples",
        "4",
        "--max-tokens",
        "64",
        "--price",
        "10,10",
        "--workers",
        "1",
        *more,
    ]
    return run_factory(*words)


def paid(server):
    stats = server.get("stats")
    return (stats["prompt_tokens"] * PRICE[0] + stats["completion_tokens"] * PRICE[1]) / 1e6


def test_the_cap_of_an_evaluation_holds_over_restarts(tmp_path, serve):
    server = serve(text="\\boxed{1}", style="none", tokens=3)
    rows = [{"problem": f"What is {i} + 0?", "answer": str(i)} for i in range(40)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for _restart in range(2):
        done = evaluate(tmp_path, server, "--max-usd", str(CAP))
        assert done.returncode == 3, done.stderr
        assert "budget spent" in done.stderr
        assert 0 < paid(server) <= CAP
    done = evaluate(tmp_path, server, "--max-usd", "5", "--concurrency", "4")
    assert done.returncode == 0, done.stderr
    assert "100" in done.stdout or "pass@1" in done.stdout
