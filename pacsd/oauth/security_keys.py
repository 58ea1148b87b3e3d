"""Pages of security keys: adding one, taking one away, and the form that has the browser ask one at signing in.

Whoever is signed in already shows their password once more: who finds a browser unattended neither adds nor removes.
"""

import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from urllib.parse import urlencode
from uuid import UUID, uuid4

from starlette.responses import Response

from pacsd.index import oauth_authenticators
from pacsd.index.oauth_authenticators import Authenticator
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth import pages, sign_in, webauthn
from pacsd.oauth.asked import Asked, once, pairs_of
from pacsd.oauth.authorize import goes_on
from pacsd.oauth.browser import Browser, browser
from pacsd.oauth.desk import Desk
from pacsd.oauth.provider import PATH, Provider
from pacsd.oauth.second_factor import person, set_up
from pacsd.oauth.sign_in import ENROL, FULL, NotIn
from pacsd.oauth.webauthn import Asker, Ceremony, NotProven

SCRIPT = f"{PATH}/webauthn.js"
_HERE = f"{PATH}/key"
_MAX_NAME = 64
_LASTS_S = 300


def script(_desk: Desk, _asked: Asked) -> Response:
    """What has the browser ask a key."""
    headers = {"Cache-Control": f"public, max-age={_LASTS_S}", "X-Content-Type-Options": "nosniff",
               "Cross-Origin-Resource-Policy": "same-origin"}  # fmt: skip
    return Response(_script(), headers=headers, media_type="text/javascript; charset=utf-8")


def show(desk: Desk, asked: Asked) -> Response:
    """The form that adds one."""
    here, query = browser(desk.provider, asked), once(pairs_of(asked.query)).get("continue", "")
    found = person(here)
    if found is None:
        return pages.redirect(f"{PATH}/login?{urlencode({'continue': query})}")
    if not webauthn.rp_id(desk.provider):
        return pages.redirect(f"{PATH}/account")
    return here.greeted(_form(here, *found, query))


def confirm(desk: Desk, asked: Asked) -> Response:
    """A new key: from now on it is asked for."""
    here = browser(desk.provider, asked)
    fields, found = here.check_form(), person(here)
    if found is None or not webauthn.rp_id(desk.provider):
        return pages.redirect(f"{PATH}/account")
    session, user = found
    query = fields.get("continue", "")
    wrong = _added(here, session, user, fields)
    if wrong:
        return _form(here, session, user, query, error=here.words[wrong])
    return set_up(here, session, user, query, sign_in.POP)


def _added(here: Browser, session: Session, user: User, fields: Mapping[str, str]) -> str:
    """Keep a new key; else which of the pages' words says why not."""
    provider = here.provider
    name = "".join(one for one in fields.get("name", "") if one.isprintable()).strip()[:_MAX_NAME]
    try:
        if session.level == FULL:
            sign_in.check_password(provider, user, fields.get("proof", ""), here.place)
        made = webauthn.created(Asker(provider, session, user), fields.get("challenge", ""), fields.get("stamp", ""),
                                fields.get("answer", ""))  # fmt: skip
    except NotIn:
        return "wrong"
    except NotProven:
        return "key_refused"
    provider.recording.changed(user, "a security key was added", address=here.place.address)
    added = oauth_authenticators.add(
        provider.pool, user.pk, made.id, uuid4(), name=name or here.words["keys"], credential=made.credential,
        sign_count=made.sign_count,
    )  # fmt: skip
    return "" if added else "key_taken"


def removed(here: Browser, user: User, which: UUID | None, password: str) -> str:
    """Take one away; else which of the pages' words says why not."""
    try:
        sign_in.check_password(here.provider, user, password, here.place)
    except NotIn:
        return "wrong"
    if which is not None:
        here.provider.recording.changed(user, "a security key was removed", address=here.place.address)
        oauth_authenticators.remove(here.provider.pool, user.pk, which)
    return ""


