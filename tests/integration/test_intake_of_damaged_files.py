"""Small files that intake once lost a record of, or stumbled over, each with what must be said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.intake_case import take_in


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_rows_without_an_id_are_compared_by_columns_that_nothing_reads_too(tmp_path: Path, end: str) -> None:
    header = "Date (UTC),User,Username,Client app,Status,IP address,Sign-in error code,Nobody reads this"
    row = "2025-03-01T09:15:00Z,Ann,ann@contoso.example,Authenticated SMTP,Failure,203.0.113.7,50126,"
    (tmp_path / "one.csv").write_text(end.join((header, row + "x", row + "y", "")), newline="")
    (tmp_path / "two.csv").write_text(end.join((header, row + "y", row + "z", "")), newline="")

    taken = take_in(tmp_path)

    assert taken.ledger("one.csv") == (2, 2, 0, 0)
    assert taken.ledger("two.csv") == (2, 1, 1, 0)
