"""How much of what goes wrong is found, and how often an alarm is false: run once, judge often."""
