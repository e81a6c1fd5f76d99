"""Build a package in another process, while training goes on."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import cloudpickle
import torch as th

from sb3_ac_ext.algorithms.compiled.job import Job


class Build:
    """A running build; it ends with the interpreter, or with the last reference to it.

    :param job: to compile
    :param package: the file that it becomes
    """

    def __init__(self, job: Job, package: Path) -> None:
        self.package = package
        package.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="sb3_ac_ext_")
        self._log = Path(self._folder.name, "log")
        file = Path(self._folder.name, "job")
        file.write_bytes(cloudpickle.dumps((th.get_num_threads(), job)))
        command = [sys.executable, "-m", f"{__package__}.build", str(file), str(package)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._end = weakref.finalize(self, _end, self._process, self._folder)

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._process.poll() is not None

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()

    def error(self) -> str | None:
        """The last line of what went wrong, ``None`` if nothing did."""
        if self._process.returncode == 0 and self.package.exists():
            return None
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"

    def close(self) -> None:
        """End it, if it is running, and remove its files."""
        self._end()


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    folder.cleanup()
