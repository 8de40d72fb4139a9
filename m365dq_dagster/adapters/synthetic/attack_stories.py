"""The stories of small tenants in which somebody attacks, with success and without.

Here belongs which deeds make up a case; the deeds themselves belong to ``intrusion``, ordinary days to
``office_days``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from .auditing import file_theft, hiding_rules, plunder
from .company import Company, company, hired, service_account
from .company_stories import MOST_TINY_ROWS, few, few_moments, tale
from .draws import Draws
from .events import AuditRecord, SignIn
from .intrusion import (
    AZURE_CLI,
    MAIL_PROTOCOLS,
    POWERSHELL,
    UNCOVERED,
    Intruder,
    also_in_the_old_log,
    break_in,
    guesses,
    intruder,
    knocks,
    names_that_nobody_has,
    password_only,
    visits,
)
from .office_days import Employment, attempt, office_days, scans
from .story import Setting, Story
from .tenant import OUTLOOK, App, Person
from .vocabulary import ConditionalAccess, Deed


def takeover(setting: Setting) -> Story:
    """One to five accounts taken over and used for days, their owners at work all the while."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business), break_in(draws, business)
    victims = draws.some(business.people, 1 + draws.below(5))
    stolen: list[SignIn] = []
    for victim in victims:
        start = begin + timedelta(minutes=draws.below(600))
        if draws.share() < 0.5:
            stolen += _wrong_first(draws, business, attacker, victim, start)
        stolen += visits(draws, business, attacker, victim, start, 8 + draws.below(18), steps=_prompt(setting))
    return _robbed(setting, business, stolen, f"An attacker used {len(victims)} accounts for days")


def _wrong_first(draws: Draws, business: Company, attacker: Intruder, victim: Person, start: datetime) -> list[SignIn]:
    wrong = [Deed.MISTYPED_PASSWORD] * (1 + draws.below(4))
    return knocks(draws, business, attacker, victim, start - timedelta(minutes=45), wrong)


def _prompt(setting: Setting) -> tuple[Deed, ...]:
    """A second factor that the owner approves, where attackers meet one at all."""
    return (Deed.ASKED_FOR_MFA,) if setting.mfa_steps else ()


def _robbed(
    setting: Setting, business: Company, rows: Sequence[SignIn], why: str, *, ordinary: list[SignIn] | None = None
) -> Story:
    """The story of an attack that came in: ordinary days around it, and what the audit log holds of the theft."""
    draws = setting.draws
    days = office_days(draws, business) if ordinary is None else ordinary
    countries = ", ".join(sorted({row.place.country for row in rows}))
    return tale(draws, business, [*days, *rows], f"{why}, from {countries}.", telling=_theft(draws, business, rows))


def _theft(draws: Draws, business: Company, rows: Sequence[SignIn]) -> list[AuditRecord]:
    """Two attackers in three read mail; one in two hides replies and opens files."""
    inside = [row for row in rows if row.deed is Deed.SIGNED_IN and business.calendar.holds(row.time)]
    telling = plunder(draws, inside, 4 + draws.below(40)) if draws.share() < 0.66 else []
    if draws.share() < 0.5:
        by_account: dict[str, list[SignIn]] = {}
        for row in inside:
            by_account.setdefault(row.person.account, []).append(row)
        telling += hiding_rules(draws, [row for own in by_account.values() if len(own) > 1 for row in own])
        telling += file_theft(draws, inside)
    return telling


