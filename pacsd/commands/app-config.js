// The viewer's configuration, written by `pacsd viewer install`; another one: `--app-config FILE`.
const dicomWeb = `${window.location.origin}/dicom-web`;

// The viewer begins with seven WebGL contexts, one for each of the first seven viewports, and waits for them all before
// its first image. One after the other it draws them anyhow; images that several viewports show are kept once in one.
const fewerContexts = {
  id: 'pacsd.start',
  preRegistration() {
    const { cornerstone } = window;
    const configuration = cornerstone?.getConfiguration?.();
    if (configuration?.rendering?.webGlContextCount > 1) {
      const rendering = { ...configuration.rendering, webGlContextCount: 1 };
      cornerstone.setConfiguration({ ...configuration, rendering });
    }
  },
};

window.config = {
  name: 'pacsd',
  routerBasename: null,
  extensions: [fewerContexts],
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
        thumbnailRendering: 'wadors',
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
