"""Bytes to plain blocks: the formats a page may be saved in, and everything that is none."""

import csv
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters import vendor_markup
from m365dq_dagster.adapters.vendor_markup import MAX_BYTES, MAX_CELL, parse
from m365dq_dagster.core.vendor_pages import (
    DocumentIssue,
    DocumentReason,
    Heading,
    Page,
    Paragraph,
    Snapshot,
    Table,
)
from m365dq_dagster.core.vendor_readers import read_page
from tests.support.vendor_pages import code_page_html, html, html_table


def page(text: str | bytes) -> Page:
    found = parse(text.encode() if isinstance(text, str) else text, "page")
    assert isinstance(found, Page), found
    return found


def reason(content: bytes, seconds: float = 60.0) -> DocumentReason:
    found = parse(content, "page", seconds)
    assert isinstance(found, DocumentIssue), found
    assert found.sentence.startswith("page: the document ")
    return found.reason


# HTML


def test_a_saved_page_is_its_headings_lines_and_tables_without_what_is_around_them() -> None:
    body = "<p>Some <b>bold</b><br>text.</p>" + html_table(["Error", "Description"], [["AADSTS50126", "Wrong <word>"]])
    found = page(html("Codes", body))

    assert found.title == "Codes"
    assert found.blocks == (
        Paragraph("Access to this page requires authorization. You can try signing in."),
        Heading(1, "Codes"),
        Paragraph("Some bold text."),
        Table(("Error", "Description"), (("AADSTS50126", "Wrong <word>"),)),
    )
    assert not found.cut
    assert not found.asks_password


def test_names_keep_their_letters_together_and_lines_in_a_cell_stand_apart() -> None:
    found = page(
        "<table><tr><td>Name</td></tr><tr><td><code>risk<wbr>State</code><ul><li>one</li><li>two</li></ul></td></tr></table>"
    )
    assert found.tables[0].rows == (("riskState one two",),)


def test_a_table_in_a_cell_is_text_of_that_cell() -> None:
    found = page("<table><tr><th>A</th></tr><tr><td>x<table><tr><td>inner</td></tr></table></td></tr></table>")
    assert found.tables == (Table(("A",), (("x inner",),)),)


def test_short_rows_are_filled_and_empty_ones_left_out() -> None:
    found = page("<table><tr><th>A</th><th>B</th></tr><tr><td>x</td></tr><tr></tr><tr><td></td><td> </td></tr></table>")
    assert found.tables[0].rows == (("x", ""),)


def test_an_empty_table_is_nothing() -> None:
    assert page("<table></table><p>a</p>").blocks == (Paragraph("a"),)


def test_text_that_stands_loose_is_a_line_and_scripts_and_comments_are_none() -> None:
    found = page("<div>loose<script>evil()</script><!-- hidden --><p></p><ul><li><p>item</p></li></ul></div>")
    assert found.blocks == (Paragraph("loose"), Paragraph("item"))


def test_a_cell_hides_scripts_too() -> None:
    assert page("<table><tr><td>A<style>b{}</style><!--c--></td></tr></table>").tables[0].header == ("A",)


@pytest.mark.parametrize(
    "meta",
    [
        '<meta name="ms.date" content="02/20/2026">',
        '<meta name="updated_at" content="2026-02-20T08:00:00Z">',
        '<meta property="article:modified_time" content="February 20, 2026">',
        '<time datetime="2026-02-20T00:00:00Z">x</time>',
    ],
)
def test_the_day_that_a_page_gives_as_its_own_is_read(meta: str) -> None:
    assert page(f"<html><head>{meta}</head><body><p>a</p></body></html>").stated == date(2026, 2, 20)


def test_a_page_without_a_day_or_with_a_wrong_one_has_none() -> None:
    assert page("<html><body><p>a</p></body></html>").stated is None
    assert page('<html><meta name="ms.date" content="13/45/2026"><p>a</p></html>').stated is None


@pytest.mark.parametrize(
    "text", ["<html><body><p>a", "<table><tr><td>a</td></tr>", code_page_html({"50126": "x"})[:-30]]
)
def test_a_page_that_ends_in_the_middle_is_cut(text: str) -> None:
    assert page(text).cut


