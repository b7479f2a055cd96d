"""What an acquirer's books must prove beside the ledger's own proofs: every payable, every item and every payout,
from the rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from engine.ledger.audit import Figure, Proof, figures
from engine.ledger.chart import DISCOUNT_INCOME, MERCHANT_PAYABLE, NETWORK_RECEIVABLE, SETTLEMENT_BANK

_PAYABLES = text(
    """
with due as (
    select account_id, sum(case when processing_code like '20%' then -amount_minor
           else amount_minor - discount_minor end) as minor
    from clearing_items where state <> 'rejected' group by account_id
), paid as (
    select account_id, sum(amount_minor) as minor from payouts where state <> 'returned' group by account_id
)
select m.merchant_id, a.balance_minor, coalesce(d.minor, 0) - coalesce(p.minor, 0) as expected
from merchants m left join accounts a on a.id = m.account_id
left join due d on d.account_id = m.account_id left join paid p on p.account_id = m.account_id
where a.balance_minor is distinct from coalesce(d.minor, 0) - coalesce(p.minor, 0) order by m.merchant_id
"""
)
_STRAY_PAYABLES = text(
    "select a.id, a.balance_minor from accounts a left join merchants m on m.account_id = a.id"
    " where a.code = :code and m.id is null order by a.id"
)
_PRESENTED = text(
    """
select coalesce(p.id, i.payment_id) as payment, p.state, p.captured_minor, i.arn, i.amount_minor
from payments p full join clearing_items i on i.payment_id = p.id
where (p.state = 'presented' and i.id is null) or (i.id is not null and p.state is distinct from 'presented')
   or (i.id is not null and i.amount_minor is distinct from p.captured_minor) order by 1
"""
)
_POSTED = text(
    """
select i.arn, count(e.line) as entries, coalesce(sum(e.amount_minor), 0) as posted, i.amount_minor
from clearing_items i left join entries e on e.subject_id = i.id and e.kind in ('purchase', 'refund')
group by i.id, i.arn, i.amount_minor having count(e.line) <> 1 or sum(e.amount_minor) <> i.amount_minor order by i.arn
"""
)
_RECEIVABLES = text(
    """
with items as (
    select asset, sum(case when processing_code like '20%' then -amount_minor else amount_minor end) as presented,
           sum(interchange_minor + network_fee_minor) as costs
    from clearing_items where state <> 'rejected' group by asset
), settled as (
    select asset, sum(coalesce(received_minor, 0)) as received, sum(rounding_minor) as rounding
    from acquirer_settlements group by asset
)
select a.asset, a.balance_minor, coalesce(i.presented, 0) - coalesce(i.costs, 0) - coalesce(s.received, 0)
       + coalesce(s.rounding, 0) as expected
from accounts a left join items i on i.asset = a.asset left join settled s on s.asset = a.asset
where a.code = :code and a.balance_minor <> coalesce(i.presented, 0) - coalesce(i.costs, 0) - coalesce(s.received, 0)
      + coalesce(s.rounding, 0) order by a.asset
"""
)
_DISCOUNTS = text(
    "select a.asset, a.balance_minor, coalesce(sum(i.discount_minor), 0) as expected from accounts a"
    " left join clearing_items i on i.asset = a.asset and i.state <> 'rejected' where a.code = :code"
    " group by a.id, a.asset, a.balance_minor having a.balance_minor <> coalesce(sum(i.discount_minor), 0)"
    " order by a.asset"
)
_FIGURES = text(
    "select 'net position ' || reference as about, reported_minor as amount_minor, business_date || ' ' || asset as"
    " cycle from acquirer_settlements where reported_minor is not null"
    " union all select 'moved for ' || reference, received_minor, null from acquirer_settlements"
    " where received_minor is not null"
    " union all select 'closing of statement ' || statement_id, closing_minor, null from acquirer_statements order by 1"
)
_LINEAGE = text(
    """
with paid as (
    select payout_id, count(*) as items,
           sum(case when processing_code like '20%' then -amount_minor else amount_minor - discount_minor end) as minor
    from clearing_items where payout_id is not null group by payout_id
)
select coalesce(o.id, p.payout_id) as payout, o.state, o.amount_minor, o.item_count, p.items, p.minor
from payouts o full join paid p on p.payout_id = o.id
where o.id is null or (o.state = 'returned' and p.items is not null)
   or (o.state <> 'returned' and (p.minor is distinct from o.amount_minor or p.items is distinct from o.item_count))
order by 1
"""
)
_BANK = text(
    """
with newest as (
    select distinct on (asset) asset, closing_minor from acquirer_statements order by asset, number desc
), under_way as (
    select asset, sum(amount_minor) as minor from payouts where state = 'instructed' group by asset
)
select a.asset, a.balance_minor, coalesce(n.closing_minor, 0) - coalesce(u.minor, 0) as expected
from accounts a left join newest n on n.asset = a.asset left join under_way u on u.asset = a.asset
where a.code = :code and a.balance_minor <> coalesce(n.closing_minor, 0) - coalesce(u.minor, 0) order by a.asset
"""
)
_UNANSWERED = text(
    """
