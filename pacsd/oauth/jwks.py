"""The public keys (RFC 7517)."""

from starlette.responses import Response

from pacsd.oauth.answers import public_json
from pacsd.oauth.asked import Asked
from pacsd.oauth.desk import Desk


def jwks(desk: Desk, _asked: Asked) -> Response:
    """Those that sign now, will sign soon, and signed what may still count."""
    return public_json(desk.provider.keys.document(), lasts_s=300)
