"""What people do with their phones: send money, ask for it, pay what they were asked for. At their bank's own door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from engine.ports import Door
from engine.transfers.model import AnswerRequest, RequestMoney, SendMoney
from engine.vocabulary.decision import Answer
from simulator.day import PlannedTransfer
from simulator.population import ASSET
from simulator.time import Sequencer

OnAnswer = Callable[[PlannedTransfer, Answer], None]


class People:
    """The customers of one bank, by handle, at that bank's door."""

    def __init__(self, door: Door, ids: Mapping[str, UUID], sequencer: Sequencer, on_answer: OnAnswer) -> None:
        self._door = door
        self._ids = ids
        self._sequencer = sequencer
        self._on_answer = on_answer

    def plan(self, transfer: PlannedTransfer) -> None:
        """Have this transfer happen at its time. `on_answer` hears whether money was sent (or paid) or refused."""
        if transfer.asked_at is None:
            self._sequencer.at(transfer.at, transfer.key, lambda: self._send(transfer))
        else:
            self._sequencer.at(transfer.asked_at, transfer.key, lambda: self._ask(transfer))

    def _send(self, transfer: PlannedTransfer) -> None:
        sending = SendMoney(
            reference=transfer.key,
            sender_id=self._ids[transfer.sender.handle],
            handle=transfer.receiver.handle,
            amount_minor=transfer.amount_minor,
            asset=ASSET,
        )
        self._door.submit(sending, lambda answer: self._on_answer(transfer, answer))

    def _ask(self, transfer: PlannedTransfer) -> None:
        asking = RequestMoney(
            reference=transfer.key,
            requester_id=self._ids[transfer.receiver.handle],
            payer_handle=transfer.sender.handle,
            amount_minor=transfer.amount_minor,
            asset=ASSET,
        )
        self._door.submit(asking, lambda answer: self._asked(transfer, answer))

    def _asked(self, transfer: PlannedTransfer, answer: Answer) -> None:
        if answer.code != "requested":
            self._on_answer(transfer, answer)
            return
        paying = AnswerRequest(
            reference=transfer.key,
            request_id=UUID(str(answer.facts["request_id"])),
            payer_id=self._ids[transfer.sender.handle],
            accept=True,
        )
        self._sequencer.at(transfer.at, transfer.key, lambda: self._pay(transfer, paying))

    def _pay(self, transfer: PlannedTransfer, paying: AnswerRequest) -> None:
        self._door.submit(paying, lambda answer: self._on_answer(transfer, answer))
