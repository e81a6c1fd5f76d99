"""Measurements that the README quotes, each with the command that prints it."""
