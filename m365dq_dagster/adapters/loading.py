"""How libraries are loaded fast. Which ones, and when, is the business of whoever needs them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

SPARK_HOME = "SPARK_HOME"


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
