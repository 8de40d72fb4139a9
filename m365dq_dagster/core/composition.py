"""What a run of the program consists of, told from a profile of its main thread: seconds by part of the work.

Pure: a profile is a tree of frames that took time; who watched, and how, is the business of the adapters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

IMPORTS, OTHER_IMPORTS, OWN_IMPORTS = "imports: ", "imports: all others", "imports: m365dq itself"
WAITING = "waiting for imports beside"
START = "command line"
DAGSTER = "Dagster"

PARTS: tuple[tuple[str, str], ...] = (
    ("defs/warming.py", WAITING),
    ("stages/intake.py", "intake"),
    ("adapters/evidence/", "intake"),
    ("stages/quality.py", "quality"),
    ("stages/reliability.py", "reliability"),
    ("stages/verification.py", "verification"),
    ("stages/report.py", "report"),
    ("stages/expectations.py", "Great Expectations"),
    ("adapters/gx.py", "Great Expectations"),
    ("stages/guards.py", "pandera"),
    ("adapters/table_guards.py", "pandera"),
    ("adapters/registry/", "registry"),
    ("stages/alerts.py", "alerts and mail"),
    ("adapters/mail.py", "alerts and mail"),
    ("stages/packs.py", "rule pack"),
    ("adapters/rule_pack.py", "rule pack"),
    ("stages/case.py", "case registered and published"),
    ("adapters/case_store.py", "case registered and published"),
    ("/defs/", DAGSTER),
    ("definitions.py", DAGSTER),
)
"""Which part of the work a file of the product belongs to; the first that its path holds counts."""

PRODUCT = "/m365dq_dagster/"
PACKAGE = re.compile(r"/(?:site|dist)-packages/([A-Za-z0-9_]+)")
SMALL = 0.01
"""The share of the whole below which imports of a package are shown with all others."""


@dataclass(frozen=True)
class Frame:
    """A call, the file it is in, its seconds with everything it called, and what it called."""

    function: str
    path: str
    seconds: float
    children: Sequence[Frame] = ()

    @property
    def own(self) -> float:
        """The seconds that no call of it took."""
        return max(0.0, self.seconds - sum(child.seconds for child in self.children))


def made_of(root: Frame) -> dict[str, float]:
    """Seconds by part of the work; together they are the seconds of the root. A call belongs to the part of the
    innermost file of the product that it serves; what is imported belongs to the package that was asked for.
    """
    found: dict[str, float] = {}
    waiting = [(root, START)]
    while waiting:
        frame, above = waiting.pop()
        part = _part(frame, above)
        found[part] = found.get(part, 0.0) + frame.own
        waiting.extend((child, part) for child in frame.children)
    return _without_small_imports(found)


def _part(frame: Frame, above: str) -> str:
    if above == WAITING or (above.startswith(IMPORTS) and above != OWN_IMPORTS):
        return above
    if "importlib" in frame.path:
        return OWN_IMPORTS
    package = PACKAGE.search(frame.path)
    if above == OWN_IMPORTS:
        return IMPORTS + package[1] if package else above
    if PRODUCT in frame.path:
        return next((part for piece, part in PARTS if piece in frame.path), above)
    return DAGSTER if package and package[1] == "dagster" and above == START else above


def _without_small_imports(found: Mapping[str, float]) -> dict[str, float]:
    whole = sum(found.values())
    kept: dict[str, float] = {}
    for part, seconds in found.items():
        small = part.startswith(IMPORTS) and part != OWN_IMPORTS and seconds < SMALL * whole
        name = OTHER_IMPORTS if small else part
        kept[name] = kept.get(name, 0.0) + seconds
    return {part: seconds for part, seconds in kept.items() if seconds > 0}
