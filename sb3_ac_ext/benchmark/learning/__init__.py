"""What is learnt by the drop-in algorithms, and how soon, beside Stable-Baselines3."""
