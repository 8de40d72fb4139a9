"""Loading switches the garbage collector off and always on again."""

import gc

import pytest

from m365dq_dagster.adapters.loading import undisturbed


def test_the_collector_rests_while_modules_are_loaded_and_works_again_whatever_happens() -> None:
    with undisturbed():
        assert not gc.isenabled()
        with undisturbed():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), undisturbed():
        raise ImportError
    assert gc.isenabled()
