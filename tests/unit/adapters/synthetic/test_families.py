import ipaddress
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache
from itertools import pairwise

import pytest

from m365dq_dagster.adapters.synthetic.events import SignIn
from m365dq_dagster.adapters.synthetic.geography import LANDS
from m365dq_dagster.adapters.synthetic.stories import STORIES, tell
from m365dq_dagster.adapters.synthetic.story import Story
from m365dq_dagster.adapters.synthetic.vocabulary import WORDING, Deed, Family

SEEDS = (1, 2, 3)
HONEST = [
    Family(name)
    for name in (
        "business-trip long-journey device-left-at-home holidays foreign-staff scattered-staff mover border-commuters "
        "new-hires new-hires-abroad foreign-egress switched-egress roaming-carrier mislocated-day private-relay "
        "own-rules cloud-connector shared-kiosks forced-reset rare-guests background-spray stopped-at-the-second-factor"
    ).split()
]
HOSTILE = [
    Family(name)
    for name in (
        "phished session-theft token-replay slow-takeover taken-while-travelling dormant-account rotating-proxies "
        "successful-spray mail-fraud"
    ).split()
]
UNSEEN = [Family.LOCAL_INTRUDER, Family.CONSENT_UNSEEN]
CONSENTS = [Family.CONSENT_PHISHING, Family.CONSENT_UNSEEN]
FAMILIES = [*HONEST, Family.UNUSED_MAILBOXES, *HOSTILE, Family.LOCAL_INTRUDER, *CONSENTS]
OFF_THE_INTERNET = [ipaddress.ip_network(text) for text in ("198.18.0.0/15", "2001:db8::/32")]

told = pytest.mark.parametrize("seed", SEEDS)
each = pytest.mark.parametrize("family", FAMILIES)


@cache
def story_of(family: Family, seed: int) -> Story:
    return tell(family, seed, mfa_steps=True)


def succeeded(row: SignIn) -> bool:
    return WORDING[row.deed].outcome == "SUCCESS"


def home(story: Story) -> str:
    return story.home_countries[0]


def abroad(story: Story, rows: Iterable[SignIn]) -> list[SignIn]:
    return [row for row in rows if row.place.country != home(story)]


def stolen(story: Story) -> list[SignIn]:
    return [row for row in story.sign_ins if row.intruder and succeeded(row)]


def owned(story: Story) -> list[SignIn]:
    return [row for row in story.sign_ins if not row.intruder and succeeded(row)]


def by_account(rows: Iterable[SignIn]) -> dict[str, list[SignIn]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row.person.account].append(row)
    return grouped


def on_phone(row: SignIn) -> bool:
    return row.device.system == row.person.phone.system


def day_of(story: Story, row: SignIn) -> int:
    return (row.time + story.calendar.offset - story.calendar.start).days


def seen(family: Family, claim: Callable[[Story], bool], seeds: int = 6) -> bool:
    """Whether the claim holds for most of some stories; what chance may leave out need not be in each."""
    return sum(claim(story_of(family, seed)) for seed in range(1, seeds + 1)) * 2 > seeds


def test_every_family_that_is_told_here_is_held_to_its_claims() -> None:
    modules = {family: teller.__module__.rpartition(".")[2] for family, teller in STORIES.items()}
    told_here = ("journeys", "detours", "frictions", "intrusions", "deceptions")
    assert set(FAMILIES) == {family for family, module in modules.items() if module in told_here}


@each
def test_a_seed_tells_the_same_story_again_and_another_seed_another(family: Family) -> None:
    assert tell(family, 1, mfa_steps=True) == story_of(family, 1)
    one, other = story_of(family, 1), story_of(family, 2)
    assert one.calendar != other.calendar
    assert not {row.address for row in one.sign_ins} >= {row.address for row in other.sign_ins}
    assert {row.person.user_id for row in one.sign_ins}.isdisjoint(row.person.user_id for row in other.sign_ins)


@each
def test_seeds_lie_in_different_countries(family: Family) -> None:
    assert len({home(story_of(family, seed)) for seed in range(1, 7)}) >= 3


