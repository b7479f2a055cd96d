"""The vocabulary over the wire and back, in both dialects; and what a message must say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Secret, network_reference
from engine.vocabulary.messages import AuthorizationRequest, AuthorizationResponse, ReversalAdvice
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.elements import resolve_transmission
from gateways.iso8583.messages import OnlineMessage, from_fields, to_fields
from gateways.iso8583.specifications import DIALECTS
from gateways.iso8583.writing import transmission
from tests.gateways.iso8583.samples import CARD, MESSAGES, NOW, REQUEST, TRACK_2


def over_the_wire(message: OnlineMessage, dialect: str = "simnet") -> OnlineMessage:
    specification = DIALECTS[dialect]
    return from_fields(decode(encode(to_fields(message), specification), specification), now=NOW)


@pytest.mark.parametrize("dialect", ["terminal", "simnet"])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_as_it_left(name: str, dialect: str) -> None:
    assert over_the_wire(MESSAGES[name], dialect) == MESSAGES[name]
    assert to_fields(MESSAGES[name])["t"] == name[:4]


MANDATORY = {
    "0100": ["2", "3", "4", "7", "11", "14", "18", "22", "25", "32", "37", "41", "42", "43", "49"],
    "0110 approved": ["4", "7", "11", "32", "37", "39", "41", "49"],
    "0421 partial": ["2", "3", "4", "7", "11", "32", "37", "41", "42", "49", "90"],
    "0430": ["7", "11", "32", "37", "39", "41", "90"],
    "0220": ["2", "4", "7", "11", "32", "37", "41", "42", "49"],
    "0221 of an offline sale": ["2", "3", "4", "7", "11", "14", "22", "25", "32", "37", "38", "41", "42", "49"],
    "0230": ["7", "11", "32", "37", "39", "41"],
    "0800": ["7", "11", "70"],
}


@pytest.mark.parametrize(("name", "element"), [(name, element) for name in MANDATORY for element in MANDATORY[name]])
def test_a_missing_mandatory_element_is_named(name: str, element: str) -> None:
    fields = to_fields(MESSAGES[name])
    fields.pop("35", None)
    for nothing in ({}, {element: ""}, {element: "   "}):
        with pytest.raises(FormatError, match=f"^DE {element}: is missing$"):
            from_fields({**{key: value for key, value in fields.items() if key != element}, **nothing}, now=NOW)


WRONG: dict[str, Fields] = {
    "DE 2": {"2": "40000012345", "35": ""},
    "DE 7": {"7": "1332093000"},
    "DE 14": {"14": "2913"},
    "DE 35": {"35": "4000001234562345"},
    "DE 48": {"48": "92"},
    "DE 49": {"49": "999"},
    "DE 54": {"54": "0040840D000000010001"},
    "MTI": {"t": "0600"},
}


@pytest.mark.parametrize("element", WRONG)
def test_content_that_cannot_be_understood_is_refused_by_name(element: str) -> None:
    with pytest.raises(FormatError) as refused:
        from_fields({**to_fields(REQUEST), **WRONG[element]}, now=NOW)
    assert refused.value.element == element


@pytest.mark.parametrize(
    ("element", "value"), [("90", "0100"), ("90", "0100" + "000123" + "1302093000" + "0" * 22), ("95", "x" * 42)]
)
def test_parts_of_a_reversal_that_cannot_be_understood_are_refused_by_name(element: str, value: str) -> None:
    with pytest.raises(FormatError, match=f"^DE {element}:"):
        from_fields({**to_fields(MESSAGES["0421 partial"]), element: value}, now=NOW)


def test_a_terminal_may_leave_to_its_acquirer_what_the_acquirer_knows() -> None:
    fields = to_fields(REQUEST)
    for element in ("18", "32", "43"):
        del fields[element]
    request = from_fields(fields, now=NOW, acquirer_id="400001")
    assert request == replace(REQUEST, mcc="", merchant_name="")


def test_the_card_may_come_from_its_track_alone() -> None:
    fields = to_fields(REQUEST)
    del fields["2"], fields["14"]
    for track in (TRACK_2, TRACK_2.replace("=", "D"), f";{TRACK_2}?"):
        request = from_fields({**fields, "35": track}, now=NOW)
        assert isinstance(request, AuthorizationRequest)
        assert (request.pan.clear, request.expiry, request.track2) == (CARD, "2912", Secret(track))


def test_a_track_of_another_card_is_refused() -> None:
    with pytest.raises(FormatError, match="DE 35: is not the track of the card in DE 2") as refused:
        from_fields({**to_fields(REQUEST), "35": TRACK_2.replace("4000001", "4000002")}, now=NOW)
    assert CARD[6:] not in str(refused.value)


def test_no_secret_is_shown_by_a_decoded_message() -> None:
    for message in MESSAGES.values():
        shown = repr(over_the_wire(message))
        assert CARD not in shown and TRACK_2 not in shown and "737" not in shown


YEAR_ENDS = [
    ("1231235959", datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC), 2026),
    ("0101000001", datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC), 2027),
    ("0302093000", NOW, 2026),
    ("0831000000", NOW, 2026),
    ("0903000000", NOW, 2025),
    ("0229120000", datetime(2028, 3, 1, tzinfo=UTC), 2028),
    ("0229120000", datetime(2027, 12, 1, tzinfo=UTC), 2028),
]


@pytest.mark.parametrize(("value", "now", "year"), YEAR_ENDS)
def test_a_transmission_time_means_the_instant_nearest_to_now(value: str, now: datetime, year: int) -> None:
    resolved = resolve_transmission(value, now)
    assert resolved.year == year
    assert resolved.utcoffset() == timedelta(0)
    assert transmission(resolved) == value


NO_DATES = ["0229120000", "1301000000", "0001000000", "0132000000", "0101240000", "0101006000", "0101000061"]


@pytest.mark.parametrize("value", NO_DATES)
def test_a_transmission_time_that_no_year_near_has_is_refused(value: str) -> None:
    with pytest.raises(FormatError, match=r"^DE 7: is not a date and time$"):
        resolve_transmission(value, NOW)


def test_a_reversal_names_the_same_transaction_as_its_request_however_institutions_are_written() -> None:
    reversal = MESSAGES["0421 partial"]
    assert isinstance(reversal, ReversalAdvice)
    for acquirer_id in ("400001", "00400001", "40000123456"):
        sent = replace(reversal, acquirer_id=acquirer_id, original=replace(reversal.original, acquirer_id=acquirer_id))
        arrived = over_the_wire(sent)
        assert isinstance(arrived, ReversalAdvice)
        assert arrived == sent
        request = over_the_wire(replace(REQUEST, acquirer_id=acquirer_id))
        assert isinstance(request, AuthorizationRequest)
        named = [
            network_reference(each.acquirer_id, request.terminal_id, each.stan, each.transmitted_at)
            for each in (request, arrived.original)
        ]
        assert named[0] == named[1]


def test_the_original_of_a_terminal_that_does_not_know_its_acquirer_is_the_acquirers() -> None:
    fields = to_fields(MESSAGES["0400 by a terminal"])
    del fields["32"]
    fields["90"] = fields["90"][:20] + "0" * 22
    assert from_fields(fields, now=NOW, acquirer_id="400001") == MESSAGES["0400 by a terminal"]


def test_a_replacement_of_nothing_reverses_all() -> None:
    fields = to_fields(MESSAGES["0421 partial"])
    fields["95"] = "0" * 42
    reversal = from_fields(fields, now=NOW)
    assert isinstance(reversal, ReversalAdvice)
    assert reversal.replacement_amount is None


def test_an_unknown_response_code_declines_and_an_unknown_reason_counts_as_none() -> None:
    answer = from_fields({**to_fields(MESSAGES["0110 approved"]), "39": "Z9"}, now=NOW)
    assert isinstance(answer, AuthorizationResponse)
    assert answer.response_code is ResponseCode.DO_NOT_HONOR
    reversal = from_fields({**to_fields(MESSAGES["0421 partial"]), "39": "17"}, now=NOW)
    assert isinstance(reversal, ReversalAdvice)
    assert reversal.response_code is None


def test_what_does_not_fit_is_a_bug_of_ours() -> None:
    with pytest.raises(AssertionError, match="DE 4"):
        to_fields(replace(REQUEST, amount=Money(10**12, "USD")))
    with pytest.raises(AssertionError, match="DE 4"):
        to_fields(replace(REQUEST, amount=Money(-1, "USD")))
    with pytest.raises(AssertionError, match="DE 7"):
        to_fields(replace(REQUEST, transmitted_at=NOW.replace(microsecond=1)))
