"""The suite by itself: `python -m conformance.fhir http://host/fhir --report out.json`."""

import sys

from conformance.fhir.command import main, parsed

if __name__ == "__main__":
    sys.exit(main(parsed(sys.argv[1:])))
