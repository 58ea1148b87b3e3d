"""`make audit`: pip-audit over what is installed, where its list of published weaknesses can be reached.

It runs by the Python named on the command line: what it needs itself is no part of us.
Exit status 1 for a weakness. Where nothing can be looked up, it says so: `tests/test_dependencies.py` has a list.
"""

from __future__ import annotations

import json
import subprocess
import sys

from pacsd.commands.sbom import components


def main() -> int:
    """Audit; 0 if nothing is known against what is installed."""
    wanted = "".join(f"{one.name}=={one.version}\n" for one in components() if one.name != "pacsd")
    command = [sys.argv[1], "-m", "pip_audit", "--format", "json", "--no-deps", "--disable-pip", "-r", "/dev/stdin"]
    try:
        done = subprocess.run(command, input=wanted, capture_output=True, text=True, timeout=300, check=False)
        told = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        told = []
    audited = [one for one in told if "vulns" in one]
    for one in audited:
        for weakness in one["vulns"]:
            print(f"{one['name']} {one['version']}: {weakness['id']}, mended in {weakness.get('fix_versions')}")
    if not audited:
        print("no list of published weaknesses can be reached from here")
    else:
        print(f"{len(audited)} distributions audited")
    return int(any(one["vulns"] for one in audited))


if __name__ == "__main__":
    sys.exit(main())
