from typing import Any

import pytest

from m365dq_dagster.adapters.rule_pack import load_operations_policy
from m365dq_dagster.core.document_policy import DocumentPolicy, PageAddress
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.vendor_pages import PageKind


def test_pages_hosts_and_bounds_are_read() -> None:
    policy = DocumentPolicy.from_mapping(
        {
            "hosts": ["Learn.Example"],
            "attempts": 2,
            "pages": [{"url": "https://learn.example/a", "kind": "CODES"}, {"url": "b"}],
        }
    )
    assert policy == DocumentPolicy(
        (PageAddress("https://learn.example/a", PageKind.CODES), PageAddress("b")), ("learn.example",), attempts=2
    )


def test_the_shipped_pages_lie_on_listed_hosts_and_are_fetched_securely() -> None:
    policy = load_operations_policy().documents
    assert policy.pages
    assert all(page.url.startswith("https://") and page.url.split("/")[2] in policy.hosts for page in policy.pages)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([], "must be a table"),
        ({"pagess": []}, "pagess is not known"),
        ({"pages": "x"}, "must be a list of at most 200"),
        ({"pages": ["x"]}, "each of"),
        ({"pages": [{"url": 1}]}, "each of"),
        ({"pages": [{"url": "a", "sort": "b"}]}, "sort is not known"),
        ({"pages": [{"url": "a", "kind": "BOOK"}]}, "'BOOK' is no kind of page"),
        ({"hosts": "x"}, "must be a list of host names"),
        ({"hosts": ["https://x"]}, "which is no host name"),
        ({"attempts": 0}, "attempts must be a whole number from 1 to 10"),
        ({"attempts": True}, "attempts must be a whole number"),
        ({"max_megabytes": 9}, "max_megabytes must be a whole number from 1 to 8"),
    ],
)
def test_what_cannot_be_used_is_named(data: Any, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        DocumentPolicy.from_mapping(data)