def test_a_form_for_a_password_is_seen() -> None:
    assert page("<html><input type='password'></html>").asks_password


def test_a_page_in_another_encoding_is_read() -> None:
    assert page("<p>né</p>".encode("utf-16")).blocks == (Paragraph("né"),)
    assert page("<p>né</p>".encode("cp1252")).blocks == (Paragraph("né"),)
    assert page(b"\xef\xbb\xbf<p>a</p>").blocks == (Paragraph("a"),)
    greek = '<html><head><meta charset="iso-8859-7"></head><body><p>αβγ</p></body></html>'.encode("iso-8859-7")
    assert (page(greek).blocks, page(greek).encoding) == ((Paragraph("αβγ"),), "iso-8859-7")
    odd = '<html><meta charset="utf-7"><p>né</p></html>'.encode("cp1252")
    assert (page(odd).blocks, page(odd).encoding) == ((Paragraph("né"),), "windows-1252")


def test_a_page_that_begins_with_the_remark_of_who_saved_it_is_a_page() -> None:
    found = page("<!-- saved from url=(0014)about:internet -->\n<!DOCTYPE html><html><body><p>a</p></body></html>")
    assert found.blocks == (Paragraph("a"),)


def test_long_cells_and_wide_rows_are_bounded() -> None:
    wide = "".join(f"<td>{n}</td>" for n in range(100))
    found = page(f"<table><tr><td>{'x' * 50_000}</td>{wide}</tr></table>")
    assert len(found.tables[0].header[0]) == MAX_CELL
    assert len(found.tables[0].header) == vendor_markup.MAX_COLUMNS


# Web archives

ARCHIVE = (
    "From: <Saved by a browser>\r\nSubject: Codes\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related;"
    ' boundary="b"; type="text/html"\r\n\r\n--b\r\nContent-Type: {kind}; charset="utf-8"\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><body><p>caf=C3=A9 =\r\n"
    "au lait</p></body></html>\r\n--b--\r\n"
)


def test_the_page_inside_a_web_archive_is_read() -> None:
    assert page(ARCHIVE.format(kind="text/html")).blocks == (Paragraph("café au lait"),)


def test_a_web_archive_without_a_page_is_read_as_text() -> None:
    assert page(ARCHIVE.format(kind="image/png")).blocks


def test_a_web_archive_that_names_an_unknown_encoding_of_bytes_does_not_raise() -> None:
    parse(ARCHIVE.format(kind="text/html").replace("quoted-printable", "base64").encode(), "page")
    parse(ARCHIVE.format(kind="text/html").replace("utf-8", "x-none").encode(), "page")


def test_a_web_archive_that_its_library_cannot_read_is_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*parts: object, **named: object) -> None:
        raise LookupError

    monkeypatch.setattr(vendor_markup, "message_from_bytes", fail)
    assert page(ARCHIVE.format(kind="text/html")).blocks


# Markdown and text

MARKDOWN = r"""---
title: "Codes"
ms.date: 02/20/2026
---

# Codes #

A [link](https://x.example/a) to `code`, **bold**
on two lines\.

> [!NOTE]
> Quoted.

- one
- two

```json
| not | a table |
|---|---|
```

| Error | Description |
|:--|--:|
| AADSTS50126 | a \| b<br/>c &amp; <b>d</b> |
| AADSTS50034
***

Last@@
line
""".replace("@@", "  ")


def test_markdown_is_its_headings_lines_and_tables_without_marks() -> None:
    found = page(MARKDOWN)

    assert (found.title, found.stated) == ("Codes", date(2026, 2, 20))
    assert found.blocks == (
        Heading(1, "Codes"),
        Paragraph("A link to code, bold on two lines."),
        Paragraph("[!NOTE] Quoted."),
        Paragraph("one"),
        Paragraph("two"),
        Table(("Error", "Description"), (("AADSTS50126", "a | b c & d"), ("AADSTS50034", ""))),
        Paragraph("Last"),
        Paragraph("line"),
    )


