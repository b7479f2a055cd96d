"""`bezant bench crypto`: card cryptography at the HSM's door against psec, pyemv and pyiso8583, in the same run.

Ours goes through the door with all that it does besides: keys looked up by name and usage, every block checked, one
answer for each question of a list. The peers' functions are called as their documentation shows. Rounds are
interleaved and the median of each is taken, so that what else the machine does falls on both.

`authorization` is all that an issuer does with a chip purchase with PIN: decode the 0100 and its DE 55, verify MAC, PIN
(by PVV), iCVV and ARQC (CVN 18), make ARPC, encode the 0110 and its MAC.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

from benchmarks.shape import Result, Row, versions
from engine.crypto import des
from engine.crypto.door import (
    CryptogramVerification,
    CvvVerification,
    KeyName,
    KeyUsage,
    PinTranslation,
    PinVerdict,
    PinVerification,
    ResponseCryptogram,
)
from engine.crypto.emv_cryptograms import application_cryptogram, card_master_key, cryptogram_key
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY, key_of_test_world, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary import tlv
from engine.vocabulary.emv import CRYPTOGRAM_TAGS, CryptogramVersion, cryptogram_input
from engine.vocabulary.identifiers import Pan
from gateways.iso8583 import codec
from gateways.iso8583.specifications import SIMNET

ROUNDS = 9
CALLS = 2_000
"""Of each side in each round."""
QUESTIONS = 50
"""In each list that the door is asked: what a batch of a busy issuer holds."""

BANK, FROM, TO = "bank", "bank/northnet", "bank/simnet"
PAN, EXPIRY, PIN = Pan("4000010012345678"), "2812", "4524"
MAC_BYTES = 8
CSU = bytes.fromhex("00820000")
_TEST = TEST_MASTER_KEY


@dataclass(frozen=True, slots=True)
class Contest:
    """One row: what each side does, `calls` at a time. Each raises or asserts when its answer is not the right one."""

    name: str
    peer_name: str
    ours: Callable[[int], None]
    peer: Callable[[int], None]


def run(say: Callable[[str], None]) -> Result:
    """Measure every row. The peers are development dependencies."""
    # psec and pyemv are at home in the tests: only who measures against them needs them.
    warnings.filterwarnings("ignore", module=r"(psec|pyemv)\.")
    hsm = SoftwareHsm(BANK, _TEST)
    contests = [_authorization(hsm), _pin_translate(hsm), _cvv2(hsm), _pvv(hsm), _arqc(hsm)]
    rows = []
    for contest in contests:
        say(f"{contest.name}: {ROUNDS} rounds of {CALLS:,} calls a side, in turns")
        rows.append(_measured(contest))
    return Result(
        "crypto",
        versions(
            cryptography=version("cryptography"),
            psec=version("psec"),
            pyemv=version("pyemv"),
            pyiso8583=version("pyiso8583"),
        ),
        {"rounds": ROUNDS, "calls": CALLS, "questions": QUESTIONS, "cpus": os.cpu_count() or 0},
        tuple(rows),
    )


def _measured(contest: Contest) -> Row:
    contest.ours(QUESTIONS)
    contest.peer(QUESTIONS)
    ours: list[float] = []
    peer: list[float] = []
    gc.collect()
    for round_number in range(ROUNDS):
        sides = [(contest.ours, ours), (contest.peer, peer)]
        for side, taken in sides if round_number % 2 else sides[::-1]:
            began = time.perf_counter()
            side(CALLS)
            taken.append(time.perf_counter() - began)
    return Row(
        contest.name,
        round(CALLS / statistics.median(ours)),
        round(CALLS / statistics.median(peer)),
        contest.peer_name,
        "per second",
    )


def _own(usage: KeyUsage) -> bytes:
    return key_of_test_world(_TEST, KeyName(BANK, usage, 1))


def _pin_block(zone: str) -> bytes:
    return des.encrypt_ecb(zone_key_of_test_world(_TEST, zone), encode_format_0(PIN, PAN.clear))


def _pin_translate(hsm: SoftwareHsm) -> Contest:
    import psec

    block, expected = _pin_block(FROM), _pin_block(TO)
    from_key, to_key = zone_key_of_test_world(_TEST, FROM), zone_key_of_test_world(_TEST, TO)
    asked = [PinTranslation(block, PAN, FROM, TO)] * QUESTIONS

    def ours(calls: int) -> None:
        for _ in range(calls // QUESTIONS):
            assert hsm.translate_pin_blocks(asked)[-1] == expected

    def peer(calls: int) -> None:
        for _ in range(calls):
            clear = psec.des.decrypt_tdes_ecb(from_key, block)
            pin = psec.pinblock.decode_pinblock_iso_0(clear, PAN.clear)
            again = psec.des.encrypt_tdes_ecb(to_key, psec.pinblock.encode_pinblock_iso_0(pin, PAN.clear))
            assert again == expected

    return Contest("pin_translate", "psec", ours, peer)


def _cvv2(hsm: SoftwareHsm) -> Contest:
    import psec

    value, cvk = hsm.make_cvv(PAN, EXPIRY, "000"), _own(KeyUsage.CARD_VERIFICATION)
    asked = [CvvVerification(PAN, EXPIRY, "000", value)] * QUESTIONS

    def ours(calls: int) -> None:
        for _ in range(calls // QUESTIONS):
            assert hsm.verify_cvvs(asked)[-1]

    def peer(calls: int) -> None:
        for _ in range(calls):
            assert psec.cvv.generate_cvv(cvk, PAN.clear, EXPIRY[2:] + EXPIRY[:2], "000") == value

    return Contest("cvv2", "psec", ours, peer)


def _pvv(hsm: SoftwareHsm) -> Contest:
    import psec

    pvv, block = hsm.make_pvv(PAN, PIN), _pin_block(TO)
    zone_key, pvk = zone_key_of_test_world(_TEST, TO), _own(KeyUsage.PIN_VERIFICATION)
    asked = [PinVerification(block, PAN, TO, "1", pvv)] * QUESTIONS

    def ours(calls: int) -> None:
        for _ in range(calls // QUESTIONS):
            assert hsm.verify_pins(asked)[-1] is PinVerdict.CORRECT

    def peer(calls: int) -> None:
        for _ in range(calls):
            clear = psec.des.decrypt_tdes_ecb(zone_key, block)
            pin = psec.pinblock.decode_pinblock_iso_0(clear, PAN.clear)
            assert psec.pin.generate_visa_pvv(pvk, "1", pin, PAN.clear) == pvv

    return Contest("pvv", "psec", ours, peer)


_TAGS = {
    **{tag: bytes(range(1, 1 + length)) for tag, length in CRYPTOGRAM_TAGS.items()},
    "9F36": bytes.fromhex("001C"),
    "9F10": bytes.fromhex("06011203A0B800"),
    "9F33": bytes.fromhex("E0F8C8"),
    "9F34": bytes.fromhex("020300"),
    "9F35": bytes.fromhex("22"),
    "9F1E": b"00000001",
    "84": bytes.fromhex("A0000000031010"),
    "9F09": bytes.fromhex("0096"),
    "9F41": bytes.fromhex("00000123"),
    "9F27": bytes.fromhex("80"),
}
_CVN = CryptogramVersion.CVN_18


def _chip_tags(number: int) -> dict[str, bytes]:
    """What the chip says in its transaction of this number: each has a counter, a session key and a cryptogram of its
    own, so that nobody gains by remembering the last one."""
    tags = {**_TAGS, "9F36": number.to_bytes(2, "big")}
    key = card_master_key(_CVN, _own(KeyUsage.CHIP_CRYPTOGRAM), PAN.clear, "01")
    cryptogram = application_cryptogram(_CVN, cryptogram_key(_CVN, key, tags["9F36"]), cryptogram_input(tags))
    return {**tags, "9F26": cryptogram}


def _arqc(hsm: SoftwareHsm) -> Contest:
    import pyemv
    from pyemv.cvn import VisaCVN18

    issuer = _own(KeyUsage.CHIP_CRYPTOGRAM)
    transactions = [_chip_tags(number) for number in range(1, CALLS + 1)]
    questions = [CryptogramVerification.of(PAN, "01", tags) for tags in transactions]
    lists = [questions[start : start + QUESTIONS] for start in range(0, CALLS, QUESTIONS)]

    def ours(calls: int) -> None:
        for asked in lists[: calls // QUESTIONS]:
            assert all(hsm.verify_cryptograms(asked))

    def peer(calls: int) -> None:
        for asked in questions[:calls]:
            # What VisaCVN18 does for one of its three keys, which is all that this needs.
            card = pyemv.kd.derive_icc_mk_b(issuer, PAN.clear, "01")
            session = pyemv.kd.derive_common_sk(card, asked.counter + bytes(6))
            assert pyemv.ac.generate_ac(session, asked.transaction, pyemv.ac.PaddingType.EMV) == asked.cryptogram

    whole = VisaCVN18(issuer, issuer, issuer, PAN.clear, "01")
    named = {f"tag_{tag.lower()}": transactions[0][tag] for tag in (*CRYPTOGRAM_TAGS, "9F10")}
    assert whole.generate_ac(**named) == questions[0].cryptogram, "the shortcut above is pyemv's own way"
    return Contest("arqc", "pyemv", ours, peer)


def _request(hsm: SoftwareHsm, number: int) -> bytes:
    """The 0100 of this number, of 23 elements with PIN, track 2 and chip, under the link's MAC."""
    icvv = hsm.make_cvv(PAN, EXPIRY, "999")
    fields = {
        "t": "0100",
        "2": PAN.clear,
        "3": "000000",
        "4": "000000010000",
        "7": "0302093000",
        "11": f"{number:06d}",
        "12": "093000",
        "13": "0302",
        "14": EXPIRY,
        "18": "5411",
        "19": "840",
        "22": "051",
        "23": "001",
        "25": "00",
        "32": "200001",
        "35": f"{PAN.clear}D{EXPIRY}2011{icvv}00000000",
        "37": "606109000123",
        "41": "TERM0001",
        "42": "MERCHANT0000001",
        "43": "Corner shop              Springfield  US",
        "49": "840",
        "52": _pin_block(TO).hex().upper(),
        "55": tlv.encode(_chip_tags(number).items()).hex().upper(),
        "64": "0" * 16,
    }
    unsigned = codec.encode(fields, SIMNET)[:-MAC_BYTES]
    return unsigned + hsm.mac(TO, [unsigned])[0]


