"""Sending a mail through the configured server, with bounded patience. What is said in it, and to whom, is decided
elsewhere.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.alerts import ADDRESS
from m365dq_dagster.core.errors import BadInput, M365dqError
from m365dq_dagster.core.plain_text import one_line

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 3
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
SUBJECT_CHARACTERS = 240
WITHOUT_FOLDING = SMTP.clone(max_line_length=900)
"""A folded header is read back with a blank too many; a line may hold 998 characters."""


class MailFailed(M365dqError):
    """The mail was not taken. `server_down` is True where the server did not answer, so that others will fail too."""

    def __init__(self, message: str, server_down: bool) -> None:
        super().__init__(message)
        self.server_down = server_down


@dataclass(frozen=True)
class Mail:
    """A plain-text mail; `reference` becomes its Message-ID, so that a mail sent twice is recognised as one."""

    recipients: tuple[str, ...]
    subject: str
    body: str
    reference: str
    sent_at: datetime


@dataclass(frozen=True)
class Mailer:
    """A mail server and how to reach it. Raises `BadInput` for settings that cannot work or would tell the password."""

    host: str
    port: int = 25
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    starttls: bool = False
    sender: str = "m365dq@localhost"
    timeout: float = TIMEOUT_SECONDS
    attempts: int = ATTEMPTS
    pause: float = 0.5

    def __post_init__(self) -> None:
        if not ADDRESS.fullmatch(self.sender):
            raise BadInput(f"M365DQ_MAIL_FROM is {one_line(self.sender, 60)!r}, which is no mail address; correct it.")
        if self.user and not self.starttls and self.host not in LOCAL_HOSTS:
            raise BadInput(
                "The mail password would cross the network readable; set M365DQ_SMTP_STARTTLS=true, or unset "
                "M365DQ_SMTP_USER."
            )

    @classmethod
    def from_settings(cls, settings: Settings) -> Mailer | None:
        """The configured mailer, or None where no mail server is."""
        if not settings.smtp_host:
            return None
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            starttls=settings.smtp_starttls,
            sender=settings.mail_from,
        )

    @property
    def place(self) -> str:
        """The server as host and port."""
        return f"{self.host}:{self.port}"

    def send(self, mail: Mail) -> tuple[str, ...]:
        """Hand the mail to the server; returns the recipients that it refused while it took the others.

        Tries again where the fault may pass. Raises `MailFailed` with one sentence and no secrets.
        """
        message = _message(mail, self.sender)
        try:
            patiently = Retrying(
                stop=stop_after_attempt(self.attempts),
                wait=wait_exponential(multiplier=self.pause, max=5),
                retry=retry_if_exception(_may_pass),
                reraise=True,
            )
            return patiently(self._send_once, message)
        except (OSError, UnicodeError) as error:
            raise self._failure(error) from None

    def _send_once(self, message: EmailMessage) -> tuple[str, ...]:
        server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            if self.starttls:
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password or "")
            return tuple(sorted(server.send_message(message)))
        finally:
            # The mail is taken or not by now: a fault in saying goodbye must not make it be sent again.
            with contextlib.suppress(OSError):
                server.quit()
            server.close()

    def _failure(self, error: Exception) -> MailFailed:
        code = getattr(error, "smtp_code", None)
        answer = f" (answer {code})" if code else ""
        return MailFailed(
            f"The mail server {self.place} did not take the mail: {type(error).__name__}{answer}. "
            "Check the M365DQ_SMTP_ settings and the server; the alert stays recorded and is tried again.",
            server_down=not isinstance(error, (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)),
        )


def _may_pass(error: BaseException) -> bool:
    """Connection faults and 4xx answers may pass; 5xx answers, refused passwords and bad certificates will not."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return True
    return isinstance(error, OSError) and not isinstance(error, (smtplib.SMTPException, ssl.SSLError))


def _message(mail: Mail, sender: str) -> EmailMessage:
    for address in mail.recipients:
        if not ADDRESS.fullmatch(address):
            raise MailFailed(
                f"{one_line(address, 60)!r} is no mail address; correct operations.toml.", server_down=False
            )
    message = EmailMessage(policy=WITHOUT_FOLDING)
    message["From"] = sender
    message["To"] = ", ".join(mail.recipients)
    message["Subject"] = one_line(mail.subject, SUBJECT_CHARACTERS)
    message["Date"] = format_datetime(mail.sent_at)
    message["Message-ID"] = f"<{mail.reference}@m365dq>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_printable(mail.body))
    return message


def _printable(body: str) -> str:
    """The body with every line visible and bounded."""
    return "".join(one_line(line, 2000) + "\n" for line in body.splitlines())
