"""The names and numbers of the institutions that an installation begins with (docs/ARCHITECTURE.md)."""

from __future__ import annotations

from typing import Final

OUR_BANK: Final = "bank"
OUR_ACQUIRER: Final = "acquirer"
NETWORK: Final = "simnet"
SETTLEMENT_BANK: Final = "settlement"

NETWORK_ID: Final = "900000"
SETTLEMENT_BANK_ID: Final = "900001"