def _authorization(hsm: SoftwareHsm) -> Contest:
    pvv = hsm.make_pvv(PAN, PIN)
    requests = [_request(hsm, number) for number in range(1, CALLS + 1)]
    peer_answer = _peer(pvv)
    answers = [peer_answer(request) for request in requests]

    def ours(calls: int) -> None:
        for request, answer in zip(requests[:calls], answers, strict=False):
            assert _our_answer(hsm, request, pvv) == answer, "both sides give the same answer to the byte"

    def peer(calls: int) -> None:
        for request, answer in zip(requests[:calls], answers, strict=False):
            assert peer_answer(request) == answer

    return Contest("authorization", "pyiso8583 + psec + pyemv", ours, peer)


_KEPT = ("2", "3", "4", "7", "11", "32", "37", "41", "42", "49")


def _our_answer(hsm: SoftwareHsm, request: bytes, pvv: str) -> bytes:
    fields = codec.decode(request, SIMNET)
    assert hsm.verify_mac(TO, [(request[:-MAC_BYTES], request[-MAC_BYTES:])]) == [True]
    tags = cast("dict[str, bytes]", dict(tlv.decode(bytes.fromhex(fields["55"]))))
    pan, track = Pan(fields["2"]), fields["35"]
    asked = CryptogramVerification.of(pan, fields["23"][1:], tags)
    expiry = fields["14"]
    icvv = track[track.index("D") + 9 :][:3]
    assert hsm.verify_cryptograms([asked]) == [True]
    assert hsm.verify_cvvs([CvvVerification(pan, expiry, "999", icvv)]) == [True]
    block = bytes.fromhex(fields["52"])
    assert hsm.verify_pins([PinVerification(block, pan, TO, "1", pvv)]) == [PinVerdict.CORRECT]
    (arpc,) = hsm.make_arpcs([ResponseCryptogram(asked.card, asked.version, asked.counter, asked.cryptogram, CSU)])
    answer = {key: fields[key] for key in _KEPT} | {
        "t": "0110",
        "38": "123456",
        "39": "00",
        "55": tlv.encode([("91", arpc + CSU)]).hex().upper(),
        "64": "0" * 16,
    }
    unsigned = codec.encode(answer, SIMNET)[:-MAC_BYTES]
    return unsigned + hsm.mac(TO, [unsigned])[0]


