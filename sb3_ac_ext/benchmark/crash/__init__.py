"""What a run loses when it is killed, when its disk is full, and when its files are damaged."""
