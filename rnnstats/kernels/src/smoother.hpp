// Fixed-interval smoother on a full Tape.
//
// The backward recursions of Durbin and Koopman (2012, sec. 4.4-4.7) run on standardised quantities: with P = L L',
// rs_t = L'r and Ns_t = L'N L (between 0 and I) obey, in the letters of the array step and Y = Phi Psi,
//
//   rs <- X w + Y rs,      Ns <- X X' + Y Ns Y',
//   E(h_t | all) = filtered mean + Lf Psi rs,       Var(h_t | all) = Lf (I - Psi Ns Psi') Lf',
//   Cov(h_{t+1}, h_t | all) = L+ (I - Ns) Psi' Lf',
//   (eps_t, eta_{t+1}) | all:  mean J0 (X_n w + Y_n rs),  covariance J0 (I - X_n X_n' - Y_n Ns Y_n') J0'.
//
// Covariances are symmetric, positive semi-definite and accurate relative to the filtered ones, however large F^{-1}.
#pragma once

#include "adjoint.hpp"
#include "moments.hpp"

namespace rnnstats {

// V (n x n) = B (I - W) B' with B (n x k), W symmetric between 0 and I up to rounding: what is left of I - W below
// 1e-15 is nothing, and as a pivot would blow up the rounding beside it.
inline void shrink_psd(int n, int k, const double* B, double* W, double* G, double* BG, double* V) {
    for (int i = 0; i < k * k; ++i) W[i] = -W[i];
    for (int i = 0; i < k; ++i) W[i * k + i] += 1.0;
    psd_factor(k, W, G, 1e-16, 1e-15);
    mul_nn<Put::set>(Dim<0>(n), Dim<0>(k), Dim<0>(k), B, G, BG);
    gram(Dim<0>(n), Dim<0>(k), BG, V);
}

// Backward recursion for r, N (and the diffuse columns) with the moments it yields.
struct Moments::Backward {
    const Moments& o;
    const System& s;
    const Tape& tape;
    const FilterArrays& f;
    const SmootherArrays& out;
    const Dim<0> m, p, q, dr;
    DiffuseTerminal terminal;
    std::vector<double> r, N, rs, Ns, u, next_r, cols, next_cols, x_cols, x_cols_next, noise_mean, W, G, BG, X, Y, Lc, FZ;
    int k = 0;

    Backward(const Moments& owner, const FilterArrays& filter, const SmootherArrays& target)
        : o(owner), s(owner.s), tape(owner.tape), f(filter), out(target), m(owner.m), p(owner.p), q(owner.noise.q),
          dr(owner.s.r) {
        const size_t big = m + p + q + dr;
        for (auto* x : {&W, &G, &BG, &X, &Y}) x->assign(big * big, 0.0);
        for (auto* x : {&N, &Ns, &Lc}) x->assign(m * m, 0.0);
        for (auto* x : {&r, &rs, &next_r}) x->assign(m, 0.0);
        FZ.assign(p * m, 0.0), u.assign(p, 0.0), noise_mean.assign(q, 0.0);
    }

    void run() {
        const int phase = tape.diffuse.steps;
        SteadyTest test;
        std::vector<double> Ns_old(m * m);
        bool frozen = false;
        int t = s.n - 1;
        for (; t >= phase; --t) {
            const bool repeat = t + 1 < s.n && t + 1 > phase && tape.slot[t] == tape.slot[t + 1];
            if (!repeat) test.restart(), frozen = false;
            proper_row(t, repeat && frozen);
            if (s.steady && repeat && !frozen) frozen = test.settled(distance(Ns_old));
            Ns_old = Ns;
        }
        if (phase > 0) diffuse_phase(phase);
        first_noise();
    }

    double distance(const std::vector<double>& old) const {
        double largest = 0.0;
        for (int i = 0; i < m * m; ++i) largest = std::max(largest, std::fabs(Ns[i] - old[i]));
        return largest;
    }

    const double* part(int t, int offset) const { return tape.at(t) + offset; }
    int observed(int t) const { return o.observed(row(f.forecast_error, t, p)); }

