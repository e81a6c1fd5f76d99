"""Evaluation that can be repeated: episodes by seed, and the best model saved with what it did."""
