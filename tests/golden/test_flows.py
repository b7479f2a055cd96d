"""The documents that are told by a run are what a run says now."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from api.settings import Settings
from engine.vocabulary.identifiers import Pan
from simulator.demo import fresh_system
from simulator.flows import POS_PURCHASE, Flow, one_purchase, pos_purchase
from simulator.terminals import End

FLOWS = Path(__file__).parents[2] / "docs" / "flows"
DESIGNED = [
    # institution, debit, credit, amount: what a purchase of 100.00 posts, from the authorization to the payout
    ("bank", "customer available", "customer held", 10_000),
    ("bank", "customer held", "customer available", 10_000),
    ("bank", "customer available", "network payable", 10_000),
    ("bank", "network payable", "interchange income", 120),
    ("acquirer", "network receivable", "merchant payable", 10_000),
    ("acquirer", "merchant payable", "discount income", 200),
    ("acquirer", "interchange expense", "network receivable", 120),
    ("acquirer", "network fee expense", "network receivable", 10),
    ("bank", "network payable", "settlement bank", 9_880),
    ("acquirer", "settlement bank", "network receivable", 9_870),
    ("simnet", "settlement bank", "member position", 9_880),
    ("simnet", "member position", "settlement bank", 9_870),
    ("simnet", "member position", "network fee income", 10),
    ("acquirer", "merchant payable", "settlement bank", 9_800),
]


@pytest.fixture(scope="module")
def flow(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    settings = Settings(data_folder=tmp_path_factory.mktemp("flows"), database_url=SecretStr(server_url))
    with fresh_system(settings, "bezant_flows") as system:
        return one_purchase(system)


def test_the_document_of_one_purchase_is_not_stale(flow: Flow) -> None:
    assert (FLOWS / POS_PURCHASE).read_text("utf-8") == pos_purchase(flow), "`bezant flows --write` writes it anew"


def test_one_purchase_posts_what_the_design_says(flow: Flow) -> None:
    posted = [
        (step.institution, posting.debit, posting.credit, posting.amount_minor)
        for step in flow.steps
        for posting in step.postings
    ]
    assert sorted(one for one in posted if one in DESIGNED) == sorted(DESIGNED), "each once"


def test_one_purchase_is_told_whole_and_masked(flow: Flow) -> None:
    assert flow.receipt.end is End.APPROVED
    assert [(sent.sender, sent.receiver) for sent in flow.messages] == [
        ("terminal", "acquirer"),
        ("acquirer", "simnet"),
        ("simnet", "bank"),
        ("acquirer", "terminal"),
    ]
    told = pos_purchase(flow)
    pan: Pan = flow.receipt.request.pan
    assert pan.masked in told and pan.clear not in told
    for secret in (flow.receipt.request.track2, flow.receipt.request.pin_block):
        assert secret is not None and secret.clear not in told
