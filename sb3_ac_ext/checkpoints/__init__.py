"""Checkpoints that hold everything, and training that goes on as if it had not stopped."""
