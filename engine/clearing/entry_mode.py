"""DE 22 has 3 digits online (ISO 8583:1987) and 12 positions in clearing (the point of service code of ISO 8583:1993).

What the 3 digits do not say is 9, unknown, or follows from how a card can have been read at all.
"""

from __future__ import annotations

from typing import Final

# First two digits of DE 22 online: positions 5 (cardholder present), 6 (card present) and 7 (how it was read) in
# clearing. 0 and 1 in 5 and 6 are present; C, M and S beside the standard's 1 (keyed, no terminal) to 6 (keyed at a
# terminal).
_READ: Final = {
    "01": "016",
    "02": "012",
    "05": "01C",
    "07": "01M",
    "10": "40S",
    "80": "012",
    "81": "50S",
    "90": "012",
    "91": "01M",
}
_UNKNOWN_READ: Final = "900"
_INPUT_CAPABILITY: Final = {"6": "6", "2": "2", "C": "5", "M": "M", "S": "6", "0": "0"}
_PIN: Final = {"1": ("1", "4"), "2": ("0", "0")}
"""Third digit (can a PIN be entered): positions 2 and 12."""


def clearing_entry_mode(pos_entry_mode: str) -> str:
    """`"051"` (chip, PIN) -> the 12 positions of clearing, in which position 7 says how the card was read.

    Positions: 1 input capability, 2 authentication capability, 3 capture capability, 4 environment, 5 cardholder
    present, 6 card present, 7 input mode, 8 authentication method, 9 who authenticates, 10 output to the card, 11
    output of the terminal, 12 length of PIN.
    """
    present = _READ.get(pos_entry_mode[:2], _UNKNOWN_READ)
    can_authenticate, length = _PIN.get(pos_entry_mode[2:3], ("9", "9"))
    writes = "3" if present[2] == "C" else "0"
    return f"{_INPUT_CAPABILITY[present[2]]}{can_authenticate}09{present}99{writes}9{length}"
