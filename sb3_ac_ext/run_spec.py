"""What one training run is asked to do: the flags of ``sb3-ac train`` as a value."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sb3_ac_ext.lookup import unknown
from sb3_ac_ext.vec_envs.limits import check_safety

VEC_ENVS = ("dummy", "subproc")
_MAX_SEED = 2**32 - 1  # NumPy's global generator takes no more
_THREADS_PER_CPU = 4  # thousands of threads end PyTorch with a segmentation fault


@dataclass(frozen=True)
class RunSpec:
    """One training run. Names and meanings are those of RL Zoo's flags, with our own at the end.

    :param algo: registered name, or the dotted path of a class
    :param env: gymnasium's id
    :param n_timesteps: environment steps; the configuration's if negative
    :param seed: a random one if negative
    :param log_folder: where run folders are made
    :param conf_file: YAML file, Python file or module; our own for the algorithm by default
    :param hyperparams: settings that replace those of the configuration
    :param env_kwargs: keyword arguments of the environment, which replace the configuration's
    :param eval_env_kwargs: those of the evaluation environment; by default as for training
    :param eval_freq: environment steps between evaluations, none if not positive
    :param eval_episodes: episodes per evaluation
    :param n_eval_envs: environments to evaluate in
    :param save_freq: environment steps between checkpoints, none if not positive
    :param bundle_freq: least environment steps between bundles, from which the run can be resumed
        exactly; ``None`` chooses, 0 has none
    :param stop_at: pause with a bundle after this many environment steps
    :param schedule_timesteps: environment steps over which schedules run, the budget if ``None``
    :param save_replay_buffer: save the replay buffer with the final model
    :param vec_env: ``dummy`` or ``subproc``
    :param step_timeout: seconds that a worker process has for a step, ``None`` for no bound
    :param max_restarts: of worker processes that raised, died or hung; 0 ends the run
    :param device: PyTorch's device
    :param num_threads: PyTorch's threads, at most four per CPU; its own choice if not positive
    :param verbose: 0 prints errors only, 1 findings and verdict, 2 also what SB3 prints
    :param progress: draw the live display even where no terminal is recognised
    :param tensorboard_log: folder for TensorBoard, none if empty
    :param trained_agent: model to continue from, none if empty
    :param track: record the run with Weights & Biases
    :param uuid: add a unique id to the name of the run folder
    :param gym_packages: modules to import, because they register environments
    :param log_interval: SB3's; its own choice if -1, no logging if below
    :param canary_freq: environment steps between canary evaluations; ``None`` chooses, 0 has none
    :param canary_episodes: episodes per canary evaluation
    :param webhook: URL that findings are posted to
    :param report: write ``report.html``
    :raises ValueError: for a value that cannot be
    """

    algo: str = "ppo"
    env: str = "CartPole-v1"
    n_timesteps: int = -1
    seed: int = -1
    log_folder: str = "logs"
    conf_file: str | None = None
    hyperparams: Mapping[str, Any] = field(default_factory=dict)
    env_kwargs: Mapping[str, Any] | None = None
    eval_env_kwargs: Mapping[str, Any] | None = None
    eval_freq: int = 25_000
    eval_episodes: int = 5
    n_eval_envs: int = 1
    save_freq: int = -1
    bundle_freq: int | None = None
    stop_at: int | None = None
    schedule_timesteps: int | None = None
    save_replay_buffer: bool = False
    vec_env: str = "dummy"
    step_timeout: float | None = None
    max_restarts: int = 0
    device: str = "auto"
    num_threads: int = -1
    verbose: int = 1
    progress: bool = False
    tensorboard_log: str = ""
    trained_agent: str = ""
    track: bool = False
    wandb_project_name: str = "sb3"
    wandb_entity: str | None = None
    wandb_group: str | None = None
    wandb_tags: tuple[str, ...] = ()
    uuid: bool = False
    gym_packages: tuple[str, ...] = ()
    log_interval: int = -1
    canary_freq: int | None = None
    canary_episodes: int = 10
    webhook: str | None = None
    report: bool = True

    def __post_init__(self) -> None:
        if self.vec_env not in VEC_ENVS:
            raise unknown("vec_env", self.vec_env, VEC_ENVS)
        self._check_safety()
        self._check_bundles()
        for name, least in (("eval_episodes", 1), ("n_eval_envs", 1), ("canary_episodes", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.n_timesteps == 0:
            raise ValueError(
                "n_timesteps=0 must be positive, or negative for that of the configuration"
            )
        if self.seed > _MAX_SEED:
            raise ValueError(f"seed={reprlib.repr(self.seed)} must be at most {_MAX_SEED}")
        check_threads(self.num_threads)
        if self.verbose not in (0, 1, 2):
            raise ValueError(f"verbose={self.verbose} must be 0, 1 or 2")
        if self.webhook is not None and not self.webhook.startswith(("http://", "https://")):
            raise ValueError(f"webhook={self.webhook!r} must be an http or https URL")

    def _check_bundles(self) -> None:
        if self.bundle_freq is not None and self.bundle_freq < 0:
            raise ValueError(f"bundle_freq={self.bundle_freq} must be at least 0, which has none")
        if self.stop_at is None:
            return
        if self.stop_at < 1:
            raise ValueError(f"stop_at={self.stop_at} must be a positive number of steps")
        if self.bundle_freq == 0:
            raise ValueError(f"stop_at={self.stop_at} pauses with a bundle: bundle_freq=0 has none")

    def _check_safety(self) -> None:
        check_safety(self.max_restarts, self.step_timeout)
        if self.vec_env != "subproc" and (self.max_restarts or self.step_timeout is not None):
            raise ValueError(
                f"step_timeout and max_restarts need vec_env='subproc', not {self.vec_env!r}: "
                "only worker processes can be killed and restarted"
            )

    def seeded(self) -> RunSpec:
        """The same with a seed: a random one where none was given."""
        if self.seed >= 0:
            return self
        return replace(self, seed=int.from_bytes(os.urandom(4), "little") % 2**31)

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as ``args.yml`` keeps them."""
        return asdict(self)


def check_threads(num_threads: int) -> None:
    """
    :param num_threads: for PyTorch
    :raises ValueError: for more than four per CPU
    """
    most = _THREADS_PER_CPU * (os.cpu_count() or 1)
    if num_threads > most:
        raise ValueError(
            f"num_threads={num_threads} must be at most {most}, four per CPU of this machine"
        )
