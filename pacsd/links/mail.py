"""A message by e-mail (RFC 5321, 5322), or by HTTP as a gateway takes it."""

import smtplib
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from urllib.parse import urlencode

import orjson

from config.links import LinkChannelSettings
from pacsd.faults import Fault, PacsdError
from pacsd.links.notices import Notice

TIMEOUT_S = 20.0
_IMPLICIT_TLS = 465
_PERMANENT = 500

Post = Callable[[str, Mapping[str, str], bytes], None]
"""POSTs to a URL, with headers. Raises PacsdError UNAVAILABLE, REFUSED."""

Secrets = Callable[[str], str]
"""What stands at env:NAME or file:PATH. Raises PacsdError."""


class Sender:
    """Sends notices, each by the kind of its channel; `post` guards which addresses are asked."""

    def __init__(self, post: Post, secrets: Secrets) -> None:
        self._post = post
        self._secrets = secrets

    def __call__(self, channel: LinkChannelSettings, notice: Notice) -> None:
        """As notices.Send has it."""
        {"webhook": self._webhook, "sms": self._sms, "email": self._email}[channel.kind](channel, notice)

    def _webhook(self, channel: LinkChannelSettings, notice: Notice) -> None:
        body = {"to": notice.recipient, "subject": notice.subject, "text": notice.text, "link": notice.link}
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{notice.link} {notice.pk}"}
        self._post(channel.url, {**headers, **self._bearer(channel)}, orjson.dumps(body))

    def _sms(self, channel: LinkChannelSettings, notice: Notice) -> None:
        form = [*(one.partition("=")[::2] for one in channel.fields), (channel.to_field, notice.recipient),
                (channel.text_field, notice.text)]  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self._bearer(channel)}
        self._post(channel.url, headers, urlencode(form).encode())

    def _bearer(self, channel: LinkChannelSettings) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secrets(channel.token)}"} if channel.token else {}

    def _email(self, channel: LinkChannelSettings, notice: Notice) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = channel.sender, notice.recipient, notice.subject
        message["Message-ID"] = f"<{notice.link}.{notice.pk}@{channel.sender.rpartition('@')[2].rstrip('>')}>"
        message.set_content(notice.text)
        try:
            with self._server(channel) as server:
                if channel.username:
                    server.login(channel.username, self._secrets(channel.password))
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise _of_status(max(code for code, _ in error.recipients.values())) from error
        except smtplib.SMTPAuthenticationError as error:         # ours to mend: then it goes
            raise PacsdError(Fault.UNAVAILABLE, "the mail server does not let us in") from error
        except smtplib.SMTPResponseException as error:
            raise _of_status(error.smtp_code) from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise PacsdError(Fault.UNAVAILABLE, f"the mail server did not take it: {type(error).__name__}") from error

    @staticmethod
    def _server(channel: LinkChannelSettings) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if channel.starttls and channel.port == _IMPLICIT_TLS:
            return smtplib.SMTP_SSL(channel.host, channel.port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT_S)
        try:
            if channel.starttls:
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server


def _of_status(code: int) -> PacsdError:
    fault = Fault.REFUSED if code >= _PERMANENT else Fault.UNAVAILABLE
    return PacsdError(fault, f"the mail server answered {code}")
