# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twins of `rnnstats.kernels.reference.markov`; called by `rnnstats.kernels.markov` only."""

import numpy as np


cdef extern from *:
    ctypedef bint cbool "bool"


cdef extern from "Python.h":
    int PyBUF_C_CONTIGUOUS
    int PyBUF_FORMAT
    int PyBUF_WRITABLE
    int PyObject_GetBuffer(object, Py_buffer*, int) except -1
    void PyBuffer_Release(Py_buffer*)


# Not cimported from libc: Cython's own files are new in each build environment, and what depends
# on them is compiled again by the next installation.
cdef extern from "<cstdint>":
    ctypedef signed long int64_t


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


cdef extern from "clusters.hpp" namespace "rnnstats" nogil:
    double c_lloyd "rnnstats::lloyd"(int64_t, int, int, const double*, double*, int, double, int64_t*) except +


cdef extern from "markov_climb.hpp" namespace "rnnstats::markov" nogil:
    cdef cppclass Run:
        double *u
        double *variance
        double *transition
        double *law
        double *states
        double *d_transition
        double *d_start
        const double *weights
        double pooled
        double begin
        double llf
        int passes
        cbool settled


cdef extern from "markov_mean.hpp" namespace "rnnstats::markov" nogil:
    cdef cppclass MeanData:
        int k
        int order
        int r
        int q
        int means
        int sequences
        int start
        cbool common
        int64_t n
        int64_t products
        const double *v
        const unsigned char *heard
        const int64_t *rows
        const int64_t *offsets
        const int64_t *cell
        const int64_t *first
        const int64_t *second
        const double *sign
        const double *origin
        double floor

    cdef cppclass MeanRun(Run):
        double *slopes
        double *squares
        double *mass

    void c_mean_climb "rnnstats::markov::mean_climb"(const MeanData&, int, double, cbool, MeanRun*) except +


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

    cdef cppclass NormalRun(Run):
        double *coef
        double *sums

    cdef cppclass NormalSlopes:
        double *llf
        double *sums
        double *d_transition
        double *d_start

    void c_normal_climb "rnnstats::markov::normal_climb"(const NormalData&, int, double, cbool, NormalRun*) except +
    void c_normal_slopes "rnnstats::markov::normal_slopes"(NormalData, int, const double*, const double*, const double*, const NormalSlopes&) except +


# By the buffer itself, which must be of doubles without gaps: a typed view costs ten times as much.
cdef void* _buffer(object array, int flags) except NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, flags | PyBUF_FORMAT)
    cdef void* found = view.buf
    cdef cbool doubles = view.itemsize == 8 and view.format != NULL and view.format[0] == 100
    PyBuffer_Release(&view)
    if not doubles:
        raise ValueError("an array of doubles was expected")
    return found


cdef double* _at(object array) except NULL:
    return <double*> _buffer(array, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)


cdef const double* _read(object array) except NULL:
    return <const double*> _buffer(array, PyBUF_C_CONTIGUOUS)


cdef extern from "Python.h":
    int PyBUF_ND, PyBUF_FORMAT
    int PyObject_GetBuffer(object, Py_buffer*, int) except -1
    void PyBuffer_Release(Py_buffer*)


cdef class Prepared:
    """A chain's arrays, as they lie in memory, for one call."""

    cdef Chain chain
    cdef Py_buffer held[4]
    cdef int number
    cdef int64_t whole[2]

    def __dealloc__(self):
        for i in range(self.number):
            PyBuffer_Release(&self.held[i])

    cdef Py_buffer* _hold(self, array) except NULL:
        cdef Py_buffer* to = &self.held[self.number]
        PyObject_GetBuffer(array, to, PyBUF_ND | PyBUF_FORMAT)
        self.number += 1
        return to


cdef bint _is_double(Py_buffer* array) noexcept:
    return array.format[0] == b"d" and array.format[1] == 0


cdef bint _rise(Py_buffer* offsets, Py_ssize_t n) noexcept:
    """Whether these are 64-bit integers that rise from 0 to n."""
    cdef const int64_t* cut = <const int64_t*> offsets.buf
    cdef char kind = offsets.format[0]
    if offsets.ndim != 1 or offsets.itemsize != 8 or (kind != b"l" and kind != b"q") or offsets.format[1] != 0:
        return False
    cdef Py_ssize_t i, number = offsets.shape[0]
    if number < 2 or cut[0] != 0 or cut[number - 1] != n:
        return False
    for i in range(number - 1):
        if cut[i + 1] <= cut[i]:
            return False
    return True


