"""What the elements of ISO 8583 are, and how each of our dialects puts them on the wire. Data only, no behaviour.

`ELEMENTS_1987` is the standard's own table: number, format in the standard's notation, name. A dialect is that table,
a few rows changed, and two choices (how bitmaps and binary elements are written), turned into the dictionary format
of pyiso8583, so that a user brings a dialect of theirs in a format that is documented elsewhere. We add one key to
that format, `content` (see `CONTENT`), which says what characters an element may hold; a dictionary without it is as
good, only less strict.

Notation (ISO 8583:1987, section 4): `n` digits, `a` letters, `s` special characters and their combinations, `z` track
code set, `b` bits, `x+n` a `C` or `D` before digits. `n 6` is six positions, `n ..19` up to nineteen after a
two-digit length, `ans ...999` after a three-digit one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

Specification = Mapping[str, Mapping[str, Any]]
"""A dialect in pyiso8583's dictionary format: `h`, `t`, `p`, `1`, `2` ... `128`, each a mapping of properties."""

CONTENT: Final[Mapping[str, re.Pattern[str]]] = {
    "n": re.compile(r"[0-9]*"),
    "a": re.compile(r"[A-Za-z ]*"),
    "an": re.compile(r"[0-9A-Za-z ]*"),
    "ns": re.compile(r"[\x20-\x40\x5b-\x60\x7b-\x7e]*"),
    "ans": re.compile(r"[\x20-\x7e]*"),
    "z": re.compile(r"[0-9:;<=>?D]*"),
    "b": re.compile(r"([0-9A-F]{2})*"),
    "x+n": re.compile(r"[CD][0-9]+"),
}
"""The characters an element may hold, by its class. Track code sets: ISO/IEC 7813, with `D` for the separator as
chips write it."""

ELEMENTS_1987: Final[Mapping[int, tuple[str, str]]] = {
    2: ("n ..19", "Primary account number"),
    3: ("n 6", "Processing code"),
    4: ("n 12", "Amount, transaction"),
    5: ("n 12", "Amount, settlement"),
    6: ("n 12", "Amount, cardholder billing"),
    7: ("n 10", "Transmission date and time"),
    8: ("n 8", "Amount, cardholder billing fee"),
    9: ("n 8", "Conversion rate, settlement"),
    10: ("n 8", "Conversion rate, cardholder billing"),
    11: ("n 6", "System trace audit number"),
    12: ("n 6", "Time, local transaction"),
    13: ("n 4", "Date, local transaction"),
    14: ("n 4", "Date, expiration"),
    15: ("n 4", "Date, settlement"),
    16: ("n 4", "Date, conversion"),
    17: ("n 4", "Date, capture"),
    18: ("n 4", "Merchant's type"),
    19: ("n 3", "Acquiring institution country code"),
    20: ("n 3", "PAN extended, country code"),
    21: ("n 3", "Forwarding institution country code"),
    22: ("n 3", "Point of service entry mode"),
    23: ("n 3", "Card sequence number"),
    24: ("n 3", "Network international identifier"),
    25: ("n 2", "Point of service condition code"),
    26: ("n 2", "Point of service PIN capture code"),
    27: ("n 1", "Authorization identification response length"),
    28: ("x+n 8", "Amount, transaction fee"),
    29: ("x+n 8", "Amount, settlement fee"),
    30: ("x+n 8", "Amount, transaction processing fee"),
    31: ("x+n 8", "Amount, settlement processing fee"),
    32: ("n ..11", "Acquiring institution identification code"),
    33: ("n ..11", "Forwarding institution identification code"),
    34: ("ns ..28", "Primary account number, extended"),
    35: ("z ..37", "Track 2 data"),
    36: ("z ...104", "Track 3 data"),
    37: ("an 12", "Retrieval reference number"),
    38: ("an 6", "Authorization identification response"),
    39: ("an 2", "Response code"),
    40: ("an 3", "Service restriction code"),
    41: ("ans 8", "Card acceptor terminal identification"),
    42: ("ans 15", "Card acceptor identification code"),
    43: ("ans 40", "Card acceptor name/location"),
    44: ("ans ..25", "Additional response data"),
    45: ("ans ..76", "Track 1 data"),
    46: ("ans ...999", "Additional data, ISO"),
    47: ("ans ...999", "Additional data, national"),
    48: ("ans ...999", "Additional data, private"),
    49: ("an 3", "Currency code, transaction"),
    50: ("an 3", "Currency code, settlement"),
    51: ("an 3", "Currency code, cardholder billing"),
    52: ("b 64", "Personal identification number data"),
    53: ("n 16", "Security related control information"),
    54: ("an ...120", "Additional amounts"),
    55: ("b ...2040", "Integrated circuit card system related data"),
    56: ("ans ...999", "Reserved, ISO"),
    57: ("ans ...999", "Reserved, national"),
    58: ("ans ...999", "Reserved, national"),
    59: ("ans ...999", "Reserved, national"),
    60: ("ans ...999", "Reserved, private"),
    61: ("ans ...999", "Reserved, private"),
    62: ("ans ...999", "Reserved, private"),
    63: ("ans ...999", "Reserved, private"),
    64: ("b 64", "Message authentication code"),
    66: ("n 1", "Settlement code"),
    67: ("n 2", "Extended payment code"),
    68: ("n 3", "Receiving institution country code"),
    69: ("n 3", "Settlement institution country code"),
    70: ("n 3", "Network management information code"),
    71: ("n 4", "Message number"),
    72: ("n 4", "Message number, last"),
    73: ("n 6", "Date, action"),
    74: ("n 10", "Credits, number"),
    75: ("n 10", "Credits, reversal number"),
    76: ("n 10", "Debits, number"),
    77: ("n 10", "Debits, reversal number"),
    78: ("n 10", "Transfer, number"),
    79: ("n 10", "Transfer, reversal number"),
    80: ("n 10", "Inquiries, number"),
    81: ("n 10", "Authorizations, number"),
    82: ("n 12", "Credits, processing fee amount"),
    83: ("n 12", "Credits, transaction fee amount"),
    84: ("n 12", "Debits, processing fee amount"),
    85: ("n 12", "Debits, transaction fee amount"),
    86: ("n 16", "Credits, amount"),
    87: ("n 16", "Credits, reversal amount"),
    88: ("n 16", "Debits, amount"),
    89: ("n 16", "Debits, reversal amount"),
    90: ("n 42", "Original data elements"),
    91: ("an 1", "File update code"),
    92: ("an 2", "File security code"),
    93: ("an 5", "Response indicator"),
    94: ("an 7", "Service indicator"),
    95: ("an 42", "Replacement amounts"),
    96: ("b 64", "Message security code"),
    97: ("x+n 16", "Amount, net settlement"),
    98: ("ans 25", "Payee"),
    99: ("n ..11", "Settlement institution identification code"),
    100: ("n ..11", "Receiving institution identification code"),
    101: ("ans ..17", "File name"),
    102: ("ans ..28", "Account identification 1"),
    103: ("ans ..28", "Account identification 2"),
    104: ("ans ...100", "Transaction description"),
    **dict.fromkeys(range(105, 112), ("ans ...999", "Reserved for ISO use")),
    **dict.fromkeys(range(112, 120), ("ans ...999", "Reserved for national use")),
    **dict.fromkeys(range(120, 128), ("ans ...999", "Reserved for private use")),
    128: ("b 64", "Message authentication code"),
}
"""ISO 8583:1987 table 5, the elements by number. Element 1 is the second bitmap and 65 would announce a third, which
we refuse.

DE 55 came with EMV (Book 4, annex A): up to 255 bytes of TLV."""