def test_front_matter_that_never_ends_is_text() -> None:
    assert page("---\ntitle: A\n\ntext").blocks == (Paragraph("title: A"), Paragraph("text"))


def test_the_first_heading_is_the_title_of_a_page_without_one() -> None:
    assert page("## A\n\nb").title == "A"


# JSON and CSV


def test_lists_of_objects_are_tables_and_pieces_of_html_in_them_are_text() -> None:
    posts = {
        "@odata.context": "x",
        "value": [
            {
                "id": "MC1",
                "title": "A < B",
                "tags": ["x", {"y": 1}],
                "body": {"content": "<p>One</p><ul><li>two</li></ul>", "deep": {"er": 1}},
            },
            {"id": "MC2", "gone": None},
        ],
    }
    found = page(json.dumps(posts))
    assert found.blocks == (
        Heading(2, "value"),
        Table(("id", "title", "tags", "body.content"), (("MC1", "A < B", "x", "One two"), ("MC2", "", "", ""))),
    )


def test_other_json_is_a_table_of_one_row_or_lines() -> None:
    assert page('{"title": "T", "id": 1}').blocks == (Table(("title", "id"), (("T", "1"),)),)
    assert page('{"title": "T", "id": 1}').title == "T"
    assert page('["a", " ", 1]').blocks == (Paragraph("a"),)
    assert page('{"": [1]}').blocks == (Heading(2, "-"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error": {"code": "X", "message": "denied"}}', "denied"),
        ('{"error": "gone"}', "gone"),
        ('{"error": {}}', "error"),
    ],
)
def test_an_error_answer_is_known_as_one(text: str, said: str) -> None:
    assert page(text).failure == said


def test_json_that_is_cut_is_text() -> None:
    assert page('{"value": [{"id": 1').blocks == (Paragraph('{"value": [{"id": 1'),)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_is_a_table(mark: str) -> None:
    text = f'\ufeffcode{mark}text\r\n50126{mark}"a\nb"\r\n\r\n'
    assert page(text).tables == (Table(("code", "text"), (("50126", "a b"),)),)


def test_prose_with_commas_is_no_csv() -> None:
    assert page("One, two\nthree").blocks == (Paragraph("One, two three"),)
    assert page("# a, b\n\nc, d").blocks[0] == Heading(1, "a, b")


def test_a_table_with_a_cell_beyond_all_bounds_is_read_as_text() -> None:
    before = csv.field_size_limit(1_000)
    try:
        assert page('a,"' + "x" * 2_000 + "\nb,c").tables == ()
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    "content",
    [
        "---\ntitle: A\x1b[1m\u202e\n---\n\n# A\x07B\u202e\n\nC\x00\n\n| E\x9bF |\n|---|\n| \u2066I\ue000 |\n".encode(),
        b"<html><title>A\x1b[31m</title><h1>A\xe2\x80\xaeB</h1><p>C&#0;&#x202e;D</p></html>",
        b'{"title": "A\\u0000\\ud800", "value": [{"k\\u202e": "C\\ud800D\\u0000"}]}',
        b"code,te\xe2\x80\xaext\n50126,\x01A\n",
    ],
)
def test_text_that_steers_a_display_or_no_database_takes_is_made_harmless(content: bytes) -> None:
    found = page(content)
    cells = [c for b in found.blocks for c in ([*b.header, *sum(b.rows, ())] if isinstance(b, Table) else [b.text])]
    assert cells
    assert all(text.isprintable() for text in [found.title, *cells])


# What is no document


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", DocumentReason.EMPTY),
        (b" \r\n\xc2\xa0", DocumentReason.EMPTY),
        (b"%PDF-1.7", DocumentReason.NOT_TEXT),
        (bytes(range(32)) * 9, DocumentReason.NOT_TEXT),
        (b"a" * (MAX_BYTES + 1), DocumentReason.TOO_LARGE),
    ],
)
def test_what_is_no_text_or_too_much_is_an_issue(content: bytes, expected: DocumentReason) -> None:
    assert reason(content) is expected


