"""The account page: sessions and permissions, to be ended; password and second factor, to be changed."""

from collections.abc import Callable, Mapping
from html import escape
from uuid import UUID

from starlette.responses import Response

from pacsd.faults import PacsdError
from pacsd.index import oauth_grants, oauth_sessions, oauth_users
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth import pages, security_keys, sign_in
from pacsd.oauth.asked import Asked
from pacsd.oauth.browser import Browser, browser, forget_session
from pacsd.oauth.desk import Desk
from pacsd.oauth.passwords import LEAST
from pacsd.oauth.provider import PATH
from pacsd.oauth.second_factor import removed
from pacsd.oauth.sign_in import NotIn
from pacsd.oauth.words import scope_words

_LOGIN = f"{PATH}/login"
_HERE = f"{PATH}/account"
Fields = Mapping[str, str]


def show(desk: Desk, asked: Asked) -> Response:
    """The page."""
    here = browser(desk.provider, asked)
    signed_in = here.signed_in()
    return here.greeted(pages.redirect(_LOGIN) if signed_in is None else _page(here, *signed_in))


def change(desk: Desk, asked: Asked) -> Response:
    """What one of its forms asks for."""
    here = browser(desk.provider, asked)
    fields, signed_in = here.check_form(), here.signed_in()
    if signed_in is None:
        return pages.redirect(_LOGIN)
    act = ACTIONS.get(fields.get("action", ""))
    return pages.redirect(_HERE) if act is None else act(desk, here, *signed_in, fields)


def _end(desk: Desk, _here: Browser, _session: Session, user: User, fields: Fields) -> Response:
    number = _uuid(fields.get("which", ""))
    if number is not None:
        oauth_sessions.end(desk.provider.pool, user.pk, number)
    return pages.redirect(_HERE)


def _revoke(desk: Desk, _here: Browser, _session: Session, user: User, fields: Fields) -> Response:
    grant = _uuid(fields.get("which", ""))
    if grant is not None:
        oauth_grants.revoke(desk.provider.pool, grant, user_pk=user.pk, why="revoked by user")
    return pages.redirect(_HERE)


def _sign_out(desk: Desk, here: Browser, session: Session, user: User, _fields: Fields) -> Response:
    desk.provider.recording.left(user.username, organisation=user.organisation, address=here.place.address,
                                 name=user.name)  # fmt: skip
    oauth_sessions.end(desk.provider.pool, user.pk, session.number)
    again = f'<p><a href="{_LOGIN}">{escape(here.words["sign_in"])}</a></p>'
    response = pages.page(here.words, here.words["signed_out"], again)
    forget_session(desk.provider, response)
    return response


def _password(desk: Desk, here: Browser, session: Session, user: User, fields: Fields) -> Response:
    """Another password, by the current one; whoever else is in is out."""
    try:
        sign_in.check_password(desk.provider, user, fields.get("old", ""), here.place)
    except NotIn:
        return _page(here, session, user, error=here.words["wrong"])
    try:
        hashed = desk.provider.passwords.hash(fields.get("new", ""), username=user.username)
    except PacsdError:
        return _page(here, session, user, error=here.words["bad_password"])
    desk.provider.recording.changed(user, "the password was changed", address=here.place.address)
    oauth_users.set_password(desk.provider.pool, user.pk, hashed, keep=session.id)
    return _page(here, session, user, done=here.words["changed"])


def _remove(desk: Desk, here: Browser, session: Session, user: User, fields: Fields) -> Response:
    if not removed(desk, user, fields.get("code", ""), here):
        return _page(here, session, user, error=here.words["wrong_code"])
    return pages.redirect(_HERE)


def _remove_key(_desk: Desk, here: Browser, session: Session, user: User, fields: Fields) -> Response:
    wrong = security_keys.removed(here, user, _uuid(fields.get("which", "")), fields.get("proof", ""))
    return _page(here, session, user, error=here.words[wrong]) if wrong else pages.redirect(_HERE)


ACTIONS: Mapping[str, Callable[[Desk, Browser, Session, User, Fields], Response]] = {
    "end": _end, "revoke": _revoke, "sign-out": _sign_out, "password": _password, "remove": _remove,
    "remove-key": _remove_key,
}  # fmt: skip


def _page(here: Browser, session: Session, user: User, *, error: str = "", done: str = "") -> Response:
    words, provider = here.words, here.provider
    organisation = provider.organisations[user.organisation].name
    told = f'<p role="status">{escape(done)}</p>' if done else ""
    body = (
        pages.alert(error) + told
        + pages.paragraph(words["signed_in_as"].format(user=user.name, organisation=organisation))
        + _form(here, "sign-out", "", words["sign_out"])
        + f"<h2>{escape(words['apps'])}</h2>{_grants(here, user)}"
        + f"<h2>{escape(words['sessions'])}</h2>{_sessions(here, session, user)}"
        + f"<h2>{escape(words['second'])}</h2>{_second(here, user)}{security_keys.listed(here, user)}"
        + f"<h2>{escape(words['change_password'])}</h2>{_password_form(here)}"
    )  # fmt: skip
    return pages.page(words, words["account"], body, status=403 if error else 200,
                      switch=f"{_HERE}?lang={words['other_lang']}")  # fmt: skip


def _grants(here: Browser, user: User) -> str:
    rows = []
    for grant, client in oauth_grants.of_user(here.provider.pool, user.pk):
        scopes = "".join(f"<li>{escape(scope_words(one, here.words))}</li>" for one in grant.scopes)
        rows.append(f"<h3>{escape(client)}</h3><ul>{scopes}</ul>"
                    + _form(here, "revoke", str(grant.id), here.words["revoke"]))  # fmt: skip
    return "".join(rows) or pages.paragraph(here.words["none"])


def _sessions(here: Browser, current: Session, user: User) -> str:
    words = here.words
    head = "".join(f"<th scope=col>{escape(words[one])}</th>" for one in ("since", "address", "device"))
    rows = []
    for one in oauth_sessions.of_user(here.provider.pool, user.pk):
        other = one.id != current.id
        end = _form(here, "end", str(one.number), words["end"]) if other else escape(words["this_session"])
        cells = (f"{one.made_at:%Y-%m-%d %H:%M}", one.address, one.agent[:60])
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + f"<td>{end}</td></tr>")
    return f"<table><thead><tr>{head}<td></td></tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _second(here: Browser, user: User) -> str:
    words = here.words
    if not user.totp_confirmed:
        link = f'<a href="{PATH}/set-up">{escape(words["set_up"])}</a>'
        return f"{pages.paragraph(words['totp_off'])}<p>{link}</p>"
    extra = ' inputmode="numeric" maxlength="8"'
    code = pages.field(words["code"], "code", autocomplete="one-time-code", extra=extra)
    return pages.paragraph(words["totp_on"]) + _form(here, "remove", "", words["remove"], content=code)


def _password_form(here: Browser) -> str:
    words = here.words
    old = pages.field(words["old_password"], "old", kind="password", autocomplete="current-password")
    new = pages.field(words["new_password"], "new", kind="password", autocomplete="new-password",
                      extra=f' minlength="{LEAST}"')  # fmt: skip
    return _form(here, "password", "", words["confirm"], content=old + new)


def _form(here: Browser, action: str, which: str, label: str, *, content: str = "") -> str:
    return pages.form(_HERE, here.csrf(), content, hidden={"action": action, "which": which},
                      buttons=pages.button(label, plain=not content))  # fmt: skip


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