def prepare(log_density, transition, start, offsets, Py_ssize_t lags):
    """The chain, where arrays are of doubles (integers) in C order and fit each other; else None."""
    cdef Prepared ready = Prepared()
    cdef Chain* c = &ready.chain
    cdef Py_buffer* l
    cdef Py_buffer* p
    cdef Py_buffer* first
    cdef Py_buffer* cuts = NULL
    cdef Py_ssize_t n, size, k, block = 1, sequences = 1
    try:
        l, p, first = ready._hold(log_density), ready._hold(transition), ready._hold(start)
        if offsets is not None:
            cuts = ready._hold(offsets)
    except (TypeError, ValueError, BufferError):
        return None
    if not (_is_double(l) and _is_double(p) and _is_double(first)):
        return None
    if l.ndim != 2 or (p.ndim != 2 and p.ndim != 3) or (first.ndim != 1 and first.ndim != 2) or lags < 0:
        return None
    n, size, k = l.shape[0], l.shape[1], p.shape[p.ndim - 1]
    if n < 1 or k < 1 or p.shape[p.ndim - 2] != k or (p.ndim == 3 and p.shape[0] != n):
        return None
    while lags > 0 and k > 1 and block <= size:
        block, lags = block * k, lags - 1
    if size != k * block:
        return None
    ready.whole[0], ready.whole[1] = 0, n
    c.offsets = ready.whole
    if cuts != NULL:
        if not _rise(cuts, n):
            return None
        sequences = cuts.shape[0] - 1
        c.offsets = <const int64_t*> cuts.buf
    if first.shape[first.ndim - 1] != size or sequences != (first.shape[0] if first.ndim == 2 else 1):
        return None
    c.k, c.block, c.sequences, c.varies = <int> k, <int> block, <int> sequences, p.ndim == 3
    c.log_density, c.transition = <const double*> l.buf, <const double*> p.buf
    c.start = <const double*> first.buf
    return ready


cdef Py_ssize_t _rows(Prepared ready) noexcept:
    return ready.chain.offsets[ready.chain.sequences]


def loglike(Prepared ready not None):
    """Log-likelihood."""
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


def forward(Prepared ready not None):
    """Log-likelihood of each row, predicted and filtered probabilities, logs of the latter or None."""
    cdef Py_ssize_t n = _rows(ready), size = ready.chain.k * ready.chain.block
    cdef Output out = _empty()
    cdef cbool logs = False
    llf, predicted, filtered = np.empty(n), np.empty((n, size)), np.empty((n, size))
    out.llf_obs, out.predicted, out.filtered, out.logs = _at(llf), _at(predicted), _at(filtered), &logs
    with nogil:
        run_forward(ready.chain, out)
    if not logs:
        return llf, predicted, filtered, None
    log_filtered = np.empty((n, size))
    out.log_filtered = _at(log_filtered)
    with nogil:
        run_forward(ready.chain, out)
    return llf, predicted, filtered, log_filtered


def smooth(Prepared ready not None, bint joint=False):
    """Log-likelihood, first impossible row or -1, smoothed, derivatives by transition and start, joint or None."""
    cdef Py_ssize_t n = _rows(ready), k = ready.chain.k, size = k * ready.chain.block
    cdef Output out = _empty()
    cdef int64_t period = -1
    cdef double llf
    smoothed, d_start = np.empty((n, size)), np.zeros((ready.chain.sequences, size))
    d_transition = np.zeros((n, k, k)) if ready.chain.varies else np.zeros((k, k))
    steps = np.zeros((n, k, k)) if joint else None
    out.smoothed, out.d_transition, out.d_start = _at(smoothed), _at(d_transition), _at(d_start)
    if joint:
        out.joint = _at(steps)
    with nogil:
        llf = run_smooth(ready.chain, out, &period)
    return llf, period, smoothed, d_transition, d_start, steps


def viterbi(Prepared ready not None):
    """Most likely path and its log joint density, a sequence each."""
    path, heights = np.empty(_rows(ready), dtype=np.int64), np.zeros(ready.chain.sequences)
    cdef int64_t[::1] p = path
    cdef double[::1] h = heights
    with nogil:
        run_viterbi(ready.chain, &p[0], &h[0])
    return path, heights


