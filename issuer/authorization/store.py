"""The SQL of authorizations, and of what cards may do and have done. Cards and accounts are the other stages'; their
rows are locked with these: cards, controls, activities, authorizations, accounts, each by id.

What a batch needs takes one round trip: nothing that is asked first decides what is asked next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from engine.accounts.model import Customer
from engine.accounts.store import customer_rows
from engine.database.bulk import Rows
from engine.database.nouns import NounRows
from engine.database.pipeline import pipelined, send
from engine.ledger.book import Book
from engine.ledger.chart import SINGLE_MESSAGES
from engine.runtime.stage import Outside
from engine.vocabulary.decision import State, TimerFired
from engine.vocabulary.messages import DEBITS
from issuer.authorization.addresses import BillingAddress, SetBillingAddress
from issuer.authorization.checks import limit_kinds
from issuer.authorization.controls import CardActivity, CardControls, SetControls
from issuer.authorization.decide import Prepared
from issuer.authorization.facts import restored
from issuer.authorization.hooks import EndpointAnswered
from issuer.authorization.model import (
    Authorization,
    AuthorizationState,
    ReleaseExpiredHold,
    TokenisedReversal,
    VerifiedRequest,
    original_reference,
    reference_of,
)
from issuer.authorization.risk import InstallRiskRules, RiskRules
from issuer.authorization.setting import PreparedSetting, SettingRequest, Spent, WithHistory
from issuer.cards.store import card_id, card_rows, load_customers
from issuer.tables import metadata

authorizations = Table(
    "authorizations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("network_reference", Text, nullable=False, unique=True),
    Column("card_id", Uuid),
    Column("account_id", Uuid),
    Column("held_id", Uuid),
    Column("transaction_type", Text, nullable=False),
    Column("requested_minor", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("held_left_minor", BigInteger, nullable=False),
    Column("presented_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("response_code", Text, nullable=False),
    Column("approval_code", Text),
    Column("reasons", JSONB, nullable=False),
    Column("preauthorization", Boolean, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("acquirer_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("merchant_name", Text, nullable=False),
    Column("terminal_id", Text, nullable=False),
    Column("pos_entry_mode", Text, nullable=False),
    Column("transacted_at", DateTime(timezone=True), nullable=False),
    Column("authorized_on", Date, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("is_financial", Boolean, nullable=False),
    Column("stan", Text, nullable=False),
    Column("base_id", Uuid),
    Column("counted_on", Date),
    Column("considered", JSONB, nullable=False),
    Index("authorizations_by_card", "card_id", "transacted_at"),
    # Only what still holds money is looked for by its expiry.
    Index("authorizations_by_expiry", "expires_at", "id", postgresql_where=text("held_left_minor > 0")),
)
card_controls = Table(
    "card_controls",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("time_zone", Text, nullable=False),
    Column("limits", JSONB, nullable=False),
    Column("allowed", JSONB, nullable=False),
    Column("blocked", JSONB, nullable=False),
)
card_activities = Table(
    "card_activities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("counters", JSONB, nullable=False),
    Column("last_at", DateTime(timezone=True)),
    Column("last_country", Text, nullable=False),
    Column("approved", Integer, nullable=False),
    Column("mean_minor", BigInteger, nullable=False),
    Column("recent", JSONB, nullable=False),
)
risk_rules = Table(
    "risk_rules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("installed_at", DateTime(timezone=True), nullable=False),
)
billing_addresses = Table(
    "billing_addresses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("postcode", Text, nullable=False),
    Column("street_digits", Text, nullable=False),
)

authorization_rows = NounRows(Authorization, authorizations)
controls_rows = NounRows(CardControls, card_controls)
activity_rows = NounRows(CardActivity, card_activities)
risk_rule_rows = NounRows(RiskRules, risk_rules)
address_rows = NounRows(BillingAddress, billing_addresses)

_ids = Rows(authorizations)


def _columns(rows: NounRows[Any], alias: str = "") -> str:
    return ", ".join(f'{alias}"{name}"' for name in rows.names)


_LOCK = (
    f"select {_columns(authorization_rows)} from authorizations"  # noqa: S608, names of columns
    " where id = any(%s::uuid[]) or network_reference = any(%s::text[]) order by id for update"
)
_BASES = (
    f"select {_columns(authorization_rows)} from authorizations where id in"  # noqa: S608, names of columns
    " (select base_id from authorizations where network_reference = any(%s::text[])) order by id for update"
)
_CUSTOMERS = (
    f"select {_columns(customer_rows)} from customers where id in"  # noqa: S608, names of columns
    " (select customer_id from cards where id = any(%s::uuid[])) order by id"
)
_RULES = f"select {_columns(risk_rule_rows)} from risk_rules where state <> 'retired' order by id"  # noqa: S608
_DUE = text(
    "select id, expires_at from authorizations where held_left_minor > 0 and (expires_at, id) > (:after, :after_id)"
    " and expires_at <= :now order by expires_at, id limit :most"
)
_OF_CARD = text(
    "select * from authorizations where card_id = any(:cards) and state = any(:states) and amount_minor > 0"
    " and transaction_type = any(:types) order by transacted_at, id"
)
_PAST = text(
    "select * from authorizations where authorized_on between :since and :until and state <> 'tombstone'"
    " and (transacted_at, id) > (:after, :after_id) order by transacted_at, id limit :most"
)
PAGE = 5_000
_BEGINNING = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
_SPENT = [state.value for state in (AuthorizationState.APPROVED, AuthorizationState.POSTED, AuthorizationState.CLEARED)]


def load(book: Book, connection: Connection, prepared: Sequence[Prepared], state: State) -> set[UUID]:
    """Lock the cards, controls, activities and authorizations that the messages name, read the cards' customers and the
    risk rules; the cards' accounts."""
    references: set[str] = set()
    cards: set[UUID] = set()
    ids: set[UUID] = set()
    singles: set[UUID] = set()
    increments = reversals = False
    for one in prepared:
        match one:
            case ReleaseExpiredHold() | EndpointAnswered():
                ids.add(one.authorization_id)
            case TimerFired():
                ids.add(one.subject_id)
            case _:
                references.add(reference_of(one.request))
                cards.add(card_id(book, one.card_token))
                reversals = reversals or isinstance(one, TokenisedReversal)
                request = one.request if isinstance(one, VerifiedRequest) else getattr(one.request, "request", None)
                if request is not None:
                    increments = increments or request.original is not None
                    if request.original is not None:
                        references.add(original_reference(request.original, request.terminal_id))
                    if request.is_financial:
                        singles.add(book.account(SINGLE_MESSAGES, request.amount.asset))
    own = sorted(cards)
    (named,) = _ids.arrays(("network_reference",), (sorted(references),))
    (numbered,) = _ids.arrays(("id",), (sorted(ids),))
    with pipelined(connection):
        locked = card_rows.sent(connection, own)
        controls = controls_rows.sent(connection, own)
        activities = activity_rows.sent(connection, own)
        (of,) = _ids.arrays(("id",), (own,))
        customers = send(connection, _CUSTOMERS, (of,))
        rules = send(connection, _RULES, ())
        found = send(connection, _LOCK, (numbered, named))
        bases = send(connection, _BASES, (named,)) if reversals else None
    accounts: set[UUID] = set(singles)
    for card in card_rows.nouns(locked.fetchall()):
        state.put(card)
        accounts.add(card.account_id)
    for rows, sent in ((controls_rows, controls), (activity_rows, activities), (risk_rule_rows, rules)):
        for noun in rows.nouns(sent.fetchall()):
            state.put(noun)
    for customer in customer_rows.nouns(customers.fetchall()):
        if state.get(Customer, customer.id) is None:
            state.put(customer)
    accounts |= _put(state, [*found.fetchall(), *(() if bases is None else bases.fetchall())])
    posted = {one.asset for one in state.all(Authorization) if one.is_financial}
    return accounts | {book.account(SINGLE_MESSAGES, asset) for asset in posted}


