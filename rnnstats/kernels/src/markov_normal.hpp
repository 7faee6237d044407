// One normal response with a linear predictor in each regime: density, forward-backward pass and the
// weighted sums of least squares in one sweep, and expectation-maximisation made of such sweeps.
//
// Sums are taken over residuals of the present coefficients, so that new residual sums of squares,
// S_ee - 2 d'S_xe + d'S_xx d with d the step, lose nothing to the level of the response; the residuals
// are as small as the spread they measure.
//
// The algorithm is written out in rnnstats/kernels/reference/markov_normal.py.
#pragma once

#include <algorithm>

#include "markov.hpp"
#include "markov_solve.hpp"

namespace rnnstats {
namespace markov {

constexpr int PIECE = 128;       // rows of a sweep at a time
constexpr double SHARES[] = {1.0, 0.3, 0.1, 0.03, 0.01, 0.0};
constexpr double LEAST = 1e-12;  // a probability that was positive stays so
constexpr double ROUNDING = 1e-11;
constexpr double FIRST_LEAP = 4.0; // longest leap, in steps; longer after one that gained

enum Start { fixed = 0, free_start = 1, stationary = 2 };

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

// Calls f with the number of regimes, as a type where it is small.
template <class F>
void with_regimes(int k, F f) {
    if (k == 2) f(Dim<2>());
    else if (k == 3) f(Dim<3>());
    else if (k == 4) f(Dim<4>());
    else f(Dim<0>(k));
}

// Parameters, and what is expected of the complete data there.
struct NormalPoint {
    double llf = NO;
    std::vector<double> u, coef, variance, transition, law, sums, d_transition, d_start, states;
    explicit NormalPoint(const NormalData &d)
        : u(d.r, 0.0), coef(d.k * d.m), variance(d.k), transition(d.k * d.k), law(d.sequences * d.k),
          sums(d.k * d.width()), d_transition(d.k * d.k), d_start(d.sequences * d.k), states(d.n * d.k) {}
};

class NormalClimb {
  public:
    explicit NormalClimb(const NormalData &data) : d(data), density(data.n * data.k) {}

    // Coefficients from u; a stationary start from the transitions. False: no start.
    bool settle(NormalPoint *p) const {
        for (int j = 0; j < d.k; ++j)
            for (int a = 0; a < d.m; ++a) {
                double sum = d.origin[j * d.m + a];
                for (int c = 0; c < d.r; ++c) sum += d.basis[(j * d.m + a) * d.r + c] * p->u[c];
                p->coef[j * d.m + a] = sum;
            }
        if (d.start != stationary) return true;
        if (!stationary_law(d.k, p->transition.data(), p->law.data())) return false;
        for (int s = 1; s < d.sequences; ++s)
            for (int j = 0; j < d.k; ++j) p->law[s * d.k + j] = p->law[j];
        return true;
    }

