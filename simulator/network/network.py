"""The network: its stages in the order in which they lock, its jobs, and what it must prove."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.database.institutions import Institution
from engine.ledger.book import Book
from engine.ports import ClearingFormat, SettlementFormat
from engine.runtime.jobs import Job
from engine.runtime.stage import Stage
from simulator.closing import DAY_CLOSE
from simulator.network.audit import NETWORK_PROOFS, network_figures
from simulator.network.clearing import decide as clearing_rules
from simulator.network.clearing import store as clearing_store
from simulator.network.clearing.jobs import clearing_job
from simulator.network.clearing.model import KEYS as CLEARING_KEYS
from simulator.network.members import decide as member_rules
from simulator.network.members import store as member_store
from simulator.network.members.model import KEYS as MEMBER_KEYS
from simulator.network.settlement import decide as settlement_rules
from simulator.network.settlement import store as settlement_store
from simulator.network.settlement.jobs import settlement_jobs
from simulator.network.settlement.model import KEYS as SETTLEMENT_KEYS
from simulator.network.switching import decide as switching_rules
from simulator.network.switching import store as switching_store
from simulator.network.switching.forwarding import Forwarding
from simulator.network.switching.model import ADVICE_REPEAT, ISSUER_TIMEOUT, REVERSAL_REPEAT
from simulator.network.switching.model import KEYS as SWITCHING_KEYS
from simulator.sending import SENDING

__all__ = ["NETWORK_PROOFS", "network_figures", "network_jobs", "network_stages"]


def network_stages(institution: Institution, reachable: Callable[[str], bool]) -> tuple[Stage, ...]:
    """The stages of a network. `reachable` says whether a member is signed on at present; any thread may ask."""
    book = Book(institution.name, institution.time_zone)
    forwarding = Forwarding(reachable)
    return (
        Stage(
            name="members",
            keys=MEMBER_KEYS,
            load=partial(member_store.load, book),
            decide=partial(member_rules.decide, book),
            nouns=(member_store.member_rows, member_store.account_range_rows),
        ),
        Stage(
            name="switching",
            keys=SWITCHING_KEYS,
            timers=(ISSUER_TIMEOUT, REVERSAL_REPEAT, ADVICE_REPEAT),
            prepare=forwarding.prepare,
            load=partial(switching_store.load, book),
            decide=partial(switching_rules.decide, book),
            seal=forwarding.seal,
            nouns=(
                switching_store.exchange_rows,
                switching_store.reversal_rows,
                switching_store.terms_rows,
                switching_store.use_rows,
            ),
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
            load=partial(settlement_store.load, book),
            decide=partial(settlement_rules.decide, book),
            nouns=(settlement_store.net_position_rows, settlement_store.break_rows),
        ),
        SENDING,
    )


def network_jobs(
    settlement_bank_id: str, clearing_format: ClearingFormat, settlement_format: SettlementFormat
) -> tuple[Job, ...]:
    """The network's day (docs/ARCHITECTURE.md): clearing, settlement, next morning the statement and the close."""
    return (
        clearing_job(clearing_format),
        *settlement_jobs(settlement_format, settlement_bank_id),
        DAY_CLOSE,
    )