def lock_authorizations(
    connection: Connection, ids: Iterable[UUID], references: Iterable[str], state: State
) -> set[UUID]:
    """Lock these authorizations in id order and put them into the state; the accounts that they hold money of."""
    (numbered,) = _ids.arrays(("id",), (sorted(ids),))
    (named,) = _ids.arrays(("network_reference",), (sorted(references),))
    return _put(state, send(connection, _LOCK, (numbered, named)).fetchall())


def _put(state: State, rows: Iterable[Sequence[Any]]) -> set[UUID]:
    accounts = set()
    for authorization in authorization_rows.nouns(rows):
        state.put(authorization)
        if authorization.account_id is not None:
            accounts.add(authorization.account_id)
    return accounts


def due_holds(connection: Connection, now: datetime) -> Iterator[UUID]:
    """The authorizations whose holds have expired by `now`, oldest first, read page by page: those released
    meanwhile drop out."""
    after, after_id = _BEGINNING
    while page := connection.execute(_DUE, {"after": after, "after_id": after_id, "now": now, "most": PAGE}).all():
        connection.rollback()
        yield from (row.id for row in page)
        after, after_id = page[-1].expires_at, page[-1].id


def find_authorization(connection: Connection, identifier: UUID) -> Authorization | None:
    """The authorization, unlocked, or None."""
    return next(iter(authorization_rows.read(connection, [identifier])), None)


