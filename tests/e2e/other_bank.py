"""A bank that somebody else has written: pyiso8583, the cryptography library, dictionaries; nothing of ours.

    python other_bank.py HOST PORT

Its first line of input is what it knows: member id, zone key, cards with their balances. It signs on, authorizes,
reverses. Each further line names a folder, whose clearing files it posts; it answers with a line of what its books
say. It ends with its input.
"""

from __future__ import annotations

import copy
import json
import socket
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import iso8583
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from iso8583.specs import default_ascii

Fields = dict[str, str]

ONLINE: dict[str, dict[str, Any]] = copy.deepcopy(default_ascii)
"""ISO 8583:1987 in ASCII; bitmaps, PIN block and what chips say in binary."""
for _element in ("p", "1", "52"):
    ONLINE[_element] |= {"data_enc": "b", "max_len": 8}
ONLINE["55"] |= {"data_enc": "b", "len_type": 3, "max_len": 255}

CLEARING: dict[str, dict[str, Any]] = copy.deepcopy(ONLINE)
"""Its clearing records, after the shape of ISO 8583:1993: element, length of length, greatest length."""
for _element, _len_type, _max_len in (
    ("12", 0, 12), ("22", 0, 12), ("24", 0, 3), ("26", 0, 4), ("31", 2, 23), ("43", 2, 99), ("63", 3, 16), ("71", 0, 8),
    ("93", 2, 11), ("94", 2, 11),
):  # fmt: skip
    CLEARING[_element] |= {"len_type": _len_type, "max_len": _max_len}

ECHOED = ("3", "4", "7", "11", "32", "33", "37", "41", "42", "49", "63", "70", "90")
STATE_CODES = {"lost": "41", "stolen": "43", "blocked": "62", "expired": "54"}
PIN_TRIES = 3
CHIP_ENTRIES = ("05", "07")
"""The first digits of DE 22 of a chip that was inserted or tapped."""
INTERCHANGE = "9005"


@dataclass(slots=True)
class Card:
    """A card and the account behind it."""

    pan: str
    expiry: str
    state: str
    cvv: str
    cvv2: str
    icvv: str | None
    pin: str
    account: str
    tries: int = PIN_TRIES


@dataclass(slots=True)
class Books:
    """What the bank says of itself, in minor units."""

    balance_minor: int
    held_minor: int
    approved: int = 0
    declined: int = 0
    reversed: int = 0
    repeated: int = 0
    items: int = 0
    purchases_minor: int = 0
    refunds_minor: int = 0
    net_minor: int = 0
    told_minor: int | None = None
    """The network's report of the same."""
    codes: dict[str, str] = field(default_factory=dict)
    """What was answered, by network reference."""


