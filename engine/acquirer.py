"""The acquirer: its stages in the order in which things happen to the money, its jobs in the order of the day, its
proofs.
"""

from __future__ import annotations

from functools import partial

from engine.authorization import decide as authorization_rules
from engine.authorization import store as authorization_store
from engine.authorization.answers import AUTHORIZATION_TIMEOUT, Route
from engine.authorization.reversals import REVERSAL_REPEAT
from engine.clearing import decide as clearing_rules
from engine.clearing import model as clearing_model
from engine.clearing import store as clearing_store
from engine.clearing.jobs import clearing_steps, confirmation_steps
from engine.database.institutions import Institution
from engine.ecommerce.store import ecommerce_stage
from engine.ledger import store as ledger
from engine.merchants import decide as merchant_rules
from engine.merchants import model as merchant_model
from engine.merchants import store as merchant_store
from engine.ports import ClearingFormat, SettlementFormat
from engine.runtime.jobs import Job, JobContext, Step
from engine.runtime.stage import Stage
from engine.settlement import decide as settlement_rules
from engine.settlement import model as settlement_model
from engine.settlement import store as settlement_store
from engine.settlement.audit import ACQUIRER_PROOFS, acquirer_figures
from engine.settlement.jobs import payout_steps, settlement_steps
from engine.vocabulary.keys import KEYS
from engine.vocabulary.messages import (
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OfflineSaleAdvice,
    ReversalAdvice,
    ReversalResponse,
)

__all__ = ["ACQUIRER_PROOFS", "TERMINALS", "acquirer_figures", "acquirer_jobs", "acquirer_stages"]

TERMINALS = "terminals"
"""The other end of the zone key under which an acquirer's terminals encrypt PIN blocks."""

_MESSAGES = (
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    ReversalAdvice,
    ReversalResponse,
    CompletionAdvice,
    OfflineSaleAdvice,
)


def acquirer_stages(
    institution: Institution, network_member_id: str, network_name: str = "simnet"
) -> tuple[Stage, ...]:
    """The stages of an acquirer that sends everything to one network. `network_name` names the zone key they share."""
    book, member_id = institution.name, institution.member_id
    route = Route(member_id, network_member_id)
    zone = authorization_store.pin_zone
    return (
        Stage(
            name="merchants",
            keys=merchant_model.KEYS,
            load=partial(merchant_store.load, book),
            decide=partial(merchant_rules.decide, book),
            nouns=(merchant_store.merchant_rows, merchant_store.terminal_rows),
        ),
        ecommerce_stage(institution),
        Stage(
            name="authorization",
            keys={kind: KEYS[kind] for kind in _MESSAGES},
            load=authorization_store.load,
            decide=partial(authorization_rules.decide, route),
            nouns=(authorization_store.payment_rows, authorization_store.pin_pad_rows),
            timers=(AUTHORIZATION_TIMEOUT, REVERSAL_REPEAT),
            prepare=authorization_store.Preparation(book),
            seal=authorization_store.PinTranslator(zone(book, TERMINALS), zone(book, network_name)),
        ),
        Stage(
            name="clearing",
            keys=clearing_model.KEYS,
            load=partial(clearing_store.load, book),
            decide=partial(clearing_rules.decide, book, member_id),
            nouns=(clearing_store.item_rows,),
        ),
        Stage(
            name="settlement",
            keys=settlement_model.KEYS,
            load=partial(settlement_store.load, book),
            decide=partial(settlement_rules.decide, book),
            nouns=(
                settlement_store.payout_rows,
                settlement_store.settlement_rows,
                settlement_store.statement_rows,
                settlement_store.break_rows,
            ),
        ),
    )


def acquirer_jobs(
    institution: Institution,
    network_member_id: str,
    settlement_bank_id: str,
    clearing_format: ClearingFormat,
    settlement_format: SettlementFormat,
) -> tuple[Job, ...]:
    """The acquirer's day (docs/ARCHITECTURE.md). Jobs of the morning have the business date before."""
    confirmation = confirmation_steps(network_member_id, clearing_format)
    return (
        Job("clearing", "22:00", clearing_steps(network_member_id, clearing_format)),
        Job("confirmation", "23:00", confirmation),
        Job(
            "settlement",
            "07:00",
            # Confirmations once more: what they cost must be in the books before a report is compared with them.
            (*confirmation, *settlement_steps(network_member_id, settlement_bank_id, settlement_format)),
            day_offset=-1,
        ),
        Job("payouts", "08:00", payout_steps(settlement_bank_id, settlement_format), day_offset=-1),
        Job("day-close", "09:30", (Step("close", _close),), day_offset=-1),
    )


def _close(context: JobContext) -> int:
    with context.engine.begin() as connection:
        return ledger.close_day(connection, context.business_date, context.now)
