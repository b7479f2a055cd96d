"""A new key for the two institutions of a link, by message (0800/0810).

DE 70 says which key: 101 the PIN zone's, 102 the MAC's. DE 48 carries its check value (6 hexadecimal digits) and, in
the request, the key block (TR-31) under the zone master key that both have from a ceremony. Who receives it keeps the
key, answers with the check value that it computed itself, and from then on makes with it what leaves; who sent it does
so when that answer is right. In between, and for what is in flight, each side opens what comes under either key.

Hard cases: the request or its reply is lost (the same key is sent again, and changes nothing where it has arrived); the
block does not open, is of another usage or has another check value (DE 39 = 12, the old key stays); an answer with a
check value of another key (the old key stays, the link is closed: the two no longer speak of the same thing).

The HSM may be a network away, so it is asked in a thread; what the link carries meanwhile goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from engine.ports import Hsm, KeyRefused, KeyUsage
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields
from gateways.iso8583.wires import Wires

log = structlog.get_logger(__name__)

KEY_CHANGES: Final = {"101": KeyUsage.PIN_ZONE, "102": KeyUsage.MAC}
"""DE 70 of a key exchange, and the key that it changes."""
CODE_OF: Final = {usage: code for code, usage in KEY_CHANGES.items()}

_CHECK_DIGITS: Final = 6

T = TypeVar("T")


class KeyExchange:
    """The keys of one institution's pairs, changed by message."""

    def __init__(self, hsm: Hsm, pair_with: Callable[[str], str], wires: Wires) -> None:
        """`pair_with` names the pair of this institution and a member id; `KeyRefused` when they share none."""
        self._hsm = hsm
        self._pair_with = pair_with
        self._wires = wires
        self._asking: set[asyncio.Task[None]] = set()

    def propose(
        self, member_id: str, usage: KeyUsage, send: Callable[[Fields], None], refused: Callable[[str], None]
    ) -> None:
        """Make a new key and `send` what DE 70 and 48 say of it; `refused` hears why there is none."""

        def made() -> Fields:
            pair = self._pair_with(member_id)
            key = self._hsm.make_zone_key(pair, usage)
            return {"70": CODE_OF[usage], "48": key.check_value[:_CHECK_DIGITS] + key.key_block}

        self._ask(made, send, lambda why: refused(str(why)))

    def take(self, member_id: str, request: Fields, reply: Callable[[ResponseCode, str], None]) -> None:
        """Keep the key of a request; `reply` with DE 39 and, when it is held, DE 48."""
        usage = KEY_CHANGES[request["70"]]
        said = request.get("48", "")

        def taken() -> str:
            pair = self._pair_with(member_id)
            key = self._hsm.import_zone_key(pair, usage, said[_CHECK_DIGITS:], said[:_CHECK_DIGITS])
            self._hsm.activate_zone_key(pair, usage, key.name.version)
            return key.check_value[:_CHECK_DIGITS]

        def refused(why: KeyRefused) -> None:
            log.warning("new key refused", member=member_id, usage=usage.value, reason=str(why))
            reply(ResponseCode.INVALID_TRANSACTION, "")

        self._ask(taken, lambda check_value: reply(ResponseCode.APPROVED, check_value), refused)

    def confirm(
        self,
        member_id: str,
        proposed: Fields,
        reply: Fields,
        done: Callable[[], None],
        refused: Callable[[str], None],
    ) -> None:
        """The other side says that it holds the key: use it. `refused` when it says another check value."""
        usage = KEY_CHANGES[proposed["70"]]
        if reply.get("48", "").upper() != proposed["48"][:_CHECK_DIGITS].upper():
            refused("it answered a new key with another check value")
            return

        def activated() -> None:
            pair = self._pair_with(member_id)
            # The key that is pending is the one that was proposed: making it again gives it again.
            self._hsm.activate_zone_key(pair, usage, self._hsm.make_zone_key(pair, usage).name.version)

        self._ask(activated, lambda _: done(), lambda why: refused(str(why)))

    def _ask(self, question: Callable[[], T], then: Callable[[T], None], refused: Callable[[KeyRefused], None]) -> None:
        """Ask the HSM in a thread, one question after the other, and hear its answer on the loop."""

        async def asked() -> None:
            try:
                answer = await asyncio.get_running_loop().run_in_executor(None, question)
            except KeyRefused as why:
                refused(why)
            else:
                then(answer)

        def over(task: asyncio.Task[None]) -> None:
            self._asking.discard(task)
            self._wires.activity.ended()
            if not task.cancelled() and (bug := task.exception()) is not None:
                context = {"message": "a key exchange failed", "exception": bug}
                asyncio.get_running_loop().call_exception_handler(context)

        self._wires.activity.began()
        task = asyncio.get_running_loop().create_task(asked())
        self._asking.add(task)
        task.add_done_callback(over)
