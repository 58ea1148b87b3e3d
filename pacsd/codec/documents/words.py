"""The words that we add to a document, in its language: Chinese where it is Chinese, else English."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "patient": ("Patient", "患者"),
    "patient_id": ("Patient ID", "患者编号"),
    "birth_date": ("Date of birth", "出生日期"),
    "sex": ("Sex", "性别"),
    "age": ("Age", "年龄"),
    "study": ("Study", "检查"),
    "study_date": ("Study date", "检查日期"),
    "accession_number": ("Accession number", "检查号"),
    "institution": ("Institution", "机构"),
    "referring_physician": ("Referring physician", "申请医师"),
    "content_date": ("Document date", "文档日期"),
    "status": ("Status", "状态"),
    "verified_by": ("Verified by", "审核者"),
    "device": ("Device", "设备"),
    "recorded": ("Recorded", "记录时间"),
    "document": ("Document", "文档"),
    "years": ("y", "岁"),
    "months": ("months", "个月"),
    "weeks": ("weeks", "周"),
    "days": ("days", "天"),
    "M": ("male", "男"),
    "F": ("female", "女"),
    "O": ("other", "其他"),
    "COMPLETE": ("complete", "已完成"),
    "PARTIAL": ("partial", "未完成"),
    "PRELIMINARY": ("preliminary", "初步"),
    "FINAL": ("final", "最终"),
    "VERIFIED": ("verified", "已审核"),
    "UNVERIFIED": ("unverified", "未审核"),
    "HAS CONCEPT MOD": ("Modifiers", "修饰"),
    "HAS OBS CONTEXT": ("Observation context", "观察背景"),
    "HAS ACQ CONTEXT": ("Acquisition context", "采集背景"),
    "INFERRED FROM": ("Inferred from", "推断依据"),
    "SELECTED FROM": ("Selected from", "选自"),
    "HAS PROPERTIES": ("Properties", "属性"),
    "see": ("see", "参见"),
    "frames": ("frames", "帧"),
    "too_long": ("The value is too long to be shown here", "内容过长，此处未显示"),
    "no_value": ("no value", "无"),
}


def word(key: str, language: str) -> str:
    """A word of ours; a key without one stands for itself."""
    english, chinese = WORDS.get(key, (key, key))
    return chinese if language.startswith("zh") else english
