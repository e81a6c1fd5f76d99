"""Worker processes end in bounded time, whatever an interrupt left in their pipes."""

from __future__ import annotations

import threading

from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

PATIENCE = 10.0


def close(env: VecEnv, patience: float = PATIENCE) -> None:
    """Close an environment; a worker that does not end by itself is killed.

    SB3 waits for one answer of every worker if a step was under way. Where Ctrl-C came between
    two answers, the first was read already, and that wait would never end.

    :param env: the environment itself, without wrappers
    :param patience: seconds that workers have for the step they are in and for their own closing
    """
    if not isinstance(env, SubprocVecEnv):
        env.close()
        return
    env.waiting = False
    timer = threading.Timer(patience, _kill, [env])
    timer.start()
    try:
        env.close()
    finally:
        timer.cancel()


def _kill(env: SubprocVecEnv) -> None:
    for process in env.processes:
        process.kill()
