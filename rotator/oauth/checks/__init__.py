"""What a token has to stand before it is published: a module for each kind of check, and what they have in common."""