    // A row after the diffuse phase: everything from the standardised recursion.
    void proper_row(int t, bool frozen) {
        const SlotLayout& at = tape.layout;
        const Dim<0> seen(observed(t));
        const double* w = row(tape.w.data(), t, p);
        load(t);
        state_mean(t, row(f.filtered, t, m));
        mul_v<Put::set>(q, seen, part(t, at.Xn), w, noise_mean.data());
        mul_v<Put::add>(q, m, part(t, at.Yn), rs.data(), noise_mean.data());
        const double* J0 = o.noise.J0.data();
        mul_v<Put::set>(p, q, J0, noise_mean.data(), row(out.obs_noise, t, p));
        if (t + 1 < s.n) mul_v<Put::set>(dr, q, J0 + p * q, noise_mean.data(), row(out.state_noise, t + 1, dr));
        if (!frozen || t + 2 >= s.n) covariances(t, seen);
        else repeat_covariances(t);
        plain_step(t);
        mul_v<Put::set>(m, seen, part(t, at.X), w, next_r.data());
        mul_v<Put::add>(m, m, part(t, at.Y), rs.data(), next_r.data());
        std::swap(rs, next_r);
        if (frozen) return;
        mul_nt<Put::set>(m, m, seen, part(t, at.X), part(t, at.X), W.data());
        mul_nn<Put::set>(m, m, m, part(t, at.Y), Ns.data(), X.data());
        mul_nt<Put::add>(m, m, m, X.data(), part(t, at.Y), W.data());
        copy(m * m, W.data(), Ns.data());
        symmetrise(m, Ns.data());
    }

    // Closed loop T - K Z and F^{-1} Z of a row.
    void load(int t) {
        const double* K = part(t, tape.layout.K);
        copy(m * m, s.T, Lc.data());
        mul_nn<Put::sub>(m, m, p, K, s.Z, Lc.data());
        mul_nn<Put::set>(p, m, p, part(t, tape.layout.Finv), s.Z, FZ.data());
    }

    // filtered mean + Lf Psi rs
    void state_mean(int t, const double* filtered) {
        double* state = row(out.state, t, m);
        copy(m, filtered, state);
        mul_v<Put::set>(m, m, part(t, tape.layout.Psi), rs.data(), next_r.data());
        mul_v<Put::add>(m, m, part(t, tape.layout.Lf), next_r.data(), state);
    }

    void covariances(int t, Dim<0> seen) {
        const SlotLayout& at = tape.layout;
        const double *Psi = part(t, at.Psi), *Lf = part(t, at.Lf), *Xn = part(t, at.Xn), *Yn = part(t, at.Yn);
        mul_nn<Put::set>(m, m, m, Psi, Ns.data(), X.data());
        mul_nt<Put::set>(m, m, m, X.data(), Psi, W.data());
        shrink_psd(m, m, Lf, W.data(), G.data(), BG.data(), row(out.state_cov, t, m * m));
        mul_nt<Put::set>(q, q, seen, Xn, Xn, W.data());
        mul_nn<Put::set>(q, m, m, Yn, Ns.data(), X.data());
        mul_nt<Put::add>(q, q, m, X.data(), Yn, W.data());
        const int k0 = p + dr;
        shrink_psd(k0, q, o.noise.J0.data(), W.data(), G.data(), BG.data(), Y.data());
        for (int i = 0; i < p; ++i) copy(p, &Y[i * k0], row(out.obs_noise_cov, t, p * p) + i * p);
        if (t + 1 >= s.n) return;
        for (int i = 0; i < dr; ++i) copy(dr, &Y[(p + i) * k0 + p], row(out.state_noise_cov, t + 1, dr * dr) + i * dr);
        // L+ (I - Ns) Psi' Lf'
        const double* L_next = t + 1 == tape.diffuse.steps && tape.diffuse.collapsed ? tape.diffuse.L_end.data()
                                                                                       : part(t + 1, at.L);
        for (int i = 0; i < m * m; ++i) W[i] = -Ns[i];
        for (int i = 0; i < m; ++i) W[i * m + i] += 1.0;
        mul_nn<Put::set>(m, m, m, L_next, W.data(), X.data());
        mul_nt<Put::set>(m, m, m, X.data(), Psi, Y.data());
        mul_nt<Put::set>(m, m, m, Y.data(), Lf, row(out.autocov, t + 1, m * m));
    }

    void repeat_covariances(int t) {
        copy_row(out.state_cov, t, m * m);
        copy_row(out.obs_noise_cov, t, p * p);
        copy_row(out.state_noise_cov, t + 1, dr * dr);
        copy_row(out.autocov, t + 1, m * m);
    }
    static void copy_row(double* x, int t, int size) { copy(size, row(x, t + 1, size), row(x, t, size)); }

    // r and N themselves (reported, and needed where the diffuse phase begins).
    void plain_step(int t) {
        const double* K = part(t, tape.layout.K);
        copy(p, row(tape.e.data(), t, p), u.data());
        mul_tv<Put::sub>(p, m, K, r.data(), u.data());
        advance(u.data(), r.data());
        step_N();
        copy(m, r.data(), row(out.r, t, m));
        copy(m * m, N.data(), row(out.N, t, m * m));
    }

