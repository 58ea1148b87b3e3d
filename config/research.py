"""Settings of research projects: whose studies are read de-identified, by which policy, by whom."""

import re
from dataclasses import dataclass
from pathlib import Path

from config import checks
from config.reading import Checked, SettingsError, setting

MAX_STUDIES = 20_000                     # of one project
MAX_LIST_BYTES = 4 << 20
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_GIB = 1 << 30


@dataclass(frozen=True)
class ResearchProjectSettings(Checked):
    """A project whose members read the listed studies of one organisation, de-identified (PS3.15 Annex E)."""

    project: str = setting(
        en="Name of the project; its pseudonyms are those of `pacsd export --project`.",
        zh="项目名称；其假名与 `pacsd export --project` 相同。",
        check=checks.code,
    )
    studies: Path = setting(
        en="File that lists the studies by Study Instance UID, one a line; lines that begin with # are remarks. What "
        "is not listed does not exist for the project; the file is read again when it changes.",
        zh="列出检查的文件，每行一个 Study Instance UID，# 开头为注释；未列出者对项目不存在。文件变更后重新读取。",
    )
    organisation: str = setting(
        "", en="Whose studies they are; the first organisation when empty.", zh="检查所属机构；为空时取第一个机构。"
    )
    policy: str = setting(
        "research",
        en="Policy of de-identification: a name that comes with the program, or the path of a file.",
        zh="去标识化策略：随程序提供的名称或文件路径。",
        check=checks.not_empty,
    )
    members: tuple[str, ...] = setting(
        (),
        en="Users and OAuth clients of the organisation that read for the project where their tokens name none.",
        zh="令牌未注明项目时，属于本项目的机构用户与 OAuth 客户端。",
        check=checks.each(checks.not_empty),
    )
    kept_bytes: int = setting(
        4 * _GIB,
        unit="bytes",
        en="Room in the data directory for de-identified instances that were asked for; the oldest go first.",
        zh="数据目录中缓存已去标识化实例的空间；先删除最早的。",
        check=checks.within(1 << 20, 1 << 50),
    )


def read_studies(file: Path) -> tuple[str, ...]:
    """The Study Instance UIDs of a project's list. Raises SettingsError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_LIST_BYTES + 1)
        if len(data) > MAX_LIST_BYTES:
            raise SettingsError(str(file), f"is larger than {MAX_LIST_BYTES >> 20} MiB")
        lines = data.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(file), "is not UTF-8") from error
    found = tuple(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")))
    if len(found) > MAX_STUDIES:
        raise SettingsError(str(file), f"lists more than {MAX_STUDIES} studies")
    wrong = next((number for number, one in enumerate(found, 1) if not _UID.fullmatch(one)), None)
    if wrong is not None:
        raise SettingsError(str(file), f"entry {wrong} is not a UID")
    return found


def state_of(file: Path) -> tuple[int, int, int]:
    """What changes when somebody writes the list; zeros where there is none."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
