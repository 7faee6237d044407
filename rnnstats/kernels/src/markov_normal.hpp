// One normal response with a linear predictor in each regime: density, forward-backward pass and the
// weighted sums of least squares in one sweep, and expectation-maximisation made of such sweeps.
//
// Sums are taken over residuals of the present coefficients, so that new residual sums of squares,
// S_ee - 2 d'S_xe + d'S_xx d with d the step, lose nothing to the level of the response; the residuals
// are as small as the spread they measure.
//
// The algorithm is written out in rnnstats/kernels/reference/markov_normal.py.
#pragma once

#include "markov_climb.hpp"

namespace rnnstats {
namespace markov {

constexpr int PIECE = 128; // rows of a sweep at a time

// Response y (n) and design x (m, n), one regressor a row; zero where not seen. seen: null for all.
struct NormalData {
    int m, r, k, sequences, start; // start: one of Start
    bool common;           // one variance
    std::int64_t n;
    const double *y, *x;
    const unsigned char *seen;
    const double *basis;   // (k, m, r): coefficients of regime k are origin_k + basis_k u
    const double *origin;  // (k, m)
    const std::int64_t *offsets;
    double floor;          // of variances
    int pairs() const { return m * (m + 1) / 2; }
    int width() const { return pairs() + m + 2; } // S_xx (upper triangle), S_xe, S_ee, mass
};

// Log densities of all rows.
template <class K>
RNNSTATS_VECTOR_CLONES void normal_densities(K k, const NormalData &d, const double *coef,
                                             const double *variance, double *out) {
    constexpr double LOG_2PI = 1.8378770664093454836;
    const int m = d.m;
    double e[PIECE];
    for (std::int64_t t = 0; t < d.n; t += PIECE) {
        const int rows = static_cast<int>(d.n - t < PIECE ? d.n - t : PIECE);
        for (int j = 0; j < k; ++j) {
            const double scale = -0.5 / variance[j], top = -0.5 * (LOG_2PI + std::log(variance[j]));
            for (int i = 0; i < rows; ++i) e[i] = d.y[t + i];
            for (int a = 0; a < m; ++a) {
                const double by = coef[j * m + a], *x = d.x + a * d.n + t;
                for (int i = 0; i < rows; ++i) e[i] -= by * x[i];
            }
            double *to = out + t * k + j;
            for (int i = 0; i < rows; ++i) to[i * k] = top + scale * (e[i] * e[i]);
        }
        if (!d.seen) continue;
        for (int i = 0; i < rows; ++i)
            if (!d.seen[t + i])
                for (int j = 0; j < k; ++j) out[(t + i) * k + j] = 0.0;
    }
}

// Weighted sums (k, width).
template <class K>
RNNSTATS_VECTOR_CLONES void normal_sums(K k, const NormalData &d, const double *coef, const double *weights,
                                        double *out) {
    const int m = d.m;
    double e[PIECE], w[PIECE], v[PIECE];
    for (int i = 0; i < k * d.width(); ++i) out[i] = 0.0;
    for (std::int64_t t = 0; t < d.n; t += PIECE) {
        const int rows = static_cast<int>(d.n - t < PIECE ? d.n - t : PIECE);
        for (int j = 0; j < k; ++j) {
            double *s = out + j * d.width();
            const double *from = weights + t * k + j;
            for (int i = 0; i < rows; ++i) w[i] = from[i * k];
            if (d.seen)
                for (int i = 0; i < rows; ++i) w[i] = d.seen[t + i] ? w[i] : 0.0;
            for (int i = 0; i < rows; ++i) e[i] = d.y[t + i];
            for (int a = 0; a < m; ++a) {
                const double by = coef[j * m + a], *x = d.x + a * d.n + t;
                for (int i = 0; i < rows; ++i) e[i] -= by * x[i];
            }
            for (int a = 0; a < m; ++a) {
                const double *x = d.x + a * d.n + t;
                for (int i = 0; i < rows; ++i) v[i] = w[i] * x[i];
                for (int b = a; b < m; ++b) {
                    const double *z = d.x + b * d.n + t;
                    double sum = 0.0;
                    RNNSTATS_SIMD_SUM(sum)
                    for (int i = 0; i < rows; ++i) sum += v[i] * z[i];
                    *s++ += sum;
                }
            }
            for (int a = 0; a < m; ++a) {
                const double *x = d.x + a * d.n + t;
                double sum = 0.0;
                RNNSTATS_SIMD_SUM(sum)
                for (int i = 0; i < rows; ++i) sum += w[i] * e[i] * x[i];
                *s++ += sum;
            }
            double squares = 0.0, mass = 0.0;
            RNNSTATS_SIMD_SUM(squares)
            for (int i = 0; i < rows; ++i) squares += w[i] * e[i] * e[i];
            RNNSTATS_SIMD_SUM(mass)
            for (int i = 0; i < rows; ++i) mass += w[i];
            s[0] += squares;
            s[1] += mass;
        }
    }
}

class NormalEmission {
  public:
    const int k, sequences, start;
    const double floor;
    explicit NormalEmission(const NormalData &data)
        : k(data.k), sequences(data.sequences), start(data.start), floor(data.floor), d(data), density(data.n * data.k) {}

