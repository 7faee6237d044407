// Predicted and filtered moments from a full Tape; exact limits while a diffuse start is being settled.
#pragma once

#include "forward.hpp"

namespace rnnstats {

struct FilterArrays {  // (n + 1) rows for predicted_*, n for the others; row-major
    double *predicted, *predicted_cov, *predicted_diffuse, *filtered, *filtered_cov, *filtered_diffuse;
    double *forecast, *forecast_error, *forecast_cov;
};

struct SmootherArrays {
    double *state, *state_cov, *autocov, *obs_noise, *obs_noise_cov, *state_noise, *state_noise_cov, *r, *N;
};

// Nearest positive semi-definite matrix: eigenvalues below zero, left by a subtraction, become zero.
inline void clip_negative(int n, double* V) {
    std::vector<double> work(2 * n * n + n);
    double *A = work.data(), *U = A + n * n, *w = U + n * n;
    jacobi_eigen(n, V, A, w, U);
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) A[i * n + j] = U[i * n + j] * std::sqrt(std::max(w[j], 0.0));
    gram(Dim<0>(n), Dim<0>(n), A, V);
}

class Moments {
   public:
    Moments(const System& system, const Noise& shared, const FirstMoments& moments, const Tape& record)
        : s(system), noise(shared), first(moments), tape(record), m(system.m), p(system.p) {
        const size_t big = static_cast<size_t>(m + p + noise.q + first.d + s.r);
        work.assign(6 * big * big, 0.0);
        v.assign(p, 0.0);
    }

    void filter(const double* y, const FilterArrays& out) {
        for (int t = 0; t < s.n; ++t) {
            predicted(t, out);
            outputs(t, y + static_cast<size_t>(t) * p, out);
            filtered(t, out);
        }
        predicted(s.n, out);
    }

    void smooth(const FilterArrays& f, const SmootherArrays& out);

   private:
    const System& s;
    const Noise& noise;
    const FirstMoments& first;
    const Tape& tape;
    const Dim<0> m, p;
    std::vector<double> work, v;

    static const double* row(const double* x, int t, int size) { return x + static_cast<size_t>(t) * size; }
    static double* row(double* x, int t, int size) { return x + static_cast<size_t>(t) * size; }
    bool in_phase(int t) const {
        const DiffuseRecord& record = tape.diffuse;
        return first.d > 0 && (t < record.steps || (t == record.steps && !record.collapsed));
    }
    bool same_gain(int t) const { return t > tape.diffuse.steps && t < s.n && tape.slot[t] == tape.slot[t - 1]; }

    void predicted(int t, const FilterArrays& out) {
        const int mm = m * m;
        double *a = row(out.predicted, t, m), *P = row(out.predicted_cov, t, mm);
        const DiffuseRecord& record = tape.diffuse;
        if (in_phase(t)) {
            const bool last = t == record.steps;
            copy(m, last ? record.a_end.data() : row(tape.a.data(), t, m), a);
            if (last) gram(m, m, record.L_end.data(), P);
            else copy(mm, tape.at(t) + tape.layout.P, P);
            limit(t, row(record.A.data(), t, m * first.d), a, P, row(out.predicted_diffuse, t, mm));
        } else if (t == s.n) {
            copy(m, tape.a_next.data(), a);
            gram(m, m, tape.L_next.data(), P);
        } else {
            copy(m, row(tape.a.data(), t, m), a);
            copy(mm, tape.at(t) + tape.layout.P, P);
        }
    }

    // Add what the rows before `known` say about delta to moments at delta_0: the limit, as the prior variance of
    // delta (mean zero) goes to infinity, of the mean, the finite and the diffuse part of a covariance with loading A.
    void limit(int known, const double* A, double* a, double* P, double* P_diffuse) {
        const int d = first.d, rank = tape.diffuse.rank[known];
        const double* X = row(tape.diffuse.root.data(), known, d * d);
        const Dim<0> dd(d), dk(rank);
        std::vector<double> shift(row(tape.diffuse.delta.data(), known, d), row(tape.diffuse.delta.data(), known, d) + d);
        std::vector<double> packed(d * rank), AX(m * rank), free(d * d, 0.0), A_free(m * d);
        for (int i = 0; i < d; ++i)
            for (int k = 0; k < rank; ++k) packed[i * rank + k] = X[i * d + k];
        mul_nn<Put::set>(m, dk, dd, A, packed.data(), AX.data());
        mul_nt<Put::add>(m, m, dk, AX.data(), AX.data(), P);
        if (rank < d) {
            undetermined(d, rank, packed.data(), free.data());
            mul_v<Put::sub>(dd, dd, free.data(), tape.diffuse.delta_0.data(), shift.data());
            mul_nn<Put::set>(m, dd, dd, A, free.data(), A_free.data());
            gram(m, dd, A_free.data(), P_diffuse);
            std::vector<double> spare(d * d), A_spare(m * d);  // A free diag(scale) free A' was added for scale only
            for (int i = 0; i < d; ++i)
                for (int j = 0; j < d; ++j) spare[i * d + j] = free[i * d + j] * first.scale[j];
            mul_nn<Put::set>(m, dd, dd, A, spare.data(), A_spare.data());
            mul_nt<Put::sub>(m, m, dd, A_spare.data(), A_free.data(), P);
            symmetrise(m, P);
            clip_negative(m, P);
        }
        mul_v<Put::add>(m, dd, A, shift.data(), a);
    }

