"""Looks for secrets in the tree with detect-secrets; what it takes for one must be explained in `.ci/secrets.toml`.

`python -m tests.support.tree_secrets` ends with 1 when something is found without a word, or explained and not there.
"""

from __future__ import annotations

import fnmatch
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / ".ci/secrets.toml"

_BY_COMMENT = "detect_secrets.filters.allowlist.is_line_allowlisted"
"""What lets a comment in a line excuse it; excuses stand in one place here, with their reason."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that looks like a secret.

    Attributes:
        file: Below the root.
        line: From 1.
        kind: As detect-secrets calls it.
        sha1: Of the value.
    """

    file: str
    line: int
    kind: str
    sha1: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """Findings that are no secrets.

    Attributes:
        why: Why not.
        files: Patterns of their files.
        kinds: Their kinds; empty means all.
        sha1: The values; empty means all.
    """

    why: str
    files: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    sha1: tuple[str, ...] = ()

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding."""
        return (
            any(fnmatch.fnmatchcase(finding.file, pattern) for pattern in self.files)
            and (not self.kinds or finding.kind in self.kinds)
            and (not self.sha1 or finding.sha1 in self.sha1)
        )


def excuses(baseline: Path = BASELINE) -> list[Excuse]:
    """What is explained."""
    with baseline.open("rb") as file:
        rows = tomllib.load(file)["excuse"]
    return [
        Excuse(row["why"], tuple(row["files"]), tuple(row.get("kinds", ())), tuple(row.get("sha1", ()))) for row in rows
    ]


def tree(root: Path = ROOT) -> list[str]:
    """Every file that is committed or could be."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({name for name in names if name and (root / name).is_file()})


def findings(root: Path, files: Sequence[str]) -> list[Finding]:
    """What detect-secrets finds in these files."""
    with default_settings():
        get_settings().disable_filters(_BY_COMMENT)
        found = SecretsCollection(str(root))
        found.scan_files(*files)
        return [
            Finding(file, secret.line_number, secret.type, secret.secret_hash)
            for file, secrets in sorted(found.data.items())
            for secret in secrets
        ]


def unexplained(found: Iterable[Finding], explained: Sequence[Excuse]) -> list[str]:
    """A line for each finding without an excuse, and for each excuse without a finding."""
    left, used = [], set[Excuse]()
    for finding in sorted(found):
        by = [excuse for excuse in explained if excuse.covers(finding)]
        used.update(by)
        if not by:
            left.append(f"{finding.file}:{finding.line}: {finding.kind}, sha1 {finding.sha1}")
    return left + [f"{', '.join(e.files)}: excused, and not there: {e.why}" for e in explained if e not in used]


def main() -> int:
    """Search the tree."""
    explained = excuses()
    skipped = next(excuse for excuse in explained if not excuse.kinds and not excuse.sha1)
    files = [name for name in tree() if not any(fnmatch.fnmatchcase(name, pattern) for pattern in skipped.files)]
    told = unexplained(findings(ROOT, files), [excuse for excuse in explained if excuse is not skipped])
    for line in told:
        sys.stdout.write(f"{line}\n")
    if told:
        sys.stdout.write("A secret has to be replaced, for others may have seen it; what is none: .ci/secrets.toml.\n")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
