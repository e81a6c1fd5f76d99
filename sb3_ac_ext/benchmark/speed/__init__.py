"""Environment steps per second of the drop-in algorithms, beside Stable-Baselines3 and SBX."""
