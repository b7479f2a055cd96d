"""A new zone key for the network by message (0800, DE 70 = 101 or 102), asked for by an operator.

The command is one more process of the institution: it dials a link of its own, signs on, gives the network the new key,
and hangs up. The hosts that run take the key up within seconds; what is in flight is opened under either.
"""

from __future__ import annotations

import asyncio
from typing import Final

from api.hosts import Duty, Standing
from api.members import NETWORK_ID
from api.roles import MemberHost
from api.system import System
from engine.crypto.door import KeyRecord, KeyState, KeyUsage, pair_name
from engine.database.institutions import Institution
from engine.vocabulary.errors import BezantError
from gateways.iso8583.key_exchange import CODE_OF

PATIENCE_S: Final = 30
"""By the machine's clock, for sign-on and exchange each."""


async def exchanged(system: System, institution: Institution, usage: KeyUsage) -> KeyRecord:
    """The new key, once both sides hold it. Raises `BezantError`: not a key of a link, nobody to exchange with, or the
    network refuses; the old key stays in use then."""
    if usage not in CODE_OF:
        raise BezantError(f"The {usage} key is not changed by message: choose one of {', '.join(CODE_OF)}.")
    if institution.role not in ("issuer", "acquirer"):
        raise BezantError(f"{institution.name} is no member of the network: no key is exchanged with it.")
    async with Standing(system, [Duty(institution, MemberHost, ticks=False)]) as standing:
        (host,) = standing.hosts.values()
        assert isinstance(host, MemberHost)
        try:
            await asyncio.wait_for(standing.becomes_well(asyncio.Event()), PATIENCE_S)
        except TimeoutError:
            raise BezantError(f"{institution.name} cannot sign on to the network: is `bezant serve` running?") from None
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def over(refusal: str = "") -> None:
            if not outcome.done():
                outcome.set_result(refusal)

        host.change_key(usage, over, over)
        try:
            refusal = await asyncio.wait_for(outcome, PATIENCE_S)
        except TimeoutError:
            refusal = "it did not answer"
        if refusal:
            raise BezantError(f"The network did not take a new {usage} key: {refusal}. The old one stays in use.")
    (network,) = (one for one in system.institutions() if one.member_id == NETWORK_ID)
    owner = pair_name(institution.name, network.name)
    records = system.hsm(institution).custody.records()
    return next(
        one for one in records if one.state is KeyState.CURRENT and (one.name.usage, one.name.owner) == (usage, owner)
    )
