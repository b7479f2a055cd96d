"""The SQL of journals. Their entries are the ledger's.

Journals are only appended, so nobody can lock them; the accounts of their postings are what is locked. Those that the
requests name are read once the accounts are held: of two writers that post the same journal, or correct one, at the
same time, the second sees what the first has done. Two journals of one reference without a common account meet at the
unique constraint instead, and the second starts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from sqlalchemy import Column, Connection, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.bulk import Rows
from engine.database.nouns import NounRows
from engine.database.pipeline import Parcel
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
from engine.ledger.model import Account
from engine.vocabulary.decision import Answer, State
from engine.vocabulary.postings import Posting, PostingOutcome

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
_journal_ids = Rows(journals)
_NONE_STANDS = "select 1 / (count(*) = 0)::integer from journals where id = any(%s::uuid[])"


def load(book: Book, connection: Connection, prepared: Sequence[Request], state: State) -> set[UUID]:
    """The accounts of all postings that are asked for or turned round, of what is opened and of what is closed."""
    accounts: set[UUID] = set()
    for request in prepared:
        match request:
            case OpenAccount():
                accounts.add(book.account(request.code, request.asset, request.owner_id))
            case CloseAccount():
                accounts.add(request.account_id)
    for asked in _asked(prepared):
        if isinstance(asked, PostJournal):
            accounts |= _accounts(asked.postings)
    for original in journal_rows.read(connection, sorted(_originals(book, prepared))):
        accounts |= _accounts(postings_of(original))
    return accounts


def named(prepared: Sequence[Request]) -> list[int] | None:
    """The numbers of the accounts of new journals; None where there is more than new journals.

    A new journal needs no row read: that its reference is new is what the unique constraint sees, or `presume`.
    """
    numbers: list[int] = []
    for request in prepared:
        if not isinstance(request, PostJournal):
            return None
        for posting in request.postings:
            numbers += (posting.debit.int, posting.credit.int)
    return numbers


def presume(book: Book, parcel: Parcel, answered: Sequence[tuple[Request, Answer | None]]) -> None:
    """That no journal stands under the references of those that were refused: it would be told before the refusal."""
    refused = [
        journal_id(book, request.reference)
        for request, answer in answered
        if isinstance(request, PostJournal) and (answer is None or answer.code != PostingOutcome.OK)
    ]
    if refused:
        parcel.add(_NONE_STANDS, _journal_ids.arrays(("id",), (refused,)))


def recheck(book: Book, connection: Connection, prepared: Sequence[Request], state: State) -> None:
    """Read the journals that the requests name and what corrects them.

    One to be corrected that has come since `load` looked is as good as not there yet: its accounts are not locked.
    """
    originals = _originals(book, prepared)
    named = {journal_id(book, asked.reference) for asked in _asked(prepared)}
    for journal in journal_rows.read(connection, sorted(named | originals)):
        locked = all(state.get(Account, account) is not None for account in _accounts(postings_of(journal)))
        if locked or journal.id not in originals:
            state.put(journal)
    for journal in journal_rows.read(connection, sorted(originals), by="corrects"):
        state.put(journal)


def read_journals(connection: Connection, ids: Sequence[UUID]) -> list[Journal]:
    """These journals, in id order."""
    return journal_rows.read(connection, ids)


def _asked(prepared: Sequence[Request]) -> Iterator[JournalRequest]:
    for request in prepared:
        match request:
            case LinkedJournals():
                yield from request.journals
            case PostJournal() | CorrectJournal():
                yield request


def _originals(book: Book, prepared: Sequence[Request]) -> set[UUID]:
    return {journal_id(book, asked.corrects) for asked in _asked(prepared) if isinstance(asked, CorrectJournal)}


def _accounts(postings: Iterable[Posting]) -> set[UUID]:
    return {side for posting in postings for side in (posting.debit, posting.credit)}
