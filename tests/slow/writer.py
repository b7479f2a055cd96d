"""A process that writes into our bank's books as fast as it can: `python -m tests.slow.writer FOLDER NUMBER SEED`.

It may be killed at any instant and started again. What it asks for follows from its number and the seed alone, so that
after a start it asks again for everything that it has no word of. Its word is a line in a file of its own, synced to
the disk before anything new is asked: what stands there has been acknowledged. Settings come from the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from random import Random
from uuid import UUID

from sqlalchemy.exc import OperationalError

from api.clock import WorldClock
from api.settings import load_settings
from api.system import OUR_BANK, System, role_secret
from engine.database.connections import Database
from engine.processor import Processor
from engine.runtime.batch import UNAVAILABLE
from engine.runtime.idempotency import answer_json
from engine.transfers.model import SendMoney
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError

IN_FLIGHT = 60
CUSTOMERS = "customers"
"""The file of the folder with the customers, an identifier a line, in the order of their handles."""


def handle_of(place: int) -> str:
    """The handle of the customer of a place in the file."""
    return f"@customer{place:03d}"


def request_of(seed: int, writer: int, number: int, customers: Sequence[UUID]) -> SendMoney:
    """The request `number` of a writer. One in eight is asked for, word for word, by every writer."""
    asker = "everybody" if number % 8 == 0 else f"writer {writer}"
    reference = f"{asker}, {number}"
    chance = Random(f"{seed} {reference}")
    sender, receiver = chance.sample(range(len(customers)), 2)
    return SendMoney(
        reference=reference,
        sender_id=customers[sender],
        handle=handle_of(receiver),
        amount_minor=chance.randint(1, 900),
        asset="USD",
    )


def acknowledged_in(file: Path) -> dict[int, str]:
    """What a writer has been told, by request: the answer as JSON. A line that was cut off by a kill does not count."""
    if not file.exists():
        return {}
    whole = file.read_text().rpartition("\n")[0].splitlines()
    return {int(number): told for number, _, told in (line.partition(" ") for line in whole)}


def told(answer: Answer) -> str:
    """An answer as a line holds it."""
    return json.dumps(answer_json(answer), sort_keys=True)


class Writing:
    """Sixty requests in flight all the time; words are kept before anything new is asked."""

    def __init__(self, file: Path, request: Callable[[int], SendMoney]) -> None:
        acknowledged = acknowledged_in(file)
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, file.read_bytes().rfind(b"\n") + 1)  # a line that was cut off goes
        self._request = request
        self._next: Iterator[int] = (number for number in count() if number not in acknowledged)
        self._words: list[str] = []
        self._again: list[int] = []
        self.processor: Processor

    def start(self) -> None:
        """Ask for the first ones, and serve until killed."""
        self._ask(IN_FLIGHT)
        self.processor.serve()

    def handed_over(self, leave: Callable[[], None]) -> None:
        """A whole batch's answers: keep them, then ask for as many more."""
        leave()
        os.write(self._file, "".join(self._words).encode())
        os.fsync(self._file)
        answered = len(self._words) + len(self._again)
        self._words.clear()
        self._ask(answered)

    def _ask(self, most: int) -> None:
        again, self._again = self._again, []
        for number in [*again, *islice(self._next, most - len(again))]:
            self.processor.submit(self._request(number), partial(self._heard, number))

    def _heard(self, number: int, answer: Answer) -> None:
        if answer.code == UNAVAILABLE:
            self._again.append(number)
        else:
            self._words.append(f"{number} {told(answer)}\n")


def main(folder: Path, writer: int, seed: int) -> None:
    """Write until killed; end with status 1 when the database is away at the start."""
    customers = [UUID(line) for line in (folder / CUSTOMERS).read_text().split()]
    settings = load_settings()
    assert settings.database_url is not None, "the database is somebody else's"
    writing = Writing(folder / f"writer {writer}", lambda number: request_of(seed, writer, number, customers))
    try:
        database = Database(settings.database_url.get_secret_value(), role_secret(settings))
        system = System(settings, database, folder / "files")
        bank = system.institution(OUR_BANK)
        clock = WorldClock(database.institution(OUR_BANK))
        writing.processor = system.seat(bank, clock=clock, hand_over=writing.handed_over).processor
    except (BezantError, OperationalError):
        sys.exit(1)
    writing.start()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
