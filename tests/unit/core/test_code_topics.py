import pytest

from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.code_topics import METHOD, TOPICS, propose
from m365dq_dagster.core.outcome import Severity


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Error validating credentials due to invalid username or password.", "bad_credentials"),
        ("Due to a configuration change you must use multi-factor authentication.", "password_correct_blocked"),
        ("Access was blocked by a Conditional Access policy.", "password_correct_blocked"),
        ("The account is locked because of too many attempts.", "throttling_lockout"),
        ("The password is expired.", "password_change"),
        ("The refresh token has expired.", "token_session"),
        ("The SAML assertion of the identity provider is wrong.", "federation"),
        ("The redirect address is not registered.", "app_config"),
        ("Something was odd.", "unknown"),
    ],
)
def test_the_topic_of_a_text_gives_a_category(text: str, category: str) -> None:
    assert propose(text).category == category


def test_a_proposal_says_that_a_topic_decided_and_on_which_word() -> None:
    proposal = propose("Too many requests were sent.")
    assert (proposal.method, proposal.word, proposal.severity) == (METHOD, "Too many requests", Severity.WARNING)


def test_every_proposed_category_is_one_of_the_reference() -> None:
    known = {code.category for code in load_rule_pack().codes}
    assert {topic.category for topic in TOPICS} <= known


def test_no_topic_proposes_a_success_or_says_that_a_password_was_accepted_for_sure() -> None:
    assert "success" not in {topic.category for topic in TOPICS}
    assert "accepted" not in {topic.first_factor for topic in TOPICS}
