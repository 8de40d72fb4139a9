import ipaddress
from collections import Counter, defaultdict
from datetime import timedelta
from functools import cache

import pytest

from m365dq_dagster.adapters.synthetic.events import WINDOW_END, WINDOW_START, SignIn
from m365dq_dagster.adapters.synthetic.stories import STORIES, tell
from m365dq_dagster.adapters.synthetic.story import Story
from m365dq_dagster.adapters.synthetic.vocabulary import WORDING, ConditionalAccess, Deed, Family

CASES = list(STORIES)
FIRST_QUARTER = WINDOW_START + (WINDOW_END - WINDOW_START) / 4
DOCUMENTATION = [
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "198.18.0.0/15")
]


@cache
def story_of(family: Family) -> Story:
    return tell(family, 7, mfa_steps=True)


@pytest.fixture
def oculus() -> Story:
    return story_of(Family.OCULUS)


def succeeded(event: SignIn) -> bool:
    return event.deed is Deed.SIGNED_IN


def foreign(event: SignIn) -> bool:
    return event.place.country != "AU"


def by_account(events: list[SignIn]) -> dict[str, list[SignIn]]:
    grouped = defaultdict(list)
    for event in events:
        grouped[event.person.account].append(event)
    return grouped


@pytest.mark.parametrize("mfa_steps", [True, False])
@pytest.mark.parametrize("seed", [1, 4711])
def test_oculus_has_its_numbers_whatever_the_seed(seed: int, mfa_steps: bool) -> None:
    story = tell(Family.OCULUS, seed, mfa_steps=mfa_steps)
    abroad = [event for event in story.sign_ins if foreign(event)]
    stolen = [event for event in abroad if succeeded(event)]
    assert len(story.sign_ins) + len(story.audit) + len(story.legacy) == 27_000
    assert len(stolen) == 188
    assert tuple(sorted({event.person.account for event in stolen})) == story.compromised
    assert len(story.compromised) == 8
    assert len(abroad) - len(stolen) <= 46
    assert Counter(record.operation for record in story.audit)["MailItemsAccessed"] == 160
    assert Counter(WORDING[attempt.deed].code for attempt in story.legacy) == {50126: 232, 50053: 122}


def test_97_percent_of_the_sign_ins_of_oculus_succeed_and_the_rest_is_what_tenants_see(oculus: Story) -> None:
    codes = Counter(WORDING[event.deed].code for event in oculus.sign_ins)
    assert codes[0] / len(oculus.sign_ins) == pytest.approx(0.97, abs=0.002)
    assert {50126, 50140, 50074, 50125, 50058, 50053, 53003} <= set(codes)


def test_policies_tell_on_every_foreign_success_and_on_nearly_every_row(oculus: Story) -> None:
    abroad = [event for event in oculus.sign_ins if foreign(event)]
    for rows, least in ((oculus.sign_ins, 0.97), (abroad, 0.95)):
        silent = sum(event.policies is ConditionalAccess.NOT_APPLIED for event in rows)
        assert 1 - silent / len(rows) > least
    assert {event.policies for event in abroad if succeeded(event)} == {ConditionalAccess.SUCCESS}
    assert sum(event.policies is ConditionalAccess.FAILURE for event in oculus.sign_ins) >= 30


def test_policies_are_silent_on_wrong_passwords_and_fail_where_a_policy_stopped_the_sign_in(oculus: Story) -> None:
    for event in oculus.sign_ins:
        if event.deed is Deed.MISTYPED_PASSWORD:
            assert event.policies is ConditionalAccess.NOT_APPLIED
        if event.deed is Deed.BLOCKED_BY_POLICY:
            assert event.policies is ConditionalAccess.FAILURE


def test_each_victim_has_a_home_long_before_the_attack(oculus: Story) -> None:
    accounts = by_account(oculus.sign_ins)
    for victim in oculus.compromised:
        home = {e.time.date() for e in accounts[victim] if succeeded(e) and not foreign(e)}
        days = home | {e.time.date() for e in accounts[victim] if succeeded(e)}
        attacked = min(e.time for e in accounts[victim] if foreign(e))
        assert len({day for day in home if day < FIRST_QUARTER.date()}) >= 5
        assert len(home) * 2 > len(days)
        assert attacked - min(e.time for e in accounts[victim]) > timedelta(days=10)
        assert attacked > FIRST_QUARTER