def _form(here: Browser, session: Session, user: User, query: str, *, error: str = "") -> Response:
    words, provider = here.words, here.provider
    known = oauth_authenticators.of_user(provider.pool, user.pk)
    ceremony = webauthn.to_create(Asker(provider, session, user), known)
    must = pages.alert(words["must_enrol"]) if session.level == ENROL and not error else ""
    content = must + pages.alert(error) + pages.paragraph(words["key_hint"]) + pages.field(
        words["key_name"], "name", focus=True, extra=f' maxlength="{_MAX_NAME}"')  # fmt: skip
    if session.level == FULL:
        content += pages.field(words["your_password"], "proof", kind="password", autocomplete="current-password")
    body = key_form(here, _HERE, "create", ceremony, query, content, words["confirm"])
    if session.level == ENROL:
        on = escape(f"{PATH}/set-up?{urlencode({'continue': query})}")
        body += f'<p><a href="{on}">{escape(words["key_or_app"])}</a></p>'
    request, _ = goes_on(provider, query)
    return pages.page(
        words, words["key_add"], body, status=403 if error else 200, script=script_url(provider),
        targets=[request.redirect_uri] if request is not None else (),
        switch=f"{_HERE}?{urlencode({'continue': query, 'lang': words['other_lang']})}",
    )  # fmt: skip


def key_form(
    here: Browser, action: str, kind: str, ceremony: Ceremony, query: str, content: str, label: str
) -> str:  # fmt: skip
    """A form that is sent with what the browser's authenticator answers; without a script it says so."""
    words = here.words
    told = '<p role="alert" data-told hidden></p>' + f"<noscript>{pages.alert(words['key_script'])}</noscript>"
    data = {"webauthn": kind, "options": ceremony.options, "failed": words["key_failed"], "known": words["key_known"],
            "missing": words["key_missing"]}  # fmt: skip
    hidden = {"continue": query, "challenge": ceremony.challenge, "stamp": ceremony.stamp, "answer": ""}
    return pages.form(action, here.csrf(), told + content, hidden=hidden, buttons=pages.button(label), data=data)


def listed(here: Browser, user: User) -> str:
    """The keys of who is signed in, on their account page."""
    words, provider = here.words, here.provider
    if not webauthn.rp_id(provider) and not user.has_keys:
        return ""
    known = oauth_authenticators.of_user(provider.pool, user.pk)
    add = f'<p><a href="{_HERE}">{escape(words["key_add"])}</a></p>' if webauthn.rp_id(provider) else ""
    return f"<h3>{escape(words['keys'])}</h3>{_removal(here, known) if known else ''}{add}"


def _removal(here: Browser, known: Sequence[Authenticator]) -> str:
    words = here.words
    items = "".join(f"<li>{escape(one.name)} · {escape(_state(here, one))}</li>" for one in known)
    proof = pages.field(words["your_password"], "proof", kind="password", autocomplete="current-password")
    buttons = "".join(
        pages.button(words["key_remove"].format(name=one.name), name="which", value=str(one.number), plain=True)
        for one in known
    )
    return f"<ul>{items}</ul>" + pages.form(f"{PATH}/account", here.csrf(), proof, hidden={"action": "remove-key"},
                                            buttons=buttons)  # fmt: skip


def _state(here: Browser, one: Authenticator) -> str:
    if one.copied_at is not None:
        return here.words["key_copied"]
    if one.used_at is None:
        return here.words["key_unused"]
    return here.words["key_used"].format(when=f"{one.used_at:%Y-%m-%d %H:%M}")


def script_url(provider: Provider) -> str:
    """Of the one script that a page may run (CSP3 6.7.2.8: a source with a path)."""
    return f"{provider.issuer}{SCRIPT}"


@cache
def _script() -> bytes:
    return pkgutil.get_data("pacsd.oauth", "webauthn.js") or b""