    Point point() const { return Point(d.k, d.sequences, d.r, d.k * d.m, d.k * d.width(), d.n * d.k); }

    void settle(Point *p) const {
        for (int j = 0; j < d.k; ++j)
            for (int a = 0; a < d.m; ++a) {
                double sum = d.origin[j * d.m + a];
                for (int c = 0; c < d.r; ++c) sum += d.basis[(j * d.m + a) * d.r + c] * p->u[c];
                p->coef[j * d.m + a] = sum;
            }
    }

    // Sums over a classification.
    void classify(Point *p, const double *weights) const {
        settle(p);
        with_regimes(d.k, [&](auto k) { normal_sums(k, d, p->coef.data(), weights, p->sums.data()); });
    }

    void sweep(Point *p) {
        settle(p);
        with_regimes(d.k, [&](auto k) { normal_densities(k, d, p->coef.data(), p->variance.data(), density.data()); });
        Chain chain{d.k, 1, d.sequences, false, density.data(), p->transition.data(), p->law.data(), d.offsets};
        Output out{};
        out.smoothed = p->states.data();
        out.d_transition = p->d_transition.data();
        out.d_start = p->d_start.data();
        std::int64_t period = -1;
        for (double &x : p->d_start) x = 0.0;
        const double llf = run_smooth(chain, out, &period);
        if (!std::isfinite(llf)) return;
        p->llf = llf;
        with_regimes(d.k, [&](auto k) { normal_sums(k, d, p->coef.data(), p->states.data(), p->sums.data()); });
    }

