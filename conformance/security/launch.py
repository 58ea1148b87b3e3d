"""The authorization end point as far as nobody is needed who signs in: what it must refuse before it asks anybody."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from conformance.fhir import expect
from conformance.fhir.server import Answer
from conformance.judging import Failed, NotSupported, NotTested
from conformance.security.smart import words
from conformance.security.suite import Page, Site, oauth_error

LAUNCH = Page("launch", "SMART App Launch 2.2: authorization")

HTML = "text/html"
REDIRECTS = (302, 303)


def asked(site: Site, **changes: str | None) -> dict[str, str]:
    """The parameters of an ordinary request; None takes one away."""
    app = site.needs_app()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 50).digest()).rstrip(b"=").decode()
    parameters: dict[str, str | None] = {
        "response_type": "code", "client_id": app.id, "redirect_uri": app.redirect_uri, "scope": "openid",
        "state": secrets.token_urlsafe(9), "code_challenge": challenge, "code_challenge_method": "S256",
        "aud": str(site.nobody.base), **changes,
    }  # fmt: skip
    return {name: value for name, value in parameters.items() if value is not None}


def ask(site: Site, parameters: Mapping[str, str], more: str = "") -> Answer:
    """The answer to a request; redirects are not followed."""
    url = site.end_point("authorization_endpoint")
    return site.nobody.get(f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}{more}", HTML)


def called_back(site: Site, answer: Answer) -> dict[str, str] | None:
    """What the app is told at its redirect URI; None where the answer does not lead there."""
    location = answer.headers.get("location", "")
    if answer.status not in REDIRECTS or not location.startswith(site.needs_app().redirect_uri):
        return None
    found = parse_qs(urlsplit(location).query)
    return {name: values[0] for name, values in found.items()}


def declined(site: Site, answer: Answer, *codes: str) -> dict[str, str]:
    """What the app is told, if it is an error. Raises NotTested where a person is asked to sign in before that."""
    told = called_back(site, answer)
    if told is None:
        if 400 <= answer.status < 500:
            return {}
        if answer.status in (*REDIRECTS, 200):
            raise NotTested(f"{answer.request[:60]}: a person is asked first")
        expect.status(answer, 400, *REDIRECTS)
        return {}
    expect.that("code" not in told and "access_token" not in told, "no code and no token", sorted(told))
    expect.that(told.get("error") in codes, f"error {' or '.join(codes)}", told)
    return told


def goes_on(site: Site, answer: Answer) -> None:
    """Raises Failed unless a person is shown something, or sent to where they sign in."""
    told = called_back(site, answer)
    if told is not None and "error" in told:
        raise Failed(f"expected that a person is asked, got {told}")
    expect.status(answer, 200, *REDIRECTS)


@LAUNCH.must("asked", "app-launch#obtain-authorization-code", "A right request leads to a person, not to an error")
def right(site: Site) -> None:
    goes_on(site, ask(site, asked(site)))


@LAUNCH.must("no-pkce", "app-launch#considerations-for-pkce-support, RFC 7636 4.4.1", "No code without a challenge")
def no_challenge(site: Site) -> None:
    declined(site, ask(site, asked(site, code_challenge=None, code_challenge_method=None)), "invalid_request")


@LAUNCH.must("plain", "app-launch#considerations-for-pkce-support", "A challenge that is the verifier is refused")
def plain(site: Site) -> None:
    declined(site, ask(site, asked(site, code_challenge_method="plain")), "invalid_request")
    declined(site, ask(site, asked(site, code_challenge_method=None)), "invalid_request")


@LAUNCH.must("implicit", "app-launch#obtain-authorization-code, RFC 9700 2.1.2", "No token by the implicit grant")
def implicit(site: Site) -> None:
    for kind in ("token", "id_token token", "none"):
        declined(site, ask(site, asked(site, response_type=kind)), "unsupported_response_type", "invalid_request",
                 "unauthorized_client")  # fmt: skip


@LAUNCH.must("redirect", "RFC 6749 3.1.2.4, RFC 9700 4.1.3", "Nobody is sent to a URI that is not registered")
def redirect(site: Site) -> None:
    registered = site.needs_app().redirect_uri
    parts = urlsplit(registered)
    wrong = (
        f"{registered}/more", f"{registered}?x=1", f"{registered}#x", f"{registered}/../other", registered + "%2f..",
        f"{parts.scheme}://{parts.netloc}.evil.example{parts.path}", f"{parts.scheme}://{parts.netloc}@evil.example/",
        "https://evil.example/", "//evil.example/", "javascript:alert(1)", f"https://evil.example/{registered}",
    )  # fmt: skip
    for uri in wrong:
        answer = ask(site, asked(site, redirect_uri=uri))
        expect.that("evil.example" not in urlsplit(answer.headers.get("location", "")).netloc, "no redirect", uri)
        expect.that(answer.status not in REDIRECTS, f"no redirect for {uri}", answer.headers.get("location"))
        expect.that(answer.status >= 400, f"a refusal of {uri}", answer.status)


@LAUNCH.must("client", "RFC 6749 4.1.2.1", "Of an unknown client nobody is redirected")
def unknown_client(site: Site) -> None:
    answer = ask(site, asked(site, client_id=f"nobody-{secrets.token_hex(4)}"))
    expect.that(answer.status >= 400 and "location" not in answer.headers, "a refusal in place", answer.status)


@LAUNCH.must("state", "RFC 6749 4.1.2.1", "An error brings back the state, as it was")
def state(site: Site) -> None:
    odd = "a b&c=%d+é"
    told = declined(site, ask(site, asked(site, code_challenge=None, code_challenge_method=None, state=odd)),
                    "invalid_request")  # fmt: skip
    if not told:
        raise NotSupported("the app is not told of errors")
    expect.same(odd, told.get("state"), "state")


@LAUNCH.should("iss", "RFC 9207 2", "An answer to the app names who gave it")
def iss(site: Site) -> None:
    if not site.metadata.get("authorization_response_iss_parameter_supported"):
        raise NotSupported("authorization_response_iss_parameter_supported is not told")
    told = declined(site, ask(site, asked(site, code_challenge=None)), "invalid_request")
    expect.same(site.issuer, told.get("iss"), "iss")


@LAUNCH.must("aud", "app-launch#obtain-authorization-code", "A request for tokens to another server is refused")
def aud(site: Site) -> None:
    declined(site, ask(site, asked(site, aud="https://evil.example/fhir")), "invalid_target", "invalid_request",
             "access_denied")  # fmt: skip


@LAUNCH.must("launch", "app-launch#launch-app-ehr-launch", "A launch that no system made leads to no code")
def unknown_launch(site: Site) -> None:
    if "launch-ehr" not in words(site.smart.get("capabilities")):
        raise NotSupported("launch-ehr is not offered")
    told = called_back(site, ask(site, asked(site, scope="launch openid", launch=secrets.token_urlsafe(16))))
    expect.that(told is None or "code" not in told, "no code", told)


@LAUNCH.must("twice", "RFC 6749 3.1", "A parameter that comes twice is refused")
def twice(site: Site) -> None:
    for more in ("&state=other", f"&{urlencode({'redirect_uri': 'https://evil.example/'})}", "&scope=openid"):
        answer = ask(site, asked(site), more)
        told = called_back(site, answer)
        refused = answer.status >= 400 if told is None else told.get("error") == "invalid_request"
        expect.that(refused, "a refusal", answer.status)


@LAUNCH.must("post", "conformance#capabilities (authorize-post)", "The same may be asked by a form")
def by_form(site: Site) -> None:
    if "authorize-post" not in words(site.smart.get("capabilities")):
        raise NotSupported("authorize-post is not offered")
    goes_on(site, site.post_text(site.end_point("authorization_endpoint"), urlencode(asked(site)), accept=HTML))


@LAUNCH.must("injection", "RFC 9110 5.5, CWE-113", "No header field is made of what a request says")
def injection(site: Site) -> None:
    for name in ("state", "scope", "client_id", "redirect_uri", "login_hint"):
        answer = ask(site, asked(site, **{name: "x\r\nSet-Cookie: stolen=1\r\nX-Made: 1"}))
        expect.that("x-made" not in answer.headers, "no such field", answer.headers.get("x-made"))
        expect.that("stolen" not in answer.headers.get("set-cookie", ""), "no such cookie", "one")


@LAUNCH.must("framed", "RFC 6749 10.13, RFC 9700 4.16", "Where a person decides, no other page shows it in a frame")
def framed(site: Site) -> None:
    answer = shown(site)
    policy = answer.headers.get("content-security-policy", "")
    options = answer.headers.get("x-frame-options", "").upper()
    ancestors = [one.split()[1:] for one in policy.split(";") if one.split()[:1] == ["frame-ancestors"]]
    safe = options in ("DENY", "SAMEORIGIN") or (ancestors and ancestors[0] in (["'none'"], ["'self'"]))
    expect.that(safe, "frame-ancestors or X-Frame-Options", policy or options)


@LAUNCH.should("page", "RFC 9700 4.2.4, ASVS 8.2.1", "Where a person decides, nothing is kept and no referrer told")
def page(site: Site) -> None:
    answer = shown(site)
    expect.that("no-store" in answer.headers.get("cache-control", ""), "no-store", answer.headers.get("cache-control"))
    told = answer.headers.get("referrer-policy", "")
    expect.that(told in ("no-referrer", "same-origin", "strict-origin", "origin"), "a Referrer-Policy", told)


@LAUNCH.must("cookies", "RFC 6265 4.1.2.5, ASVS 3.4", "Cookies are out of reach of scripts and of plain text")
def cookies(site: Site) -> None:
    for one in shown(site).headers.get_list("set-cookie"):
        fields = {part.strip().partition("=")[0].lower() for part in one.split(";")[1:]}
        expect.that("httponly" in fields and "samesite" in fields, "HttpOnly and SameSite", one)
        expect.that("secure" in fields or site.nobody.base.scheme == "http", "Secure", one)


def shown(site: Site) -> Answer:
    """The page that a person gets to see first."""
    answer = ask(site, asked(site))
    for _ in range(5):
        if answer.status not in REDIRECTS:
            break
        here = site.end_point("authorization_endpoint")
        answer = site.nobody.get(urljoin(here, answer.headers["location"]), HTML)
    expect.that(answer.status == 200 and answer.media_type == HTML, "a page", answer.status)
    return answer


@LAUNCH.must("code", "RFC 6749 5.2", "A code that nobody was given is worth nothing")
def made_up_code(site: Site) -> None:
    app = site.needs_app()
    told = {"grant_type": "authorization_code", "code": secrets.token_urlsafe(32), "client_id": app.id,
            "redirect_uri": app.redirect_uri, "code_verifier": "v" * 50}  # fmt: skip
    oauth_error(site.post_form(site.end_point("token_endpoint"), told), (400, 401), "invalid_grant", "invalid_client")


@LAUNCH.must("refresh", "RFC 6749 5.2", "A refresh token that nobody was given is worth nothing")
def made_up_refresh(site: Site) -> None:
    told = {"grant_type": "refresh_token", "refresh_token": secrets.token_urlsafe(32), "client_id": site.needs_app().id}
    oauth_error(site.post_form(site.end_point("token_endpoint"), told), (400, 401), "invalid_grant", "invalid_client")
