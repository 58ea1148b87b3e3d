"""Share links as the settings have them."""

from collections.abc import Callable

from config.settings import Settings
from pacsd.access.directory import Directory
from pacsd.access.secrets import secret_of
from pacsd.audit.services import source
from pacsd.audit.trail import Recorder, Unrecorded
from pacsd.index.connect import Pool
from pacsd.index.link_notices import IndexNotices
from pacsd.index.links import LinkRows
from pacsd.index.work import Saying
from pacsd.links.links import Links
from pacsd.links.mail import Post, Sender
from pacsd.links.notices import EVERY_S, Delivery, Notices
from pacsd.links.records import LinkRecords


def open_links(
    settings: Settings, pool: Pool, say: Saying, directory: Directory, recorder: Recorder | None = None
) -> Links:
    """Makes links over an index. `say`: makes facts durable."""
    notices = Notices(
        IndexNotices(pool), settings.link_channels, settings.links,
        hospitals=lambda key: _hospital(directory, key),
    )  # fmt: skip
    return Links(
        LinkRows(pool, say), settings.links, base=base_of(settings), notices=notices,
        recording=LinkRecords(recorder or Unrecorded(), source(settings)),
    )  # fmt: skip


def open_chores(
    settings: Settings, pool: Pool, recorder: Recorder, post: Post
) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
    """Messages that tell of links go out, by `post` where by HTTP; nothing where there is no channel."""
    if not settings.link_channels:
        return ()
    delivery = Delivery(IndexNotices(pool), settings.link_channels, Sender(post, secret_of),
                        recording=LinkRecords(recorder, source(settings)))  # fmt: skip
    return (("links to be sent", EVERY_S, delivery.run),)


def base_of(settings: Settings) -> str:
    """How browsers reach this server, without trailing slash, whoever makes a link."""
    public = settings.web.public_url or f"http://{settings.host}:{settings.http_port}"
    return public.rstrip("/").removesuffix("/dicom-web")


def _hospital(directory: Directory, key: int) -> str:
    code = directory.codes[key]
    return directory.organisations[code].name or code
