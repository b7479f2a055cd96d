"""The SQL of journals. Their entries are the ledger's.

Journals are only appended, so they are read without a lock: of two writers that post one reference, or correct one
journal, at the same time, the second meets a unique constraint, starts again and sees the first one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import Column, Connection, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.ledger.book import Book
from engine.ledger.journals.decide import journal_id
from engine.ledger.journals.model import (
    CloseAccount,
    CorrectJournal,
    Journal,
    JournalRequest,
    LinkedJournals,
    OpenAccount,
    PostJournal,
    Request,
    postings_of,
)
from engine.vocabulary.decision import State

journals = Table(
    "journals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("corrects", Uuid, unique=True),
    Column("lines", JSONB, nullable=False),
    info={"append_only": True},
)

journal_rows = NounRows(Journal, journals)


def load(book: Book, connection: Connection, prepared: Sequence[Request], state: State) -> set[UUID]:
    """Read the journals that the requests name and what corrects them; the accounts of all postings asked for or
    turned round.
    """
    accounts: set[UUID] = set()
    named: set[UUID] = set()
    originals: set[UUID] = set()
    for request in prepared:
        match request:
            case OpenAccount():
                accounts.add(book.account(request.code, request.asset, request.owner_id))
            case CloseAccount():
                accounts.add(request.account_id)
        for journal in _journals(request):
            named.add(journal_id(book, journal.reference))
            if isinstance(journal, CorrectJournal):
                originals.add(journal_id(book, journal.corrects))
            else:
                accounts.update(side for posting in journal.postings for side in (posting.debit, posting.credit))
    for found in journal_rows.read(connection, sorted(named | originals)):
        state.put(found)
        if found.id in originals:
            accounts.update(side for posting in postings_of(found) for side in (posting.debit, posting.credit))
    for found in journal_rows.read(connection, sorted(originals), by="corrects"):
        state.put(found)
    return accounts


def read_journals(connection: Connection, ids: Sequence[UUID]) -> list[Journal]:
    """These journals, in id order."""
    return journal_rows.read(connection, ids)


def _journals(request: Request) -> Iterator[JournalRequest]:
    match request:
        case LinkedJournals():
            yield from request.journals
        case PostJournal() | CorrectJournal():
            yield request
