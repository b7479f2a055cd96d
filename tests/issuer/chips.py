"""DE 55 as a chip and its terminal would say it, made with the keys of the test world."""

from __future__ import annotations

from engine.crypto.door import KeyName, KeyUsage
from engine.crypto.emv_cryptograms import application_cryptogram, card_master_key, cryptogram_key
from engine.crypto.keys import TEST_MASTER_KEY, key_of_test_world
from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion, cryptogram_input
from engine.vocabulary.identifiers import Pan

CVN_18 = CryptogramVersion.CVN_18


def chip_tags(
    institution: str,
    pan: Pan,
    counter: int,
    minor: int,
    *,
    version: CryptogramVersion = CVN_18,
    sequence_number: str = "01",
    card_results: str = "A00000",
    **changes: str,
) -> dict[str, bytes]:
    """The data objects of one transaction; `changes` (tag9F27="40", hexadecimal) are signed with the rest."""
    tags = {
        "82": "3C00",
        "95": "0000000000",
        "9A": "260303",
        "9C": "00",
        "5F2A": "0840",
        "5F34": sequence_number,
        "9F02": f"{minor:012d}",
        "9F03": "0" * 12,
        "9F10": f"0601{version:02X}03{card_results}",
        "9F1A": "0840",
        "9F27": "80",
        "9F34": "1F0302",
        "9F36": f"{counter:04X}",
        "9F37": "0BADF00D",
    } | {name.removeprefix("tag"): text for name, text in changes.items()}
    objects = {tag: bytes.fromhex(text) for tag, text in tags.items()}
    master = card_master_key(version, issuer_key(institution), pan.clear, sequence_number)
    key = cryptogram_key(version, master, objects["9F36"])
    return objects | {"9F26": application_cryptogram(version, key, cryptogram_input(objects))}


def icc_data(tags: dict[str, bytes]) -> bytes:
    """DE 55 of these."""
    return tlv.encode(tags.items())


def issuer_key(institution: str, usage: KeyUsage = KeyUsage.CHIP_CRYPTOGRAM) -> bytes:
    """A chip master key of this bank in the test world."""
    return key_of_test_world(TEST_MASTER_KEY, KeyName(institution, usage, 1))
