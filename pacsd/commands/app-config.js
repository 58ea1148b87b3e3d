// The viewer's configuration, written by `pacsd viewer install`; another one: `--app-config FILE`.
const dicomWeb = `${window.location.origin}/dicom-web`;

// The viewer makes seven WebGL contexts, one for each of the first seven viewports, just before its first image, and waits
// for each until the browser has drawn the page around it. One draws all viewports as well: they take turns anyhow, and
// an image that several of them show is kept once. Made before there is a page to draw, it costs next to nothing.
const quickStart = {
  id: 'pacsd.quickStart',
  preRegistration({ servicesManager }) {
    const { cornerstone } = window;
    const configuration = cornerstone?.getConfiguration?.();
    if (!(configuration?.rendering?.webGlContextCount > 1)) {
      return;
    }
    cornerstone.setConfiguration({
      ...configuration,
      rendering: { ...configuration.rendering, webGlContextCount: 1 },
    });
    if (/[?&]StudyInstanceUIDs=/i.test(window.location.search)) {
      servicesManager?.services?.cornerstoneViewportService?.getRenderingEngine?.();
      showImagesFirst();
    }
  },
};

// Panels and toolbars have their place from the beginning and are drawn when the first image has been: with WebGL in
// software it would wait for them. Where no image comes, as of a report, they wait no longer than WAIT_MS.
const WAIT_MS = 3000;
function showImagesFirst() {
  const style = document.createElement('style');
  style.textContent = '#root { visibility: hidden } #root [data-cy="viewport-grid"] { visibility: visible }';
  document.head.append(style);
  const show = () => style.remove();
  const drawn = () => requestAnimationFrame(() => requestAnimationFrame(show));
  window.addEventListener('CORNERSTONE_IMAGE_RENDERED', drawn, { capture: true, once: true });
  setTimeout(show, WAIT_MS);
}

window.config = {
  name: 'pacsd',
  routerBasename: null,
  extensions: [quickStart],
  modes: [],
  customizationService: {},
  showStudyList: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: true,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  showErrorDetails: 'production',
  investigationalUseDialog: { option: 'configure', days: 365 },
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  defaultDataSourceName: 'dicomweb',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'dicomweb',
      configuration: {
        friendlyName: 'pacsd',
        name: 'pacsd',
        wadoUriRoot: `${window.location.origin}/wado`,
        qidoRoot: dicomWeb,
        wadoRoot: dicomWeb,
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'thumbnail',     // the server's: else the page loads and draws a whole image for each
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        supportsReject: false,
        dicomUploadEnabled: true,
        singlepart: 'bulkdata,video',
        bulkDataURI: { enabled: true },
        omitQuotationForMultipartRequest: true,
      },
    },
  ],
  httpErrorHandler: error => {
    console.warn(`DICOMweb answered ${error.status}`);
  },
};
