"""Round-ups of real card purchases: over TCP from a terminal to the bank, cleared, posted, and then put by at night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import pytest

from api.clock import WorldClock
from api.system import System
from engine.accounts.store import read_by_handle
from engine.savings.model import OpenSavings, PlanSavings
from simulator.opening import SAVINGS_PRODUCT
from tests.e2e.terminal import Card
from tests.e2e.world import World, findings, open_world, settle

SAVERS = 3
UNIT_MINOR = 100


@pytest.fixture(scope="module")
def goals(system: System) -> Iterator[tuple[World, list[tuple[Card, UUID]]]]:
    """A world in which the first customers of our bank save for a boat: their cards and their savings accounts."""
    opened = open_world(system)
    clock = WorldClock(system.database.owner())
    bank = system.seat(system.institution("bank"), clock=clock).processor
    handles = [f"@{person.handle}" for person in opened.population.of("bank")][:SAVERS]
    with bank.engine.connect() as connection:
        by_handle = {one.handle: one.id for one in read_by_handle(connection, handles)}
    saved = []
    for handle in handles:
        ask = OpenSavings(reference="boat", customer_id=by_handle[handle], product=SAVINGS_PRODUCT, opening_minor=0)
        (answer,) = bank.execute([ask])
        assert answer is not None and answer.code == "opened", answer
        saved.append(UUID(str(answer.facts["savings_id"])))
        plan = PlanSavings(
            reference="boat",
            customer_id=by_handle[handle],
            savings_id=saved[-1],
            goal_name="Boat",
            goal_minor=900_000,
            round_up_minor=UNIT_MINOR,
        )
        (answer,) = bank.execute([plan])
        assert answer is not None and answer.code == "planned", answer
    with World(system, opened) as world:
        yield world, list(zip(opened.cards["bank"], saved, strict=False))


def put_by(world: World) -> Counter[UUID]:
    """What round-ups have put into each savings account, in minor units."""
    found: Counter[UUID] = Counter()
    for savings_id, minor in world.rows("bank", "select subject_id, amount_minor from entries where kind = 'round-up'"):
        found[savings_id] += minor
    return found


def test_a_purchase_that_has_cleared_is_rounded_up_once_into_the_goal(
    goals: tuple[World, list[tuple[Card, UUID]]],
) -> None:
    """A reversed purchase never clears, so nothing is put by for it; what is given back later leaves what was put by:
    it is the customer's own money in the customer's own account, and a refund is another item, which is no purchase.
    """
    world, ((ada, boat), (bob, raft), (eve, yacht)) = goals
    nobody = world.opened.cards["bank"][SAVERS]
    with world.terminal() as terminal:
        taken_back = terminal.purchase(bob, 1_999)
        given_back = terminal.purchase(eve, 750)
        for request in (
            terminal.purchase(ada, 1_234),
            terminal.purchase(ada, 1_000),
            terminal.purchase(ada, 5),
            taken_back,
            given_back,
            terminal.purchase(nobody, 1_234),
        ):
            assert terminal.ask(request)["39"] == "00"
        assert terminal.ask(terminal.reversal(taken_back))["39"] == "00"
        assert terminal.ask(terminal.purchase(eve, 750, de3="200000"))["39"] == "00", "a refund"
        assert put_by(world) == {}, "a hold is no purchase yet"
    settle(world.system)
    assert put_by(world) == {boat: 66 + 95, yacht: 50}
    settle(world.system)
    assert put_by(world) == {boat: 66 + 95, yacht: 50}, "the nights after find nothing more"
    assert findings(world.system) == []
    cleared = "select count(*) from entries where kind = :kind"
    assert (world.value("bank", cleared, kind="purchase"), world.value("bank", cleared, kind="refund")) == (5, 1)
    assert raft not in put_by(world)
