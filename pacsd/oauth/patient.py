"""The patient picker of a standalone launch (SMART App Launch 2.2, `launch/patient`)."""

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from starlette.responses import Response

from pacsd.access.launch_patient import LaunchPatient
from pacsd.oauth import pages
from pacsd.oauth.asked import Asked, once, pairs_of
from pacsd.oauth.authorize import CHOSEN, choice, goes_on
from pacsd.oauth.browser import Browser, browser
from pacsd.oauth.desk import Desk
from pacsd.oauth.own_tokens import user_principal
from pacsd.oauth.provider import PATH

_MAX_TEXT = 64


def show(desk: Desk, asked: Asked) -> Response:
    """A search among the patients that the user may see; the search is a form that changes nothing (GET).

    It is on record before anybody is shown.
    """
    here, told = browser(desk.provider, asked), once(pairs_of(asked.query))
    query, text = told.get("continue", ""), told.get("q", "").strip()[:_MAX_TEXT]
    signed_in, (request, on) = here.signed_in(), goes_on(desk.provider, query)
    if signed_in is None or request is None:
        return pages.redirect(on)
    found: Sequence[LaunchPatient] = ()
    if text:
        principal = user_principal(signed_in[1])
        found = desk.provider.patients.search(principal, text)
        desk.provider.recording.searched(principal, text, [one.key for one in found], address=asked.address)
    words = here.words
    search = (
        f'<form method="get" action="{PATH}/patient"><input type="hidden" name="continue" value="{escape(query)}">'
        + pages.field(words["search"], "q", value=text, hint=words["choose_hint"], focus=not found)
        + pages.button(words["search"]) + "</form>"
    )  # fmt: skip
    listed = _listed(here, [(one, choice(desk.provider, signed_in[1], one.id)) for one in found], query)
    nobody = pages.alert(words["nobody"]) if text and not found else ""
    return here.greeted(pages.page(
        words, words["choose_title"], search + nobody + listed, targets=[request.redirect_uri],
        switch=f"{PATH}/patient?{urlencode({'continue': query, 'q': text, 'lang': words['other_lang']})}",
    ))  # fmt: skip


def _listed(here: Browser, found: list[tuple[LaunchPatient, str]], query: str) -> str:
    if not found:
        return ""
    kept = {name: value for name, value in once(pairs_of(query)).items() if name != CHOSEN}
    rows = []
    for one, chosen in found:
        url = f"{PATH}/authorize?{urlencode({**kept, CHOSEN: chosen})}"
        rows.append(
            f"<tr><td>{escape(one.name)}</td><td>{escape(one.key.patient_id)}</td><td>{escape(one.birth_date)}</td>"
            f'<td><a href="{escape(url)}">{escape(here.words["choose"])}</a></td></tr>'
        )
    return f"<table><tbody>{''.join(rows)}</tbody></table>"
