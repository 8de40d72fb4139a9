"""The words of the quarterly report, for the screen, the HTML page and Markdown alike, and the Markdown itself. What is
due is judged in `core.maintenance`.

Evidence is hostile: a value may hold anything, so Markdown gets it on one line and without characters that mean
something there. Escaping for HTML belongs to the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from m365dq_dagster.core.maintenance import (
    MaintenanceReport,
    Matter,
    Step,
    Topic,
    UnknownValue,
    what_it_looks_like,
    what_stands_beside,
)
from m365dq_dagster.core.narrative import plural, some
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.sightings import BY_KEY

ROWS_SHOWN = 25
"""Matters of one step on the page; all of them stand in report.json."""
CASES_NAMED = 5
MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!])")
APPROVE = "m365dq codes approve --from {file}"
RUNBOOK = "docs/runbooks/quarterly-maintenance.md"


@dataclass(frozen=True)
class Words:
    """A topic in words: one matter and several, what they are, what is done about them, and the commands for it."""

    one: str
    many: str
    title: str
    means: str
    do: str
    commands: tuple[str, ...] = ()


WORDS: Mapping[Topic, Words] = MappingProxyType(
    {
        Topic.UNKNOWN_CODES: Words(
            "unknown code",
            "unknown codes",
            "Unknown codes",
            "Seen in evidence and in no table in force. Rows that hold one count as unknown, and colour every verdict "
            "that leans on them.",
            "Decide on each: write approve or reject into the column decision of decisions.csv.",
            (APPROVE,),
        ),
        Topic.UNKNOWN_VALUES: Words(
            "unknown value",
            "unknown values",
            "Unknown words, clients, operations and record types",
            "Values of fields with a closed list that the list does not hold.",
            "Look each up; add what the vendor documents, leave what is a fault of the export.",
            ("m365dq codes add LOG_TYPE FIELD VALUE --category C --severity S --meaning TEXT",),
        ),
        Topic.PENDING: Words(
            "pending proposal",
            "pending proposals",
            "Proposals that wait",
            "Rows that nobody has decided on; the judge does not know them. A CRITICAL one needs a second person.",
            "Decide on each in decisions.csv.",
            (APPROVE,),
        ),
        Topic.SCHEMA: Words(
            "schema change",
            "schema changes",
            "What Microsoft changed",
            "Fields, values and operations that came, went or changed their name, in imports or in the vendor's pages.",
            "Extend the format, the values or the operations where something of ours reads it, then close the change.",
            ("m365dq schema close NUMBER --reason TEXT",),
        ),
        Topic.DARK_RULES: Words(
            "entry on dark fields",
            "entries on dark fields",
            "Rules whose fields went dark",
            "Fields that rules and verifiers look at, and that no case of the last days could hear although it held "
            "their log.",
            "See why in the newest case; an export that lost a column is mended at its source.",
            ("m365dq show CASE fields",),
        ),
        Topic.LOCAL: Words(
            "local change to reconcile",
            "local changes to reconcile",
            "Local changes under which the shipped row moved",
            "The local row is in force; the shipped one has changed since it was written.",
            "Compare both, then correct or delete the local row.",
        ),
        Topic.CORRECTIONS: Words(
            "proposal from corrections",
            "proposals from corrections",
            "What corrected conclusions suggest",
            "The same field misled more than once. Nothing is applied by itself.",
            "Try the rule on the labelled cases, then put it into the local rules or leave it.",
            ("m365dq validate",),
        ),
        Topic.OVERRIDES: Words(
            "override in force",
            "overrides in force",
            "Overrides in force",
            "Cases that are judged although the gate says no. Each ends by itself on its day.",
            "Ask whether it is still needed.",
            ("m365dq show CASE quality",),
        ),
        Topic.NOT_VALIDATED: Words(
            "code to validate",
            "codes to validate",
            "Codes in use that nobody validated for a year",
            "Seen in evidence, and last compared with the vendor's page more than a year ago; the most used first.",
            "Look each up in the vendor's reference; propose a change where it says something else.",
            ("m365dq codes lookup VALUE",),
        ),
        Topic.DEPRECATED: Words(
            "withdrawn code still seen",
            "withdrawn codes still seen",
            "Withdrawn, and still seen",
            "Marked as withdrawn by the vendor, yet in evidence of the last days.",
            "Check the mark: old exports may hold them, new ones should not.",
            ("m365dq codes lookup VALUE",),
        ),
        Topic.NOT_SEEN: Words(
            "code not seen for a year",
            "codes not seen for a year",
            "Once seen, and not for a year",
            "They keep their rows, because old evidence holds them.",
            "Deprecate those that the vendor withdrew.",
            ("m365dq codes deprecate LOG_TYPE FIELD VALUE",),
        ),
    }
)


def headline(report: MaintenanceReport) -> str:
    """The report in one sentence, for whoever reads only that."""
    if not report.due:
        return f"{report.quarter}: nothing is due; {owner(report)}."
    what = ", ".join(counted(step) for step in report.due[:3])
    more = f" and {plural(len(report.due) - 3, 'more step')}" if len(report.due) > 3 else ""
    left = sum(step.left for step in report.steps)
    rest = f"; {plural(left, 'matter')} can wait for another sitting" if left else ""
    return f"{report.quarter}: {what}{more}; about {report.minutes} minutes{rest}."


def owner(report: MaintenanceReport) -> str:
    """Who answers for it."""
    return f"{report.owner} answers for it" if report.owner else "nobody is named as its owner"


def counted(step: Step) -> str:
    """A step's matters with their count."""
    words = WORDS[step.topic]
    return plural(len(step.matters), words.one, words.many)


