"""One eventful day: everything that was planned happens, everything that goes wrong ends, every proof holds."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import text

from api.system import System
from simulator.chance import Chance
from simulator.day import Scenario, plan
from simulator.faults import FaultKind
from simulator.figures import Figures
from simulator.playing import entry_of
from simulator.population import populate
from simulator.terminals import Entry
from tests.simulation.conftest import EVENTFUL
from tests.simulation.played import PlayedDay

OUTCOMES = {
    "approved": "purchases, refunds, completions, tips",
    "reversed": "cancelled at the counter, or after silence",
    "not completed": "a tip beyond tolerance",
    "declined 14 invalid card number": "a number of no card",
    "declined 15 no such issuer": "an account range of nobody",
    "declined 41 lost card": "",
    "declined 51 insufficient funds": "",
    "declined 54 expired card": "",
    "declined 55 incorrect pin": "",
    "declined 62 restricted card": "a blocked card",
    "declined 82 cvv failed": "a counterfeit",
    "declined 91 issuer inoperative": "a silent bank",
}


def test_every_proof_holds(eventful_day: Figures) -> None:
    assert [(proof.name, proof.findings) for proof in eventful_day.proofs if not proof.holds] == []
    about = {proof.name.partition(":")[0] for proof in eventful_day.proofs}
    institutions = {"bank", "northbank", "southbank", "acquirer", "simnet", "settlement"}
    assert about == institutions | {"the world", "the terminals", "the auditor"}


def test_every_scenario_of_the_plan_is_played(eventful_day: Figures) -> None:
    chance = Chance(EVENTFUL["seed"])
    planned = plan(chance, populate(chance), EVENTFUL["payments"], EVENTFUL["level"]).payments
    assert {payment.scenario for payment in planned} == set(Scenario)
    assert sum(eventful_day.payments.values()) == len(planned)


def test_cards_come_in_by_chip_and_tap_mostly_and_in_every_other_way() -> None:
    chance = Chance(EVENTFUL["seed"])
    planned = plan(chance, populate(chance), EVENTFUL["payments"], EVENTFUL["level"]).payments
    entries = Counter(entry_of(payment, has_chip=True) for payment in planned)
    assert set(entries) == set(Entry)
    counters = sum(entries[entry] for entry in (Entry.CHIP, Entry.CONTACTLESS, Entry.STRIPE, Entry.FALLBACK))
    assert (entries[Entry.CHIP] + entries[Entry.CONTACTLESS]) * 100 > 75 * counters


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_that_the_scenarios_lead_to_occurs(eventful_day: Figures, outcome: str) -> None:
    assert eventful_day.payments.get(outcome, 0) > 0, f"nothing ended {outcome!r}: {eventful_day.payments}"


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_of_fault_is_injected_and_told_with_how_it_ended(eventful_day: Figures, kind: FaultKind) -> None:
    endings = eventful_day.faults[kind.value]
    assert endings.keys() <= eventful_day.payments.keys(), "each ended as payments end"
    assert all(times > 0 for times in endings.values())
    assert eventful_day.as_json()["faults"][kind.value] == sum(endings.values())


def test_net_positions_sum_to_zero_and_money_has_moved(eventful_day: Figures) -> None:
    positions = eventful_day.net_positions
    assert positions.keys() == {"bank", "northbank", "southbank", "acquirer", "simnet"}
    assert sum(positions.values()) == 0
    assert all(positions[bank] < 0 for bank in ("bank", "northbank", "southbank")), "issuers pay"
    assert positions["acquirer"] > 0 and positions["simnet"] > 0, "the acquirer and the network receive"


def test_merchants_are_paid_what_was_presented_less_their_fees(eventful_day: Figures) -> None:
    cleared = eventful_day.cleared
    assert cleared.items > 0 and cleared.given_back_minor > 0
    earned = cleared.bought_minor - cleared.given_back_minor - cleared.discount_minor
    # A shop that gave back more than it took waits for better days and is paid nothing.
    assert sum(eventful_day.payouts.values()) >= earned > 0
    costs = cleared.interchange_minor + cleared.fees_minor
    # Items round what they cost one by one, the network once: at most half a minor unit an item, for either cost.
    rounding = earned + cleared.discount_minor - costs - eventful_day.net_positions["acquirer"]
    assert abs(rounding) <= cleared.items


def test_people_send_and_request_money_and_one_is_refused_for_lack_of_it(eventful_day: Figures) -> None:
    transfers = eventful_day.transfers
    assert {answer.partition(" ")[0] for answer in transfers} == {"sent", "paid", "refused"}
    refused = {answer: times for answer, times in transfers.items() if answer.startswith("refused")}
    assert sum(refused.values()) == 1
    assert eventful_day.transferred_minor > 0


def test_interest_of_the_day_is_accrued(eventful_day: Figures) -> None:
    assert eventful_day.interest_minor > 0


def test_one_purchase_is_told_from_the_terminal_to_the_payout(eventful_day: Figures) -> None:
    assert len(eventful_day.purchase.dumps) == 2, "a request and its reply"
    steps = eventful_day.purchase.steps
    assert {step.institution for step in steps} >= {"acquirer", "simnet", "bank"}
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert any(step.postings for step in steps)


def test_holds_that_nobody_completed_are_released_the_same_day(played: PlayedDay) -> None:
    with played.system() as system:
        released = [row for bank in ("bank", "northbank", "southbank") for row in _expired(system, bank)]
    assert released, "a pump that was reserved and left holds money no longer"


def _expired(system: System, bank: str) -> list[str]:
    with system.database.institution(bank).connect() as connection:
        return list(connection.execute(text("select snapshot from events where kind = 'HoldExpired'")).scalars())
