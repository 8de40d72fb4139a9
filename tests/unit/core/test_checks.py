from m365dq_dagster.core.checks import CheckResult, failed_blocking
from m365dq_dagster.core.outcome import Severity


def check(name: str, *, passed: bool, blocking: bool) -> CheckResult:
    return CheckResult(name, "quality", passed, blocking, Severity.INFO, "It says so.", "docs/runbooks/x.md")


def test_only_a_failed_check_that_blocks_stops_what_is_downstream() -> None:
    first, second = check("a", passed=False, blocking=True), check("d", passed=False, blocking=True)
    others = [check("b", passed=True, blocking=True), check("c", passed=False, blocking=False)]
    assert failed_blocking([first, *others, second]) == (first, second)
    assert failed_blocking(others) == ()
