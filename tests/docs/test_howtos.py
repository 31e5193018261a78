"""How-tos that change things step by step, done as they are written, on real servers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from rotator.core.model import Secret
from tests.support.pages import example, examples

if TYPE_CHECKING:
    from tests.docs.conftest import Place

ROTATE = "docs/howto/rotate-client-secret.md"
CRON = "docs/howto/move-from-cron.md"

SOURCE = 'source = { type = "vault", path = "secret/apps/billing" }'
CREDENTIAL = f"""
[credentials.billing]
provider = "thx"
{SOURCE}
sinks = [{{ type = "vault", path = "secret/tokens/billing" }}]
"""


async def token(site: Place, field: str = "access_token") -> str:
    return await site.sh(f"bao kv get -field={field} secret/tokens/billing")


async def test_a_client_secret_is_replaced_as_the_page_has_it_and_consumers_always_hold_a_good_token(
    site: Place,
) -> None:
    site.clients["billing"] = Secret("the-old-one")
    site.configure(CREDENTIAL)
    await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=the-old-one; rotator rotate")
    first = await token(site)

    (site.home / "new-secret").write_text("the-new-one")
    await site.sh(example(ROTATE, "step-1") + "rotator rotate billing")
    second = await token(site)
    assert second != first, "the old secret, as the previous one, does not mint"

    site.clients["billing"] = Secret("the-new-one")
    await asyncio.sleep(1.1)  # two tokens that are issued in one second are equally good: docs/adr/0007
    await site.sh(example(ROTATE, "step-3"))
    third = await token(site)
    assert third != second, "the new secret does not mint"

    await site.sh(example(ROTATE, "step-4") + "rotator rotate billing")
    kept = json.loads(await site.sh("bao kv get -format=json secret/apps/billing"))["data"]["data"]
    assert kept == {"client_id": "billing", "client_secret": "the-new-one"}
    assert await token(site) != third, "the new secret alone does not mint"
    assert not (site.home / "old-secret").exists()


async def test_the_path_of_a_cron_job_is_left_alone_until_it_is_handed_over_as_the_page_has_it(site: Place) -> None:
    site.clients["billing"] = Secret("what-cron-used")
    (configuration,) = examples(CRON, "toml")
    site.configure(configuration.text)
    (site.home / "client-id").write_text("billing")
    (site.home / "client-secret").write_text("what-cron-used")
    await site.sh("bao kv metadata delete secret/tokens/billing; bao kv put secret/tokens/billing token=from-cron")
    await site.sh(example(CRON, "step-1"))

    assert "sink_foreign" in await site.sh("rotator rotate billing", code=1)
    assert (await token(site, "token")).strip() == "from-cron"

    await site.sh(example(CRON, "step-2"))
    assert (await token(site, "token")).startswith("eyJ")
    assert await site.sh("rotator rotate 2>&1 > /dev/null") == "", "cron would mail although nothing is wrong"
