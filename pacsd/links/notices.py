"""Telling somebody of a link: written at once, kept durably, sent by the worker, tried again while that makes sense.

A notice holds the link, and nothing about the person but where it goes; the PIN goes another way. Its row is deleted
when it was sent, and when it will not be.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from config.links import LinkChannelSettings, LinkSettings
from pacsd.audit.codes import Outcome
from pacsd.faults import Fault, PacsdError
from pacsd.links.link import Link
from pacsd.links.records import LinkRecords

EVERY_S = 2.0
CLAIM_S = 120.0                          # a worker that died lets go of what it was sending
_LONGEST_S = 3_600.0
_PHONE = re.compile(r"\+?[0-9][0-9 -]{3,30}")
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_ANYTHING = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_RECIPIENT: Mapping[str, re.Pattern[str]] = {"sms": _PHONE, "email": _EMAIL, "webhook": _ANYTHING}

log = logging.getLogger("pacsd.links")


@dataclass(frozen=True, slots=True)
class NoticeTo:
    """Who is to be told, by which channel; `language` empty: the channel's."""

    channel: str
    recipient: str = field(repr=False)
    language: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that waits to be sent. `link`: its name."""

    link: str
    channel: str
    recipient: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    due_at: datetime
    give_up_at: datetime
    pk: int = 0
    attempts: int = 0


class NoticeRows(Protocol):
    """index.link_notices"""

    def put(self, notice: Notice) -> None: ...

    def take(self, *, at: datetime, until: datetime) -> Notice | None:
        """One that is due, not to be taken again before `until`."""

    def drop(self, pk: int) -> None: ...
    def later(self, pk: int, *, at: datetime) -> None: ...


class Send(Protocol):
    """Sends one notice. Raises PacsdError REFUSED where that will never do, UNAVAILABLE where it may later."""

    def __call__(self, channel: LinkChannelSettings, notice: Notice) -> None: ...


class Notices:
    """Writes notices. `hospitals`: names of organisations by key."""

    def __init__(
        self, rows: NoticeRows, channels: Sequence[LinkChannelSettings], settings: LinkSettings, *,
        hospitals: Callable[[int], str], clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._rows = rows
        self._channels = {one.name: one for one in channels}
        self._settings = settings
        self._hospitals = hospitals
        self._clock = clock

    def written(self, to: NoticeTo, link: Link, url: str) -> Notice:
        """The notice of a link. Raises PacsdError INVALID for a channel or recipient that is none."""
        channel = self._channels.get(to.channel)
        if channel is None:
            raise PacsdError(Fault.INVALID, "there is no such channel")
        if not _RECIPIENT[channel.kind].fullmatch(to.recipient):
            raise PacsdError(Fault.INVALID, "the recipient is none for this channel")
        language = to.language or channel.language
        if language not in ("zh", "en"):
            raise PacsdError(Fault.INVALID, "the language is zh or en")
        now = self._clock()
        places = {"url": url, "hospital": self._hospitals(link.organisation), "until": _day(link.expires_at)}
        subject, text = getattr(channel, f"subject_{language}"), getattr(channel, f"text_{language}")
        end = min(link.expires_at, now + timedelta(seconds=self._settings.give_up_s))
        line = " ".join(_filled(subject, {**places, "url": ""}).split())         # a hospital's name may be of two
        return Notice(link.name, channel.name, to.recipient, line, _filled(text, places), now, end)

    def put(self, notice: Notice) -> None:
        """Have it sent."""
        self._rows.put(notice)


class Delivery:
    """Sends what is due, one after the other."""

    def __init__(
        self, rows: NoticeRows, channels: Sequence[LinkChannelSettings], send: Send, *,
        recording: LinkRecords | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._rows = rows
        self._channels = {one.name: one for one in channels}
        self._send = send
        self._recording = recording or LinkRecords()
        self._clock = clock

    def run(self) -> bool:
        """Send one; whether more may be waiting."""
        now = self._clock()
        notice = self._rows.take(at=now, until=now + timedelta(seconds=CLAIM_S))
        if notice is None:
            return False
        channel = self._channels.get(notice.channel)
        if channel is None or now >= notice.give_up_at:
            self._ended(notice, Outcome.SERIOUS_FAILURE, "given up")
            return True
        try:
            self._send(channel, notice)
        except PacsdError as error:
            self._failed(notice, error)
            return True
        self._ended(notice, Outcome.SUCCESS, "")
        return True

    def _failed(self, notice: Notice, error: PacsdError) -> None:
        if error.fault is Fault.REFUSED:
            self._ended(notice, Outcome.MINOR_FAILURE, error.message)
            return
        wait_s = min(_LONGEST_S, 5.0 * 2.0 ** min(notice.attempts, 20))
        self._rows.later(notice.pk, at=self._clock() + timedelta(seconds=wait_s))
        log.warning("a link was not sent, and will be again", extra={"channel": notice.channel, "cause": error.message})

    def _ended(self, notice: Notice, outcome: Outcome, reason: str) -> None:
        self._recording.told(notice.link, notice.channel, outcome=outcome, reason=reason)
        self._rows.drop(notice.pk)


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def _day(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d}"