def told(step: Step) -> str:
    """A step of the checklist, with its count."""
    if not step.matters:
        return f"{WORDS[step.topic].title}: none."
    rest = f" The first {step.today} fit this sitting." if step.left and step.today else ""
    rest = rest or (" They wait for another sitting." if step.left else "")
    return f"{counted(step)[:1].upper()}{counted(step)[1:]}. {WORDS[step.topic].do}{rest}"


def prove(report: MaintenanceReport) -> str:
    """The last step: what is in force is tried on the labelled cases."""
    return f"Prove it: m365dq validate, then run open cases again; {plural(report.prove_minutes, 'minute')} of yours."


def again(report: MaintenanceReport) -> str:
    """That the quarter's cycle was gone through before; '' where it was not."""
    if not report.earlier:
        return ""
    last = report.earlier[-1]
    return (
        f"The cycle of {report.quarter} was gone through before, last on {last.made_at:%Y-%m-%d} by {last.actor}; this "
        "one made its report anew, and counted and proposed nothing twice."
    )


def documents(report: MaintenanceReport) -> str:
    """What became of the vendor's pages."""
    found = report.documents
    if not found.asked:
        return (
            "Nobody gave the vendor's pages, so what Microsoft announced was not looked at; save them into a folder "
            "and name it with --documents."
        )
    trouble = f"; {plural(len(found.trouble), 'remark')} on what could not be used" if found.trouble else ""
    return f"{plural(found.read, 'page')} of the vendor read, {plural(found.new, 'new change')}{trouble}."


def cases(names: Sequence[str]) -> str:
    """A few cases by name, the rest counted."""
    return some(names, CASES_NAMED)


def seen(value: UnknownValue) -> str:
    """How often and when a value was seen."""
    between = ""
    if value.first_event and value.last_event:
        first, last = _day(value.first_event), _day(value.last_event)
        between = f", events of {first}" + ("" if first == last else f" to {last}")
    where = f"{plural(value.rows, 'row')} in {plural(len(value.cases), 'case')} ({cases(value.cases)})"
    return f"{where}{between}; last judged {_day(value.last_sighted)}."


