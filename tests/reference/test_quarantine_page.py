"""The page on rows that are set aside lists the reasons that there are, and says of each what to do."""

import re
from pathlib import Path

from m365dq_dagster.core.ledger import QuarantineReason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "quarantine.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \|([^|]*)\|([^|]*)\|$", flags=re.M)


def test_the_page_lists_every_reason_and_no_other() -> None:
    listed = [reason for reason, _, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(QuarantineReason)


def test_the_page_says_of_every_reason_what_it_means_and_what_to_do() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [
        reason for reason, means, what_to_do in rows if len(means.strip()) < 20 or len(what_to_do.strip()) < 10
    ] == []
