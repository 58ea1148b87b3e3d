"""Messages that tell of links: written, kept until they are sent, sent again, given up; by HTTP and by SMTP."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from config.links import LinkChannelSettings, LinkSettings
from config.reading import SettingsError
from config.settings import Settings
from fhir.outgoing import Door, client
from fhir.subscription.channel import post_form
from pacsd.audit.codes import Outcome
from pacsd.audit.trail import Unrecorded
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool, pool
from pacsd.index.link_notices import IndexNotices
from pacsd.index.links import LinkRows
from pacsd.index.organisations import register
from pacsd.links.link import Link
from pacsd.links.mail import Sender
from pacsd.links.notices import CLAIM_S, Delivery, Notice, Notices, NoticeTo
from pacsd.links.records import LinkRecords
from pacsd.links.services import open_chores
from tests.access.region import Noted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://pacs.example/l/secret-token"
SMS = LinkChannelSettings("sms", "sms", url="https://sms.example/send", token="env:TOKEN", fields=("sign=医院",))
HOOK = LinkChannelSettings("hook", "webhook", url="https://hook.example/links")
MAIL = LinkChannelSettings("mail", "email", host="127.0.0.1", sender="pacs@west.example", starttls=False, language="en")
CHANNELS = (SMS, HOOK, MAIL)


@pytest.fixture
def index(database: str) -> Iterator[Pool]:
    connections = pool(database, max_size=4)
    yield connections
    connections.close()


@dataclass
class Sent:
    """What was sent; `error` is raised instead."""

    notices: list[Notice] = field(default_factory=list)
    error: PacsdError | None = None

    def __call__(self, channel: LinkChannelSettings, notice: Notice) -> None:
        if self.error is not None:
            raise self.error
        self.notices.append(notice)


@dataclass
class Post:
    """The only mailbox of a hospital."""

    rows: IndexNotices
    writing: Notices
    delivery: Delivery
    sent: Sent
    link: Link
    noted: Noted
    links: LinkRows
    clock: list[datetime]

    def is_due(self) -> bool:
        with self.rows.pool.connection() as connection:
            row = connection.execute("select due_at from link_notice").fetchone()
        return row is not None and row[0] <= self.clock[0]

    def put(self, channel: str, recipient: str, language: str = "") -> Notice:
        notice = self.writing.written(NoticeTo(channel, recipient, language), self.link, URL)
        self.writing.put(notice)
        return notice


@pytest.fixture
def mailbox(index: Pool) -> Post:
    west = register(index, [("west", "西区医院", "WEST")])["west"]
    links = LinkRows(index, lambda facts: None)
    link = Link("n1", west, ("1.2.3",), None, "her", NOW, NOW + timedelta(days=30), digest=b"d")
    links.add(link)
    clock, sent, noted, rows = [NOW], Sent(), Noted(), IndexNotices(index)
    writing = Notices(rows, CHANNELS, LinkSettings(), hospitals=lambda key: {west: "西区医院"}[key],
                      clock=lambda: clock[0])  # fmt: skip
    delivery = Delivery(rows, CHANNELS, sent, recording=LinkRecords(noted), clock=lambda: clock[0])
    return Post(rows, writing, delivery, sent, link, noted, links, clock)


def test_a_message_is_written_in_chinese_sent_once_and_forgotten(mailbox: Post, index: Pool) -> None:
    mailbox.put("sms", "+86 138 0000 0000")
    assert mailbox.delivery.run() and not mailbox.delivery.run()
    (sent,) = mailbox.sent.notices
    assert sent.text == f"【西区医院】您的检查影像已可在线查看，2026-03-31前有效：{URL}"
    with index.connection() as connection:
        assert connection.execute("select count(*) from link_notice").fetchone() == (0,)
    (told,) = mailbox.noted.messages
    assert (told.types[0].code, told.objects[0].id, told.outcome) == ("link-told", "n1", Outcome.SUCCESS)
    assert URL not in repr(told) and "13800000000" not in "".join(filter(str.isdigit, repr(told)))


def test_english_is_asked_for_or_the_channels(mailbox: Post) -> None:
    english = mailbox.put("sms", "13800000000", "en").text
    assert english.startswith("西区医院: your images can be viewed until 2026-03-31")
    assert mailbox.put("mail", "wang@example.org").subject == "西区医院: link to your images"
    assert mailbox.put("mail", "wang@example.org", "zh").subject == "西区医院：影像查看链接"


@pytest.mark.parametrize(("channel", "recipient", "language"), [
    ("fax", "1", ""), ("sms", "wang", ""), ("sms", "123456\n789", ""), ("mail", "wang", ""),
    ("mail", "a@b.example\r\nBcc: all@b.example", ""), ("mail", "a@b.example,c@d.example", ""), ("hook", "", ""),
    ("sms", "1" * 40, ""), ("mail", "a@b.example", "fr"),
])  # fmt: skip
def test_recipients_that_are_none_are_refused(mailbox: Post, channel: str, recipient: str, language: str) -> None:
    with pytest.raises(PacsdError) as refused:
        mailbox.put(channel, recipient, language)
    assert refused.value.fault is Fault.INVALID


def test_what_did_not_arrive_is_sent_again_later_and_later_and_given_up_at_last(mailbox: Post) -> None:
    mailbox.put("sms", "13800000000")
    mailbox.sent.error = PacsdError(Fault.UNAVAILABLE, "away")
    waits = []
    for _ in range(4):
        assert mailbox.delivery.run() and not mailbox.delivery.run()
        wait_s = 0
        while not mailbox.is_due():
            mailbox.clock[0] += timedelta(seconds=1)
            wait_s += 1
        waits.append(wait_s)
    assert waits == [5, 10, 20, 40] and not mailbox.noted.messages
    mailbox.clock[0] = NOW + timedelta(days=2)
    mailbox.sent.error = None
    assert mailbox.delivery.run() and not mailbox.delivery.run() and not mailbox.sent.notices
    assert mailbox.noted.messages[0].reason == "given up"


def test_what_is_refused_for_good_is_not_sent_again(mailbox: Post) -> None:
    mailbox.put("hook", "she")
    mailbox.sent.error = PacsdError(Fault.REFUSED, "gone")
    assert mailbox.delivery.run() and not mailbox.delivery.run()
    assert mailbox.noted.messages[0].outcome is Outcome.MINOR_FAILURE


def test_a_sender_that_died_is_followed_by_another_and_none_sends_at_once(mailbox: Post) -> None:
    mailbox.put("hook", "she")
    until = NOW + timedelta(seconds=CLAIM_S)
    assert mailbox.rows.take(at=NOW, until=until) is not None
    assert not mailbox.delivery.run()                                      # somebody is at it
    mailbox.clock[0] = until
    assert mailbox.delivery.run() and len(mailbox.sent.notices) == 1


def test_a_link_that_ended_is_not_sent(mailbox: Post) -> None:
    mailbox.put("hook", "she")
    assert mailbox.links.revoke(mailbox.link.organisation, "n1", made_by=None, by="her", reason="no", at=NOW)
    assert not mailbox.delivery.run()


def test_a_subject_is_one_line_whatever_the_hospital_is_called(mailbox: Post) -> None:
    writing = Notices(mailbox.rows, CHANNELS, LinkSettings(), hospitals=lambda _: "West\r\nClinic", clock=lambda: NOW)
    written = writing.written(NoticeTo("mail", "a@x.example", "en"), mailbox.link, URL)
    assert written.subject == "West Clinic: link to your images"     # two lines are no header (RFC 5322 2.2)


def notice(text: str = f"看 {URL}", recipient: str = "13800000000") -> Notice:
    return Notice("n1", "sms", recipient, "题", text, NOW, NOW, pk=7)


def test_gateways_get_what_they_take() -> None:
    posted: list[tuple[str, Mapping[str, str], bytes]] = []
    send = Sender(lambda *told: posted.append(told), {"env:TOKEN": "s3cret"}.__getitem__)
    send(SMS, notice())
    send(HOOK, notice())
    (url, headers, body), (hook, _, told) = posted
    assert url == SMS.url and headers["Authorization"] == "Bearer s3cret"
    assert parse_qs(body.decode()) == {"sign": ["医院"], "phone": ["13800000000"], "content": [f"看 {URL}"]}
    assert hook == HOOK.url
    assert orjson.loads(told) == {"to": "13800000000", "subject": "题", "text": f"看 {URL}", "link": "n1"}


def test_a_secret_that_is_gone_holds_up_no_other_channel(
    mailbox: Post, index: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    now = mailbox.clock[0] = datetime.now(UTC)
    mailbox.link = replace(mailbox.link, name="n2", made_at=now, expires_at=now + timedelta(days=1), digest=b"n2")
    mailbox.links.add(mailbox.link)
    for channel, recipient in (("sms", "13800000000"), ("hook", "she")):
        mailbox.put(channel, recipient)
    posted: list[str] = []
    settings = Settings(link_channels=CHANNELS)
    ((_, _, run),) = open_chores(settings, index, Unrecorded(), lambda url, *_: posted.append(url))
    assert run() and run() and not run()     # what is not sent now is sent later
    assert posted == [HOOK.url] and not open_chores(Settings(), index, Unrecorded(), lambda *_: None)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.7", "[::1]", "169.254.169.254", "localhost"])
def test_gateways_in_networks_that_are_not_opened_are_not_asked(host: str) -> None:
    with client() as http, pytest.raises(PacsdError) as refused:
        post_form(http, Door(), f"http://{host}:9/", {}, b"")
    assert refused.value.fault is Fault.REFUSED


class Smtp:
    """A server of RFC 5321 for one message; `answers` in place of 250 by the verb."""

    def __init__(self, answers: Mapping[str, str] | None = None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.lines: list[str] = []
        self._answers = answers or {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rwb") as stream:
            self._say(stream, "220 here")
            data = False
            while line := stream.readline():
                text = line.decode().rstrip("\r\n")
                self.lines.append(text)
                if data and text != ".":
                    continue
                verb = "." if data else text.partition(" ")[0].upper().partition(":")[0]
                data = verb == "DATA"
                default = {"DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 ok")
                self._say(stream, self._answers.get(verb, default))
                if verb == "QUIT":
                    return

    @staticmethod
    def _say(stream: Any, text: str) -> None:
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    def close(self) -> None:
        self._listening.close()
        self._thread.join(5.0)


def test_mail_reaches_a_server() -> None:
    with closing(Smtp()) as server:
        Sender(lambda *_: None, str)(replace(MAIL, port=server.port), notice(recipient="wang@example.org"))
    lines = server.lines
    assert any(one.startswith("rcpt TO:<wang@example.org>") for one in map(_lowered, lines))
    assert "From: pacs@west.example" in lines and "To: wang@example.org" in lines
    assert any(one.startswith("Message-ID: <n1.7@west.example>") for one in lines)


def _lowered(line: str) -> str:
    verb, _, rest = line.partition(" ")
    return f"{verb.lower()} {rest}"


@pytest.mark.parametrize(("verb", "answer", "fault"), [
    ("RCPT", "550 nobody", Fault.REFUSED), ("RCPT", "451 later", Fault.UNAVAILABLE),
    (".", "554 no", Fault.REFUSED), (".", "452 full", Fault.UNAVAILABLE),
])  # fmt: skip
def test_what_a_mail_server_refuses_is_told_from_what_it_puts_off(verb: str, answer: str, fault: Fault) -> None:
    with closing(Smtp({verb: answer})) as server, pytest.raises(PacsdError) as refused:
        Sender(lambda *_: None, str)(replace(MAIL, port=server.port), notice(recipient="wang@example.org"))
    assert refused.value.fault is fault


def test_a_mail_server_without_tls_is_left_and_nothing_is_sent() -> None:
    with closing(Smtp({"STARTTLS": "454 not now"})) as server, pytest.raises(PacsdError) as refused:
        Sender(lambda *_: None, str)(replace(MAIL, port=server.port, starttls=True), notice(recipient="w@example.org"))
    assert refused.value.fault is Fault.UNAVAILABLE
    server._thread.join(5.0)
    assert not server._thread.is_alive(), "the connection is closed"
    assert not any(_lowered(one).startswith(("mail", "rcpt")) for one in server.lines)


def test_no_mail_server_is_a_reason_to_try_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PacsdError) as refused:
        Sender(lambda *_: None, str)(replace(MAIL, port=port), notice(recipient="wang@example.org"))
    assert refused.value.fault is Fault.UNAVAILABLE


@pytest.mark.parametrize("wrong", [
    {"text_zh": "没有链接"}, {"text_en": "{url} {name}"}, {"kind": "fax"}, {"url": ""}, {"url": "ftp://x"},
    {"token": "the secret itself"}, {"fields": ("x",)}, {"name": " "}, {"kind": "email"},
])  # fmt: skip
def test_channels_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        replace(SMS, **wrong)
