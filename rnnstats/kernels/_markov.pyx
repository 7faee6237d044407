# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twins of `rnnstats.kernels.reference.markov`; called by `rnnstats.kernels.markov` only."""

import numpy as np

from libc.stdint cimport int64_t


cdef extern from *:
    ctypedef bint cbool "bool"


cdef extern from "markov.hpp" namespace "rnnstats::markov" nogil:
    cdef cppclass Chain:
        int k
        int block
        int sequences
        cbool varies
        const double *log_density
        const double *transition
        const double *start
        const int64_t *offsets

    cdef cppclass Output:
        double *llf_obs
        double *predicted
        double *filtered
        double *log_filtered
        double *smoothed
        double *d_transition
        double *d_start
        double *joint
        cbool *logs

    cdef cppclass Directions:
        int q
        const double *log_density
        const double *transition
        const double *start

    double run_loglike(const Chain&, int64_t*) except +
    void run_forward(const Chain&, const Output&) except +
    double run_smooth(const Chain&, const Output&, int64_t*) except +
    void run_viterbi(const Chain&, int64_t*, double*) except +
    void c_sample_paths "rnnstats::markov::sample_paths"(const Chain&, int64_t, const double*, cbool, int, const double*, int64_t*) except +
    void c_score_obs "rnnstats::markov::score_obs"(const Chain&, const Directions&, double*, double*) except +


cdef extern from "markov_normal.hpp" namespace "rnnstats::markov" nogil:
    cdef cppclass NormalData:
        int m
        int r
        int k
        int sequences
        int start
        cbool common
        int64_t n
        const double *y
        const double *x
        const unsigned char *seen
        const double *basis
        const double *origin
        const int64_t *offsets
        double floor

    cdef cppclass NormalRun:
        double *u
        double *coef
        double *variance
        double *transition
        double *law
        double *states
        double *sums
        double *d_transition
        double *d_start
        const double *weights
        double pooled
        double begin
        double llf
        int passes
        cbool settled

    void c_normal_climb "rnnstats::markov::normal_climb"(const NormalData&, int, double, cbool, NormalRun*) except +


cdef class _Prepared:
    """A chain's arrays as pointers, with the references that keep them alive."""

    cdef Chain chain
    cdef object keep


cdef double* _at(object array) except NULL:
    cdef double[::1] view = array.reshape(-1)
    return &view[0]


cdef const double* _read(object array) except NULL:
    cdef const double[::1] view = array.reshape(-1)
    return &view[0]


