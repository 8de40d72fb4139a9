import smtplib
import socket
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from m365dq_dagster.adapters.mail import Mail, Mailer, MailFailed, _message
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput
from tests.support.mail_server import Letters, certificate, free_port, mail_server

pytestmark = pytest.mark.smtp
NOW = datetime.fromisoformat("2026-03-02T09:30:00+00:00")
MAIL = Mail(("a@x.example", "b@x.example"), "Subject – with ümlaut", "Line one\nLine two\n", "0123abcd", NOW)


def mailer(letters: Letters, **changes: object) -> Mailer:
    return replace(Mailer("127.0.0.1", letters.port, pause=0.0), **changes)


def test_a_mail_arrives_once_at_every_recipient_with_its_text() -> None:
    with mail_server() as letters:
        assert mailer(letters, sender="dq@x.example").send(MAIL) == ()
    ((recipients, message),) = letters.taken
    assert recipients == ["a@x.example", "b@x.example"]
    assert (message["Subject"], message["From"]) == ("Subject – with ümlaut", "dq@x.example")
    assert message["Message-ID"] == "<0123abcd@m365dq>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == ["Line one", "Line two"]


@given(st.text(max_size=200), st.text(max_size=200))
def test_neither_subject_nor_body_can_add_a_header(subject: str, body: str) -> None:
    hostile = replace(MAIL, subject=f"{subject}\r\nBcc: evil@x.example\n\n{subject}", body=body)
    message = _message(hostile, "dq@x.example")
    sent = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"}
    assert set(message.keys()) == sent | {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert len(message.keys()) == 9
    assert "\n" not in message["Subject"]


@pytest.mark.parametrize("address", ["a@x.example\r\nBcc: b@x.example", "a", "", "a b@x.example"])
def test_a_recipient_that_is_no_address_is_refused_before_anything_is_sent(address: str) -> None:
    with pytest.raises(MailFailed, match="is no mail address") as caught:
        Mailer("127.0.0.1", 9).send(replace(MAIL, recipients=(address,)))
    assert not caught.value.server_down


def test_a_fault_that_passes_is_tried_again() -> None:
    with mail_server() as letters:
        letters.answers = ["451 later please"]
        mailer(letters).send(MAIL)
    assert (letters.attempts, len(letters.taken)) == (2, 1)


def test_patience_is_bounded() -> None:
    with mail_server() as letters:
        letters.answers = ["451 later please"] * 9
        with pytest.raises(MailFailed, match=r"SMTPDataError \(answer 451\)"):
            mailer(letters).send(MAIL)
    assert letters.attempts == 3


def test_a_refusal_for_good_is_not_tried_again() -> None:
    with mail_server() as letters:
        letters.answers = ["554 never"]
        with pytest.raises(MailFailed, match="did not take the mail") as caught:
            mailer(letters).send(MAIL)
        assert not caught.value.server_down
    assert letters.attempts == 1


def test_recipients_refused_beside_others_are_named() -> None:
    with mail_server() as letters:
        letters.refused = {"b@x.example"}
        assert mailer(letters).send(MAIL) == ("b@x.example",)
    assert [recipients for recipients, _ in letters.taken] == [["a@x.example"]]


@pytest.mark.parametrize("answer", ["550 no such mailbox", "450 busy"])
def test_a_mail_that_no_recipient_may_have_has_failed(answer: str) -> None:
    with mail_server() as letters:
        letters.refused, letters.recipient_answer = {"a@x.example", "b@x.example"}, answer
        with pytest.raises(MailFailed, match="SMTPRecipientsRefused") as caught:
            mailer(letters).send(MAIL)
        assert not caught.value.server_down


def test_a_server_that_does_not_answer_is_down() -> None:
    port = free_port()
    with pytest.raises(MailFailed, match=rf"127\.0\.0\.1:{port} did not take the mail: ConnectionRefused") as caught:
        Mailer("127.0.0.1", port, pause=0.0).send(MAIL)
    assert caught.value.server_down


def test_a_server_that_says_nothing_is_left_after_the_time_limit() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(MailFailed, match="SMTPServerDisconnected") as caught:
            Mailer("127.0.0.1", port, pause=0.0, timeout=0.05, attempts=2).send(MAIL)
    assert caught.value.server_down


def test_a_host_name_that_cannot_be_one_is_told() -> None:
    with pytest.raises(MailFailed, match="did not take the mail"):
        Mailer("a..b" + "x" * 70, 25, pause=0.0).send(MAIL)


def test_a_fault_in_saying_goodbye_does_not_send_the_mail_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def rude(self: smtplib.SMTP) -> None:
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(smtplib.SMTP, "quit", rude)
    with mail_server() as letters:
        mailer(letters).send(MAIL)
    assert len(letters.taken) == 1


def test_a_server_that_hangs_up_is_tried_again_and_then_down(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def gone(self: smtplib.SMTP, message: object) -> dict[str, object]:
        calls.append(1)
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(smtplib.SMTP, "send_message", gone)
    with mail_server() as letters, pytest.raises(MailFailed, match="SMTPServerDisconnected") as caught:
        mailer(letters).send(MAIL)
    assert (len(calls), caught.value.server_down) == (3, True)


def test_starttls_and_password_protect_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with mail_server(tls=context, password=True) as letters:
        mailer(letters, starttls=True, user="dq", password="secret").send(MAIL)
    assert len(letters.taken) == 1
    assert letters.logins == [("dq", "secret")]


def test_a_certificate_that_is_not_trusted_ends_it_at_once(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with mail_server(tls=context) as letters, pytest.raises(MailFailed, match="SSLCertVerificationError"):
        mailer(letters, starttls=True).send(MAIL)
    assert letters.taken == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_wrong_password_is_told_without_the_password() -> None:
    with (
        mail_server(password=True) as letters,
        pytest.raises(MailFailed, match=r"SMTPAuthenticationError \(answer 535\)") as caught,
    ):
        mailer(letters, user="dq", password="hunter2-secret").send(MAIL)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(mailer(letters, user="dq", password="hunter2-secret"))
    assert set(letters.logins) == {("dq", "hunter2-secret")}


def test_a_password_is_not_sent_readable_over_a_network() -> None:
    with pytest.raises(BadInput, match="M365DQ_SMTP_STARTTLS=true"):
        Mailer("mail.corp.example", user="dq", password="secret")
    Mailer("mail.corp.example", user="dq", password="secret", starttls=True)


def test_a_sender_that_is_no_address_is_refused() -> None:
    with pytest.raises(BadInput, match="M365DQ_MAIL_FROM is 'a Bcc: b', which is no mail address"):
        Mailer("127.0.0.1", sender="a\nBcc: b")


def test_the_mailer_is_made_from_the_settings_or_there_is_none(home: Path) -> None:
    bare = Settings(home=home)
    assert Mailer.from_settings(bare) is None
    full = bare.model_copy(
        update={
            "smtp_host": "mail.corp.example",
            "smtp_port": 587,
            "smtp_user": "dq",
            "smtp_password": SecretStr("secret"),
            "smtp_starttls": True,
            "mail_from": "dq@corp.example",
        }
    )
    made = Mailer.from_settings(full)
    assert made == Mailer("mail.corp.example", 587, "dq", "secret", True, "dq@corp.example")
    assert made is not None
    assert made.place == "mail.corp.example:587"
    local = Mailer.from_settings(bare.model_copy(update={"smtp_host": "localhost", "smtp_user": "dq"}))
    assert local is not None
    assert local.password is None
