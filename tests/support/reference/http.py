"""HTTP: what may be asked, and a status as the code that answers renders it."""

from __future__ import annotations

import json

from rotator.operate import report
from rotator.operate.status import MEANING
from tests.support import fleets

WHERE = """\
# HTTP

Where: `listen` in [`[http]`](configuration.md), a unix socket unless told otherwise. `curl --unix-socket
/run/rotator/rotator.sock http://rotator/-/ready` asks there; the host's name does not matter. Nothing here
shows a token or a secret. Every answer forbids caching, framing and guessing of types."""

STEERING = """\
The two POST need their word in `actions` (else 403), and where `token_file` is set `Authorization: Bearer` with
what is in that file (else 401; 503 when the file cannot be read).

## The status as JSON

Fields are only ever added. What is not known, or does not apply, is null. Times are RFC 3339 in UTC; what ends
in `_s` is seconds. `state` is the worst that applies:"""

ANSWERS = {
    "GET /-/healthy": "200 `healthy` while the engine makes progress, else 503 with a reason per line. Never depends "
    "on Vault or a provider: a restart would mend neither",
    "GET /-/ready": "200 `ready` after the login and the first round while no credential with `required = true` has "
    "expired, else 503 with a reason per line",
    "GET /metrics": "[metrics](metrics.md)",
    "GET /": "the status page: HTML, no script needed",
    "GET /api/v1/status": "the whole as JSON; as `rotator status -o json`",
    "GET /api/v1/status/{name}": "one credential, with `lives` (its last tokens), `arithmetic` (as `rotator explain "
    "NAME`) and `events`; 404 when there is none",
    "POST /-/reload": "202: the configuration is read again, soon; the log and `rotator_config_last_reload_successful` "
    "say how that went",
    "POST /-/rotate/{name}": "202: a token is minted although none may be due, as soon as its provider's gate lets it "
    "through; 404 when there is none",
}

EVENTS = 2


def page() -> str:
    """docs/reference/http.md."""
    cases = fleets.night()[4:5]
    status = fleets.status(cases, providers=fleets.OUTAGE)
    events = list(fleets.history(cases).events)[: -EVENTS - 1 : -1]
    document = report.whole(status, events)
    states = [f"| `{state}` | {meaning} |" for state, meaning in MEANING.items()]
    example = json.dumps(document, indent=2)
    table = "\n".join(["| state | meaning |", "|---|---|", *states])
    routes = [f"| `{request}` | {answer} |" for request, answer in ANSWERS.items()]
    requests = "\n".join(["| request | answer |", "|---|---|", *routes])
    shown = ["One credential whose secret is refused:", f"```json\n{example}\n```"]
    return "\n\n".join([WHERE, requests, STEERING, table, *shown]) + "\n"
