"""Evaluate a saved model anew: its own normaliser, given seeds, counts fixed beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.evaluation.episodes import play_episodes
from sb3_ac_ext.evaluation.loading import algorithm_of, check_device, load, make_factory
from sb3_ac_ext.evaluation.source import Source, find_source
from sb3_ac_ext.evaluation.statistics import Estimate, difference_estimate
from sb3_ac_ext.evaluation.summary import Summary, summarise
from sb3_ac_ext.evaluation.unit import MODES
from sb3_ac_ext.lookup import unknown
from sb3_ac_ext.monitoring.exploring import samples

FIRST_SEED, MOST_SEEDS = 50_000, 10
_MAX_SEED = 2**32 - 1  # NumPy's global generator takes no more


@dataclass(frozen=True)
class Evaluation:
    """
    :param source: what was evaluated
    :param algorithm: name of its class
    :param env: id of the environment
    :param num_timesteps: of training, when the model was saved
    :param seeds: of the workers, one each
    :param n_envs: how many of them played side by side
    :param device: on which the policy acted
    :param summaries: one or two, the deterministic one first
    :param difference: deterministic minus stochastic mean return, where both were played
    :param notes: what a reader should know, one sentence each
    """

    source: Source
    algorithm: str
    env: str
    num_timesteps: int
    seeds: tuple[int, ...]
    n_envs: int
    device: str
    summaries: tuple[Summary, ...]
    difference: Estimate | None
    notes: tuple[str, ...]


def evaluate(
    path: str | Path,
    episodes: int = 100,
    seeds: Sequence[int] | None = None,
    mode: str = "both",
    which: str = "best",
    env: str | None = None,
    algo: str | None = None,
    n_envs: int | None = None,
    device: str = "auto",
) -> Evaluation:
    """Play episodes of a saved model. Loading unpickles: do it only with models that you trust.

    :param path: run folder of ``sb3-ac train`` or of RL Zoo, or a model's ``.zip``
    :param episodes: per mode, spread over the seeds
    :param seeds: all different; by default up to ten from 50000 on, which neither training nor its
        evaluations use by themselves
    :param mode: ``deterministic``, ``stochastic`` or ``both``
    :param which: of a run folder: ``best``, ``last`` or the step of a checkpoint
    :param env: gymnasium's id, in place of the run's
    :param algo: registered name or dotted path, in place of the run's
    :param n_envs: workers that play side by side, by default and at most one per seed; it changes
        the speed, and the numbers only as far as sampled actions come in another order
    :param device: PyTorch's
    :raises ValueError: for what cannot be evaluated, and if the environment or the policy fails
    """
    seeds = _check_seeds(seeds, episodes)
    if mode not in ("both", *MODES):
        raise unknown("mode", mode, ("both", *MODES))
    if n_envs is not None and n_envs < 1:
        raise ValueError(f"n_envs={n_envs} must be at least 1")
    check_device(device)
    n_envs = min(n_envs or len(seeds), len(seeds))
    source = find_source(Path(path), which)
    factory = make_factory(source, env)
    try:
        vec_env = factory.evaluation(n_envs, seeds[0])
        model = load(source, algorithm_of(source, algo), vec_env, device)
        summaries = tuple(
            _play(model, vec_env, seeds, episodes, played) for played in _modes(mode, model)
        )
    finally:
        factory.close()
    both = [[episode.total_reward for episode in one.episodes] for one in summaries]
    return Evaluation(
        source=source,
        algorithm=type(model).__name__,
        env=factory.spec.id,
        num_timesteps=model.num_timesteps,
        seeds=seeds,
        n_envs=n_envs,
        device=str(model.device),
        summaries=summaries,
        difference=difference_estimate(*both) if len(both) == 2 else None,
        notes=tuple(_notes(source, model, mode, summaries)),
    )


def _check_seeds(seeds: Sequence[int] | None, episodes: int) -> tuple[int, ...]:
    if episodes < 1:
        raise ValueError(f"episodes={episodes} must be at least 1")
    if seeds is None:
        return tuple(range(FIRST_SEED, FIRST_SEED + min(MOST_SEEDS, episodes)))
    if not seeds:
        raise ValueError("seeds are empty: give at least one")
    for seed in seeds:
        if not 0 <= seed <= _MAX_SEED:
            raise ValueError(f"seed {seed} is not between 0 and {_MAX_SEED}")
        if list(seeds).count(seed) > 1:
            raise ValueError(f"seed {seed} is given twice: its episodes would be counted twice")
    if episodes < len(seeds):
        raise ValueError(f"episodes={episodes} must be at least one per seed, {len(seeds)}")
    return tuple(seeds)


def _modes(mode: str, model: BaseAlgorithm) -> tuple[str, ...]:
    if mode != "both":
        return (mode,)
    return MODES if samples(model) else MODES[:1]


def _play(
    model: BaseAlgorithm, env: VecEnv, seeds: Sequence[int], episodes: int, mode: str
) -> Summary:
    try:
        played = play_episodes(model, env, seeds, episodes, mode == MODES[0])
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"the {mode} evaluation failed: {type(error).__name__}: {reason}"
        ) from error
    return summarise(mode, played)


def _notes(
    source: Source, model: BaseAlgorithm, mode: str, summaries: Sequence[Summary]
) -> list[str]:
    notes = []
    if mode != MODES[0] and not samples(model):
        notes.append(f"{type(model).__name__}'s policy does not sample: both modes are the same.")
    if source.unit is None:
        if source.model.name == "best_model.zip":
            notes.append("best_model.json is missing: what the model was saved for is not known.")
        return notes
    unit = source.unit.unit
    for summary in summaries:
        if summary.mode == unit.mode and summary.mean.overlaps(unit.mean) is False:
            below = summary.mean.value < unit.mean.value
            why = f": the best of {unit.evaluation} evaluations is lucky, too" if below else ""
            notes.append(
                f"The {summary.mode} interval lies {'below' if below else 'above'} that of the "
                f"saved evaluation and does not overlap with it{why}."
            )
    return notes
