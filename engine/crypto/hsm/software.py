"""The HSM in software: the one object that holds keys and sees clear PINs."""

from __future__ import annotations

from engine.crypto.door.hsm import Hsm
from engine.crypto.door.keys import KeyStore
from engine.crypto.hsm.cards import CardDesk
from engine.crypto.hsm.chips import ChipDesk
from engine.crypto.hsm.custody import Custody
from engine.crypto.hsm.exchange import ExchangeDesk
from engine.crypto.hsm.keyring import KeyRing, KeysInMemory
from engine.crypto.hsm.messages import MessageDesk


class SoftwareHsm(ChipDesk, CardDesk, MessageDesk, ExchangeDesk, Hsm):
    """An institution's HSM: key blocks of a store, under a local master key. May be used by several threads.

    What each method answers is said at the door (`engine.crypto.door.Hsm`).
    """

    def __init__(
        self, institution: str, master_key: bytes, store: KeyStore | None = None, *, production: bool = False
    ) -> None:
        """`master_key`: 32 bytes or more; `store`: in memory unless given; `production` refuses published test keys.

        A master key, name or key block that cannot serve is refused at once (`KeyRefused`), not by the first card.
        """
        self._ring = KeyRing(institution, master_key, store or KeysInMemory(), production=production)

    @property
    def custody(self) -> Custody:
        """The custody of this institution's keys: for people's commands, not for requests."""
        return Custody(self._ring)

    def __repr__(self) -> str:
        return f"SoftwareHsm({self._ring.institution}, keys masked)"