    // I - S S^+ (d x d) from orthogonal columns that span the range of S.
    static void undetermined(int d, int rank, const double* columns, double* free) {
        for (int i = 0; i < d; ++i) free[i * d + i] = 1.0;
        for (int k = 0; k < rank; ++k) {
            double size = 0.0;
            for (int i = 0; i < d; ++i) size += columns[i * rank + k] * columns[i * rank + k];
            for (int i = 0; i < d; ++i)
                for (int j = 0; j < d; ++j) free[i * d + j] -= columns[i * rank + k] * columns[j * rank + k] / size;
        }
    }

    void outputs(int t, const double* y, const FilterArrays& out) {
        const int pp = p * p, q = noise.q, wide = q + m;
        double *mean = row(out.forecast, t, p), *error = row(out.forecast_error, t, p), *F = row(out.forecast_cov, t, pp);
        copy(p, s.d_at(t), mean);
        mul_v<Put::add>(p, m, s.Z, row(out.predicted, t, m), mean);
        for (int i = 0; i < p; ++i) error[i] = y[i] - mean[i];
        if (same_gain(t)) {
            copy(pp, row(out.forecast_cov, t - 1, pp), F);
        } else if (in_phase(t)) {
            double* ZP = work.data();
            mul_nn<Put::set>(p, m, m, s.Z, row(out.predicted_cov, t, m * m), ZP);
            copy(pp, s.H, F);
            mul_nt<Put::add>(p, p, m, ZP, s.Z, F);
            symmetrise(p, F);
        } else {
            double *W = work.data(), *ZL = W + p * wide;
            mul_nn<Put::set>(p, m, m, s.Z, tape.at(t) + tape.layout.L, ZL);
            for (int i = 0; i < p; ++i) {
                copy(q, &noise.J[i * q], W + i * wide);
                copy(m, ZL + i * m, W + i * wide + q);
            }
            gram(p, Dim<0>(wide), W, F);
        }
    }

    void filtered(int t, const FilterArrays& out) {
        const int mm = m * m;
        const double *slot = tape.at(t), *Kf = slot + tape.layout.Kf;
        double *a = row(out.filtered, t, m), *P = row(out.filtered_cov, t, mm);
        const double* error = row(out.forecast_error, t, p);
        if (!in_phase(t)) {
            // a + L X w
            std::vector<double>& shift = work;
            const int o = observed(error);
            mul_v<Put::set>(m, Dim<0>(o), slot + tape.layout.X, row(tape.w.data(), t, p), shift.data());
            copy(m, row(out.predicted, t, m), a);
            mul_v<Put::add>(m, m, slot + tape.layout.L, shift.data(), a);
            if (same_gain(t)) copy(mm, row(out.filtered_cov, t - 1, mm), P);
            else gram(m, m, slot + tape.layout.Lf, P);
            return;
        }
        for (int i = 0; i < p; ++i) v[i] = error[i] == error[i] ? error[i] : 0.0;
        const int d = first.d;
        const double* A = row(tape.diffuse.A.data(), t, m * d);
        // innovation of the proper filter, at delta_0
        const double *forecast = row(out.forecast, t, p), *d_t = s.d_at(t), *at_delta_0 = row(tape.a.data(), t, m);
        std::vector<double> Af(A, A + m * d), ZA(p * d);
        for (int i = 0; i < p; ++i)
            if (error[i] == error[i]) v[i] = error[i] + forecast[i] - d_t[i] - dot(m, s.Z + i * m, at_delta_0);
        copy(m, at_delta_0, a);
        mul_v<Put::add>(m, p, Kf, v.data(), a);
        mul_nn<Put::set>(p, Dim<0>(d), m, s.Z, A, ZA.data());
        mul_nn<Put::sub>(m, Dim<0>(d), p, Kf, ZA.data(), Af.data());
        gram(m, m, slot + tape.layout.Lf, P);
        limit(t + 1, Af.data(), a, P, row(out.filtered_diffuse, t, mm));
    }

    int observed(const double* error) const {
        int o = 0;
        for (int i = 0; i < p; ++i) o += error[i] == error[i];
        return o;
    }

    struct Backward;
};

}  // namespace rnnstats
