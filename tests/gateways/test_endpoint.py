"""The operator's endpoint over HTTP: what counts as an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from engine.vocabulary.errors import BezantError
from gateways.endpoint import Endpoint


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[bytes]]]:
    heard: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/decide", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(url: str, within_s: float = 5) -> bool | None:
    """What the endpoint says, None for nothing."""

    async def ask() -> bool | None:
        endpoint, answer = Endpoint(url), asyncio.get_running_loop().create_future()
        endpoint.ask({"authorization": "1"}, answer.set_result)
        try:
            return bool(await asyncio.wait_for(answer, within_s))
        except TimeoutError:
            return None
        finally:
            endpoint.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("approves", [True, False])
def test_the_question_goes_out_as_json_and_the_word_comes_back(approves: bool) -> None:
    with answering(200, b'{"approve": true}' if approves else b'{"approve": false}') as (url, heard):
        assert said(url) is approves
    assert heard == [b'{"authorization": "1"}']


@pytest.mark.parametrize(
    ("status", "body"), [(500, b'{"approve": true}'), (200, b"yes"), (200, b'{"approve": 1}'), (200, b"[true]")]
)
def test_what_is_no_answer_is_none(status: int, body: bytes) -> None:
    with answering(status, body) as (url, _):
        assert said(url, within_s=0.5) is None


def test_an_address_in_the_clear_is_refused() -> None:
    with pytest.raises(BezantError, match="https"):
        Endpoint("http://example.com/decide")
