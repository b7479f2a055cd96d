"""BER-TLV: what is read is written back to the same bytes; what is not whole is refused by tag and offset."""

from __future__ import annotations

import pyemv.tlv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.vocabulary.emv_tags import EMV_TAGS, SENSITIVE_TAGS
from engine.vocabulary.errors import FormatError
from engine.vocabulary.tlv import MAX_DEPTH, DataObjects, decode, encode, is_constructed, leaves

PLAIN_TAGS = st.sampled_from(["9F26", "9F36", "82", "5F2A", "95", "DF01", "DF8101", "C5", "9F7F", "01"])
TEMPLATES = st.sampled_from(["70", "A5", "BF0C", "FF8105", "61"])


def objects(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[DataObjects]:
    plain = st.tuples(PLAIN_TAGS, values)
    one = st.recursive(plain, lambda inner: st.tuples(TEMPLATES, st.lists(inner, max_size=4)), max_leaves=12)
    return st.lists(one, max_size=8)


@given(objects(st.one_of(st.binary(max_size=20), st.integers(120, 300).map(bytes))))
def test_data_objects_come_back_as_they_left(given: DataObjects) -> None:
    assert decode(encode(given)) == given


@given(objects(st.binary(max_size=140)))
def test_bytes_are_those_that_pyemv_reads(given: DataObjects) -> None:
    def as_dict(found: DataObjects) -> dict[str, object]:
        return {tag: value if isinstance(value, bytes) else as_dict(value) for tag, value in found}

    def once(found: DataObjects) -> DataObjects:
        return [
            (tag, value if isinstance(value, bytes) else once(value)) for tag, value in dict(found).items()
        ]  # pyemv keeps one of each

    ours = once(given)
    assert pyemv.tlv.decode(encode(ours)) == as_dict(ours)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_written_back(source: bytes) -> None:
    try:
        found = decode(source)
    except FormatError:
        return
    assert encode(found) == source


def test_every_truncation_between_data_objects_is_refused() -> None:
    whole = encode([("9F26", bytes(8)), ("A5", [("50", b"CARD"), ("BF0C", [("DF8101", bytes(200))])])])
    ends = {0, 11}
    for length in range(len(whole)):
        if length in ends:
            assert encode(decode(whole[:length])) == whole[:length]
        else:
            with pytest.raises(FormatError):
                decode(whole[:length])


FAULTS = {
    "a value that is cut": ("9F26039F", "DE 55 tag 9F26", 0),
    "an inner value beyond its template": ("A5039F3602", "DE 55 tag 9F36", 2),
    "an inner value beyond its template, with bytes after it": ("A503500541" + "42434445", "DE 55 tag 50", 2),
    "an inner tag that its template cuts": ("A5019F" + "3600", "DE 55 tag 9F36", 2),
    "a tag alone": ("82025C009F36", "DE 55", 4),
    "half a tag": ("9F", "DE 55", 0),
    "a zero between data objects": ("8202000000", "DE 55", 4),
    "a length that needs one byte, in two": ("50810141", "DE 55 tag 50", 0),
    "a length that needs two bytes, in three": ("508200FF" + "00" * 255, "DE 55 tag 50", 0),
    "an indefinite length": ("70800000", "DE 55 tag 70", 0),
    "a length of four bytes": ("508400000001" + "41", "DE 55 tag 50", 0),
    "a tag number that begins with zeros": ("9F800100", "DE 55", 0),
    "a tag of five bytes": ("DF8181818100", "DE 55", 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_tag_and_offset(fault: str) -> None:
    source, place, offset = FAULTS[fault]
    with pytest.raises(FormatError) as refused:
        decode(bytes.fromhex(source))
    assert (refused.value.element, refused.value.offset) == (place, offset)


def test_templates_nest_only_so_deep() -> None:
    nested: DataObjects = []
    for _ in range(MAX_DEPTH):
        nested = [("70", nested)]
    assert decode(encode(nested)) == nested
    with pytest.raises(FormatError, match="deep"):
        decode(encode([("70", nested)]))


@pytest.mark.parametrize("tag", ["", "9f26", "9F", "9F2601", "DF81", "GG", "00", "9F8001", "5F 2A", "DF8181818101"])
def test_what_is_no_tag_is_not_written(tag: str) -> None:
    with pytest.raises(FormatError, match="is not a tag"):
        encode([(tag, b"")])


def test_a_value_of_the_wrong_kind_is_not_written() -> None:
    with pytest.raises(FormatError, match="tag 70: is of data objects"):
        encode([("70", b"")])
    with pytest.raises(FormatError, match="tag 9F26: is of a plain value"):
        encode([("9F26", [])])


def test_leaves_are_found_at_all_levels_and_once_only() -> None:
    found: DataObjects = [("9F36", b"\x01"), ("71", [("9F18", b"\x02"), ("72", [("86", b"\x03")])])]
    assert leaves(found) == {"9F36": b"\x01", "9F18": b"\x02", "86": b"\x03"}
    with pytest.raises(FormatError, match="tag 86: is there twice"):
        leaves([*found, ("86", b"\x04")])


def test_the_names_are_of_tags() -> None:
    for tag in EMV_TAGS:
        value: bytes | DataObjects = [] if is_constructed(tag) else b""
        assert decode(encode([(tag, value)])) == [(tag, value)]
    assert set(EMV_TAGS) >= SENSITIVE_TAGS
