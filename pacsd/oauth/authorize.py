"""The authorization end point (RFC 6749 3.1, RFC 9207, SMART App Launch 2.2): sign in, choose a patient, consent.

Each step comes back here with the client's request as it was, which is checked anew: nothing of it is kept meanwhile.
"""

from collections.abc import Collection
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.principal import PatientKey
from pacsd.access.smart_scopes import parse
from pacsd.index import oauth_grants
from pacsd.index.oauth_grants import Launch
from pacsd.index.oauth_sessions import Session
from pacsd.index.oauth_users import User
from pacsd.oauth import pages
from pacsd.oauth.asked import TICKED, Asked, once, pairs_of, with_parameters
from pacsd.oauth.authorization_request import AuthorizationRequest, Declined, authorization_request
from pacsd.oauth.browser import Browser, browser
from pacsd.oauth.desk import Desk
from pacsd.oauth.granting import grant_code, permitted
from pacsd.oauth.own_tokens import user_principal
from pacsd.oauth.provider import PATH, Provider
from pacsd.oauth.refusal import OAuthError, Untrusted
from pacsd.oauth.sealing import hashed
from pacsd.oauth.words import Words, scope_words

CHOSEN = "chosen"                        # of our own steps: the patient, and a stamp that our page made
CHOICE_LASTS_S = 900.0


@dataclass(frozen=True, slots=True)
class Asking:
    """A request in front of the person who is to decide. `query` repeats it."""

    request: AuthorizationRequest
    query: str
    session: Session
    user: User
    launch: Launch | None
    patient: LaunchPatient | None

    @property
    def encounter(self) -> str:
        """That of the launch."""
        return self.launch.encounter if self.launch is not None else ""


def ask(desk: Desk, asked: Asked) -> Response:
    """The next step for the person; or at once the answer to the client."""
    return _stepped(desk, asked, asked.query)


def ask_by_form(desk: Desk, asked: Asked) -> Response:
    """The same for a request that came as a form (SMART `authorize-post`), or the person's decision."""
    if "decision" not in asked.fields:
        return _stepped(desk, asked, urlencode(asked.form))
    return decide(desk, asked)


def decide(desk: Desk, asked: Asked) -> Response:
    """The person allowed or denied what our page asked."""
    provider, here = desk.provider, browser(desk.provider, asked)
    fields = here.check_form()
    told = once(pairs_of(fields.get("request", "")))
    request = authorization_request(provider, told)
    signed_in = here.signed_in()
    if signed_in is None:
        return pages.redirect(_step("login", fields["request"]))
    if fields["decision"] != "allow":
        raise _declined(request, "access_denied", "the person said no")
    asking = _asking(provider, request, fields["request"], *signed_in, told.get(CHOSEN, ""))
    if request.wants_patient and asking.patient is None:
        return pages.redirect(_step("patient", asking.query))
    return _granted(provider, asking, chosen=asked.all(TICKED))


def _stepped(desk: Desk, asked: Asked, query: str) -> Response:
    provider, here = desk.provider, browser(desk.provider, asked)
    told = once(pairs_of(query))
    request = authorization_request(provider, told)
    silent = "none" in request.prompt
    signed_in = here.signed_in()
    if signed_in is None or _is_too_old(provider, request, signed_in[0]):
        if silent:
            raise _declined(request, "login_required", "nobody is signed in")
        return here.greeted(pages.redirect(_step("login", _without(_signed_in(told), "max_age"))))
    asking = _asking(provider, request, _without(_signed_in(told)), *signed_in, told.get(CHOSEN, ""))
    if request.wants_patient and asking.patient is None:
        if silent:
            raise _declined(request, "interaction_required", "a patient is to be chosen")
        return here.greeted(pages.redirect(_step("patient", asking.query)))
    if request.client.trusted and "consent" not in request.prompt:
        return _granted(provider, asking)
    if silent:
        raise _declined(request, "consent_required", "the person is to be asked")
    return here.greeted(_consent(here, asking))


def _is_too_old(provider: Provider, request: AuthorizationRequest, session: Session) -> bool:
    """Whether the person must sign in once more (OpenID Connect Core 3.1.2.1)."""
    age_s = (provider.now() - session.made_at).total_seconds()
    return "login" in request.prompt or (request.max_age_s is not None and age_s > request.max_age_s)


def _asking(
    provider: Provider, request: AuthorizationRequest, query: str, session: Session, user: User, chosen: str
) -> Asking:
    launch = _launch(provider, request, user)
    patient = _patient(provider, request, user, launch, chosen)
    return Asking(request, query, session, user, launch, patient)


def _launch(provider: Provider, request: AuthorizationRequest, user: User) -> Launch | None:
    """The context that the EHR made, if it is this person's. Raises Declined."""
    if not request.launch:
        return None
    launch = oauth_grants.launch(provider.pool, hashed(request.launch), use=False)
    if launch is None:
        raise Untrusted("launch_over")
    if launch.organisation != user.organisation or launch.username not in ("", user.username):
        raise Untrusted("not_yours")
    return launch


