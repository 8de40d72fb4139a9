"""What a page is and says, by its content alone."""

from dataclasses import replace

import pytest

from m365dq_dagster.adapters.vendor_markup import parse
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.vendor_pages import DocumentIssue, DocumentReason, Page, PageKind, Snapshot
from m365dq_dagster.core.vendor_readers import read_page
from tests.support.vendor_pages import (
    activity_page,
    code_page,
    code_page_html,
    html,
    notes_page,
    read,
    resource_page,
    retention_page,
    schema_page,
    table,
)


def problem(text: str, expected: PageKind | None = None) -> DocumentIssue:
    page = parse(text.encode(), "saved.html")
    assert isinstance(page, Page)
    found = read_page(page, "saved.html", expected)
    assert isinstance(found, DocumentIssue), found
    assert found.sentence.startswith("saved.html: the document ")
    assert found.severity is Severity.WARNING
    return found


# Codes


def test_codes_are_read_alike_from_markdown_html_text_csv_and_json() -> None:
    codes = {
        "50126": "InvalidUserNameOrPassword - Wrong password.",
        "50034": "No such user.",
        "9002341": "Asked for consent.",
    }
    entries = read(code_page(codes)).entries

    assert entries["50126"] == {
        "name": "InvalidUserNameOrPassword",
        "text": "InvalidUserNameOrPassword - Wrong password.",
    }
    assert read(code_page_html(codes)).entries == entries
    assert read("Codes of Entra\n\n" + "\n\n".join(f"AADSTS{c}: {t}" for c, t in codes.items())).entries == entries
    assert read("code,text\n" + "".join(f"{c},{t}\n" for c, t in codes.items())).entries == entries
    assert read(str([{"Error code": c, "Message": t} for c, t in codes.items()]).replace("'", '"')).entries == entries


def test_a_code_that_stands_twice_is_told_and_its_first_text_counts() -> None:
    rows = [["AADSTS700084", "One."], ["AADSTS700084", "Other."], ["AADSTS50126", "A"], ["AADSTS50034", "B"]]
    found = read("# Sign-in error codes\n\n" + table(["Error", "Description"], rows))
    assert found.twice == ("700084",)
    assert found.entries["700084"] == {"text": "One."}


def test_without_a_column_of_text_the_other_cells_are_the_text() -> None:
    rows = [[f"AADSTS5003{n}", "a", "b"] for n in range(4)]
    assert read(table(["Error", "Cause", "Fix"], rows)).entries["50031"] == {"text": "a b"}


@pytest.mark.parametrize(
    "text",
    [
        "# Disk errors\n\n" + table(["Error", "Description"], [["1001", "a"], ["1002", "b"], ["1003", "c"]]),
        "# Entra notes\n\n" + table(["Error", "Description"], [["invalid_grant", "a"], ["AADSTS50126", "b"]]),
        "# Entra notes\n\n" + table(["Kind", "Text"], [["50126", "a"], ["50034", "b"], ["50053", "c"]]),
        "# Help\n\nAADSTS50058 may show.\n\nAADSTS50126: wrong password",
    ],
)
def test_other_numbers_and_mentions_of_a_code_are_no_list_of_codes(text: str) -> None:
    assert problem(text).reason in (DocumentReason.NOT_RECOGNISED, DocumentReason.EMPTY_TABLE)


# Resources


def test_a_resource_is_its_properties_with_their_values_and_the_members_of_its_enumerations() -> None:
    text = resource_page(
        "signIn",
        {"riskState": "Possible values are: `none`, `atRisk`, or `hidden`. Use `none` else.", "id": "Its id.", "": "x"},
        {"riskEventType": ["newCountry", "-"], "Members": ["one"]},
    )
    found = read(text)

    assert (found.kind, found.subject) == (PageKind.RESOURCE, "signIn")
    assert found.entries["property:riskState"]["values"] == "atRisk|hidden|none"
    assert "values" not in found.entries["property:id"]
    assert {"value:riskEventType.newCountry", "value:signIn.one"} <= found.entries.keys()


def test_the_two_versions_of_a_resource_are_two_subjects() -> None:
    assert read(resource_page("signIn", {"id": "x"}, beta=True)).subject == "signIn beta"


def test_a_page_of_graph_without_its_usual_title_is_known_by_its_namespace() -> None:
    text = resource_page("signIn", {"id": "x"}).replace("# signIn resource type", "# Sign-ins in detail")
    assert read(text).subject == "Sign-ins"


def test_deprecated_names_say_what_takes_their_place() -> None:
    found = read(
        resource_page(
            "signIn", {"a1": "Deprecated. Use the b2 property instead.", "c3": "Obsolete.", "d4": "Deprecated; use it."}
        )
    )
    assert found.entries["property:a1"]["replaced"] == "b2"
    assert found.entries["property:c3"]["deprecated"] == "yes"
    assert "replaced" not in found.entries["property:d4"]


# The audit log


