"""How a host of this machine is. Who listens is asked over its own wire: an echo over ISO 8583, `/health` over HTTP.
Who dials, or speaks to nobody, leaves heartbeats. The acquirer does both: an echo says to a terminal that the host is
there, whatever the network does, so it cannot say whether the network takes payments from it; the heartbeat does.
"""

from __future__ import annotations

import http.client
import ssl
from datetime import timedelta

from api.clock import MachineClock, machine_now
from api.heartbeats import Heartbeat
from api.roles import dialling_tls
from api.settings import Settings
from engine.vocabulary.errors import BezantError
from engine.vocabulary.messages import NetworkManagementRequest
from gateways.asking import Asker
from gateways.iso8583.matching import MANAGEMENT_KEY
from gateways.iso8583.messages import to_fields
from gateways.iso8583.session import ECHO
from gateways.iso8583.specifications import SIMNET, TERMINAL, Specification

PATIENCE = timedelta(seconds=3)


def heartbeats(host: str, bank: str, settings: Settings) -> tuple[Heartbeat, ...]:
    """The heartbeats that this kind of host leaves: none if being called says all."""
    match host:
        case "issuer":
            return (Heartbeat(settings.data_folder, f"issuer-{bank}"),)
        case "acquirer":
            return (Heartbeat(settings.data_folder, "acquirer"),)
        case "jobs":
            return (Heartbeat(settings.data_folder, "jobs"),)
        case _:
            return ()


async def trouble(host: str, bank: str, settings: Settings) -> str | None:
    """What is wrong with a host of this machine, in words; None when it is well."""
    where = settings.called_host
    match host:
        case "api":
            return http_trouble(where, settings.api_port)
        case "acquirer":
            if (silent := await echo_trouble(where, settings.pos_port, TERMINAL)) is not None:
                return silent
            (left,) = heartbeats(host, bank, settings)
            found = left.trouble(machine_now())
            return None if found is None else f"terminals reach it, but {found}; is it signed on to the network?"
        case "network":
            return await echo_trouble(where, settings.network_port, SIMNET, dialling_tls(settings))
        case _:
            (left,) = heartbeats(host, bank, settings)
            return left.trouble(machine_now())


async def echo_trouble(
    host: str, port: int, specification: Specification, tls: ssl.SSLContext | None = None
) -> str | None:
    """Ask for an echo (0800 with DE 70 = 301), which every listener of ours answers before anything else."""
    clock = MachineClock()
    asker = Asker(host, port, specification, key_elements=MANAGEMENT_KEY, clock=clock, timeout=PATIENCE, tls=tls)
    echo = NetworkManagementRequest(
        stan="000001", transmitted_at=clock.now().replace(microsecond=0), information_code=ECHO, member_id=""
    )
    try:
        await asker.open()
        reply = await asker.ask(to_fields(echo))
    except TimeoutError:
        return f"{host} port {port} does not answer an echo in {PATIENCE.seconds} seconds"
    except BezantError as error:
        return str(error)
    finally:
        await asker.close()
    return None if reply.get("39") == "00" else f"{host} port {port} answers an echo with DE 39 = {reply.get('39')}"


def http_trouble(host: str, port: int) -> str | None:
    """Get `/health`."""
    asking = http.client.HTTPConnection(host, port, timeout=PATIENCE.seconds)
    try:
        asking.request("GET", "/health")
        status = asking.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"nobody answers at {host} port {port} ({type(error).__name__})"
    finally:
        asking.close()
    return None if status == http.HTTPStatus.OK else f"{host} port {port} answers /health with {status}"
