"""Writes docs/servers.md: what each behaviour of tests/servers/lying_server.py cost and how it ended.

Run: `python tests/chaos/lying_table.py > docs/servers.md`
"""

import contextlib
import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "servers"), str(ROOT / "tests" / "chaos")]

from lying_server import BEHAVIOURS, LyingServer  # noqa: E402
from test_lying_servers import MAX_TOKENS, PRICES, ask  # noqa: E402

HEAD = f"""# What odd servers cost, and how they end

One request of {MAX_TOKENS} tokens to each behaviour of `tests/servers/lying_server.py`, at most two tries, on loopback; made by
`python tests/chaos/lying_table.py`. Prices: ${PRICES.prompt:g} and ${PRICES.completion:g} per million tokens, so that one word is a tenth of a
cent. Delivered is what the server handed to its socket, a word a token; booked is what the response store's account holds,
broken attempts included: the larger of what the server said and of what was counted. The three streams that go beyond
`max_tokens` are cut off there; what was still on its way then (in socket buffers, at loopback speed) nobody can count.

| behaviour | requests | delivered $ | booked $ | ended |
|---|---:|---:|---:|---|
"""


def main() -> None:
    """Print the page."""
    server = LyingServer()
    lines = []
    for name in BEHAVIOURS:
        before = list(server.delivered[name])
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            rows, usd, ended = ask(server, name, Path(folder))
        requests, prompt, words = (b - a for a, b in zip(before, server.delivered[name], strict=True))
        how = (
            rows["status"][0]
            if rows is not None
            else "refused"
            if "redirect" not in ended
            else "not followed"
        )
        delivered = PRICES.cost(prompt, words)
        lines.append(f"| {name} | {requests} | {delivered:.4f} | {usd:.4f} | {how or ended} |\n")
    server.stop()
    sys.stdout.write(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
