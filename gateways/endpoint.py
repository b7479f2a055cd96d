"""An operator's own HTTPS endpoint, asked one question: a POST of JSON, answered with `{"approve": true}` or false.

What is no such answer (another status, another body, no connection) is no answer, and whoever asks has a timer. Asked
in threads of its own: a slow endpoint holds up its own questions, never the host.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import structlog

from engine.vocabulary.errors import BezantError

AT_ONCE: Final = 32
PATIENCE_S: Final = 10
"""By the machine's clock: the question's own timer is much shorter, and by the world's."""
LARGEST_ANSWER: Final = 10_000
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

log = structlog.get_logger(__name__)


class Endpoint:
    """Asks one endpoint."""

    def __init__(self, url: str) -> None:
        """Raises `BezantError` for an address that is neither HTTPS nor on this machine."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise BezantError("The endpoint of authorizations takes an https address: set another one.")
        self._url = url
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="endpoint")

    def ask(self, question: Mapping[str, Any], heard: Callable[[bool], object]) -> None:
        """Ask, and have `heard` called on the event loop with what it says; not at all where it says nothing. Call on
        the event loop."""
        loop = asyncio.get_running_loop()
        body = json.dumps(question).encode()

        def done(approves: bool | None) -> None:
            if approves is not None:
                heard(approves)

        def work() -> None:
            approves = self._post(body)
            if not loop.is_closed():
                loop.call_soon_threadsafe(done, approves)

        self._threads.submit(work)

    def close(self) -> None:
        """Ask no more; what is under way finds nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _post(self, body: bytes) -> bool | None:
        request = Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310, checked above
        try:
            with urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310, checked above
                said = json.loads(answer.read(LARGEST_ANSWER))
        except (URLError, OSError, ValueError) as error:
            log.info("the endpoint of authorizations says nothing", reason=type(error).__name__)
            return None
        approves = said.get("approve") if isinstance(said, dict) else None
        return approves if isinstance(approves, bool) else None
