# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twins of `rnnstats.kernels.reference`; called by `rnnstats.kernels.kalman` only."""

import numpy as np

from scipy.linalg import cython_blas, cython_lapack

from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError


cdef extern from "Python.h":
    const char* PyCapsule_GetName(object capsule) except? NULL
    void* PyCapsule_GetPointer(object capsule, const char* name) except? NULL

cdef extern from *:
    ctypedef bint cbool "bool"


cdef extern from "bridge.hpp" namespace "rnnstats" nogil:
    ctypedef void (*dgemm_t)(char*, char*, int*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*)
    ctypedef void (*dgeqrf_t)(int*, int*, double*, int*, double*, double*, int*, int*)

    cdef cppclass Blas:
        dgemm_t dgemm
        dgeqrf_t dgeqrf
    Blas blas

    cdef enum class Start:
        stationary
        given

    cdef enum class FirstStep:
        noisy
        noiseless
        none

    cdef enum class Status:
        ok

    cdef cppclass System:
        int p, m, r, n
        const double *Z
        const double *H
        const double *T
        const double *R
        const double *Q
        const double *S
        const double *mean0
        const double *cov0
        const double *diffuse0
        const double *d
        const double *c
        cbool d_varies, c_varies, steady
        Start start
        FirstStep first_step

    cdef cppclass Gradient:
        double *Z
        double *H
        double *T
        double *R
        double *Q
        double *S
        double *mean0
        double *cov0
        double *d
        double *c

    cdef cppclass Directions:
        int k
        const double *Z
        const double *H
        const double *T
        const double *R
        const double *Q
        const double *S
        const double *mean0
        const double *cov0
        size_t stride
        const double *d
        const double *c

    cdef cppclass FilterArrays:
        double *predicted
        double *predicted_cov
        double *predicted_diffuse
        double *filtered
        double *filtered_cov
        double *filtered_diffuse
        double *forecast
        double *forecast_error
        double *forecast_cov

    cdef cppclass SmootherArrays:
        double *state
        double *state_cov
        double *autocov
        double *obs_noise
        double *obs_noise_cov
        double *state_noise
        double *state_noise_cov
        double *r
        double *N

    int c_loglike "rnnstats::loglike"(const System&, const double*, double*, double*, int*) except +
    int c_score "rnnstats::score"(const System&, const double*, const Gradient&, double*, int*) except +
    int c_tangent "rnnstats::tangent"(const System&, const double*, const Directions&, double*, double*, double*, int*) except +
    int c_moments "rnnstats::moments"(const System&, const double*, double*, const FilterArrays&, const SmootherArrays*, int*, int*) except +
    Status c_lyapunov "rnnstats::lyapunov"(int, const double*, double*, int, cbool) except +


cdef void* _exported(module, str name) except NULL:
    # SciPy's BLAS and LAPACK, found at run time: no SciPy is needed to build.
    capsule = module.__pyx_capi__[name]
    return PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule))


blas.dgemm = <dgemm_t> _exported(cython_blas, "dgemm")
blas.dgeqrf = <dgeqrf_t> _exported(cython_lapack, "dgeqrf")


cdef class _Prepared:
    """A system's arrays as pointers, with the references that keep them alive."""

    cdef System system
    cdef object keep
    cdef const double* y


cdef const double* _rows(object x, int size, int n, cbool* varies) except NULL:
    # Pointer to an intercept of shape (size,) or (n, size).
    cdef const double[::1] one
    cdef const double[:, ::1] many
    if x.ndim == 1:
        one = x
        varies[0] = False
        return &one[0]
    many = x
    if many.shape[0] != n:
        raise ValueError(f"StateSpace: a time-varying intercept needs {n} rows; got {many.shape[0]}.")
    varies[0] = True
    return &many[0, 0]


cdef _Prepared _prepare(object system, const double[:, ::1] endog, bint steady):
    cdef _Prepared ready = _Prepared()
    cdef System* s = &ready.system
    cdef const double[::1] buffer = system.matrices
    cdef const double* at = &buffer[0]
    cdef int p = system.k_endog, m = system.k_states, r = system.k_posdef
    d, c = system.obs_intercept, system.state_intercept
    if endog.shape[1] != p or endog.shape[0] == 0:
        raise ValueError(f"kalman: endog must have shape (nobs, {p}); got ({endog.shape[0]}, {endog.shape[1]}).")
    s.p, s.m, s.r, s.n = p, m, r, <int> endog.shape[0]
    s.Z = at
    s.H = s.Z + p * m
    s.T = s.H + p * p
    s.R = s.T + m * m
    s.Q = s.R + m * r
    s.S = s.Q + r * r
    s.mean0 = s.S + r * p
    s.cov0 = s.mean0 + m
    s.diffuse0 = s.cov0 + m * m
    s.d = _rows(d, p, s.n, &s.d_varies)
    s.c = _rows(c, m, s.n, &s.c_varies)
    s.start = Start.stationary if system.start == "stationary" else Start.given
    first = system.first_step
    s.first_step = FirstStep.noisy if first == "noisy" else (FirstStep.noiseless if first == "noiseless" else FirstStep.none)
    s.steady = steady
    ready.keep = (system.matrices, d, c, endog)
    ready.y = &endog[0, 0]
    return ready


