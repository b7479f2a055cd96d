"""A terminal that shares nothing with us: pyiso8583, a specification of its own after ISO 8583:1987, and a socket.

Its PIN pad is the cryptography library's Triple DES.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import iso8583
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

Fields = dict[str, str]

SPECIFICATION: Mapping[str, Mapping[str, Any]] = {
    key: {"data_enc": "ascii", "len_enc": "ascii", "len_type": len_type, "max_len": max_len, "desc": name}
    for key, (len_type, max_len, name) in {
        "h": (0, 0, "header"),
        "t": (0, 4, "message type"),
        "p": (0, 16, "bitmap, 16 hexadecimal digits"),
        "1": (0, 16, "second bitmap"),
        "2": (2, 19, "primary account number"),
        "3": (0, 6, "processing code"),
        "4": (0, 12, "amount"),
        "7": (0, 10, "transmission date and time"),
        "11": (0, 6, "trace number"),
        "14": (0, 4, "expiry"),
        "22": (0, 3, "entry mode"),
        "25": (0, 2, "condition code"),
        "32": (2, 11, "acquirer"),
        "35": (2, 37, "track 2"),
        "37": (0, 12, "retrieval reference"),
        "38": (0, 6, "approval code"),
        "39": (0, 2, "response code"),
        "41": (0, 8, "terminal"),
        "42": (0, 15, "merchant"),
        "48": (3, 999, "private: sub-element 92 is the CVV2"),
        "49": (0, 3, "currency"),
        "52": (0, 16, "PIN block, hexadecimal"),
        "54": (3, 120, "additional amounts"),
        "63": (3, 999, "the network's reference"),
        "70": (0, 3, "network management code"),
        "90": (0, 42, "original message"),
        "95": (0, 42, "replacement amounts"),
    }.items()
}

PATIENCE_S = 20
_traces = count(1)


@dataclass(frozen=True, slots=True, repr=False)
class Card:
    """What a terminal reads off a card, and what its holder types."""

    pan: str
    expiry: str
    track2: str
    pin: str = ""


class Terminal:
    """One till, connected to its acquirer. Any number of requests may be under way on its line."""

    def __init__(
        self,
        address: tuple[str, int],
        terminal_id: str,
        merchant_id: str,
        pin_key: bytes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`pin_key` is the PIN pad's: 16 bytes, Triple DES."""
        self.terminal_id = terminal_id
        self.merchant_id = merchant_id
        self._pin_key = pin_key
        self._now = now
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)
        self._unread = b""

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- what a terminal says ---

    def purchase(self, card: Card, amount_minor: int, **changes: str) -> Fields:
        """A new 0100 for a stripe, the chip having not answered, without PIN. `changes` are elements as `de35`."""
        fields = self._begun("0100") | {
            "2": card.pan,
            "3": "000000",
            "4": f"{amount_minor:012d}",
            "14": card.expiry,
            "22": "801",
            "25": "00",
            "35": card.track2,
            "49": "840",
        }
        return {**fields, **{key.removeprefix("de"): value for key, value in changes.items()}}

    def purchase_with_pin(self, card: Card, amount_minor: int, pin: str | None = None) -> Fields:
        """The same with the PIN that was typed (None: the right one), as a PIN block of ISO 9564-1 format 0."""
        typed = card.pin if pin is None else pin
        block = int(f"0{len(typed)}{typed}".ljust(16, "F"), 16) ^ int(card.pan[-13:-1], 16)
        encryptor = Cipher(TripleDES(self._pin_key + self._pin_key[:8]), modes.ECB()).encryptor()
        encrypted = encryptor.update(block.to_bytes(8, "big")) + encryptor.finalize()
        return self.purchase(card, amount_minor, de52=encrypted.hex().upper())

    def reversal(self, of: Fields, new_total: int | None = None) -> Fields:
        """A new 0400 that takes a request back, or all but a new total."""
        less = {} if new_total is None else {"95": f"{new_total:012d}{'0' * 12}C{'0' * 8}C{'0' * 8}"}
        echoed = {key: of[key] for key in ("2", "3", "4", "37", "49")}
        return self._begun("0400") | echoed | self.naming(of) | less

    def completion(self, of: Fields, amount_minor: int) -> Fields:
        """A new 0220 that says what a request has come to."""
        echoed = {key: of[key] for key in ("2", "37", "49")}
        return self._begun("0220") | echoed | {"3": "000000", "4": f"{amount_minor:012d}"} | self.naming(of)

    @staticmethod
    def naming(of: Fields) -> Fields:
        """DE 90: which request another is about."""
        return {"90": f"{of['t'][:3]}0{of['11']}{of['7']}".ljust(42, "0")}

    def echo(self) -> Fields:
        """A new 0800."""
        fields = self._begun("0800")
        return {key: fields[key] for key in ("t", "7", "11")} | {"70": "301"}

    @staticmethod
    def repeat(request: Fields) -> Fields:
        """The same message once more, marked as a repeat."""
        return {**request, "t": request["t"][:3] + "1"}

    def _begun(self, message_type: str) -> Fields:
        trace = f"{next(_traces) % 1_000_000:06d}"
        return {
            "t": message_type,
            "7": f"{self._now():%m%d%H%M%S}",
            "11": trace,
            "37": f"{trace:0>12}",
            "41": self.terminal_id,
            "42": self.merchant_id,
        }

    # --- the line ---

    def send(self, *messages: Fields) -> None:
        """Send messages, all at once."""
        self.send_raw(*(encoded(message) for message in messages))

    def send_raw(self, *frames: bytes) -> None:
        """Send frames as they are, each behind its length."""
        self._socket.sendall(b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames))

    def receive(self, within_s: float = PATIENCE_S) -> Fields:
        """The next message. Raises `TimeoutError` when none comes, `EOFError` when the acquirer has hung up."""
        self._socket.settimeout(within_s)
        while not self._whole():
            chunk = self._socket.recv(65536)
            if not chunk:
                raise EOFError("the acquirer has hung up")
            self._unread += chunk
        end = 2 + int.from_bytes(self._unread[:2], "big")
        frame, self._unread = self._unread[2:end], self._unread[end:]
        return decoded(frame)

    def ask(self, request: Fields) -> Fields:
        """Send one request and return the next message, which must be its answer."""
        self.send(request)
        reply = self.receive()
        assert answers(reply) == answers(request), "the answer to another request"
        return reply

    def ask_all(self, requests: Iterable[Fields]) -> list[Fields]:
        """Send all of these at once; their answers in the order of the requests, whatever order they came in."""
        asked = list(requests)
        self.send(*asked)
        heard = {answers(reply): reply for reply in (self.receive() for _ in asked)}
        return [heard[answers(request)] for request in asked]

    def _whole(self) -> bool:
        return len(self._unread) >= 2 and len(self._unread) >= 2 + int.from_bytes(self._unread[:2], "big")


def answers(message: Fields) -> tuple[str, str]:
    """By what a terminal knows the answer to a request: when, and the trace number."""
    return message["7"], message["11"]


def encoded(message: Fields) -> bytes:
    """A message as it travels."""
    frame, _ = iso8583.encode(dict(message), SPECIFICATION)
    return bytes(frame)


def decoded(frame: bytes) -> Fields:
    """A message that has arrived; fill characters of fixed elements stay."""
    fields, _ = iso8583.decode(frame, SPECIFICATION)
    return {key: value for key, value in fields.items() if key not in ("p", "1")}
