"""How many rotations run: the clock, the alarm clock, the dispatcher and the providers' gates."""
