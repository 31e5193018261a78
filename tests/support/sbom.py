"""The software bill of materials of what `requirements.lock` installs: CycloneDX, with hashes and licences.

`python -m tests.support.sbom` writes build/rotator.cdx.json. Versions and hashes come from the lock; licences,
descriptions and who needs whom from what is installed, for a lock does not know them. A package that is not installed
here, such as one for another system, is listed without them.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK, TARGET = ROOT / "requirements.lock", ROOT / "build/rotator.cdx.json"
SPECIFICATION = "1.6"

Bom = dict[str, Any]

TOLD_BY_INSTALLED = ("description", "licenses")


def main() -> int:
    """Write the bill of materials."""
    bom = bill(LOCK)
    text = json.dumps(bom, indent=1, ensure_ascii=False, sort_keys=True)
    refused = invalid(text)
    if refused:
        sys.stderr.write(f"sbom: not valid as CycloneDX {SPECIFICATION}: {refused}\n")
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text + "\n")
    known = sum("licenses" in component for component in bom["components"])
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {len(bom['components'])} packages, {known} with their licence\n")
    return 0


def bill(lock: Path) -> Bom:
    """The bill of materials of a lock, with what the installed packages tell."""
    common = ("--pyproject", "pyproject.toml", "--output-reproducible", "--spec-version", SPECIFICATION)
    return merged(_told("requirements", str(lock), *common), _told("environment", sys.executable, *common))


def _told(*arguments: str) -> Bom:
    """What cyclonedx-py says; its warning that a lock tells of no dependencies is the reason for all this."""
    asked = [str(Path(sys.executable).with_name("cyclonedx-py")), *arguments, "--output-file", "-"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cyclonedx-py {arguments[0]} failed:\n{done.stderr[-3000:]}")
    told: Bom = json.loads(done.stdout)
    return told


def merged(locked: Bom, installed: Bom) -> Bom:
    """The locked packages, with what is known of those that are installed in the same version."""
    by_key = {_key(component): component for component in installed["components"]}
    components = [_component(component, by_key.get(_key(component), {})) for component in locked["components"]]
    refs = {by_key[_key(c)]["bom-ref"]: c["bom-ref"] for c in components if _key(c) in by_key}
    root = locked["metadata"]["component"]["bom-ref"]
    refs[installed["metadata"]["component"]["bom-ref"]] = root
    graph = {node["ref"]: node.get("dependsOn", []) for node in installed["dependencies"]}
    dependencies = [
        {"ref": ref, "dependsOn": sorted(refs[other] for other in graph.get(old, []) if other in refs)}
        for old, ref in sorted(refs.items(), key=lambda pair: pair[1])
    ]
    return {**locked, "components": components, "dependencies": dependencies}


def _component(locked: Bom, installed: Bom) -> Bom:
    kept = {key: value for key, value in locked.items() if key not in TOLD_BY_INSTALLED}
    told = {key: installed[key] for key in TOLD_BY_INSTALLED if key in installed}
    return {**kept, **told, "bom-ref": locked["purl"]}


def _key(component: Bom) -> tuple[str, str]:
    return re.sub(r"[-_.]+", "-", component["name"]).lower(), component["version"]


def invalid(text: str) -> str:
    """Why a text is no CycloneDX; empty when it is."""
    # Not imported above: only `make sbom` and `make reliability` install it.
    validation = importlib.import_module("cyclonedx.validation.json")
    schema = importlib.import_module("cyclonedx.schema")
    refused = validation.JsonStrictValidator(schema.SchemaVersion.from_version(SPECIFICATION)).validate_str(text)
    return "" if refused is None else str(refused)


if __name__ == "__main__":
    sys.exit(main())
