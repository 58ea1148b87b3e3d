"""Setting up an authenticator app, and taking it away again.

The secret is shown before it counts: it waits sealed in the form, and is kept once a code of it was entered.
"""

import base64
from html import escape
from urllib.parse import urlencode

import segno
from starlette.responses import Response

from pacsd.faults import PacsdError
from pacsd.index import oauth_users
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth import pages, sign_in, totp, webauthn
from pacsd.oauth.asked import Asked, once, pairs_of
from pacsd.oauth.authorize import goes_on
from pacsd.oauth.browser import SESSION, Browser, browser, set_cookie, set_device
from pacsd.oauth.desk import Desk
from pacsd.oauth.provider import PATH
from pacsd.oauth.refusal import Untrusted
from pacsd.oauth.sign_in import ENROL, FULL, TOTP_PURPOSE, NotIn


def show(desk: Desk, asked: Asked) -> Response:
    """A new secret, as a picture and as text."""
    here, query = browser(desk.provider, asked), once(pairs_of(asked.query)).get("continue", "")
    found = person(here)
    if found is None:
        return pages.redirect(f"{PATH}/login?{urlencode({'continue': query})}")
    if found[1].totp_confirmed:          # whoever has one removes it first, by a code of it
        return pages.redirect(f"{PATH}/account")
    return here.greeted(_form(here, found[0], found[1], totp.new_secret(), query))


def confirm(desk: Desk, asked: Asked) -> Response:
    """A code of the new secret: from now on it is asked for."""
    here = browser(desk.provider, asked)
    fields, found = here.check_form(), person(here)
    query = fields.get("continue", "")
    if found is None or found[1].totp_confirmed:
        return pages.redirect(f"{PATH}/account")
    session, user = found
    secret = _opened(desk, user, fields.get("secret", ""))
    step = totp.step_of(secret, fields.get("code", ""), now=desk.provider.clock())
    if step is None:
        return _form(here, session, user, secret, query, wrong=True)
    sealed = desk.provider.sealer.seal(TOTP_PURPOSE, secret)
    desk.provider.recording.changed(user, "an authenticator app was set up", address=here.place.address)
    oauth_users.set_totp(desk.provider.pool, user.pk, sealed)
    oauth_users.take_totp(desk.provider.pool, user.pk, step, sealed=sealed)
    return set_up(here, session, user, query, sign_in.OTP)


def set_up(here: Browser, session: Session, user: User, query: str, method: str) -> Response:
    """On, now that somebody has a second factor: who had to set one up to be let in is in by it."""
    if session.level == FULL:
        return pages.redirect(f"{PATH}/account")
    try:
        token = sign_in.raised(here.provider, session, method)
    except NotIn:                        # the session ended meanwhile
        return pages.redirect(f"{PATH}/login?{urlencode({'continue': query})}")
    sign_in.entered(here.provider, user, here.place)
    response = pages.redirect(goes_on(here.provider, query)[1])
    set_cookie(here.provider, response, SESSION, token)
    set_device(here.provider, response, sign_in.remember_device(here.provider, user))
    return response


def removed(desk: Desk, user: User, code: str, here: Browser) -> bool:
    """Whether the app was taken away: by a code of it, and not more often guessed than at signing in."""
    try:
        sign_in.check_code(desk.provider, user, code, here.place)
    except NotIn:
        return False
    desk.provider.recording.changed(user, "the authenticator app was removed", address=here.place.address)
    oauth_users.set_totp(desk.provider.pool, user.pk, None)
    return True


def person(here: Browser) -> tuple[Session, User] | None:
    """Who may set a second factor up: who is signed in, or must have one to be and has none yet."""
    full, enrolling = here.signed_in(), here.signed_in(level=ENROL)
    if full is None and enrolling is not None and sign_in.has_second_factor(here.provider, enrolling[1]):
        return None
    return full or enrolling


def _form(here: Browser, session: Session, user: User, secret: bytes, query: str, *, wrong: bool = False) -> Response:
    words, provider = here.words, here.provider
    sealed = base64.b64encode(provider.sealer.seal(_purpose(user), secret)).decode()
    uri = totp.uri(secret, issuer=provider.issuer.partition("://")[2], account=user.username)
    picture = segno.make(uri, error="m").svg_inline(border=3, omitsize=True)
    must = pages.alert(words["must_enrol"]) if session.level == ENROL and not wrong else ""
    content = (
        must + (pages.alert(words["wrong_code"]) if wrong else "") + pages.paragraph(words["set_up_hint"])
        + f'<p role="img" aria-label="QR">{picture}</p>'
        + f"<p>{escape(words['secret'])}: <code>{_grouped(totp.text(secret))}</code></p>"
        + pages.field(words["code"], "code", autocomplete="one-time-code", focus=True,
                      extra=' inputmode="numeric" pattern="[0-9 ]{6,8}" maxlength="8"')
    )  # fmt: skip
    body = pages.form(f"{PATH}/set-up", here.csrf(), content, hidden={"continue": query, "secret": sealed},
                      buttons=pages.button(words["confirm"]))  # fmt: skip
    if session.level == ENROL and webauthn.rp_id(provider):
        on = escape(f"{PATH}/key?{urlencode({'continue': query})}")
        body += f'<p><a href="{on}">{escape(words["key_instead"])}</a></p>'
    request, _ = goes_on(provider, query)
    return pages.page(words, words["set_up_title"], body, status=403 if wrong else 200,
                      targets=[request.redirect_uri] if request is not None else ())  # fmt: skip


def _opened(desk: Desk, user: User, sealed: str) -> bytes:
    try:
        return desk.provider.sealer.open(_purpose(user), base64.b64decode(sealed, validate=True))
    except (ValueError, PacsdError) as error:
        raise Untrusted("again") from error


def _purpose(user: User) -> str:
    return f"new second factor of {user.pk}"


def _grouped(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
