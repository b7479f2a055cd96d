"""A bank that is none of ours: one file, sockets, pyiso8583 with a specification of its own. Approves up to a limit.

Run as `python outside_bank.py HOST PORT MEMBER_ID LIMIT_MINOR`; ends when the network hangs up.
"""

from __future__ import annotations

import copy
import socket
import sys
from datetime import UTC, datetime

import iso8583
from iso8583.specs import default_ascii

SPECIFICATION = copy.deepcopy(default_ascii)
for _field in ("p", "1", "52", "64", "96", "128"):
    SPECIFICATION[_field] |= {"data_enc": "b", "max_len": 8}
SPECIFICATION["55"] |= {"data_enc": "b", "len_type": 3, "max_len": 255}

ECHOED = ("3", "4", "7", "11", "32", "33", "37", "41", "42", "49", "63", "70", "90")


class Bank:
    def __init__(self, host: str, port: int, member_id: str, limit_minor: int) -> None:
        self.line = socket.create_connection((host, port))
        self.limit_minor = limit_minor
        self.send(
            {
                "t": "0800",
                "7": datetime.now(UTC).strftime("%m%d%H%M%S"),
                "11": "000001",
                "33": member_id,
                "70": "001",
            }
        )

    def send(self, message: dict[str, str]) -> None:
        raw, _ = iso8583.encode(message, SPECIFICATION)
        self.line.sendall(len(raw).to_bytes(2, "big") + raw)

    def receive(self) -> dict[str, str] | None:
        length = self.read(2)
        raw = self.read(int.from_bytes(length, "big")) if length else b""
        return iso8583.decode(raw, SPECIFICATION)[0] if raw else None

    def read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            more = self.line.recv(size - len(read))
            if not more:
                return b""
            read += more
        return read

    def serve(self) -> None:
        while (message := self.receive()) is not None:
            kind = message["t"]
            if kind[2] in "13":
                continue
            reply = {element: message[element] for element in ECHOED if element in message}
            reply |= {"t": kind[:2] + {"0": "1", "2": "3"}[kind[2]] + "0", "39": "00"}
            if kind == "0100":
                approved = int(message["4"]) <= self.limit_minor
                reply |= {"38": f"9{message['11'][1:]}"} if approved else {"39": "51"}
            self.send(reply)


if __name__ == "__main__":
    Bank(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])).serve()
