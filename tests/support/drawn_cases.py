"""Small cases that hypothesis draws: owners at home, and rows of every kind among them, some of which fit no story."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.support.evidence import ANN, BOB, EVE, Row, at, at_home, operation, sign_in

CY, DI = "cy@contoso.example", "di@contoso.example"
SHARED = "198.51.100.7"
"""An address that several accounts may use."""
FAILURE_CODES = ("50126", "50053", "50074", "53003", "500121", "50034", "90072")
UNKNOWN_CODE = "512345"

CODES = st.sampled_from(["0", "0", "0", *FAILURE_CODES, "50140", UNKNOWN_CODE, "1", None])
TEXTS = st.sampled_from([None, None, "Success", "Failure", "Interrupted", "Sucess"])
ACCESS = st.sampled_from([None, "success", "failure", "notApplied", "notEnabled"])
DEVICES = st.sampled_from(
    [
        {},
        {"browser": "Chrome 120.1", "os": "Windows 10"},
        {"browser": "Edge 99", "os": "Windows 10", "device_trust_type": "Azure AD joined"},
        {"device_id": "d-1", "browser": "Chrome 120.1", "os": "Windows 10"},
        {"device_id": "D-2", "os": "MacOs"},
    ]
)
CLIENTS = st.sampled_from(
    [
        {},
        {},
        {"client_app_used": "IMAP4"},
        {"client_app_used": "Exchange ActiveSync"},
        {"is_interactive": False},
        {"authentication_protocol": "ropc"},
        {"user_agent": "BAV2ROPC"},
    ]
)


@st.composite
def sign_ins(draw: st.DrawFn, *, codes: st.SearchStrategy[str | None] = CODES) -> Row:
    """Any sign-in: anybody, from anywhere, at some time or none, saying anything."""
    account = draw(st.sampled_from([ANN, ANN, BOB, CY, DI, None]))
    when = draw(st.one_of(st.none(), st.builds(at, st.integers(0, 24), st.integers(0, 40))))
    more: dict[str, Any] = {**draw(DEVICES), **draw(CLIENTS)}
    address = draw(st.sampled_from([None, None, EVE, SHARED]))
    return sign_in(
        account,
        when,
        draw(st.sampled_from(["AU", "RU", "RU", "NZ", None])),
        draw(codes),
        status=draw(TEXTS),
        access=draw(ACCESS),
        correlation_id=draw(st.sampled_from([None, None, "c1", "c2"])),
        session_id=draw(st.sampled_from([None, None, None, "s1"])),
        **more,
        **({"address": address} if address else {}),
    )


@st.composite
def operations(draw: st.DrawFn) -> Row:
    """Something done, which may be critical, routine, or nothing to look at."""
    name = draw(
        st.sampled_from(["New-InboxRule", "Set-Mailbox", "MailItemsAccessed", "FileAccessed", "New-TransportRule"])
    )
    more: dict[str, Any] = {
        "parameters": draw(st.sampled_from([None, "ForwardingSmtpAddress=x@y.example", "Language=en"]))
    }
    address = draw(st.sampled_from([None, EVE, SHARED]))
    return operation(
        name,
        draw(st.sampled_from([ANN, BOB, CY, None])),
        draw(st.one_of(st.none(), st.builds(at, st.integers(0, 24), st.integers(0, 90)))),
        session_id=draw(st.sampled_from([None, None, "s1"])),
        **more,
        **({"address": address} if address else {}),
    )


def owners() -> list[Row]:
    """Two people at home, whose failures are failures by every witness."""
    rows = []
    for account in (ANN, BOB):
        rows += at_home(
            account, range(0, 24, 2), status="Success", access="success", browser="Chrome 120.1", os="Windows 10"
        )
        rows += [
            sign_in(account, at(day, 1), "AU", "53003", status="Failure", access="failure") for day in range(1, 12, 2)
        ]
    return rows


def healthy(days: int = 30) -> list[Row]:
    """A tenant whose witnesses all vary and agree."""
    rows = []
    for account in (ANN, BOB, CY):
        for day in range(days):
            when = at(day) + timedelta(minutes=len(account))
            rows.append(sign_in(account, when, "AU", "0", status="Success", access="success"))
            if day % 5 == 0:
                rows.append(sign_in(account, at(day, 9), "AU", "53003", status="Failure", access="failure"))
            if day % 7 == 0:
                rows.append(sign_in(account, at(day, 11), "AU", "50126", status="Failure", access="notApplied"))
    return rows


CASES = st.builds(
    lambda drawn, done: [*owners(), *drawn, *done],
    st.lists(sign_ins(), max_size=24),
    st.lists(operations(), max_size=5),
)
"""Owners at home, and anything among them."""
