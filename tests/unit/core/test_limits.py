from datetime import datetime

from m365dq_dagster.core.limits import Limits, PolicyChange, Unseen, activity_detail, one_change_each, sentences

NOON = datetime(2026, 1, 14, 12, 0, 7)


def test_evidence_without_any_of_them_has_no_limit_to_tell() -> None:
    assert sentences(Limits()) == ()


def test_refreshed_tokens_may_show_an_old_address() -> None:
    (told,) = sentences(Limits(refreshes=1))
    assert "1 non-interactive sign-in may show the address at which the token was first issued" in told


def test_factors_are_filled_in_later() -> None:
    (told,) = sentences(Limits(factor_rows=2, factor_newest=NOON))
    assert "2 rows of authentication details" in told
    assert "filled in later by the service; the newest is of 2026-01-14 12:00" in told
    (untimed,) = sentences(Limits(factor_rows=2))
    assert "by the service, so nothing is judged by them" in untimed


def test_audit_records_arrive_late() -> None:
    (told,) = sentences(Limits(audit_newest=NOON))
    assert "arrive late and in no order" in told
    assert "The newest is of 2026-01-14 12:00" in told


def test_a_sync_stands_for_a_whole_folder() -> None:
    (one,) = sentences(Limits(synced=1, synced_by=("a@b.example",)))
    assert "1 MailItemsAccessed row of type Sync by a@b.example stands for whole folders" in one
    (two,) = sentences(Limits(synced=2))
    assert "2 MailItemsAccessed rows of type Sync stand for whole folders" in two


def test_a_withheld_risk_is_not_none() -> None:
    (told,) = sentences(Limits(risk_rows=20, withheld_risk=19))
    assert told.startswith("Risk: 19 of 20 sign-ins carry no value")
    assert sentences(Limits(risk_rows=20)) == ()


def test_policies_that_came_later_are_named_with_their_moment() -> None:
    changes = [PolicyChange(NOON.replace(day=day), f"P{day}", "update") for day in range(15, 22)]
    (one,) = sentences(Limits(policies=(PolicyChange(NOON, "Require MFA", "add", "adm@b.example"),)))
    assert "stopped: 1 policy was made or changed after the first sign-in (" in one
    assert "'Require MFA' made 2026-01-14 12:00 by adm@b.example" in one
    assert "Earlier sign-ins were not under it;" in one
    (many,) = sentences(Limits(policies=tuple(changes)))
    assert "Earlier sign-ins were not under them;" in many
    assert "'P15' changed 2026-01-15 12:00," in many
    assert "and 2 more)" in many
    assert "P20" not in many


def test_sign_ins_that_a_policy_stopped_ask_for_the_dates_of_policies() -> None:
    (one,) = sentences(Limits(stopped_later=1))
    assert "1 sign-in was stopped after the first factor, and nothing in the evidence dates the policies." in one
    (two,) = sentences(Limits(stopped_later=2))
    assert "2 sign-ins were stopped" in two
    assert sentences(Limits(stopped_later=2, policies_dated=True)) == ()


def test_a_long_name_of_a_policy_is_cut() -> None:
    (told,) = sentences(Limits(policies=(PolicyChange(NOON, "x" * 500, "delete"),)))
    assert "…" in told
    assert len(told) < 400
    assert "removed" in told


def test_a_change_that_several_logs_tell_is_one_and_keeps_who_made_it() -> None:
    listed, audited = PolicyChange(NOON, "P", "add"), PolicyChange(NOON.replace(second=40), "P", "add", "adm@b.example")
    assert one_change_each([listed, audited]) == (audited,)
    assert one_change_each([audited, listed]) == (audited,)
    assert len(one_change_each([listed, PolicyChange(NOON, "P", "delete")])) == 2


def test_an_account_that_is_at_work_and_was_refused_contradicts_the_sign_in_log() -> None:
    refused = Unseen("a@b.example", 5, 3, tried=True)
    limits = Limits(unseen=(refused,))
    assert limits.contradicting == (refused,)
    assert sentences(limits) == ()
    told = activity_detail(limits.contradicting)
    assert "1 account at work" in told
    assert "let it in: a@b.example (5 rows, 3 from addresses that were refused)." in told


def test_an_account_without_a_sign_in_contradicts_only_a_log_that_holds_those_by_token() -> None:
    one, two = Unseen("a@b.example", 5), Unseen("c@b.example", 1)
    (told,) = sentences(Limits(unseen=(one,)))
    assert told.startswith("How 1 account got in: a@b.example is at work")
    (both,) = sentences(Limits(unseen=(one, two)))
    assert "a@b.example, c@b.example are at work" in both
    seen = Limits(unseen=(one, two), refreshes=4)
    assert seen.contradicting == (one, two)
    assert "let them in: a@b.example (5 rows), c@b.example (1 row)." in activity_detail(seen.contradicting)
    assert not any("got in" in sentence for sentence in sentences(seen))


def test_an_account_of_a_domain_that_never_signed_in_is_told_and_contradicts_nothing() -> None:
    limits = Limits(unseen=(Unseen("a@other.example", 5, known_domain=False),), refreshes=4)
    assert limits.contradicting == ()
    assert "absent from the sign-in log, which knows nobody of that domain;" in sentences(limits)[-1]
