"""A person's browser: its cookies, its session, and the proof that a form came from a page of ours."""

from dataclasses import dataclass

from starlette.responses import Response

from pacsd.index import oauth_sessions, oauth_users
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth.asked import Asked
from pacsd.oauth.provider import Provider
from pacsd.oauth.refusal import Untrusted
from pacsd.oauth.sealing import hashed, new_token
from pacsd.oauth.sign_in import FULL, From
from pacsd.oauth.words import LANGUAGES, WORDS, Words, language_of

SESSION, VISIT, DEVICE, LANGUAGE = "pacsd-session", "pacsd-visit", "pacsd-device", "pacsd-language"
CSRF_LASTS_S = 3600.0
_DEVICE_LASTS_S = 400 * 86_400
_MAX_COOKIE = 128


@dataclass(frozen=True, slots=True)
class Browser:
    """What a request says of the browser that it came from. `visit`: who it is before somebody signs in."""

    provider: Provider
    asked: Asked
    visit: str
    is_new: bool

    @property
    def words(self) -> Words:
        """Of the language that its pages have."""
        return WORDS[language_of(self.asked.headers.get("accept-language", ""), self._language)]

    @property
    def _language(self) -> str:
        chosen = [value for name, value in self.asked.form + _pairs(self.asked.query) if name == "lang"]
        return next((one for one in chosen if one in LANGUAGES), self.asked.cookies.get(LANGUAGE, ""))

    @property
    def place(self) -> From:
        """Where somebody signs in from."""
        device = self.asked.cookies.get(cookie_name(self.provider, DEVICE), "")
        agent = "".join(one for one in self.asked.headers.get("user-agent", "") if one.isprintable())
        return From(self.asked.address, agent, device if len(device) <= _MAX_COOKIE else "")

    def signed_in(self, *, level: str = FULL) -> tuple[Session, User] | None:
        """The session and its user, if there is one at that level."""
        token = self.asked.cookies.get(cookie_name(self.provider, SESSION), "")
        if not token or len(token) > _MAX_COOKIE:
            return None
        session = oauth_sessions.session(self.provider.pool, hashed(token))
        if session is None or session.level != level:
            return None
        user = oauth_users.by_key(self.provider.pool, session.user_pk)
        known = user is not None and not user.locked and user.organisation in self.provider.organisations
        return (session, user) if user is not None and known else None

    def csrf(self) -> str:
        """What a form of ours holds, and no other site can know."""
        return self.provider.sealer.stamped("form", self._bound, lasts_s=CSRF_LASTS_S)

    def check_form(self) -> dict[str, str]:
        """The fields of a form that came from a page of ours. Raises Untrusted."""
        fields, headers = self.asked.fields, self.asked.headers
        origin = headers.get("origin")
        if origin is not None and origin != self.provider.issuer:
            raise Untrusted("again")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Untrusted("again")
        if self.is_new or not self.provider.sealer.is_stamped("form", self._bound, fields.get("csrf", "")):
            raise Untrusted("again")
        return fields

    @property
    def _bound(self) -> str:
        """A form belongs to the browser and to the session in which it was made."""
        return f"{self.visit} {self.asked.cookies.get(cookie_name(self.provider, SESSION), '')}"

    def greeted(self, response: Response) -> Response:
        """The response, with the cookie that a first visit gets, and that of the language."""
        if self.is_new:
            set_cookie(self.provider, response, VISIT, self.visit)
        if self._language in LANGUAGES and self.asked.cookies.get(LANGUAGE) != self._language:
            response.set_cookie(LANGUAGE, self._language, max_age=_DEVICE_LASTS_S, path="/", samesite="lax",
                                secure=self.provider.is_secure, httponly=True)  # fmt: skip
        return response


def browser(provider: Provider, asked: Asked) -> Browser:
    """That of a request."""
    visit = asked.cookies.get(cookie_name(provider, VISIT), "")
    known = 40 <= len(visit) <= _MAX_COOKIE
    return Browser(provider, asked, visit if known else new_token(), not known)


def cookie_name(provider: Provider, name: str) -> str:
    """With TLS the browser itself sees to it that no other host set the cookie (RFC 6265bis 4.1.3.2)."""
    return f"__Host-{name}" if provider.is_secure else name


def set_cookie(provider: Provider, response: Response, name: str, value: str, *, lasts_s: int | None = None) -> None:
    """A cookie that scripts and requests from other sites do not see."""
    response.set_cookie(cookie_name(provider, name), value, max_age=lasts_s, path="/", secure=provider.is_secure,
                        httponly=True, samesite="lax")  # fmt: skip


def set_device(provider: Provider, response: Response, value: str) -> None:
    """The cookie by which a device is known again."""
    set_cookie(provider, response, DEVICE, value, lasts_s=_DEVICE_LASTS_S)


def forget_session(provider: Provider, response: Response) -> None:
    """Take the session's cookie away."""
    response.delete_cookie(cookie_name(provider, SESSION), path="/", secure=provider.is_secure, httponly=True,
                           samesite="lax")  # fmt: skip


def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    found = [one.partition("=") for one in query.split("&")]
    return tuple((name, value) for name, _, value in found)
