"""``sb3-ac evaluate``: play a saved model again, with seeds and intervals."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sb3_ac_ext.cli.arguments import read_whole_number, run_path

_DESCRIPTION = """\
Evaluate a saved model again: mean return with its 95 % interval, success rate, episode lengths,
deterministic and stochastic. RUN is a run folder of `sb3-ac train` or of RL Zoo, whose environment
is made as in training and whose best model is taken, or a model's .zip. The normaliser saved with
the model is used and does not learn.

A model file can run any code when it is loaded: only evaluate models that you trust.
"""
_EPILOG = """\
An interval of the mean is a BCa bootstrap from 20 episodes on, Student's t below; that of a success
rate is Clopper-Pearson's. Each seed is one worker's stream of episodes with a fixed number of them.
The same seeds, episodes and workers give the same numbers.

exit status: 0 evaluated, 2 the input cannot be used
"""


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the ``sb3-ac`` command"""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a saved model again, with seeds and intervals",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("path", type=run_path, metavar="RUN_OR_MODEL", help="run folder or model (.zip)")
    add("--episodes", type=read_whole_number, default=100, help="per mode (default: 100)")
    add(
        "--seeds",
        type=read_whole_number,
        nargs="+",
        help="the episodes are spread over them (default: ten from 50000 on)",
    )
    add(
        "--mode",
        choices=("deterministic", "stochastic", "both"),
        default="both",
        help="greedy actions, sampled ones, or one after the other (default: both)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--best", action="store_true", help="the best model (default)")
    which.add_argument("--last", action="store_true", help="the final model")
    which.add_argument(
        "--checkpoint", type=read_whole_number, metavar="STEP", help="the checkpoint of a step"
    )
    add("--env", help="environment id; needed for a model outside of a run folder")
    add("--algo", help="algorithm that made the model, where nothing beside it tells")
    add(
        "--n-envs",
        type=read_whole_number,
        help="workers side by side, at most (and by default) one per seed",
    )
    add("--device", default="auto", help="PyTorch device")
    add("--json", action="store_true", help="print one JSON document, with every episode")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    :param args: parsed flags
    :return: exit status
    :raises ValueError: when there is nothing that can be evaluated as asked
    """
    from sb3_ac_ext.evaluation.evaluate import evaluate
    from sb3_ac_ext.evaluation.text import document, lines
    from sb3_ac_ext.quiet import muted_stderr, quiet

    which = "last" if args.last else "best"
    if args.checkpoint is not None:
        which = str(args.checkpoint)
    with quiet(1), muted_stderr(True):
        found = evaluate(
            args.path,
            episodes=args.episodes,
            seeds=args.seeds,
            mode=args.mode,
            which=which,
            env=args.env,
            algo=args.algo,
            n_envs=args.n_envs,
            device=args.device,
        )
    if args.json:
        print(json.dumps(document(found), indent=2))
    else:
        print("\n".join(lines(found)))
    return 0
