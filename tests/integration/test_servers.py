async def test_a(bao, kv2_mount, kv1_mount, admission):
    t = await admission.token('path "%s/*" { capabilities = ["read"] }' % kv2_mount, ttl="1h")
    await bao.request("GET", "auth/token/lookup-self", token=t)
    print(await admission.approle("", token_ttl="1h"))
def test_sync(bao, kv2_mount, oidc_provider):
    assert oidc_provider.register()
async def test_own(own_bao, own_oidc_provider):
    await own_bao.stop(); await own_bao.start()
