"""Research projects put together: for each an archive that holds nothing but what is made for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from config.deidentification import load_policy
from config.settings import Settings
from pacsd.access.asking import Access
from pacsd.access.principal import Principal
from pacsd.archive.export import Export
from pacsd.archive.frames import Frames
from pacsd.archive.image_headers import ImageHeaders
from pacsd.archive.metadata import Metadata
from pacsd.archive.received import as_declared
from pacsd.archive.rendered import Rendered
from pacsd.archive.research.catalogue import Catalogue
from pacsd.archive.research.contents import ResearchContents, no_packs
from pacsd.archive.research.made import Made
from pacsd.archive.research.project import Projects, ResearchProject
from pacsd.archive.research.search import ResearchSearch
from pacsd.archive.retrieve import Retrieve
from pacsd.archive.services import Archive
from pacsd.blobs.cache import Cache
from pacsd.blobs.local import LocalBlobs
from pacsd.blobs.scratch import Scratch
from pacsd.deidentify import Deidentified, Project
from pacsd.faults import Fault, PacsdError

FOLDER = "research"                      # below the data directory: what is made, and can be made again


@dataclass(frozen=True, slots=True)
class OnlyScratch:
    """Room for long answers; nothing is stored for a project."""

    scratch: Callable[[], Scratch]

    def receive_part10(self, peer: Any, *, study_instance_uid: str | None = None) -> NoReturn:
        """Raises PacsdError FORBIDDEN."""
        refuse(peer, study_instance_uid)

    def batch(self, peer: Any) -> NoReturn:
        """Raises PacsdError FORBIDDEN."""
        refuse(peer)


@dataclass(frozen=True, slots=True)
class ResearchArchive:
    """The services of the archive that a project has."""

    project: ResearchProject
    search: ResearchSearch
    retrieve: Retrieve
    metadata: Metadata
    frames: Frames
    rendered: Rendered
    ingest: OnlyScratch

    @property
    def non_patient(self) -> NoReturn:
        """Raises PacsdError FORBIDDEN."""
        refuse()

    @property
    def commitments(self) -> NoReturn:
        """Raises PacsdError FORBIDDEN."""
        refuse()


def refuse(*_: object) -> NoReturn:
    """Raises PacsdError FORBIDDEN: a project reads."""
    raise PacsdError(Fault.FORBIDDEN, "researchers read de-identified images, and nothing else")


@dataclass(frozen=True)
class Research:
    """The projects of this server; the archive of each is opened when somebody first asks."""

    projects: Projects
    _open: Callable[[ResearchProject], ResearchArchive]
    _opened: dict[str, ResearchArchive] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def archive(self, access: Access) -> ResearchArchive:
        """What is made for whoever asks. Raises PacsdError FORBIDDEN."""
        project = self.projects.of(access.principal)
        with self._lock:
            if project.name not in self._opened:
                self._opened[project.name] = self._open(project)
            return self._opened[project.name]

    def about(self, principal: Principal, study_instance_uid: str) -> tuple[str, str]:
        """For records: the project of whoever asks, and what one of its studies is stored as; "" for what is none."""
        try:
            project = self.projects.of(principal)
            return project.name, project.original(study_instance_uid) or ""
        except PacsdError:
            return principal.project, ""


def open_research(
    settings: Settings, archive: Archive, key_of: Callable[[str], Project], *,
    now: Callable[[], float] = time.monotonic,
) -> Research | None:  # fmt: skip
    """The projects of the settings; None where there are none. `key_of`: the pseudonyms of a project by name.

    Raises SettingsError for a policy that cannot be used, PacsdError for a key.
    """
    if not settings.research_projects:
        return None
    first = settings.organisations[0].code
    projects: Mapping[str, ResearchProject] = {
        one.project: ResearchProject(
            one, archive.directory.organisation_key(one.organisation or first), one.organisation or first,
            Deidentified(load_policy(one.policy), key_of(one.project)), now,
        )
        for one in settings.research_projects
    }  # fmt: skip
    folder, reserve = settings.data_dir.absolute() / FOLDER, settings.storage.reserve_bytes
    return Research(Projects(projects), partial(opened_over, archive, folder, reserve))


def opened_over(archive: Archive, folder: Path, reserve_bytes: int, project: ResearchProject) -> ResearchArchive:
    """What is made for one project of an archive, below the folder."""
    blobs = LocalBlobs(folder / project.name, reserve_bytes=reserve_bytes)
    cache = Cache(blobs, max_bytes=project.settings.kept_bytes)
    made = Made(project, archive.retrieve, Export(archive.retrieve, archive.blobs), cache)
    contents = ResearchContents(project, archive.retrieve.contents, archive.retrieve, made)
    retrieve = Retrieve(blobs, contents, no_packs)
    frames, metadata = Frames(retrieve, blobs, no_packs), Metadata(blobs, contents, no_packs, as_declared)
    return ResearchArchive(
        project=project,
        search=ResearchSearch(Catalogue(contents, archive.search, cache), contents),
        retrieve=retrieve,
        metadata=metadata,
        frames=frames,
        rendered=Rendered(retrieve, frames, ImageHeaders(blobs), metadata),
        ingest=OnlyScratch(archive.spool.scratch),
    )
