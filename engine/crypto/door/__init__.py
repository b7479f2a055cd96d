"""The HSM's door, as the rest of the house sees it: the questions that may be asked, and the shape of the answers.

`hsm` has the door itself (`Hsm`), `pins`, `cards` and `chips` the questions, `keys` the names of keys, how two
institutions exchange them and where their blocks are kept.
"""

from engine.crypto.door.cards import CvvVerification, DynamicCvvVerification, PanUnreadable, SealedPan
from engine.crypto.door.chips import (
    CardKeys,
    ChipCard,
    CryptogramVerification,
    PinChangeCommand,
    ResponseCryptogram,
    ScriptCommand,
)
from engine.crypto.door.hsm import Hsm
from engine.crypto.door.keys import (
    ExchangedKey,
    KeyName,
    KeyRecord,
    KeyRefused,
    KeyState,
    KeyStore,
    KeyUsage,
    Ksn,
    pair_name,
)
from engine.crypto.door.pins import (
    PinBlockFormat,
    PinOffsetVerification,
    PinSelection,
    PinSource,
    PinTranslation,
    PinVerdict,
    PinVerification,
)

__all__ = [
    "CardKeys",
    "ChipCard",
    "CryptogramVerification",
    "CvvVerification",
    "DynamicCvvVerification",
    "ExchangedKey",
    "Hsm",
    "KeyName",
    "KeyRecord",
    "KeyRefused",
    "KeyState",
    "KeyStore",
    "KeyUsage",
    "Ksn",
    "PanUnreadable",
    "PinBlockFormat",
    "PinChangeCommand",
    "PinOffsetVerification",
    "PinSelection",
    "PinSource",
    "PinTranslation",
    "PinVerdict",
    "PinVerification",
    "ResponseCryptogram",
    "ScriptCommand",
    "SealedPan",
    "pair_name",
]
