"""Fixtures of the tests that run the whole program: the program itself, loaded once for all of them."""

from collections.abc import Iterator

import pytest

from tests.support.warm_program import WarmProgram, warm_program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProgram]:
    """The loaded program; every command is a process of its own, so that none leaves anything to the next."""
    with warm_program(tmp_path_factory.mktemp("program")) as loaded:
        yield loaded
