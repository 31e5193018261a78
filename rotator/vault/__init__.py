"""How Vault and OpenBao are spoken to: hvac over aiohttp, one session, and KV as source and sink."""