    // r <- Z'u + T'r
    void advance(const double* u_t, double* adjoint) {
        mul_tv<Put::set>(m, p, s.Z, u_t, next_r.data());
        mul_tv<Put::add>(m, m, s.T, adjoint, next_r.data());
        copy(m, next_r.data(), adjoint);
    }

    void step_N() {
        mul_nn<Put::set>(m, m, m, N.data(), Lc.data(), X.data());
        mul_tn<Put::set>(m, m, m, Lc.data(), X.data(), N.data());
        mul_tn<Put::add>(m, m, p, s.Z, FZ.data(), N.data());
        symmetrise(m, N.data());
    }

    // --- diffuse phase ---------------------------------------------------------------------------------------------
    void diffuse_phase(int phase) {
        terminal.build(tape.diffuse, m, r.data(), N.data());
        k = terminal.rank;
        cols = terminal.columns;
        x_cols.assign(k * m, 0.0), x_cols_next.assign(k * m, 0.0);
        columns_at(phase);
        for (int t = phase - 1; t >= 0; --t) {
            load(t);
            standardise(t + 1 == phase ? tape.diffuse.L_end.data() : part(t + 1, tape.layout.L));
            covariances(t, Dim<0>(observed(t)));
            data_column(t);
            delta_columns(t);
            advance(u.data(), r.data());
            step_N();
            report(t);
        }
    }

    // rs = L'r and Ns = L'N L for the factor L of the next predicted covariance.
    void standardise(const double* L) {
        mul_tv<Put::set>(m, m, L, r.data(), rs.data());
        mul_nn<Put::set>(m, m, m, N.data(), L, X.data());
        mul_tn<Put::set>(m, m, m, L, X.data(), Ns.data());
        symmetrise(m, Ns.data());
    }

    // Smoothed columns at the first row after the phase: predicted loading plus P r_c of the proper filter.
    void columns_at(int t) {
        if (t >= s.n) return;
        std::vector<double> P(m * m);
        gram(m, m, tape.diffuse.L_end.data(), P.data());
        for (int c = 0; c < k; ++c) {
            loading(t, c, &x_cols_next[c * m]);
            mul_v<Put::add>(m, m, P.data(), &cols[c * m], &x_cols_next[c * m]);
        }
    }

    // Column c of A_t S_n^{-1/2}.
    void loading(int t, int c, double* a) const {
        const int d = o.first.d;
        const double* A = row(tape.diffuse.A.data(), t, m * d);
        for (int i = 0; i < m; ++i) {
            a[i] = 0.0;
            for (int j = 0; j < d; ++j) a[i] += A[i * d + j] * terminal.root[j * k + c];
        }
    }

    // eps = H u + (RS)'r and eta = Q R'r + S u.
    void noises(const double* u_t, const double* adjoint, double* eps, double* eta) const {
        mul_v<Put::set>(p, p, s.H, u_t, eps);
        mul_tv<Put::add>(p, m, o.noise.C.data(), adjoint, eps);
        if (!eta) return;
        mul_tv<Put::set>(dr, m, o.noise.RQ.data(), adjoint, eta);
        mul_v<Put::add>(dr, p, s.S, u_t, eta);
    }

    // The data column at the final estimate of delta.
    void data_column(int t) {
        const int d = o.first.d;
        const double *A = row(tape.diffuse.A.data(), t, m * d), *base = row(tape.a.data(), t, m);
        std::vector<double> shift(m), filtered(base, base + m), v(p, 0.0);
        mul_v<Put::set>(m, Dim<0>(d), A, terminal.delta.data(), shift.data());
        copy(p, row(tape.e.data(), t, p), u.data());
        mul_v<Put::sub>(p, m, FZ.data(), shift.data(), u.data());
        mul_tv<Put::sub>(p, m, part(t, tape.layout.K), r.data(), u.data());
        add(m, shift.data(), filtered.data());
        const double *forecast = row(f.forecast, t, p), *error = row(f.forecast_error, t, p), *d_t = s.d_at(t);
        for (int i = 0; i < p; ++i)
            if (error[i] == error[i]) v[i] = error[i] + forecast[i] - d_t[i] - dot(m, s.Z + i * m, filtered.data());
        mul_v<Put::add>(m, p, part(t, tape.layout.Kf), v.data(), filtered.data());
        state_mean(t, filtered.data());
        noises(u.data(), r.data(), row(out.obs_noise, t, p), t + 1 < s.n ? row(out.state_noise, t + 1, dr) : nullptr);
    }