def test_each_victim_passes_the_trigger_with_success_to_spare_and_nobody_else_does(oculus: Story) -> None:
    for account, rows in by_account(oculus.sign_ins).items():
        abroad = [event for event in rows if foreign(event)]
        stolen = sum(succeeded(event) for event in abroad)
        if account in oculus.compromised:
            assert stolen >= 23
            assert (stolen - 2) / (len(abroad) - 2) > 0.8
        else:
            assert stolen == 0


def test_the_attack_is_not_explained_by_travel_or_by_the_owners_own_device(oculus: Story) -> None:
    accounts = by_account(oculus.sign_ins)
    for victim in oculus.compromised:
        rows = accounts[victim]
        owned = {(e.device.browser, e.device.system) for e in rows if not foreign(e)}
        stolen = [e for e in rows if foreign(e) and succeeded(e)]
        assert len({e.place.country for e in stolen}) >= 2
        assert sum((e.device.browser, e.device.system) in owned for e in stolen) <= 0.1 * len(stolen)
        assert not any(e.device.device_id or e.device.join_type for e in stolen)
        home_days = {e.time.date() for e in rows if not foreign(e) and e.interactive and succeeded(e)}
        assert {e.time.date() for e in stolen} <= home_days


def test_the_attacker_is_in_while_the_owner_is_at_work_at_home(oculus: Story) -> None:
    accounts = by_account(oculus.sign_ins)
    for victim in oculus.compromised:
        rows = [e for e in accounts[victim] if e.interactive and succeeded(e)]
        home = [e.time for e in rows if not foreign(e)]
        named = [e for e in rows if foreign(e) and e.device.browser and e.device.system and e.device.system == "Linux"]
        near = [e for e in named if any(abs(e.time - time) <= timedelta(hours=2) for time in home)]
        assert len(near) >= 2


def test_mfa_prompts_of_the_attacker_share_a_flow_with_the_success_that_follows(oculus: Story) -> None:
    flows = defaultdict(list)
    for event in oculus.sign_ins:
        if foreign(event):
            flows[event.correlation].append(event)
    prompted = [rows for rows in flows.values() if len(rows) == 2]
    assert len(prompted) == 16
    for first, last in prompted:
        assert (first.deed, last.deed) == (Deed.ASKED_FOR_MFA, Deed.SIGNED_IN)
        assert last.time - first.time < timedelta(minutes=1)
    without = tell(Family.OCULUS, 7, mfa_steps=False)
    assert not [e for e in without.sign_ins if foreign(e) and e.deed is Deed.ASKED_FOR_MFA]


def test_no_address_is_placed_in_two_countries_and_no_place_is_missing(oculus: Story) -> None:
    places = defaultdict(set)
    for event in oculus.sign_ins:
        places[event.address].add(event.place.country)
    assert {len(countries) for countries in places.values()} == {1}
    assert all(len(country) == 2 for countries in places.values() for country in countries)


def test_the_attackers_addresses_are_new_and_mail_is_read_from_them(oculus: Story) -> None:
    stolen = {event.address for event in oculus.sign_ins if foreign(event) and succeeded(event)}
    earlier = {event.address for event in oculus.sign_ins if event.time < FIRST_QUARTER}
    assert not stolen & earlier
    reading = [record for record in oculus.audit if record.operation == "MailItemsAccessed"]
    assert sum(record.details["ClientIPAddress"] in stolen for record in reading) == 136
    assert {record.record_type for record in reading} == {2, 50}


def test_legacy_attempts_spare_the_victims_and_hammer_an_account_of_somebody_who_left(oculus: Story) -> None:
    targets = Counter(attempt.account for attempt in oculus.legacy)
    assert not set(targets) & set(oculus.compromised)
    assert targets["former.employee@contoso.example"] == 37
    smtp = [a for a in oculus.legacy if a.account.startswith("former.")]
    assert {(a.client, a.deed) for a in smtp} == {("Authenticated SMTP", Deed.MISTYPED_PASSWORD)}


