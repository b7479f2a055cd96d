"""Every role's revisions make exactly the tables that its packages declare."""

from __future__ import annotations

import pytest

from api.roles import roles
from engine.database.connections import Database
from engine.database.institutions import Institution, open_institution
from engine.database.schema import check, differences, upgrade
from tests.conftest import OPENED_AT


@pytest.mark.parametrize("name", sorted(roles()))
def test_revisions_and_declared_tables_agree(database: Database, name: str) -> None:
    role = roles()[name]
    institution = Institution.named(f"role_{name}", f"member {name}", role.name, "UTC")
    open_institution(database, institution, OPENED_AT)
    upgrade(database, institution, role.parts)
    check(database, institution, role.parts)
    assert differences(database, institution, role.parts) == []
