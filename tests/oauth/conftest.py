"""A house for each module: its tests keep out of each other's way by names and addresses."""

import time
from collections.abc import Iterator

import pytest

from pacsd.index.connect import pool
from tests.access.minting import Mint
from tests.conftest import Postgres
from tests.oauth.house import House, Person, open_house


@pytest.fixture(scope="session")
def mint() -> Mint:
    return Mint()


@pytest.fixture(scope="module")
def shared_house(postgres: Postgres, migrated_template: str, mint: Mint) -> Iterator[House]:
    name, dsn = postgres.create(template=migrated_template)
    opened = pool(dsn, max_size=8)
    yield open_house(opened, [time.time()], mint)
    opened.close()
    postgres.drop(name)


@pytest.fixture
def house(shared_house: House) -> House:
    """The house, now."""
    shared_house.now[0] = time.time()
    shared_house.certificate[0] = None
    return shared_house


@pytest.fixture
def person(house: House) -> Person:
    """Dr Wang, signed in."""
    found = house.browser()
    assert found.sign_in().status_code == 303
    return found
