"""What an announcement changes, of what, and from when."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.schema_changes import ChangeKind
from m365dq_dagster.core.vendor_announcements import announced, effective_day, surfaces_of
from m365dq_dagster.core.vendor_pages import Entry

K = ChangeKind


def entry(title: str, text: str = "", kind: str = "") -> Entry:
    return {"title": title, "text": text, "type": kind}


@pytest.mark.parametrize(
    ("title", "text", "typed", "kind", "before", "after"),
    [
        (
            "The operation FileDeleted is renamed to FileRecycled",
            "",
            "",
            K.OPERATION_RENAMED,
            "FileDeleted",
            "FileRecycled",
        ),
        (
            "SharePoint logs FileRecycled instead of FileDeleted",
            "",
            "",
            K.OPERATION_RENAMED,
            "FileDeleted",
            "FileRecycled",
        ),
        ("New feature", "`riskState` was replaced by `riskStatus`.", "", K.FIELD_RENAMED, "riskState", "riskStatus"),
        (
            "Risk event types",
            "impossibleTravel is now called mcasImpossibleTravel.",
            "",
            K.ENUM_VALUE_RENAMED,
            "impossibleTravel",
            "mcasImpossibleTravel",
        ),
        (
            "Property differences",
            "TargetUpdatedProperties moved from ExtendedProperties to ModifiedProperties.",
            "",
            K.FIELD_MOVED,
            "ExtendedProperties",
            "ModifiedProperties",
        ),
        ("Azure Active Directory gets a new name", "It is Microsoft Entra now.", "", K.TEXT_ONLY, "", ""),
        (
            "Deprecated: mfaDetail",
            "mfaDetail is replaced by authenticationDetails.",
            "Deprecated",
            K.FIELD_RENAMED,
            "mfaDetail",
            "authenticationDetails",
        ),
        ("Retention of audit records grows from 90 days to 180 days", "", "", K.RETENTION, "90 days", "180 days"),
        ("Audit log retention", "Records are kept for 180 days.", "", K.RETENTION, "", "180 days"),
        ("Retention labels", "Sign-ins are retained as long as you like.", "", None, "", ""),
        ("An E5 feature for E3", "MailItemsAccessed is now generated for E3 customers.", "", K.LICENCE, "", ""),
        ("Sign-in logs show another behaviour", "The status will contain a word.", "", K.SEMANTICS, "", ""),
        ("Old thing", "The service will be removed on May 31, 2026.", "Plan for change", K.RETIREMENT, "", ""),
        ("Old thing", "Old things are no longer supported there.", "Changed feature", None, "", ""),
        ("Nicer colours", "Logs now show them.", "New feature", None, "", ""),
        ("A new switch for Search-UnifiedAuditLog", "", "New feature", K.SEMANTICS, "", ""),
        ("Sign-in rows were lost", "Sign-in logs of that day are incomplete.", "", K.LOG_GAP, "", ""),
        ("Some parcels are missing", "The post lost data.", "", None, "", ""),
        ("Get-MessageTrace is replaced by Get-MessageTraceV2", "It retires in May 2026.", "", K.RETIREMENT, "", ""),
        ("Get-MessageTrace is replaced by Get-MessageTraceV2", "", "", None, "", ""),
        (
            "It is now called better",
            "FileDeleted is renamed to FileRecycled.",
            "",
            K.OPERATION_RENAMED,
            "FileDeleted",
            "FileRecycled",
        ),
        ("A meeting", "Come.", "", None, "", ""),
    ],
)
def test_the_kind_of_an_announcement(
    title: str, text: str, typed: str, kind: ChangeKind | None, before: str, after: str
) -> None:
    told = announced(entry(title, text, typed))
    assert (told.kind if told else None) is kind
    if told:
        assert (told.before, told.after) == (before, after)


@pytest.mark.parametrize(
    ("title", "text", "day"),
    [
        ("A retires by May 31, 2026", "Announced on January 2, 2026.", date(2026, 5, 31)),
        ("A retires", "Updated January 27, 2026: it will end on December 1, 2026.", date(2026, 12, 1)),
        ("A retires", "The day was moved from March 1, 2026 to September 1, 2026.", date(2026, 9, 1)),
        ("A retires", "See the plan (2026-03-01).", date(2026, 3, 1)),
        ("A retires", "Published: 2026-03-01.", None),
        ("A retires", "", None),
    ],
)
def test_the_day_from_which_it_holds_and_not_the_day_on_which_it_was_told(
    title: str, text: str, day: date | None
) -> None:
    assert effective_day(entry(title, text)) == day


def test_a_day_by_which_to_act_comes_first() -> None:
    assert effective_day({**entry("A retires by May 31, 2026"), "effective": "2026-04-01"}) == date(2026, 4, 1)


def test_a_newer_version_of_a_command_is_not_the_old_one() -> None:
    assert [surface.name for surface in surfaces_of("Get-MessageTraceV2 is here; Get-MessageTrace ends")] == [
        "Get-MessageTrace"
    ]
    assert [surface.name for surface in surfaces_of("basic authentication for SMTP AUTH")] == [
        "SMTP AUTH with basic authentication"
    ]


ORDINARY = (
    ("General Availability - Agents in the portal", "New feature", "You can manage agents from January 2026 on."),
    (
        "Public Preview - Protected actions for deletions",
        "New feature",
        "Policies can now protect against early deletion.",
    ),
    (
        "General Availability - Connect Sync 2.5",
        "Changed feature",
        "Released January 15, 2026; upgrades in February 2026.",
    ),
    ("Public Preview - Exportable elevation events", "New feature", "Elevations are exported with audit logs now."),
    ("Deprecated - Old wizard of My Apps retires", "Deprecated", "The wizard is turned off in March 2026."),
    (
        "Public Preview - Partner sign-ins are easier to see",
        "New feature",
        "Columns of the sign-in logs show by default.",
    ),
    ("Fixed - Wrong colour in the portal", "Fixed", "An incorrect value of a button was fixed."),
    ("General Availability - Names of groups", "New feature", "Groups can be renamed and rebranded."),
)


@pytest.mark.parametrize(("title", "typed", "text"), ORDINARY)
def test_ordinary_release_notes_change_nothing_that_is_read(title: str, typed: str, text: str) -> None:
    told = announced(entry(title, text, typed))
    assert told is None or (told.kind in (K.RETIREMENT, K.TEXT_ONLY) and not told.surfaces)


@given(
    st.text(max_size=300), st.text(max_size=2_000), st.sampled_from(["", "New feature", "Deprecated", "planForChange"])
)
def test_any_announcement_is_read_without_a_fault(title: str, text: str, typed: str) -> None:
    announced(entry(title, text, typed))
