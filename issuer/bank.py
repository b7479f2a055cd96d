"""The issuing bank: its stages, in the order in which they lock, its jobs with their local times, and what its book
must prove."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine.accounts import decide as accounts_rules
from engine.accounts import store as accounts_store
from engine.accounts.model import KEYS as ACCOUNT_KEYS
from engine.database.institutions import Institution
from engine.ledger.book import Book
from engine.ledger.store import close_day
from engine.ports import ClearingFormat, SettlementFormat
from engine.runtime.batch import UNAVAILABLE
from engine.runtime.inbox import Read, take_in
from engine.runtime.jobs import Job, JobContext, Step
from engine.runtime.stage import Stage
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError, FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.messages import Presentment
from engine.vocabulary.settlement import BankStatement, SettlementReport
from issuer.audit import ISSUER_PROOFS, issuer_figures
from issuer.authorization import decide as authorization_rules
from issuer.authorization import issuer_answer, verification
from issuer.authorization import setting as setting_rules
from issuer.authorization import store as authorization_store
from issuer.authorization.hooks import HOOK_KEYS, Hook
from issuer.authorization.model import ENDPOINT_TIMEOUT, ReleaseExpiredHold
from issuer.authorization.model import KEYS as AUTHORIZATION_KEYS
from issuer.authorization.setting import SETTING_KEYS
from issuer.cards import decide as card_rules
from issuer.cards import personalisation
from issuer.cards import store as card_store
from issuer.cards.model import KEYS as CARD_KEYS
from issuer.clearing import decide as clearing_rules
from issuer.clearing import settlement as settlement_rules
from issuer.clearing import store as clearing_store
from issuer.clearing.model import KEYS as CLEARING_KEYS
from issuer.clearing.model import SETTLEMENT_KEYS, CheckSettled

__all__ = ["ISSUER_PROOFS", "issuer_figures", "issuer_jobs", "issuer_stages", "pin_zone"]

NETWORK = "simnet"


def pin_zone(institution: str, network: str = NETWORK) -> str:
    """The name of the zone under whose key PIN blocks come from the network: both names, the same from both ends."""
    return "/".join(sorted((institution, network)))


def issuer_stages(institution: Institution, network: str = NETWORK, hook: Hook | None = None) -> tuple[Stage, ...]:
    """The stages of an issuing bank that is a member of `network`, in the order in which their rows are locked. `hook`
    is the operator's endpoint that is asked about each approval, None for none."""
    book = Book(institution.name, institution.time_zone)
    return (
        Stage(
            name="accounts",
            keys=ACCOUNT_KEYS,
            load=partial(accounts_store.load, book),
            decide=partial(accounts_rules.decide, book),
            nouns=(accounts_store.customer_rows,),
        ),
        Stage(
            name="cards",
            keys=CARD_KEYS,
            prepare=personalisation.prepare,
            load=partial(card_store.load, book),
            decide=partial(card_rules.decide, book),
            nouns=(card_store.card_rows, card_store.product_rows, card_store.fulfilment_rows),
        ),
        Stage(
            name="controls",
            keys=SETTING_KEYS,
            prepare=authorization_store.prepare_setting,
            load=authorization_store.load_setting,
            decide=partial(setting_rules.decide, book),
            nouns=(
                authorization_store.controls_rows,
                authorization_store.activity_rows,
                authorization_store.risk_rule_rows,
                authorization_store.address_rows,
            ),
        ),
        Stage(
            name="authorization",
            keys={**AUTHORIZATION_KEYS, **HOOK_KEYS},
            timers=(ENDPOINT_TIMEOUT,),
            prepare=partial(verification.prepare, pin_zone(institution.name, network)),
            load=partial(authorization_store.load, book),
            decide=partial(authorization_rules.decide, book, hook),
            nouns=(authorization_store.authorization_rows,),
            seal_answers=issuer_answer.seal_answers,
        ),
        Stage(
            name="clearing",
            keys=CLEARING_KEYS,
            prepare=clearing_store.prepare,
            load=partial(clearing_store.load, book),
            decide=partial(clearing_rules.decide, book),
            nouns=(clearing_store.item_rows,),
        ),
        Stage(
            name="settlement",
            keys=SETTLEMENT_KEYS,
            prepare=clearing_store.prepare_settlement,
            load=partial(clearing_store.load_settlement, book),
            decide=partial(settlement_rules.decide, book),
            nouns=(clearing_store.settlement_rows, clearing_store.statement_rows, clearing_store.break_rows),
        ),
    )


def issuer_jobs(
    network_member_id: str,
    settlement_bank_id: str,
    clearing_format: ClearingFormat,
    settlement_format: SettlementFormat,
) -> tuple[Job, ...]:
    """The jobs of an issuing bank, at its local times (docs/ARCHITECTURE.md, "A day"). What others have sent in the
    name of the network or the settlement bank is refused.
    """

    def items(path: Path) -> tuple[FileTotals, Iterable[Any]]:
        totals, presentments = clearing_format.read(path, Presentment)
        return _sent_by(network_member_id, totals), presentments

    def report(path: Path) -> tuple[FileTotals, Sequence[Any]]:
        document = settlement_format.read(path, SettlementReport)
        return _sent_by(network_member_id, document.totals), (document,)

    def statement(path: Path) -> tuple[FileTotals, Sequence[Any]]:
        document = settlement_format.read(path, BankStatement)
        return _sent_by(settlement_bank_id, document.totals), (document,)

    return (
        Job("hold-expiry", "21:00", (Step("release", _release_holds),)),
        Job("clearing", "23:00", (_taking_in("post", "clearing", items),)),
        Job(
            "settlement",
            "07:00",
            (
                # Late clearing files first: a report is compared with what was posted, and rounded from it, once.
                _taking_in("post", "clearing", items),
                _taking_in("reports", SettlementReport.KIND, report),
                _taking_in("statements", BankStatement.KIND, statement),
                Step("check", _check_settled),
            ),
            day_offset=-1,
        ),
        Job("day-close", "09:30", (Step("anchor", _close),), day_offset=-1),
    )


def _taking_in(name: str, kind: str, read: Read) -> Step:
    return Step(name, lambda context: take_in(context, kind, read))


def _sent_by(member_id: str, totals: FileTotals) -> FileTotals:
    if totals.sender_id != member_id:
        raise FormatError("sender", f"is not member {member_id}")
    return totals


def _release_holds(context: JobContext) -> int:
    with context.engine.connect() as connection:
        answers = context.execute(
            ReleaseExpiredHold(authorization_id=identifier, business_date=context.business_date)
            for identifier in authorization_store.due_holds(connection, context.now)
        )
    return _count(answers, "released")


def _check_settled(context: JobContext) -> int:
    with context.engine.connect() as connection:
        places = clearing_store.open_settlements(connection, context.business_date)
    answers = context.execute(
        CheckSettled(clearing_date=clearing_date, asset=asset, business_date=context.business_date)
        for clearing_date, asset in places
    )
    return _count(answers, "open")


def _close(context: JobContext) -> int:
    with context.engine.begin() as connection:
        return close_day(connection, context.business_date, context.now)


def _count(answers: Iterable[Answer | None], code: str) -> int:
    codes = [answer.code for answer in answers if answer is not None]
    if UNAVAILABLE in codes:
        raise BezantError("The books cannot be reached; the next run goes on where this one has stopped.")
    return codes.count(code)
