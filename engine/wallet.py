"""The wallet of our bank: people's stages above their accounts, their jobs and their proofs, listed.

The stage of the accounts themselves is every issuer's; these come after it in the order of locks.
"""

from __future__ import annotations

from functools import partial

from engine.database.institutions import Institution
from engine.ledger.audit import Proof
from engine.ledger.book import Book
from engine.runtime.jobs import Job
from engine.runtime.stage import Stage
from engine.savings import decide as savings_rules
from engine.savings import model as savings_words
from engine.savings import store as savings_store
from engine.savings.audit import SAVINGS_PROOFS
from engine.savings.jobs import savings_jobs
from engine.transfers import decide as transfer_rules
from engine.transfers import model as transfer_words
from engine.transfers import store as transfer_store
from engine.transfers.audit import TRANSFER_PROOFS

WALLET_PROOFS: tuple[Proof, ...] = (*TRANSFER_PROOFS, *SAVINGS_PROOFS)
"""What the rows of these stages must prove."""


def wallet_stages(institution: Institution) -> tuple[Stage, ...]:
    """Transfers and savings of one bank, in the order of their locks."""
    book = Book(institution.name, institution.time_zone)
    transfers = Stage(
        name="transfers",
        keys=transfer_words.KEYS,
        load=partial(transfer_store.load, book),
        decide=partial(transfer_rules.decide, book),
        nouns=(transfer_store.transfer_rows, transfer_store.money_request_rows),
        timers=(transfer_words.EXPIRY,),
    )
    savings = Stage(
        name="savings",
        keys=savings_words.KEYS,
        load=partial(savings_store.load, book),
        decide=partial(savings_rules.decide, book),
        nouns=(
            savings_store.product_rows,
            savings_store.rate_rows,
            savings_store.savings_rows,
            savings_store.accrual_book_rows,
        ),
    )
    return (transfers, savings)


def wallet_jobs(_institution: Institution) -> tuple[Job, ...]:
    """What is due at night, in every bank the same."""
    return savings_jobs()
