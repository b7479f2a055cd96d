"""The HSM in software, one part for each kind of question."""

from engine.crypto.hsm.keyring import KeysInMemory
from engine.crypto.hsm.software import SoftwareHsm

__all__ = ["KeysInMemory", "SoftwareHsm"]
