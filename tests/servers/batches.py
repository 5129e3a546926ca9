"""The Files and Batches endpoints of the fault server."""

from __future__ import annotations

import json

from answers import answer, identity_of, whole


def answer_batch(connection, method: str, path: str, headers: dict, body: bytes) -> None:
    """The Files and Batches endpoints: a batch is done after it was looked at twice."""
    server = connection.server
    parts = [part for part in path.split("/") if part and part != "v1"]
    if parts[0] == "files" and method == "POST":
        name = f"file-{len(server.files)}"
        boundary = headers[b"content-type"].split(b"boundary=")[1]
        for piece in body.split(b"--" + boundary):
            if b'name="file"' in piece:
                server.files[name] = piece.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n", 1)[0]
        connection.reply(
            200,
            {
                "id": name,
                "object": "file",
                "bytes": 1,
                "created_at": 1,
                "filename": "x",
                "purpose": "batch",
                "status": "processed",
            },
        )
    elif parts[0] == "files":
        connection.raw(200, server.files[parts[1]], "application/octet-stream")
    elif method == "POST":
        wanted = json.loads(body)
        name = f"batch-{len(server.batches)}"
        server.batches[name] = {"id": name, "looks": 0, **wanted}
        connection.reply(200, batch_state(server, name))
    elif len(parts) == 1:
        listed = [batch_state(server, name) for name in server.batches]
        connection.reply(200, {"object": "list", "data": listed, "has_more": False})
    else:
        server.batches[parts[1]]["looks"] += 1
        connection.reply(200, batch_state(server, parts[1]))


def batch_state(server, name: str) -> dict:
    batch = server.batches[name]
    done = batch["looks"] >= 2
    if done and "output_file_id" not in batch:
        lines = []
        for line in reversed(server.files[batch["input_file_id"]].splitlines()):
            item = json.loads(line)
            identity = identity_of(item["body"])
            server.asked[identity] = server.asked.get(identity, 0) + 1
            server.complete(identity)
            reply = whole(
                answer(item["body"], identity, server.settings), item["body"], server.settings, None
            )
            lines.append(
                {
                    "custom_id": item["custom_id"],
                    "response": {"status_code": 200, "body": reply},
                    "error": None,
                }
            )
        batch["output_file_id"] = f"file-{len(server.files)}"
        server.files[batch["output_file_id"]] = "\n".join(json.dumps(line) for line in lines).encode()
    return {
        "id": name,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": batch["input_file_id"],
        "completion_window": "24h",
        "created_at": 1,
        "status": "completed" if done else "in_progress",
        "output_file_id": batch.get("output_file_id"),
        "metadata": batch.get("metadata"),
    }
