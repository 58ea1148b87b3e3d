"""What the pages say, in Chinese and English."""

from collections.abc import Mapping

from pacsd.access.smart_scopes import parse

LANGUAGES = ("zh", "en")
Words = Mapping[str, str]

_ZH = {
    "lang": "zh-CN", "other": "English", "other_lang": "en", "product": "影像平台",
    "sign_in": "登录", "username": "用户名", "password": "密码", "continue": "继续",
    "wrong": "用户名或密码不正确。",
    "wait": "尝试过多，请 {seconds} 秒后再试。",
    "sign_in_for": "登录后将返回应用“{client}”。",
    "second_title": "第二步验证", "code": "动态口令", "code_hint": "请输入身份验证器应用显示的 6 位数字。",
    "wrong_code": "动态口令不正确或已使用。",
    "consent_title": "授权", "consent_ask": "应用“{client}”请求以 {user} 的身份：",
    "allow": "同意", "deny": "拒绝", "returns_to": "返回地址：{host}", "about_patient": "患者：{patient}",
    "choose_title": "选择患者", "choose_hint": "输入姓名或患者编号的开头。", "search": "查找", "choose": "选择",
    "nobody": "没有找到可查看的患者。", "change_patient": "更换患者",
    "account": "账户", "signed_in_as": "当前用户：{user}（{organisation}）", "sessions": "登录会话",
    "this_session": "本次会话", "end": "结束", "apps": "已授权的应用", "revoke": "撤销", "none": "无。",
    "since": "开始时间",
    "address": "来源地址",
    "device": "设备",
    "second": "第二因子",
    "totp_on": "已启用身份验证器应用。",
    "totp_off": "尚未启用身份验证器应用。",
    "set_up": "设置身份验证器应用", "remove": "移除", "set_up_title": "设置身份验证器应用",
    "set_up_hint": "用身份验证器应用扫描二维码，或手工输入密钥，然后填写显示的 6 位数字。", "secret": "密钥",
    "confirm": "确认", "change_password": "修改密码", "new_password": "新密码（至少 12 个字符）",
    "old_password": "当前密码", "changed": "已修改，其他会话和授权均已结束。", "bad_password": "新密码过短或过于简单。",
    "keys": "安全密钥", "key_add": "添加安全密钥或本机验证", "key_name": "名称（便于辨认）",
    "key_hint": "填写名称后，按浏览器提示触摸密钥，或使用指纹、面容、PIN。",
    "key_use": "使用安全密钥", "key_or_code": "或输入动态口令", "key_or_app": "改为设置身份验证器应用",
    "key_instead": "改用安全密钥", "key_failed": "未能完成，请重试。", "key_known": "该密钥已登记。",
    "key_missing": "此浏览器不支持安全密钥。", "key_refused": "安全密钥未通过验证。",
    "key_copied": "可能已被复制，已停用，请移除", "key_used": "上次使用：{when}", "key_unused": "尚未使用",
    "key_taken": "该密钥已被登记，或数量已达上限。", "key_script": "使用安全密钥需要启用 JavaScript。",
    "key_remove": "移除“{name}”", "keys_stopped": "已登记的安全密钥均已停用，请联系管理员。",
    "your_password": "您的密码",
    "sign_out": "退出登录", "signed_out": "已退出登录。", "error_title": "无法继续",
    "unknown_client": "该应用未登记。", "unknown_redirect": "该应用的返回地址未登记。", "again": "页面已过期，请重试。",
    "bad_request": "请求有误。",
    "must_enrol": "须先设置第二因子才能登录。", "launch_over": "该启动链接已失效。",
    "not_yours": "该启动链接不属于当前用户。",
    "openid": "确认您的身份", "profile": "读取您的姓名", "fhirUser": "读取您的 FHIR 身份",
    "launch": "使用启动时的上下文",
    "launch/patient": "使用所选患者", "launch/encounter": "使用所选就诊", "offline_access": "在您离开后继续访问",
    "online_access": "在您登录期间持续访问", "patient/": "患者", "user/": "您可查看的全部", "system/": "系统",
    "all": "所有类型", "c": "新建", "r": "读取", "u": "修改", "d": "删除", "s": "检索",
    "scope": "{who}：{what} {type}", "only": "（仅限 {search}）",
}  # fmt: skip
_EN = {
    "lang": "en", "other": "中文", "other_lang": "zh", "product": "Imaging",
    "sign_in": "Sign in",
    "username": "User name",
    "password": "Password",
    "continue": "Continue",
    "wrong": "User name or password is not right.",
    "wait": "Too many tries. Try again in {seconds} seconds.",
    "sign_in_for": "Afterwards you return to the app “{client}”.",
    "second_title": "Second step",
    "code": "One-time code",
    "code_hint": "Enter the six digits that your authenticator "
    "app shows.",
    "wrong_code": "The code is not right, or was used before.",
    "consent_title": "Permission", "consent_ask": "The app “{client}” asks to act for {user}:",
    "allow": "Allow",
    "deny": "Deny",
    "returns_to": "Returns to: {host}",
    "about_patient": "Patient: {patient}",
    "choose_title": "Choose a patient",
    "choose_hint": "Enter the beginning of a name or a patient number.",
    "search": "Search",
    "choose": "Choose",
    "nobody": "No patient that you may see was found.",
    "change_patient": "Another patient",
    "account": "Account",
    "signed_in_as": "Signed in as {user} ({organisation})",
    "sessions": "Sessions",
    "this_session": "this session",
    "end": "End",
    "apps": "Apps with permission",
    "revoke": "Revoke",
    "none": "None.",
    "since": "Since", "address": "Address", "device": "Device", "second": "Second factor",
    "totp_on": "An authenticator app is set up.",
    "totp_off": "No authenticator app is set up.",
    "set_up": "Set up an authenticator app",
    "remove": "Remove", "set_up_title": "Set up an authenticator app",
    "set_up_hint": "Scan the picture with an authenticator app, or type the secret into it; then enter the six digits "
    "that it shows.",
    "secret": "Secret",
    "confirm": "Confirm",
    "change_password": "Change password",
    "new_password": "New password (12 characters or more)", "old_password": "Current password",
    "changed": "Changed. All other sessions and permissions have ended.",
    "bad_password": "The new password is too short or too easy to guess.",
    "keys": "Security keys",
    "key_add": "Add a security key or this device",
    "key_name": "Name, to know it again",
    "key_hint": "Give it a name; then touch the key, or use fingerprint, face or PIN, as your browser asks.",
    "key_use": "Use a security key",
    "key_or_code": "Or enter a one-time code",
    "key_or_app": "Set up an authenticator app instead",
    "key_instead": "Use a security key instead",
    "key_failed": "That did not work. Please try again.",
    "key_known": "This key is registered already.",
    "key_missing": "This browser knows no security keys.",
    "key_refused": "The security key was not accepted.",
    "key_copied": "may have been copied: it does not count any more, remove it",
    "key_used": "last used {when}",
    "key_unused": "not used yet",
    "key_taken": "The key is registered already, or there are as many as there may be.",
    "key_script": "Security keys need JavaScript.",
    "key_remove": "Remove “{name}”",
    "keys_stopped": "None of your security keys counts any more. Ask an administrator.",
    "your_password": "Your password",
    "sign_out": "Sign out",
    "signed_out": "You are signed out.",
    "error_title": "This cannot go on",
    "unknown_client": "The app is not registered.",
    "unknown_redirect": "The app's return address is not registered.",
    "again": "The page is too old. Please try again.",
    "bad_request": "The request is not right.",
    "must_enrol": "Set up a second factor first, to be let in.",
    "launch_over": "This launch does not count any more.",
    "not_yours": "This launch is meant for another user.",
    "openid": "Confirm who you are",
    "profile": "Read your name", "fhirUser": "Read your FHIR identity",
    "launch": "Use the context that it was launched with",
    "launch/patient": "Use the chosen patient",
    "launch/encounter": "Use the chosen encounter",
    "offline_access": "Go on when you are away",
    "online_access": "Go on as long as you are signed in",
    "patient/": "the patient",
    "user/": "all that you may see",
    "system/": "the system",
    "all": "everything",
    "c": "create",
    "r": "read",
    "u": "change",
    "d": "delete",
    "s": "search", "scope": "{who}: {what} {type}", "only": " (only {search})",
}  # fmt: skip
WORDS: Mapping[str, Words] = {"zh": _ZH, "en": _EN}


def language_of(accepted: str, chosen: str = "") -> str:
    """The language of a page: as it was chosen, else the one that the browser likes most; Chinese first."""
    if chosen in LANGUAGES:
        return chosen
    liked = [(_quality(one), one.strip()[:2].lower()) for one in accepted.split(",")[:20]]
    known = [(quality, name) for quality, name in liked if name in LANGUAGES and quality > 0]
    return max(known, key=lambda one: one[0])[1] if known else "zh"


def scope_words(scope: str, words: Words) -> str:
    """A scope as people understand it."""
    found = parse(scope)
    if found is None:
        return words.get(scope, scope)
    letters = [one for one in "rscud" if one in found.interactions]
    what = ("、" if words["lang"] == "zh-CN" else ", ").join(words[one] for one in letters)
    kind = words["all"] if found.type == "*" else found.type
    told = words["scope"].format(who=words[f"{found.context}/"], what=what, type=kind)
    search = "&".join(f"{name}={value}" for name, value in found.search)
    return told + (words["only"].format(search=search) if search else "")


def _quality(told: str) -> float:
    _, _, parameter = told.partition(";q=")
    try:
        return float(parameter) if parameter else 1.0
    except ValueError:
        return 0.0
