"""The webhook against a real HTTP server: success, retry, refusal, a server that hangs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sb3_ac_ext.monitoring.records import Finding, RunInfo, Verdict
from sb3_ac_ext.monitoring.sinks import webhook
from sb3_ac_ext.monitoring.sinks.webhook import WebhookSink
from tests.test_sinks_files import DIAGNOSIS, FINDING, VERDICT

INFO = RunInfo(algo="PPO", env_id="CartPole-v1", seed=7, n_envs=8, total_timesteps=1000)


class Server:
    """Answers with the given statuses, the last one for ever; holds answers back on request."""

    def __init__(self, statuses):
        self.statuses = list(statuses)
        self.bodies = []
        self.arrived = threading.Semaphore(0)
        self.release = threading.Event()
        self.release.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.bodies.append(json.loads(body))
                status = owner.statuses[min(len(owner.bodies), len(owner.statuses)) - 1]
                owner.arrived.release()
                owner.release.wait(30)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook?token=secret"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.release.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.01)
    servers = []

    def start(*statuses):
        servers.append(Server(statuses))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_findings_and_verdict_arrive_with_the_run(serve):
    server = serve(200)
    sink = WebhookSink(server.url)
    sink.start(INFO)
    sink.finding(FINDING)
    sink.finish(VERDICT)
    sink.finish(VERDICT)
    first, last = server.bodies
    assert first["kind"] == "finding"
    assert Finding.from_json(first["finding"]) == FINDING
    assert last["kind"] == "verdict"
    assert last["verdict"]["status"] == "critical"
    assert last["verdict"]["diagnoses"] == [json.loads(json.dumps(DIAGNOSIS.to_json()))]
    assert first["run"] == last["run"] == {
        "algo": "PPO", "env_id": "CartPole-v1", "seed": 7, "n_envs": 8, "total_timesteps": 1000,
    }  # fmt: skip
    assert first["text"] == "PPO on CartPole-v1: critical at step 20: KL 0.3 above 0.05"
    assert last["text"] == "PPO on CartPole-v1: critical, most likely Steps too large"


def test_a_server_error_is_tried_again(serve):
    server = serve(500, 429, 200)
    sink = WebhookSink(server.url)
    sink.start(INFO)
    sink.finish(VERDICT)
    assert len(server.bodies) == 3
    assert server.bodies[0] == server.bodies[2]


def test_a_refusal_is_final_and_warns_once_without_the_token(serve):
    server = serve(404)
    sink = WebhookSink(server.url)
    sink.start(INFO)
    with pytest.warns(UserWarning, match="answered 404") as caught:
        sink.finding(FINDING)
        sink.finding(FINDING)
        sink.finish(VERDICT)
    assert len(server.bodies) == 3
    assert len(caught) == 1
    assert "secret" not in str(caught[0].message)


@pytest.mark.parametrize(("retries", "posts"), [(0, 1), (2, 3)])
def test_retries_are_counted(serve, retries, posts):
    server = serve(503)
    sink = WebhookSink(server.url, retries=retries)
    sink.start(INFO)
    with pytest.warns(UserWarning, match="answered 503"):
        sink.finish(VERDICT)
    assert len(server.bodies) == posts


def test_a_server_that_hangs_blocks_neither_training_nor_the_end(serve):
    server = serve(200)
    server.release.clear()
    sink = WebhookSink(server.url, timeout=0.2, retries=0)
    sink.start(INFO)
    sink.finding(FINDING)
    assert server.arrived.acquire(timeout=30)
    # the server holds the first post: these return all the same, more than the queue takes
    for _ in range(3 * webhook.QUEUE_SIZE):
        sink.finding(FINDING)
    assert not server.release.is_set()
    with pytest.warns(UserWarning, match="ReadTimeout"):
        sink.finish(VERDICT)
    assert not server.release.is_set()
    assert sink._queue.qsize() <= webhook.QUEUE_SIZE


def test_the_verdict_outlives_a_full_queue(serve):
    server = serve(200)
    server.release.clear()
    sink = WebhookSink(server.url)
    sink.start(INFO)
    sink.finding(FINDING)
    assert server.arrived.acquire(timeout=30)
    for _ in range(2 * webhook.QUEUE_SIZE):
        sink.finding(FINDING)
    threading.Timer(0.1, server.release.set).start()
    sink.finish(VERDICT)
    assert server.bodies[-1]["kind"] == "verdict"
    assert len(server.bodies) <= webhook.QUEUE_SIZE + 1


def test_nobody_listens(serve):
    server = serve(200)
    url = server.url
    server.close()
    sink = WebhookSink(url, retries=1)
    sink.start(INFO)
    with pytest.warns(UserWarning, match="ConnectionError"):
        sink.finish(Verdict("healthy"))


def test_min_severity_holds_back_findings_but_not_the_verdict(serve):
    server = serve(200)
    warning = Finding.from_json({**FINDING.to_json(), "severity": "warning"})
    sink = WebhookSink(server.url, min_severity="critical")
    sink.start(INFO)
    sink.finding(warning)
    sink.finding(FINDING)
    sink.finish(Verdict("warning", (warning,)))
    assert [body["kind"] for body in server.bodies] == ["finding", "verdict"]
    assert server.bodies[0]["finding"]["severity"] == "critical"


@pytest.mark.parametrize(
    "url", ["", "ftp://host/x", "localhost:8000", "http://", "http://host:99999", "https:/x", None]
)
def test_a_bad_url_is_refused(url):
    with pytest.raises(ValueError, match="http:// or https://"):
        WebhookSink(url)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"retries": -1}, "retries must be"),
        ({"min_severity": "bad"}, "unknown severity 'bad'"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        WebhookSink("http://localhost", **kwargs)
