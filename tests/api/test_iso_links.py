"""`bezant iso send`, `replay` and `listen`, against a host in this process and against each other."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.clock import MachineClock
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.framing import framing_named
from gateways.iso8583.links import Line, Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.replies import reply_to
from gateways.iso8583.specifications import SIMNET, TERMINAL
from gateways.iso8583.tls import listening_context
from gateways.iso8583.wires import Wires
from tests.gateways.iso8583.certificates import Authority

ECHO = {"t": "0800", "7": "0302093000", "11": "000001", "70": "301"}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bezant(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: status, what it printed, what it complained of."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bezant", "iso", *words])
        monkeypatch.setenv("COLUMNS", "200")
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


class HostThread:
    """A host on a loop in a thread of its own, since the command has one of its own."""

    def __init__(self, react: Callable[[Link, bytes], object], **options: Any) -> None:
        self._react = react
        self._options = options
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> str:
        self._thread.start()
        self._started.wait()
        return f"127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        listener = Listener("127.0.0.1", 0, self._met, clock=MachineClock(), wires=Wires(), **self._options)
        await listener.start()
        self.port = listener.address[1]
        self._started.set()
        await self._stop.wait()
        await listener.close()

    def _met(self, link: Link) -> Any:
        react = self._react

        class Met:
            def on_frame(self, frame: bytes) -> None:
                react(link, frame)

            def on_lost(self, reason: str) -> None:
                pass

        return Met()


def approve(link: Link, frame: bytes) -> None:
    link.send(encode(reply_to(decode(frame, TERMINAL), ResponseCode.APPROVED), TERMINAL))


def test_a_message_is_sent_and_its_reply_shown(bezant: Run) -> None:
    with HostThread(approve) as place:
        status, shown, _ = bezant("send", place, encode(ECHO, TERMINAL).hex())
    assert status == 0
    assert re.search(r"reply after \d+\.\d ms", shown)
    assert "0810 (network management request response)" in shown
    assert re.search(r"39 +Response code +00", shown)


def test_another_framing_another_dialect_and_tls(bezant: Run, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    files, member = authority.vouch("host"), authority.vouch("member")

    def answer(link: Link, frame: bytes) -> None:
        link.send(encode(reply_to(decode(frame, SIMNET), ResponseCode.APPROVED), SIMNET))

    tls = listening_context(files.certificate, files.key, authority.certificate)
    with HostThread(answer, line=Line(framing_named("4a-inclusive")), tls=tls) as place:
        words = ("--framing", "4a-inclusive", "--dialect", "simnet", "--tls-authority", str(authority.certificate))
        message = encode(ECHO, SIMNET).hex()
        shown_certificate = ("--tls-certificate", str(member.certificate), "--tls-key", str(member.key))
        status, shown, _ = bezant("send", place, message, *words, *shown_certificate)
        assert (status, "0810" in shown) == (0, True)
        status, _, error = bezant("send", place, message, *words, "--timeout", "5")
        assert (status, error.count("\n")) == (1, 1)


def test_a_broken_message_goes_out_as_it_is(bezant: Run) -> None:
    came: list[bytes] = []

    def refuse(link: Link, frame: bytes) -> None:
        came.append(frame)
        link.send(encode({"t": "0810", "7": "0302093000", "11": "000009", "39": "30"}, TERMINAL))

    with HostThread(refuse) as place:
        status, shown, _ = bezant("send", place, "dead", "beef")
    assert (status, came) == (0, [b"\xde\xad\xbe\xef"])
    assert re.search(r"39 +Response code +30", shown)


def test_a_file_is_replayed_with_many_in_flight_and_answers_out_of_order(bezant: Run, tmp_path: Path) -> None:
    held: list[tuple[Link, bytes]] = []

    def in_reverse(link: Link, frame: bytes) -> None:
        held.append((link, frame))
        if len(held) == 10:
            for one in reversed(held):
                approve(*one)
            held.clear()

    messages = [encode(ECHO | {"11": f"{number:06d}"}, TERMINAL).hex() for number in range(30)]
    file = tmp_path / "messages.txt"
    file.write_text("# thirty echoes\n\n" + "  # one\n".join(messages) + "\n")
    with HostThread(in_reverse) as place:
        status, shown, error = bezant("replay", place, str(file), "--in-flight", "10")
    assert (status, error) == (0, "")
    assert "30 sent, 30 answered, 0 not asked for" in shown
    assert "0810 DE 39 = 00: 30" in shown


def test_what_had_no_reply_and_what_nobody_asked_for_is_told(bezant: Run, tmp_path: Path) -> None:
    def sometimes(link: Link, frame: bytes) -> None:
        if decode(frame, TERMINAL)["11"] != "000001":
            approve(link, frame)
            approve(link, frame)

    file = tmp_path / "messages.txt"
    file.write_text("\n".join(encode(ECHO | {"11": f"{number:06d}"}, TERMINAL).hex() for number in range(3)))
    with HostThread(sometimes) as place:
        status, shown, error = bezant("replay", place, str(file), "--timeout", "0.3")
    assert status == 1
    assert "3 sent, 2 answered" in shown
    assert "1 of 3 messages had no reply" in error


def test_a_member_signs_on_before_it_sends(bezant: Run) -> None:
    def network(link: Link, frame: bytes) -> None:
        fields = decode(frame, TERMINAL)
        known = fields.get("33") in (None, "100001")
        code = ResponseCode.APPROVED if known else ResponseCode.ROUTING_UNKNOWN
        link.send(encode(reply_to(fields, code), TERMINAL))

    message = encode(ECHO, TERMINAL).hex()
    with HostThread(network) as place:
        assert bezant("send", place, message, "--sign-on", "100001")[0] == 0
        status, _, error = bezant("send", place, message, "--sign-on", "999999")
    assert (status, "does not let member 999999 sign on: it answered 0810 DE 39 = 92" in error) == (1, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("send", "nowhere", "0800"), "'nowhere' is no HOST:PORT"),
        (("send", "127.0.0.1:1", "08x0"), "The message, line 1: this is no message in hexadecimal"),
        (("send", "127.0.0.1:1", "0800"), "nobody answers at 127.0.0.1 port 1"),
        (("send", "127.0.0.1:1", "0800", "--framing", "3b"), "There is no framing '3b'"),
        (("send", "127.0.0.1:1", "0800", "--dialect", "klingon"), "The dialect 'klingon' is none of terminal"),
        (("send", "127.0.0.1:1", "0800", "--tls-key", "x"), "add --tls-authority"),
        (("replay", "127.0.0.1:1", "missing.txt"), "Cannot read missing.txt: no such file"),
        (("listen", "0", "--tls-certificate", "x"), "add --tls-key"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(bezant: Run, words: tuple[str, ...], reason: str) -> None:
    status, _, error = bezant(*words)
    assert (status, error.count("\n")) == (1, 1)
    assert reason in error


@pytest.fixture
def listening() -> Iterator[Callable[..., tuple[str, Callable[[], str]]]]:
    """`bezant iso listen` as a process: where it listens, and what it printed once it has ended."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str) -> tuple[str, Callable[[], str]]:
        command = [sys.executable, "-m", "api", "iso", "listen", "0", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        first = process.stdout.readline()
        port = re.search(r"port (\d+)", first)
        assert port is not None, first
        return f"127.0.0.1:{port[1]}", lambda: process.communicate(timeout=30)[0]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_listener_shows_what_comes_and_declines_what_it_shall(
    bezant: Run, listening: Callable[..., tuple[str, Callable[[], str]]]
) -> None:
    place, told = listening("--answer", "decline", "--count", "2")
    request = {"t": "0100", "2": "4000010000000002", "3": "000000", "4": "000000001000", "7": "0302093000"}
    message = encode(request | {"11": "000001", "41": "TERM0001"}, TERMINAL).hex()
    _, shown, _ = bezant("send", place, message)
    assert re.search(r"39 +Response code +05", shown)
    assert bezant("send", place, encode(ECHO, TERMINAL).hex())[0] == 0
    printed = told()
    assert "0100 (authorization request)" in printed
    assert "answered 127.0.0.1" in printed and "0110 DE 39 = 05" in printed
    assert "4000010000000002" not in printed
