"""`bezant cards`: what a bank's people do with cards, products and plastic; who may see card numbers, and who did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from engine.vocabulary.errors import BezantError

if TYPE_CHECKING:
    from api.system import Seat
    from issuer.cards.model import CardRequest, CardState, StateReason

commands = typer.Typer(name="cards", help="Cards of a bank: order, move, renew, replace, PIN.", no_args_is_help=True)

Bank = Annotated[str, typer.Option("--institution", help="Whose cards.")]
CardId = Annotated[UUID, typer.Argument(metavar="CARD", help="The card, as `bezant cards list` names it.")]
Handle = Annotated[str, typer.Argument(metavar="@HANDLE", help="The cardholder.")]
Sequence = Annotated[str, typer.Option("--sequence", help="Which plastic of the card, two digits.")]


@commands.command("list")
def listed(handle: Handle, institution: Bank = "bank") -> None:
    """Show somebody's cards, those that are gone included, and where their plastic is."""
    from issuer.cards.store import read_cards_of, read_fulfilments

    with _seated(institution) as seat, seat.processor.engine.connect() as connection:
        cards = read_cards_of(connection, _customer(seat, handle))
        plastics = read_fulfilments(connection, [card.id for card in cards])
    table = Table("Card", "Number", "Expiry", "State", "Why", "Form", "PIN tries", "Plastic", box=None)
    for card in cards:
        where = ", ".join(f"{one.sequence_number} {one.state}" for one in plastics if one.card_id == card.id)
        tries = "no PIN" if card.pvv is None else str(card.pin_tries_left)
        number = f"{card.first_six}...{card.last_four}"
        table.add_row(
            str(card.id), number, card.expiry, card.state, card.state_reason, card.form, tries, where or "none"
        )
    Console(highlight=False).print(table)


@commands.command("order")
def order(
    handle: Handle,
    product: Annotated[str, typer.Argument(help="The product's name.")],
    institution: Bank = "bank",
    *,
    physical: Annotated[bool, typer.Option("--physical", help="With plastic, sent by post.")] = False,
    use: Annotated[str, typer.Option(help="any, single or merchant.")] = "any",
    merchant: Annotated[str | None, typer.Option(help="DE 42 of the one merchant.")] = None,
) -> None:
    """Order a card of a product for a customer, with a number of the bank's choice."""
    from issuer.cards.model import CardForm, CardUse, OrderCard

    if use not in list(CardUse):
        raise BezantError(f"--use is {', '.join(CardUse)}.")
    with _seated(institution) as seat:
        request = OrderCard(
            reference=_reference(seat),
            customer_id=_customer(seat, handle),
            product=product,
            issued_at=seat.processor.clock.now(),
            form=CardForm.PHYSICAL if physical else CardForm.VIRTUAL,
            use=CardUse(use),
            merchant_id=merchant,
        )
        _ask(seat, request)


@commands.command("activate")
def activate(card: CardId, institution: Bank = "bank") -> None:
    """Take the plastic that came by post into use: the first, or that of a renewal."""
    from issuer.cards.model import ActivateCard

    with _seated(institution) as seat:
        _ask(seat, ActivateCard(card_id=card, reference=_reference(seat)))


@commands.command("state")
def state(
    card: CardId,
    new_state: Annotated[str, typer.Argument(metavar="STATE", help="active, blocked, lost, stolen or closed.")],
    reason: Annotated[str, typer.Argument(help="Why, e.g. fraud_suspected, unblocked, reported_lost.")],
    institution: Bank = "bank",
) -> None:
    """Block or unblock a card, report it lost or stolen, close it: as the bank."""
    from issuer.cards.model import CardState, StateReason

    if new_state not in list(CardState) or reason not in list(StateReason):
        raise BezantError(f"A state is {', '.join(CardState)}; a reason is {', '.join(StateReason)}.")
    _move(institution, card, CardState(new_state), StateReason(reason))


@commands.command("freeze")
def freeze(card: CardId, institution: Bank = "bank") -> None:
    """Freeze a card, as its holder does: nothing is approved until it is unfrozen."""
    from issuer.cards.model import CardState, StateReason

    _move(institution, card, CardState.FROZEN, StateReason.FROZEN, as_holder=True)


