# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twins of `rnnstats.kernels.reference.cells`; called by `rnnstats.kernels.cells` only."""

import numpy as np


cdef extern from *:
    ctypedef bint cbool "bool"


# Not cimported from libc: Cython's own files are new in each build environment, and what depends
# on them is compiled again by the next installation.
cdef extern from "<cstdint>":
    ctypedef signed long int64_t


cdef extern from "cells.hpp" namespace "rnnstats::cells" nogil:
    cdef cppclass Feedback:
        int count
        int mean
        const int64_t *columns
        const int64_t *lags
        const int64_t *components
        const double *shift
        const double *scale

    cdef cppclass Network:
        Network(const int64_t*) except +

    cdef cppclass Run:
        Network net
        int64_t n
        int sequences
        const int64_t *offsets
        const double *given
        const double *initial
        double *states
        double *eta
        double *filled
        Feedback feedback
        Run(const int64_t*) except +

    cdef cppclass Gradient:
        double *weights
        double *initial
        double *inputs

    cdef cppclass Rule:
        int64_t count
        int64_t more
        const int64_t *source
        const double *factor
        const int64_t *to
        const int64_t *also
        const double *weight

    cdef cppclass Sweep:
        Sweep(const Run&, const double*, const double*, int) except +
        void rows(int64_t, int64_t, double*) except +
        void rows_by(const Rule&, const int64_t*, double*) except +

    void run_forward(Run&, const double*) except +
    void run_backward(const Run&, const double*, double*, const Gradient&) except +
    void c_jacobians "rnnstats::cells::jacobians"(const Run&, const double*, double*, double*) except +
    void step_paths(const Network&, const double*, cbool, int64_t, const double*, const double*, double*, double*) except +


cdef double nothing[1]  # where an array has no elements


cdef double* _at(object array) except NULL:
    cdef double[::1] view = array.reshape(-1)
    return &view[0] if view.shape[0] else nothing


cdef const double* _read(object array) except NULL:
    cdef const double[::1] view = array.reshape(-1)
    return &view[0] if view.shape[0] else nothing


cdef class Tape:
    """A run of a network over all rows: made by `forward`, read by the derivatives."""

    cdef Run *run
    cdef object keep

    def __cinit__(self, const int64_t[::1] description):
        self.run = new Run(&description[0])

    def __dealloc__(self):
        del self.run

    def backward(self, weights, d_eta, by_weights, by_initial, by_inputs):
        """Gradients, added to arrays of zeros; d_eta is used up."""
        cdef Gradient out
        cdef const double *numbers = _read(weights)
        cdef double *slopes = _at(d_eta)
        out.weights, out.initial, out.inputs = _at(by_weights), _at(by_initial), _at(by_inputs)
        with nogil:
            run_backward(self.run[0], numbers, slopes, out)

    def jacobians(self, weights, by_state, by_inputs):
        """Derivatives of each row's state by the state before and by the inputs."""
        cdef const double *numbers = _read(weights)
        cdef double *state = _at(by_state)
        cdef double *inputs = _at(by_inputs)
        with nogil:
            c_jacobians(self.run[0], numbers, state, inputs)


cdef class Derivatives:
    """Derivatives of functions of each row's eta, rows in turn: seeds (n, r, k_eta), None for each eta."""

    cdef Sweep *sweep
    cdef object keep

    def __cinit__(self, Tape tape, weights, seeds, int a_row):
        cdef const double *functions = NULL
        if seeds is not None:
            functions = _read(seeds)
        self.keep = (tape, weights, seeds)
        self.sweep = new Sweep(tape.run[0], _read(weights), functions, a_row)

    def __dealloc__(self):
        del self.sweep

    def rows(self, int64_t start, int64_t stop, out):
        """Fill out (stop - start, r, P + s); start is where the last call stopped."""
        cdef double *to = _at(out)
        with nogil:
            self.sweep.rows(start, stop, to)

    def scores_by(self, const int64_t[::1] source, factor, const int64_t[::1] to, const int64_t[::1] also, weight,
                  const int64_t[::1] places, double[:, ::1] out):
        """Fill rows of out with derivatives by other parameters, one function a row, all rows."""
        cdef Rule rule
        rule.count, rule.more = source.shape[0], to.shape[0]
        if rule.count == 0 or out.shape[0] == 0:
            return
        rule.source, rule.factor, rule.weight = &source[0], _read(factor), _read(weight)
        if rule.more:
            rule.to, rule.also = &to[0], &also[0]
        cdef const int64_t *where = &places[0]
        cdef double *at = &out[0, 0]
        with nogil:
            self.sweep.rows_by(rule, where, at)


def forward(const int64_t[::1] description, weights, given, initial, const int64_t[::1] offsets, feedback, states, eta,
            filled):
    """Fill states, eta and filled inputs; returns the tape. All arrays must live as long as it."""
    cdef Tape tape = Tape(description)
    cdef Run *run = tape.run
    cdef const double *numbers = _read(weights)
    cdef const int64_t[::1] columns, lags, components
    run.n, run.sequences = given.shape[0], <int> offsets.shape[0] - 1
    run.offsets, run.given, run.initial = &offsets[0], _read(given), _read(initial)
    run.states, run.eta, run.filled = _at(states), _at(eta), _at(filled)
    if feedback is not None:
        columns, lags, components = feedback[1], feedback[2], feedback[3]
        run.feedback.mean, run.feedback.count = feedback[0], <int> columns.shape[0]
        run.feedback.columns, run.feedback.lags, run.feedback.components = &columns[0], &lags[0], &components[0]
        run.feedback.shift, run.feedback.scale = _read(feedback[4]), _read(feedback[5])
    tape.keep = (description, given, initial, offsets, feedback, states, eta, filled)
    with nogil:
        run_forward(run[0], numbers)
    return tape


def step(const int64_t[::1] description, weights, state, inputs, new_state, eta):
    """Fill new_state and eta of m paths."""
    cdef Network *net = new Network(&description[0])
    cdef const double *numbers = _read(weights)
    cdef const double *old = _read(state)
    cdef const double *rows = _read(inputs)
    cdef double *new_ = _at(new_state)
    cdef double *out = _at(eta)
    cdef int64_t m = state.shape[0]
    cdef cbool own = weights.ndim == 2
    try:
        with nogil:
            step_paths(net[0], numbers, own, m, old, rows, new_, out)
    finally:
        del net
