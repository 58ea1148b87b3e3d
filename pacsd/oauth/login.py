"""The log-in page, and the second step: a code of an authenticator app, or a security key."""

import math
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from starlette.responses import Response

from pacsd.index import oauth_authenticators
from pacsd.oauth import pages, security_keys, sign_in, webauthn
from pacsd.oauth.asked import Asked, once, pairs_of
from pacsd.oauth.authorize import goes_on
from pacsd.oauth.browser import SESSION, Browser, browser, set_cookie, set_device
from pacsd.oauth.desk import Desk
from pacsd.oauth.provider import PATH
from pacsd.oauth.sign_in import PASSWORD, NotIn
from pacsd.oauth.webauthn import Asker


def show(desk: Desk, asked: Asked) -> Response:
    """The form."""
    here = browser(desk.provider, asked)
    return here.greeted(_form(here, _continue(asked)))


def sign(desk: Desk, asked: Asked) -> Response:
    """Name and password."""
    here = browser(desk.provider, asked)
    fields = here.check_form()
    query, username = fields.get("continue", ""), fields.get("username", "")
    try:
        token, user = sign_in.by_password(desk.provider, username, fields.get("password", ""), here.place)
    except NotIn as error:
        return _form(here, query, username=username, error=error)
    second = sign_in.has_second_factor(desk.provider, user)
    must_enrol = not second and desk.provider.settings.second_factor == "required" and user.patient is None
    on = _on("second", query) if second else _on("set-up", query) if must_enrol else goes_on(desk.provider, query)[1]
    return _entered(here, pages.redirect(on), token, None if second or must_enrol else sign_in.remember_device(
        desk.provider, user))  # fmt: skip


def show_second(desk: Desk, asked: Asked) -> Response:
    """The form of the second step."""
    here = browser(desk.provider, asked)
    query = _continue(asked)
    half = here.signed_in(level=PASSWORD)
    if half is None:
        return pages.redirect(_on("login", query))
    return here.greeted(_second_form(here, query, Asker(desk.provider, *half)))


def sign_second(desk: Desk, asked: Asked) -> Response:
    """The code of an authenticator app, or what a security key answered."""
    here = browser(desk.provider, asked)
    fields, half = here.check_form(), here.signed_in(level=PASSWORD)
    query = fields.get("continue", "")
    if half is None:
        return pages.redirect(_on("login", query))
    asker, by_key = Asker(desk.provider, *half), "answer" in fields
    try:
        token = _shown_key(asker, here, fields) if by_key else sign_in.by_code(
            desk.provider, *half, fields.get("code", ""), here.place)  # fmt: skip
    except NotIn as error:
        return _second_form(here, query, asker, error=error, wrong="key_refused" if by_key else "wrong_code")
    on = goes_on(desk.provider, query)[1]
    return _entered(here, pages.redirect(on), token, sign_in.remember_device(desk.provider, asker.user))


def _shown_key(asker: Asker, here: Browser, fields: Mapping[str, str]) -> str:
    return sign_in.by_key(asker, fields.get("challenge", ""), fields.get("stamp", ""), fields["answer"], here.place)


def _entered(here: Browser, response: Response, token: str, device: str | None) -> Response:
    set_cookie(here.provider, response, SESSION, token)
    if device is not None:
        set_device(here.provider, response, device)
    return response


def _form(here: Browser, query: str, *, username: str = "", error: NotIn | None = None) -> Response:
    words = here.words
    request, _ = goes_on(here.provider, query)
    told = _told(here, error, "wrong")
    client = pages.paragraph(words["sign_in_for"].format(client=request.client.name)) if request is not None else ""
    hint = request.username if request is not None else ""
    content = client + pages.alert(told) + pages.field(
        words["username"], "username", autocomplete="username", value=username or hint, focus=True,
        extra=' maxlength="64"',
    ) + pages.field(words["password"], "password", kind="password", autocomplete="current-password")  # fmt: skip
    body = pages.form(f"{PATH}/login", here.csrf(), content, hidden={"continue": query},
                      buttons=pages.button(words["sign_in"]))  # fmt: skip
    return pages.page(
        words, words["sign_in"], body, status=_status(error), headers=_headers(error),
        targets=[request.redirect_uri] if request is not None else (),
        switch=f"{PATH}/login?{urlencode({'continue': query, 'lang': words['other_lang']})}",
    )  # fmt: skip


def _second_form(
    here: Browser, query: str, asker: Asker, *, error: NotIn | None = None, wrong: str = "wrong_code"
) -> Response:
    """What the person set up, keys first."""
    words, user = here.words, asker.user
    request, _ = goes_on(here.provider, query)
    by_key, by_code = _key_form(here, query, asker), ""
    if user.totp_confirmed:
        by_code = (f"<h2>{escape(words['key_or_code'])}</h2>" if by_key else "") + _code_form(
            here, query, focus=not by_key)  # fmt: skip
    stopped = "" if by_key or by_code else pages.alert(words["keys_stopped"])
    return pages.page(
        words, words["second_title"], pages.alert(_told(here, error, wrong)) + stopped + by_key + by_code,
        status=_status(error), headers=_headers(error),
        script=security_keys.script_url(here.provider) if by_key else "",
        targets=[request.redirect_uri] if request is not None else (),
        switch=f"{PATH}/second?{urlencode({'continue': query, 'lang': words['other_lang']})}",
    )  # fmt: skip


def _key_form(here: Browser, query: str, asker: Asker) -> str:
    """Asks for one of the keys that count; empty where there is none."""
    if not asker.user.has_keys or not webauthn.rp_id(here.provider):
        return ""
    known = [one for one in oauth_authenticators.of_user(here.provider.pool, asker.user.pk) if one.copied_at is None]
    if not known:
        return ""
    ceremony = webauthn.to_get(asker, known)
    return security_keys.key_form(here, f"{PATH}/second", "get", ceremony, query, "", here.words["key_use"])


def _code_form(here: Browser, query: str, *, focus: bool) -> str:
    words = here.words
    content = pages.field(
        words["code"], "code", autocomplete="one-time-code", hint=words["code_hint"], focus=focus,
        extra=' inputmode="numeric" pattern="[0-9 ]{6,8}" maxlength="8"',
    )  # fmt: skip
    return pages.form(f"{PATH}/second", here.csrf(), content, hidden={"continue": query},
                      buttons=pages.button(words["continue"]))  # fmt: skip


def _told(here: Browser, error: NotIn | None, wrong: str) -> str:
    if error is None:
        return ""
    return here.words["wait"].format(seconds=math.ceil(error.wait_s)) if error.wait_s else here.words[wrong]


def _status(error: NotIn | None) -> int:
    return 200 if error is None else 429 if error.wait_s else 403


def _headers(error: NotIn | None) -> dict[str, str]:
    return {"Retry-After": str(math.ceil(error.wait_s))} if error is not None and error.wait_s else {}


def _continue(asked: Asked) -> str:
    return once(pairs_of(asked.query)).get("continue", "")


def _on(name: str, query: str) -> str:
    return f"{PATH}/{name}?{urlencode({'continue': query})}"
