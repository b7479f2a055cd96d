"""The auditor: an independent model of what should have happened, from what the counters saw and what went wrong.

It imports no rule of the engine or the issuer. It sees each request and reply at the terminals, each answer to people,
and the faults that were injected; from these and the published order of checks it says what every answer had to be, and
what every wallet, merchant and member must hold in the end (`simulator/auditor_books.py`). Findings are sentences.

What a fault leaves open is treated as open: a hold whose reversal was lost on its way may be there or not until the day
ends, so a request that depends on it may be answered either way. In the end nothing is open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from engine.vocabulary.messages import AuthorizationRequest, CompletionAdvice, OfflineSaleAdvice, ReversalAdvice
from engine.vocabulary.responses import ResponseCode
from simulator.day import DAY, Day, PlannedPayment, PlannedTransfer, Scenario
from simulator.faults import Action, Fate, FaultKind, FaultPlan, Injected, Wire
from simulator.population import ACCOUNT_RANGES, CardState, Population
from simulator.terminals import BY_STRIPE, PATIENCE, Entry, Reply, TerminalRequest, reference_of

_STATE_CODES: Final = {CardState.LOST: "41", CardState.STOLEN: "43", CardState.BLOCKED: "62", CardState.EXPIRED: "54"}
_PIN_TRIES: Final = 3
_FUEL: Final = "5542"
_FUEL_HOLD: Final = timedelta(hours=2)
"""The one kind of hold that ends within a day."""
_TIPPING: Final = frozenset({"4121", "5811", "5812", "5813", "5814"})
_TIP_PERCENT: Final = 20
_ESTIMATE_PERCENT: Final = 15
HOLD_EXPIRY_HOUR: Final = 21
ZONES: Final = {
    "bank": ZoneInfo("UTC"),
    "northbank": ZoneInfo("America/New_York"),
    "southbank": ZoneInfo("UTC"),
}
_REPLY_LOST: Final = frozenset({FaultKind.LOST_REPLY, FaultKind.LATE_REPLY, FaultKind.SILENT_BANK})


@dataclass(slots=True)
class Exchange:
    """One request of a terminal, and the reply that it heard (None: silence)."""

    at: datetime
    request: TerminalRequest
    fate: Fate
    reply: Reply | None = None


@dataclass(slots=True)
class Hold:
    """Money that a wallet has promised. `certain` is False where a fault leaves open whether it is still there."""

    amount_minor: int
    expires_at: datetime | None
    certain: bool = True


@dataclass(slots=True)
class Wallet:
    """A wallet as it must be: `settled_minor` is what it would hold without card payments that have not cleared."""

    settled_minor: int
    holds: dict[str, Hold] = field(default_factory=dict)

    def least(self) -> int:
        """The least that may be available."""
        return self.settled_minor - sum(hold.amount_minor for hold in self.holds.values())

    def most(self) -> int:
        """The most that may be available."""
        return self.settled_minor - sum(hold.amount_minor for hold in self.holds.values() if hold.certain)


@dataclass(slots=True)
class Story:
    """One card payment as the model has it. `captured_minor` is what the acquirer will present, None for nothing."""

    planned: PlannedPayment
    reference: str
    refund: bool
    entry: Entry
    approved_minor: int | None = None
    captured_minor: int | None = None
    taken_back: bool = False
    completed: bool = False
    code: str | None = None
    """DE 39 as the acquirer has it in the end; None if the request never reached it."""


class Auditor:
    """Watches (`simulator.terminal_lines.Observer`), and reckons when the day is over. For one event loop."""

    def __init__(
        self,
        population: Population,
        day: Day,
        faults: FaultPlan,
        now: Callable[[], datetime],
        outside: Collection[str] = (),
    ) -> None:
        """`outside` names banks that other programs play: their answers are their own affair, and believed."""
        self.outside = frozenset(outside)
        self.wallets = {person.handle: Wallet(person.opening_minor) for person in population.people}
        self.stories: dict[str, Story] = {}
        self._planned = {(payment.terminal_id, payment.at): payment for payment in day.payments}
        self._faults = faults
        self._now = now
        self._exchanges: list[Exchange] = []
        self._waiting: dict[int, Exchange] = {}
        self._told: list[tuple[datetime, PlannedTransfer, str]] = []
        self._pin_tries: dict[str, int] = {}

    # --- watching ---

    def sent(self, request: TerminalRequest, frame: bytes, fate: Fate) -> None:
        """A terminal sends."""
        exchange = Exchange(self._now(), request, fate)
        self._exchanges.append(exchange)
        self._waiting[id(request)] = exchange

    def heard(self, request: TerminalRequest, reply: Reply, frame: bytes) -> None:
        """A terminal hears the reply it waits for."""
        self._waiting.pop(id(request)).reply = reply

    def unheard(self, request: TerminalRequest) -> None:
        """A terminal stops waiting."""
        del self._waiting[id(request)]

    def told(self, transfer: PlannedTransfer, code: str) -> None:
        """Somebody who sent money, or paid what was asked for, has an answer."""
        self._told.append((self._now(), transfer, code))

    # --- reckoning ---

    def reckon(self) -> list[str]:
        """Play the day again in the model, answer by answer; what was answered otherwise, in order of time."""
        steps: list[tuple[datetime, str, Callable[[], Iterator[str]]]] = []
        for exchange in self._exchanges:
            key = f"{exchange.request.terminal_id}{exchange.request.stan}"
            steps.append((exchange.at, key, lambda one=exchange: self._exchange(one)))  # type: ignore[misc]
        for at, transfer, code in self._told:
            steps.append((at, transfer.key, lambda one=transfer, heard=code: self._transfer(one, heard)))  # type: ignore[misc]
        for bank, zone in ZONES.items():
            due = datetime(DAY.year, DAY.month, DAY.day, HOLD_EXPIRY_HOUR, tzinfo=zone)
            steps.append((due, f"~{bank}", lambda bank=bank, due=due: self._expire(bank, due)))  # type: ignore[misc]
        steps.sort(key=lambda step: step[:2])
        findings = [finding for _, _, reckoned in steps for finding in reckoned()]
        return findings + [f"{one.terminal_id} still waits for a reply" for one in self._unanswered()]

    def _unanswered(self) -> list[TerminalRequest]:
        return [exchange.request for exchange in self._waiting.values()]

    def _exchange(self, exchange: Exchange) -> Iterator[str]:
        request = exchange.request
        late_one_heard = self._late_one_heard(exchange)
        arrived = late_one_heard or exchange.fate.action is not Action.LOSE
        match request:
            case AuthorizationRequest():
                planned = self._planned[request.terminal_id, request.transmitted_at]
                story = Story(
                    planned,
                    reference_of(request),
                    refund=request.transaction_type == "20",
                    entry=Entry(request.pos_entry_mode),
                )
                self.stories[story.reference] = story
                allowed = self._authorize(story, request, exchange.at) if arrived else set[str]()
            case ReversalAdvice():
                story = self.stories[reference_of(request)]
                allowed = self._reverse(story) if arrived else set()
            case OfflineSaleAdvice():
                raise AssertionError("nobody's terminal in this world sells offline")
            case CompletionAdvice():
                story = self.stories[reference_of(request)]
                allowed = self._complete(story, request.amount.amount_minor) if arrived else set()
        heard = None if exchange.reply is None else str(exchange.reply.response_code)
        silent = not arrived or (self._reply_lost(exchange) and not late_one_heard)
        if silent and heard is not None:
            yield f"{_named(story)}: heard {heard} though the message or its reply was lost"
        elif not silent and heard is None:
            yield f"{_named(story)}: heard nothing to its {type(request).__name__}, though nothing was lost"
        elif heard is not None and heard not in allowed:
            yield f"{_named(story)}: answered {heard} where {' or '.join(sorted(allowed))} was due"
        if isinstance(request, AuthorizationRequest):
            self._settle(story, heard, allowed)

    def _settle(self, story: Story, heard: str | None, allowed: set[str]) -> None:
        """What the acquirer now has. Where the model was not sure of the answer, the counter's is believed."""
        story.code = heard if heard in allowed else min(allowed, default=None)
        hold = self._holds(story).get(story.reference)
        if story.code != "00":
            story.approved_minor = None
            if hold is not None and "91" not in allowed:
                del self._holds(story)[story.reference]
        elif story.planned.scenario not in (Scenario.HOTEL, Scenario.FUEL, Scenario.FUEL_ABANDONED):
            story.captured_minor = story.approved_minor

    def _authorize(self, story: Story, request: AuthorizationRequest, at: datetime) -> set[str]:
        """What the acquirer may answer, and the hold that it leaves behind."""
        planned = story.planned
        if not request.pan.clear.startswith(tuple(ACCOUNT_RANGES.values())):
            return {"15"}
        copies, lost = self._copies(story), self._lost_replies(story)
        if copies == 0:
            return {"91"}
        codes = self._issuer(story, request)
        if "00" in codes and not story.refund:
            # A fuel pump's hold ends the same day; every other outlives it.
            expires_at = at + _FUEL_HOLD if planned.shop.mcc == _FUEL else None
            self._holds(story)[story.reference] = Hold(request.amount.amount_minor, expires_at, lost < copies)
        if lost >= copies:
            return {"91"}
        story.approved_minor = request.amount.amount_minor
        return codes

    def _issuer(self, story: Story, request: AuthorizationRequest) -> set[str]:
        """The issuer's checks in their published order."""
        planned = story.planned
        if planned.person.bank in self.outside:
            return {code.value for code in ResponseCode}
        card = planned.person.cards[planned.card]
        if planned.scenario is Scenario.UNKNOWN_CARD:
            return {"14"}
        if card.state in _STATE_CODES:
            return {_STATE_CODES[card.state]}
        wrong_value = {Scenario.WRONG_CVV: BY_STRIPE, Scenario.WRONG_CVV2: {Entry.ONLINE}}
        if story.entry in wrong_value.get(planned.scenario, ()):
            return {"82"}
        if request.pin_block is not None:
            tries = self._pin_tries.get(card.pan.clear, _PIN_TRIES)
            if tries <= 0:
                return {"75"}
            if planned.scenario is Scenario.WRONG_PIN:
                self._pin_tries[card.pan.clear] = tries - 1
                return {"55"}
            self._pin_tries[card.pan.clear] = _PIN_TRIES
        if story.refund:
            return {"00"}
        wallet, amount = self.wallets[planned.person.handle], request.amount.amount_minor
        if amount <= wallet.least():
            return {"00"}
        return {"51"} if amount > wallet.most() else {"00", "51"}

    def _reverse(self, story: Story) -> set[str]:
        story.taken_back = True
        story.captured_minor = None
        hold = self._holds(story).get(story.reference)
        if hold is not None:
            if any(one.wire is Wire.ISSUER for one in self._faults.about(story.reference)):
                hold.certain = False
            else:
                del self._holds(story)[story.reference]
        return {"00"}

    def _complete(self, story: Story, final_minor: int) -> set[str]:
        approved = story.approved_minor
        if approved is None or story.taken_back:
            return {"12"}
        if story.completed:
            return {"00"}
        estimate = story.planned.scenario in (Scenario.HOTEL, Scenario.FUEL)
        percent = _TIP_PERCENT if story.planned.shop.mcc in _TIPPING else _ESTIMATE_PERCENT if estimate else 0
        if final_minor * 100 > approved * (100 + percent) + 50:
            return {"61"}
        story.completed = True
        story.captured_minor = final_minor
        return {"00"}

    def _transfer(self, transfer: PlannedTransfer, heard: str) -> Iterator[str]:
        sender, receiver = self.wallets[transfer.sender.handle], self.wallets[transfer.receiver.handle]
        allowed = {"refused"} if transfer.amount_minor > sender.most() else {"done"}
        if sender.least() < transfer.amount_minor <= sender.most():
            allowed = {"done", "refused"}
        if heard not in allowed:
            yield f"transfer {transfer.key}: {heard} where {' or '.join(sorted(allowed))} was due"
        if heard == "done":
            sender.settled_minor -= transfer.amount_minor
            receiver.settled_minor += transfer.amount_minor

    def _expire(self, bank: str, due: datetime) -> Iterator[str]:
        for story in self.stories.values():
            hold = self._holds(story).get(story.reference) if story.planned.person.bank == bank else None
            if hold is not None and hold.expires_at is not None and hold.expires_at <= due:
                del self._holds(story)[story.reference]
        return iter(())

    # --- faults ---

    def _copies(self, story: Story) -> int:
        """How many copies of the network's request reached the issuer."""
        kinds = {one.kind for one in self._on_issuers_wire(story, "0100")}
        if kinds & {FaultKind.LOST_REQUEST, FaultKind.SILENT_BANK}:
            return 0
        return 2 if FaultKind.DOUBLED in kinds else 1

    def _lost_replies(self, story: Story) -> int:
        return sum(one.kind in _REPLY_LOST for one in self._on_issuers_wire(story, "0110"))

    def _on_issuers_wire(self, story: Story, message_type: str) -> list[Injected]:
        about = self._faults.about(story.reference)
        return [one for one in about if (one.wire, one.message_type) == (Wire.ISSUER, message_type)]

    def _reply_lost(self, exchange: Exchange) -> bool:
        """Whether every copy of the reply was lost or late on the terminal's wire while the terminal waited."""
        copies = 2 if exchange.fate.action is Action.DOUBLE else 1
        lost = [
            one
            for one in self._faults.about(reference_of(exchange.request))
            if one.wire is Wire.TERMINAL and one.kind in _REPLY_LOST and exchange.at <= one.at < exchange.at + PATIENCE
        ]
        return len(lost) >= copies

    def _late_one_heard(self, exchange: Exchange) -> bool:
        """Whether a late reply comes in while the terminal waits for that to its repeat: it cannot tell them apart."""
        request = exchange.request
        if isinstance(request, AuthorizationRequest) or not request.is_repeat:
            return False
        reply_type = "0410" if isinstance(request, ReversalAdvice) else "0230"
        return any(
            one.wire is Wire.TERMINAL and one.message_type == reply_type and one.kind is FaultKind.LATE_REPLY
            for one in self._faults.about(reference_of(request))
            if exchange.at - PATIENCE <= one.at < exchange.at
        )

    def _holds(self, story: Story) -> dict[str, Hold]:
        return self.wallets[story.planned.person.handle].holds


def _named(story: Story) -> str:
    return f"payment {story.planned.key} ({story.planned.scenario}, {story.reference})"
