"""The whole cases: which people, days and incidents make up each family, and what is true of it.

Here belong the one table of who tells which family, and the stories around the Oculus incident; the others stand in
modules of their own and are entered in the table. Files, shapes and damage belong to the writers; single logs of any
length belong to ``bulk``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType

from . import attack_stories, company_stories, deceptions, detours, frictions, intrusions, journeys
from .auditing import everyday_records, file_theft, hiding_rules, logons, mail_theft
from .draws import Draws
from .events import AuditRecord, SignIn, sign_in
from .homelife import Interruptions, local, ordinary_life, working_days
from .incident import ATTACK_DAYS, FOOTHOLDS, attack, legacy_spray, spray, travel
from .story import Setting, Story, Teller
from .tenant import ATTACK_BROWSERS, HOME_COUNTRY, OUTLOOK, Person, service, staff
from .vocabulary import Deed, Family

OCULUS_EVENTS = 27_000
OCULUS_SIGN_INS = 6_705
OCULUS_STAFF = 70
SERVICES = ("backup", "scanner", "payroll")


def _services(draws: Draws) -> list[Person]:
    return [service(draws, name, number) for number, name in enumerate(SERVICES)]


def _breach(setting: Setting) -> Story:
    """A tenant with 97 % success, an attacker on eight accounts, blocked travel and a spray over old protocols."""
    draws = setting.draws
    everyone = staff(draws, OCULUS_STAFF)
    victims, others = everyone[:8], everyone[8:]
    stolen = attack(draws, victims, mfa_steps=setting.mfa_steps)
    abroad = spray(draws, others[30:34]) + travel(draws, others[40:42])
    usual = ordinary_life(
        draws,
        everyone,
        _services(draws),
        rows=OCULUS_SIGN_INS - len(stolen) - len(abroad),
        interruptions=Interruptions(mistyped=60, stay_signed_in=42, mfa=40, reset_registration=8, silent=15, locked=4),
        outside_policies=60,
    )
    sign_ins = sorted(stolen + abroad + usual, key=attrgetter("time"))
    legacy = sorted(legacy_spray(draws, others), key=attrgetter("time"))
    return Story(
        sign_ins,
        "BREACH_INDICATED",
        "188 sign-ins from abroad succeeded on eight accounts whose owners were at work at home within the same hours; "
        "the attacker's browsers and systems are mostly unlike theirs. Nobody else succeeded abroad: two travellers "
        "were blocked by policy, four sprayed accounts saw a wrong password, and every legacy attempt failed.",
        audit=_breach_audit(draws, sign_ins, stolen, others, OCULUS_EVENTS - len(sign_ins) - len(legacy)),
        legacy=legacy,
    )


def _breach_audit(
    draws: Draws, sign_ins: list[SignIn], stolen: list[SignIn], owners: Sequence[Person], count: int
) -> list[AuditRecord]:
    takeovers = [event for event in stolen if event.place.country != HOME_COUNTRY and event.deed is Deed.SIGNED_IN]
    telling = logons(draws, sign_ins) + mail_theft(draws, takeovers, owners) + hiding_rules(draws, takeovers)
    telling += file_theft(draws, takeovers)
    ordinary = everyday_records(draws, owners, count - len(telling))
    return sorted(telling + ordinary, key=attrgetter("time"))


def _all_blocked(setting: Setting) -> Story:
    """A spray from abroad over forty accounts, nothing else in the export, no success at all."""
    draws = setting.draws
    people = staff(draws, 40)
    deeds = [Deed.MISTYPED_PASSWORD] * 420 + [Deed.LOCKED_OUT] * 180
    rows = []
    for number, deed in enumerate(deeds):
        foothold = FOOTHOLDS[number % len(FOOTHOLDS)]
        time = local(ATTACK_DAYS[0] + number % 3, draws.below(1440), draws.below(60))
        rows.append(
            sign_in(
                draws,
                time,
                people[number % len(people)],
                OUTLOOK,
                deed=deed,
                device=draws.one(ATTACK_BROWSERS),
                address=foothold.address,
                place=foothold.place,
                intruder=True,
            )
        )
    return Story(
        sorted(rows, key=attrgetter("time")),
        "ALL_BLOCKED",
        "600 attempts from abroad, 420 wrong passwords and 180 lockouts, none succeeded and no password was right.",
    )


def _single_country(setting: Setting) -> Story:
    """Everybody at home and every row a success; policies cover all but a few rows, so a second witness agrees."""
    draws = setting.draws
    rows = ordinary_life(
        draws, staff(draws, 40), _services(draws), rows=2_000, interruptions=Interruptions(), outside_policies=40
    )
    return Story(
        sorted(rows, key=attrgetter("time")),
        "NO_BREACH_INDICATED",
        "2,000 sign-ins of forty people, all from home and all successful. The code column is uniform and honest: the "
        "policies say success on 98 % of the same rows.",
    )


def _mostly_success(setting: Setting) -> Story:
    """A healthy tenant: 97 % of the rows carry code 0, the rest are typos and pages in between."""
    draws = setting.draws
    people = staff(draws, 60)
    rows = ordinary_life(
        draws,
        people,
        _services(draws),
        rows=4_000,
        interruptions=Interruptions(mistyped=40, stay_signed_in=34, mfa=30, reset_registration=6, silent=7, locked=3),
        outside_policies=60,
    )
    rows.sort(key=attrgetter("time"))
    audit = logons(draws, rows) + everyday_records(draws, people, 1_500)
    return Story(
        rows,
        "NO_BREACH_INDICATED",
        "4,000 sign-ins at home, 97 % successful; the failures are typing errors, lockouts and pages in between. One "
        "value in 97 % of the rows is what a healthy tenant looks like.",
        audit=sorted(audit, key=attrgetter("time")),
    )


def _one_user(setting: Setting) -> Story:
    """The export of one person: identity, country and address are uniform, and that is normal."""
    draws = setting.draws
    person = staff(draws, 1)[0]
    interruptions = Interruptions(mistyped=4, stay_signed_in=6, mfa=5)
    rows = ordinary_life(draws, [person], [], rows=240, interruptions=interruptions, outside_policies=6)
    return Story(
        sorted(rows, key=attrgetter("time")),
        "NO_BREACH_INDICATED",
        f"One person at home on {len(working_days())} working days; 15 rows are typing errors and pages in between. "
        "Account and country hold one value because the export is one person's.",
    )


STORIES: Mapping[Family, Teller] = MappingProxyType(
    {
        Family.OCULUS: _breach,
        Family.HEALTHY: _breach,
        Family.ALL_BLOCKED: _all_blocked,
        Family.SINGLE_COUNTRY: _single_country,
        Family.MOSTLY_SUCCESS: _mostly_success,
        Family.ONE_USER: _one_user,
        Family.OFFICE_LIFE: company_stories.office_life,
        Family.FORGOTTEN_PASSWORD: company_stories.forgotten_password,
        Family.SERVICES_ABROAD: company_stories.services_abroad,
        Family.TAKEOVER: attack_stories.takeover,
        Family.SPRAY: attack_stories.spray,
        Family.SPRAY_HIT: attack_stories.spray_hit,
        Family.QUIET_USE: attack_stories.quiet_use,
        Family.MFA_HELD: attack_stories.mfa_held,
        Family.MFA_FATIGUE: attack_stories.mfa_fatigue,
        Family.NEW_VICTIMS: attack_stories.new_victims,
        Family.MIMICRY: attack_stories.mimicry,
        Family.LEGACY_TAKEOVER: attack_stories.legacy_takeover,
        Family.PASSWORD_GRANT: attack_stories.password_grant,
        Family.TINY_CLEAN: company_stories.tiny_clean,
        Family.TINY_FAILURES: company_stories.tiny_failures,
        Family.TINY_INTRUSION: attack_stories.tiny_intrusion,
        Family.NO_ROWS: company_stories.no_rows,
        Family.BUSINESS_TRIP: journeys.business_trip,
        Family.LONG_JOURNEY: journeys.long_journey,
        Family.DEVICE_LEFT_AT_HOME: journeys.device_left_at_home,
        Family.HOLIDAYS: journeys.holidays,
        Family.FOREIGN_STAFF: journeys.foreign_staff,
        Family.SCATTERED_STAFF: journeys.scattered_staff,
        Family.MOVER: journeys.mover,
        Family.BORDER_COMMUTERS: journeys.border_commuters,
        Family.NEW_HIRES: journeys.new_hires,
        Family.NEW_HIRES_ABROAD: journeys.new_hires_abroad,
        Family.FOREIGN_EGRESS: detours.foreign_egress,
        Family.SWITCHED_EGRESS: detours.switched_egress,
        Family.ROAMING_CARRIER: detours.roaming_carrier,
        Family.MISLOCATED_DAY: detours.mislocated_day,
        Family.PRIVATE_RELAY: detours.private_relay,
        Family.CLOUD_CONNECTOR: detours.cloud_connector,
        Family.SHARED_KIOSKS: frictions.shared_kiosks,
        Family.FORCED_RESET: frictions.forced_reset,
        Family.RARE_GUESTS: frictions.rare_guests,
        Family.BACKGROUND_SPRAY: frictions.background_spray,
        Family.STOPPED_AT_THE_SECOND_FACTOR: frictions.stopped_at_the_second_factor,
        Family.UNUSED_MAILBOXES: frictions.unused_mailboxes,
        Family.PHISHED: intrusions.phished,
        Family.SESSION_THEFT: intrusions.session_theft,
        Family.TOKEN_REPLAY: intrusions.token_replay,
        Family.SLOW_TAKEOVER: intrusions.slow_takeover,
        Family.TAKEN_WHILE_TRAVELLING: intrusions.taken_while_travelling,
        Family.DORMANT_ACCOUNT: intrusions.dormant_account,
        Family.ROTATING_PROXIES: intrusions.rotating_proxies,
        Family.SUCCESSFUL_SPRAY: intrusions.successful_spray,
        Family.LOCAL_INTRUDER: intrusions.local_intruder,
        Family.OWN_RULES: deceptions.own_rules,
        Family.MAIL_FRAUD: deceptions.mail_fraud,
        Family.CONSENT_PHISHING: deceptions.consent_phishing,
        Family.CONSENT_UNSEEN: deceptions.consent_unseen,
    }
)
"""Who tells each whole case. A family that stands here needs nothing else to be generated, damaged and labelled."""

TOPICS: Mapping[Family, str] = MappingProxyType({Family.OCULUS: "breach", Family.HEALTHY: "breach"})
"""Families that tell the same story from the same chance; every other family has a stream of its own name."""


def tell(family: Family, seed: int, *, mfa_steps: bool) -> Story:
    """The story of a whole-case family. ``mfa_steps`` speaks of the attacker and matters only where there is one."""
    return STORIES[family](Setting(Draws(seed, TOPICS.get(family, family.value)), mfa_steps))
