"""What the network must prove of its rows, beside what every book must."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from engine.database.institutions import Institution
from engine.ledger.audit import Figure, Proof, figures
from engine.ledger.chart import MEMBER_POSITION, NETWORK_FEE_INCOME, ROUNDING
from engine.vocabulary.messages import REFUND
from simulator.network.clearing.model import ItemState
from simulator.network.settlement.model import PositionState

_ACCEPTED = {"accepted": ItemState.ACCEPTED.value, "refund": REFUND, "position": MEMBER_POSITION}

_ITEMS_TWICE = text(
    "select network_reference, processing_code, amount_minor, count(*) as times, min(arn) as first, max(arn) as last"
    " from items where state = :accepted and network_reference is not null and is_final"
    " group by 1, 2, 3 having count(*) > 1 order by 1"
)
_ITEMS_UNPOSTED = text(
    "select i.arn, i.amount_minor, count(e.subject_id) as entries, coalesce(sum(e.amount_minor), 0) as posted"
    " from items i left join entries e on e.subject_id = i.id where i.state = :accepted"
    " group by i.id, i.arn, i.amount_minor"
    " having count(e.subject_id) <> 1 or coalesce(sum(e.amount_minor), 0) <> i.amount_minor order by i.arn"
)
_POSTED_WITHOUT_ITEM = text(
    "select e.chain, e.sequence, e.position, e.subject_id from entries e left join items i on i.id = e.subject_id"
    " and i.state = :accepted where e.kind in ('purchase', 'credit') and i.id is null order by 1, 2, 3"
)
_POSITIONS = text(
    "with signed as ("
    " select issuer_id as member_id, asset, case when left(processing_code, 2) = :refund then amount_minor"
    " else -amount_minor end as due from items where state = :accepted"
    " union all select acquirer_id, asset, case when left(processing_code, 2) = :refund then -amount_minor"
    " else amount_minor end from items where state = :accepted"
    " union all select member_id, asset, interchange_booked_minor + network_fee_booked_minor - settled_minor"
    " from net_positions"
    ") select m.member_id, a.asset, a.balance_minor, coalesce(sum(s.due), 0) as due"
    " from accounts a join members m on m.id = a.owner_id"
    " left join signed s on s.member_id = m.member_id and s.asset = a.asset"
    " where a.code = :position group by m.member_id, a.asset, a.balance_minor"
    " having a.balance_minor <> -coalesce(sum(s.due), 0) order by 1, 2"
)
_DAYS = text(
    "with day as (select business_date, asset, sum(net_position_minor) as net, sum(purchases_minor + credits_minor)"
    " as gross, sum(network_fee_booked_minor) as fees, sum(interchange_booked_minor) as rounding"
    " from net_positions group by 1, 2),"
    " moved as (select e.effective_on as business_date, a.asset,"
    " sum(case when e.kind <> 'network fee' then 0 when e.credit = a.id then e.amount_minor else -e.amount_minor end)"
    " as income,"
    " sum(case when e.kind <> 'interchange rounding' then 0 when e.debit = a.id then e.amount_minor"
    " else -e.amount_minor end) as left_over"
    " from entries e join accounts a on a.id in (e.debit, e.credit) and a.code in (:income_code, :rounding_code)"
    " group by 1, 2)"
    " select d.business_date, d.asset, d.net, d.gross, d.fees, d.rounding, coalesce(m.income, 0) as income,"
    " coalesce(m.left_over, 0) as left_over from day d left join moved m using (business_date, asset) order by 1, 2"
)

_BREAKS = text(
    "select statement_id, line, reference, asset, expected_minor, found_minor from network_breaks"
    " order by statement_id, line"
)
_OVERDUE = text(
    "select report_id, net_position_minor, asset from net_positions where state = :open and net_position_minor <> 0"
    " and business_date < (select max(business_date) from net_positions where state = :settled) order by report_id"
)


_FIGURES = text(
    "select 'net position ' || report_id as about, net_position_minor as amount_minor,"
    " business_date || ' ' || asset as cycle from net_positions"
    " union all select 'moved for ' || report_id, settled_minor, null from net_positions where state = :settled"
    " union all select 'share of ' || :network || ' ' || e.effective_on || ' ' || a.asset,"
    " sum(case when e.credit = a.id then e.amount_minor else -e.amount_minor end), e.effective_on || ' ' || a.asset"
    " from entries e join accounts a on a.id in (e.debit, e.credit) and a.code in (:income_code, :rounding_code)"
    " group by e.effective_on, a.asset order by 1"
)


def network_figures(institution: Institution, connection: Connection) -> list[Figure]:
    """What members have in their books as well, and what of each day stays with the network."""
    return figures(
        connection,
        _FIGURES,
        settled=PositionState.SETTLED.value,
        network=institution.name,
        income_code=NETWORK_FEE_INCOME,
        rounding_code=ROUNDING,
    )


def _each_item_once(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_ITEMS_TWICE, _ACCEPTED):
        yield (
            f"transaction {row.network_reference} is presented {row.times} times for {row.amount_minor} minor units,"
            f" by items {row.first} and {row.last} among them"
        )
    for row in connection.execute(_ITEMS_UNPOSTED, _ACCEPTED):
        yield f"item {row.arn} over {row.amount_minor} is posted {row.entries} times, {row.posted} in all"
    for row in connection.execute(_POSTED_WITHOUT_ITEM, _ACCEPTED):
        yield f"entry {row.chain}/{row.sequence}/{row.position} is about {row.subject_id}, which is no accepted item"


def _positions(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_POSITIONS, _ACCEPTED):
        yield (
            f"the position of member {row.member_id} in {row.asset} is {row.balance_minor}, its items less what is"
            f" settled give {-row.due}"
        )


def _days(connection: Connection) -> Iterator[str]:
    codes = {"income_code": NETWORK_FEE_INCOME, "rounding_code": ROUNDING}
    for row in connection.execute(_DAYS, codes):
        day = f"{row.business_date} in {row.asset}"
        if row.gross:
            yield f"{day}: what members owe for items and what they are owed differ by {row.gross}"
        if row.net + row.income - row.left_over:
            yield (
                f"{day}: net positions {row.net}, fee income {row.income} and rounding {-row.left_over}"
                " do not sum to zero"
            )
        if (row.fees, row.rounding) != (-row.income, row.left_over):
            yield f"{day}: fees and roundings of the reports are not those of the book"


def _movements(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BREAKS):
        yield (
            f"line {row.line} of statement {row.statement_id}, for {row.reference}: expected {row.expected_minor},"
            f" found {row.found_minor} (minor units of {row.asset})"
        )
    for row in connection.execute(_OVERDUE, {"open": PositionState.OPEN.value, "settled": PositionState.SETTLED.value}):
        yield (
            f"net position {row.report_id} of {row.net_position_minor} ({row.asset}) has not moved, positions of later"
            " days have"
        )


NETWORK_PROOFS = (
    Proof("each item is presented and posted once", _each_item_once),
    Proof("member positions are items less settlements", _positions),
    Proof("net positions, fee income and rounding sum to zero", _days),
    Proof("the settlement bank has moved what was instructed", _movements),
)
"""What the network's book must prove."""