def sample_paths(Prepared ready not None, uniforms, bint logs):
    """Paths given all rows; the chain has filtered probabilities for densities, `logs`: their logarithms."""
    paths = np.zeros(uniforms.shape, dtype=np.int64)
    cdef int64_t[::1] p = paths.reshape(-1)
    cdef const double* u = _read(uniforms)
    cdef int number = <int> uniforms.shape[0]
    cdef int64_t n = _rows(ready)
    cdef const double* f = ready.chain.log_density
    with nogil:
        c_sample_paths(ready.chain, n, f, logs, number, u, &p[0])
    return paths


def score_obs(Prepared ready not None, d_log_density, d_transition, d_start):
    """Log-likelihood of each row and its derivatives."""
    cdef Directions along
    llf = np.empty(_rows(ready))
    scores = np.zeros((_rows(ready), d_log_density.shape[2]))
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

    def slopes(self, coef, variance, transition, law):
        """One pass at each of several points; arrays given are read, those returned are new."""
        cdef NormalData data = self.data
        cdef NormalSlopes to
        cdef int points = <int> len(coef), k = data.k, m = data.m
        llf, sums = np.empty(points), np.empty((points, k, m * (m + 1) // 2 + m + 2))
        d_transition, d_start = np.empty((points, k, k)), np.empty((points, data.sequences, k))
        to.llf, to.sums, to.d_transition, to.d_start = _at(llf), _at(sums), _at(d_transition), _at(d_start)
        data.origin = _read(coef) if m else NULL
        cdef const double* v = _read(variance)
        cdef const double* p = _read(transition)
        cdef const double* first = _read(law)
        with nogil:
            c_normal_slopes(data, points, v, p, first, to)
        return llf, sums, d_transition, d_start


cdef class Mean:
    """Data of an autoregression in mean form; see `rnnstats.kernels.markov_mean.MeanChain`."""

    cdef MeanData data
    cdef object keep

    def __init__(self, const double[:, ::1] v, heard, const int64_t[::1] rows, const int64_t[::1] offsets, int k,
                 int order, table, const double[::1] origin, int means, bint common, double floor):
        cdef const unsigned char[::1] flags
        cdef const int64_t[::1] cell = table[0], first = table[1], second = table[2]
        cdef const double[::1] sign = table[3]
        self.data.k, self.data.order, self.data.r = k, order, <int> v.shape[1]
        self.data.q, self.data.means = <int> origin.shape[0] - 1, means
        self.data.sequences = <int> offsets.shape[0] - 1
        self.data.common, self.data.floor = common, floor
        self.data.n, self.data.products = v.shape[0], cell.shape[0]
        self.data.v, self.data.rows, self.data.offsets = &v[0, 0], &rows[0], &offsets[0]
        self.data.cell, self.data.first, self.data.second = &cell[0], &first[0], &second[0]
        self.data.sign, self.data.origin = &sign[0], &origin[0]
        self.data.heard = NULL
        if heard is not None:
            flags = heard
            self.data.heard = &flags[0]
        self.keep = (v, heard, rows, offsets, table, origin)

    def climb(self, u, variance, transition, law, int start, weights, double pooled, int limit, double tol,
              bint accelerate):
        """One start; arrays given are read, those returned are new."""
        cdef MeanData data = self.data
        data.start = start
        cdef MeanRun run
        cdef int k = data.k
        place, spread, moves, first = u.copy(), variance.copy(), transition.copy(), law.copy()
        states, slopes, squares, mass = np.empty((data.n, k)), np.empty(data.q), np.empty(k), np.empty(k)
        d_transition, d_start = np.zeros((k, k)), np.zeros((data.sequences, k))
        run.u, run.variance, run.transition, run.law = _at(place), _at(spread), _at(moves), _at(first)
        run.states, run.d_transition, run.d_start = _at(states), _at(d_transition), _at(d_start)
        run.slopes, run.squares, run.mass = _at(slopes), _at(squares), _at(mass)
        run.weights = NULL
        if weights is not None:
            run.weights = _read(weights)
        run.pooled = pooled
        with nogil:
            c_mean_climb(data, limit, tol, accelerate, &run)
        return (run.begin, run.llf, run.passes, run.settled, place, spread, moves, first, states, slopes, squares, mass,
                d_transition, d_start)


def lloyd(const double[:, ::1] points, double[:, ::1] centres, int rounds, double gain):
    """Clusters of rows and their sum of squares; the centres move."""
    labels = np.empty(points.shape[0], dtype=np.int64)
    cdef int64_t[::1] to = labels
    cdef double cost
    with nogil:
        cost = c_lloyd(points.shape[0], <int> points.shape[1], <int> centres.shape[0], &points[0, 0], &centres[0, 0],
                       rounds, gain, &to[0])
    return labels, cost
