"""The general ledger as a stage: accounts and journals for whatever no other stage knows of.

It has accounts of its own in the institution's book, named apart, and moves no other stage's money: what a customer,
a merchant or the network is owed is proven from that stage's nouns.
"""

from __future__ import annotations

from functools import partial

from engine.database.institutions import Institution
from engine.ledger.book import Book
from engine.ledger.journals import decide as rules
from engine.ledger.journals import model as words
from engine.ledger.journals import store
from engine.runtime.stage import Stage


def general_book(institution: Institution) -> Book:
    """The names that the general ledger's accounts and journals have within an institution's book."""
    return Book(f"{institution.name}/general", institution.time_zone)


def bookkeeping_stage(institution: Institution) -> Stage:
    """Journals and accounts of the general ledger, in any institution's book."""
    book = general_book(institution)
    return Stage(
        name="bookkeeping",
        keys=words.KEYS,
        load=partial(store.load, book),
        decide=partial(rules.decide, book),
        recheck=partial(store.recheck, book),
        nouns=(store.journal_rows,),
        named=store.named,
        presume=partial(store.presume, book),
    )
