"""Writes docs/servers.md and its telling rows into README.md: what each odd server cost and how it ended.

Run: `python tests/chaos/lying_table.py`
"""

import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "servers"), str(ROOT / "tests" / "chaos")]

from lying_server import BEHAVIOURS, LyingServer  # noqa: E402
from test_lying_servers import MAX_TOKENS, PRICES, ask  # noqa: E402

from factory.sampling.stream import BEYOND_BYTES  # noqa: E402

PAGE, README = ROOT / "docs" / "servers.md", ROOT / "README.md"
TELLING = (
    "usage_missing", "usage_one", "usage_huge", "finish_no_such_reason", "only_done", "cut", "stalls", "keep_alive",
    "beyond_max_tokens", "endless", "gzip_bomb", "echo_500", "redirect_307",
)  # fmt: skip
"""Behaviours that stand for their kind."""
TABLE = """| behaviour | requests | delivered $ | booked $ | ended |
|---|---:|---:|---:|---|
"""
HEAD = f"""# What odd servers cost, and how they end

One request of {MAX_TOKENS} tokens to each behaviour of `tests/servers/lying_server.py`, at most two tries, on loopback; made by
`python tests/chaos/lying_table.py`. Prices: ${PRICES.prompt:g} and ${PRICES.completion:g} per million tokens, so that one word is a tenth of a
cent. Delivered is what the server handed to its socket, a word a token; booked is what the response store's account holds,
broken attempts included.

What is booked:

- An attempt that the server ended: the larger of what the server said and of what arrived. Nothing when it never
  answered with status 200.
- An attempt that we ended (no progress, too many bytes, a loop, the job was stopped): its whole reservation
  (`max_tokens`), since a server may go on, and bill, after the connection is closed.
- A stream beyond `max_tokens`: everything that it had sent by the time it was cut off (the buffers are read to their
  end, then the socket is shut down), and the reservation once more for what was still on its way.

So booked is never below delivered, and nothing more is sent once the cap is booked. A server that keeps to
`max_tokens` cannot exceed a cap. One that does not can exceed it by what is in flight when it is noticed: at most
{BEYOND_BYTES / 2**20:g} MiB of stream for each request in flight (`BEYOND_BYTES`). `tests/chaos/test_lying_servers.py` asserts all of it.

"""


def measure() -> dict[str, str]:
    """A line of the table for each behaviour."""
    server = LyingServer()
    lines = {}
    for name in BEHAVIOURS:
        before = list(server.delivered[name])
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            rows, usd, ended = ask(server, name, Path(folder))
        requests, prompt, words = (b - a for a, b in zip(before, server.delivered[name], strict=True))
        refused = "not followed" if "redirect" in ended else "refused"
        how = rows["status"][0] if rows is not None else refused
        delivered = PRICES.cost(prompt, words)
        lines[name] = f"| {name} | {requests} | {delivered:.4f} | {usd:.4f} | {how} |\n"
    server.stop()
    return lines


def main() -> None:
    """Write both."""
    lines = measure()
    PAGE.write_text(HEAD + TABLE + "".join(lines.values()), "utf-8")
    rows = "".join(lines[name] for name in TELLING)
    shown = f"<!-- servers -->\n{TABLE}{rows}<!-- servers end -->"
    text = README.read_text("utf-8")
    README.write_text(re.sub(r"<!-- servers -->.*<!-- servers end -->", shown, text, flags=re.S), "utf-8")


if __name__ == "__main__":
    main()
