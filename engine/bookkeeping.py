"""The general ledger as a stage: for corrections, opening balances and whatever no other stage knows of."""

from __future__ import annotations

from functools import partial

from engine.database.institutions import Institution
from engine.ledger.book import Book
from engine.ledger.journals import decide as rules
from engine.ledger.journals import model as words
from engine.ledger.journals import store
from engine.runtime.stage import Stage


def bookkeeping_stage(institution: Institution) -> Stage:
    """Journals and accounts of any institution's book."""
    book = Book(institution.name, institution.time_zone)
    return Stage(
        name="bookkeeping",
        keys=words.KEYS,
        load=partial(store.load, book),
        decide=partial(rules.decide, book),
        recheck=partial(store.recheck, book),
        nouns=(store.journal_rows,),
    )