def _peer(pvv: str) -> Callable[[bytes], bytes]:
    """The same by the libraries, with the keys at hand."""
    import iso8583
    import psec
    import pyemv

    zone, mac_key = zone_key_of_test_world(_TEST, TO), zone_key_of_test_world(_TEST, TO, KeyUsage.MAC)
    pvk, cvk = _own(KeyUsage.PIN_VERIFICATION), _own(KeyUsage.CARD_VERIFICATION)
    issuer = _own(KeyUsage.CHIP_CRYPTOGRAM)
    left, right = mac_key[:8] * 2, mac_key[8:] * 2

    def answer(request: bytes) -> bytes:
        fields, _ = iso8583.decode(request, SIMNET)
        assert psec.mac.generate_retail_mac(left, right, request[:-MAC_BYTES], 2) == request[-MAC_BYTES:]
        tags = pyemv.tlv.decode(bytes.fromhex(fields["55"]))
        pan, track, expiry = fields["2"], fields["35"], fields["14"]
        card = pyemv.kd.derive_icc_mk_b(issuer, pan, fields["23"][1:])
        session = pyemv.kd.derive_common_sk(card, tags["9F36"] + bytes(6))
        transaction = b"".join([tags[tag] for tag in CRYPTOGRAM_TAGS]) + tags["9F10"]
        assert pyemv.ac.generate_ac(session, transaction, pyemv.ac.PaddingType.EMV) == tags["9F26"]
        icvv = track[track.index("D") + 9 :][:3]
        assert psec.cvv.generate_cvv(cvk, pan, expiry, "999") == icvv
        clear = psec.des.decrypt_tdes_ecb(zone, bytes.fromhex(fields["52"]))
        pin = psec.pinblock.decode_pinblock_iso_0(clear, pan)
        assert psec.pin.generate_visa_pvv(pvk, "1", pin, pan) == pvv
        arpc = pyemv.ac.generate_arpc_2(session, tags["9F26"], CSU)
        said = {key: fields[key] for key in _KEPT} | {
            "t": "0110",
            "38": "123456",
            "39": "00",
            "55": pyemv.tlv.encode({"91": arpc + CSU}).hex().upper(),
            "64": "0" * 16,
        }
        unsigned = bytes(iso8583.encode(said, SIMNET)[0])[:-MAC_BYTES]
        return unsigned + psec.mac.generate_retail_mac(left, right, unsigned, 2)

    return answer
