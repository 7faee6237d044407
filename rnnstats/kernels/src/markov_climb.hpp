// Expectation-maximisation of a regime model with a normal response: the climb, whatever the emission
// (markov_normal.hpp, markov_mean.hpp): steps of the transitions and of the start, steps that are
// shortened, leaps along the path.
//
// The algorithm is written out in rnnstats/kernels/reference/markov_climb.py.
#pragma once

#include <algorithm>

#include "markov.hpp"
#include "markov_solve.hpp"

namespace rnnstats {
namespace markov {

constexpr double SHARES[] = {1.0, 0.3, 0.1, 0.03, 0.01, 0.0};
constexpr double LEAST = 1e-12;  // a probability that was positive stays so
constexpr double ROUNDING = 1e-11;
constexpr double FIRST_LEAP = 4.0; // longest leap, in steps; longer after one that gained

enum Start { fixed = 0, free_start = 1, stationary = 2 };

// Calls f with the number of regimes, as a type where it is small.
template <class F>
void with_regimes(int k, F f) {
    if (k == 2) f(Dim<2>());
    else if (k == 3) f(Dim<3>());
    else if (k == 4) f(Dim<4>());
    else f(Dim<0>(k));
}

// Parameters (u: coefficients), and what is expected of the complete data there.
struct Point {
    double llf = NO;
    std::vector<double> u, coef, variance, transition, law, sums, d_transition, d_start, states;
    Point(int k, int sequences, int r, int coefs, int width, std::int64_t weights)
        : u(r, 0.0), coef(coefs), variance(k), transition(k * k), law(sequences * k), sums(width),
          d_transition(k * k), d_start(sequences * k), states(weights) {}
};

// E: an emission with the numbers k, sequences, start (one of Start) and floor (of variances), and
//   void sweep(Point *)                                  one pass where the start law is set; llf stays -inf where
//                                                        there is none
//   void emission(const Point &, Point *, prior, pooled) coefficients and variances from what is expected; `prior`
//                                                        rows of variance `pooled` join each regime
template <class E>
class Climb {
  public:
    explicit Climb(E *emission) : e(*emission) {}

    // One sweep; the log-likelihood is -inf where there is none.
    void expect(Point *p) {
        p->llf = NO;
        if (e.start == stationary) {
            if (!stationary_law(e.k, p->transition.data(), p->law.data())) return;
            for (int s = 1; s < e.sequences; ++s)
                for (int j = 0; j < e.k; ++j) p->law[s * e.k + j] = p->law[j];
        }
        for (double v : p->variance)
            if (!(v > 0.0 && std::isfinite(v))) return;
        for (double u : p->u)
            if (!std::isfinite(u)) return;
        e.sweep(p);
    }

    // Where the transitions want to go.
    void transitions(const Point &p, double *target) const {
        const int k = e.k;
        std::vector<double> effect(k, 0.0);
        bool pulled = e.start == stationary;
        if (pulled) {
            for (int s = 0; s < e.sequences; ++s)
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
    bool step(const Point &here, Point *there, int *used) {
        const int k = e.k;
        std::vector<double> target(k * k);
        e.emission(here, there, 0.0, 0.0);
        transitions(here, target.data());
        if (e.start == free_start) {
            std::vector<double> first(k, 0.0);
            for (int s = 0; s < e.sequences; ++s)
                for (int j = 0; j < k; ++j) first[j] += here.law[s * k + j] * here.d_start[s * k + j];
            for (int s = 0; s < e.sequences; ++s)
                std::copy(first.begin(), first.end(), there->law.begin() + s * k);
            inside(e.sequences, k, here.law.data(), there->law.data());
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
            if (e.start != stationary) break;
        }
        return false;
    }

    // Leap along the path of two steps (Varadhan and Roland 2008, third scheme): coefficients,
    // log variances and logs of probabilities. False: none.
    bool leap(const Point &first, const Point &second, const Point &third, double longest,
              Point *to) {
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
        for (std::size_t c = 0; c < to->u.size(); ++c) to->u[c] = moved(first.u[c], second.u[c], third.u[c], false);
        for (int j = 0; j < e.k; ++j)
            to->variance[j] = std::max(moved(first.variance[j], second.variance[j], third.variance[j], true), e.floor);
        for (int i = 0; i < e.k * e.k; ++i)
            to->transition[i] = moved(first.transition[i], second.transition[i], third.transition[i], true);
        inside(e.k, e.k, third.transition.data(), to->transition.data());
        to->law = third.law;
        if (e.start == free_start) {
            for (int i = 0; i < e.sequences * e.k; ++i)
                to->law[i] = moved(first.law[i], second.law[i], third.law[i], true);
            inside(e.sequences, e.k, third.law.data(), to->law.data());
        }
        expect(to);
        return true;
    }

    // Climb from `here`, where `expect` was called; passes of the smoother, and whether it settled.
    int climb(Point *here, int limit, double tol, bool accelerate, bool *settled) {
        Point there(*here), further(*here), leaped(*here);
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
    E &e;

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
    void each(const Point &a, const Point &b, const Point &c, F f) const {
        f(a.u, b.u, c.u, false);
        f(a.variance, b.variance, c.variance, true);
        f(a.transition, b.transition, c.transition, true);
        if (e.start == free_start) f(a.law, b.law, c.law, true);
    }
};

// What goes in and comes out of a climb, whatever the emission.
struct Run {
    double *u, *variance, *transition, *law, *states, *d_transition, *d_start;
    const double *weights; // a classification to begin with (rows, k); null: parameters are given
    double pooled;         // variance of one row that joins each regime then
    double begin, llf;
    int passes;
    bool settled;

    void get(Point *p) const {
        const auto one = [](std::vector<double> &to, const double *from) { std::copy(from, from + to.size(), to.begin()); };
        one(p->u, u);
        one(p->variance, variance);
        one(p->transition, transition);
        one(p->law, law);
    }
    void put(const Point &p) const {
        const auto one = [](const std::vector<double> &from, double *to) { std::copy(from.begin(), from.end(), to); };
        one(p.u, u);
        one(p.variance, variance);
        one(p.transition, transition);
        one(p.law, law);
        one(p.d_transition, d_transition);
        one(p.d_start, d_start);
    }
};

// From `p` (with a classification: as it has set p up) to the end.
template <class E>
void climb_from(E *emission, Point *p, int limit, double tol, bool accelerate, Run *run) {
    Climb<E> climb(emission);
    climb.expect(p);
    run->begin = p->llf;
    run->passes = 0;
    run->settled = false;
    if (p->llf > NO) run->passes = climb.climb(p, limit, tol, accelerate, &run->settled);
    run->llf = p->llf;
    run->put(*p);
}

} // namespace markov
} // namespace rnnstats
