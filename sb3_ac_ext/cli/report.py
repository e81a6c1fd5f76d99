"""``sb3-ac report``: the self-contained HTML page of a recorded run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sb3_ac_ext.cli.arguments import run_path

_DESCRIPTION = """\
Write the report of a run, ours or one that never had our callback, as one HTML file that needs no
network. RUN is anything that `sb3-ac diagnose` takes for a single run.
"""
DEFAULT_NAME = "report.html"


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the ``sb3-ac`` command"""
    parser = subparsers.add_parser(
        "report",
        help="write the HTML report of a recorded run",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=run_path, metavar="RUN", help="run folder or file")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=f"default: {DEFAULT_NAME} in the folder"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``path`` and ``output``
    :return: exit status, 0 whatever the verdict is
    :raises ValueError: when the run cannot be read or the report cannot be written
    """
    from sb3_ac_ext.monitoring.sources import load_history, run_folders
    from sb3_ac_ext.monitoring.watch import judge
    from sb3_ac_ext.report import write_report

    folders = run_folders(args.path)
    path = folders[0] if len(folders) == 1 else args.path
    history = load_history(path)
    folder = path if path.is_dir() else path.parent
    output = _output(args.output, folder)
    try:
        write_report(output, history, judge(history), run=_run_json(folder))
    except OSError as error:
        raise ValueError(f"cannot write {output}: {error.strerror or error}") from None
    print(f"report written to {output}")
    return 0


def _output(asked: Path | None, folder: Path) -> Path:
    output: Path = folder / DEFAULT_NAME if asked is None else asked
    if output.is_dir():
        raise ValueError(f"cannot write {output}: it is a folder; name a file in it")
    return output


def _run_json(folder: Path) -> dict[str, Any] | None:
    """Versions, platform and outcome, where ``sb3-ac train`` left them."""
    path = folder / "run.json"
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"cannot read {path}: it holds no JSON object")
    return data