cdef int _check(int status, int period) except -1:
    if status == 1:
        raise NotPositiveDefiniteError(
            f"Kalman filter: the covariance of the forecast error is not positive definite at row {period}. "
            "Outputs may be collinear and free of noise, or variances zero.",
            period=period,
        )
    if status == 2:
        raise NotStationaryError(
            "Kalman filter: a stationary start needs every eigenvalue of the transition inside the unit circle. "
            'Start from "diffuse" or "known" moments instead.'
        )
    if status == 3:
        raise NotPositiveDefiniteError(
            "Kalman filter: the joint covariance of output and state noise is not positive semi-definite.", period=0
        )
    return 0


def loglike(system, const double[:, ::1] endog, bint steady=True):
    """Log-likelihood."""
    cdef _Prepared ready = _prepare(system, endog, steady)
    cdef double llf = 0.0
    cdef int period = 0, status
    with nogil:
        status = c_loglike(ready.system, ready.y, &llf, NULL, &period)
    _check(status, period)
    return llf


def loglikeobs(system, const double[:, ::1] endog, bint steady=True):
    """Log-likelihood of each row, shape (nobs,)."""
    cdef _Prepared ready = _prepare(system, endog, steady)
    out = np.zeros(endog.shape[0])
    cdef double[::1] view = out
    cdef double llf = 0.0
    cdef int period = 0, status
    with nogil:
        status = c_loglike(ready.system, ready.y, &llf, &view[0], &period)
    _check(status, period)
    return out


def score(system, const double[:, ::1] endog, bint steady=True):
    """Log-likelihood and derivatives: (llf, matrices, obs_intercept, state_intercept)."""
    cdef _Prepared ready = _prepare(system, endog, steady)
    cdef System* s = &ready.system
    cdef Gradient g
    cdef double llf = 0.0
    cdef int period = 0, status
    matrices, d, c = np.zeros(system.matrices.shape[0]), np.zeros(system.obs_intercept.shape), np.zeros(system.state_intercept.shape)
    cdef double[::1] buffer = matrices
    cdef double[::1] dv = d if d.ndim == 1 else d.reshape(-1)
    cdef double[::1] cv = c if c.ndim == 1 else c.reshape(-1)
    cdef double* at = &buffer[0]
    g.Z, g.H, g.T, g.R, g.Q = at, at + (s.H - s.Z), at + (s.T - s.Z), at + (s.R - s.Z), at + (s.Q - s.Z)
    g.S, g.mean0, g.cov0 = at + (s.S - s.Z), at + (s.mean0 - s.Z), at + (s.cov0 - s.Z)
    g.d, g.c = &dv[0], &cv[0]
    with nogil:
        status = c_score(ready.system, ready.y, g, &llf, &period)
    _check(status, period)
    return llf, matrices, d, c


cdef _tangent(system, const double[:, ::1] endog, tangents, bint steady, bint want_scores):
    cdef _Prepared ready = _prepare(system, endog, steady)
    cdef System* s = &ready.system
    cdef Directions by
    cdef const double[:, ::1] buffer = np.ascontiguousarray(tangents.matrices, dtype=np.float64)
    cdef const double[::1] dd = np.ascontiguousarray(tangents.obs_intercept, dtype=np.float64).reshape(-1)
    cdef const double[::1] dc = np.ascontiguousarray(tangents.state_intercept, dtype=np.float64).reshape(-1)
    cdef int k = <int> buffer.shape[0], n = s.n, period = 0, status
    if dd.shape[0] != k * s.p * (n if s.d_varies else 1) or dc.shape[0] != k * s.m * (n if s.c_varies else 1):
        raise ValueError("Tangents: intercept directions must vary in time exactly where the system's intercepts do.")
    cdef const double* at = &buffer[0, 0]
    by.k, by.stride = k, buffer.shape[1]
    by.Z, by.H, by.T, by.R, by.Q = at, at + (s.H - s.Z), at + (s.T - s.Z), at + (s.R - s.Z), at + (s.Q - s.Z)
    by.S, by.mean0, by.cov0 = at + (s.S - s.Z), at + (s.mean0 - s.Z), at + (s.cov0 - s.Z)
    by.d, by.c = &dd[0], &dc[0]
    llf_obs = np.zeros(n)
    cdef double[::1] llf_view = llf_obs
    result = np.zeros((n, k)) if want_scores else np.zeros((k, k))
    cdef double[:, ::1] view = result
    with nogil:
        if want_scores:
            status = c_tangent(ready.system, ready.y, by, &llf_view[0], &view[0, 0], NULL, &period)
        else:
            status = c_tangent(ready.system, ready.y, by, &llf_view[0], NULL, &view[0, 0], &period)
    _check(status, period)
    return llf_obs, result


