"""The one-way rule: what each part of the package may import."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sb3_ac_ext"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"torch", "stable_baselines3", "sb3_contrib", "gymnasium", "rl_zoo3"}


def imported(path: Path) -> set[str]:
    """Every module a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 40


def test_what_judges_imports_neither_torch_nor_sb3() -> None:
    pure = (
        "monitoring/detectors",
        "monitoring/sources",
        "monitoring/sinks",
        "monitoring/records",
        "monitoring/history",
        "monitoring/functional",
        "monitoring/vocabulary",
        "monitoring/causes",
        "monitoring/diagnosis",
        "monitoring/watch",
        "report",
    )
    judging = [path for path in FILES if relative(path).startswith(pure)]
    assert len(judging) > 20
    assert [relative(path) for path in judging if roots(path) & HEAVY] == []


def test_inspection_imports_nothing_that_could_load() -> None:
    loading = HEAVY | {"pickle", "cloudpickle", "marshal", "importlib"}
    reading = [path for path in FILES if relative(path).startswith("inspection/")]
    assert len(reading) > 15
    assert [relative(path) for path in reading if roots(path) & loading] == []


def test_only_the_callback_knows_base_callback() -> None:
    knowing = [
        relative(path)
        for path in FILES
        if any(name.endswith("callbacks.BaseCallback") for name in imported(path))
        and relative(path).startswith("monitoring")
    ]
    assert knowing == ["monitoring/callback.py"]


def test_only_registry_and_cli_import_the_zoo() -> None:
    users = [relative(path) for path in FILES if "rl_zoo3" in roots(path)]
    assert [name for name in users if name != "registry.py" and not name.startswith("cli/")] == []


@pytest.mark.parametrize(
    ("part", "may_not_use"),
    [
        ("monitoring/signals", ("detectors", "diagnosis", "sinks", "report", "callback", "watch")),
        ("monitoring/detectors", ("signals", "diagnosis", "sinks", "report", "callback", "watch")),
        ("monitoring/diagnosis", ("signals", "detectors", "sinks", "report", "callback", "watch")),
        ("monitoring/sinks", ("signals", "detectors", "watch", "callback", "report")),
        ("report", ("signals", "detectors", "watch", "callback", "cli", "experiment")),
        ("monitoring", ("cli", "experiment", "config", "registry", "benchmark")),
    ],
)
def test_data_flows_one_way(part: str, may_not_use: tuple[str, ...]) -> None:
    """Signals -> history -> detectors -> diagnosis -> sinks and report; nobody looks back."""
    files = [path for path in FILES if relative(path).startswith(part)]
    assert files
    for path in files:
        ours = {name for name in imported(path) if name.startswith("sb3_ac_ext")}
        parts = {piece for name in ours for piece in name.split(".")[1:3]}
        assert not parts & set(may_not_use), relative(path)


def test_the_package_root_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sb3_ac_ext, sys; print([m for m in ('torch', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
