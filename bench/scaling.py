"""Speed of two ranks beside one process with two threads, and a model for many ranks.

    python bench/scaling.py measure [--rounds N] [--mpirun PATH]   writes bench/scaling.json
    python bench/scaling.py plot                                   writes docs/scaling.png

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

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "scaling.json"
PICTURE = ROOT / "docs" / "scaling.png"

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

# ranks, threads of each, whether each slows down on purpose (seconds a step)
CONTESTANTS = {
    "one process, two threads": (0, 2, 0.0),
    "one process, one thread": (0, 1, 0.0),
    "one rank, one thread": (1, 1, 0.0),
    "two ranks": (2, 1, 0.0),
    "two ranks, slowed down": (2, 1, 0.2),
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
        time.sleep(pause)
        engine.run(np.full(2, 0.1))
        seconds.append((time.perf_counter() - started) / 2)
    said = {"seconds": min(seconds), "parameters": int(params.size)}
    if distributed:
        said["bytes"] = engine.bytes_sent / engine.steps_run
        said["communication"] = engine.communication
    if not distributed or communicator.rank == 0:
        print(json.dumps(said))


def run(workload: str, contestant: str, steps: int, mpirun: str) -> dict[str, float]:
    ranks, threads, pause = CONTESTANTS[contestant]
    command = [sys.executable, __file__, "child", workload, str(threads), str(ranks > 0)]
    command += [str(steps), str(pause)]
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
    for nth in range(rounds):
        for workload, found in results.items():
            for contestant in CONTESTANTS:
                said = run(workload, contestant, steps, mpirun)
                best = found.setdefault(contestant, said)
                if said["seconds"] < best["seconds"]:
                    found[contestant] = said
                print(f"{nth + 1}  {workload}  {contestant}: {said}", flush=True)
    for workload, found in results.items():
        one, two = (found[name]["seconds"] for name in ("one process, two threads", "two ranks"))
        print(f"{workload}: two ranks have {one / two:.3f} of the speed of two threads")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def step_seconds(
    compute: float, size: float, ranks: int, bandwidth: float, latency: float
) -> float:
    """Return the seconds of a step by the model of docs/scaling.md.

    compute : seconds of the whole batch on one rank; size : bytes of a gradient
    bandwidth : bytes per second, each way; latency : seconds of a message
    """
    sent = 2 * (ranks - 1) / ranks * size
    return compute / ranks + sent / bandwidth + 2 * (ranks - 1) * latency


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        name, threads, distributed, steps, pause = sys.argv[2:]
        child(name, int(threads), distributed == "True", int(steps), float(pause))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measure",))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--mpirun", default=shutil.which("mpirun") or "mpirun")
    given = parser.parse_args()
    measure(given.rounds, given.steps, given.mpirun)
