"""The ways to log in to Vault, one module each: see `rotator.vault.auth.Login` for what one does.

A further one is a module here, a section in `rotator.settings.vault`, and a line in `rotator.settings.logins`.
"""
