"""What an issuer's book must prove beside the ledger's own proofs: holds, presented items, what the network is owed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from engine.ledger.audit import Figure, Proof, figures
from engine.ledger.chart import CUSTOMER_HELD, NETWORK_PAYABLE, SINGLE_MESSAGES
from engine.vocabulary.messages import CREDITS
from issuer.authorization.holds import HOLD, HOLD_RELEASED
from issuer.authorization.model import AuthorizationState
from issuer.clearing.decide import INTERCHANGE, POSTED
from issuer.clearing.model import BreakKind

_HELD = text(
    "select a.id, a.owner_id, a.balance_minor, coalesce(h.held, 0) as held from accounts a left join ("
    " select held_id, sum(held_left_minor) as held from authorizations where state = any(:live) group by held_id"
    ") h on h.held_id = a.id where a.code = :code and a.balance_minor <> coalesce(h.held, 0) order by a.id"
)
_DEAD = text(
    "select id, network_reference, state, held_left_minor from authorizations"
    " where held_left_minor < 0 or (held_left_minor > 0 and not (state = any(:live))) order by id"
)
_ORPHANS = text(
    "select e.chain, e.sequence, e.position, e.subject_id, e.amount_minor from entries e"
    " left join authorizations a on a.id = e.subject_id"
    " where e.kind = any(:kinds) and a.id is null order by 1, 2, 3"
)
_PER_HOLD = text(
    "select a.id, a.network_reference, a.held_left_minor, coalesce(sum("
    " case when e.kind = :hold then e.amount_minor else -e.amount_minor end), 0) as held"
    " from authorizations a left join entries e on e.subject_id = a.id and e.kind = any(:kinds)"
    " group by a.id having a.held_left_minor <>"
    " coalesce(sum(case when e.kind = :hold then e.amount_minor else -e.amount_minor end), 0) order by a.id"
)
_DOUBLED = text("select arn, count(*) as times from presented_items group by arn having count(*) > 1 order by arn")
_POSTED = text(
    "select i.arn, i.amount_minor, count(e.chain) as times, coalesce(sum(e.amount_minor), 0) as posted"
    " from presented_items i left join entries e on e.subject_id = i.id and e.kind = any(:posted)"
    " and (case when i.is_refund then e.credit else e.debit end) = i.account_id"
    " group by i.id, i.arn, i.amount_minor"
    " having coalesce(sum(e.amount_minor), 0) <> i.amount_minor or count(e.chain) > 1 order by i.arn"
)
_WITHOUT_ITEM = text(
    "select e.chain, e.sequence, e.position, e.kind, e.amount_minor from entries e"
    " left join presented_items i on i.id = e.subject_id"
    " where e.kind = any(:kinds) and i.id is null order by 1, 2, 3"
)
_PAYABLE = text(
    "with parts as ("
    " select asset, case when is_refund then -amount_minor else amount_minor end - interchange_minor as owed"
    " from presented_items"
    " union all select asset, -rounding_minor from settlements"
    " union all select asset, settled_minor from statements"
    "), sums as (select asset, sum(owed) as owed from parts group by asset),"
    " payables as (select id, asset, balance_minor from accounts where code = :code)"
    " select p.id, coalesce(p.asset, s.asset) as asset, coalesce(p.balance_minor, 0) as balance,"
    " coalesce(s.owed, 0) as owed from payables p full join sums s on s.asset = p.asset"
    " where coalesce(p.balance_minor, 0) <> coalesce(s.owed, 0) order by 2"
)
_BREAKS = text(
    "select b.kind, b.reference, b.business_date, b.asset, b.expected_minor, b.found_minor from settlement_breaks b"
    " where not exists (select from settlements s where b.asset = s.asset and case b.kind"
    " when :report_missing then s.business_date = b.business_date"
    " when :movement_missing then s.business_date = b.business_date and s.moved_minor is not null"
    " when :movement_without_report then b.reference = s.report_id || '/' || s.asset and s.moved_minor is not null"
    " else false end) order by b.business_date, b.reference, b.kind"
)
"""Findings that still stand: what was missing and has come since is none any more."""

_LATE = (BreakKind.REPORT_MISSING, BreakKind.MOVEMENT_MISSING, BreakKind.MOVEMENT_WITHOUT_REPORT)
_LATE_KINDS = {kind.value: kind.value for kind in _LATE}

_FIGURES = text(
    "select 'net position ' || report_id as about, reported_minor as amount_minor, business_date || ' ' || asset as"
    " cycle from settlements"
    " union all select 'moved for ' || report_id, moved_minor, null from settlements where moved_minor is not null"
    " union all select 'closing of statement ' || statement_id, closing_minor, null from statements order by 1"
)

_LIVE = {"live": [AuthorizationState.APPROVED.value, AuthorizationState.PENDING.value]}
_HOLD_KINDS = {"kinds": [HOLD, HOLD_RELEASED], "hold": HOLD}


def _holds(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_DEAD, _LIVE):
        yield (
            f"orphan hold: authorization {row.id} ({row.network_reference}) is {row.state}"
            f" and still holds {row.held_left_minor}"
        )
    for row in connection.execute(_ORPHANS, {"kinds": _HOLD_KINDS["kinds"]}):
        place = f"{row.chain}/{row.sequence}/{row.position}"
        yield f"orphan hold: entry {place} of {row.amount_minor} belongs to no authorization ({row.subject_id})"
    for row in connection.execute(_PER_HOLD, _HOLD_KINDS):
        yield (
            f"authorization {row.id} ({row.network_reference}) says it holds {row.held_left_minor},"
            f" its entries hold {row.held}"
        )
    for row in connection.execute(_HELD, _LIVE | {"code": CUSTOMER_HELD}):
        yield (
            f"orphan hold: account {row.id} of customer {row.owner_id} holds {row.balance_minor},"
            f" its live authorizations {row.held}"
        )


def _items(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_DOUBLED):
        yield f"doubled presentment: ARN {row.arn} is there {row.times} times"
    for row in connection.execute(_POSTED, {"posted": sorted(POSTED)}):
        doubled = "doubled presentment: " if row.times > 1 else ""
        yield (f"{doubled}ARN {row.arn} of {row.amount_minor} was posted {row.times} times, {row.posted} in all")
    for row in connection.execute(_WITHOUT_ITEM, {"kinds": [*sorted(POSTED), INTERCHANGE]}):
        place = f"{row.chain}/{row.sequence}/{row.position}"
        yield f"entry {place} ({row.kind}, {row.amount_minor}) belongs to no presented item"


def _payable(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_PAYABLE, {"code": NETWORK_PAYABLE}):
        yield (
            f"network payable in {row.asset} (account {row.id}): balance {row.balance},"
            f" items less interchange, rounding and what was settled give {row.owed}"
        )


def _settled(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_BREAKS, _LATE_KINDS):
        yield (
            f"{row.kind.replace('_', ' ')}: {row.reference} of {row.business_date}:"
            f" expected {row.expected_minor}, found {row.found_minor} {row.asset}"
        )


def issuer_figures(connection: Connection) -> list[Figure]:
    """What the network and the settlement bank must have in their books as well."""
    return figures(connection, _FIGURES)


_SINGLE = text(
    "with waiting as (select asset, sum(case when transaction_type = any(:credits) then -amount_minor else amount_minor"
    " end) as waits from authorizations where state = :posted group by asset),"
    " own as (select id, asset, balance_minor from accounts where code = :code)"
    " select coalesce(o.asset, w.asset) as asset, coalesce(o.balance_minor, 0) as balance,"
    " coalesce(w.waits, 0) as waits"
    " from own o full join waiting w on w.asset = o.asset where coalesce(o.balance_minor, 0) <> coalesce(w.waits, 0)"
    " order by 1"
)


def _single(connection: Connection) -> Iterator[str]:
    known = {"posted": AuthorizationState.POSTED.value, "credits": sorted(CREDITS), "code": SINGLE_MESSAGES}
    for row in connection.execute(_SINGLE, known):
        yield (
            f"single messages to be cleared in {row.asset}: balance {row.balance}, those that wait come to {row.waits}"
        )


ISSUER_PROOFS = (
    Proof("each hold belongs to a live authorization", _holds),
    Proof("single messages wait for their clearing", _single),
    Proof("each presented item is posted once", _items),
    Proof("network payable is items less what was settled", _payable),
    Proof("settlement agrees with report and items", _settled),
)
"""What every issuer's book must prove."""