_FILE_CHANGES: Final[Mapping[int, tuple[str, str]]] = {
    12: ("n 12", "Date and time, local transaction"),
    22: ("an 12", "Point of service data code"),
    24: ("n 3", "Function code"),
    25: ("n 4", "Message reason code"),
    26: ("n 4", "Card acceptor business code"),
    30: ("n 24", "Amounts, original"),
    31: ("ans ..23", "Acquirer reference number"),
    43: ("ans ..99", "Card acceptor name/location"),
    63: ("ans ...16", "Transaction life cycle identification"),
    71: ("n 8", "Message number"),
    72: ("ans ...999", "Data record"),
    93: ("n ..11", "Transaction destination institution identification code"),
    94: ("n ..11", "Transaction originator institution identification code"),
    95: ("ans ..10", "Card issuer reference number"),
}
"""Where clearing records differ from the online table: the shapes of ISO 8583:1993 as the open parser cardutil reads
them."""

_FORMAT: Final = re.compile(r"(?P<content>[a-z+]+) (?P<dots>\.*)(?P<size>[0-9]+)")


def specification(elements: Mapping[int, tuple[str, str]], *, bitmap: Literal["hex", "binary"]) -> Specification:
    """The dictionary pyiso8583 reads, from rows of (format, name) in the standard's notation.

    `bitmap="hex"` writes bitmaps and every `b` element as upper-case hexadecimal characters (so that the whole
    message is text), `"binary"` writes both as they are. Lengths are ASCII digits and count the characters or bytes
    that follow them on the wire.
    """
    text = {"data_enc": "ascii", "len_enc": "ascii", "len_type": 0}
    bits = {"data_enc": "b", "len_enc": "ascii", "len_type": 0} if bitmap == "binary" else text
    built: dict[str, Mapping[str, Any]] = {
        "h": {**text, "max_len": 0, "desc": "Message header"},
        "t": {**text, "max_len": 4, "desc": "Message type identifier", "content": "n"},
        "p": {**bits, "max_len": 8 if bitmap == "binary" else 16, "desc": "Bitmap, primary"},
        "1": {**bits, "max_len": 8 if bitmap == "binary" else 16, "desc": "Bitmap, secondary"},
    }
    for number, (notation, name) in elements.items():
        shape = _FORMAT.fullmatch(notation)
        assert shape is not None, f"element {number}: {notation!r} is not the standard's notation"
        content, size = shape["content"], int(shape["size"])
        if content == "b":
            size = size // 8 if bitmap == "binary" else size // 4
        elif content == "x+n":
            size += 1
        encoding = bits if content == "b" else text
        built[str(number)] = {
            **encoding, "len_type": len(shape["dots"]), "max_len": size, "desc": name, "content": content
        }  # fmt: skip
    return built


TERMINAL: Final = specification(ELEMENTS_1987, bitmap="hex")
"""Between a terminal and its acquirer: every byte is text, so a line of a trace can be read and typed."""

SIMNET: Final = specification(ELEMENTS_1987, bitmap="binary")
"""Between a member and the network: text with binary bitmaps and binary DE 52, 55, 64, 96 and 128."""

SIMNET_FILE: Final = specification({**ELEMENTS_1987, **_FILE_CHANGES}, bitmap="binary")
"""Records of the clearing file (1240, 1442, 1644, 1740), in the shape of the public IPM parsers."""

DIALECTS: Final[Mapping[str, Specification]] = {"terminal": TERMINAL, "simnet": SIMNET, "simnet_file": SIMNET_FILE}
"""The dialects by the name a user gives on a command line or in configuration."""
