import ast
from pathlib import Path

import m365dq_dagster.adapters.synthetic as synthetic

FOLDER = Path(synthetic.__file__).parent


def test_the_generator_imports_nothing_of_the_product_and_no_engine() -> None:
    outside = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                outside.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{path.name} reaches out of its folder"
            elif isinstance(node, ast.Import):
                outside |= {name.name.partition(".")[0] for name in node.names}
    standard = {"__future__", "collections", "csv", "dataclasses", "datetime", "enum", "functools", "json", "operator"}
    assert outside <= standard | {"pathlib", "random", "types", "typing"}


def test_no_clock_and_no_operating_system_randomness_is_used() -> None:
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in (".now(", ".today(", "uuid", "urandom", "SystemRandom") if word in text]
