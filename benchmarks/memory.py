"""Peak memory of a call in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import rnnstats

MEASURE = """
import json, resource, sys
import numpy as np
from rnnstats import LinearRNN, MarkovRNN
from rnnstats.kernels import markov

def peak():
    try:  # Linux: the peak since it was last reset
        with open("/proc/self/status") as status:
            return next(int(l.split()[1]) for l in status if l.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def reset():
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass

nobs, what = int(sys.argv[1]), sys.argv[2]
"""
LINEAR = """
names = LinearRNN(np.random.default_rng(0).normal(size=(60, 3)), k_states=3, trend="n").param_names
value = {"W_h": 0.5, "K": 0.2, "obs_cov": 1.0}
params = np.array([
    value[n.split("[")[0]] * (n.split("[")[1][1:-1].split(",")[0][-1] == n[-2]) for n in names
])
small = LinearRNN(np.random.default_rng(0).normal(size=(60, 3)), k_states=3, trend="n")
small.loglike(params), small.score(params)
model = LinearRNN(np.random.default_rng(0).normal(size=(nobs, 3)), k_states=3, trend="n")
reset()
before = peak()
getattr(model, what)(params)
print(json.dumps(peak() - before))
"""
CHAIN = """
def call(nobs):
    rng, transition = np.random.default_rng(0), np.full((4, 4), 0.25)
    if what == "kernel":
        dense = rng.normal(size=(nobs, 4))
        return lambda: markov.loglike(dense, transition, transition[0])
    model = MarkovRNN(rng.normal(size=nobs), k_regimes=4)
    value = {"p": 0.25, "V": 0.0, "obs_cov": 1.0}
    params = [value[name.split("[")[0]] for name in model.param_names]
    return lambda: model.loglike(params)

call(60)()
large = call(nobs)
reset()
before = peak()
large()
print(json.dumps(peak() - before))
"""


def extra_memory(nobs: int, what: str) -> float:
    """MiB that one call of ``loglike`` or ``score`` adds to a model of 3 series of ``nobs`` rows.

    Parameters
    ----------
    nobs : int
    what : {"loglike", "score"}

    Returns
    -------
    float
        Growth of the process's peak resident memory during the call.
    """
    return _measured(LINEAR, nobs, what)


def extra_chain_memory(nobs: int, what: str) -> float:
    """MiB that one log-likelihood of four regimes adds, of the kernel or the model.

    Parameters
    ----------
    nobs : int
    what : {"kernel", "model"}

    Returns
    -------
    float
        Growth of the process's peak resident memory during the call.
    """
    return _measured(CHAIN, nobs, what)


def _measured(program: str, nobs: int, what: str) -> float:
    # the copy of the package that runs here, not one that happens to lie in the working folder
    home = str(Path(rnnstats.__file__).resolve().parents[1])
    command = [sys.executable, "-c", MEASURE + program, str(nobs), what]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=tempfile.gettempdir(),
        env={**os.environ, "PYTHONPATH": home},
    )
    return float(json.loads(done.stdout))
