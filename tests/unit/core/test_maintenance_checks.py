from dataclasses import replace
from datetime import UTC, datetime, timedelta

from m365dq_dagster.core.maintenance import (
    DocumentsRead,
    EarlierCycle,
    MaintenanceReport,
    Matter,
    Topic,
    UnknownValue,
    steps_of,
)
from m365dq_dagster.core.maintenance_checks import (
    ABOUT,
    DOCUMENTS,
    DONE,
    OWNER,
    UNKNOWN,
    VALIDATED,
    checks_of,
    cycle_done,
)
from m365dq_dagster.core.outcome import Severity

NOW = datetime(2026, 5, 2, 3, 0, tzinfo=UTC)
SOUND = MaintenanceReport(
    "2026Q2", "o@corp.example", "ada", NOW, "sha256:0", 90, 365, steps_of({}), documents=DocumentsRead(True, 40)
)


def unknown(value: str, since: datetime, field: str = "status_error_code") -> UnknownValue:
    return UnknownValue((("sign_in_logs", field),), value, 3, ("c",), None, None, since, NOW)


def failed(report: MaintenanceReport) -> dict[str, str]:
    found = checks_of(report)
    assert all(not one.blocking and one.severity in (Severity.INFO, Severity.WARNING) for one in found)
    return {one.name: one.headline for one in found if not one.passed}


def test_every_check_says_what_it_asks() -> None:
    assert {*(one.name for one in checks_of(SOUND)), DONE} == set(ABOUT)


def test_a_reference_that_is_looked_after_passes() -> None:
    assert failed(SOUND) == {}
    assert "40 pages" in next(one.headline for one in checks_of(SOUND) if one.name == DOCUMENTS)


def test_a_reference_without_an_owner_says_where_to_name_one() -> None:
    assert "operations.toml" in failed(replace(SOUND, owner=" "))[OWNER]


def test_codes_in_use_that_nobody_validated_are_named() -> None:
    stale = [Matter(str(number), "", ("Last validated 2024-01-01.",), weight=9 - number) for number in range(5)]
    words = failed(replace(SOUND, steps=steps_of({Topic.NOT_VALIDATED: stale})))[VALIDATED]
    assert "5 codes in use were not validated for 365 days: 0, 1, 2 and 2 more." in words
    one = failed(replace(SOUND, steps=steps_of({Topic.NOT_VALIDATED: stale[:1]})))[VALIDATED]
    assert "1 code in use was not validated for 365 days: 0." in one


def test_a_code_is_old_when_it_was_unknown_before_the_quarter_began() -> None:
    begin = datetime(2026, 4, 1, tzinfo=UTC)
    young, old = unknown("5", begin), unknown("6", begin - timedelta(microseconds=1))
    word = unknown("Sucess", begin - timedelta(days=1), "status")
    assert failed(replace(SOUND, unknown=(young, word))) == {}
    words = failed(replace(SOUND, unknown=(young, old)))[UNKNOWN]
    assert words.startswith("1 code has been unknown since before 2026-04-01, first 6 (3 rows)")


def test_pages_that_nobody_gave_and_pages_that_cannot_be_read_are_told_apart() -> None:
    assert "Nobody gave" in failed(replace(SOUND, documents=DocumentsRead()))[DOCUMENTS]
    words = failed(replace(SOUND, documents=DocumentsRead(True, 1, ("a.html is no page.",))))[DOCUMENTS]
    assert words == "1 page of the vendor could not be read, first: a.html is no page."


def test_the_cycle_is_done_when_this_quarter_has_one() -> None:
    done = cycle_done([EarlierCycle("ada", NOW)], NOW)
    assert (done.passed, done.headline) == (True, "The cycle of 2026Q2 was gone through on 2026-05-02 by ada.")
    missing = cycle_done([], NOW)
    assert not missing.passed
    assert "m365dq maintain" in missing.headline
