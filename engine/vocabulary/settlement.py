"""Settlement between institutions, as words: what the network tells its members and its bank, what the bank tells its
depositors, and whom an acquirer asks it to pay.

Each document is one file, of one asset, and says by itself how many records it has and what they sum to (`totals`).
Amounts of a report and of a statement are signed from the reader's side: positive is received, negative is paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, TypeVar

from engine.vocabulary.files import FileTotals

Exact = Annotated[str, "an amount in minor units with six decimals, as text"]
"""`"-1234.560000"`: what interchange and fees are before they are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementReport:
    """Network to member: what the member's items of one clearing date come to. Signed from the member's side.

    Interchange and network fee are each rounded once, of the exact sum over the member's items, half to even; so each
    side computes the same. `net_position_minor` is the sum of purchases, credits, booked interchange and booked fee.
    """

    KIND: ClassVar[str] = "settlement"

    report_id: str
    """The settlement's reference: instruction and statement lines name it."""
    business_date: date
    network_id: str
    member_id: str
    """Whom it is for."""
    asset: str
    purchases_count: int
    purchases_minor: int
    """Purchases and cash: negative for an issuer, positive for an acquirer."""
    credits_count: int
    credits_minor: int
    """Refunds: positive for an issuer, negative for an acquirer."""
    interchange_exact: Exact
    interchange_booked_minor: int
    network_fee_exact: Exact
    """Negative or nothing: the acquirer pays it."""
    network_fee_booked_minor: int
    rounding_minor: int
    """Booked interchange and fee less what the items give when each is rounded by itself: what the member books to
    its rounding account, positive for a gain."""
    net_position_minor: int
    """Positive: the member receives it at the settlement bank."""

    @property
    def totals(self) -> FileTotals:
        """The report as a file: its records are the items that it is about."""
        return FileTotals(
            file_id=self.report_id,
            kind=self.KIND,
            sender_id=self.network_id,
            recipient_id=self.member_id,
            business_date=self.business_date,
            record_count=self.purchases_count + self.credits_count,
            amount_total_minor=abs(self.purchases_minor) + abs(self.credits_minor),
        )

    @property
    def file_name(self) -> str:
        """`settlement-2026-03-02-100001-USD.txt`."""
        return f"{self.KIND}-{self.business_date}-{self.member_id}-{self.asset}.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionLine:
    """One member's net position: positive, it receives from the network's deposit; negative, it pays into it."""

    member_id: str
    reference: str
    """The member's `SettlementReport.report_id`."""
    net_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementInstruction:
    """Network to settlement bank: move these net positions between the members' deposits and the network's own."""

    KIND: ClassVar[str] = "instructions"

    instruction_id: str
    business_date: date
    network_id: str
    bank_id: str
    asset: str
    lines: tuple[InstructionLine, ...]

    @property
    def totals(self) -> FileTotals:
        """The instruction as a file."""
        return FileTotals(
            file_id=self.instruction_id,
            kind=self.KIND,
            sender_id=self.network_id,
            recipient_id=self.bank_id,
            business_date=self.business_date,
            record_count=len(self.lines),
            amount_total_minor=sum(abs(line.net_minor) for line in self.lines),
        )

    @property
    def file_name(self) -> str:
        """`instructions-2026-03-02-900000-USD.txt`."""
        return f"{self.KIND}-{self.business_date}-{self.network_id}-{self.asset}.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One movement of a deposit. `kind` is `opening`, `settlement`, `payout` or `payout returned`."""

    reference: str
    """What the one who asked for it calls it: a report's id, a payout's id."""
    kind: str
    amount_minor: int
    """Positive: into the deposit."""
    counterpart: str
    """The other deposit's reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStatement:
    """Settlement bank to a depositor: opening and lines make the closing, with which the next statement opens."""

    KIND: ClassVar[str] = "statement"

    statement_id: str
    number: int
    """Statements of a deposit are numbered from 1 without a gap."""
    business_date: date
    bank_id: str
    depositor_id: str
    """The member whom the file goes to; its deposit has the same reference."""
    asset: str
    opening_minor: int
    closing_minor: int
    lines: tuple[StatementLine, ...]

    @property
    def totals(self) -> FileTotals:
        """The statement as a file."""
        return FileTotals(
            file_id=self.statement_id,
            kind=self.KIND,
            sender_id=self.bank_id,
            recipient_id=self.depositor_id,
            business_date=self.business_date,
            record_count=len(self.lines),
            amount_total_minor=sum(abs(line.amount_minor) for line in self.lines),
        )

    @property
    def file_name(self) -> str:
        """`statement-2026-03-02-200001-USD-00001.txt`: a day may have several."""
        return f"{self.KIND}-{self.business_date}-{self.depositor_id}-{self.asset}-{self.number:05d}.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutLine:
    """One merchant's money."""

    payout_id: str
    deposit_reference: str
    """The merchant's deposit at the settlement bank."""
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutInstructions:
    """Acquirer to settlement bank: pay these out of our deposit."""

    KIND: ClassVar[str] = "payouts"

    instruction_id: str
    business_date: date
    acquirer_id: str
    bank_id: str
    asset: str
    lines: tuple[PayoutLine, ...]

    @property
    def totals(self) -> FileTotals:
        """The instructions as a file."""
        return FileTotals(
            file_id=self.instruction_id,
            kind=self.KIND,
            sender_id=self.acquirer_id,
            recipient_id=self.bank_id,
            business_date=self.business_date,
            record_count=len(self.lines),
            amount_total_minor=sum(line.amount_minor for line in self.lines),
        )

    @property
    def file_name(self) -> str:
        """`payouts-2026-03-02-200001-USD.txt`."""
        return f"{self.KIND}-{self.business_date}-{self.acquirer_id}-{self.asset}.txt"


SettlementDocument = SettlementReport | SettlementInstruction | BankStatement | PayoutInstructions
D = TypeVar("D", SettlementReport, SettlementInstruction, BankStatement, PayoutInstructions)
"""One kind of document."""
