"""Heavy imports in a thread beside intake, so that they are there when the checks ask for them."""

from functools import cache
from threading import Thread

from m365dq_dagster.adapters import gx, table_guards
from m365dq_dagster.adapters.loading import undisturbed


@cache
def start() -> Thread:
    """Begin once a process; later calls return the same thread. What fails there fails again where it is needed."""
    thread = Thread(target=_import_all, name="m365dq-imports", daemon=True)
    thread.start()
    return thread


def wait() -> None:
    """Wait until everything is imported."""
    start().join()


def _import_all() -> None:
    with undisturbed():
        table_guards.warm_up()
        gx.warm_up()
