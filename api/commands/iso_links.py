"""`bezant iso send`, `replay` and `listen`: messages to and from any host, ours or not."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from engine.vocabulary.errors import BezantError, FormatError

if TYPE_CHECKING:
    from gateways.iso8583.links import Line
    from gateways.iso8583.specifications import Specification
    from gateways.trying import Trial

Host = Annotated[str, typer.Argument(help="Where the host listens, as HOST:PORT.")]
Dialect = Annotated[str, typer.Option(help="How its elements are written: a name that `bezant iso describe` knows.")]
Framing = Annotated[
    str, typer.Option(help="Its lengths: 2b, 4b (bytes), 2a, 4a (digits); with -inclusive they count themselves.")
]
Authority = Annotated[
    Path | None, typer.Option("--tls-authority", help="Speak TLS; this authority (PEM) vouches for the other side.")
]
Certificate = Annotated[Path | None, typer.Option("--tls-certificate", help="Our certificate (PEM).")]
Key = Annotated[Path | None, typer.Option("--tls-key", help="The key of our certificate (PEM).")]
Seconds = Annotated[float, typer.Option("--timeout", min=0.01, help="How long to wait for a reply, in seconds.")]
SignOn = Annotated[str, typer.Option("--sign-on", help="Sign on as this member id first (DE 33).")]


def send(
    host: Host,
    message: Annotated[list[str], typer.Argument(help="The message in hexadecimal, as it shall leave.")],
    *,
    dialect: Dialect = "terminal",
    framing: Framing = "2b",
    sign_on: SignOn = "",
    timeout: Seconds = 10.0,
    tls_authority: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Send one message and show its reply."""
    from gateways.trying import messages_of

    (frame,) = messages_of(["".join(message)], "The message")
    tls = _dialling(tls_authority, tls_certificate, tls_key)
    trial = asyncio.run(
        _try(
            host,
            [frame],
            dialect=dialect,
            framing=framing,
            sign_on=sign_on,
            patience=timedelta(seconds=timeout),
            in_flight=1,
            tls=tls,
        )
    )
    console = Console(highlight=False)
    for one in trial.sent[-1:]:
        if one.reply is None:
            gone = f": {trial.lost}" if trial.lost else f" in {timeout:g} seconds"
            raise BezantError(f"No reply came from {host}{gone}.")
        assert one.waited is not None
        console.print(f"[dim]reply after {one.waited.total_seconds() * 1000:.1f} ms[/dim]")
        _show(console, one.reply, dialect)


