"""Speed of two ranks beside one process with two threads, and a model for many ranks.

    python bench/scaling.py measure [--rounds N] [--mpirun PATH]   writes bench/scaling.json
    python bench/scaling.py plot                                   writes docs/pictures/scaling.png

Each round runs every contestant once, in turn, and the least time of a step counts: other work on
the machine only ever makes steps slower. Needs mpi4py and mpirun; `plot` needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "scaling.json"
PICTURE = ROOT / "docs" / "pictures" / "scaling.png"

WORKLOADS = {
    "V = 10,000, H = 512,512, B = 1024": {
        "model": {"vocab": 10_000, "context": 8, "embed": 64, "hidden": (512, 512), "boundary": 0},
        "batch": 1024,
    },
    "V = 30,000, adaptive softmax, H = 512, B = 1024": {
        "model": {
            "vocab": 30_000,
            "context": 4,
            "embed": 128,
            "hidden": (512,),
            "boundary": 0,
            "cutoffs": (2000, 10_000),
            "far": (12, 48),
        },
        "batch": 1024,
    },
}

SLOWED = "two ranks, one slowed down"
# Ranks (0: an ordinary run), threads of each, seconds by which rank 1 delays a step on purpose.
CONTESTANTS = {
    "one process, two threads": (0, 2, 0.0),
    "one process, one thread": (0, 1, 0.0),
    "one rank, one thread": (1, 1, 0.0),
    "two ranks": (2, 1, 0.0),
    SLOWED: (2, 1, 0.1),
}


def child(workload: str, threads: int, distributed: bool, steps: int, pause: float) -> None:
    """Print the least seconds of a step, the bytes of a step and the parameters."""
    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.distributed.engine import ShardedEngine
    from fastlm.distributed.mpi import connect
    from fastlm.engine.training import TrainingEngine
    from fastlm.model.initialization import scaled_params

    what = WORKLOADS[workload]
    model = ModelConfig(**what["model"])
    weights = 1.0 / (10 + np.arange(model.vocab))
    rng = np.random.default_rng(0)
    tokens = rng.choice(model.vocab, size=500_000, p=weights / weights.sum()).astype(np.uint16)
    training = TrainingConfig(batch=what["batch"], threads=threads, dropout=0.1, seed=1)
    params = scaled_params(model, 1)
    if distributed:
        communicator = connect("mpi")
        engine = ShardedEngine(model, training, tokens, params, communicator)
    else:
        engine = TrainingEngine(model, training, tokens, params)
    engine.compile()
    engine.run(np.full(2, 0.1))
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        if distributed and communicator.rank == 1:
            time.sleep(2 * pause)
        engine.run(np.full(2, 0.1))
        seconds.append((time.perf_counter() - started) / 2)
    said = {"seconds": min(seconds), "parameters": int(params.size)}
    if distributed:
        said["bytes"] = engine.bytes_sent / engine.steps_run
        said["communication"] = engine.communication
    if not distributed or communicator.rank == 0:
        print(json.dumps(said))


def link() -> None:
    """Print bytes a second and seconds of a message between two ranks."""
    from fastlm.distributed.mpi import connect

    communicator = connect("mpi")
    me = communicator.rank

    def swap(floats: int) -> float:
        arrays = [np.ones(floats, dtype=np.float32), np.empty(floats, dtype=np.float32)]
        times = []
        for _ in range(20):
            communicator.gather(None)
            started = time.perf_counter()
            out, into = ([[] if rank == me else [each] for rank in range(2)] for each in arrays)
            communicator.swap(out, into).wait()
            times.append(time.perf_counter() - started)
        return min(times)

    latency = swap(16)
    bandwidth = 4 * (1 << 22) / (swap(1 << 22) - latency)
    if me == 0:
        print(json.dumps({"bandwidth": bandwidth, "latency": latency}))


def run(workload: str, contestant: str, steps: int, mpirun: str) -> dict[str, float]:
    ranks, threads, pause = CONTESTANTS[contestant]
    words = ["child", workload, str(threads), str(ranks > 0), str(steps), str(pause)]
    return started(words, ranks, mpirun)


def started(words: list[str], ranks: int, mpirun: str) -> dict[str, float]:
    """Return what this program prints as a child, started by mpirun unless ranks is 0."""
    command = [sys.executable, __file__, *words]
    if ranks:
        command = [mpirun, "-n", str(ranks), *command]
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kernels'}",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    line = next(line for line in done.stdout.splitlines() if "{" in line)
    found: dict[str, float] = json.loads(line[line.index("{") : line.index("}") + 1])
    return found


def measure(rounds: int, steps: int, mpirun: str) -> None:
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in WORKLOADS}
    between = started(["link"], 2, mpirun)
    for nth in range(rounds):
        for workload, found in results.items():
            for contestant in CONTESTANTS:
                said = run(workload, contestant, steps, mpirun)
                best = found.setdefault(contestant, said)
                if said["seconds"] < best["seconds"]:
                    found[contestant] = said
                print(f"{nth + 1}  {workload}  {contestant}: {said}", flush=True)
    report = {"link": between, "workloads": results}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    tell(report)


def step_seconds(
    compute: float, size: float, ranks: int, bandwidth: float, latency: float
) -> float:
    """Return the seconds of a step by the model of docs/scaling.md.

    compute : seconds of the whole batch on one rank; size : bytes of a gradient
    bandwidth : bytes per second, each way; latency : seconds of a message
    """
    sent = 2 * (ranks - 1) / ranks * size
    return compute / ranks + sent / bandwidth + 2 * (ranks - 1) * latency


def tell(report: dict[str, Any]) -> None:
    """Print the measured speeds, and what the model says of the same."""
    link = report["link"]
    print(f"between ranks: {link['bandwidth'] / 1e9:.2f} GB/s, {link['latency'] * 1e6:.0f} us")
    late = CONTESTANTS[SLOWED][2]
    for workload, found in report["workloads"].items():
        seconds = {name: each["seconds"] for name, each in found.items()}
        one, two = seconds["one process, two threads"], seconds["two ranks"]
        print(f"{workload}: two ranks have {one / two:.3f} of the speed of two threads")
        said = step_seconds(seconds["one rank, one thread"], found["two ranks"]["bytes"], 2, **link)
        print(f"  a step of two ranks: {1e3 * two:.0f} ms, by the model {1e3 * said:.0f}")
        print(
            f"  with one of them {1e3 * late:.0f} ms late: {1e3 * seconds[SLOWED]:.0f} ms, by the "
            f"model {1e3 * (said + late):.0f}"
        )


def plot() -> None:
    import matplotlib

    from fastlm.distributed.shards import SHARDS

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    report = json.loads(RESULTS.read_text(encoding="utf-8"))
    tell(report)
    ranks = 2 ** np.arange(9)
    figure, axes = plt.subplots(1, len(WORKLOADS), figsize=(10, 4.2), sharey=True)
    for axis, (workload, found) in zip(axes, report["workloads"].items(), strict=True):
        compute = found["one rank, one thread"]["seconds"]
        size = found["two ranks"]["bytes"]
        axis.plot(ranks, ranks, color="0.7", label="ideal")
        for gigabits, latency in ((1, 50e-6), (10, 20e-6), (100, 5e-6)):
            times = [step_seconds(compute, size, n, gigabits * 1e9 / 8, latency) for n in ranks]
            axis.plot(ranks, compute / np.array(times), marker=".", label=f"{gigabits} Gbit/s")
        measured = compute / found["two ranks"]["seconds"]
        axis.plot([2], [measured], "k*", markersize=10, label="measured on one machine")
        axis.axvline(SHARDS, color="0.7", linestyle=":", label="most ranks of a run")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        axis.set_xlabel("ranks, one thread each")
        axis.set_title(workload, fontsize=9)
        axis.set_xticks(ranks, [str(n) for n in ranks])
        axis.grid(alpha=0.3)
    ticks = [0.25, 0.5, *ranks.tolist()]
    axes[0].set_yticks(ticks, [f"{n:g}" for n in ticks])
    axes[0].set_ylabel("speed, one rank = 1")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        name, threads, distributed, steps, pause = sys.argv[2:]
        child(name, int(threads), distributed == "True", int(steps), float(pause))
        sys.exit()
    if sys.argv[1:2] == ["link"]:
        link()
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measure", "plot"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--mpirun", default=shutil.which("mpirun") or "mpirun")
    given = parser.parse_args()
    if given.what == "plot":
        plot()
    else:
        measure(given.rounds, given.steps, given.mpirun)
