"""How each of our dialects puts the elements of ISO 8583 on the wire. Data only, no behaviour.

A dialect is the standard's table (`standard.py`), a few rows changed, and the choices that a wire leaves open, turned
into the dictionary format of pyiso8583, so that a user brings a dialect of theirs in a format that is documented
elsewhere: rows `h`, `t`, `p`, `1` to `192`, each with `data_enc`, `len_enc`, `len_type`, `max_len` and maybe
`len_count`, `left_pad`, `right_pad`, `desc`. Encodings are `b` and every one of Python's with one byte a character;
`cp1047`, which Python lacks, is here.

What we add to a row says what that format cannot, and may be left out:

- `content`: the characters that the element may hold (see `CONTENT`); without it, what the encoding can write;
- `parts`: names and widths of the sub-elements of an element of fixed make (DE 3, 54), as often as it holds them;
- `tagged`: digits of number and of length, where an element is a row of numbered sub-elements (DE 48, PDS);
- `tlv`: true for BER-TLV (DE 55).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from engine.vocabulary.errors import FormatError
from gateways.iso8583.standard import ELEMENTS_1987, ELEMENTS_1993, FILE_CHANGES

Specification = Mapping[str, Mapping[str, Any]]
"""A dialect in pyiso8583's dictionary format. Not to be changed once it is used."""

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

_FORMAT: Final = re.compile(r"(?P<content>[a-z+]+) (?P<dots>\.*)(?P<size>[0-9]+)")


