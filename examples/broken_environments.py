"""A small environment with four mistakes that people make, and what the doctor says of each.

python examples/broken_environments.py         # all five versions, about 5 seconds
PYTHONPATH=examples sb3-ac doctor --env broken_environments:StaleCart-v0 --algo sac  # one of them
"""

import gymnasium as gym
import numpy as np

LIMIT = 50


class Cart(gym.Env):
    """A cart on a line is to be pushed to the middle; paid is how close it is."""

    def __init__(self):
        self.observation_space = gym.spaces.Box(-5.0, 5.0, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1.0, 1.0, 2)
        return self.state.astype(np.float32), {}

    def step(self, action):
        place, speed = self.state
        speed = 0.95 * speed + 0.1 * float(action[0])
        self.state = np.clip([place + 0.1 * speed, speed], -5.0, 5.0)
        return self.state.astype(np.float32), float(np.exp(-(place**2))), False, False, {}


class Stale(Cart):
    """The observation is taken before the step."""

    def step(self, action):
        before = self.state.astype(np.float32)
        return before, *super().step(action)[1:]


class LimitTerminates(Cart):
    """The clock's end is told as if the task had ended."""

    def reset(self, *, seed=None, options=None):
        self.left = LIMIT
        return super().reset(seed=seed, options=options)

    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        self.left -= 1
        return observation, reward, self.left == 0, truncated, info


class OneSeed(Cart):
    """Every worker draws from a generator of its own, with the same seed."""

    def reset(self, *, seed=None, options=None):
        if not hasattr(self, "own"):
            self.own = np.random.default_rng(7)
        super().reset(seed=seed)
        self.state = self.own.uniform(-1.0, 1.0, 2)
        return self.state.astype(np.float32), {}


class Deaf(Cart):
    """The action is read from the wrong place."""

    def step(self, action):
        return super().step(np.zeros_like(action))


VERSIONS = (Cart, Stale, LimitTerminates, OneSeed, Deaf)
for version in VERSIONS:
    name = version.__name__.removesuffix("Cart")
    limit = None if version is LimitTerminates else LIMIT
    gym.register(f"{name}Cart-v0", version, max_episode_steps=limit)


def main() -> None:
    from sb3_ac_ext.doctor import Status, examine

    for version in VERSIONS:
        examination = examine(f"{version.__name__.removesuffix('Cart')}Cart-v0", "sac")
        print(f"{examination.subject}: {version.__doc__}")
        for check in examination.checks:
            if check.status in (Status.FAIL, Status.WARNING):
                print(f"  {check.status.value}: {check.name}: {check.message}")
        print(f"  {examination.verdict} ({examination.seconds:.1f} s)")


if __name__ == "__main__":
    main()
