from dataclasses import replace
from datetime import UTC, datetime

from m365dq_dagster.core.maintenance import (
    DocumentsRead,
    EarlierCycle,
    MaintenanceReport,
    Matter,
    Topic,
    UnknownValue,
    steps_of,
)
from m365dq_dagster.core.maintenance_page import ROWS_SHOWN, WORDS, again, headline, markdown, next_step, seen, told

NOW = datetime(2026, 5, 2, 3, 0, tzinfo=UTC)


def report(found: dict[Topic, list[Matter]]) -> MaintenanceReport:
    return MaintenanceReport("2026Q2", "o@corp.example", "ada", NOW, "sha256:0", 90, 365, steps_of(found))


def some(number: int, **given: object) -> list[Matter]:
    return [Matter(str(one), "sign_in_logs.status_error_code", ("A fact.",), **given) for one in range(number)]


def test_every_topic_has_words() -> None:
    assert set(WORDS) == set(Topic)


def test_the_headline_says_what_is_due_and_how_long_it_takes() -> None:
    made = report({Topic.UNKNOWN_CODES: some(2), Topic.SCHEMA: some(1)})
    assert headline(made) == "2026Q2: 2 unknown codes, 1 schema change; about 7 minutes."
    many = report({topic: some(1) for topic in Topic})
    assert headline(many).startswith("2026Q2: 1 unknown code, 1 unknown value, 1 pending proposal and 8 more steps;")
    left = report({Topic.UNKNOWN_CODES: some(50)})
    assert headline(left).endswith("about 30 minutes; 32 matters can wait for another sitting.")


def test_a_quiet_quarter_says_so_and_whose_it_is() -> None:
    assert headline(report({})) == "2026Q2: nothing is due; o@corp.example answers for it."
    assert "nobody is named as its owner" in headline(replace(report({}), owner=""))


def test_a_step_that_does_not_fit_says_what_does() -> None:
    full = report({Topic.UNKNOWN_CODES: some(50), Topic.PENDING: some(2)})
    assert told(full.step(Topic.UNKNOWN_CODES)).endswith("The first 18 fit this sitting.")
    assert told(full.step(Topic.PENDING)).endswith("They wait for another sitting.")
    assert told(full.step(Topic.SCHEMA)) == "What Microsoft changed: none."


def test_a_second_cycle_of_a_quarter_says_that_it_is_one() -> None:
    made = replace(report({}), earlier=(EarlierCycle("bob", NOW),))
    assert "last on 2026-05-02 by bob" in again(made)
    assert "> The cycle of 2026Q2 was gone through before" in markdown(made)
    assert again(report({})) == ""


def test_the_page_is_a_checklist_with_its_commands() -> None:
    page = markdown(report({Topic.UNKNOWN_CODES: some(1, proposal="category unknown.")}), "/x/decisions.csv")
    for line in (
        "# Maintenance 2026Q2",
        "1. [ ] 1 unknown code. Decide on each: write approve or reject into the column decision of decisions.csv. "
        "(2 min)",
        "2. [x] Unknown words, clients, operations and record types: none. (0 min)",
        "## 1. Unknown codes",
        "m365dq codes approve --from /x/decisions.csv",
        "- `0` in sign\\_in\\_logs.status\\_error\\_code (INFO)",
        "  - A fact.",
        "  - Proposed: category unknown.",
    ):
        assert line in page.splitlines()


def test_a_long_list_is_cut_and_its_rest_counted() -> None:
    page = markdown(report({Topic.NOT_SEEN: some(ROWS_SHOWN + 3)}))
    assert page.count("  - A fact.") == ROWS_SHOWN
    assert "- and 3 more, in report.json" in page


def test_pages_that_could_not_be_read_and_counts_are_told() -> None:
    made = replace(report({}), documents=DocumentsRead(True, 2, ("a <b> page",)), notes=("7 codes.",))
    page = markdown(made)
    assert "2 pages of the vendor read, 0 new changes; 1 remark on what could not be used." in page
    assert "- not read: a \\<b\\> page" in page
    assert "- 7 codes." in page


def test_hostile_values_cannot_break_the_page() -> None:
    evil = Matter("1`\n# owned", "x](http://e.example)<script>", ("*a*\n- [ ] b",), "`c` | d")
    page = markdown(report({Topic.UNKNOWN_CODES: [evil]}))
    assert "- `1' # owned` in x\\]\\(http" not in page
    assert "- `1' # owned` in x\\](http://e.example)\\<script\\> (INFO)" in page
    assert "\n# owned" not in page
    assert "\n- [ ] b" not in page


def test_a_value_is_seen_between_its_events() -> None:
    value = UnknownValue((("a", "b"),), "1", 3, tuple("abcdefg"), NOW, NOW.replace(day=4), NOW, NOW)
    assert seen(value) == (
        "3 rows in 7 cases (a, b, c, d, e and 2 more), events of 2026-05-02 to 2026-05-04; last judged 2026-05-02."
    )
    assert ", events of 2026-05-02;" in seen(replace(value, last_event=NOW))
    assert "events" not in seen(replace(value, first_event=None))


def test_the_next_step_names_the_command_where_something_waits_for_approval() -> None:
    assert "codes approve --from d.csv" in next_step(report({Topic.PENDING: some(1)}), "d.csv")
    assert "nothing waits for an approval" in next_step(report({Topic.SCHEMA: some(1)}), "d.csv")