def specification(
    elements: Mapping[int, tuple[str, str]],
    *,
    bitmap: Literal["hex", "binary"],
    charset: str = "ascii",
    digits: Literal["text", "bcd"] = "text",
    tagged: tuple[int, int] = (2, 2),
) -> Specification:
    """The dictionary of a dialect, from rows of (format, name) in the standard's notation.

    `bitmap="hex"` writes bitmaps and every `b` element as upper-case hexadecimal characters (so that the whole
    message is text), `"binary"` writes both as they are. Lengths are digits and count the characters or bytes that
    follow them on the wire. `digits="bcd"` packs `n` and `z` elements, the type and all lengths two digits a byte; then
    lengths count digits, an odd `n` is padded with 0 on the left and an odd `z` with F on the right. `tagged` is
    for DE 48.
    """
    packed = digits == "bcd"
    lengths = "bcd" if packed else charset
    text = {"data_enc": charset, "len_enc": lengths, "len_type": 0}
    bits = {"data_enc": "b", "len_enc": lengths, "len_type": 0} if bitmap == "binary" else text
    bitmaps = {**bits, "max_len": 8 if bitmap == "binary" else 16}
    built: dict[str, Mapping[str, Any]] = {
        "h": {**text, "max_len": 0, "desc": "Message header"},
        "t": {
            **text,
            **({"data_enc": "b", "max_len": 2} if packed else {"max_len": 4}),
            "desc": "Message type identifier",
            "content": "n",
        },
        "p": {**bitmaps, "desc": "Bitmap, primary"},
        "1": {**bitmaps, "desc": "Bitmap, secondary"},
    }
    for number, (notation, name) in elements.items():
        shape = _FORMAT.fullmatch(notation)
        assert shape is not None, f"element {number}: {notation!r} is not the standard's notation"
        content, size = shape["content"], int(shape["size"])
        row = dict(bits if content == "b" else text)
        if content == "b":
            size = size // 8 if bitmap == "binary" else size // 4
        elif content == "x+n":
            size += 1
        elif packed and content in {"n", "z"}:
            row |= {"data_enc": "b", "len_count": "nibbles"}
            row |= {"left_pad": "0"} if content == "n" else {"right_pad": "F"}
        width = len(shape["dots"])
        row |= {"len_type": (width + 1) // 2 if packed else width, "max_len": size, "desc": name, "content": content}
        built[str(number)] = row
    built["48"] = {**built["48"], "tagged": tagged}
    built["55"] = {**built["55"], "tlv": True}
    return built


def with_header(dialect: Specification, *, size: int = 5) -> Specification:
    """The dialect behind a header of so many bytes, as hexadecimal in `Fields` under `h`; five are a
    TPDU."""
    header = {"data_enc": "b", "len_enc": "ascii", "len_type": 0, "max_len": size, "desc": "Message header"}
    return {**dialect, "h": header}


def load_specification(path: Path) -> Specification:
    """A user's dialect from a JSON file. Raises `FormatError` for one that is no dictionary of rows; what a row says
    is checked when the dialect is used."""
    try:
        found = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError("specification", f"cannot be read: {error.__class__.__name__}") from None
    except ValueError:
        raise FormatError("specification", "is not JSON") from None
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise FormatError("specification", "is not an object of rows by element")
    return found


PDS_DIGITS: Final = (4, 3)
"""Digits of number and of length of the private data subelements in clearing records."""

TERMINAL_ELEMENTS: Final = {**ELEMENTS_1987, 53: ("b ..80", "Security related control information")}
"""DE 53 is the key serial number of a device under DUKPT. Of ISO 8583:1993's kind: the 16 digits of 1987 have no room
for it."""

TERMINAL: Final = specification(TERMINAL_ELEMENTS, bitmap="hex")
"""Between a terminal and its acquirer: every byte is text, so a line of a trace can be read and typed."""

SIMNET: Final = specification(ELEMENTS_1987, bitmap="binary")
"""Between a member and the network: text with binary bitmaps and binary DE 52, 55, 64, 96 and 128."""

SIMNET_FILE: Final = specification({**ELEMENTS_1987, **FILE_CHANGES}, bitmap="binary", tagged=PDS_DIGITS)
"""Records of the clearing file (1240, 1442, 1644, 1740), in the shape of the public IPM parsers."""

EBCDIC_FILE: Final = specification(
    {**ELEMENTS_1987, **FILE_CHANGES}, bitmap="binary", charset="cp500", tagged=PDS_DIGITS
)
"""The same records on an IBM host: code page 500."""

BCD: Final = specification(ELEMENTS_1987, bitmap="binary", digits="bcd")
"""Digits packed two a byte, as terminals on narrow lines write them."""

EBCDIC: Final = specification(ELEMENTS_1987, bitmap="binary", charset="cp500")
"""As `SIMNET` on an IBM host: code page 500."""

PROFILES: Final[Mapping[str, Specification]] = {
    "ascii-hex": TERMINAL,
    "ascii-binary": specification(TERMINAL_ELEMENTS, bitmap="binary"),
    "bcd": specification(TERMINAL_ELEMENTS, bitmap="binary", digits="bcd"),
    "ebcdic": specification(TERMINAL_ELEMENTS, bitmap="binary", charset="cp500"),
}
"""What listeners for terminals speak: all text; text with binary bitmaps and `b` elements; digits packed two a byte;
code page 500."""

DIALECTS: Final[Mapping[str, Specification]] = {
    "terminal": TERMINAL,
    **PROFILES,
    "simnet": SIMNET,
    "simnet_file": SIMNET_FILE,
    "simnet_file_ebcdic": EBCDIC_FILE,
    "ebcdic_1047": specification(ELEMENTS_1987, bitmap="binary", charset="cp1047"),
    "1993": specification(ELEMENTS_1993, bitmap="hex"),
    "1993_binary": specification(ELEMENTS_1993, bitmap="binary"),
    "1993_bcd": specification(ELEMENTS_1993, bitmap="binary", digits="bcd"),
}
"""The dialects by the name a user gives on a command line or in configuration."""

_TPDU: Final = ":tpdu"
_BEHIND_TPDU: Final[Mapping[str, Specification]] = {name: with_header(rows) for name, rows in DIALECTS.items()}


def dialect_named(name: str) -> Specification:
    """One of `DIALECTS`; with `:tpdu` behind its name, each message behind a TPDU. Raises `FormatError` for another
    name."""
    found = (_BEHIND_TPDU if name.endswith(_TPDU) else DIALECTS).get(name.removesuffix(_TPDU))
    if found is None:
        raise FormatError("dialect", f"is none of {', '.join(DIALECTS)}, nor one of them with {_TPDU} behind it")
    return found
