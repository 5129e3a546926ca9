"""How far a reply is: pieces that came, or what their characters come to."""

import json

from factory.sampling.response_parser import Reply


def event(text):
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n".encode()


def test_progress_is_the_pieces_or_a_fourth_of_the_characters():
    reply = Reply(stop_loops=False)
    assert reply.progress == 0
    for _ in range(3):
        reply.feed(event("a"))
    assert reply.progress == 3 and not reply.finished
    reply.feed(event("word " * 80))
    assert reply.progress == 403 // 4
