"""Loading switches the garbage collector off and always on again, and the program looks for garbage seldom."""

import gc
import subprocess
import sys

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


ASKED = """
import atexit, gc
usual = gc.get_threshold()[0]
atexit.register(lambda: print(gc.isenabled(), gc.get_threshold()[0] > 10 * usual))
from m365dq_dagster.cli.main import app
app(["--version"])
"""


def test_the_program_looks_for_garbage_seldom_and_still_looks() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "True True"
