"""The figures of a played day: for the screen, and for machines (`bezant demo --json`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateways.iso8583.describe import Line
from simulator.faults import FaultKind
from simulator.observed import Cleared, TrialLine
from simulator.playing import Record
from simulator.population import ASSET
from simulator.proofs import Proven
from simulator.story import Step
from simulator.terminals import End, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One purchase: its reference, the messages at the terminal as masked dumps, and what everybody did."""

    reference: str
    dumps: tuple[tuple[Line, ...], ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of them. Amounts in minor units of ASSET; `seconds` by the machine's clock."""

    seed: int
    seconds: float
    world_hash: str
    proofs: Sequence[Proven]
    payments: dict[str, int]
    messages: dict[str, int]
    faults: dict[str, dict[str, int]]
    cleared: Cleared
    net_positions: dict[str, int]
    """By institution, the network among them: what it receives. They sum to zero."""
    payouts: dict[str, int]
    """By merchant id."""
    shops: dict[str, str]
    """Names by merchant id."""
    transfers: dict[str, int]
    transferred_minor: int
    interest_minor: int
    trial: dict[str, list[TrialLine]]
    late_replies: int
    purchase: Told
    folder: Path

    @property
    def proven(self) -> bool:
        """Whether every proof holds."""
        return all(proof.holds for proof in self.proofs)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "seed": self.seed,
            "world_hash": self.world_hash,
            "seconds": round(self.seconds, 3),
            "proofs": {proof.name: proof.holds for proof in self.proofs},
            "findings": {proof.name: list(proof.findings) for proof in self.proofs if not proof.holds},
            "payments": self.payments,
            "messages": self.messages,
            "faults": {kind: sum(endings.values()) for kind, endings in self.faults.items()},
            "fault_endings": self.faults,
            "cleared": {
                "items": self.cleared.items,
                "purchases_minor": self.cleared.bought_minor,
                "refunds_minor": self.cleared.given_back_minor,
                "interchange_minor": self.cleared.interchange_minor,
                "network_fees_minor": self.cleared.fees_minor,
                "discount_minor": self.cleared.discount_minor,
            },
            "net_positions": {ASSET: self.net_positions},
            "payouts": {ASSET: self.payouts},
            "transfers": self.transfers,
            "transferred_minor": self.transferred_minor,
            "interest_minor": self.interest_minor,
            "trial_balances": {
                book: {str(line.code): line.balance_minor for line in lines} for book, lines in self.trial.items()
            },
            "late_replies": self.late_replies,
            "purchase_trace": [
                *({"message": {line.element: line.value for line in dump}} for dump in self.purchase.dumps),
                *(step.as_json() for step in self.purchase.steps),
            ],
            "files": str(self.folder),
        }


ADVICE_TOLD_AGAIN = "advice told again"


def payments_by_outcome(record: Record) -> dict[str, int]:
    """How many payments ended how, the most frequent first: "approved", "declined 51", "reversed" ..."""
    counted = Counter(outcome(receipt) for receipt in record.receipts.values())
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


def outcome(receipt: Receipt) -> str:
    """How a payment ended, in words: with DE 39 where it was declined."""
    if receipt.end is End.DECLINED and receipt.reply is not None:
        return f"declined {receipt.reply.response_code.value} {_words(receipt.reply.response_code.name)}"
    return _words(receipt.end.value)


def faults_by_ending(record: Record) -> dict[str, dict[str, int]]:
    """For each kind of fault, how the payments that it hit ended. An advice of a final amount (0120) has a trace of its
    own, which is no payment's: the network tells it again until it is heard.
    """
    by_reference = {receipt.reference: receipt for receipt in record.receipts.values()}
    endings: dict[FaultKind, Counter[str]] = defaultdict(Counter)
    for fault in record.faults.injected():
        receipt = by_reference.get(fault.reference)
        endings[fault.kind][ADVICE_TOLD_AGAIN if receipt is None else outcome(receipt)] += 1
    return {kind.value: dict(endings[kind].most_common()) for kind in FaultKind if kind in endings}


def messages_by_type(record: Record) -> dict[str, int]:
    """How many messages went over which wire: "terminal-acquirer 0100" ..."""
    return {f"{wire} {message_type}": times for (wire, message_type), times in record.faults.messages().items()}


def transfers_by_answer(record: Record) -> dict[str, int]:
    """How many transfers between people were sent, paid on request, or refused and why."""
    counted = Counter(" ".join((answer.code, *answer.reasons)) for _, answer in record.transfers)
    return dict(counted.most_common())


def transferred_minor(record: Record) -> int:
    """What people have sent each other."""
    return sum(planned.amount_minor for planned, answer in record.transfers if answer.code in ("sent", "paid"))


def _words(name: str) -> str:
    return name.lower().replace("_", " ")