    // One sweep; the log-likelihood is -inf where there is none.
    void expect(NormalPoint *p) {
        p->llf = NO;
        if (!settle(p)) return;
        for (int j = 0; j < d.k; ++j)
            if (!(p->variance[j] > 0.0 && std::isfinite(p->variance[j]))) return;
        for (double c : p->coef)
            if (!std::isfinite(c)) return;
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
    void emission(const NormalPoint &from, NormalPoint *to, double prior, double pooled) const {
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

    // Where the transitions want to go.
    void transitions(const NormalPoint &p, double *target) const {
        const int k = d.k;
        std::vector<double> effect(k, 0.0);
        bool pulled = d.start == stationary;
        if (pulled) {
            for (int s = 0; s < d.sequences; ++s)
                for (int j = 0; j < k; ++j) effect[j] += p.d_start[s * k + j];
            pulled = stationary_effect(k, p.transition.data(), effect.data());
        }
        double least = 0.0;
        if (pulled) least = *std::min_element(effect.begin(), effect.end());
        for (int i = 0; i < k; ++i) {
            double total = 0.0;
            for (int j = 0; j < k; ++j) {
                double slope = p.d_transition[i * k + j];
                if (pulled) slope += p.law[i] * (effect[j] - least);
                target[i * k + j] = p.transition[i * k + j] * slope;
                total += target[i * k + j];
            }
            for (int j = 0; j < k && !(total > 0.0 && std::isfinite(total)); ++j)
                target[i * k + j] = p.transition[i * k + j];
        }
        inside(k, k, p.transition.data(), target);
    }

    // One step from `here` into `there`; false: no step gains. Returns passes in `used`.
    bool step(const NormalPoint &here, NormalPoint *there, int *used) {
        const int k = d.k;
        std::vector<double> target(k * k);
        emission(here, there, 0.0, 0.0);
        transitions(here, target.data());
        if (d.start == free_start) {
            std::vector<double> first(k, 0.0);
            for (int s = 0; s < d.sequences; ++s)
                for (int j = 0; j < k; ++j) first[j] += here.law[s * k + j] * here.d_start[s * k + j];
            for (int s = 0; s < d.sequences; ++s)
                std::copy(first.begin(), first.end(), there->law.begin() + s * k);
            inside(d.sequences, k, here.law.data(), there->law.data());
        } else {
            there->law = here.law;
        }
        const double floor = here.llf - ROUNDING * (1.0 + std::fabs(here.llf));
        for (double share : SHARES) {
            for (int i = 0; i < k * k; ++i)
                there->transition[i] = here.transition[i] + share * (target[i] - here.transition[i]);
            expect(there);
            ++*used;
            if (there->llf >= floor) return true;
            if (d.start != stationary) break;
        }
        return false;
    }

    // Leap along the path of two steps (Varadhan and Roland 2008, third scheme): coefficients,
    // log variances and logs of probabilities. False: none.
    bool leap(const NormalPoint &first, const NormalPoint &second, const NormalPoint &third, double longest,
              NormalPoint *to) {
        double change = 0.0, bend = 0.0;
        const auto sizes = [&](const std::vector<double> &a, const std::vector<double> &b,
                               const std::vector<double> &c, bool logs) {
            for (std::size_t i = 0; i < a.size(); ++i) {
                double x = a[i], y = b[i], z = c[i];
                if (logs) {
                    if (!(x > 0.0 && y > 0.0 && z > 0.0)) continue;
                    x = std::log(x), y = std::log(y), z = std::log(z);
                }
                change += (y - x) * (y - x);
                bend += (z - 2.0 * y + x) * (z - 2.0 * y + x);
            }
        };
        each(first, second, third, sizes);
        if (!(bend > 0.0 && std::isfinite(bend) && change > bend)) return false;
        const double length = std::min(std::sqrt(change / bend), longest);
        const auto moved = [length](double x, double y, double z, bool logs) {
            if (logs) {
                if (!(x > 0.0 && y > 0.0 && z > 0.0)) return z;
                x = std::log(x), y = std::log(y), z = std::log(z);
            }
            const double at = x + 2.0 * length * (y - x) + length * length * (z - 2.0 * y + x);
            return logs ? std::exp(std::min(std::max(at, -600.0), 600.0)) : at;
        };
        for (int c = 0; c < d.r; ++c) to->u[c] = moved(first.u[c], second.u[c], third.u[c], false);
        for (int j = 0; j < d.k; ++j)
            to->variance[j] = std::max(moved(first.variance[j], second.variance[j], third.variance[j], true), d.floor);
        for (int i = 0; i < d.k * d.k; ++i)
            to->transition[i] = moved(first.transition[i], second.transition[i], third.transition[i], true);
        inside(d.k, d.k, third.transition.data(), to->transition.data());
        to->law = third.law;
        if (d.start == free_start) {
            for (int i = 0; i < d.sequences * d.k; ++i)
                to->law[i] = moved(first.law[i], second.law[i], third.law[i], true);
            inside(d.sequences, d.k, third.law.data(), to->law.data());
        }
        expect(to);
        return true;
    }

    // Climb from `here`, where `expect` was called; passes of the smoother, and whether it settled.
    int climb(NormalPoint *here, int limit, double tol, bool accelerate, bool *settled) {
        NormalPoint there(d), further(d), leaped(d);
        int spent = 0;
        double longest = FIRST_LEAP;
        *settled = false;
        while (spent < limit && !*settled) {
            const double before = here->llf;
            if (!step(*here, &there, &spent)) {
                *settled = true;
                break;
            }
            double gain = there.llf - before;
            if (accelerate && gain > tol && spent + 2 <= limit) {
                if (step(there, &further, &spent)) {
                    gain = further.llf - there.llf;
                    if (gain > tol && leap(*here, there, further, longest, &leaped)) {
                        ++spent;
                        longest = leaped.llf >= further.llf ? 4.0 * longest : FIRST_LEAP;
                        if (leaped.llf >= further.llf) {
                            std::swap(further, leaped);
                            gain = further.llf - there.llf;
                        }
                    }
                    std::swap(there, further);
                } else {
                    gain = 0.0;
                }
            }
            *settled = gain <= tol;
            std::swap(*here, there);
        }
        return spent;
    }

  private:
    NormalData d;
    std::vector<double> density;

    void unpack_pairs(const double *s, double *full) const {
        for (int a = 0; a < d.m; ++a)
            for (int b = a; b < d.m; ++b) full[a * d.m + b] = full[b * d.m + a] = *s++;
    }

    // Rows that sum to one; what was positive before does not go below LEAST, so that the
    // fast recursions serve the chain.
    static void inside(int rows, int k, const double *before, double *x) {
        for (int i = 0; i < rows; ++i, before += k, x += k) {
            for (int turn = 0; turn < 2; ++turn) {
                double sum = 0.0;
                for (int j = 0; j < k; ++j) sum += x[j];
                for (int j = 0; j < k; ++j) x[j] /= sum;
                for (int j = 0; j < k && turn == 0; ++j)
                    if (before[j] > 0.0 && x[j] < LEAST) x[j] = LEAST;
            }
        }
    }

    template <class F>
    void each(const NormalPoint &a, const NormalPoint &b, const NormalPoint &c, F f) const {
        f(a.u, b.u, c.u, false);
        f(a.variance, b.variance, c.variance, true);
        f(a.transition, b.transition, c.transition, true);
        if (d.start == free_start) f(a.law, b.law, c.law, true);
    }
};

// What goes in and comes out of `normal_climb`, one start.
struct NormalRun {
    double *u, *coef, *variance, *transition, *law, *states, *sums, *d_transition, *d_start;
    const double *weights; // a classification to begin with (n, k); null: parameters are given
    double pooled;         // variance of one row that joins each regime then
    double begin, llf;
    int passes;
    bool settled;
};

inline void normal_climb(const NormalData &d, int limit, double tol, bool accelerate, NormalRun *run) {
    NormalClimb climb(d);
    NormalPoint p(d);
    const auto get = [](std::vector<double> &to, const double *from) { std::copy(from, from + to.size(), to.begin()); };
    const auto put = [](const std::vector<double> &from, double *to) { std::copy(from.begin(), from.end(), to); };
    get(p.u, run->u);
    get(p.variance, run->variance);
    get(p.transition, run->transition);
    get(p.law, run->law);
    if (run->weights) {
        climb.settle(&p);
        with_regimes(d.k, [&](auto k) { normal_sums(k, d, p.coef.data(), run->weights, p.sums.data()); });
        NormalPoint begun(p);
        climb.emission(p, &begun, 1.0, run->pooled);
        p = begun;
    }
    climb.expect(&p);
    run->begin = p.llf;
    run->passes = 0;
    run->settled = false;
    if (p.llf > NO) run->passes = climb.climb(&p, limit, tol, accelerate, &run->settled);
    run->llf = p.llf;
    put(p.u, run->u);
    put(p.coef, run->coef);
    put(p.variance, run->variance);
    put(p.transition, run->transition);
    put(p.law, run->law);
    put(p.states, run->states);
    put(p.sums, run->sums);
    put(p.d_transition, run->d_transition);
    put(p.d_start, run->d_start);
}

} // namespace markov
} // namespace rnnstats
