"""The Hub's API for data sets on loopback, as far as the real client uses it: create, preupload, LFS, commit, tag, read.

Large files come through LFS, or through Xet's chunk store when the client has it switched on: its chunks are counted
and thrown away, and a file counts as arrived when its metadata (which hold its SHA-256) do.

It keeps git's promises: a commit is all or nothing, a stale parent is refused, an LFS file must have arrived before
it is committed. Faults are asked for by the tests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PART_BYTES = 2_000_000
"""Larger LFS files go up in parts of this size."""


@dataclass
class Repo:
    """One repository: commits with their files (path to content), newest last, and tags."""

    private: bool = False
    commits: list[tuple[str, dict[str, tuple[bytes, bool]]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> tuple[str, dict[str, tuple[bytes, bool]]] | None:
        if revision == "main":
            return self.commits[-1]
        wanted = self.tags.get(revision.removeprefix("refs/tags/"), revision)
        return next((commit for commit in self.commits if commit[0] == wanted), None)

    def commit(self, files: dict[str, tuple[bytes, bool]]) -> str:
        names = [[path, sha_and_size(content)[0]] for path, (content, _) in sorted(files.items())]
        oid = hashlib.sha1(json.dumps([len(self.commits), names]).encode()).hexdigest()
        self.commits.append((oid, files))
        return oid


class HubServer:
    """Starts on a free loopback port; use as a context manager."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.xet_files = b""
        self.xet_bytes = 0
        self.log: list[str] = []
        self.put_bytes = 0
        self.break_puts_after: int | None = None
        self.fail_commit: int | None = None
        self.refusals: dict[str, tuple[int, object]] = {}
        """Name of a route to the status and the body with which it is refused."""
        self.card: dict[str, list[dict]] = {"errors": [], "warnings": []}
        """What the Hub says of a card, beside its own check."""
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        return {path: content for path, (content, _) in self.repos[repo].resolve(revision)[1].items()}

    def count(self, verb: str) -> int:
        return sum(line.startswith(verb) for line in self.log)


class Chunked(bytes):
    """Stands for a file whose content went to the chunk store: it has a SHA-256 and a size, and no bytes here."""

    def __new__(cls, oid: str, size: int) -> Chunked:
        made = super().__new__(cls)
        made.oid, made.size = oid, size
        return made


