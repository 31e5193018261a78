"""The configuration: what a file and the environment may say, and what it means to the other rooms."""