    // Coefficients and variances from sums; `prior` rows of variance `pooled` join each regime.
    void emission(const Point &from, Point *to, double prior, double pooled) const {
        const int m = d.m, r = d.r, width = d.width();
        std::vector<double> normal(r * r, 0.0), right(r, 0.0), full(m * m), half(m * r), move(m);
        for (int j = 0; j < d.k; ++j) {
            const double *s = from.sums.data() + j * width, by = 1.0 / from.variance[j];
            const double *B = d.basis + j * m * r, *xe = s + d.pairs();
            unpack_pairs(s, full.data());
            for (int a = 0; a < m; ++a)
                for (int c = 0; c < r; ++c) {
                    double sum = 0.0;
                    for (int b = 0; b < m; ++b) sum += full[a * m + b] * B[b * r + c];
                    half[a * r + c] = sum * by;
                    right[c] += B[a * r + c] * xe[a] * by;
                }
            for (int a = 0; a < m; ++a)
                for (int c = 0; c < r; ++c)
                    for (int e = 0; e < r; ++e) normal[c * r + e] += B[a * r + c] * half[a * r + e];
        }
        if (r) solve_scaled(r, normal.data(), right.data());
        for (int c = 0; c < r; ++c) to->u[c] = from.u[c] + right[c];
        double all_squares = 0.0, all_mass = 0.0;
        std::vector<double> squares(d.k), mass(d.k);
        for (int j = 0; j < d.k; ++j) {
            const double *s = from.sums.data() + j * width, *B = d.basis + j * m * r, *xe = s + d.pairs();
            unpack_pairs(s, full.data());
            double sum = xe[m];
            for (int a = 0; a < m; ++a) {
                move[a] = 0.0;
                for (int c = 0; c < r; ++c) move[a] += B[a * r + c] * right[c];
            }
            for (int a = 0; a < m; ++a) {
                double row = -2.0 * xe[a];
                for (int b = 0; b < m; ++b) row += full[a * m + b] * move[b];
                sum += move[a] * row;
            }
            squares[j] = std::max(sum, 0.0) + prior * pooled;
            mass[j] = xe[m + 1] + prior;
            all_squares += squares[j];
            all_mass += mass[j];
        }
        for (int j = 0; j < d.k; ++j) {
            const double sum = d.common ? all_squares : squares[j], number = d.common ? all_mass : mass[j];
            to->variance[j] = number > 0.0 ? std::max(sum / number, d.floor) : from.variance[j];
        }
    }

  private:
    NormalData d;
    std::vector<double> density;

    void unpack_pairs(const double *s, double *full) const {
        for (int a = 0; a < d.m; ++a)
            for (int b = a; b < d.m; ++b) full[a * d.m + b] = full[b * d.m + a] = *s++;
    }
};

struct NormalRun : Run {
    double *coef, *sums;
};

inline void normal_climb(const NormalData &d, int limit, double tol, bool accelerate, NormalRun *run) {
    NormalEmission emission(d);
    Point p = emission.point();
    run->get(&p);
    if (run->weights) {
        emission.classify(&p, run->weights);
        Point begun(p);
        emission.emission(p, &begun, 1.0, run->pooled);
        p = begun;
    }
    climb_from(&emission, &p, limit, tol, accelerate, run);
    std::copy(p.coef.begin(), p.coef.end(), run->coef);
    std::copy(p.states.begin(), p.states.end(), run->states);
    std::copy(p.sums.begin(), p.sums.end(), run->sums);
}

struct NormalSlopes {
    double *llf, *sums, *d_transition, *d_start; // (points), (points, k, width), (points, k, k), (points, sequences, k)
};

// One pass at each of several points: coefficients d.origin (points, k, m), variance (points, k), transition
// (points, k, k), law (points, sequences, k). The log-likelihood is -inf where there is none.
inline void normal_slopes(NormalData d, int points, const double *variance, const double *transition,
                          const double *law, const NormalSlopes &to) {
    d.r = 0; // the coefficients are the origin
    d.start = fixed;
    const int k = d.k, starts = d.sequences * k, width = k * d.width();
    for (int i = 0; i < points; ++i) {
        NormalEmission emission(d);
        Point p = emission.point();
        std::copy_n(variance + i * k, k, p.variance.begin());
        std::copy_n(transition + i * k * k, k * k, p.transition.begin());
        std::copy_n(law + i * starts, starts, p.law.begin());
        Climb<NormalEmission>(&emission).expect(&p);
        to.llf[i] = p.llf;
        std::copy(p.sums.begin(), p.sums.end(), to.sums + i * width);
        std::copy(p.d_transition.begin(), p.d_transition.end(), to.d_transition + i * k * k);
        std::copy(p.d_start.begin(), p.d_start.end(), to.d_start + i * starts);
        d.origin += k * d.m;
    }
}

} // namespace markov
} // namespace rnnstats
