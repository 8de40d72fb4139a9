"""Documents in the style of the vendor's pages, in words of our own: lists of codes, release notes, resources of Graph,
schemas of the audit log, retention tables."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from m365dq_dagster.adapters.vendor_markup import parse
from m365dq_dagster.core.vendor_pages import Page, Snapshot
from m365dq_dagster.core.vendor_readers import read_page


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def html(title: str, body: str) -> str:
    """A saved page: navigation and scripts around what it says."""
    return (
        f"<!DOCTYPE html><html lang='en'><head><title>{escape(title)} | Microsoft Learn</title>"
        "<script>var t = '<table><tr><td>AADSTS99999</td></tr></table>';</script></head><body>"
        "<nav><ul><li>Home</li><li>Sign in</li></ul></nav><div>Access to this page requires authorization. You can try "
        f"signing in.</div><main><h1>{escape(title)}</h1>{body}</main><footer>Privacy</footer></body></html>"
    )


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as pages hold it, with code marks around names."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(cell) if i else f'<code>{escape(cell)}</code>'}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def code_page(codes: Mapping[str, str], title: str = "Sign-in and token error codes (AADSTS)") -> str:
    """The list of codes as Markdown, behind a table of protocol words that is none."""
    words = table(["Error Code", "Description"], [["invalid_request", "A parameter is missing"]])
    rows = table(["Error", "Description"], [[f"AADSTS{code}", text] for code, text in codes.items()])
    return f"# {title}\n\nWhat the codes stand for.\n\n{words}\n\n## AADSTS error codes\n\n{rows}"


def code_page_html(codes: Mapping[str, str], title: str = "Sign-in and token error codes (AADSTS)") -> str:
    """The list of codes as a saved page."""
    return html(title, html_table(["Error", "Description"], [[f"AADSTS{code}", text] for code, text in codes.items()]))


def resource_page(
    name: str, properties: Mapping[str, str], enums: Mapping[str, Sequence[str]] | None = None, beta: bool = False
) -> str:
    """A resource of Graph with its properties and, below, the members of its enumerations."""
    kind = "Things under the /beta version may change.\n\n" if beta else ""
    rows = table(["Property", "Type", "Description"], [[key, "String", text] for key, text in properties.items()])
    members = "".join(
        f"\n### {enum} values\n\n"
        + table(["Member", "Description"], [[value, f"Stands for {value}."] for value in values])
        for enum, values in (enums or {}).items()
    )
    return f"# {name} resource type\n\nNamespace: microsoft.graph\n\n{kind}## Properties\n\n{rows}{members}"


def activity_page(operations: Mapping[str, str], title: str = "Audit log activities") -> str:
    """The activities of the audit log with their operations."""
    rows = [[f"Did {name}", name, text] for name, text in operations.items()]
    return f"# {title}\n\n## File and page activities\n\n{table(['Friendly name', 'Operation', 'Description'], rows)}"


def schema_page(
    record_types: Mapping[str, tuple[str, str]] | None = None,
    schemas: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """The schema of the audit log: record types by number, and the fields of its schemas."""
    types = [
        [number, name, text] for number, (name, text) in (record_types or {"1": ("ExchangeAdmin", "Admin")}).items()
    ]
    fields = "".join(
        f"\n## {section}\n\n"
        + table(
            ["Parameters", "Type", "Mandatory?", "Description"], [[n, "Edm.String", "No", t] for n, t in names.items()]
        )
        for section, names in (schemas or {}).items()
    )
    return (
        "# Management Activity API schema\n\n#### AuditLogRecordType\n\n"
        + table(["Value", "Member name", "Description"], types)
        + fields
    )


def retention_page(rows: Mapping[str, Sequence[str]], title: str = "How long logs are kept: retention") -> str:
    """How long each log is kept, by edition."""
    header = ["Report", "Free", "P1", "P2"]
    return f"# {title}\n\n" + table(header, [[name, *cells] for name, cells in rows.items()])


def notes_page(posts: Sequence[tuple[str, str, str, str]], title: str = "What's new and announced") -> str:
    """Release notes: posts of (month, type, title, text), the newest month first."""
    lines = [f"# {title}", ""]
    month = ""
    for when, kind, headline, text in posts:
        if when != month:
            lines += [f"## {when}", ""]
            month = when
        lines += [
            f"### {headline}",
            "",
            f"**Type:** {kind}  ",
            "**Service category:** Reporting  ",
            "",
            text,
            "",
            "---",
            "",
        ]
    return "\n".join(lines)


def read(text: str | bytes, name: str = "page") -> Snapshot:
    """The snapshot of a document that is expected to have one."""
    page = parse(text.encode() if isinstance(text, str) else text, name)
    assert isinstance(page, Page), page
    snapshot = read_page(page, name)
    assert isinstance(snapshot, Snapshot), snapshot
    return snapshot


def save(folder: Path, name: str, text: str | bytes) -> Path:
    """Put a document into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path
