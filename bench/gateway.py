"""What a call through the gateway costs beside the same call to the same server, in one run (issue figures; gateway §8.8).

The gateway has one core to itself; the load generator and the server behind share the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil

from bench.running import HOST, MEGABYTE, free_port, wait_for
from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.apps import Apps
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.credentials import Secrets, seal_credential
from hedgerow.gateway.first import local_connection
from hedgerow.gateway.keys import add_key
from hedgerow.gateway.models import GatewayKey
from hedgerow.gateway.vault import Vault
from hedgerow.settings import Settings

GATEWAY_CORE, OTHER_CORE = 0, 1
LATENCY_CALLS = 3_000
RATE_SECONDS = 6.0
CONNECTIONS = 64
BIG_BYTES = 1 << 30
BODY_BYTES = 64 << 20


def gateway() -> dict[str, Any]:
    """Added latency at one connection, latency at half load, the most calls a second, memory of large bodies, LOCAL."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-gateway-"))
    try:
        with upstream() as port:
            environ = {
                "HEDGEROW_GATEWAY_HOSTS": f"http://{HOST}:{port};private",
                "HEDGEROW_GATEWAY_RATE_PER_SECOND": "0",
                "HEDGEROW_LOG_LEVEL": "warning",
            }
            key = prepare(folder / "alone", port, environ)
            with server("gateway", folder / "alone", environ) as (gateway_port, process):
                figures = compare(port, gateway_port, key, process)
            figures["nginx"] = nginx(folder, port)
            figures["litellm"] = litellm(folder, port)
        figures["local"] = local_overhead(folder / "whole")
        return figures
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compare(port: int, gateway_port: int, key: str, process: psutil.Process) -> dict[str, Any]:
    direct, through = request(port, "/api/x/", None), request(gateway_port, "/posthog/api/x/", key)
    warm = load(gateway_port, through, 4, calls=2_000)
    assert warm["statuses"] == {"200": 2_000}, warm
    base, one = [], []
    for _ in range(5):  # in turns, so that both see the same machine
        base.append(load(port, direct, 1, calls=LATENCY_CALLS // 5))
        one.append(load(gateway_port, through, 1, calls=LATENCY_CALLS // 5))
    p50 = median(run["p50_ms"] for run in one) - median(run["p50_ms"] for run in base)
    p99 = median(run["p99_ms"] for run in one) - median(run["p99_ms"] for run in base)
    most, cpu_us = cpu(process, lambda: load(gateway_port, through, CONNECTIONS, seconds=RATE_SECONDS))
    half = load(gateway_port, through, CONNECTIONS, seconds=RATE_SECONDS, rate=most["rate"] / 2)
    base_half = load(port, direct, CONNECTIONS, seconds=RATE_SECONDS, rate=most["rate"] / 2)
    return {
        "added_p50_ms": p50,
        "added_p99_ms": p99,
        "calls_per_second": most["rate"],
        "cpu_us_per_call": cpu_us,
        "calls_per_second_of_cpu": 1e6 / cpu_us,
        "half_load_p50_ms": half["p50_ms"] - base_half["p50_ms"],
        "half_load_p99_ms": half["p99_ms"] - base_half["p99_ms"],
        "direct_p50_ms": median(run["p50_ms"] for run in base),
        "direct_calls_per_second": load(port, direct, CONNECTIONS, seconds=RATE_SECONDS / 2)["rate"],
        "answer_1_gb_growth_mb": growth(process, lambda: big_answer(gateway_port, key)),
        "request_64_mb_growth_mb": growth(process, lambda: big_request(gateway_port, key)),
    }


def nginx(folder: Path, port: int) -> dict[str, Any] | None:
    """The same load through nginx, which checks one key and puts one credential in; None where it is not installed."""
    binary = shutil.which("nginx")
    if binary is None:
        return None
    own_port, home, key = free_port(), folder / "nginx", "hgk_bench"
    home.mkdir()
    text = (Path(__file__).parent / "nginx.conf").read_text(encoding="utf-8")
    for name, value in (("FOLDER", home), ("UPSTREAM", port), ("PORT", own_port), ("KEY", key)):
        text = text.replace(f"${name}", str(value))
    (home / "nginx.conf").write_text(text, encoding="utf-8")
    process = psutil.Popen(pinned(GATEWAY_CORE, [binary, "-p", str(home), "-c", str(home / "nginx.conf")]))
    try:
        wait_for(f"http://{HOST}:{own_port}/_ready", process)
        through = request(own_port, "/posthog/api/x/", key)
        one = load(own_port, through, 1, calls=LATENCY_CALLS)
        return {"p50_ms": one["p50_ms"], "calls_per_second": load(own_port, through, CONNECTIONS, seconds=3)["rate"]}
    finally:
        process.terminate()
        process.wait(10)


def litellm(folder: Path, port: int) -> dict[str, Any] | None:
    """The same load through LiteLLM's pass-through, which checks its master key and puts a credential in.

    None where it is not installed; `BENCH_LITELLM` may name its command, which lives in an environment of its own.
    """
    binary = os.environ.get("BENCH_LITELLM") or shutil.which("litellm")
    if binary is None:
        return None
    own_port, config, key = free_port(), folder / "litellm.yaml", "sk-" + "b" * 64
    endpoint = {
        "path": "/posthog/api/x",
        "target": f"http://{HOST}:{port}/api/x/",
        "headers": {"Authorization": "Bearer phx_" + "a" * 43},
    }
    config.write_text(
        json.dumps({"model_list": [], "general_settings": {"master_key": key, "pass_through_endpoints": [endpoint]}})
    )
    command = [binary, "--config", str(config), "--host", HOST, "--port", str(own_port), "--num_workers", "1"]
    environ = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with (folder / "litellm.log").open("wb") as log:
        process = psutil.Popen(pinned(GATEWAY_CORE, command), stdout=log, stderr=log, env=environ)
        try:
            wait_for(f"http://{HOST}:{own_port}/health/liveliness", process)
            through = request(own_port, "/posthog/api/x", key)
            one = load(own_port, through, 1, calls=LATENCY_CALLS // 5)
            most = load(own_port, through, CONNECTIONS, seconds=3)
        finally:
            process.terminate()
            process.wait(30)
    assert one["statuses"].keys() | most["statuses"].keys() == {"200"}, (one, most)
    return {"p50_ms": one["p50_ms"], "calls_per_second": most["rate"]}


def cpu(process: psutil.Process, work: Any) -> tuple[dict[str, Any], float]:
    """What a load says, and microseconds of the process's CPU for each of its calls."""
    before = sum(process.cpu_times()[:2])
    figures = work()
    return figures, (sum(process.cpu_times()[:2]) - before) / figures["calls"] * 1e6


def median(values: Any) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def load(
    port: int, text: bytes, connections: int, *, calls: int = 0, seconds: float = 0.0, rate: float = 0.0
) -> dict[str, Any]:
    """Figures of `bench.caller` on the other core."""
    command = [sys.executable, "-m", "bench.caller", str(port), str(connections), str(calls), str(seconds), str(rate)]
    done = subprocess.run(pinned(OTHER_CORE, command), input=text, capture_output=True, check=True)
    return json.loads(done.stdout)


def request(port: int, path: str, key: str | None) -> bytes:
    bearer = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{bearer}Accept: */*\r\nUser-Agent: bench\r\n\r\n".encode()


def growth(process: psutil.Process, work: Any) -> float:
    """Megabytes that the process is larger by at most, while and after the work."""
    before = largest = process.memory_info().rss
    running = True

    def sample() -> None:
        nonlocal largest
        while running:
            largest = max(largest, process.memory_info().rss)
            time.sleep(0.02)

    import threading

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        work()
    finally:
        running = False
        thread.join()
    return (largest - before) / MEGABYTE


def big_answer(port: int, key: str) -> None:
    with socket.create_connection((HOST, port)) as line:
        line.sendall(request(port, f"/posthog/big/{BIG_BYTES}", key))
        got, buffer = 0, bytearray(1 << 20)
        while got < BIG_BYTES:
            size = line.recv_into(buffer)
            assert size, got
            got += size


def big_request(port: int, key: str) -> None:
    with socket.create_connection((HOST, port)) as line:
        head = request(port, "/posthog/api/upload/", key).replace(b"GET", b"POST", 1)
        line.sendall(head[:-2] + b"Content-Length: %d\r\n\r\n" % BODY_BYTES)
        for _ in range(BODY_BYTES >> 20):
            line.sendall(bytes(1 << 20))
        answer = b""
        while not answer.endswith(b"}"):
            piece = line.recv(1 << 16)
            assert piece, answer
            answer += piece
        assert b'{"bytes":%d}' % BODY_BYTES in answer, answer


def local_overhead(folder: Path) -> dict[str, Any]:
    """A call to this very server, directly and through the gateway: the same API, the same process."""
    environ = {"HEDGEROW_GATEWAY_RATE_PER_SECOND": "0", "HEDGEROW_LOG_LEVEL": "warning"}
    environ["HEDGEROW_GATEWAY_EVENTS"] = "0"
    made = subprocess.run(
        [sys.executable, "-m", "hedgerow", "init", "--data", str(folder), "--json"],
        capture_output=True,
        check=True,
        env={**os.environ, **environ},
    )
    keys = json.loads(made.stdout)
    with server("serve", folder, environ) as (port, _):
        path = "/api/users/@me/"
        direct = request(port, path, keys["personal_api_key"])
        through = request(port, "/posthog" + path, keys["gateway_key"])
        base, own = [], []
        for _ in range(5):
            base.append(load(port, direct, 1, calls=300))
            own.append(load(port, through, 1, calls=300))
    return {
        "direct_p50_ms": median(run["p50_ms"] for run in base),
        "added_p50_ms": median(run["p50_ms"] for run in own) - median(run["p50_ms"] for run in base),
    }


# Processes


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else command


@contextlib.contextmanager
def upstream() -> Generator[int]:
    port = free_port()
    process = psutil.Popen(pinned(OTHER_CORE, [sys.executable, "-m", "bench.upstream", str(port)]))
    try:
        wait_for(f"http://{HOST}:{port}/", process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def server(command: str, folder: Path, environ: dict[str, str]) -> Generator[tuple[int, psutil.Process]]:
    port = free_port()
    line = [sys.executable, "-m", "hedgerow", command, "--data", str(folder), "--port", str(port)]
    with folder.with_suffix(".log").open("wb") as log:
        process = psutil.Popen(pinned(GATEWAY_CORE, line), stdout=log, stderr=log, env={**os.environ, **environ})
        try:
            wait_for(f"http://{HOST}:{port}/_ready", process)
            yield port, process
        finally:
            process.terminate()
            process.wait(30)


def prepare(folder: Path, port: int, environ: dict[str, str]) -> str:
    """A folder with a connection to the server behind; a key."""
    subprocess.run(
        [sys.executable, "-m", "hedgerow", "init", "--data", str(folder), "--json"],
        capture_output=True,
        check=True,
        env={**os.environ, **environ},
    )
    return asyncio.run(_connect(Settings.load(environ, data_dir=folder), port))


async def _connect(settings: Settings, port: int) -> str:
    clock = Clock()
    metadata = await Metadata.open(settings)
    vault = Vault.open(settings)
    Apps.load(settings)
    async with metadata.write() as session:
        from sqlalchemy import select

        user_id = await session.scalar(select(GatewayKey.user_id))
        assert user_id is not None
        row = local_connection(clock, vault, user_id=user_id, token="x", facts={})
        row.method, row.base_url, row.version = "API_KEY", f"http://{HOST}:{port}", 0
        seal_credential(row, vault, Secrets(api_key="phx_" + "a" * 43))
        session.add(row)
        made = add_key(session, clock, Actor("system", "bench"), user_id=user_id, name="bench")
    await metadata.close()
    return made.secret
