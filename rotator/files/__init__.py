"""How a file is written whole, and what is written into it."""
