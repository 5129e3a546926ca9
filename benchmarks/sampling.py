"""What the client costs: requests a second and CPU beside other clients, on one loopback server in one run.

    python -m benchmarks.sampling [--requests 2000] [--peers DIR] [--out FILE.json] [--docs docs/sampling.md]

Every contender runs in a process of its own (`benchmarks.sampling_clients`) against a fresh server with the same
requests, 512 at once. Requests a second are counted from the arrival of the first one at the server until the client
holds all answers (ours: until they are durable), so that nobody's imports and set-up count. `--peers` names a folder with one virtual environment a
peer (curator, distilabel, datatrove), driven by `benchmarks/sampling_peers.py`; absent ones are left out with a message.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from benchmarks.sampling_clients import CONCURRENT

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "tests" / "servers" / "fault_server.py"
ROUNDS = 2
"""All contenders take turns this often; each one's best turn counts, since others use the machine, too."""
PEERS = ("curator", "distilabel", "datatrove", "datatrove-checkpoints")


class Server:
    """The fault server, without faults."""

    def __init__(self, **settings) -> None:
        command = [sys.executable, str(SERVER), json.dumps(settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict:
        """Its counts."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as reply:
            return json.load(reply)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *rest: object) -> None:
        self.process.kill()
        self.process.wait()


def contend(name: str, count: int, tokens: int, **settings) -> dict:
    """One contender in its own process, against a fresh server."""
    with Server(tokens=tokens, **settings) as server:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sampling_clients", name, server.url, str(count), str(tokens)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        return rates(json.loads(done.stdout.splitlines()[-1]), count, server.stats())


def rates(found: dict, count: int, stats: dict) -> dict:
    assert found["answers"] == count == stats["completed_identities"], (found, stats)
    chunks = stats["chunks"]
    # The monotonic clock is the machine's own, so two processes may compare what they read from it.
    busy = found.pop("ended") - stats["first"]
    return {
        **{key: round(value, 4) for key, value in found.items()},
        "busy_seconds": round(busy, 4),
        "server_seconds": round(stats["last"] - stats["first"], 4),
        "requests_per_second": round(count / busy, 1),
        "cpu_ms_per_request": round(1e3 * found["cpu"] / count, 3),
        "cpu_us_per_chunk": round(1e6 * found["cpu"] / chunks, 2) if chunks else None,
    }


def contend_peer(name: str, folder: Path, count: int, tokens: int, **settings) -> dict | None:
    """A peer from its own environment, driven by benchmarks/sampling_peers.py."""
    python = folder / name.partition("-")[0] / "bin" / "python"
    if not python.exists():
        print(f"{name}: not installed in {folder}, left out", file=sys.stderr)
        return None
    with Server(tokens=tokens, **settings) as server, tempfile.TemporaryDirectory() as work:
        script = ROOT / "benchmarks" / "sampling_peers.py"
        done = subprocess.run(
            [str(python), str(script), name, server.url, str(count), str(tokens), str(CONCURRENT)],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            print(f"{name}: failed, left out: {done.stderr[-1500:]}", file=sys.stderr)
            return None
        found = json.loads(done.stdout.splitlines()[-1])
        release = found.pop("version")
        return {**rates(found, count, {**server.stats(), "chunks": 0}), "version": release}


def measure_memory(rows: int) -> dict:
    command = [sys.executable, "-m", "benchmarks.sampling_clients", "rows", "-", str(rows), "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def table(result: dict) -> str:
    lines = ["| client | requests/s | CPU ms/request | CPU us/chunk |", "|---|---|---|---|"]
    for name, found in result["clients"].items():
        chunk = found.get("cpu_us_per_chunk") or "-"
        label = f"{name} {found['version']}" if "version" in found else name
        lines.append(
            f"| {label} | {found['requests_per_second']} | {found['cpu_ms_per_request']} | {chunk} |"
        )
    lines += [
        "",
        "CPU of the peers is that of their whole process, imports and all. " + ratios(result["clients"]),
    ]
    if hold := result.get("hold"):
        lag = hold["busy_seconds"] - hold["server_seconds"]
        lines += [
            "",
            f"512 streams of 50 tok/s, 1,500 tokens each: the server took {hold['server_seconds']:.1f} s to send "
            f"{hold['ideal_seconds']:.1f} s of tokens, and the last answer was stored {lag:.2f} s after; "
            f"{100 * hold['core_share']:.0f}% of one core, {hold['cpu_us_per_chunk']} us a chunk.",
        ]
    if memory := result.get("memory"):
        lines += [
            "",
            f"{memory['rows']:,} small responses through the whole step: at most {memory['peak_mib']} MiB, "
            f"{memory['rows_per_second']:,} rows/s, {memory['store_mib']} MiB of store.",
        ]
    return "\n".join(lines)


def ratios(clients: dict) -> str:
    """Ours beside the bare loop and beside the best peer, in one sentence."""
    ours = clients["factory, streamed and stored"]["requests_per_second"]
    bare = clients["openai loop, whole replies"]["requests_per_second"]
    said = f"Ours: {ours / bare:.1f} times the bare loop"
    peers = {name: found["requests_per_second"] for name, found in clients.items() if name in PEERS}
    if peers:
        best = max(peers, key=lambda name: peers[name])
        said += f", {ours / peers[best]:.1f} times the best peer ({best})"
    return said + "."


def measure(requests: int, peers: Path | None, *, hold: bool = True) -> dict:
    """All contenders, one after the other."""
    count, load = requests, round(os.getloadavg()[0], 2)
    clients: dict[str, dict] = {}
    plain = {"chunk": 20, "style": "inline"}
    for _ in range(ROUNDS):
        fresh = {
            "openai loop, whole replies": contend("openai", count // 4, 20, **plain),
            "factory, streamed and stored": contend("factory", count, 20, **plain),
            "openai loop, 200 chunks each": contend("openai_stream", count // 16, 200, style="inline"),
            "factory, 200 chunks each, stored": contend("factory", count // 2, 200, style="inline"),
        }
        for name in PEERS if peers else ():
            fresh[name] = contend_peer(name, peers, count // 2, 20, **plain)
        for name, found in fresh.items():
            if found is not None:
                clients[name] = max(
                    found, clients.get(name, found), key=lambda each: each["requests_per_second"]
                )
    result = {
        "concurrent": CONCURRENT,
        "requests": count,
        "rounds": ROUNDS,
        "load_before": load,
        "clients": clients,
    }
    if hold:
        result["hold"] = contend("hold", CONCURRENT, 1500, rate=50, tick=0.1, style="inline")
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--memory", type=int, default=0, help="rows of the memory run; 0 leaves it out")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", type=Path)
    parser.add_argument(
        "--only", choices=("docs", "memory", "clients"), help="leave the rest as it is in --out"
    )
    args = parser.parse_args()
    result = json.loads(args.out.read_text()) if args.only else measure(args.requests, args.peers)
    if args.only == "clients":
        result |= measure(args.requests, args.peers, hold=False)
    if args.memory:
        result["memory"] = measure_memory(args.memory)
    print(json.dumps(result, indent=2))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    if args.docs:
        from benchmarks.docs_table import renew

        renew(args.docs, "sampling", table(result))


if __name__ == "__main__":
    main()
