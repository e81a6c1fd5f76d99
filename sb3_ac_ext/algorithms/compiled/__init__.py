"""Whole update steps as compiled graphs: built in another process, loaded when they are ready."""
