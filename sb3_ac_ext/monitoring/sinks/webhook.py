"""A JSON POST for each finding and for the verdict, from a thread that training never waits for."""

from __future__ import annotations

import queue
import threading
import time
import warnings
from typing import Any
from urllib.parse import urlsplit

from sb3_ac_ext.monitoring.records import Finding, RunInfo, Severity, Verdict
from sb3_ac_ext.monitoring.sinks.base import Sink

QUEUE_SIZE = 100
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class WebhookSink(Sink):
    """Posts ``{"kind", "text", "run", "finding" | "verdict"}`` to a URL.

    ``text`` is one sentence, the field that chat services show. A post is tried again after a
    connection fault, a time-out, 408, 429 or 5xx, with pauses that double from 0.5 s; other answers
    end it. When more than 100 posts wait, the oldest are dropped. The first post that fails for
    good warns, the others are silent.

    :param url: http or https
    :param timeout: seconds to connect, and between two parts of an answer
    :param retries: further attempts after the first
    :param min_severity: findings below it are not sent: ``info``, ``warning`` or ``critical``; the
        verdict always is
    :raises ValueError: for a URL that is not http or https, a timeout that is not positive, a
        negative number of retries or an unknown severity
    """

    def __init__(
        self,
        url: str,
        timeout: float = 5.0,
        retries: int = 3,
        min_severity: str | Severity = Severity.WARNING,
    ) -> None:
        _check_url(url)
        if not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds: {timeout}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more: {retries}")
        self.url = url
        self.timeout = timeout
        self.retries = retries
        self.min_severity = (
            Severity.parse(min_severity) if isinstance(min_severity, str) else min_severity
        )
        self._run: dict[str, Any] = {}
        self._queue: queue.Queue[tuple[dict[str, Any], threading.Event]] = queue.Queue(QUEUE_SIZE)
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()
        self._warned = False
        self._last_verdict: Verdict | None = None

    def start(self, info: RunInfo) -> None:
        essentials = ("algo", "env_id", "seed", "n_envs", "total_timesteps")
        self._run = {name: getattr(info, name) for name in essentials}
        self._hurry.clear()
        self._last_verdict = None

    def finding(self, finding: Finding) -> None:
        if finding.severity >= self.min_severity:
            text = f"{self._title()}: {finding.severity.label} at step {finding.step:,}: "
            self._put("finding", text + finding.message, finding.to_json())

    def finish(self, verdict: Verdict) -> None:
        """Sends the verdict and waits for it at most twice the timeout; the same one only once."""
        if verdict == self._last_verdict:
            return
        self._last_verdict = verdict
        text = f"{self._title()}: {verdict.status}"
        if verdict.diagnoses:
            text += f", most likely {verdict.diagnoses[0].title}"
        sent = self._put("verdict", text, verdict.to_json())
        self._hurry.set()
        sent.wait(2 * self.timeout)

    def _title(self) -> str:
        return f"{self._run.get('algo') or 'training'} on {self._run.get('env_id') or 'a run'}"

    def _put(self, kind: str, text: str, content: dict[str, Any]) -> threading.Event:
        payload = {"kind": kind, "text": text, "run": self._run, kind: content}
        sent = threading.Event()
        while True:
            try:
                self._queue.put_nowait((payload, sent))
                break
            except queue.Full:
                self._drop_oldest()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
            self._thread.start()
        return sent

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()[1].set()
        except queue.Empty:  # the thread was faster
            return

    def _work(self) -> None:
        while True:
            payload, sent = self._queue.get()
            try:
                problem = self._post(payload)
                if problem and not self._warned:
                    self._warned = True
                    warnings.warn(f"webhook {_without_secrets(self.url)}: {problem}", stacklevel=2)
            finally:
                sent.set()

    def _post(self, payload: dict[str, Any]) -> str:
        """Empty when the server took it, else what went wrong last."""
        import requests

        pause, problem = FIRST_PAUSE, ""
        for attempt in range(self.retries + 1):
            if attempt:
                self._rest(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            try:
                answer = requests.post(self.url, json=payload, timeout=self.timeout)
            except requests.RequestException as error:
                problem = type(error).__name__
                continue
            if answer.ok:
                return ""
            problem = f"the server answered {answer.status_code}"
            if answer.status_code < 500 and answer.status_code not in (408, 429):
                break
        return problem

    def _rest(self, pause: float) -> None:
        """Once training is over the process is about to end: no long pauses any more."""
        if self._hurry.is_set():
            time.sleep(min(pause, FIRST_PAUSE))
        else:
            self._hurry.wait(pause)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError, TypeError):
        valid = False
    if not valid:
        raise ValueError(f"webhook url must begin with http:// or https:// and a host: {url!r}")


def _without_secrets(url: str) -> str:
    """Paths and queries of webhooks are tokens: only the host is shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"