class Bank:
    """Accounts, holds, and the rules of this bank."""

    def __init__(self, zone_key: str, cards: list[dict[str, Any]], accounts: dict[str, int]) -> None:
        self.cards = {card["pan"]: Card(**card) for card in cards}
        self.accounts = dict(accounts)
        self.holds: dict[str, tuple[str, int]] = {}
        self.taken_back: set[str] = set()
        self.answers: dict[tuple[str, ...], Fields] = {}
        self.books = Books(balance_minor=0, held_minor=0)
        self._zone_key = bytes.fromhex(zone_key)
        self._numbers = count(100_001)

    def answer(self, message: Fields) -> Fields | None:
        """The reply to a message of the network; None to what is a reply itself."""
        kind = message["t"]
        if kind[2] in "13":
            return None
        reply = {key: message[key] for key in ECHOED if key in message}
        reply |= {"t": f"{kind[:2]}{int(kind[2]) + 1}0", "39": "00"}
        if kind[1] == "8":
            return reply
        place = (kind[:3], *(message.get(key, "") for key in ("7", "11", "32", "41", "63")))
        if place in self.answers:
            self.books.repeated += 1
            return self.answers[place]
        self.answers[place] = reply
        if kind[1] == "4":
            self._reverse(message)
            return reply
        reply["39"] = self.books.codes[message["63"]] = self._authorize(message)
        if reply["39"] == "00":
            self.books.approved += 1
            reply["38"] = str(next(self._numbers))
        else:
            self.books.declined += 1
        return reply

    def _authorize(self, message: Fields) -> str:
        reference, amount = message["63"], int(message["4"])
        if reference in self.taken_back:
            return "05"
        card = self.cards.get(message["2"])
        if card is None:
            return "14"
        if card.state in STATE_CODES:
            return STATE_CODES[card.state]
        # A chip gives a copy of the stripe with a value of its own, so that nobody can write a stripe from it.
        written = card.icvv if message["22"][:2] in CHIP_ENTRIES else card.cvv
        if "35" in message and message["35"] != f"{card.pan}={card.expiry}{message['35'][-11:-3]}{written}":
            return "82"
        if "48" in message and message["48"] != f"9203{card.cvv2}":
            return "82"
        if "52" in message:
            if not card.tries:
                return "75"
            if self._typed(card.pan, message["52"]) != card.pin:
                card.tries -= 1
                return "55"
            card.tries = PIN_TRIES
        if message["3"].startswith("20"):
            return "00"
        held = sum(minor for account, minor in self.holds.values() if account == card.account)
        if amount > self.accounts[card.account] - held:
            return "51"
        self.holds[reference] = (card.account, amount)
        return "00"

    def _typed(self, pan: str, pin_block: str) -> str:
        """The PIN in a block of ISO 9564-1 format 0."""
        decryptor = Cipher(TripleDES(self._zone_key + self._zone_key[:8]), modes.ECB()).decryptor()
        block = int.from_bytes(decryptor.update(bytes.fromhex(pin_block)) + decryptor.finalize(), "big")
        clear = f"{block ^ int(pan[-13:-1], 16):016X}"
        return clear[2 : 2 + int(clear[1], 16)]

    def _reverse(self, message: Fields) -> None:
        self.books.reversed += 1
        reference, new_total = message["63"], int(message.get("95", "0")[:12])
        account, minor = self.holds.pop(reference, ("", 0))
        if new_total and account:
            self.holds[reference] = (account, min(minor, new_total))
        elif not new_total:
            self.taken_back.add(reference)

    def post(self, file: Path) -> None:
        """Post a clearing file, whose trailer must be right."""
        items, numbers = [], count(1)
        for record in records(file.read_bytes()):
            assert int(record["71"]) == next(numbers), "a record is missing"
            if record["t"] == "1240":
                items.append(record)
        private = parts(record["48"])
        assert int(private["0306"]) == len(items), "the trailer counts others"
        assert int(private["0301"]) == sum(int(item["4"]) for item in items), "the trailer sums others"
        interchange = Decimal(0)
        for item in items:
            card, minor, refund = self.cards[item["2"]], int(item["4"]), item["3"].startswith("20")
            self.holds.pop(item.get("63", ""), None)
            self.accounts[card.account] += minor if refund else -minor
            if refund:
                self.books.refunds_minor += minor
            else:
                self.books.purchases_minor += minor
            interchange += Decimal(parts(item["48"])[INTERCHANGE])
        self.books.items += len(items)
        earned = int(interchange.to_integral_value(rounding=ROUND_HALF_EVEN))
        self.books.net_minor += self.books.refunds_minor - self.books.purchases_minor + earned

    def close(self, folder: Path) -> Books:
        """Take in what has come, and say what the books say."""
        for file in sorted(folder.glob("clearing-*")):
            self.post(file)
        reports = [file.read_text().splitlines()[0].split("|") for file in folder.glob("settlement-*")]
        self.books.told_minor = sum(int(report[-1]) for report in reports)
        self.books.balance_minor = sum(self.accounts.values())
        self.books.held_minor = sum(minor for _, minor in self.holds.values())
        return self.books


def records(content: bytes) -> list[Fields]:
    """The records of a file, each behind four bytes of length; a length of zero ends it."""
    found, start = [], 0
    while length := int.from_bytes(content[start : start + 4], "big"):
        fields, _ = iso8583.decode(content[start + 4 : start + 4 + length], CLEARING)
        found.append(fields)
        start += 4 + length
    assert start + 4 == len(content), "there is something after the end"
    return found


def parts(private: str) -> dict[str, str]:
    """DE 48 of a clearing record: four digits of tag, three of length, the value."""
    found: dict[str, str] = {}
    while private:
        end = 7 + int(private[4:7])
        found[private[:4]], private = private[7:end], private[end:]
    return found


class Line:
    """The connection to the network."""

    def __init__(self, host: str, port: int, member_id: str) -> None:
        self._socket = socket.create_connection((host, port))
        now = f"{datetime.now(UTC):%m%d%H%M%S}"
        self.send({"t": "0800", "7": now, "11": "000001", "33": member_id, "70": "001"})

    def send(self, message: Fields) -> None:
        """Send one message."""
        frame, _ = iso8583.encode(dict(message), ONLINE)
        self._socket.sendall(len(frame).to_bytes(2, "big") + frame)

    def receive(self) -> Fields | None:
        """The next message; None when the network has hung up."""
        frame = self._read(int.from_bytes(self._read(2), "big"))
        if not frame:
            return None
        fields, _ = iso8583.decode(frame, ONLINE)
        return fields

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            chunk = self._socket.recv(size - len(read))
            if not chunk:
                return b""
            read += chunk
        return read


def serve(line: Line, bank: Bank, lock: Lock) -> None:
    """Answer the network until it hangs up."""
    while (message := line.receive()) is not None:
        with lock:
            reply = bank.answer(message)
        if reply is not None:
            line.send(reply)


def main(host: str, port: int) -> None:
    """Be the bank."""
    known = json.loads(sys.stdin.readline())
    bank, lock = Bank(known["zone_key"], known["cards"], known["accounts"]), Lock()
    line = Line(host, port, known["member_id"])
    Thread(target=serve, args=(line, bank, lock), daemon=True).start()
    for folder in sys.stdin:
        with lock:
            books = bank.close(Path(folder.rstrip("\n")))
        sys.stdout.write(json.dumps(asdict(books)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
