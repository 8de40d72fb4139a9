from m365dq_dagster.core.checks import SWITCHED_OFF, CheckResult, failed_blocking, not_asked, switched_off
from m365dq_dagster.core.outcome import Severity


def check(name: str, *, passed: bool, blocking: bool) -> CheckResult:
    return CheckResult(name, "quality", passed, blocking, Severity.INFO, "It says so.", "docs/runbooks/x.md")


def test_only_a_failed_check_that_blocks_stops_what_is_downstream() -> None:
    first, second = check("a", passed=False, blocking=True), check("d", passed=False, blocking=True)
    others = [check("b", passed=True, blocking=True), check("c", passed=False, blocking=False)]
    assert failed_blocking([first, *others, second]) == (first, second)
    assert failed_blocking(others) == ()


def test_a_check_that_is_switched_off_never_passes_holds_nothing_back_and_says_what_it_would_have_said() -> None:
    for passed, words in ((True, "held"), (False, "failed")):
        off = switched_off("c1", check("a", passed=passed, blocking=True))
        assert (off.passed, off.blocking, off.severity, off.reason) == (False, True, Severity.WARNING, SWITCHED_OFF)
        assert off.headline == f"Case c1: a is switched off by policy. It would have {words}: It says so."
        assert failed_blocking([off]) == ()
        assert CheckResult.of({**vars(off), "table": []}) == off


def test_a_check_that_was_not_asked_says_so() -> None:
    off = not_asked("c1", "a", "guards", "docs/runbooks/x.md")
    assert (off.passed, off.blocking, off.switched_off, off.reason) == (False, False, True, SWITCHED_OFF)
    assert off.headline == "Case c1: a is switched off by policy, so nothing was asked."
