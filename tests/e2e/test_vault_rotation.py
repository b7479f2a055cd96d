"""The vault keys of all institutions are replaced while terminals ask over TCP: no request fails, and afterwards
nothing is under an old key.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from api.keys import rotated
from api.system import MEMBERS, System
from engine.crypto.door import KeyUsage
from engine.vault.store import count_under
from tests.e2e.world import World, findings, settle

BANKS = ("bank", "northbank", "southbank")
HOLDERS = [one.name for one in MEMBERS if one.role in ("issuer", "acquirer", "network")]


def test_vault_keys_are_replaced_in_the_middle_of_traffic(world: World, system: System) -> None:
    ended = Event()

    def till(number: int) -> list[str]:
        """Purchases with PIN of every bank's cards, every other one taken back; the response codes."""
        codes: list[str] = []
        with world.terminal(number) as terminal:
            while not ended.is_set() or len(codes) < 12:
                card = world.opened.cards[BANKS[len(codes) % 3]][number % 3]
                request = terminal.purchase_with_pin(card, 100)
                codes.append(terminal.ask(request)["39"])
                codes.append(terminal.ask(terminal.reversal(request))["39"])
                codes.append(terminal.ask(terminal.purchase(card, 1))["39"])
        return codes

    told: list[str] = []
    with ThreadPoolExecutor(3) as threads:
        tills = [threads.submit(till, number) for number in (1, 2, 3)]
        try:
            for _ in range(2):
                for name in HOLDERS:
                    for usage in (KeyUsage.PAN_LOOKUP, KeyUsage.PAN_ENCRYPTION):
                        told += rotated(system, system.institution(name), usage, None)
        finally:
            ended.set()
        codes = [code for one in tills for code in one.result()]
    assert set(codes) == {"00"}, "no request fails"
    assert sum("is forgotten" in sentence for sentence in told) == 2 * 2 * len(HOLDERS)
    for name in HOLDERS:
        with system.database.institution(name).connect() as connection:
            sealed, found = count_under(connection)
        cards = world.value(name, "select count(*) from pans")
        assert sealed == {f"{name}:pan_encryption:3": cards} and found == {3: cards}, name
    # What was bought is presented by card number: the day's files are made from what lies under the new keys.
    settle(system)
    assert world.value("bank", "select count(*) from presented_items where placed") > 0
    assert findings(system) == []