def test_a_page_of_twenty_megabytes_a_million_cells_or_endless_depth_is_an_issue() -> None:
    assert reason(b"<p>a</p>" * 2_500_000) is DocumentReason.TOO_LARGE
    assert reason(b"<td>" * 1_000_000) is DocumentReason.TOO_COMPLEX
    assert reason(b"<div>" * 5_000) is DocumentReason.TOO_COMPLEX
    assert reason(b"<p>a\n" * (vendor_markup.MAX_BLOCKS + 1)) is DocumentReason.TOO_COMPLEX
    assert reason(b"a\n\n" * (vendor_markup.MAX_BLOCKS + 1)) is DocumentReason.TOO_COMPLEX
    many = vendor_markup.MAX_ELEMENTS + 1
    assert reason(b"|a|b|\n|-|-|\n" + b"|c|\n" * many) is DocumentReason.TOO_COMPLEX
    assert reason(b"code,text\n" + b"1,2\n" * many) is DocumentReason.TOO_COMPLEX
    assert reason(b"[" + b"{}," * many + b"{}]") is DocumentReason.TOO_COMPLEX
    assert isinstance(parse(b"[" * 100_000, "page"), Page | DocumentIssue)
    assert isinstance(parse(b'{"a":' * 100_000, "page"), Page | DocumentIssue)


@pytest.mark.parametrize("piece", ["<!--", '<a b="', "<![CDATA[", "<?", "</a", "&", "<!", "<a b='", "<script><!--"])
def test_markup_that_makes_parsers_slow_is_given_up(piece: str) -> None:
    content = ("<html>" + piece * 5_000).encode()
    assert isinstance(parse(content, "page", seconds=0.2), Page | DocumentIssue)


def test_a_document_that_takes_too_long_is_an_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reason(b"<html><p>a</p></html>", seconds=-1) is DocumentReason.TOO_COMPLEX
    assert reason(b"# a\n\nb", seconds=-1) is DocumentReason.TOO_COMPLEX


def test_nesting_that_the_machine_cannot_follow_is_an_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(*parts: object) -> None:
        raise RecursionError

    monkeypatch.setattr(vendor_markup, "_markdown", deep)
    assert reason(b"a") is DocumentReason.TOO_COMPLEX


PIECES = st.sampled_from(
    [
        "<table>",
        "</table>",
        "<tr>",
        "<td>",
        "AADSTS50126",
        "| a | b |\n",
        "|---|---|\n",
        "# Codes\n",
        "## May 2026\n",
        "{",
        "}",
        "[",
        "]",
        '"',
        ":",
        ",",
        "\n",
        "MIME-Version: 1.0\n",
        "<html>",
        "</html>",
        "<p>",
        "May 31, 2026",
        "retired",
        "Possible values: ",
        "2026-99-99",
        "\x00",
        "\u202e",
        "Retention 30 days",
        "| Property | Type |\n",
        "MC123456 ",
    ]
)


def both(content: bytes) -> None:
    found = parse(content, "page", seconds=5)
    if isinstance(found, Page):
        assert isinstance(read_page(found, "page"), Snapshot | DocumentIssue)


@given(st.binary(max_size=4_000))
def test_any_bytes_as_a_page_never_raise(content: bytes) -> None:
    both(content)


@given(st.lists(PIECES, max_size=200).map("".join))
def test_any_pieces_of_pages_never_raise(text: str) -> None:
    both(text.encode())


@pytest.mark.soak
@given(st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=400).map("".join))
def test_many_pieces_of_pages_never_raise(text: str) -> None:
    both(text.encode("utf-8", "surrogatepass"))


@given(st.integers(0, 5_000))
def test_a_page_cut_anywhere_is_never_taken_for_a_whole_one(end: int) -> None:
    whole = code_page_html({str(50_000 + n): f"Code {n}" for n in range(60)})
    found = parse(whole[: min(end, len(whole) - 8)].encode(), "page")
    read = read_page(found, "page") if isinstance(found, Page) else found
    assert isinstance(read, DocumentIssue)


def test_no_file_is_opened_and_no_link_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    found = page(f"<html><iframe src='{secret.as_uri()}'></iframe><img src='{secret}'><p>a</p></html>")
    assert found.blocks == (Paragraph("a"),)