@commands.command("unfreeze")
def unfreeze(card: CardId, institution: Bank = "bank") -> None:
    """Undo a freeze, as the card's holder does."""
    from issuer.cards.model import CardState, StateReason

    _move(institution, card, CardState.ACTIVE, StateReason.UNFROZEN, as_holder=True)


@commands.command("report")
def report(
    card: CardId,
    what: Annotated[str, typer.Argument(help="lost, stolen or never_arrived.")],
    institution: Bank = "bank",
) -> None:
    """Report a card lost or stolen, for good, as its holder does."""
    from issuer.cards.states import REPORTS

    if what not in REPORTS:
        raise BezantError(f"A card is reported {', '.join(REPORTS)}.")
    _move(institution, card, *REPORTS[what], as_holder=True)


@commands.command("renew")
def renew(
    card: CardId,
    expiry: Annotated[str, typer.Argument(help="The new expiry, YYMM.")],
    institution: Bank = "bank",
) -> None:
    """Same number, later expiry, next sequence number: with its next plastic, a virtual card at once."""
    from issuer.cards.model import RenewCard

    with _seated(institution) as seat:
        _ask(seat, RenewCard(card_id=card, expiry=expiry, reference=_reference(seat)))


@commands.command("replace")
def replace(card: CardId, institution: Bank = "bank") -> None:
    """Another card with another number on the same account; what was bought with the old one still arrives."""
    from issuer.cards.model import ReplaceCard

    with _seated(institution) as seat:
        now = seat.processor.clock.now()
        _ask(seat, ReplaceCard(reference=_reference(seat), card_id=card, customer_id=None, issued_at=now))


@commands.command("plastic")
def plastic(
    card: CardId,
    where: Annotated[str, typer.Argument(metavar="STATE", help="personalised, shipped, delivered or returned.")],
    sequence: Sequence = "01",
    institution: Bank = "bank",
) -> None:
    """Say where a card's plastic is."""
    from issuer.cards.fulfilment import FulfilmentState, MoveFulfilment

    if where not in list(FulfilmentState):
        raise BezantError(f"Plastic is {', '.join(FulfilmentState)}.")
    with _seated(institution) as seat:
        _ask(
            seat,
            MoveFulfilment(
                card_id=card, sequence_number=sequence, new_state=FulfilmentState(where), reference=_reference(seat)
            ),
        )


@commands.command("pin")
def choose_pin(card: CardId, institution: Bank = "bank") -> None:
    """Set or change a PIN, typed without echo. The chip keeps the one that it was made with."""
    from engine.vocabulary.identifiers import Secret
    from issuer.cards.model import SetPin

    pin = Secret(typer.prompt("PIN", hide_input=True, confirmation_prompt=True))
    with _seated(institution) as seat:
        _ask(seat, SetPin(card_id=card, pin=pin, reference=_reference(seat)))


@commands.command("unblock-pin")
def unblock_pin(card: CardId, institution: Bank = "bank") -> None:
    """Give a holder all PIN tries again; a script tells the chip when it next asks its issuer."""
    from issuer.cards.model import UnblockPin

    with _seated(institution) as seat:
        _ask(seat, UnblockPin(card_id=card, reference=_reference(seat)))


@commands.command("products")
def products(institution: Bank = "bank") -> None:
    """Show the bank's products with their account ranges."""
    from issuer.cards.store import read_all_products

    with _seated(institution) as seat, seat.processor.engine.connect() as connection:
        found = read_all_products(connection)
    table = Table("Product", "Account range", "Digits", "Region", "Funding", "Regulated", "Months", "Since", box=None)
    for one in found:
        regulated = "yes" if one.regulated else "no"
        kind = (one.name, one.account_range, str(one.number_length), one.region, one.funding, regulated)
        table.add_row(*kind, str(one.validity_months), str(one.opened_on))
    Console(highlight=False).print(table)


