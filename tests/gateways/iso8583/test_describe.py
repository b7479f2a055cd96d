"""A dump shows what a person needs and never what must not be seen."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from engine.vocabulary import tlv
from engine.vocabulary.errors import FormatError
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, encode
from gateways.iso8583.composites import join_private, split, split_private, turned_round
from gateways.iso8583.describe import Line, describe, describe_hex, render_json, render_text
from gateways.iso8583.messages import to_fields
from gateways.iso8583.replies import reply_to
from gateways.iso8583.specifications import DIALECTS, SIMNET, SIMNET_FILE, TERMINAL
from tests.gateways.iso8583.samples import CARD, CHIP, CVV2, MESSAGES, PIN_BLOCK, SECRETS, TRACK_2

SAMPLES: dict[str, Fields] = {**{name: to_fields(message) for name, message in MESSAGES.items()}, "chip": CHIP}


def shown(fields: Fields) -> dict[str, str]:
    return {line.element: line.value for line in describe(fields, TERMINAL)}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("dialect", ["terminal", "simnet"])
def test_no_secret_is_in_a_masked_dump(name: str, dialect: str) -> None:
    frame = encode(SAMPLES[name], DIALECTS[dialect])
    text = render_text(describe(frame, DIALECTS[dialect]))
    console = Console(width=160, record=True, quiet=True)
    console.print(describe_hex(frame.hex(), dialect))
    for dump in (text, console.export_text()):
        assert not [secret for secret in (*SECRETS, "D2912", "=2912", CHIP["55"]) if secret in dump]
        assert "9203" not in dump


def test_each_secret_is_masked_in_its_own_way() -> None:
    values = shown({**CHIP, "36": "1234=5678", "45": "B4000001234562345^A/B^2912"})
    assert values["2"] == "400000******2345"
    assert values["102"] == "400000******2345"
    assert values["48.92"] == "***"
    assert values["52"] == "*** (16 characters)"
    assert values["35"] == f"*** ({len(TRACK_2)} characters)"
    assert values["36"] == "*** (9 characters)"
    assert values["45"] == "*** (26 characters)"
    assert values["55"] == "3 data objects"


def test_private_elements_that_cannot_be_taken_apart_are_masked_whole() -> None:
    for value in ("737", "92x3737", "9209737", f"9203{CVV2}9203{CVV2}"):
        assert shown({"t": "0100", "48": value})["48"] == f"*** ({len(value)} characters)"


def test_card_numbers_in_free_text_are_masked() -> None:
    assert shown({"t": "0100", "63": "card 4000001234562345 seen"})["63"] == "card 400000******2345 seen"
    assert shown({"t": "0100", "48": join_private({"10": "4000001234562345"})})["48.10"] == "400000******2345"


def test_sub_elements_and_codes_are_spelt_out() -> None:
    place = f"{'Corner Cafe':25}{'Springfield':13}US"
    lines = describe({**CHIP, "43": place, "95": "000000004000".ljust(42, "0")}, TERMINAL)
    values = {line.element: line.value for line in lines}
    assert values["MTI"] == "0100 (authorization request)"
    assert values["3.1"] == "00 (purchase)"
    assert values["22.1"] == "05 (chip)"
    assert (values["43.1"], values["43.3"]) == ("Corner Cafe", "US")
    assert [line.value for line in lines if line.element.startswith("54.")] == [
        "00", "01", "840", "C", "000000001000", "00", "02", "840", "D", "000000000500",
    ]  # fmt: skip
    assert values["90.2"] == "000123"
    assert values["95.1"] == "000000004000"
    assert Line("37", "Retrieval reference number", "606109000123") in describe(SAMPLES["0100"], SIMNET)
    repeated = {line.element: line.value for line in describe(SAMPLES["0421 partial"], TERMINAL)}
    assert repeated["MTI"] == "0421 (reversal advice, repeat)"
    assert {line.element: line.value for line in describe(SAMPLES["0800"], SIMNET)}["70"] == "001 (sign-on)"


def test_the_twelve_positions_of_clearing_are_spelt_out() -> None:
    lines = describe({"t": "1240", "22": "510101510141"}, SIMNET_FILE)
    assert [line.value for line in lines if line.element.startswith("22.")] == list("510101510141")


def test_unmasked_on_demand() -> None:
    text = render_text(describe(CHIP, TERMINAL, masked=False))
    assert PIN_BLOCK in text and CVV2 in text and TRACK_2.replace("=", "D") in text


def test_every_element_has_one_line_in_order() -> None:
    lines = [line.element for line in describe(CHIP, TERMINAL) if "." not in line.element]
    assert lines == ["MTI", *(key for key in CHIP if key != "t")]


@pytest.mark.parametrize("text", ["{frame}", "{header}{frame}", "{spaced}"])
def test_hexadecimal_with_or_without_header_and_blanks(text: str) -> None:
    frame = encode(CHIP, TERMINAL)
    given = text.format(frame=frame.hex(), header=len(frame).to_bytes(2, "big").hex(), spaced=frame.hex(" "))
    assert describe_hex(given) == describe(frame, TERMINAL)


def test_the_chips_data_objects_are_spelt_out_and_its_secrets_masked() -> None:
    chip = tlv.encode(
        [
            ("9F26", bytes.fromhex("D8E1A2B3C4D5E6F7")),
            ("5A", bytes.fromhex(f"{CARD}FF")),
            ("57", bytes.fromhex(f"{CARD}D2912201")),
            ("5F20", b"DOE/JANE"),
            ("70", [("5F34", b"\x01"), ("DF01", bytes.fromhex(CARD))]),
        ]
    )
    fields = {"t": "0100", "55": chip.hex().upper()}
    lines = describe(fields, TERMINAL)
    assert [(line.element, line.name, line.value) for line in lines[1:]] == [
        ("55", "Integrated circuit card system related data", "7 data objects"),
        ("55.9F26", "Application cryptogram", "D8E1A2B3C4D5E6F7"),
        ("55.5A", "Application primary account number", "400000******2345"),
        ("55.57", "Track 2 equivalent data", "*** (24 characters)"),
        ("55.5F20", "Cardholder name", "*** (16 characters)"),
        ("55.70", "Record template", ""),
        ("55.70.5F34", "Application PAN sequence number", "01"),
        ("55.70.DF01", "Unknown", "*** (16 characters)"),
    ]
    assert CARD in render_text(describe(fields, TERMINAL, masked=False))


def test_chip_data_that_cannot_be_taken_apart_is_masked_whole() -> None:
    assert shown({"t": "0100", "55": "9F2608D8"})["55"] == "*** (8 characters)"


def test_a_dump_for_machines_has_the_same_lines() -> None:
    lines = describe(CHIP, TERMINAL)
    assert [Line(**line) for line in json.loads(render_json(lines))] == lines


def test_a_dialect_may_bring_sub_elements_of_its_own() -> None:
    own = {
        **TERMINAL,
        "60": {**TERMINAL["60"], "parts": [["Batch", 2], ["Item", 3]]},
        "62": {**TERMINAL["62"], "tagged": [4, 3]},
    }
    lines = describe({"t": "0100", "60": "0112302456", "62": "0105003ABC"}, own)
    assert [(line.element, line.value) for line in lines if "." in line.element] == [
        ("60.1", "01"), ("60.2", "123"), ("60.3", "02"), ("60.4", "456"), ("62.0105", "ABC"),
    ]  # fmt: skip


def test_a_reply_turns_the_addresses_of_a_tpdu_round() -> None:
    assert reply_to({"h": "6000010002", "t": "0800"}, ResponseCode.APPROVED)["h"] == "6000020001"
    assert turned_round("16010200") == "16010200"


BAD = [("zz", "terminal", "message"), ("30", "terminal", "MTI"), ("30", "visa", "dialect")]


@pytest.mark.parametrize(("text", "dialect", "place"), BAD)
def test_what_cannot_be_dumped_is_said_in_one_sentence(text: str, dialect: str, place: str) -> None:
    with pytest.raises(FormatError) as refused:
        describe_hex(text, dialect)
    assert refused.value.element == place


def test_composites_come_apart_and_together() -> None:
    assert split("3", "003000") == (("Transaction type", "00"), ("From account", "30"), ("To account", "00"))
    assert split("22", "05") == ()
    assert split("54", "0" * 19) == ()
    assert split_private(join_private({"92": CVV2, "10": ""})) == {"92": CVV2, "10": ""}
    assert split_private("") == {}


@pytest.mark.parametrize("value", ["9", "920", "92xx", "9204737", "9203737920"])
def test_private_elements_that_are_not_whole_are_refused(value: str) -> None:
    with pytest.raises(FormatError, match="DE 48") as refused:
        split_private(value)
    assert CVV2 not in str(refused.value)
