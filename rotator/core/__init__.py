"""What a rotation is: values, decisions, ports, errors and the pass. Standard library only."""
