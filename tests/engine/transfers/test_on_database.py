"""Money between people on a real database: doubled, raced, together in one batch or one by one, proven at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from uuid import UUID

import pytest
from sqlalchemy import text

from engine.accounts.model import OpenCustomer
from engine.accounts.store import read_by_handle
from engine.database.connections import Database
from engine.ledger import store as ledger
from engine.ledger.audit import LEDGER_PROOFS, Proof
from engine.ledger.book import Book
from engine.processor import Processor
from engine.transfers.audit import TRANSFER_PROOFS
from engine.transfers.model import REQUEST_LIVES, AnswerRequest, RequestMoney, SendMoney
from engine.transfers.store import read_transfers
from engine.vocabulary.decision import Answer
from engine.wallet import wallet_stages
from tests.engine.people import accounts_stage, codes, customer_id
from tests.world import HandClock, open_institution_for_tests, processor_of

HANDLES = ("@ada", "@bob", "@eve")


class Bank:
    """A bank with three customers of 50.00 each."""

    def __init__(self, database: Database, name: str) -> None:
        self.institution = open_institution_for_tests(database, name, name, "issuer")
        self.book = Book(name, "UTC")
        self.clock = HandClock()
        self._database = database
        self.processor = self.another_processor()
        for handle in HANDLES:
            self.processor.execute([OpenCustomer(handle=handle, name=handle, opening_deposit_minor=5_000)])

    def another_processor(self) -> Processor:
        stages = (accounts_stage(self.book), *wallet_stages(self.institution))
        return processor_of(self._database, self.institution, stages, self.clock)

    def send(self, reference: str, sender: str, handle: str, amount_minor: int) -> SendMoney:
        return SendMoney(
            reference=reference,
            sender_id=customer_id(sender, self.book),
            handle=handle,
            amount_minor=amount_minor,
            asset="USD",
        )

    def wallets(self) -> list[int]:
        with self.processor.engine.connect() as connection:
            customers = {one.handle: one for one in read_by_handle(connection, HANDLES)}
            accounts = ledger.read(connection, [one.account_id for one in customers.values()])
        return [accounts[customers[handle].account_id].balance_minor for handle in HANDLES]

    def findings(self, proofs: Sequence[Proof] = (*LEDGER_PROOFS, *TRANSFER_PROOFS)) -> list[str]:
        with self.processor.engine.connect() as connection:
            return [finding for proof in proofs for finding in proof.find(connection)]


def request_id(answer: Answer | None) -> UUID:
    assert answer is not None
    return UUID(str(answer.facts["request_id"]))


def test_a_doubled_send_moves_money_once_and_is_told_the_same(database: Database) -> None:
    bank = Bank(database, "doubled")
    request = bank.send("1", "@ada", "@bob", 3_000)
    first, second = bank.processor.execute([request, request])
    (third,) = bank.another_processor().execute([request])
    (other,) = bank.processor.execute([replace(request, amount_minor=1)])
    assert first == second == third and first is not None
    assert other is not None and other.code == "key_reused"
    assert bank.wallets() == [2_000, 8_000, 5_000]
    with bank.processor.engine.connect() as connection:
        (transfer,) = read_transfers(connection, [UUID(str(first.facts["transfer_id"]))])
    assert (transfer.amount_minor, transfer.request_id) == (3_000, None)
    assert not bank.findings()


@pytest.mark.parametrize("together", [True, False])
def test_a_batch_of_n_is_n_batches_of_one(database: Database, together: bool) -> None:
    bank = Bank(database, "together" if together else "one_by_one")
    newcomer = OpenCustomer(handle="@new", name="New", opening_deposit_minor=0)
    ask = RequestMoney(
        reference="1",
        requester_id=customer_id("@eve", bank.book),
        payer_handle="@bob",
        amount_minor=9_500,
        asset="USD",
    )
    (asked,) = bank.processor.execute([ask])
    pay = AnswerRequest(
        reference="1", request_id=request_id(asked), payer_id=customer_id("@bob", bank.book), accept=True
    )
    requests = [
        bank.send("1", "@ada", "@bob", 3_000),
        bank.send("2", "@ada", "@bob", 3_000),  # funds for one only
        pay,  # not enough, even so
        newcomer,
        bank.send("3", "@ada", "@new", 500),  # who is in no row yet
        bank.send("4", "@new", "@bob", 1_500),  # and has too little
        bank.send("5", "@ada", "@bob", 1_500),
        replace(pay, reference="2"),
    ]
    if together:
        answers = bank.processor.execute(requests)
    else:
        answers = [answer for one in requests for answer in bank.processor.execute([one])]
    assert codes(answers) == [
        "sent", "insufficient_funds", "insufficient_funds", "opened", "sent", "insufficient_funds", "sent", "paid",
    ]  # fmt: skip
    assert bank.wallets() == [0, 0, 14_500]
    assert not bank.findings()


def test_a_request_and_its_answer_may_share_a_batch(database: Database) -> None:
    bank = Bank(database, "one_batch")
    ask = RequestMoney(
        reference="1", requester_id=customer_id("@ada", bank.book), payer_handle="@bob", amount_minor=1, asset="USD"
    )
    identity = bank.book.id("money_request", str(ask.requester_id), "1", on=bank.clock.now().date())
    pay = AnswerRequest(reference="1", request_id=identity, payer_id=customer_id("@bob", bank.book), accept=True)
    assert codes(bank.processor.execute([pay, ask, replace(pay, reference="2")])) == [
        "unknown_request",
        "requested",
        "paid",
    ]
    assert not bank.findings()


def test_an_unanswered_request_expires_by_its_timer(database: Database) -> None:
    bank = Bank(database, "expiry")
    ask = RequestMoney(
        reference="1", requester_id=customer_id("@ada", bank.book), payer_handle="@bob", amount_minor=1, asset="USD"
    )
    (asked,) = bank.processor.execute([ask])
    bank.clock.move(REQUEST_LIVES - timedelta(seconds=1))
    assert bank.processor.tick() == 0
    bank.clock.move(timedelta(seconds=1))
    assert (bank.processor.tick(), bank.processor.step()) == (1, 1)
    assert bank.processor.tick() == 0
    pay = AnswerRequest(
        reference="1", request_id=request_id(asked), payer_id=customer_id("@bob", bank.book), accept=True
    )
    assert codes(bank.processor.execute([pay])) == ["expired"]
    assert not bank.findings()


def test_two_processes_that_send_to_and_fro_lose_nothing(database: Database) -> None:
    bank = Bank(database, "race")
    answers: list[Answer | None] = []

    def work(processor: Processor, number: int) -> None:
        for step in range(15):
            pair = ("@ada", "@bob") if (step + number) % 2 else ("@bob", "@ada")
            answers.extend(processor.execute([bank.send(f"{number}/{step}", pair[0], pair[1], 100)]))

    threads = [Thread(target=work, args=(bank.another_processor(), number)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes(answers) == ["sent"] * 30
    assert sum(bank.wallets()) == 15_000
    assert not bank.findings()


def test_the_audit_names_a_transfer_that_moved_something_else(database: Database) -> None:
    bank = Bank(database, "planted")
    (sent,) = bank.processor.execute([bank.send("1", "@ada", "@bob", 700)])
    assert sent is not None
    with database.owner().begin() as connection:
        connection.execute(text(f"update {bank.institution.schema_name}.transfers set amount_minor = 800"))
    assert bank.findings(TRANSFER_PROOFS) == [
        f"transfer {sent.facts['transfer_id']} of 800: 1 entries move 700",
    ]