def score_obs(system, const double[:, ::1] endog, tangents, bint steady=True):
    """Log-likelihood of each row and its derivatives along tangents: (llf_obs, scores)."""
    return _tangent(system, endog, tangents, steady, True)


def information(system, const double[:, ::1] endog, tangents, bint steady=True):
    """Expected information along tangents, shape (k, k)."""
    return _tangent(system, endog, tangents, steady, False)[1]


cdef double* _out(dict arrays, str name, tuple shape) except NULL:
    array = np.zeros(shape)
    arrays[name] = array
    cdef double[::1] view = array.reshape(-1)
    return &view[0]


cdef _moments(system, const double[:, ::1] endog, bint smooth, bint steady):
    # Fields of FilterOutput and, with `smooth`, of SmootherOutput after its first, in their order.
    cdef _Prepared ready = _prepare(system, endog, steady)
    cdef int n = ready.system.n, m = ready.system.m, p = ready.system.p, r = ready.system.r
    cdef FilterArrays f
    cdef SmootherArrays b
    cdef dict filtered = {}, smoothed = {}
    cdef int period = 0, nobs_diffuse = 0, status
    cdef double* llf_obs = _out(filtered, "llf_obs", (n,))
    f.forecast = _out(filtered, "forecast", (n, p))
    f.forecast_error = _out(filtered, "forecast_error", (n, p))
    f.forecast_cov = _out(filtered, "forecast_error_cov", (n, p, p))
    f.predicted = _out(filtered, "predicted_state", (n + 1, m))
    f.predicted_cov = _out(filtered, "predicted_state_cov", (n + 1, m, m))
    f.predicted_diffuse = _out(filtered, "predicted_diffuse_cov", (n + 1, m, m))
    f.filtered = _out(filtered, "filtered_state", (n, m))
    f.filtered_cov = _out(filtered, "filtered_state_cov", (n, m, m))
    f.filtered_diffuse = _out(filtered, "filtered_diffuse_cov", (n, m, m))
    if smooth:
        b.state = _out(smoothed, "smoothed_state", (n, m))
        b.state_cov = _out(smoothed, "smoothed_state_cov", (n, m, m))
        b.autocov = _out(smoothed, "smoothed_state_autocov", (n, m, m))
        b.obs_noise = _out(smoothed, "smoothed_obs_noise", (n, p))
        b.obs_noise_cov = _out(smoothed, "smoothed_obs_noise_cov", (n, p, p))
        b.state_noise = _out(smoothed, "smoothed_state_noise", (n, r))
        b.state_noise_cov = _out(smoothed, "smoothed_state_noise_cov", (n, r, r))
        b.r = _out(smoothed, "scaled_smoothed_estimator", (n, m))
        b.N = _out(smoothed, "scaled_smoothed_estimator_cov", (n, m, m))
    with nogil:
        status = c_moments(ready.system, ready.y, llf_obs, f, &b if smooth else NULL, &period, &nobs_diffuse)
    _check(status, period)
    if smooth:
        smoothed["smoothed_state_autocov"][0] = np.nan
    return (*filtered.values(), nobs_diffuse), tuple(smoothed.values())


def kalman_filter(system, const double[:, ::1] endog, bint steady=True):
    """Fields of a FilterOutput."""
    return _moments(system, endog, False, steady)[0]


def kalman_smoother(system, const double[:, ::1] endog, bint steady=True):
    """Fields of a FilterOutput, fields of a SmootherOutput after its first."""
    return _moments(system, endog, True, steady)


def stationary_covariance(const double[:, ::1] transition, const double[:, ::1] noise_cov):
    """Solution of P = T P T' + W, shape (m, m)."""
    cdef int m = <int> transition.shape[0]
    out = np.array(noise_cov)
    cdef double[:, ::1] view = out
    cdef Status status
    with nogil:
        status = c_lyapunov(m, &transition[0, 0], &view[0, 0], 1, False)
    _check(<int> status, 0)
    return out
