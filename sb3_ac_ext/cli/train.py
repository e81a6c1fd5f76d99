"""``sb3-ac train``: RL Zoo's flags with their meaning, watched, ending in a diagnosis and a report.

Exit codes: 0 trained, whatever the diagnosis, or paused as asked; 1 training failed or diverged; 2
bad input, nothing was trained; 75 preempted by SIGTERM (``EX_TEMPFAIL``: ``--resume`` goes on); 130
interrupted by Ctrl-C. After all but 2 the run folder holds model, history and report.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sb3_ac_ext import registry
from sb3_ac_ext.cli.arguments import read_whole_number
from sb3_ac_ext.quiet import say
from sb3_ac_ext.run_spec import VEC_ENVS, RunSpec

if TYPE_CHECKING:
    from sb3_ac_ext.experiment import RunResult

FAILED, PREEMPTED, INTERRUPTED = 1, 75, 130

_PAIRS = ("hyperparams", "env_kwargs", "eval_env_kwargs")


# flags, help, and what else argparse needs; the default of each comes from RunSpec
_Flag = tuple[tuple[str, ...], str, Mapping[str, Any]]
_WHAT: tuple[_Flag, ...] = (
    (("--algo",), f"one of {', '.join(registry.names())}, or my_package.MyAlgorithm", {}),
    (("--env",), "environment id", {}),
    (
        ("-n", "--n-timesteps"),
        "environment steps (negative: the configuration's)",
        {"type": read_whole_number},
    ),
    (("--seed",), "seed of all generators (negative: a random one)", {"type": read_whole_number}),
    (("-i", "--trained-agent"), "model (.zip) to continue training from", {}),
    (("--gym-packages",), "modules to import, because they register environments", {"nargs": "+"}),
    (
        ("--stop-at",),
        "pause after this many steps, to go on with --resume",
        {"type": read_whole_number},
    ),
)
_RESUME: tuple[_Flag, ...] = (
    (("--resume",), "run folder to go on with, from its newest complete bundle", {}),
    (
        ("--schedules",),
        "with --resume and a larger -n: what it means for schedules",
        {"choices": ("keep", "extend")},
    ),
)
_SETTINGS: tuple[_Flag, ...] = (
    (("-conf", "--conf-file"), "YAML file, Python file or module with hyperparameters", {}),
    (("-params", "--hyperparams"), "key:value settings to replace", {"nargs": "+"}),
    (("--env-kwargs",), "key:value arguments of the environment", {"nargs": "+"}),
    (("--eval-env-kwargs",), "key:value arguments of the evaluation environment", {"nargs": "+"}),
    (("--vec-env",), "workers in this process or in their own", {"choices": VEC_ENVS}),
    (
        ("--step-timeout",),
        "seconds after which a worker process that does not answer has failed",
        {"type": float},
    ),
    (
        ("--max-restarts",),
        "restarts of worker processes that raised, died or hung (0: the run ends)",
        {"type": read_whole_number},
    ),
    (("--device",), "PyTorch device", {}),
    (("--num-threads",), "PyTorch threads (-1: its own choice)", {"type": read_whole_number}),
)
_EVALUATION: tuple[_Flag, ...] = (
    (("--eval-freq",), "steps between evaluations (negative: none)", {"type": read_whole_number}),
    (("--eval-episodes",), "episodes per evaluation", {"type": read_whole_number}),
    (("--n-eval-envs",), "environments to evaluate in", {"type": read_whole_number}),
    (("--canary-freq",), "steps between canary evaluations (0: none)", {"type": read_whole_number}),
    (("--canary-episodes",), "episodes per canary evaluation", {"type": read_whole_number}),
)
_OUTPUT: tuple[_Flag, ...] = (
    (("-f", "--log-folder"), "where run folders are made", {}),
    (("-uuid", "--uuid"), "add a unique id to the run folder", {"action": "store_true"}),
    (("--save-freq",), "steps between checkpoints (negative: none)", {"type": read_whole_number}),
    (
        ("--bundle-freq",),
        "least steps between bundles for --resume (0: none; default: 1000)",
        {"type": read_whole_number},
    ),
    (("--save-replay-buffer",), "save the replay buffer too", {"action": "store_true"}),
    (("-tb", "--tensorboard-log"), "folder for TensorBoard", {}),
    (
        ("--log-interval",),
        "SB3's log interval (-1: its own, -2: no logging)",
        {"type": read_whole_number},
    ),
    (
        ("--verbose",),
        "0 errors only, 1 findings and verdict, 2 SB3's output too",
        {"type": read_whole_number},
    ),
    (("-P", "--progress"), "live display even without a terminal", {"action": "store_true"}),
    (("--no-report",), "write no report.html", {"action": "store_false", "dest": "report"}),
    (("--webhook",), "URL that findings are posted to as JSON", {}),
)
_TRACKING: tuple[_Flag, ...] = (
    (("--track",), "record with Weights & Biases", {"action": "store_true"}),
    (("--wandb-project-name",), "its project", {}),
    (("--wandb-entity",), "its entity or team", {}),
    (("--wandb-group",), "its group", {}),
    (("-tags", "--wandb-tags"), "its tags", {"nargs": "+"}),
)
_GROUPS = {
    "what to train": _WHAT,
    "settings": _SETTINGS,
    "evaluation": _EVALUATION,
    "output": _OUTPUT,
    "Weights & Biases": _TRACKING,
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """
    :param subparsers: of ``sb3-ac``
    """
    text = "train an algorithm of SB3 or contrib from RL-Zoo YAML, watched"
    parser = subparsers.add_parser("train", help=text, description=text, allow_abbrev=False)
    defaults = RunSpec().to_dict()
    for title, flags in _GROUPS.items():
        group = parser.add_argument_group(title)
        for names, help_text, options in flags:
            action = group.add_argument(*names, help=help_text, **options)
            default = defaults[action.dest]
            if isinstance(default, (str, int)) and not isinstance(default, bool) and default:
                action.help = f"{help_text} (default: {default})"
    group = parser.add_argument_group("an earlier run")
    for names, help_text, options in _RESUME:
        group.add_argument(*names, help=help_text, **options)
    parser.set_defaults(run=run, **{**defaults, "hyperparams": None})


def make_spec(args: argparse.Namespace) -> RunSpec:
    """
    :param args: parsed flags
    :raises ValueError: for a value that cannot be, naming its flag
    """
    from sb3_ac_ext.literals import parse_pairs
    from sb3_ac_ext.lookup import about

    values = {name: getattr(args, name) for name in RunSpec().to_dict()}
    for name in _PAIRS:
        with about(f"--{name.replace('_', '-')}"):
            values[name] = None if values[name] is None else parse_pairs(values[name])
    values["hyperparams"] = values["hyperparams"] or {}
    for name in ("gym_packages", "wandb_tags"):
        values[name] = tuple(values[name])
    return RunSpec(**values)


def run(args: argparse.Namespace) -> int:
    """
    :param args: parsed flags
    :return: exit code, see this file's beginning
    """
    if args.resume is not None:
        return _conclude(_resume(args), args.verbose)
    if args.schedules is not None:
        raise ValueError(f"--schedules {args.schedules} goes with --resume RUN")
    from sb3_ac_ext import experiment

    result = experiment.run(make_spec(args))
    return _conclude(result, args.verbose)


# what may be said anew about a run that goes on; everything else is as it was
_ANEW = ("verbose", "progress", "report", "webhook", "device", "num_threads")


def _resume(args: argparse.Namespace) -> RunResult:
    from sb3_ac_ext.run_resume import continue_run

    allowed = {*_ANEW, "n_timesteps", "stop_at"}
    for name, default in RunSpec().to_dict().items():
        given = getattr(args, name)
        if name not in allowed and given != default and not (name in _PAIRS and given is None):
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} does not go with --resume: the run keeps its settings")
    changes = {name: getattr(args, name) for name in _ANEW}
    return continue_run(args.resume, args.n_timesteps, args.stop_at, args.schedules, **changes)


def _conclude(result: RunResult, verbose: int) -> int:
    """Say where everything is, and turn the outcome into an exit code."""
    outcome = result.outcome
    if verbose >= 1:
        say(f"{outcome.status}: {result.steps:,} steps in {result.seconds:.0f} s")
        say(f"run folder: {result.folder}")
        if outcome.status in ("paused", "preempted"):
            say(f"to go on: sb3-ac train --resume {result.folder}")
        if result.report is not None:
            say(f"report: {result.report}")
    if outcome.failed:
        if verbose >= 2 and outcome.traceback:
            print(outcome.traceback, file=sys.stderr)
        print(f"sb3-ac: error: {outcome.error}", file=sys.stderr)
        return FAILED
    return {"interrupted": INTERRUPTED, "preempted": PREEMPTED}.get(outcome.status, 0)