def test_failed_logons_of_the_audit_log_mostly_say_success_in_the_result_status(oculus: Story) -> None:
    failed = [record for record in oculus.audit if record.operation == "UserLoginFailed"]
    told = sum(record.details["ResultStatus"] == "Success" for record in failed)
    assert 0.5 < told / len(failed) < 0.85
    assert all(record.details["ErrorNumber"] != "0" for record in failed)
    for record in oculus.audit:
        if record.operation == "UserLoggedIn":
            assert record.details["ErrorNumber"] in ("0", "50140")


def test_the_attacker_is_whoever_is_not_the_owner(oculus: Story) -> None:
    strangers = [event for event in oculus.sign_ins if event.intruder]
    assert {event.person.account for event in strangers if succeeded(event)} == set(oculus.compromised)
    assert set(oculus.attacked) > set(oculus.compromised)
    assert not any(event.intruder for event in oculus.sign_ins if event.deed is Deed.BLOCKED_BY_POLICY)
    assert oculus.any_success
    assert not story_of(Family.ALL_BLOCKED).any_success


def test_healthy_is_the_same_story_as_oculus(oculus: Story) -> None:
    assert story_of(Family.HEALTHY) == oculus


def test_all_blocked_holds_two_kinds_of_failure_from_abroad_and_no_success() -> None:
    story = story_of(Family.ALL_BLOCKED)
    assert Counter(WORDING[event.deed].code for event in story.sign_ins) == {50126: 420, 50053: 180}
    assert all(foreign(event) for event in story.sign_ins)
    assert story.verdict == "ALL_BLOCKED"


def test_single_country_is_all_success_and_the_policies_agree() -> None:
    story = story_of(Family.SINGLE_COUNTRY)
    assert {event.deed for event in story.sign_ins} == {Deed.SIGNED_IN}
    assert {event.place.country for event in story.sign_ins} == {"AU"}
    agreeing = sum(event.policies is ConditionalAccess.SUCCESS for event in story.sign_ins)
    assert agreeing / len(story.sign_ins) > 0.95


@pytest.mark.parametrize(("family", "share"), [(Family.MOSTLY_SUCCESS, 0.97), (Family.ONE_USER, 0.9375)])
def test_the_quiet_tenants_have_no_foreign_row_and_their_share_of_success(family: Family, share: float) -> None:
    story = story_of(family)
    assert not any(foreign(event) for event in story.sign_ins)
    assert sum(succeeded(event) for event in story.sign_ins) / len(story.sign_ins) == pytest.approx(share)
    assert story.verdict == "NO_BREACH_INDICATED"


def test_one_user_is_one_user() -> None:
    story = story_of(Family.ONE_USER)
    assert len({event.person.account for event in story.sign_ins}) == 1


@pytest.mark.parametrize("family", CASES)
def test_names_and_addresses_are_of_the_ranges_set_aside_for_examples(family: Family) -> None:
    story = story_of(family)
    for event in story.sign_ins:
        assert not event.person.account or event.person.account.endswith(".example")
    for text in {event.address for event in story.sign_ins} | {attempt.address for attempt in story.legacy}:
        assert any(ipaddress.ip_address(text) in network for network in DOCUMENTATION), text


@pytest.mark.parametrize("family", CASES)
def test_rows_are_in_order_of_time_inside_the_window(family: Family) -> None:
    story = story_of(family)
    for rows in (story.sign_ins, story.audit, story.legacy):
        times = [row.time for row in rows]
        assert times == sorted(times)
        assert not times or (story.calendar.holds(times[0]) and story.calendar.holds(times[-1]))


@pytest.mark.parametrize("family", CASES)
def test_no_identifier_repeats(family: Family) -> None:
    story = story_of(family)
    requests = [event.request for event in story.sign_ins]
    records = [record.record_id for record in story.audit]
    assert len(set(requests)) == len(requests)
    assert len(set(records)) == len(records)
