"""Health says what a host is: over its own wire where it listens, by its heartbeat where it does not."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from api import health
from api.clock import MachineClock, machine_now
from api.health import echo_trouble, heartbeats, trouble
from api.heartbeats import OLD_AFTER, Heartbeat
from api.settings import Settings
from gateways.iso8583.listening import Listener
from gateways.iso8583.specifications import SIMNET, TERMINAL
from gateways.iso8583.wires import Wires
from gateways.pos import PosHost
from tests.gateways.doors import HandDoor
from tests.gateways.iso8583.world import Heard


def test_a_host_that_answers_an_echo_is_well_and_one_that_is_gone_is_not() -> None:
    async def story() -> None:
        clock, wires = MachineClock(), Wires()
        pos = PosHost(HandDoor(), acquirer_id="200001", host="127.0.0.1", port=0, clock=clock, wires=wires)
        await pos.start()
        host, port = pos.listener.address
        assert await echo_trouble(host, port, TERMINAL) is None
        found = await echo_trouble(host, port, SIMNET)
        assert found is not None and f"{host} port {port} hung up" in found
        await pos.close()
        found = await echo_trouble(host, port, TERMINAL)
        assert found is not None and "nobody answers" in found

    asyncio.run(story())


def test_a_host_that_is_silent_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE", timedelta(milliseconds=50))

    async def story() -> None:
        listener = Listener("127.0.0.1", 0, Heard, clock=MachineClock(), wires=Wires())
        await listener.start()
        found = await echo_trouble(*listener.address, TERMINAL)
        assert found is not None and "does not answer an echo" in found
        await listener.close()

    asyncio.run(story())


def test_a_heartbeat_is_fresh_old_or_missing(tmp_path: Path) -> None:
    heartbeat, now = Heartbeat(tmp_path, "jobs"), machine_now()
    assert heartbeat.trouble(now) == "it does not run here, or has never been well"
    heartbeat.beat(now)
    assert heartbeat.trouble(now) is None
    assert heartbeat.trouble(now + OLD_AFTER) == f"it was last well at {now:%Y-%m-%d %H:%M:%S} UTC"
    heartbeat.beat(now + OLD_AFTER)
    assert heartbeat.trouble(now + OLD_AFTER) is None
    heartbeat.stop()
    heartbeat.stop()
    assert heartbeat.trouble(now) is not None


@pytest.mark.parametrize("host", ["issuer", "jobs"])
def test_who_cannot_be_called_is_known_by_its_heartbeat(host: str, tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    assert asyncio.run(trouble(host, "bank", settings)) is not None
    (left,) = heartbeats(host, "bank", settings)
    left.beat(machine_now())
    assert asyncio.run(trouble(host, "bank", settings)) is None
    assert asyncio.run(trouble("issuer", "northbank", settings)) is not None


@pytest.mark.parametrize("host", ["api", "network"])
def test_who_can_be_called_leaves_none(host: str, tmp_path: Path) -> None:
    assert heartbeats(host, "bank", Settings(data_folder=tmp_path)) == ()
