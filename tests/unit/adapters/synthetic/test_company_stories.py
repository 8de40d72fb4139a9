"""The small companies: whoever tells, every seed keeps what its family promises."""

from collections import defaultdict
from functools import cache

import pytest

from m365dq_dagster.adapters.synthetic.company import Circuit, company, hired
from m365dq_dagster.adapters.synthetic.draws import Draws
from m365dq_dagster.adapters.synthetic.events import SignIn
from m365dq_dagster.adapters.synthetic.office_days import PAGES
from m365dq_dagster.adapters.synthetic.stories import tell
from m365dq_dagster.adapters.synthetic.story import Story
from m365dq_dagster.adapters.synthetic.vocabulary import WORDING, ConditionalAccess, Deed, Family

SEEDS = range(1, 7)
BREACHES = (
    Family.TAKEOVER,
    Family.SPRAY_HIT,
    Family.QUIET_USE,
    Family.MFA_FATIGUE,
    Family.NEW_VICTIMS,
    Family.MIMICRY,
    Family.LEGACY_TAKEOVER,
    Family.PASSWORD_GRANT,
    Family.TINY_INTRUSION,
)
ATTACKS_THAT_FAIL = (Family.SPRAY, Family.MFA_HELD)
QUIET = (Family.OFFICE_LIFE, Family.FORGOTTEN_PASSWORD, Family.SERVICES_ABROAD, Family.TINY_CLEAN, Family.TINY_FAILURES)
TINY = (Family.TINY_CLEAN, Family.TINY_FAILURES, Family.TINY_INTRUSION)
FULL = [family for family in (*BREACHES, *ATTACKS_THAT_FAIL, *QUIET) if family not in TINY]


@cache
def stories(family: Family) -> tuple[Story, ...]:
    return tuple(tell(family, seed, mfa_steps=seed % 2 == 0) for seed in SEEDS)


def stolen(story: Story) -> list[SignIn]:
    return [event for event in story.sign_ins if event.intruder and event.deed is Deed.SIGNED_IN]


def abroad(story: Story, event: SignIn) -> bool:
    return event.place.country not in story.home_countries


@pytest.mark.parametrize("family", BREACHES)
def test_a_breach_is_a_success_of_somebody_who_is_not_the_owner(family: Family) -> None:
    for story in stories(family):
        assert stolen(story)
        assert story.compromised == tuple(sorted({event.person.account for event in stolen(story)}))
        assert set(story.compromised) <= set(story.attacked)
        assert all(abroad(story, event) for event in story.sign_ins if event.intruder)


@pytest.mark.parametrize("family", ATTACKS_THAT_FAIL)
def test_an_attack_that_fails_leaves_attacked_accounts_and_no_compromised_one(family: Family) -> None:
    for story in stories(family):
        assert story.attacked
        assert story.compromised == ()
        assert story.any_success


@pytest.mark.parametrize("family", QUIET)
def test_where_nobody_attacks_every_row_is_an_owners(family: Family) -> None:
    for story in stories(family):
        assert story.attacked == story.compromised == ()
        assert story.any_success is (family is not Family.TINY_FAILURES)


@pytest.mark.parametrize("family", FULL)
def test_a_small_company_has_a_few_hundred_rows_in_two_to_five_weeks(family: Family) -> None:
    for story in stories(family):
        assert 250 <= len(story.sign_ins) <= 1_800
        assert 14 <= story.calendar.days <= 35
        assert len({event.person.account for event in story.sign_ins if not event.intruder}) >= 4


@pytest.mark.parametrize("family", TINY)
def test_a_tiny_case_has_one_to_twelve_rows_on_days_that_no_reading_takes_for_a_month(family: Family) -> None:
    for story in stories(family):
        assert 1 <= len(story.sign_ins) <= 12
        assert all(event.time.day > 12 for event in story.sign_ins)


def test_an_empty_case_is_empty_and_nobody_succeeded() -> None:
    for story in stories(Family.NO_ROWS):
        assert story.sign_ins == story.audit == story.legacy == []
        assert not story.any_success


def test_companies_are_at_home_in_many_countries() -> None:
    homes = {story.home_countries for family in FULL for story in stories(family)}
    assert len(homes) >= 12


@pytest.mark.parametrize("family", [*FULL, *TINY])
def test_no_address_is_in_two_countries(family: Family) -> None:
    for story in stories(family):
        places = defaultdict(set)
        for event in story.sign_ins:
            places[event.address].add(event.place.country)
        assert all(len(countries) == 1 for countries in places.values())


