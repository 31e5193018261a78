"""What is done after a sink has been written: a command, a signal, a webhook; never in the way of a delivery."""
