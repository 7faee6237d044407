// Forward pass: Kalman filter with the steady-state shortcut.
#pragma once

#include "diffuse.hpp"

namespace rnnstats {

// Decides when the predicted covariance has stopped changing. Changes are measured against the variance a state has
// after one more step (so that a covariance falling to zero, as in the innovations form, settles too); the distance
// still to go is extrapolated from the observed rate of convergence. Changes that no longer fall are rounding.
struct SteadyTest {
    double previous = std::numeric_limits<double>::infinity();
    double tolerance = 1e-14;
    double floor = 2e-15;
    double rounding = 1e-13;

    void restart() { previous = std::numeric_limits<double>::infinity(); }

    bool settled(double change) {
        const double rate = change / previous;
        previous = change;
        if (change <= floor || (change <= rounding && rate >= 1.0)) return true;
        return rate < 1.0 && change * rate / (1.0 - rate) <= tolerance && change <= 10.0 * tolerance;
    }
};

template <int M, int P>
class Forward {
   public:
    double llf = 0.0;
    int period = 0;
    bool early_collapse = false;

    Forward(const System& system, const Noise& shared, const FirstMoments& moments)
        : s(system), noise(shared), first(moments), m(system.m), p(system.p), step(system, shared) {
        store.assign(5 * m * m + 5 * m + 2 * m * p + 3 * p + p * p, 0.0);
        top.assign(m, 0.0);
        double* at = store.data();
        auto take = [&at](int size) { return std::exchange(at, at + size); };
        a = take(m), a_new = take(m), L = take(m * m), Pt = take(m * m), P_new = take(m * m), Lc = take(m * m);
        P_inf = take(m * m), v = take(p), w = take(p);
    }

    Status run(const double* y, double* llf_obs, Tape* tape) {
        int t = 0;
        if (first.d > 0) {
            DiffusePhase phase(s, noise, first);
            phase.early = early_collapse;
            const Status status = phase.run(y, llf_obs, tape);
            period = phase.period;
            if (status != Status::ok) return status;
            llf = phase.llf, t = phase.period;
            copy(m, phase.a.data(), a);
            copy(m * m, phase.L.data(), L);
        } else {
            copy(m, first.a.data(), a);
            psd_factor(m, first.P.data(), L, 1e-15);
        }
        gram(m, m, L, Pt);
        for (int i = 0; i < m; ++i) top[i] = Pt[i * m + i] + noise.W[i * m + i];
        const bool filtered = tape && tape->full;
        if (filtered) test.tolerance = test.rounding = test.floor, Pf.assign(m * m, 0.0), Pf_new.assign(m * m, 0.0);
        while (t < s.n) {
            if (is_steady) {
                t = run_steady(y, t, llf_obs, tape);
                if (t == s.n) break;
                is_steady = false;
            }
            const double* row = y + static_cast<size_t>(t) * p;
            const int o = observed_rows(p, row, step.rows);
            if (!(filtered ? step.run_full(L, o) : step.run(L, o))) return period = t, Status::singular_innovation;
            update(row, t, o, llf_obs, tape);
            settle(o, filtered);
            copy(m * m, step.L_next, L);
            ++t;
        }
        if (tape) {
            tape->a_next.assign(a, a + m);
            tape->L_next.assign(L, L + m * m);
        }
        return Status::ok;
    }

   private:
    const System& s;
    const Noise& noise;
    const FirstMoments& first;
    const Dim<M> m;
    const Dim<P> p;
    ArrayStep<M, P> step;
    std::vector<double> store, top;  // top: variance of each state at the start, a measure of its size
    double *a, *a_new, *L, *Pt, *P_new, *Lc, *P_inf, *v, *w;
    SteadyTest test;
    bool is_steady = false, have_limit = false;
    int current_slot = -1, steady_slot = -1;
    double log_det = 0.0, steady_log_det = 0.0;
    std::vector<double> steady_K, steady_F12i, steady_L, Pf, Pf_new;

    // One step with its own gain: innovation, log-likelihood, next mean.
    void update(const double* row, int t, int o, double* llf_obs, Tape* tape) {
        const double* d = s.d_at(t);
        log_det = 0.0;
        double quadratic = 0.0, product = 1.0;  // of the roots of F's pivots: one logarithm a row
        for (int i = 0; i < p; ++i) v[i] = row[i] == row[i] ? row[i] - d[i] - dot(m, s.Z + i * m, a) : 0.0;
        for (int i = 0; i < o; ++i) {
            double sum = 0.0;
            for (int l = 0; l <= i; ++l) sum += step.F12i[i * o + l] * v[o == p ? l : step.rows[l]];
            w[i] = sum;
            quadratic += sum * sum;
            product *= step.F12[i * o + i];
            if (!(product > 1e-100 && product < 1e100)) log_det += std::log(product), product = 1.0;
        }
        log_det = 2.0 * (log_det + std::log(product));
        const double value = -0.5 * (o * log_2pi + log_det + quadratic);
        llf += value;
        if (llf_obs) llf_obs[t] = value;
        if (tape) {
            current_slot = tape->slot[t] = tape->push(step, L, o);
            copy(m, a, &tape->a[static_cast<size_t>(t) * m]);
            double* e = &tape->e[static_cast<size_t>(t) * p];
            zero(p, e);
            if (tape->full) copy(o, w, &tape->w[static_cast<size_t>(t) * p]);
            for (int j = 0; j < o; ++j)
                for (int i = j; i < o; ++i) e[o == p ? j : step.rows[j]] += step.F12i[i * o + j] * w[i];
        }
        copy(m, s.c_at(t + 1), a_new);
        mul_v<Put::add>(m, m, s.T, a, a_new);
        mul_v<Put::add>(m, p, step.K, v, a_new);
        std::swap(a, a_new);
    }

