"""Netting, without a database: whatever was exchanged, nothing is made or lost, and each side finds its own."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.vocabulary.money import round_half_even
from simulator.network.settlement.netting import Net, PairTotals, net

ACQUIRERS, ISSUERS = ("200001", "200002"), ("100001", "100002", "100003")
EXACT = st.decimals(-(10**9), 10**9, places=6)
COUNT, AMOUNT = st.integers(0, 10**6), st.integers(0, 10**12)

PAIRS = st.lists(
    st.builds(
        PairTotals,
        acquirer_id=st.sampled_from(ACQUIRERS),
        issuer_id=st.sampled_from(ISSUERS),
        purchases_count=COUNT,
        purchases_minor=AMOUNT,
        credits_count=COUNT,
        credits_minor=AMOUNT,
        interchange=EXACT,
        interchange_items_minor=st.integers(-(10**9), 10**9),
        network_fee=st.decimals(0, 10**9, places=6),
        network_fee_items_minor=AMOUNT,
    ),
    unique_by=lambda pair: (pair.acquirer_id, pair.issuer_id),
)
MEMBERS = (*ACQUIRERS, *ISSUERS)


def by_member(pairs: Sequence[PairTotals]) -> dict[str, Net]:
    return {one.member_id: one for one in net(MEMBERS, pairs)}


@given(PAIRS)
def test_what_members_get_is_what_members_pay_less_fees_and_roundings(pairs: list[PairTotals]) -> None:
    nets = net(MEMBERS, pairs)
    fees = sum(one.network_fee_booked_minor for one in nets)
    roundings = sum(one.interchange_booked_minor for one in nets)
    assert sum(one.purchases_minor for one in nets) == sum(one.credits_minor for one in nets) == 0
    assert sum(one.pairs_minor for one in nets) == 0
    assert sum(one.net_position_minor for one in nets) == fees + roundings
    assert abs(roundings) <= len(MEMBERS) // 2, "half a minor unit a member"


@given(PAIRS)
def test_each_side_rounds_its_own_exact_sum_once(pairs: list[PairTotals]) -> None:
    nets = by_member(pairs)
    for issuer in ISSUERS:
        own = [pair for pair in pairs if pair.issuer_id == issuer]
        exact = sum((pair.interchange for pair in own), Decimal(0))
        assert nets[issuer].interchange == exact
        assert nets[issuer].interchange_booked_minor == round_half_even(exact)
        assert nets[issuer].network_fee_booked_minor == 0
        items = sum(pair.interchange_items_minor for pair in own)
        assert nets[issuer].rounding_minor == round_half_even(exact) - items
    for acquirer in ACQUIRERS:
        own = [pair for pair in pairs if pair.acquirer_id == acquirer]
        fee = sum((pair.network_fee for pair in own), Decimal(0))
        assert nets[acquirer].network_fee_booked_minor == -round_half_even(fee)
        assert nets[acquirer].interchange_booked_minor == -round_half_even(
            sum((pair.interchange for pair in own), Decimal(0))
        )


def test_a_purchase_and_a_refund_are_opposite() -> None:
    pair = PairTotals(
        acquirer_id="200001",
        issuer_id="100001",
        purchases_count=1,
        purchases_minor=10_000,
        credits_count=1,
        credits_minor=4_000,
        interchange=Decimal("72.500000"),
        interchange_items_minor=73,
        network_fee=Decimal("11.500000"),
        network_fee_items_minor=12,
    )
    nets = by_member([pair])
    issuer, acquirer = nets["100001"], nets["200001"]
    assert (issuer.purchases_minor, issuer.credits_minor) == (-10_000, 4_000)
    assert (acquirer.purchases_minor, acquirer.credits_minor) == (10_000, -4_000)
    assert (issuer.interchange_booked_minor, acquirer.interchange_booked_minor) == (72, -72), "halves to the even one"
    assert (issuer.rounding_minor, acquirer.rounding_minor) == (-1, 1)
    assert acquirer.network_fee_booked_minor == -12
    assert (issuer.net_position_minor, acquirer.net_position_minor) == (-5_928, 5_916)


def test_a_member_without_items_has_a_net_of_nothing_without_a_sign() -> None:
    (quiet,) = net(("100001",), [])
    assert quiet.net_position_minor == quiet.rounding_minor == 0
    assert f"{quiet.interchange:.6f}" == f"{quiet.network_fee:.6f}" == "0.000000"