def _patient(
    provider: Provider, request: AuthorizationRequest, user: User, launch: Launch | None, chosen: str
) -> LaunchPatient | None:
    """The patient in context: the person's own record, the launch's, or the one that was chosen on our page."""
    if user.patient is not None:
        own = provider.patients.of_key(user.organisation, PatientKey(*user.patient))
        if own is None and request.wants_patient:
            raise _declined(request, "access_denied", "there is no record of the person")
        return own
    if launch is not None and launch.patient_authority is not None and launch.patient_id is not None:
        key = PatientKey(launch.patient_authority, launch.patient_id)
        return provider.patients.of_key(user.organisation, key) or LaunchPatient(launch.patient, key, launch.patient_id)
    named, _, stamp = chosen.partition("~")
    if named and request.wants_patient and provider.sealer.is_stamped("choice", f"{user.pk} {named}", stamp):
        return provider.patients.by_id(user_principal(user), named)
    return None


def choice(provider: Provider, user: User, patient: str) -> str:
    """What says that a user chose a patient on our page."""
    return f"{patient}~{provider.sealer.stamped('choice', f'{user.pk} {patient}', lasts_s=CHOICE_LASTS_S)}"


def _granted(provider: Provider, asking: Asking, chosen: Collection[str] | None = None) -> Response:
    request = asking.request
    scopes = permitted(asking.user, request.scopes, chosen)
    if not any(parse(one) is not None or one == "openid" for one in scopes):
        raise _declined(request, "access_denied", "nothing was allowed")
    if request.launch and oauth_grants.launch(provider.pool, hashed(request.launch), use=True) is None:
        raise Untrusted("launch_over")
    code = grant_code(provider, request, asking.user, asking.session, scopes=scopes, patient=asking.patient,
                      encounter=asking.encounter)  # fmt: skip
    told = {"code": code, "state": request.state, "iss": provider.issuer}
    return pages.redirect(with_parameters(request.redirect_uri, told))


def declined(provider: Provider, error: Declined) -> Response:
    """The client is told why not (RFC 6749 4.1.2.1)."""
    told = {"error": error.code, "error_description": error.description, "iss": provider.issuer}
    if error.state:
        told["state"] = error.state
    return pages.redirect(with_parameters(error.redirect_uri, told))


def _declined(request: AuthorizationRequest, code: str, reason: str) -> Declined:
    return Declined(code, reason, redirect_uri=request.redirect_uri, state=request.state)


def _consent(here: Browser, asking: Asking) -> Response:
    """What the client asks for, in words; each permission may be taken out."""
    words, request = here.words, asking.request
    asks = words["consent_ask"].format(client=request.client.name, user=asking.user.name)
    items = "".join(_item(number, one, words) for number, one in enumerate(permitted(asking.user, request.scopes)))
    patient = _about(here, asking) if asking.patient is not None else ""
    parts = urlsplit(request.redirect_uri)
    back = words["returns_to"].format(host=parts.netloc or parts.scheme)
    buttons = (pages.button(words["allow"], name="decision", value="allow")
               + pages.button(words["deny"], name="decision", value="deny", plain=True))  # fmt: skip
    content = f"{pages.paragraph(asks)}<ul>{items}</ul>{patient}{pages.paragraph(back)}"
    body = pages.form(f"{PATH}/authorize", here.csrf(), content, hidden={"request": asking.query}, buttons=buttons)
    return pages.page(words, words["consent_title"], body, targets=[request.redirect_uri],
                      switch=_switch("authorize", asking.query, words))  # fmt: skip


def _item(number: int, scope: str, words: Words) -> str:
    """A permission: those about resources may be taken out, the others are what signing in is."""
    told = escape(scope_words(scope, words))
    if parse(scope) is None:
        return f"<li>{told}</li>"
    name = f"scope-{number}"
    box = f'<input type="checkbox" id="{name}" name="{TICKED}" value="{escape(scope)}" checked>'
    return f'<li>{box} <label for="{name}">{told}</label></li>'


def _about(here: Browser, asking: Asking) -> str:
    one = asking.patient
    if one is None:
        return ""
    born = f" · {one.birth_date}" if one.birth_date else ""
    told = escape(here.words["about_patient"].format(patient=f"{one.name} · {one.key.patient_id}{born}"))
    if asking.user.patient is not None or (asking.launch is not None and asking.launch.patient):
        return f"<p><strong>{told}</strong></p>"
    again = escape(_step("patient", _without(once(pairs_of(asking.query)), CHOSEN)))
    return f'<p><strong>{told}</strong> <a href="{again}">{escape(here.words["change_patient"])}</a></p>'


def _step(name: str, query: str) -> str:
    return f"{PATH}/{name}?{urlencode({'continue': query})}"


def _signed_in(told: dict[str, str]) -> dict[str, str]:
    """The request of somebody who has signed in, and is not to do so once more; what else was asked for stays."""
    left = " ".join(one for one in told.get("prompt", "").split() if one not in ("login", "select_account"))
    return {**told, "prompt": left} if left else {name: one for name, one in told.items() if name != "prompt"}


def _without(told: dict[str, str], *names: str) -> str:
    return urlencode({name: value for name, value in told.items() if name not in names})


def _switch(name: str, query: str, words: Words) -> str:
    """The same page in the other language."""
    kept = once(pairs_of(query))
    return f"{PATH}/{name}?{urlencode({**kept, 'lang': words['other_lang']})}"


def goes_on(provider: Provider, query: str) -> tuple[AuthorizationRequest | None, str]:
    """The request that a step belongs to, and where the step leads: back to it, else to the account."""
    if not query:
        return None, f"{PATH}/account"
    try:
        told = once(pairs_of(query))     # written anew: it came from outside, and goes into a header
        return authorization_request(provider, told), f"{PATH}/authorize?{urlencode(told)}"
    except (OAuthError, Untrusted):
        return None, f"{PATH}/account"
