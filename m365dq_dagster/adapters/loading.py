"""How libraries are loaded fast. Which ones, and when, is the business of whoever needs them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
