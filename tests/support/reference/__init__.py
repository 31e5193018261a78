"""Pages of docs/reference and the man page, made from the code.

`python -m tests.support.reference` writes them; tests/docs holds them fresh.
"""