@commands.command("open-product")
def open_product(
    name: Annotated[str, typer.Argument(help="1 to 40 letters, digits, - and _.")],
    account_range: Annotated[str, typer.Argument(help="8 digits.")],
    institution: Bank = "bank",
    *,
    region: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2.")] = "US",
    funding: Annotated[str, typer.Option(help="credit, debit or prepaid.")] = "debit",
    regulated: Annotated[bool, typer.Option("--regulated", help="Its interchange is capped by law.")] = False,
    digits: Annotated[int, typer.Option(help="Of its card numbers, 13 to 19.")] = 16,
    months: Annotated[int, typer.Option(help="How long its cards are valid.")] = 48,
) -> None:
    """Open a product: a kind of card, from an account range of its own."""
    from issuer.cards.products import Funding, OpenProduct

    if funding not in list(Funding):
        raise BezantError(f"--funding is {', '.join(Funding)}.")
    with _seated(institution) as seat:
        _ask(
            seat,
            OpenProduct(
                name=name,
                account_range=account_range,
                region=region,
                funding=Funding(funding),
                regulated=regulated,
                number_length=digits,
                validity_months=months,
                reference=_reference(seat),
            ),
        )


@commands.command("accesses")
def accesses(
    most: Annotated[int, typer.Option(min=1, max=1_000, help="The latest so many.")] = 100, institution: Bank = "bank"
) -> None:
    """Show who saw or handed in card numbers, when and why; refused attempts too."""
    from engine.vault.access import read_accesses

    with _seated(institution) as seat, seat.processor.engine.connect() as connection:
        found = read_accesses(connection, most)
    table = Table("When (UTC)", "Who", "What", "Token", "Granted", "Why", box=None)
    for one in found:
        granted = "yes" if one["granted"] else "no"
        told = (f"{one['occurred_at']:%Y-%m-%d %H:%M:%S}", one["actor"], one["action"], one["token"], granted)
        table.add_row(*map(str, told), str(one["reason"]))
    Console(highlight=False).print(table)


@commands.command("operator-token")
def operator_token(
    name: Annotated[str, typer.Argument(help="Of the person or program, letters and digits.")],
    may_show: Annotated[bool, typer.Option("--may-show", help="May see card numbers.")] = False,
    may_tokenise: Annotated[bool, typer.Option("--may-tokenise", help="May hand card numbers in.")] = False,
) -> None:
    """Make the token by which one of the bank's people asks over HTTP (/issuing), with what it permits."""
    from api.settings import load_settings
    from api.tokens import Tokens
    from engine.vault.access import Permission

    wanted = {Permission.SHOW: may_show, Permission.TOKENISE: may_tokenise}
    tokens = Tokens(load_settings().master_key_bytes())
    permissions = [permission for permission, given in wanted.items() if given]
    Console(highlight=False, soft_wrap=True).print(tokens.of_operator(name, permissions))


def _move(institution: str, card: UUID, to: CardState, reason: StateReason, *, as_holder: bool = False) -> None:
    from issuer.cards.model import ChangeCardState
    from issuer.cards.store import read_cards

    with _seated(institution) as seat:
        holder = None
        if as_holder:
            with seat.processor.engine.connect() as connection:
                holder = next((one.customer_id for one in read_cards(connection, [card])), None)
        _ask(
            seat,
            ChangeCardState(card_id=card, new_state=to, reason=reason, reference=_reference(seat), customer_id=holder),
        )


def _reference(seat: Seat) -> str:
    """Of one command: given again, it is asked for again."""
    return f"command {seat.processor.clock.now().isoformat()}"


def _ask(seat: Seat, request: CardRequest) -> None:
    """Have it done, and say what came of it. Raises `BezantError` for a refusal, in words."""
    from api.routes.card_words import WORDS

    (answer,) = seat.processor.execute([request])
    if answer is None or answer.code == "unavailable":
        raise BezantError("The books cannot be reached: nothing was done, ask again.")
    if answer.code == "refused":
        reason = answer.reasons[0]
        raise BezantError(WORDS[reason][0] if reason in WORDS else f"It was refused: {reason}.")
    facts = ", ".join(f"{name} {value}" for name, value in answer.facts.items())
    Console(highlight=False, soft_wrap=True).print(f"{answer.code}: {facts}")


def _customer(seat: Seat, handle: str) -> UUID:
    from engine.accounts.store import read_by_handle

    with seat.processor.engine.connect() as connection:
        found = read_by_handle(connection, [handle.lower()])
    if not found:
        raise BezantError(f"{seat.institution.name} has no customer {handle}.")
    return found[0].id


@contextmanager
def _seated(name: str) -> Iterator[Seat]:
    from api.clock import WorldClock
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        institution = system.institution(name)
        if institution.role != "issuer":
            raise BezantError(f"{name} is no bank: it issues no cards.")
        yield system.seat(institution, clock=WorldClock(system.database.owner()))