def past_authorizations(connection: Connection, since: object, until: object) -> Iterator[Authorization]:
    """Those decided from one business date to another, oldest first, read page by page."""
    after, after_id = _BEGINNING
    place = {"since": since, "until": until, "most": PAGE}
    while page := connection.execute(_PAST, {**place, "after": after, "after_id": after_id}).mappings().all():
        found = [authorization_rows.noun({**row}) for row in page]
        yield from found
        after, after_id = found[-1].transacted_at, found[-1].id


# --- what is set ---


def prepare_setting(outside: Outside, requests: Sequence[SettingRequest]) -> list[PreparedSetting]:
    """Controls with what their cards have done so far."""
    cards = [request.card_id for request in requests if isinstance(request, SetControls)]
    spent: dict[UUID, list[Spent]] = {}
    if cards:
        with outside.read() as connection:
            asked = {"cards": cards, "states": _SPENT, "types": sorted(DEBITS)}
            for row in connection.execute(_OF_CARD, asked).mappings():
                one = authorization_rows.noun({**row})
                assert one.card_id is not None, "it was looked for by its card"
                spent.setdefault(one.card_id, []).append(_spent(one))
    return [
        WithHistory(request, spent.get(request.card_id, ())) if isinstance(request, SetControls) else request
        for request in requests
    ]


def _spent(one: Authorization) -> Spent:
    facts = one.considered.get("facts")
    kinds, country = (("all",), "") if not isinstance(facts, Mapping) else (
        limit_kinds(restored(facts)), str(facts["country"])
    )  # fmt: skip
    return Spent(kinds, one.amount_minor, one.authorized_on, one.transacted_at, country)


def load_setting(connection: Connection, prepared: Sequence[PreparedSetting], state: State) -> set[UUID]:
    """Lock the cards, their controls and activities, addresses, and all rules in force; no account is touched."""
    cards = sorted({one.request.card_id for one in prepared if isinstance(one, WithHistory)})
    customers = {one.customer_id for one in prepared if isinstance(one, SetBillingAddress)}
    for rows, ids in (
        (card_rows, cards),
        (controls_rows, cards),
        (activity_rows, cards),
        (address_rows, sorted(customers)),
    ):
        for noun in rows.lock(connection, ids):
            state.put(noun)
    load_customers(connection, customers, state)
    if any(isinstance(one, InstallRiskRules) for one in prepared):
        for row in connection.execute(text("select * from risk_rules order by id for update")).mappings():
            state.put(risk_rule_rows.noun({**row}))
    return set()