select arn, state, amount_minor, asset, business_date from clearing_items
where state = 'uncollected'
   or (state = 'presented' and business_date <= (select max(business_date) from acquirer_settlements
       where reported_minor is not null)) order by business_date, arn
"""
)
_OVERDUE = text(
    """
with stated as (select asset, max(business_date) as newest from acquirer_statements group by asset),
reported as (
    select asset, max(business_date) as newest from acquirer_settlements where reported_minor is not null group by asset
), confirmed as (
    select settled_on, asset, count(*) as items from clearing_items where settled_on is not null group by 1, 2
)
select p.business_date, p.asset, 'payout ' || p.id || ' of ' || p.amount_minor || ' is on no statement' as what
from payouts p join stated n on n.asset = p.asset where p.state = 'instructed' and p.business_date < n.newest
union all
select s.business_date, s.asset, 'net position ' || s.reference || ' of ' || s.reported_minor || ' is on no statement'
from acquirer_settlements s join stated n on n.asset = s.asset
where s.reported_minor <> 0 and s.received_minor is null and s.business_date < n.newest
union all
select s.business_date, s.asset, s.received_minor || ' moved for ' || s.reference || ', which is not reported'
from acquirer_settlements s join reported n on n.asset = s.asset
where s.reported_minor is null and s.business_date < n.newest
union all
select c.settled_on, c.asset, c.items || ' confirmed items are not reported'
from confirmed c join reported n on n.asset = c.asset
where c.settled_on < n.newest and not exists (
    select from acquirer_settlements s
    where s.business_date = c.settled_on and s.asset = c.asset and s.reported_minor is not null
)
order by 1, 3
"""
)
_BREAKS = text(
    "select reference, reason, expected_minor, found_minor, asset from acquirer_breaks order by business_date, id"
)


def _payables(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_PAYABLES):
        yield (
            f"merchant {row.merchant_id}: payable {row.balance_minor},"
            f" its items less fees and payouts come to {row.expected}"
        )
    for row in connection.execute(_STRAY_PAYABLES, {"code": MERCHANT_PAYABLE}):
        yield f"merchant payable {row.id} with {row.balance_minor} belongs to no merchant"


def _presented(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_PRESENTED):
        if row.arn is None:
            yield f"payment {row.payment} is presented, but no clearing item is of it"
        elif row.state != "presented":
            yield f"clearing item {row.arn} is of payment {row.payment}, which is {row.state or 'not there'}"
        else:
            yield f"clearing item {row.arn} presents {row.amount_minor}, its payment captured {row.captured_minor}"
    for row in connection.execute(_POSTED):
        yield f"clearing item {row.arn} of {row.amount_minor} was posted {row.entries} times, in all {row.posted}"


def _lineage(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_LINEAGE):
        if row.state is None:
            yield f"payout {row.payout} is named by {row.items} items, but is not there"
        else:
            yield (
                f"payout {row.payout} ({row.state}) of {row.amount_minor} for {row.item_count} items:"
                f" {row.items or 0} items of {row.minor or 0} name it"
            )


def _receivables(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_RECEIVABLES, {"code": NETWORK_RECEIVABLE}):
        yield (
            f"network receivable in {row.asset}: {row.balance_minor},"
            f" presented less fees and settled comes to {row.expected}"
        )


def _discounts(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_DISCOUNTS, {"code": DISCOUNT_INCOME}):
        yield f"discount income in {row.asset}: {row.balance_minor}, the items' discounts sum to {row.expected}"


def _bank(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BANK, {"code": SETTLEMENT_BANK}):
        yield (
            f"settlement bank in {row.asset}: {row.balance_minor},"
            f" its last statement less payouts under way comes to {row.expected}"
        )


def _answered(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_UNANSWERED):
        item = f"clearing item {row.arn} of {row.amount_minor} ({row.asset}), presented on {row.business_date}"
        if row.state == "uncollected":
            yield f"{item}: the network does not take it, the merchant has been paid"
        else:
            yield f"{item}: the network has reported that date and said nothing of it"


def _overdue(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_OVERDUE):
        yield f"{row.business_date}: {row.what} ({row.asset}), although later days are"


def _breaks(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BREAKS):
        yield (
            f"{row.reason} of {row.reference}: expected {row.expected_minor}, found {row.found_minor} (minor units of"
            f" {row.asset})"
        )


def acquirer_figures(connection: Connection) -> list[Figure]:
    """What the network and the settlement bank must have in their books as well."""
    return figures(connection, _FIGURES)


ACQUIRER_PROOFS = (
    Proof("each merchant is owed its items less fees and payouts", _payables),
    Proof("each presented payment is one item, posted once", _presented),
    Proof("discount income is the items' discounts", _discounts),
    Proof("the network receivable is what was presented less fees and settled", _receivables),
    Proof("the network has answered each item", _answered),
    Proof("each payout is the sum of its items", _lineage),
    Proof("the settlement bank holds what it last stated less payouts under way", _bank),
    Proof("reports and statements agree with the books", _breaks),
    Proof("each day is reported, and what should have moved is stated", _overdue),
)
"""What an acquirer's book must prove."""