def replay(
    host: Host,
    file: Annotated[Path, typer.Argument(help="Messages in hexadecimal, one a line; # begins a remark.")],
    *,
    dialect: Dialect = "terminal",
    framing: Framing = "2b",
    in_flight: Annotated[int, typer.Option(min=1, help="How many may wait for their replies at once.")] = 1,
    sign_on: SignOn = "",
    timeout: Seconds = 10.0,
    tls_authority: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Send the messages of a file, in order, and tell how they were answered."""
    from gateways.trying import messages_of

    try:
        lines = file.read_text("ascii").splitlines()
    except OSError as error:
        raise BezantError(f"Cannot read {file}: {str(error.strerror).lower()}.") from None
    except UnicodeDecodeError:
        raise BezantError(f"{file} holds no messages in hexadecimal.") from None
    frames = messages_of(lines, str(file))
    tls = _dialling(tls_authority, tls_certificate, tls_key)
    trial = asyncio.run(
        _try(
            host,
            frames,
            dialect=dialect,
            framing=framing,
            sign_on=sign_on,
            patience=timedelta(seconds=timeout),
            in_flight=in_flight,
            tls=tls,
        )
    )
    console = Console(highlight=False)
    sent = trial.sent[-len(frames) :] if len(trial.sent) >= len(frames) else trial.sent
    answers = Counter(_answer(one.reply, _specification(dialect)) for one in sent if one.reply is not None)
    console.print(f"{len(sent)} sent, {sum(answers.values())} answered, {len(trial.unasked)} not asked for")
    for answer, count in sorted(answers.items()):
        console.print(f"  {answer}: {count}")
    waits = sorted(one.waited.total_seconds() * 1000 for one in sent if one.waited is not None)
    if waits:
        console.print(f"  half within {waits[len(waits) // 2]:.1f} ms, all within {waits[-1]:.1f} ms")
    if len(sent) < len(frames) or trial.unanswered:
        gone = f"; the other side is gone: {trial.lost}" if trial.lost else ""
        raise BezantError(f"{len(frames) - sum(answers.values())} of {len(frames)} messages had no reply{gone}.")


class Answer(StrEnum):
    """What a counterpart does with a request."""

    APPROVE = "approve"
    DECLINE = "decline"
    SILENCE = "silence"


def listen(
    port: Annotated[int, typer.Argument(min=0, max=65535, help="Where to listen; 0 takes a free port.")],
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    dialect: Dialect = "terminal",
    framing: Framing = "2b",
    answer: Annotated[Answer, typer.Option(help="DE 39 = 00, 05, or no reply. Network management is approved.")] = (
        Answer.APPROVE
    ),
    count: Annotated[int, typer.Option(min=0, help="End after so many messages; 0: with Ctrl-C.")] = 0,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_authority: Authority = None,
) -> None:
    """Show each message that comes, and answer it."""
    if tls_certificate is not None and tls_key is None:
        raise BezantError("A certificate needs its key: add --tls-key.")
    from gateways.iso8583.tls import listening_context

    tls = None
    if tls_certificate is not None and tls_key is not None:
        _require_private(tls_key)
        tls = listening_context(tls_certificate, tls_key, tls_authority)
    asyncio.run(_listen(host, port, dialect=dialect, framing=framing, answer=answer, count=count, tls=tls))


async def _listen(
    host: str, port: int, *, dialect: str, framing: str, answer: Answer, count: int, tls: ssl.SSLContext | None
) -> None:
    from api.clock import MachineClock
    from api.hosts import stopping
    from engine.vocabulary.responses import ResponseCode
    from gateways.iso8583.listening import Listener
    from gateways.iso8583.wires import Wires
    from gateways.trying import Counterpart

    console = Console(highlight=False)
    response_code = {
        Answer.APPROVE: ResponseCode.APPROVED,
        Answer.DECLINE: ResponseCode.DO_NOT_HONOR,
        Answer.SILENCE: None,
    }[answer]
    specification, line = _specification(dialect), _line(framing)
    with stopping() as stop:
        left = count

        def heard(peer: str, frame: bytes) -> None:
            nonlocal left
            console.print(f"[bold]from {peer}[/bold], {len(frame)} bytes")
            _show(console, frame, dialect)
            left -= 1
            if left == 0:
                asyncio.get_running_loop().call_soon(stop.set)

        def answered(peer: str, reply: bytes) -> None:
            console.print(f"[dim]answered {peer}: {_answer(reply, specification)}[/dim]")

        counterpart = Counterpart(specification, response_code, heard, answered)
        listener = Listener(
            host, port, counterpart.met, clock=MachineClock(), wires=Wires(), line=line, tls=tls, setting="PORT"
        )
        await listener.start()
        console.print(f"listening on {listener.address[0]} port {listener.address[1]}, {dialect}, {framing}")
        await stop.wait()
        await listener.close()


async def _try(
    place: str,
    frames: list[bytes],
    *,
    dialect: str,
    framing: str,
    sign_on: str,
    patience: timedelta,
    in_flight: int,
    tls: ssl.SSLContext | None,
) -> Trial:
    from api.clock import MachineClock
    from gateways.iso8583.codec import encode
    from gateways.iso8583.dialling import dial
    from gateways.iso8583.wires import Wires
    from gateways.trying import Trial

    specification, line = _specification(dialect), _line(framing)
    host, port = _place(place)
    clock = MachineClock()
    trial = Trial(specification, clock)
    link = await dial(host, port, trial.on_link, clock=clock, wires=Wires(), line=line, tls=tls)
    try:
        if sign_on:
            now = clock.now()
            request = {"t": "0800", "7": now.strftime("%m%d%H%M%S"), "11": "000001", "33": sign_on, "70": "001"}
            trial.send(encode(request, specification))
            await trial.answered(clock.now() + patience)
            reply = trial.sent[0].reply
            if reply is None or _answer(reply, specification) != "0810 DE 39 = 00":
                said = "nothing" if reply is None else _answer(reply, specification)
                raise BezantError(f"{place} does not let member {sign_on} sign on: it answered {said}.")
        given_up = 0
        for frame in frames:
            await trial.answered(clock.now() + patience, most=given_up + in_flight - 1)
            given_up = max(given_up, len(trial.unanswered) - in_flight + 1)
            if trial.lost is not None:
                break
            trial.send(frame)
        await trial.answered(clock.now() + patience, most=given_up)
    finally:
        link.close()
        await link.closed()
    return trial


def _place(place: str) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise BezantError(f"{place!r} is no HOST:PORT.")
    return host.strip("[]"), int(port)


def _specification(dialect: str) -> Specification:
    from gateways.iso8583.specifications import dialect_named

    try:
        return dialect_named(dialect)
    except FormatError as wrong:
        raise BezantError(f"The dialect {dialect!r} {wrong.reason}.") from None


def _line(framing: str) -> Line:
    from gateways.iso8583.framing import framing_named
    from gateways.iso8583.links import Line

    return Line(framing_named(framing), max_frame_bytes=65_535)


def _dialling(authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    from gateways.iso8583.tls import dialling_context

    if authority is None:
        if certificate is not None or key is not None:
            raise BezantError("A certificate is shown over TLS only: add --tls-authority.")
        return None
    if key is not None:
        _require_private(key)
    return dialling_context(authority, certificate, key)


def _require_private(key: Path) -> None:
    from api.settings import load_settings

    if sentence := load_settings().open_to_others("TLS key", key):
        raise BezantError(f"{sentence[:1].upper()}{sentence[1:]}.")


def _answer(reply: bytes, specification: Specification) -> str:
    from gateways.iso8583.codec import decode

    try:
        fields = decode(reply, specification)
    except FormatError:
        return "a message that cannot be read"
    return f"{fields['t']} DE 39 = {fields.get('39', 'missing')}"


def _show(console: Console, frame: bytes, dialect: str) -> None:
    from gateways.iso8583.describe import describe_hex, render_table

    try:
        console.print(render_table(describe_hex(frame.hex(), dialect)))
    except FormatError as fault:
        console.print(f"{len(frame)} bytes that are no message of this dialect: {fault}")
