"""One transaction under way: the data objects that the kernel has gathered, TVR and TSI as they stand, and how it talks
to the card.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from engine.vocabulary import tlv
from engine.vocabulary.errors import FormatError
from simulator.chip.apdu import PLAIN, PROPRIETARY, Command, Instruction, Response
from simulator.chip.rsa import PublicKey
from simulator.kernel.results import TSI_LENGTH, TVR_LENGTH, Tsi, Tvr
from simulator.kernel.setup import Ask, EnterPin, Heard, KernelSetup, Sale, Transmit, Typed

CHIP_TAGS = (
    "82", "84", "95", "9A", "9C", "5F2A", "5F34", "9F02", "9F03", "9F09", "9F10", "9F1A", "9F26", "9F27", "9F33",
    "9F34", "9F35", "9F36", "9F37",
)  # fmt: skip
"""What of them goes into DE 55 (EMV Book 4, annex A): what the issuer needs for the cryptogram, and how the terminal
saw the card. Card number, track and name stay out of it."""


class Ended(Exception):
    """The transaction cannot go on."""

    def __init__(self, reason: str, *, may_fall_back: bool = False) -> None:
        self.reason = reason
        self.may_fall_back = may_fall_back
        super().__init__(reason)


@dataclass(slots=True)
class Work:
    """Grows while the transaction goes on."""

    setup: KernelSetup
    sale: Sale
    objects: dict[str, bytes] = field(default_factory=dict)
    tvr: Tvr = Tvr.NONE
    tsi: Tsi = Tsi.NONE
    static: bytes = b""
    """Static data to be authenticated."""
    chip_key: PublicKey | None = None
    signs_cryptograms: bool = False
    """CDA is under way."""
    pdol_content: bytes = b""
    cdol1_content: bytes = b""
    verification: bytes = bytes.fromhex("3F0000")
    needs_signature: bool = False
    online_pin: str | None = None

    def __post_init__(self) -> None:
        sale, setup = self.sale, self.setup
        self.objects |= {
            "9F02": bytes.fromhex(f"{sale.amount_minor:012d}"),
            "9F03": bytes.fromhex(f"{sale.cashback_minor:012d}"),
            "9F1A": bytes.fromhex(setup.country),
            "5F2A": bytes.fromhex(setup.currency),
            "9A": bytes.fromhex(f"{sale.at:%y%m%d}"),
            "9C": bytes.fromhex(sale.transaction_type),
            "9F37": sale.unpredictable,
            "9F35": bytes.fromhex(setup.terminal_type),
            "9F33": int(setup.capabilities).to_bytes(3, "big"),
            "9F09": setup.version,
            "9F21": bytes.fromhex(f"{sale.at:%H%M%S}"),
        }

    def values(self) -> dict[str, bytes]:
        """The objects for a data object list, TVR, TSI and verification as they are now."""
        return {
            **self.objects,
            "95": int(self.tvr).to_bytes(TVR_LENGTH, "big"),
            "9B": int(self.tsi).to_bytes(TSI_LENGTH, "big"),
            "9F34": self.verification,
        }

    def need(self, tag: str) -> bytes:
        """An object without which nothing goes. Raises `Ended`."""
        if tag not in self.objects:
            raise Ended(f"the card has no object {tag}")
        return self.objects[tag]

    @property
    def pan(self) -> str:
        """Tag 5A, or what track 2 says."""
        if "5A" in self.objects:
            return self.objects["5A"].hex().upper().rstrip("F")
        return self.track2.partition("=")[0]

    @property
    def track2(self) -> str:
        """Tag 57 as DE 35 writes it."""
        return self.objects.get("57", b"").hex().upper().rstrip("F").replace("D", "=")

    @property
    def today(self) -> str:
        """YYMMDD."""
        return f"{self.sale.at:%y%m%d}"

    def icc_data(self) -> bytes:
        """DE 55."""
        values = self.values()
        return tlv.encode([(tag, values[tag]) for tag in CHIP_TAGS if tag in values])


Steps = Generator[Ask, Heard, None]


def transmit(command: Command) -> Generator[Ask, Heard, Response]:
    """The card's response to a command."""
    heard = yield Transmit(command)
    assert isinstance(heard, Response), "a command is answered by a response"
    return heard


def ask_pin(tries_left: int | None) -> Generator[Ask, Heard, str | None]:
    """What the cardholder types."""
    heard = yield EnterPin(tries_left)
    assert isinstance(heard, Typed), "a PIN is asked for, and typed or not"
    return heard.pin


def get_data(tag: str) -> Generator[Ask, Heard, bytes | None]:
    """A counter of the card's (GET DATA); None where it does not tell."""
    place = bytes.fromhex(tag)
    response = yield from transmit(Command(PROPRIETARY, Instruction.GET_DATA, place[0], place[1]))
    return values_in(objects_in(response.content)).get(tag) if response.ok else None


def read_record(sfi: int, record: int) -> Generator[Ask, Heard, Response]:
    """READ RECORD."""
    return (yield from transmit(Command(PLAIN, Instruction.READ_RECORD, record, sfi << 3 | 0x04)))


def objects_in(content: bytes) -> tlv.DataObjects:
    """The objects of a card's answer, in order, templates with theirs. `Ended` when its bytes are no TLV."""
    try:
        return tlv.decode(content, "the card")
    except FormatError:
        raise Ended("the card's answer cannot be read") from None


def template_in(objects: tlv.DataObjects, template: str) -> tlv.DataObjects:
    """The objects in the first such template; none, where there is no such template."""
    return next((value for tag, value in objects if tag == template and not isinstance(value, bytes)), [])


def values_in(objects: tlv.DataObjects) -> dict[str, bytes]:
    """The plain values of one level, by tag."""
    return {tag: value for tag, value in objects if isinstance(value, bytes)}
