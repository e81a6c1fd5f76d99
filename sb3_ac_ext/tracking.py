"""Weights & Biases for a run, as RL Zoo sets it up."""

from __future__ import annotations

import time
from typing import Any

from sb3_ac_ext.run_folder import command
from sb3_ac_ext.run_spec import RunSpec


def start_tracking(spec: RunSpec) -> tuple[Any, str]:
    """
    :param spec: the run, with its seed
    :return: wandb's run, and the TensorBoard folder that it reads
    :raises ValueError: if wandb is not installed, or cannot start
    """
    try:
        import wandb
    except ImportError as error:
        raise ValueError(
            '--track needs wandb, install it by: pip install "sb3-ac-ext[wandb]"'
        ) from error
    import stable_baselines3

    name = f"{spec.env}__{spec.algo}__{spec.seed}__{int(time.time())}"
    try:
        run = wandb.init(
            name=name,
            project=spec.wandb_project_name,
            entity=spec.wandb_entity,
            group=spec.wandb_group,
            tags=[*spec.wandb_tags, f"v{stable_baselines3.__version__}"],
            config={**spec.to_dict(), "command": command()},
            sync_tensorboard=True,
            monitor_gym=True,
            save_code=True,
        )
    except wandb.Error as error:
        raise ValueError(f"--track: wandb does not start: {error}") from error
    return run, f"runs/{name}"
