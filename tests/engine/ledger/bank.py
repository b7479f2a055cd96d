"""A book on a real database, for tests: the general ledger alone in an institution of its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from engine.bookkeeping import bookkeeping_stage
from engine.database.connections import Database
from engine.ledger.audit import Proof
from engine.ledger.journals.model import Request
from engine.processor import Processor
from engine.vocabulary.decision import Answer
from tests.engine.ledger.books import INSTITUTION, NOW
from tests.world import HandClock, open_institution_for_tests, processor_of


class Bank:
    """One institution and a processor of it."""

    def __init__(self, database: Database, name: str) -> None:
        self.institution = open_institution_for_tests(database, name, f"member {name}", "issuer")
        # The same identifiers in every schema: those of the book in memory.
        self._stage = bookkeeping_stage(INSTITUTION)
        self._database = database
        self.clock = HandClock(NOW)
        self.processor = self.another()

    def another(self) -> Processor:
        """One more processor of the same institution."""
        return processor_of(self._database, self.institution, [self._stage], self.clock)

    def asked(self, *requests: Request) -> list[Answer | None]:
        """The answers to these, asked together."""
        return self.processor.execute(requests)

    def told(self, *requests: Request) -> list[str | None]:
        """The codes of the answers."""
        return [None if answer is None else answer.code for answer in self.asked(*requests)]

    def findings(self, proofs: Sequence[Proof]) -> list[str]:
        """What proofs find."""
        with self.processor.engine.connect() as connection:
            return [f"{proof.name}: {finding}" for proof in proofs for finding in proof.find(connection)]

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What a statement selects."""
        with self.processor.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]