    // Has P stopped changing, or (after a gap in the data) come back to the limit found before?
    void settle(int o, bool filtered) {
        gram(m, m, step.L_next, P_new);
        if (filtered) Pf.swap(Pf_new), gram(m, m, step.Lf, Pf_new.data());
        const double moved = filtered && o == p ? filtered_change() : 0.0;
        if (s.steady && o == p) {
            if (have_limit && std::max(moved, change(P_new, P_inf)) <= test.tolerance) {
                is_steady = true;
                copy(m * m, steady_L.data(), step.L_next);
            } else if (test.settled(std::max(moved, change(P_new, Pt)))) {
                enter_steady();
            }
        } else {
            test.restart();
        }
        std::swap(Pt, P_new);
    }

    double change(const double* next, const double* last) {
        double largest = 0.0;
        for (int i = 0; i < m; ++i)
            for (int j = 0; j <= i; ++j) {
                const double gap = std::fabs(next[i * m + j] - last[i * m + j]);
                if (gap == 0.0) continue;
                largest = std::max(largest, gap / std::sqrt(size(i, last) * size(j, last)));
            }
        return std::max(largest, output_change(next, last));
    }

    // Variance after one more step, or a ten-thousandth of what it was at the start: a state that the outputs tell
    // exactly keeps only rounding.
    double size(int i, const double* cov) const {
        return std::max(cov[i * m + i] + noise.W[i * m + i], 1e-4 * top[i]);
    }

    // Change of the filtered covariance relative to itself: going backwards, a smoother magnifies what is left of it.
    double filtered_change() {
        double largest = 0.0;
        for (int i = 0; i < m; ++i)
            for (int j = 0; j <= i; ++j) {
                const double si = Pf_new[i * m + i], sj = Pf_new[j * m + j];
                const bool nothing = si <= 1e-26 * top[i] || sj <= 1e-26 * top[j];
                if (!nothing) largest = std::max(largest, std::fabs(Pf_new[i * m + j] - Pf[i * m + j]) / std::sqrt(si * sj));
            }
        return largest;
    }

    // The same change seen in F = Z P Z' + H, relative to its diagonal.
    double output_change(const double* next, const double* last) {
        double largest = 0.0;
        for (int i = 0; i < p; ++i) {
            double gap = 0.0;
            for (int l = 0; l < m; ++l)
                for (int k = 0; k < m; ++k)
                    gap += s.Z[i * m + l] * (next[l * m + k] - last[l * m + k]) * s.Z[i * m + k];
            double F = 0.0;
            for (int l = 0; l <= i; ++l) F += step.F12[i * p + l] * step.F12[i * p + l];
            largest = std::max(largest, std::fabs(gap) / F);
        }
        return largest;
    }

    void enter_steady() {
        is_steady = have_limit = true;
        steady_slot = current_slot;
        steady_log_det = log_det;
        steady_K.assign(step.K, step.K + m * p);
        steady_F12i.assign(step.F12i, step.F12i + p * p);
        steady_L.assign(L, L + m * m);
        copy(m * m, Pt, P_inf);
        copy(m * m, L, step.L_next);
        copy(m * m, Pt, P_new);
        copy(m * m, s.T, Lc);  // closed loop T - K Z
        mul_nn<Put::sub>(m, m, p, step.K, s.Z, Lc);
    }

    // Rows t, t+1, ... with constant gain until the end or a row with missing outputs; returns where it stopped.
    int run_steady(const double* y, int t, double* llf_obs, Tape* tape) {
        const double *K = steady_K.data(), *F12i = steady_F12i.data();
        const double constant = p * log_2pi + steady_log_det;
        double total = 0.0;
        const int start = t;
        for (; t < s.n; ++t) {
            const double* row = y + static_cast<size_t>(t) * p;
            const double* d = s.d_at(t);
            double gap = 0.0;
            for (int i = 0; i < p; ++i) {
                w[i] = row[i] - d[i];
                gap += w[i];
            }
            if (gap != gap) break;
            copy(m, s.c_at(t + 1), a_new);
            mul_v<Put::add>(m, p, K, w, a_new);
            for (int i = 0; i < p; ++i) v[i] = w[i];
            mul_v<Put::sub>(p, m, s.Z, a, v);
            mul_v<Put::add>(m, m, Lc, a, a_new);
            double quadratic = 0.0;
            for (int i = 0; i < p; ++i) {
                double sum = 0.0;
                for (int l = 0; l <= i; ++l) sum += F12i[i * p + l] * v[l];
                w[i] = sum;
                quadratic += sum * sum;
            }
            total += quadratic;
            if (llf_obs) llf_obs[t] = -0.5 * (constant + quadratic);
            if (tape) {
                tape->slot[t] = steady_slot;
                copy(m, a, &tape->a[static_cast<size_t>(t) * m]);
                double* e = &tape->e[static_cast<size_t>(t) * p];
                if (tape->full) copy(p, w, &tape->w[static_cast<size_t>(t) * p]);
                for (int j = 0; j < p; ++j) {
                    double sum = 0.0;
                    for (int l = j; l < p; ++l) sum += F12i[l * p + j] * w[l];
                    e[j] = sum;
                }
            }
            std::swap(a, a_new);
        }
        llf -= 0.5 * ((t - start) * constant + total);
        copy(m * m, steady_L.data(), L);
        copy(m * m, P_inf, Pt);
        test.restart();
        return t;
    }
};

}  // namespace rnnstats
