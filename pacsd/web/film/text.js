// Every word of the page, Chinese first.

const WORDS = {
  zh: {
    page: '影像', language: 'EN', toolbar: '工具', scroll: '翻页', window: '调窗', pan: '移动', distance: '测距', angle: '角度', value: '测值', ctValue: 'CT值',
    presets: '窗预设', series: '序列', report: '报告', cine: '播放', stop: '停止', rotate: '旋转', flipH: '左右翻', flipV: '上下翻', invert: '反相',
    layout: '布局', reset: '复位', erase: '清除', info: '检查信息', close: '关闭', slice: '第几幅', full: '全范围', original: '原始', automatic: '自动',
    brain: '脑窗', stroke: '卒中窗', lung: '肺窗', mediastinum: '纵隔窗', abdomen: '腹窗', liver: '肝窗', bone: '骨窗', vessels: '血管窗',
    patient: '姓名', patientId: '患者编号', sex: '性别', birth: '出生日期', age: '年龄', studyDate: '检查时间', accession: '检查号', modality: '设备类型',
    institution: '医院', description: '检查描述', male: '男', female: '女', other: '其他', images: '{n} 幅', noReport: '此检查没有报告。', loading: '正在载入…',
    notFound: '没有找到此检查，或无权查看。', noImages: '此检查没有可显示的影像。', failed: '载入失败', retry: '重试', offline: '网络不通',
    over: '链接已过期或已失效，请向医院索取新的链接。', history: '我的检查', empty: '没有可查看的检查。', download: '下载',
    cannotShow: '此页不能显示这种影像', notHere: '此页不显示', openPdf: '打开 PDF 报告', verified: '已审核', unverified: '未审核', partial: '未完成',
    atDetector: '按探测器平面计算，未校正放大率', atDetectorShort: '(探测器)', calibrated: '按标定像素间距计算', noSpacing: '影像没有像素间距，长度以像素计',
    panes: '{n} 格', chooseSeries: '点“序列”选择影像', thickness: '层厚', references: '引用影像 {n} 幅', wl: '窗位 {center} 窗宽 {width}', unitsYears: '{n}岁', unitsMonths: '{n}月', unitsWeeks: '{n}周', unitsDays: '{n}天',
    measureHint: '按住并拖动', angleHint: '拖出第一条边，再从角点拖出第二条边', valueHint: '按住影像查看数值', forReference: '仅供参考，诊断以报告为准', pane: '影像窗格 {n}', tooMany: '影像过多，只显示前 {n} 幅',
    tooManyStudies: '检查过多，只显示 {n} 项',
  },
  en: {
    page: 'Images', language: '中文', toolbar: 'Tools', scroll: 'Scroll', window: 'Window', pan: 'Move', distance: 'Distance', angle: 'Angle', value: 'Value', ctValue: 'CT value',
    presets: 'Presets', series: 'Series', report: 'Report', cine: 'Play', stop: 'Stop', rotate: 'Rotate', flipH: 'Mirror', flipV: 'Flip', invert: 'Invert',
    layout: 'Layout', reset: 'Reset', erase: 'Erase', info: 'Study', close: 'Close', slice: 'Image number', full: 'Full range', original: 'Original', automatic: 'Automatic',
    brain: 'Brain', stroke: 'Stroke', lung: 'Lung', mediastinum: 'Mediastinum', abdomen: 'Abdomen', liver: 'Liver', bone: 'Bone', vessels: 'Vessels',
    patient: 'Name', patientId: 'Patient ID', sex: 'Sex', birth: 'Born', age: 'Age', studyDate: 'Date', accession: 'Accession', modality: 'Modality',
    institution: 'Institution', description: 'Description', male: 'male', female: 'female', other: 'other', images: '{n} images', noReport: 'This study has no report.', loading: 'Loading…',
    notFound: 'There is no such study, or you may not see it.', noImages: 'This study has no images to show.', failed: 'Not loaded', retry: 'Try again', offline: 'No network',
    over: 'The link is over: ask the hospital for another one.', history: 'My studies', empty: 'There are no studies to see.', download: 'Download',
    cannotShow: 'This page cannot show such images', notHere: 'Not shown on this page', openPdf: 'Open the PDF', verified: 'verified', unverified: 'not verified', partial: 'incomplete',
    atDetector: 'measured at the detector, magnification not corrected', atDetectorShort: '(detector)', calibrated: 'by calibrated pixel spacing', noSpacing: 'no pixel spacing: lengths are in pixels',
    panes: '{n} panes', chooseSeries: 'Choose a series', thickness: 'thick', references: '{n} images referenced', wl: 'C {center} W {width}', unitsYears: '{n} y', unitsMonths: '{n} mo', unitsWeeks: '{n} wk', unitsDays: '{n} d',
    measureHint: 'Press and drag', angleHint: 'Drag one side, then the other from its corner', valueHint: 'Press on the image', forReference: 'For reference; the report decides', pane: 'Pane {n}', tooMany: 'Too many images: the first {n} are shown',
    tooManyStudies: 'There are more studies: {n} are shown',
  },
};

let language = 'zh';

export const current = () => language;

/** Take a language: the one asked for in the address, else the one chosen before, else Chinese. */
export function choose(wanted) {
  const stored = () => { try { return localStorage.getItem('language'); } catch { return null; } };
  language = [wanted, new URLSearchParams(location.search).get('lang'), stored(), 'zh'].find(one => one in WORDS);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  if (wanted) try { localStorage.setItem('language', wanted); } catch { /* a private window keeps nothing */ }
}

/** A text in the language of the page; {name} stands for a value. */
export const say = (key, named = {}) =>
  (WORDS[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => named[name] ?? '');

/** 045Y as an age. */
export function age(written) {
  const [, count, unit] = /^(\d{3})([DWMY])$/.exec(written ?? '') ?? [];
  return unit ? say({ Y: 'unitsYears', M: 'unitsMonths', W: 'unitsWeeks', D: 'unitsDays' }[unit], { n: Number(count) }) : '';
}