def spray(setting: Setting) -> Story:
    """A spray over everybody, names that nobody has and an account that was disabled; no password is right."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business), break_in(draws, business, after=0.2)
    rows = _sprayed(draws, business, attacker, begin)
    return tale(
        draws,
        business,
        office_days(draws, business) + rows,
        f"A spray of {len(rows)} guesses from abroad; not one was right.",
    )


def _sprayed(draws: Draws, business: Company, attacker: Intruder, begin: datetime) -> list[SignIn]:
    rows = guesses(draws, business, attacker, business.people, begin, rounds=1 + draws.below(9))
    for stranger in names_that_nobody_has(draws, business, draws.below(8)):
        start = begin + timedelta(minutes=draws.below(400))
        rows += knocks(draws, business, attacker, stranger, start, [Deed.UNKNOWN_ACCOUNT] * (1 + draws.below(3)))
    former = business.people[0]._replace(
        account=f"former.employee@{business.domain}", name="Former Employee", user_id=draws.guid()
    )
    return rows + knocks(draws, business, attacker, former, begin, [Deed.DISABLED_ACCOUNT] * draws.below(4))


def spray_hit(setting: Setting) -> Story:
    """A spray that finds the password of one or two accounts, which are then used."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business), break_in(draws, business)
    rows = guesses(draws, business, attacker, business.people, begin, rounds=1 + draws.below(5))
    victims = draws.some(business.people, 1 + draws.below(2))
    for victim in victims:
        start = begin + timedelta(hours=3 + draws.below(20), minutes=draws.below(60))
        rows += visits(draws, business, attacker, victim, start, 2 + draws.below(10), steps=_prompt(setting))
    return _robbed(setting, business, rows, f"A spray found the password of {len(victims)} accounts, which were used")


def quiet_use(setting: Setting) -> Story:
    """Two to four successes of an attacker on one account and no failure before: the password was phished."""
    draws = setting.draws
    business = company(draws)
    attacker = intruder(draws, business, countries=1)
    victim, count = draws.one(business.people), 2 + draws.below(3)
    begin = break_in(draws, business)
    rows = visits(draws, business, attacker, victim, begin, count, steps=_prompt(setting), hours=1 + draws.below(16))
    return _robbed(setting, business, rows, f"A phished password was used {count} times")


def mfa_held(setting: Setting) -> Story:
    """The attacker has the passwords of one to three accounts and never passes the second factor or the policy."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business), break_in(draws, business)
    targets = draws.some(business.people, 1 + draws.below(3))
    stops = [Deed.ASKED_FOR_MFA, Deed.MFA_DENIED] + [Deed.BLOCKED_BY_POLICY] * business.policed
    rows: list[SignIn] = []
    for target in targets:
        deeds = [draws.one(stops) for _ in range(2 + draws.below(14))]
        rows += knocks(draws, business, attacker, target, begin + timedelta(minutes=draws.below(900)), deeds)
    return tale(
        draws,
        business,
        office_days(draws, business) + rows,
        f"An attacker knew {len(targets)} passwords; the second factor or a policy stopped every try.",
    )


def mfa_fatigue(setting: Setting) -> Story:
    """Prompt after prompt until the owner approves one; then the account is used."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business, countries=1), break_in(draws, business)
    victim, count = draws.one(business.people), 6 + draws.below(24)
    prompts = knocks(draws, business, attacker, victim, begin, [Deed.MFA_DENIED] * count)
    start = prompts[-1].time + timedelta(minutes=2)
    uses = visits(draws, business, attacker, victim, start, 1 + draws.below(9), steps=(Deed.ASKED_FOR_MFA,))
    return _robbed(setting, business, prompts + uses, f"{count} prompts were refused or not answered, the next was not")