def evidence(value: UnknownValue) -> tuple[str, ...]:
    """What speaks for an unknown value's meaning: where it was seen, what stands beside it, what that looks like."""
    if not any(field in BY_KEY and BY_KEY[field].kind.alerts for field in value.fields):
        return (seen(value),)
    return tuple(filter(None, (seen(value), what_stands_beside(value.beside), what_it_looks_like(value.beside))))


def place(fields: Sequence[tuple[str, str]]) -> str:
    """Where a value stands."""
    return ", ".join(f"{log_type}.{field}" for log_type, field in fields)


def commands(step: Step, decisions: str) -> list[str]:
    """The commands of a step; `decisions` is the file that takes the decisions, as a shell reads it."""
    return [one.replace("{file}", decisions) for one in WORDS[step.topic].commands]


def waits(report: MaintenanceReport) -> bool:
    """Whether something waits for an approval."""
    return bool(report.step(Topic.UNKNOWN_CODES).matters or report.step(Topic.PENDING).matters)


def next_step(report: MaintenanceReport, decisions: str) -> str:
    """What to do now, as one sentence with its command."""
    return (
        f"read the report, fill the column decision of {decisions}, then {APPROVE.replace('{file}', decisions)}"
        if waits(report)
        else "read the report and work off its steps; nothing waits for an approval"
    )


def markdown(report: MaintenanceReport, decisions: str = "decisions.csv") -> str:
    """The report as a page in Markdown."""
    lines = [f"# Maintenance {report.quarter}", "", _plain(headline(report)), ""]
    made = f"Made {report.generated_at:%Y-%m-%d %H:%M} UTC for {_plain(report.actor)}"
    lines += [
        f"{made}, rule pack `{_code(report.rule_pack)}`; {_plain(owner(report))}. {_plain(documents(report))}",
        "",
    ]
    lines += [f"> {_plain(again(report))}", ""] if report.earlier else []
    lines += ["## Checklist", ""]
    lines += [f"{step.number}. [{_box(step)}] {_plain(told(step))} ({step.minutes} min)" for step in report.steps]
    lines += [f"{len(report.steps) + 1}. [ ] {_plain(prove(report))}", ""]
    lines += [f"- {_plain(note)}" for note in report.notes] + ([""] if report.notes else [])
    lines += [f"- not read: {_plain(one)}" for one in report.documents.trouble]
    lines += [""] if report.documents.trouble else []
    for step in report.due:
        lines += _section(step, decisions)
    return "\n".join(lines).rstrip() + "\n"


def _section(step: Step, decisions: str) -> list[str]:
    words = WORDS[step.topic]
    lines = [f"## {step.number}. {words.title}", "", f"{words.means} {words.do}", ""]
    found = commands(step, decisions)
    lines += ["```", *found, "```", ""] if found else []
    for matter in step.matters[:ROWS_SHOWN]:
        lines += _matter(matter)
    rest = len(step.matters) - ROWS_SHOWN
    return [*lines, *([f"- and {rest} more, in report.json"] if rest > 0 else []), ""]


def _matter(matter: Matter) -> list[str]:
    where = f" in {_plain(matter.where)}" if matter.where else ""
    proposal = [f"  - Proposed: {_plain(matter.proposal)}"] if matter.proposal else []
    first = f"- `{_code(matter.subject)}`{where} ({matter.severity})"
    return [first, *(f"  - {_plain(fact)}" for fact in matter.facts), *proposal]


def _box(step: Step) -> str:
    return " " if step.matters else "x"


def _plain(text: str) -> str:
    """Text from evidence as Markdown prose: no markup, no line of its own."""
    return MARKUP.sub(r"\\\1", one_line(text, 1200))


def _code(text: str) -> str:
    """Text from evidence inside a code span, which it cannot end."""
    return one_line(text).replace("`", "'")


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
