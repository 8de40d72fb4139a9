import math

from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.composition import OTHER_IMPORTS, OWN_IMPORTS, PARTS, WAITING, Frame, made_of

ROOT = "/somewhere/m365dq_dagster/"
LIBRARY = "/python/site-packages/"
IMPORTLIB = "<frozen importlib._bootstrap>"


def call(path: str, own: float, *children: Frame) -> Frame:
    return Frame("f", path, own + sum(child.seconds for child in children), children)


def test_time_in_a_library_belongs_to_the_part_of_the_product_that_called_it() -> None:
    engine = call(f"{LIBRARY}duckdb/__init__.py", 4.0)
    found = made_of(call(f"{ROOT}cli/run.py", 1.0, call(f"{ROOT}stages/intake.py", 2.0, engine)))
    assert found == {"command line": 1.0, "intake": 6.0}


def test_a_part_called_by_another_is_told_apart() -> None:
    registry = call(f"{ROOT}adapters/registry/store.py", 3.0, call(f"{LIBRARY}sqlalchemy/engine.py", 1.0))
    found = made_of(call(f"{ROOT}stages/quality.py", 2.0, registry))
    assert found == {"quality": 2.0, "registry": 4.0}


def test_what_the_orchestrator_does_by_itself_is_its_own() -> None:
    stage = call(f"{ROOT}stages/report.py", 1.0)
    asset = call(f"{ROOT}defs/assets.py", 0.5, stage)
    found = made_of(call(f"{ROOT}cli/run.py", 0.25, call(f"{LIBRARY}dagster/_core.py", 2.0, asset)))
    assert found == {"command line": 0.25, "Dagster": 2.5, "report": 1.0}


def test_an_import_belongs_to_the_package_that_was_asked_for_whatever_that_imports() -> None:
    below = call(IMPORTLIB, 1.0, call(f"{LIBRARY}sqlalchemy/__init__.py", 3.0))
    asked = call(IMPORTLIB, 0.5, call(f"{LIBRARY}dagster/__init__.py", 4.0, below))
    module = call(f"{ROOT}stages/intake.py", 2.0, asked)
    found = made_of(call(f"{ROOT}cli/main.py", 1.0, call(IMPORTLIB, 0.25, module)))
    assert found == {"command line": 1.0, OWN_IMPORTS: 2.75, "imports: dagster": 8.0}


def test_small_imports_are_shown_together() -> None:
    small = [call(IMPORTLIB, 0.0, call(f"{LIBRARY}{name}/__init__.py", 0.25)) for name in ("one", "two")]
    assert made_of(call(f"{ROOT}stages/intake.py", 99.5, *small)) == {"intake": 99.5, OTHER_IMPORTS: 0.5}


def test_waiting_for_imports_is_waiting_whatever_is_waited_in() -> None:
    wait = call(f"{ROOT}defs/warming.py", 0.0, call("/python/threading.py", 5.0), call(f"{ROOT}stages/intake.py", 1.0))
    assert made_of(wait) == {WAITING: 6.0}


PATHS = st.sampled_from(
    [IMPORTLIB, f"{LIBRARY}dagster/a.py", f"{LIBRARY}duckdb/a.py", "/python/json.py"]
) | st.sampled_from([f"{ROOT}{piece.strip('/')}" for piece, _ in PARTS])
TREES = st.recursive(
    st.builds(call, PATHS, st.floats(0, 100)),
    lambda below: st.builds(lambda path, own, made: call(path, own, *made), PATHS, st.floats(0, 100), st.lists(below)),
    max_leaves=12,
)


@given(TREES)
def test_the_parts_are_the_whole(tree: Frame) -> None:
    assert math.isclose(sum(made_of(tree).values()), tree.seconds, abs_tol=1e-6)
    assert all(seconds > 0 for seconds in made_of(tree).values())