def new_victims(setting: Setting) -> Story:
    """Accounts without a past: made a few days ago or never used by their owner, and taken over at once."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business), break_in(draws, business, after=0.5)
    count = 1 + draws.below(3)
    fresh = hired(draws, business, count)
    stolen: list[SignIn] = []
    for victim in fresh:
        stolen += visits(draws, business, attacker, victim, begin, 3 + draws.below(12), steps=_prompt(setting))
    first = (begin - business.calendar.start).days + draws.below(4) - 1
    terms = {person.account: Employment(first if draws.share() < 0.6 else 10_000) for person in fresh}
    days = office_days(draws, business, [*business.people, *fresh], employed=terms)
    return _robbed(setting, business, stolen, f"{count} new accounts were taken over", ordinary=days)


def mimicry(setting: Setting) -> Story:
    """The attacker's browser and system are the owner's; the machine itself is not."""
    draws = setting.draws
    business = company(draws)
    attacker, begin = intruder(draws, business), break_in(draws, business)
    victims = draws.some(business.people, 1 + draws.below(3))
    stolen: list[SignIn] = []
    for victim in victims:
        looks = victim.desktop._replace(name="", device_id="", join_type="")
        start = begin + timedelta(minutes=draws.below(600))
        count = 3 + draws.below(16)
        stolen += visits(draws, business, attacker, victim, start, count, steps=_prompt(setting), device=looks)
    return _robbed(setting, business, stolen, f"An attacker with the owners' browsers used {len(victims)} accounts")


def legacy_takeover(setting: Setting) -> Story:
    """Mailboxes opened from abroad over an old protocol, which the company's scanner uses too; half the cases hold the
    log of old protocols."""
    draws = setting.draws
    business = company(draws)
    apps = draws.some(MAIL_PROTOCOLS, 1 + draws.below(2))
    stolen, victims = _by_password(draws, business, apps)
    scanner = service_account(draws, business, "scanner", business.people[0].place)
    machine = scanner._replace(address=business.offices[scanner.place.city])
    days = office_days(draws, business) + scans(draws, business, machine)
    why = f"{victims} mailboxes were opened over {' and '.join(app.client for app in apps)}"
    story = _robbed(setting, business, stolen, why, ordinary=days)
    old = [row for row in story.sign_ins if row.app in MAIL_PROTOCOLS]
    return replace(story, legacy=also_in_the_old_log(old)) if draws.share() < 0.5 else story


def password_grant(setting: Setting) -> Story:
    """A command line asks for tokens with name and password; one or two accounts let it in."""
    draws = setting.draws
    business = company(draws)
    stolen, victims = _by_password(draws, business, draws.some((AZURE_CLI, POWERSHELL), 1 + draws.below(2)))
    return _robbed(setting, business, stolen, f"{victims} accounts gave tokens to a command line that knew a password")


def _by_password(draws: Draws, business: Company, apps: Sequence[App]) -> tuple[list[SignIn], int]:
    """Guesses at several accounts by name and password alone, and the successes on one or two of them."""
    attacker, begin = intruder(draws, business), break_in(draws, business)
    covered = business.policed and draws.share() >= UNCOVERED
    policies = ConditionalAccess.SUCCESS if covered else ConditionalAccess.NOT_APPLIED
    tried = draws.some(business.people, 2 + draws.below(6))
    victims = tried[: 1 + draws.below(2)]
    rows: list[SignIn] = []
    for person in tried:
        deeds = [Deed.MISTYPED_PASSWORD] * draws.below(9) or [Deed.LOCKED_OUT]
        deeds += [Deed.SIGNED_IN] * (2 + draws.below(15)) if person in victims else []
        start = begin + timedelta(minutes=draws.below(300))
        rows += password_only(draws, attacker, person, start, apps, deeds, policies)
    return rows, len(victims)


def tiny_intrusion(setting: Setting) -> Story:
    """One to three successes from abroad in a case of a few rows; in one case of three nothing else is there."""
    draws = setting.draws
    business = company(draws)
    attacker = intruder(draws, business, countries=1)
    victim = business.people[0]
    moment = few_moments(draws, business, 1)[0]
    rows = visits(draws, business, attacker, victim, moment, 1 + draws.below(3), hours=1)
    kind = draws.below(3)
    if kind:
        begin = moment - timedelta(hours=1)
        rows += knocks(draws, business, attacker, victim, begin, [Deed.MISTYPED_PASSWORD] * draws.below(4))
    if kind == 2:
        for own in few_moments(draws, business, MOST_TINY_ROWS - len(rows)):
            rows += attempt(draws, business, own, victim, OUTLOOK)
    return few(business, rows, "An attacker came in from abroad; the export holds only a few rows.")
