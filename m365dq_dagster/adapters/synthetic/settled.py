"""Which cases an analyst can settle: whether somebody else than the owner used an account, from an intact export alone.

Here belongs one judgement a family, made from its story by an incident responder's reading, never from what a program
makes of its evidence. Whom the story harms belongs to ``story``; what a damage leaves readable belongs to ``labels``.

The yardstick is what can be said with good confidence and without asking anybody. A place abroad alone settles nothing,
since owners travel and rent private networks. What settles without the names of devices is guessing or refused prompts
before a success, one strange address on several accounts, several countries at once, or, for the innocent, a pattern
that the whole staff shares or that stands from the first day to the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from .corpus import CaseOrder
from .vocabulary import Family


class Settled(StrEnum):
    """What an intact export must come with, so that it settles the question."""

    ALWAYS = "always"
    DEVICES = "where devices are named"
    HOME = "where home is named"
    """A case.toml names the home countries."""
    AUDIT = "with the audit log"
    NEVER = "never"


class Judgement(NamedTuple):
    """When a family is settled, and what settles it or what is missing."""

    settled: Settled
    reason: str


JUDGEMENTS: Mapping[Family, Judgement] = MappingProxyType(
    {
        Family.OCULUS: Judgement(
            Settled.ALWAYS, "one crew on eight accounts, whose owners are at work at home meanwhile"
        ),
        Family.HEALTHY: Judgement(
            Settled.ALWAYS, "one crew on eight accounts, whose owners are at work at home meanwhile"
        ),
        Family.ALL_BLOCKED: Judgement(Settled.ALWAYS, "nobody signed in at all"),
        Family.SINGLE_COUNTRY: Judgement(Settled.ALWAYS, "everybody at their own addresses for weeks"),
        Family.MOSTLY_SUCCESS: Judgement(Settled.ALWAYS, "everybody at their own addresses for weeks"),
        Family.ONE_USER: Judgement(Settled.ALWAYS, "one person at the same addresses for weeks"),
        Family.OFFICE_LIFE: Judgement(Settled.ALWAYS, "everybody at their own addresses for weeks"),
        Family.FORGOTTEN_PASSWORD: Judgement(
            Settled.ALWAYS, "the failures come from the address of the owner's own phone"
        ),
        Family.SERVICES_ABROAD: Judgement(Settled.ALWAYS, "programs, each by the clock from one address on every day"),
        Family.TAKEOVER: Judgement(
            Settled.ALWAYS, "days of use abroad on shared addresses, owners at work at home meanwhile"
        ),
        Family.SPRAY: Judgement(Settled.ALWAYS, "no guess was right, and every success is at home"),
        Family.SPRAY_HIT: Judgement(Settled.ALWAYS, "successes from the addresses that sprayed"),
        Family.QUIET_USE: Judgement(
            Settled.DEVICES, "a few uses abroad; only the strange machine tells them from the owner"
        ),
        Family.MFA_HELD: Judgement(Settled.ALWAYS, "every try ended at the second factor or at a policy"),
        Family.MFA_FATIGUE: Judgement(Settled.ALWAYS, "many refused prompts before the success, from one place abroad"),
        Family.NEW_VICTIMS: Judgement(
            Settled.DEVICES, "no past to compare with; only scripts and strange browsers tell"
        ),
        Family.MIMICRY: Judgement(
            Settled.DEVICES, "no guesses; the owner's browser on a machine that is not the owner's"
        ),
        Family.LEGACY_TAKEOVER: Judgement(Settled.ALWAYS, "guesses at several accounts, then successes from there"),
        Family.PASSWORD_GRANT: Judgement(Settled.ALWAYS, "guesses at several accounts, then successes from there"),
        Family.TINY_CLEAN: Judgement(
            Settled.HOME, "as few as one sign-in, from a place that only the context calls home"
        ),
        Family.TINY_FAILURES: Judgement(Settled.ALWAYS, "nobody signed in at all"),
        Family.TINY_INTRUSION: Judgement(
            Settled.NEVER, "mostly no row of the owner; one success abroad may be the owner's, on any machine"
        ),
        Family.NO_ROWS: Judgement(Settled.NEVER, "nothing was exported"),
        Family.BUSINESS_TRIP: Judgement(Settled.DEVICES, "only the computer known from home tells a traveller"),
        Family.LONG_JOURNEY: Judgement(Settled.DEVICES, "only the computer known from home tells a traveller"),
        Family.DEVICE_LEFT_AT_HOME: Judgement(
            Settled.DEVICES, "two places at once, which the owner's own machines explain"
        ),
        Family.HOLIDAYS: Judgement(
            Settled.DEVICES, "the phone known from home goes on abroad, while the computer rests"
        ),
        Family.FOREIGN_STAFF: Judgement(
            Settled.ALWAYS, "a team at work by the clock of its country from first day to last"
        ),
        Family.SCATTERED_STAFF: Judgement(
            Settled.ALWAYS, "each account in one country from first day to last, at work hours"
        ),
        Family.MOVER: Judgement(Settled.DEVICES, "everything changes place for good; only the same computer tells"),
        Family.BORDER_COMMUTERS: Judgement(
            Settled.ALWAYS, "several people in the same two countries from first day to last"
        ),
        Family.NEW_HIRES: Judgement(Settled.ALWAYS, "new accounts at home, on the networks of their colleagues"),
        Family.NEW_HIRES_ABROAD: Judgement(Settled.DEVICES, "no past, all abroad; only computers of the company tell"),
        Family.FOREIGN_EGRESS: Judgement(Settled.ALWAYS, "nearly all staff on one or two addresses from the first day"),
        Family.SWITCHED_EGRESS: Judgement(
            Settled.ALWAYS, "nearly all staff change to one or two addresses on the same day"
        ),
        Family.ROAMING_CARRIER: Judgement(Settled.ALWAYS, "the whole staff in the same countries by turns, every day"),
        Family.MISLOCATED_DAY: Judgement(
            Settled.ALWAYS, "the whole staff elsewhere on their usual networks, for one day"
        ),
        Family.PRIVATE_RELAY: Judgement(
            Settled.DEVICES, "two countries by turns on some accounts, from the same machines"
        ),
        Family.CLOUD_CONNECTOR: Judgement(Settled.DEVICES, "quiet reading from abroad, by a program that names itself"),
        Family.SHARED_KIOSKS: Judgement(Settled.ALWAYS, "many people on one address at home"),
        Family.FORCED_RESET: Judgement(Settled.ALWAYS, "the whole staff fails at home on the same days"),
        Family.RARE_GUESTS: Judgement(
            Settled.DEVICES, "a few visits from abroad without a past; the same computer each time"
        ),
        Family.BACKGROUND_SPRAY: Judgement(Settled.ALWAYS, "no guess was right, and every success is at home"),
        Family.STOPPED_AT_THE_SECOND_FACTOR: Judgement(
            Settled.ALWAYS, "every try ended at the second factor or at a policy"
        ),
        Family.UNUSED_MAILBOXES: Judgement(Settled.ALWAYS, "nobody signed in at all"),
        Family.PHISHED: Judgement(
            Settled.ALWAYS, "days of use abroad, mostly after guesses or on several accounts at once"
        ),
        Family.SESSION_THEFT: Judgement(Settled.DEVICES, "quiet use abroad beside the owner; only the script tells"),
        Family.TOKEN_REPLAY: Judgement(Settled.DEVICES, "quiet use abroad beside the owner; only the script tells"),
        Family.SLOW_TAKEOVER: Judgement(
            Settled.DEVICES, "one account, one address abroad, no guess; only the machine tells"
        ),
        Family.TAKEN_WHILE_TRAVELLING: Judgement(
            Settled.DEVICES, "two countries abroad; only machines tell whose is whose"
        ),
        Family.DORMANT_ACCOUNT: Judgement(
            Settled.ALWAYS, "many guesses before the success, on an account that was silent"
        ),
        Family.ROTATING_PROXIES: Judgement(
            Settled.ALWAYS, "four to eight countries within days on one or two accounts"
        ),
        Family.SUCCESSFUL_SPRAY: Judgement(Settled.ALWAYS, "successes from the address that sprayed"),
        Family.LOCAL_INTRUDER: Judgement(Settled.NEVER, "only the owner could tell"),
        Family.OWN_RULES: Judgement(Settled.ALWAYS, "everybody at their own addresses, where the rules were made, too"),
        Family.MAIL_FRAUD: Judgement(
            Settled.ALWAYS, "days of use abroad, mostly after guesses or on two accounts at once"
        ),
        Family.CONSENT_PHISHING: Judgement(
            Settled.AUDIT, "all sign-ins are the owner's; the consent and reading are not"
        ),
        Family.CONSENT_UNSEEN: Judgement(Settled.NEVER, "all sign-ins are the owner's, and nothing else was exported"),
    }
)
"""Every whole-case family. A judgement holds for nearly all cases of its family, whatever the seed."""


def decidable(family: Family, *, devices: bool, context: bool, audit: bool) -> bool:
    """Whether an intact export of a whole-case family settles if somebody else used an account.

    ``devices``: it names devices; ``context``: the home countries are told; ``audit``: the audit log is there.
    """
    return {
        Settled.ALWAYS: True,
        Settled.DEVICES: devices,
        Settled.HOME: context,
        Settled.AUDIT: audit,
        Settled.NEVER: False,
    }[JUDGEMENTS[family].settled]


def plain(family: Family) -> bool:
    """Whether any intact export of a whole-case family settles it, whatever its columns and its context."""
    return JUDGEMENTS[family].settled is Settled.ALWAYS


def settles(order: CaseOrder) -> bool:
    """Whether the case of this order could be settled if its export were intact."""
    return decidable(order.family, devices=order.devices, context=order.context, audit=order.audit_shape is not None)
