"""How libraries are loaded fast, and how seldom a process looks for garbage. Which libraries, and when, is the business
of whoever needs them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

SPARK_HOME = "SPARK_HOME"

SELDOM = (100_000, 50, 100)
"""After how many objects more than were given back their cycles are looked for, after how many such looks those that
outlived one are gone through as well, and after how many of these all there are."""


def collect_seldom() -> None:
    """Look for cycles of dead objects seldom for the rest of this process, as suits one that does one thing and ends:
    nearly all that a run makes lives as long as it is needed and goes without being looked for, while looking as often
    as the interpreter does by itself is a tenth of the run of a small case.
    """
    gc.set_threshold(*SELDOM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Load modules without looking for garbage meanwhile: what they make lives on, and going through it again and again
    is a tenth of what loading takes. The collector works again after the block, if it did before.
    """
    worked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if worked:
            gc.enable()


@contextmanager
def no_spark_asked_for() -> Iterator[None]:
    """Load the client of a Spark server where no Spark is installed: parts of it, which other libraries take in, and
    it itself below an interpreter that was started without a file, end the process where they are not told where a
    Spark would be.
    """
    told = SPARK_HOME in os.environ
    os.environ.setdefault(SPARK_HOME, os.devnull)
    try:
        yield
    finally:
        if not told:
            os.environ.pop(SPARK_HOME, None)