    // Variance that comes from not knowing delta: one outer product per column.
    void delta_columns(int t) {
        const double* Kf = part(t, tape.layout.Kf);
        std::vector<double> a(m), u_c(p), za(p), eps(p), eta(dr);
        for (int c = 0; c < k; ++c) {
            double *rc = &cols[c * m], *xc = &x_cols[c * m];
            loading(t, c, a.data());
            mul_v<Put::set>(p, m, s.Z, a.data(), za.data());
            mul_v<Put::set>(p, m, FZ.data(), a.data(), u_c.data());
            for (double& x : u_c) x = -x;
            mul_tv<Put::sub>(p, m, part(t, tape.layout.K), rc, u_c.data());
            copy(m, a.data(), xc);
            mul_v<Put::sub>(m, p, Kf, za.data(), xc);
            const double* L_next = t + 1 == tape.diffuse.steps ? tape.diffuse.L_end.data() : part(t + 1, tape.layout.L);
            mul_tv<Put::set>(m, m, L_next, rc, X.data());
            mul_v<Put::set>(m, m, part(t, tape.layout.Psi), X.data(), next_r.data());
            mul_v<Put::add>(m, m, part(t, tape.layout.Lf), next_r.data(), xc);
            noises(u_c.data(), rc, eps.data(), eta.data());
            add_outer(m, m, xc, xc, row(out.state_cov, t, m * m));
            add_outer(p, p, eps.data(), eps.data(), row(out.obs_noise_cov, t, p * p));
            if (t + 1 < s.n) {
                add_outer(m, m, &x_cols_next[c * m], xc, row(out.autocov, t + 1, m * m));
                add_outer(dr, dr, eta.data(), eta.data(), row(out.state_noise_cov, t + 1, dr * dr));
            }
            advance(u_c.data(), rc);
        }
        std::swap(x_cols, x_cols_next);
        if (k < o.first.d) undetermined(t);
    }

    // Directions of delta about which no row says anything: infinite (co)variances of the states that move along them.
    void undetermined(int t) {
        const int d = o.first.d;
        const Dim<0> dd(d);
        const double* A = row(tape.diffuse.A.data(), t, m * d);
        std::vector<double> free(d * d, 0.0), A_free(m * d), part_(m * m), all(m * m);
        Moments::undetermined(d, k, terminal.root.data(), free.data());
        mul_nn<Put::set>(m, dd, dd, A, free.data(), A_free.data());
        gram(m, dd, A_free.data(), part_.data());
        gram(m, dd, A, all.data());
        double* V = row(out.state_cov, t, m * m);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < m; ++j)
                if (std::fabs(part_[i * m + j]) > 1e-10 * std::sqrt(all[i * m + i] * all[j * m + j]))
                    V[i * m + j] = std::copysign(std::numeric_limits<double>::infinity(), part_[i * m + j]);
    }

    void report(int t) {
        copy(m, r.data(), row(out.r, t, m));
        double* target = row(out.N, t, m * m);
        copy(m * m, N.data(), target);
        for (int c = 0; c < k; ++c)
            for (int i = 0; i < m; ++i)
                for (int j = 0; j < m; ++j) target[i * m + j] -= cols[c * m + i] * cols[c * m + j];
    }

    // Noise of the step into the first row.
    void first_noise() {
        double *eta = out.state_noise, *cov = out.state_noise_cov;
        zero(dr, eta);
        zero(dr * dr, cov);
        if (s.first_step == FirstStep::noiseless) return;
        copy(dr * dr, s.Q, cov);
        if (s.first_step == FirstStep::none) return;
        mul_tv<Put::set>(dr, m, o.noise.RQ.data(), r.data(), eta);
        std::vector<double> B(dr * dr), RB(m * dr);
        psd_factor(dr, s.Q, B.data());
        mul_nn<Put::set>(m, dr, dr, s.R, B.data(), RB.data());
        mul_nn<Put::set>(m, dr, m, N.data(), RB.data(), X.data());
        mul_tn<Put::set>(dr, dr, m, RB.data(), X.data(), W.data());
        shrink_psd(dr, dr, B.data(), W.data(), G.data(), BG.data(), cov);
        std::vector<double> part_(dr);
        for (int c = 0; c < k; ++c) {
            mul_tv<Put::set>(dr, m, o.noise.RQ.data(), &cols[c * m], part_.data());
            add_outer(dr, dr, part_.data(), part_.data(), cov);
        }
    }
};

inline void Moments::smooth(const FilterArrays& f, const SmootherArrays& out) {
    Backward(*this, f, out).run();
}

}  // namespace rnnstats
