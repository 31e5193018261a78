"""Client credentials that were told at the start and are looked up nowhere: in the environment, or no secret at all."""