class Fault(Exception):
    """Close the connection without an answer."""


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            split = urlsplit(self.path)
            self.query = parse_qs(split.query)
            hub.log.append(f"{self.command} {unquote(split.path)}")
            try:
                for method, pattern, action in ROUTES:
                    found = re.fullmatch(pattern, split.path)
                    if found and self.command in method:
                        parts = {name: unquote(value) for name, value in found.groupdict().items()}
                        with hub.lock:
                            if refusal := hub.refusals.get(action.__name__):
                                self.body()
                                self.reply(*refusal)
                            else:
                                action(self, hub, **parts)
                        return
                self.reply(404, {"error": f"no route {self.path}"})
            except Fault:
                self.close_connection = True
                self.connection.close()

        do_GET = do_HEAD = do_POST = do_PUT = _serve

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                data = b""
                while size := int(self.rfile.readline(), 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return data
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def may_write(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {hub.token}"

        def repo(self, name: str, *, write: bool = False) -> Repo | None:
            """The repository, or an answer that says why not."""
            repo = hub.repos.get(name)
            if repo is None or (repo.private and not self.may_write()):
                self.body()
                self.reply(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
                return None
            if write and not self.may_write():
                self.body()
                self.reply(403, {"error": "Forbidden"})
                return None
            return repo

        def reply(self, status: int, value: object = None, headers: dict[str, str] | None = None) -> None:
            self.send(
                status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}
            )

        def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler


def sha_and_size(content: bytes) -> tuple[str, int]:
    if isinstance(content, Chunked):
        return content.oid, content.size
    return hashlib.sha256(content).hexdigest(), len(content)


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def create(request, hub: HubServer) -> None:
    asked = json.loads(request.body())
    if not request.may_write():
        request.reply(401, {"error": "Invalid credentials"})
        return
    name = f"{asked['organization']}/{asked['name']}"
    answer = {"url": f"{hub.url}/datasets/{name}", "name": name}
    if name in hub.repos:
        request.reply(409, {"error": "You already created this dataset repo", **answer})
        return
    hub.repos[name] = Repo(private=asked.get("visibility") == "private")
    hub.repos[name].commit({".gitattributes": (b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", False)})
    request.reply(200, answer)


def info(request, hub: HubServer, repo: str, revision: str = "main") -> None:
    found = request.repo(repo)
    if found is None:
        return
    commit = found.resolve(revision)
    if commit is None:
        request.reply(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        return
    about = {"id": repo, "sha": commit[0], "private": found.private, "gated": False, "disabled": False}
    siblings = [{"rfilename": path} for path in sorted(commit[1])]
    request.reply(200, about | {"downloads": 0, "likes": 0, "tags": [], "siblings": siblings})


def _entry(path: str, content: bytes, lfs: bool) -> dict:
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_id(content)}
    if lfs:
        sha, size = sha_and_size(content)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {size}\n".encode()
        about = {"oid": sha, "size": size, "pointerSize": len(pointer)}
        entry |= {"oid": git_id(pointer), "size": size, "lfs": about}
    return entry


def tree(request, hub: HubServer, repo: str, revision: str, path: str = "") -> None:
    found = request.repo(repo)
    if found is None:
        return
    commit = found.resolve(revision)
    if commit is None:
        request.reply(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        return
    head = f"{path}/" if path else ""
    files = {name: item for name, item in commit[1].items() if name.startswith(head)}
    recursive = request.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    entries = []
    folders = {name[: name.index("/", len(head))] for name in files if "/" in name[len(head) :]}
    entries += [
        {"type": "directory", "path": name, "size": 0, "oid": git_id(name.encode())}
        for name in sorted(folders)
    ]
    entries += [
        _entry(name, *item)
        for name, item in sorted(files.items())
        if recursive or "/" not in name[len(head) :]
    ]
    if path and not entries:
        request.reply(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        return
    request.reply(200, entries)


def paths_info(request, hub: HubServer, repo: str, revision: str) -> None:
    asked = request.body()
    found = request.repo(repo)
    if found is None:
        return
    wanted = json.loads(asked)["paths"] if asked.startswith(b"{") else parse_qs(asked.decode())["paths"]
    files = found.resolve(revision)[1]
    request.reply(200, [_entry(name, *files[name]) for name in wanted if name in files])


def refs(request, hub: HubServer, repo: str) -> None:
    found = request.repo(repo)
    if found is None:
        return
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": found.commits[-1][0]}
    tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": oid} for n, oid in found.tags.items()]
    request.reply(200, {"branches": [branch], "converts": [], "tags": tags})


def validate(request, hub: HubServer) -> None:
    content = json.loads(request.body())["content"]
    found = {name: list(said) for name, said in hub.card.items()}
    if not content.startswith("---\n") or "\n---" not in content[4:]:
        found["errors"].append({"message": "no YAML"})
    request.reply(400 if found["errors"] else 200, found)


def preupload(request, hub: HubServer, repo: str, revision: str) -> None:
    found = request.repo(repo, write=True)
    if found is None:
        return
    current = found.resolve(revision)[1]
    answer = []
    for file in json.loads(request.body())["files"]:
        mode = "lfs" if file["path"].endswith(".parquet") else "regular"
        there = current.get(file["path"])
        oid = None if there is None else sha_and_size(there[0])[0] if there[1] else git_id(there[0])
        answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    request.reply(200, {"files": answer})


def batch(request, hub: HubServer, repo: str) -> None:
    if request.repo(repo, write=True) is None:
        return
    objects = []
    for asked in json.loads(request.body())["objects"]:
        oid, size = asked["oid"], asked["size"]
        answer = {"oid": oid, "size": size}
        if oid not in hub.objects:
            upload: dict = {"href": f"{hub.url}/lfs/{oid}"}
            if size > PART_BYTES:
                count = -(-size // PART_BYTES)
                numbers = {f"{i:05d}": f"{hub.url}/lfs/{oid}/{i}" for i in range(1, count + 1)}
                upload = {
                    "href": f"{hub.url}/lfs/{oid}/complete",
                    "header": {"chunk_size": str(PART_BYTES), **numbers},
                }
            answer["actions"] = {"upload": upload, "verify": {"href": f"{hub.url}/lfs/{oid}/verify"}}
        objects.append(answer)
    request.reply(200, {"transfer": "basic", "objects": objects})


def _arrive(request, hub: HubServer) -> bytes:
    content = request.body()
    if hub.break_puts_after is not None and hub.put_bytes + len(content) > hub.break_puts_after:
        raise Fault
    hub.put_bytes += len(content)
    return content


def put(request, hub: HubServer, oid: str) -> None:
    content = _arrive(request, hub)
    if hashlib.sha256(content).hexdigest() != oid:
        request.reply(400, {"error": "checksum differs"})
        return
    hub.objects[oid] = content
    request.send(200, b"", {})


def put_part(request, hub: HubServer, oid: str, number: str) -> None:
    content = _arrive(request, hub)
    hub.parts[oid, int(number)] = content
    request.send(200, b"", {"ETag": hashlib.md5(content).hexdigest()})


def complete(request, hub: HubServer, oid: str) -> None:
    numbers = [part["partNumber"] for part in json.loads(request.body())["parts"]]
    content = b"".join(hub.parts.pop((oid, number)) for number in numbers)
    good = hashlib.sha256(content).hexdigest() == oid
    if good:
        hub.objects[oid] = content
    request.reply(200 if good else 400, {})


def verify(request, hub: HubServer, oid: str) -> None:
    asked = json.loads(request.body())
    good = oid in hub.objects and len(hub.objects[oid]) == asked["size"]
    request.reply(200 if good else 404, {})


def commit(request, hub: HubServer, repo: str, revision: str) -> None:
    found = request.repo(repo, write=True)
    if found is None:
        return
    lines = [json.loads(line) for line in request.body().splitlines()]
    if hub.fail_commit:
        status, hub.fail_commit = hub.fail_commit, None
        request.reply(status, {"error": "the server is unwell"})
        return
    header = lines[0]["value"]
    oid, files = found.resolve(revision)
    if header.get("parentCommit") not in (None, oid):
        request.reply(412, {"error": "A commit has happened since. Please refresh and try again."})
        return
    files = dict(files)
    for line in lines[1:]:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = (base64.b64decode(value["content"]), False)
        elif line["key"] == "lfsFile":
            if value["oid"] not in hub.objects and not _came_by_xet(hub, value["oid"]):
                request.reply(400, {"error": f"LFS object {value['oid']} does not exist"})
                return
            files[value["path"]] = (
                hub.objects.get(value["oid"]) or Chunked(value["oid"], value["size"]),
                True,
            )
        elif line["key"] == "deletedFile" and files.pop(value["path"], None) is None:
            request.reply(
                404, {"error": "A file with this name doesn't exist"}, {"X-Error-Code": "EntryNotFound"}
            )
            return
    new = found.commit(files)
    answer = {"success": True, "commitOid": new, "commitUrl": f"{hub.url}/datasets/{repo}/commit/{new}"}
    request.reply(200, answer | {"hookOutput": "", "pullRequestUrl": None})


def _came_by_xet(hub: HubServer, oid: str) -> bool:
    """Xet writes a hash as four little-endian words."""
    digest = bytes.fromhex(oid)
    return b"".join(digest[i : i + 8][::-1] for i in range(0, 32, 8)) in hub.xet_files


def xet_token(request, hub: HubServer, repo: str, revision: str) -> None:
    if request.repo(repo, write=True) is not None:
        request.reply(200, {"accessToken": "xet", "exp": int(time.time()) + 3600, "casUrl": f"{hub.url}/cas"})


def xorb(request, hub: HubServer, name: str) -> None:
    content = request.body()
    if hub.break_puts_after is not None and hub.xet_bytes + len(content) > hub.break_puts_after:
        request.reply(400, {"error": "no room"})
        return
    hub.xet_bytes += len(content)
    request.reply(200, {"was_inserted": True})


def xet_shard(request, hub: HubServer) -> None:
    hub.xet_files += request.body()
    request.reply(200, {"result": 1})


def no_such(request, hub: HubServer, rest: str) -> None:
    """Deduplication against others' chunks, upload grants, the newer shard API: the client goes on without."""
    request.body()
    request.reply(404, {"error": "not here"})


def tag(request, hub: HubServer, repo: str, revision: str) -> None:
    found = request.repo(repo, write=True)
    if found is None:
        return
    name = json.loads(request.body())["tag"]
    if name in found.tags:
        request.reply(409, {"error": "Tag exists"})
        return
    found.tags[name] = found.resolve(revision)[0]
    request.reply(200, {})


def resolve(request, hub: HubServer, repo: str, revision: str, path: str) -> None:
    found = request.repo(repo)
    if found is None:
        return
    oid, files = found.resolve(revision)
    if path not in files:
        request.reply(
            404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid}
        )
        return
    content, lfs = files[path]
    mark = hashlib.sha256(content).hexdigest() if lfs else git_id(content)
    headers = {"X-Repo-Commit": oid, "ETag": f'"{mark}"', "Accept-Ranges": "bytes"}
    if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")):
        start, end = int(asked[1]), int(asked[2] or len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        request.send(206, content[start : end + 1], headers)
        return
    request.send(200, content, headers)


_REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    ({"POST"}, r"/api/repos/create", create),
    ({"POST"}, r"/api/validate-yaml", validate),
    ({"GET"}, rf"/api/datasets/{_REPO}", info),
    ({"GET"}, rf"/api/datasets/{_REPO}/revision/(?P<revision>[^/]+)", info),
    ({"GET"}, rf"/api/datasets/{_REPO}/tree/(?P<revision>[^/]+)", tree),
    ({"GET"}, rf"/api/datasets/{_REPO}/tree/(?P<revision>[^/]+)/(?P<path>.+)", tree),
    ({"POST"}, rf"/api/datasets/{_REPO}/paths-info/(?P<revision>[^/]+)", paths_info),
    ({"GET"}, rf"/api/datasets/{_REPO}/refs", refs),
    ({"POST"}, rf"/api/datasets/{_REPO}/preupload/(?P<revision>[^/]+)", preupload),
    ({"POST"}, rf"/api/datasets/{_REPO}/commit/(?P<revision>[^/]+)", commit),
    ({"POST"}, rf"/api/datasets/{_REPO}/tag/(?P<revision>[^/]+)", tag),
    ({"POST"}, rf"/datasets/{_REPO}\.git/info/lfs/objects/batch", batch),
    ({"PUT"}, r"/lfs/(?P<oid>[0-9a-f]{64})", put),
    ({"PUT"}, r"/lfs/(?P<oid>[0-9a-f]{64})/(?P<number>\d+)", put_part),
    ({"POST"}, r"/lfs/(?P<oid>[0-9a-f]{64})/complete", complete),
    ({"POST"}, r"/lfs/(?P<oid>[0-9a-f]{64})/verify", verify),
    ({"GET"}, rf"/api/datasets/{_REPO}/xet-write-token/(?P<revision>[^/]+)", xet_token),
    ({"POST"}, r"/cas/v1/xorbs/(?P<name>.+)", xorb),
    ({"POST"}, r"/cas/v1/shards", xet_shard),
    ({"GET", "HEAD", "POST"}, r"/cas/(?P<rest>.*)", no_such),
    ({"GET", "HEAD"}, rf"/datasets/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", resolve),
]
