"""How objects are de-identified for one purpose: a file, so that a study's protocol is reviewed without code."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from config.checks import Check
from config.reading import Checked, SettingsError, read, setting

OPTIONS = (
    "pixels", "features", "graphics", "structured", "descriptors", "full_dates", "modified_dates", "characteristics",
    "device", "uids", "safe_private", "institution",
)  # fmt: skip
ACTIONS = ("X", "Z", "D", "U", "K", "C")
WITHOUT_RULE = ("refuse", "keep")
PROSE = ("remove", "clean")
SHIPPED = Path(__file__).with_name("deidentify")
_PRIVATE = re.compile(r"([0-9A-F]{3}[13579BDF]),xx([0-9A-F]{2})", re.IGNORECASE)
_VR = re.compile(r"[A-Z]{2}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TAG = re.compile(r"[0-9A-F]{8}", re.IGNORECASE)


def _problem_of_options(value: object) -> str | None:
    unknown = [one for one in value if one not in OPTIONS] if isinstance(value, tuple) else ()
    if unknown:
        return f"there is no option {unknown[0]}; there is {', '.join(OPTIONS)}"
    if isinstance(value, tuple) and {"full_dates", "modified_dates"} <= set(value):
        return "dates stay either in full or shifted"
    return None


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    return lambda value: None if pattern.fullmatch(str(value)) else f"must be {what}"


def _one_of(words: tuple[str, ...]) -> Check:
    return lambda value: None if value in words else f"must be one of {', '.join(words)}"


def _patterns(value: object) -> str | None:
    for one in value if isinstance(value, tuple) else ():
        try:
            re.compile(str(one))
        except re.error:
            return f"{one!r} is no regular expression"
    return None


def _boxes(value: object) -> str | None:
    for box in value if isinstance(value, tuple) else ():
        if len(box) != 4 or box[2] < 1 or box[3] < 1:
            return "a region is [x, y, width, height] in pixels; negative x and y count from the far edge"
    return None


@dataclass(frozen=True)
class PrivateElement(Checked):
    """A private element that is known to be safe (PS3.15 E.3.10)."""

    creator: str = setting(en="Private Creator", zh="私有标签创建者")
    element: str = setting(
        en="which element, as 0019,xx0C", zh="哪个元素，如 0019,xx0C", check=_matching(_PRIVATE, "as 0019,xx0C")
    )
    vr: str = setting(en="its VR", zh="其 VR", check=_matching(_VR, "a VR"))

    @property
    def key(self) -> tuple[str, int, int]:
        """Creator, group, and last byte of the element."""
        group, element = self.element.lower().split(",xx")
        return self.creator, int(group, 16), int(element, 16)


@dataclass(frozen=True)
class Override(Checked):
    """An attribute of which the policy decides otherwise than Table E.1-1."""

    tag: str = setting(en="its tag, as 00081030", zh="标签，如 00081030", check=_matching(_TAG, "8 hexadecimal digits"))
    action: str = setting(en="X, Z, D, U, K or C, as in Table E.1-1", zh="表 E.1-1 的动作代码", check=_one_of(ACTIONS))


@dataclass(frozen=True)
class BurnedIn(Checked):
    """What a kind of device burns into its images, and where; `*` and `?` stand for any text and character.

    Of several that fit an image, the first counts.
    """

    manufacturer: str = setting("*", en="Manufacturer", zh="制造商")
    model: str = setting("*", en="Manufacturer's Model Name", zh="型号")
    modality: str = setting("*", en="Modality", zh="设备类型")
    image_type: str = setting("*", en="Image Type, its values joined by backslashes", zh="图像类型")
    sop_class: str = setting("*", en="SOP Class UID", zh="SOP 类 UID")
    rows: int = setting(0, en="Rows; 0: any", zh="行数；0：任意")
    columns: int = setting(0, en="Columns; 0: any", zh="列数；0：任意")
    clean: bool = setting(False, en="nothing is burned in", zh="没有烧录的文字")
    black: tuple[tuple[int, ...], ...] = setting(
        (), en="regions to blacken: [x, y, width, height]", zh="涂黑的区域：[x, y, 宽, 高]", unit="pixels", check=_boxes
    )
    outside_ultrasound_regions: bool = setting(
        False, en="blacken all that is outside the Sequence of Ultrasound Regions", zh="涂黑超声区域以外的部分"
    )
    features: bool = setting(
        False, en="the regions take away recognisable features, too: a face", zh="区域同时去除可识别特征（如面部）"
    )

    def __post_init__(self) -> None:
        """Raises SettingsError for a rule that does nothing."""
        super().__post_init__()
        if not (self.clean or self.black or self.outside_ultrasound_regions):
            raise SettingsError("clean", "a rule says what to blacken, or that images are clean")


@dataclass(frozen=True)
class Policy(Checked):
    """How objects are de-identified for a purpose: the Basic Profile with these options."""

    purpose: str = setting("", en="what it is for, in your own words", zh="用途")
    options: tuple[str, ...] = setting(
        (), en="options of PS3.15 E.3", zh="PS3.15 E.3 的选项", check=_problem_of_options
    )
    clean_modalities: tuple[str, ...] = setting(
        ("CT", "MR", "PT", "NM"),
        en="modalities whose original images have nothing burned in, unless they say so themselves",
        zh="原始图像不烧录文字的设备类型（图像自身声明除外）",
    )
    without_rule: str = setting(
        "refuse", en="other images without a rule: refuse, or keep as they are", zh="没有规则的其他图像：拒绝或保留",
        check=_one_of(WITHOUT_RULE),
    )  # fmt: skip
    prose: str = setting(
        "remove", en="free text of many lines (LT, ST, UT), where an option would keep it cleaned: remove, or clean",
        zh="选项允许保留的多行文字（LT、ST、UT）：删除或清理", check=_one_of(PROSE),
    )  # fmt: skip
    also_remove: tuple[str, ...] = setting(
        (), en="regular expressions of further text to take out", zh="另需去除的文字（正则表达式）", check=_patterns
    )
    private: tuple[PrivateElement, ...] = setting((), en="further safe private elements", zh="其他安全的私有元素")
    override: tuple[Override, ...] = setting((), en="what this policy decides otherwise", zh="本策略另行规定的属性")
    burned_in: tuple[BurnedIn, ...] = setting((), en="what devices burn in", zh="设备烧录规则")


def is_shipped(name: object) -> bool:
    """Whether that names a policy which comes with the program, not a file."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def load_policy(name: str) -> Policy:
    """A policy by the path of its file, or by its name where it is one of those that come with the program.

    Raises SettingsError.
    """
    path = SHIPPED / f"{name}.toml" if is_shipped(name) else Path(name)
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        there = ", ".join(sorted(one.stem for one in SHIPPED.glob("*.toml")))
        raise SettingsError(name, f"cannot be read ({error.strerror}); there is {there}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), f"is no TOML: {error}") from error
    return read(Policy, table, key=path.stem, folder=path.parent)