@pytest.mark.parametrize("family", FULL)
def test_the_rows_of_an_attempt_are_one_persons_within_minutes_and_end_in_what_it_came_to(family: Family) -> None:
    for story in stories(family):
        attempts = defaultdict(list)
        for event in story.sign_ins:
            attempts[event.correlation].append(event)
        assert any(len(rows) > 1 for rows in attempts.values())
        for rows in attempts.values():
            assert len({(row.person.account, row.address, row.session, row.intruder) for row in rows}) == 1
            assert (rows[-1].time - rows[0].time).total_seconds() < 600
            assert all(row.deed is not Deed.SIGNED_IN for row in rows[:-1])


@pytest.mark.parametrize("family", FULL)
def test_policies_never_speak_of_a_password_that_was_wrong(family: Family) -> None:
    for story in stories(family):
        for event in story.sign_ins:
            if WORDING[event.deed].outcome in ("REJECTED", "NOT_EVALUATED"):
                assert event.policies is ConditionalAccess.NOT_APPLIED


def test_prompts_wear_the_owner_down_before_the_attacker_is_in() -> None:
    for story in stories(Family.MFA_FATIGUE):
        first = stolen(story)[0]
        denied = [e for e in story.sign_ins if e.intruder and e.deed is Deed.MFA_DENIED]
        assert len(denied) >= 6
        assert all(event.time < first.time for event in denied)


def test_a_quiet_use_is_two_to_four_successes_and_no_failure_but_a_prompt() -> None:
    for story in stories(Family.QUIET_USE):
        assert 2 <= len(stolen(story)) <= 4
        rest = {event.deed for event in story.sign_ins if event.intruder} - {Deed.SIGNED_IN}
        assert rest <= {Deed.ASKED_FOR_MFA}


def test_new_victims_have_next_to_no_past() -> None:
    for story in stories(Family.NEW_VICTIMS):
        for account in story.compromised:
            begun = min(event.time for event in stolen(story) if event.person.account == account)
            own = [e for e in story.sign_ins if e.person.account == account and not e.intruder and e.time < begun]
            assert not own or (begun - own[0].time).days <= 3


def test_a_mimic_looks_like_the_owner_but_for_the_machine() -> None:
    for story in stories(Family.MIMICRY):
        for event in stolen(story):
            owned = event.person.desktop
            assert (event.device.browser, event.device.system) == (owned.browser, owned.system)
            assert event.device.device_id == event.device.join_type == ""


def test_old_protocols_and_password_grants_never_meet_a_prompt() -> None:
    clients = set()
    for story in (*stories(Family.LEGACY_TAKEOVER), *stories(Family.PASSWORD_GRANT)):
        for event in story.sign_ins:
            if event.intruder:
                clients.add(event.app.protocol if event.app.protocol == "ropc" else event.app.client)
                assert event.deed in (Deed.SIGNED_IN, Deed.MISTYPED_PASSWORD, Deed.LOCKED_OUT)
    assert {"ropc", "IMAP4"} <= clients
    assert any(story.legacy for story in stories(Family.LEGACY_TAKEOVER))


def test_programs_abroad_are_there_from_the_first_days_on() -> None:
    for story in stories(Family.SERVICES_ABROAD):
        runs = [event for event in story.sign_ins if not event.person.account or event.person.account[:4] == "svc-"]
        assert len({event.person.account for event in runs}) >= 3
        assert {Deed.MISTYPED_PASSWORD, Deed.WRONG_SECRET} <= {event.deed for event in runs}
        assert all(abroad(story, event) and not event.interactive for event in runs)
        assert (min(event.time for event in runs) - story.calendar.start).days <= 1


def test_phones_with_an_old_password_fail_often_and_from_home() -> None:
    for story in stories(Family.FORGOTTEN_PASSWORD):
        failed = [e for e in story.sign_ins if e.deed in (Deed.MISTYPED_PASSWORD, Deed.LOCKED_OUT, Deed.TOKEN_REVOKED)]
        assert len(failed) >= 25
        assert not any(abroad(story, event) for event in story.sign_ins)


def test_the_shares_of_the_pages_sum_to_one() -> None:
    assert sum(share for share, _ in PAGES) == pytest.approx(1)


def test_nobody_shares_a_name_with_a_newcomer() -> None:
    for seed in range(40):
        draws = Draws(seed, "names")
        business = company(draws)
        everyone = [*business.people, *hired(draws, business, 35 - len(business.people))]
        assert len({person.account for person in everyone}) == 35


def test_a_circuit_hands_out_no_address_twice() -> None:
    circuit = Circuit(Draws(1, "addresses"))
    handed = [hand() for _ in range(60) for hand in (circuit.office, circuit.rented, circuit.household, circuit.mobile)]
    assert len(set(handed)) == len(handed)


@pytest.mark.parametrize(("family", "seed"), [(Family.TINY_CLEAN, 192), (Family.TINY_INTRUSION, 47)])
def test_a_window_without_a_day_that_reads_one_way_is_told_all_the_same(family: Family, seed: int) -> None:
    assert tell(family, seed, mfa_steps=False).sign_ins