def test_a_schema_is_its_record_types_fields_and_values() -> None:
    text = (
        schema_page({"1": ("ExchangeAdmin", "Admin.")}, {"STS logon schema": {"ErrorNumber": "Code.", "": "x"}})
        + "\n### Enum: UserType - Type: Edm.Int32\n\n"
        + table(["Value", "Member name", "Description"], [["0", "Regular", "A person."], ["", "|", "nothing"]])
        + "\n### Enum: SharePointAuditOperation\n\n"
        + table(["Member name", "Description"], [["FileAccessed", "Opened."]])
        + "\n### Others\n\n"
        + table(["Property", "Words"], [["x", "y"]])
    )
    found = read(text)

    assert found.kind is PageKind.AUDIT
    assert set(found.entries) == {
        "record_type:1",
        "field:STS logon schema.ErrorNumber",
        "value:UserType.0",
        "operation:FileAccessed",
    }


def test_activities_are_their_operations_also_where_a_cell_holds_several() -> None:
    found = read(activity_page({"Add user.": "A user.", "`Copy`, `Set-Mailbox` or Move": "Several.", "-": "None."}))
    assert set(found.entries) == {"operation:Add user.", "operation:Copy", "operation:Set-Mailbox", "operation:Move"}


# Retention


def test_retention_is_read_from_tables_and_sentences() -> None:
    text = retention_page(
        {"Sign-ins": ["Seven days", "30 days", "30 days"], "Risky users": ["No limit", "x", "-"], "": ["1 day", "", ""]}
    )
    text += (
        "\nAudit (Premium) records are retained for one year. Audit (Standard) says nothing. It is kept for 3 days.\n"
    )
    found = read(text)

    assert found.kind is PageKind.RETENTION
    assert {key: entry["days"] for key, entry in found.entries.items()} == {
        "Sign-ins | Free": "7",
        "Sign-ins | P1": "30",
        "Sign-ins | P2": "30",
        "Audit (Premium)": "365",
    }


@pytest.mark.parametrize("line", ["Last updated on January 6, 2026", "Updated: 2026-01-06"])
def test_a_page_that_says_when_it_was_updated_is_no_announcement_for_that(line: str) -> None:
    text = f"# Data retention\n\n{line}\n\n" + table(["Report", "Free"], [["Sign-ins", "Seven days"]])
    assert read(text).kind is PageKind.RETENTION


def test_a_table_of_lengths_of_something_else_is_no_retention() -> None:
    assert (
        problem("# Bread\n\n" + table(["Loaf", "Baking"], [["Rye", "2 days"]])).reason is DocumentReason.NOT_RECOGNISED
    )


# Pages that are not what they claim


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (html("Sign in to your account", "<input type=password>"), DocumentReason.SIGN_IN_PAGE),
        (html("Log in", "<p>User name</p>"), DocumentReason.SIGN_IN_PAGE),
        (html("404 - Page not found", "<p>Sorry.</p>"), DocumentReason.ERROR_PAGE),
        (html("Service unavailable", ""), DocumentReason.ERROR_PAGE),
        ('{"error": {"code": "Unauthorized", "message": "No token"}}', DocumentReason.ERROR_PAGE),
        ("<html><head></head><body></body></html>", DocumentReason.EMPTY),
        (
            html("Authentication and authorization error codes", "<table><tr><th>Error</th></tr></table>"),
            DocumentReason.EMPTY_TABLE,
        ),
        ("# signIn resource type\n\nNothing here.", DocumentReason.EMPTY_TABLE),
        ("# Audit log activities\n\nNothing here.", DocumentReason.EMPTY_TABLE),
        ("# What's new\n\nNothing here.", DocumentReason.EMPTY_TABLE),
        ("# Data retention\n\nNothing here.", DocumentReason.EMPTY_TABLE),
        ("# A recipe\n\nTake flour.", DocumentReason.NOT_RECOGNISED),
        ("Take flour.", DocumentReason.NOT_RECOGNISED),
        (code_page_html({"50126": "a", "50034": "b", "50053": "c"}).replace("</html>", ""), DocumentReason.CUT_SHORT),
    ],
)
def test_a_page_that_is_not_what_it_claims_says_so_and_what_to_do(text: str, reason: DocumentReason) -> None:
    assert problem(text).reason is reason


def test_the_notice_on_every_page_that_access_may_need_a_sign_in_makes_no_sign_in_page() -> None:
    assert read(code_page_html({"50126": "a", "50034": "b", "50053": "c"})).kind is PageKind.CODES


def test_a_page_that_was_asked_for_as_another_kind_is_refused_and_an_empty_one_says_as_what_it_was_asked_for() -> None:
    found = problem(code_page({"50126": "a"}), PageKind.NOTES)
    assert found.reason is DocumentReason.OTHER_KIND
    assert "should be release notes" in found.sentence
    assert problem("# Hello\n\nYou.", PageKind.CODES).reason is DocumentReason.EMPTY_TABLE


def test_a_snapshot_comes_back_from_json_as_it_went() -> None:
    found = read(notes_page([("May 2025", "Deprecated", "A thing retires", "On May 31, 2025.")]))
    assert Snapshot.from_json(found.as_json()) == found
    assert replace(found, twice=("1",)) == found