@told
@each
def test_a_story_has_the_size_of_a_small_tenants_weeks(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    people = len({row.person.account for row in story.sign_ins})
    assert 300 <= len(story.sign_ins) <= 1_700
    assert 14 <= story.calendar.days <= 35
    assert 5 <= people <= 70


@told
@each
def test_rows_are_in_order_inside_the_window_and_no_identifier_repeats(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    for times in ([row.time for row in story.sign_ins], [record.time for record in story.audit]):
        assert times == sorted(times)
        assert all(map(story.calendar.holds, times))
    requests = [row.request for row in story.sign_ins] + [record.record_id for record in story.audit]
    assert len(set(requests)) == len(requests)


@told
@each
def test_addresses_are_of_the_ranges_set_aside_and_accounts_of_the_invented_domain(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    assert all(row.person.account.endswith("@contoso.example") for row in story.sign_ins)
    for address in {row.address for row in story.sign_ins}:
        assert any(ipaddress.ip_address(address) in network for network in OFF_THE_INTERNET), address


@told
@pytest.mark.parametrize("family", [family for family in FAMILIES if family is not Family.MISLOCATED_DAY])
def test_no_address_is_in_two_countries(family: Family, seed: int) -> None:
    places = defaultdict(set)
    for row in story_of(family, seed).sign_ins:
        places[row.address].add(row.place.country)
    assert {len(countries) for countries in places.values()} == {1}


@told
@each
def test_a_person_is_one_account_and_rows_of_one_flow_are_one_attempt(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    accounts = defaultdict(set)
    flows = defaultdict(list)
    for row in story.sign_ins:
        accounts[row.person.user_id].add(row.person.account)
        flows[row.correlation].append(row)
    assert {len(names) for names in accounts.values()} == {1}
    for rows in flows.values():
        assert len({(row.person.account, row.intruder) for row in rows}) == 1
        assert rows[-1].time - rows[0].time < timedelta(minutes=45)
        assert sum(map(succeeded, rows)) <= 1


@told
@pytest.mark.parametrize("family", HONEST)
def test_honest_families_have_nobody_but_owners_inside(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    assert not stolen(story)
    assert story.compromised == ()
    assert (story.verdict, story.visible) == ("NO_BREACH_INDICATED", True)


@told
@pytest.mark.parametrize("family", HONEST)
def test_most_rows_of_an_honest_family_succeed(family: Family, seed: int) -> None:
    rows = [row for row in story_of(family, seed).sign_ins if not row.intruder]
    assert sum(map(succeeded, rows)) / len(rows) > (0.5 if family is Family.FORCED_RESET else 0.75)


@told
@pytest.mark.parametrize("family", HOSTILE)
def test_hostile_families_have_an_intruder_inside_from_abroad_alone(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    assert story.compromised == tuple(sorted({row.person.account for row in stolen(story)}))
    assert 1 <= len(story.compromised) <= 4
    assert (story.verdict, story.visible) == ("BREACH_INDICATED", True)
    assert abroad(story, stolen(story)) == stolen(story)
    assert all(sum(row.person.account == account for row in stolen(story)) >= 2 for account in story.compromised)
    owners = {row.address for row in story.sign_ins if not row.intruder}
    assert owners.isdisjoint(row.address for row in stolen(story))


@told
@pytest.mark.parametrize("family", [family for family in HOSTILE if family is not Family.DORMANT_ACCOUNT])
def test_the_owner_was_there_before_the_intruder_and_has_devices_that_the_intruder_has_not(
    family: Family, seed: int
) -> None:
    story = story_of(family, seed)
    for account in story.compromised:
        first = min(row.time for row in stolen(story) if row.person.account == account)
        assert [row for row in owned(story) if row.person.account == account and row.time < first]
    assert not [row for row in story.sign_ins if row.intruder and (row.device.device_id or row.device.join_type)]


@told
def test_the_unused_mailboxes_know_no_success(seed: int) -> None:
    story = story_of(Family.UNUSED_MAILBOXES, seed)
    assert (story.verdict, story.compromised, story.any_success) == ("ALL_BLOCKED", (), False)
    assert all(row.intruder for row in story.sign_ins)


@told
@pytest.mark.parametrize("family", UNSEEN)
def test_what_the_logs_cannot_show_is_said(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    assert (story.verdict, story.visible) == ("BREACH_INDICATED", False)
    assert len(story.compromised) >= 1
    assert not abroad(story, stolen(story))


@told
@pytest.mark.parametrize("family", [Family.BUSINESS_TRIP, Family.LONG_JOURNEY, Family.DEVICE_LEFT_AT_HOME])
def test_travellers_are_abroad_with_the_computer_that_they_have_at_home(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    rows = by_account(row for row in owned(story) if not on_phone(row))
    travellers = {row.person.account for row in abroad(story, owned(story))}
    assert 1 <= len(travellers) <= 5
    for account in travellers:
        away = {row.device.device_id for row in abroad(story, rows[account])}
        assert away <= {row.person.desktop.device_id for row in rows[account]}


@told
@pytest.mark.parametrize(
    "family",
    [Family.BUSINESS_TRIP, Family.LONG_JOURNEY, Family.DEVICE_LEFT_AT_HOME, Family.HOLIDAYS, Family.MOVER],
)
def test_nobody_crosses_the_world_in_less_than_a_flight(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    carried = [row for row in owned(story) if family is Family.HOLIDAYS or not on_phone(row)]
    for rows in by_account(carried).values():
        for one, other in pairwise(rows):
            here, there = LANDS[one.place.country], LANDS[other.place.country]
            if abs(here.clock - there.clock) > timedelta(hours=3):
                assert other.time - one.time > timedelta(hours=10)


def test_a_long_journey_leads_through_several_countries_and_a_short_trip_to_one() -> None:
    def most(story: Story) -> int:
        return max(
            len({row.place.country for row in rows}) for rows in by_account(abroad(story, owned(story))).values()
        )

    assert seen(Family.LONG_JOURNEY, lambda story: most(story) >= 2)
    assert all(most(story_of(Family.BUSINESS_TRIP, seed)) == 1 for seed in SEEDS)


def test_a_device_left_at_home_goes_on_while_its_owner_is_abroad() -> None:
    def overlaps(story: Story) -> bool:
        for rows in by_account(owned(story)).values():
            away = [row.time for row in abroad(story, rows)]
            here = [row for row in rows if row.place.country == home(story) and not row.interactive and on_phone(row)]
            if away and any(min(away) < row.time < max(away) for row in here):
                return True
        return False

    assert seen(Family.DEVICE_LEFT_AT_HOME, overlaps)


@told
def test_people_on_holiday_have_only_the_phone_abroad(seed: int) -> None:
    story = story_of(Family.HOLIDAYS, seed)
    assert abroad(story, owned(story))
    assert all(on_phone(row) for row in abroad(story, owned(story)))


@told
@pytest.mark.parametrize("family", [Family.FOREIGN_STAFF, Family.SCATTERED_STAFF, Family.NEW_HIRES_ABROAD])
def test_people_who_live_abroad_are_nowhere_else(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    for rows in by_account(owned(story)).values():
        assert len({row.place.country for row in rows}) == 1
    assert abroad(story, owned(story))


@told
@pytest.mark.parametrize("family", [Family.NEW_HIRES, Family.NEW_HIRES_ABROAD])
def test_new_people_begin_in_the_middle_third(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    firsts = [min(day_of(story, row) for row in rows) for rows in by_account(owned(story)).values()]
    assert any(first >= story.calendar.days // 3 for first in firsts)


@told
def test_who_moved_does_not_come_back(seed: int) -> None:
    story = story_of(Family.MOVER, seed)
    movers = {row.person.account for row in abroad(story, owned(story))}
    assert 1 <= len(movers) <= 2
    for account in movers:
        rows = by_account(owned(story))[account]
        arrived = min(row.time for row in abroad(story, rows))
        assert {row.place.country != home(story) for row in rows if row.time > arrived} == {True}
        assert [row for row in rows if row.place.country == home(story)]


@told
def test_commuters_work_here_and_live_next_door_throughout(seed: int) -> None:
    story = story_of(Family.BORDER_COMMUTERS, seed)
    commuters = {row.person.account for row in abroad(story, owned(story))}
    assert len(commuters) >= 3
    assert len({row.place.country for row in abroad(story, owned(story))}) == 1
    both = [account for account in commuters if len({r.place.country for r in by_account(owned(story))[account]}) == 2]
    assert len(both) * 2 > len(commuters)


@told
@pytest.mark.parametrize("family", [Family.FOREIGN_EGRESS, Family.SWITCHED_EGRESS])
def test_many_leave_through_one_or_two_foreign_addresses(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    away = abroad(story, owned(story))
    people = {row.person.account for row in story.sign_ins if not row.intruder}
    assert 1 <= len({row.address for row in away}) <= 2
    assert len({row.person.account for row in away}) > len(people) * 0.4
    assert not [row for row in away if on_phone(row)]
    first = min(day_of(story, row) for row in away)
    assert first <= 3 if family is Family.FOREIGN_EGRESS else first >= story.calendar.days // 3


@told
def test_addresses_of_the_odd_carrier_lie_in_several_countries_on_phones_alone(seed: int) -> None:
    story = story_of(Family.ROAMING_CARRIER, seed)
    away = abroad(story, owned(story))
    assert len({row.place.country for row in away}) >= 2
    assert all(on_phone(row) for row in away)


@told
def test_on_one_day_everybody_is_placed_far_away_from_the_usual_addresses(seed: int) -> None:
    story = story_of(Family.MISLOCATED_DAY, seed)
    away = abroad(story, owned(story))
    first, last = min(row.time for row in away), max(row.time for row in away)
    assert len({row.place.country for row in away}) == 1
    assert last - first < timedelta(hours=14)
    assert not [row for row in owned(story) if first <= row.time <= last and row.place.country == home(story)]
    usual = {row.address for row in owned(story) if row.place.country == home(story)}
    assert sum(row.address in usual for row in away) * 2 > len(away)


@told
def test_a_relay_gives_a_fresh_address_nearly_every_time(seed: int) -> None:
    away = abroad(story_of(Family.PRIVATE_RELAY, seed), owned(story_of(Family.PRIVATE_RELAY, seed)))
    assert len({row.address for row in away}) > len(away) * 0.9
    assert len({row.place.country for row in away}) == 1


@told
def test_the_connector_is_quiet_and_has_an_agent_of_its_own(seed: int) -> None:
    away = abroad(story_of(Family.CLOUD_CONNECTOR, seed), owned(story_of(Family.CLOUD_CONNECTOR, seed)))
    assert {row.interactive for row in away} == {False}
    assert len({row.device for row in away}) == 1
    assert len({row.address for row in away}) <= 3


@told
def test_a_kiosk_is_one_device_of_many_people(seed: int) -> None:
    people = defaultdict(set)
    for row in story_of(Family.SHARED_KIOSKS, seed).sign_ins:
        if row.device.name.startswith("KIOSK"):
            people[row.device.device_id].add(row.person.account)
    assert 2 <= len(people) <= 4
    assert min(map(len, people.values())) >= 3


@told
def test_a_forced_reset_floods_the_log_with_failures_of_owners_at_home(seed: int) -> None:
    story = story_of(Family.FORCED_RESET, seed)
    deeds = Counter(row.deed for row in story.sign_ins if not row.intruder)
    people = {row.person.account for row in owned(story)}
    assert deeds[Deed.PASSWORD_EXPIRED] > len(people) * 0.5
    assert deeds[Deed.MISTYPED_PASSWORD] > len(people)
    assert deeds[Deed.TOKEN_REVOKED] > 0
    assert not [row for row in story.sign_ins if not row.intruder and row.place.country != home(story)]


@told
def test_guests_come_rarely_and_mostly_from_abroad(seed: int) -> None:
    story = story_of(Family.RARE_GUESTS, seed)
    guests = {account: rows for account, rows in by_account(owned(story)).items() if "#EXT#" in account}
    assert 4 <= len(guests) <= 12
    assert max(map(len, guests.values())) <= 12
    assert abroad(story, owned(story))


@told
def test_a_spray_in_the_background_comes_from_many_addresses_and_fails(seed: int) -> None:
    story = story_of(Family.BACKGROUND_SPRAY, seed)
    knocks = [row for row in story.sign_ins if row.intruder]
    assert len(knocks) >= 110
    assert len({row.address for row in knocks}) > 50
    assert not any(map(succeeded, knocks))
    assert {row.deed for row in knocks} == {Deed.MISTYPED_PASSWORD, Deed.LOCKED_OUT, Deed.UNKNOWN_ACCOUNT}


@told
def test_right_passwords_are_stopped_after_the_first_factor(seed: int) -> None:
    story = story_of(Family.STOPPED_AT_THE_SECOND_FACTOR, seed)
    outcomes = Counter(WORDING[row.deed].outcome for row in story.sign_ins if row.intruder)
    assert outcomes["BLOCKED_AFTER_FIRST_FACTOR"] >= 3
    assert outcomes["SUCCESS"] == 0


@told
@pytest.mark.parametrize("family", [Family.SESSION_THEFT, Family.TOKEN_REPLAY])
def test_stolen_sessions_are_used_while_the_owner_works_at_home(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    for account in story.compromised:
        theirs = {day_of(story, row) for row in stolen(story) if row.person.account == account}
        at_home = [row for row in owned(story) if row.person.account == account and row.place.country == home(story)]
        assert theirs & {day_of(story, row) for row in at_home if row.interactive}
    entries = [row for row in stolen(story) if row.interactive]
    assert len(entries) == (len(story.compromised) if family is Family.SESSION_THEFT else 0)
    for row in entries:
        own = {one.device.browser for one in owned(story) if one.person.account == row.person.account}
        assert row.device.browser in own
        assert not row.device.device_id


@told
def test_a_slow_takeover_is_one_or_two_sign_ins_a_day_for_two_weeks(seed: int) -> None:
    story = story_of(Family.SLOW_TAKEOVER, seed)
    days = Counter(day_of(story, row) for row in stolen(story))
    assert len(story.compromised) == 1
    assert max(days) - min(days) >= 10
    assert max(days.values()) <= 3
    assert len(days) >= 9


@told
def test_the_traveller_is_in_one_country_and_the_intruder_in_another(seed: int) -> None:
    story = story_of(Family.TAKEN_WHILE_TRAVELLING, seed)
    (victim,) = story.compromised
    theirs = {row.place.country for row in stolen(story)}
    own = {row.place.country for row in owned(story) if row.person.account == victim}
    assert len(theirs) == 1
    assert theirs.isdisjoint(own)


@told
def test_nobody_used_the_dormant_account_for_days(seed: int) -> None:
    story = story_of(Family.DORMANT_ACCOUNT, seed)
    (victim,) = story.compromised
    own = [day_of(story, row) for row in owned(story) if row.person.account == victim]
    guesses = [row for row in story.sign_ins if row.person.account == victim and row.intruder and not succeeded(row)]
    assert max(own, default=0) < min(day_of(story, row) for row in stolen(story))
    assert len(guesses) >= 5


@told
def test_proxies_rotate_through_several_countries(seed: int) -> None:
    story = story_of(Family.ROTATING_PROXIES, seed)
    for account in story.compromised:
        rows = [row for row in stolen(story) if row.person.account == account]
        assert len({row.place.country for row in rows}) >= 3
        assert len({row.address for row in rows}) > len(rows) / 2


@told
def test_a_spray_from_one_address_is_right_on_three(seed: int) -> None:
    story = story_of(Family.SUCCESSFUL_SPRAY, seed)
    (address,) = {row.address for row in stolen(story)}
    tried = {row.person.account for row in story.sign_ins if row.address == address and not succeeded(row)}
    assert len(story.compromised) == 3
    assert len(tried) >= 8


@told
def test_mail_fraud_leaves_rules_made_from_the_intruders_addresses(seed: int) -> None:
    story = story_of(Family.MAIL_FRAUD, seed)
    theirs = {row.address for row in stolen(story)}
    rules = [record for record in story.audit if record.operation == "New-InboxRule"]
    read = [record for record in story.audit if record.operation == "MailItemsAccessed"]
    assert {record.account for record in rules} == set(story.compromised)
    assert all(str(record.details["ClientIP"]).rpartition(":")[0] in theirs for record in rules)
    assert {record.details["ClientIPAddress"] for record in read} <= theirs


@told
def test_owners_make_rules_of_their_own_from_where_they_work(seed: int) -> None:
    story = story_of(Family.OWN_RULES, seed)
    usual = {row.address for row in owned(story)}
    made = [record for record in story.audit if record.operation in ("New-InboxRule", "Set-Mailbox")]
    assert len(made) >= 4
    assert all(str(record.details["ClientIP"]).rpartition(":")[0] in usual for record in made)


@told
@pytest.mark.parametrize("family", HOSTILE)
def test_an_audit_log_tells_of_the_intruders_entries_and_of_nobodys_else(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    entries = {row.address for row in stolen(story) if row.interactive}
    logons = {record.details["ClientIP"] for record in story.audit if record.operation == "UserLoggedIn"}
    if story.audit:
        assert entries <= logons
    assert logons <= {row.address for row in story.sign_ins}


@told
@pytest.mark.parametrize("family", CONSENTS)
def test_consent_is_given_by_owners_whose_sign_ins_are_all_their_own(family: Family, seed: int) -> None:
    story = story_of(family, seed)
    consents = [record for record in story.audit if record.operation == "Consent to application."]
    assert not stolen(story)
    assert story.compromised == story.entered
    assert story.visible is bool(story.audit) is (family is Family.CONSENT_PHISHING)
    assert {record.account for record in consents} == (set(story.entered) if story.audit else set())
    assert not abroad(story, owned(story))


def test_without_second_factors_no_intruder_meets_one() -> None:
    for family in HOSTILE:
        story = tell(family, 4, mfa_steps=False)
        assert not [row for row in story.sign_ins if row.intruder and row.deed is Deed.ASKED_FOR_MFA]