cdef _Prepared _prepare(log_density, transition, start, const int64_t[::1] offsets):
    cdef _Prepared ready = _Prepared()
    cdef Chain* c = &ready.chain
    c.k = <int> transition.shape[1]
    c.block = <int> (log_density.shape[1] // transition.shape[1])
    c.sequences = <int> offsets.shape[0] - 1
    c.varies = transition.ndim == 3
    c.log_density = _read(log_density)
    c.transition = _read(transition)
    c.start = _read(start)
    c.offsets = &offsets[0]
    ready.keep = (log_density, transition, start, offsets)
    return ready


def loglike(log_density, transition, start, offsets):
    """Log-likelihood."""
    cdef _Prepared ready = _prepare(log_density, transition, start, offsets)
    cdef int64_t period = -1
    cdef double llf
    with nogil:
        llf = run_loglike(ready.chain, &period)
    return llf


cdef Output _empty():
    cdef Output out
    out.llf_obs = out.predicted = out.filtered = out.log_filtered = out.smoothed = NULL
    out.d_transition = out.d_start = out.joint = NULL
    out.logs = NULL
    return out


def forward(log_density, transition, start, offsets):
    """Log-likelihood of each row, predicted and filtered probabilities, logs of the latter or None."""
    cdef _Prepared ready = _prepare(log_density, transition, start, offsets)
    cdef Output out = _empty()
    cdef cbool logs = False
    llf, predicted, filtered = np.empty(log_density.shape[0]), np.empty_like(log_density), np.empty_like(log_density)
    out.llf_obs, out.predicted, out.filtered, out.logs = _at(llf), _at(predicted), _at(filtered), &logs
    with nogil:
        run_forward(ready.chain, out)
    if not logs:
        return llf, predicted, filtered, None
    log_filtered = np.empty_like(log_density)
    out.log_filtered = _at(log_filtered)
    with nogil:
        run_forward(ready.chain, out)
    return llf, predicted, filtered, log_filtered


def smooth(log_density, transition, start, offsets, bint joint=False):
    """Log-likelihood, first impossible row or -1, smoothed, derivatives by transition and start, joint or None."""
    cdef _Prepared ready = _prepare(log_density, transition, start, offsets)
    cdef Py_ssize_t k = transition.shape[1]
    cdef Output out = _empty()
    cdef int64_t period = -1
    cdef double llf
    smoothed, d_transition, d_start = np.empty_like(log_density), np.zeros(transition.shape), np.zeros(start.shape)
    steps = np.zeros((log_density.shape[0], k, k)) if joint else None
    out.smoothed, out.d_transition, out.d_start = _at(smoothed), _at(d_transition), _at(d_start)
    if joint:
        out.joint = _at(steps)
    with nogil:
        llf = run_smooth(ready.chain, out, &period)
    return llf, period, smoothed, d_transition, d_start, steps


def viterbi(log_density, transition, start, offsets):
    """Most likely path and its log joint density, a sequence each."""
    cdef _Prepared ready = _prepare(log_density, transition, start, offsets)
    path, heights = np.empty(log_density.shape[0], dtype=np.int64), np.zeros(offsets.shape[0] - 1)
    cdef int64_t[::1] p = path
    cdef double[::1] h = heights
    with nogil:
        run_viterbi(ready.chain, &p[0], &h[0])
    return path, heights


def sample_paths(transition, offsets, filtered, uniforms, bint logs):
    """Paths given all rows; `logs`: filtered probabilities are given in logarithms."""
    cdef _Prepared ready = _prepare(filtered, transition, filtered, offsets)
    paths = np.zeros(uniforms.shape, dtype=np.int64)
    cdef int64_t[::1] p = paths.reshape(-1)
    cdef const double* u = _read(uniforms)
    cdef int number = <int> uniforms.shape[0]
    cdef int64_t n = filtered.shape[0]
    cdef const double* f = _read(filtered)
    with nogil:
        c_sample_paths(ready.chain, n, f, logs, number, u, &p[0])
    return paths


def score_obs(log_density, transition, start, offsets, d_log_density, d_transition, d_start):
    """Log-likelihood of each row and its derivatives."""
    cdef _Prepared ready = _prepare(log_density, transition, start, offsets)
    cdef Directions along
    llf = np.empty(log_density.shape[0])
    scores = np.zeros((log_density.shape[0], d_log_density.shape[2]))
    along.q = <int> d_log_density.shape[2]
    along.log_density, along.transition, along.start = _read(d_log_density), _read(d_transition), _read(d_start)
    cdef double* rows = _at(llf)
    cdef double* out = _at(scores)
    with nogil:
        c_score_obs(ready.chain, along, rows, out)
    return llf, scores


cdef class Normal:
    """Data of a normal response; see `rnnstats.kernels.markov_normal.NormalData`."""

    cdef NormalData data
    cdef object keep

    def __init__(self, y, x, seen, basis, const int64_t[::1] offsets, bint common, double floor):
        cdef const unsigned char[::1] flags
        self.data.k, self.data.m, self.data.r = basis.shape
        self.data.n = y.shape[0]
        self.data.sequences = <int> offsets.shape[0] - 1
        self.data.common, self.data.floor = common, floor
        self.data.y = _read(y)
        self.data.x = _read(x) if x.size else NULL
        self.data.basis = _read(basis) if basis.size else NULL
        self.data.offsets = &offsets[0]
        self.data.seen = NULL
        if seen is not None:
            flags = seen
            self.data.seen = &flags[0]
        self.keep = (y, x, seen, basis, offsets)

    def climb(self, origin, variance, transition, law, int start, weights, double pooled, int limit, double tol,
              bint accelerate):
        """One start; arrays given are read, those returned are new."""
        cdef NormalData data = self.data
        data.start = start
        cdef NormalRun run
        cdef int k = data.k, m = data.m
        u, coef, spread = np.zeros(data.r), np.empty((k, m)), variance.copy()
        moves, first, states = transition.copy(), law.copy(), np.empty((data.n, k))
        sums = np.zeros((k, m * (m + 1) // 2 + m + 2))
        d_transition, d_start = np.zeros((k, k)), np.zeros((data.sequences, k))
        data.origin = _read(origin) if m else NULL
        run.u = _at(u) if data.r else NULL
        run.coef = _at(coef) if m else NULL
        run.variance, run.transition, run.law = _at(spread), _at(moves), _at(first)
        run.states, run.sums, run.d_transition, run.d_start = _at(states), _at(sums), _at(d_transition), _at(d_start)
        run.weights = NULL
        if weights is not None:
            run.weights = _read(weights)
        run.pooled = pooled
        with nogil:
            c_normal_climb(data, limit, tol, accelerate, &run)
        return (run.begin, run.llf, run.passes, run.settled, u, coef, spread, moves, first, states, sums, d_transition,
                d_start)
