"""hogql §4: how values come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.hogql.cases import Case, asked, read_cases
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores

FILE = Path(__file__).with_name("04_results.txt")
CASES = read_cases(FILE)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_the_answer(shop: Shop, zoned: Shop, case: Case) -> None:
    await asked(FILE, case, shop, zoned)
